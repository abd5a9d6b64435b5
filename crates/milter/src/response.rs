//! What the filter says to the MTA.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::command::{CommandError, Offer, Payload, put_offer};
use crate::frame::{Frame, put_frame, put_string};
use crate::protocol::{Actions, Events, MacroStage};

/// One response of the filter. This is the wire form: what goes into it was checked before.
///
/// The changes (`+ - 2 b e h i m`) are legal only as an answer to the end of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// `a`: no more of this message, or of this connection, need be shown.
    Accept,
    /// `h`: append a header field.
    AddHeader {
        /// Its name.
        name: Bytes,
        /// Its value.
        value: Bytes,
    },
    /// `+`: add a recipient.
    AddRecipient(Bytes),
    /// `2`: add a recipient with ESMTP parameters.
    AddRecipientParameters {
        /// The recipient, in angle brackets.
        address: Bytes,
        /// The parameters, separated by spaces.
        parameters: Bytes,
    },
    /// `m`: change a header field, or delete it with an empty value.
    ChangeHeader {
        /// Which one of those with this name, from 1.
        occurrence: u32,
        /// Its name.
        name: Bytes,
        /// Its new value.
        value: Bytes,
    },
    /// `e`: change the envelope sender.
    ChangeSender {
        /// The sender, in angle brackets.
        address: Bytes,
        /// ESMTP parameters, separated by spaces; may be empty.
        parameters: Bytes,
    },
    /// `c`: go on.
    Continue,
    /// `f`: the connection cannot be served. No filter sends it: Postfix takes it for a broken one.
    ConnectionFailure,
    /// `-`: remove a recipient.
    DeleteRecipient(Bytes),
    /// `d`: tell the client that the message was taken, and drop it.
    Discard,
    /// `i`: insert a header field.
    InsertHeader {
        /// Before which field, 0 for the very top.
        index: u32,
        /// Its name.
        name: Bytes,
        /// Its value.
        value: Bytes,
    },
    /// `O`: the answer to the offer, with macro lists.
    Negotiated {
        /// What is taken of the offer.
        taken: Offer,
        /// The macros asked for; without any list the MTA's own lists hold.
        macros: Vec<(u32, Bytes)>,
    },
    /// `p`: wait, this takes a while.
    Progress,
    /// `q`: hold the message.
    Quarantine(Bytes),
    /// `r`: reject.
    Reject,
    /// `b`: the next piece of the new body.
    ReplaceBody(Bytes),
    /// `y`: reject or defer with this SMTP reply.
    ReplyCode(Bytes),
    /// `4`: reply 421 and end the SMTP session. This crate sends the 421 as a [`Self::ReplyCode`]
    /// instead: at the end of a message Postfix 3.7 takes this for a message that was accepted, and
    /// drops it.
    Shutdown,
    /// `s`: no more events of this kind for this message.
    Skip,
    /// `t`: defer.
    Tempfail,
}

impl Response {
    /// Whether the MTA waits for something else after this: a change, a progress note.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        !matches!(
            self,
            Self::AddHeader { .. }
                | Self::AddRecipient(_)
                | Self::AddRecipientParameters { .. }
                | Self::ChangeHeader { .. }
                | Self::ChangeSender { .. }
                | Self::DeleteRecipient(_)
                | Self::InsertHeader { .. }
                | Self::Progress
                | Self::Quarantine(_)
                | Self::ReplaceBody(_)
        )
    }

    /// Appends the response as a frame.
    pub fn encode(&self, target: &mut BytesMut) {
        match self {
            Self::Accept => put_frame(target, b'a', |_| ()),
            Self::AddHeader { name, value } => put_frame(target, b'h', |t| {
                put_string(t, name);
                put_string(t, value);
            }),
            Self::AddRecipient(address) => put_frame(target, b'+', |t| put_string(t, address)),
            Self::AddRecipientParameters {
                address,
                parameters,
            } => put_frame(target, b'2', |t| put_parameters(t, address, parameters)),
            Self::ChangeHeader {
                occurrence,
                name,
                value,
            } => put_frame(target, b'm', |t| {
                put_indexed_field(t, *occurrence, name, value);
            }),
            Self::ChangeSender {
                address,
                parameters,
            } => put_frame(target, b'e', |t| put_parameters(t, address, parameters)),
            Self::Continue => put_frame(target, b'c', |_| ()),
            Self::ConnectionFailure => put_frame(target, b'f', |_| ()),
            Self::DeleteRecipient(address) => put_frame(target, b'-', |t| put_string(t, address)),
            Self::Discard => put_frame(target, b'd', |_| ()),
            Self::InsertHeader { index, name, value } => {
                put_frame(target, b'i', |t| put_indexed_field(t, *index, name, value));
            }
            Self::Negotiated { taken, macros } => put_frame(target, b'O', |t| {
                put_offer(t, taken);
                for (stage, names) in macros {
                    t.put_u32(*stage);
                    put_string(t, names);
                }
            }),
            Self::Progress => put_frame(target, b'p', |_| ()),
            Self::Quarantine(reason) => put_frame(target, b'q', |t| put_string(t, reason)),
            Self::Reject => put_frame(target, b'r', |_| ()),
            Self::ReplaceBody(chunk) => put_frame(target, b'b', |t| t.extend_from_slice(chunk)),
            Self::ReplyCode(text) => put_frame(target, b'y', |t| put_string(t, text)),
            Self::Shutdown => put_frame(target, b'4', |_| ()),
            Self::Skip => put_frame(target, b's', |_| ()),
            Self::Tempfail => put_frame(target, b't', |_| ()),
        }
    }

    /// Reads a frame, as an MTA does.
    ///
    /// # Errors
    /// The code is unknown or the payload malformed; Postfix falls back to its
    /// `milter_default_action` then.
    pub fn parse(frame: Frame) -> Result<Self, CommandError> {
        let mut payload = Payload::new(frame.payload);
        let bare = |payload: &Payload, response| payload.expect_end("bare").map(|()| response);
        match frame.code {
            b'a' => bare(&payload, Self::Accept),
            b'c' => bare(&payload, Self::Continue),
            b'd' => bare(&payload, Self::Discard),
            b'f' => bare(&payload, Self::ConnectionFailure),
            b'p' => bare(&payload, Self::Progress),
            b'r' => bare(&payload, Self::Reject),
            b's' => bare(&payload, Self::Skip),
            b't' => bare(&payload, Self::Tempfail),
            b'4' => bare(&payload, Self::Shutdown),
            b'b' => Ok(Self::ReplaceBody(payload.rest)),
            b'+' => Ok(Self::AddRecipient(payload.only_long_string("+")?)),
            b'-' => Ok(Self::DeleteRecipient(payload.only_long_string("-")?)),
            b'2' => {
                let (address, parameters) = parameters(payload, "2")?;
                Ok(Self::AddRecipientParameters {
                    address,
                    parameters,
                })
            }
            b'e' => {
                let (address, parameters) = parameters(payload, "e")?;
                Ok(Self::ChangeSender {
                    address,
                    parameters,
                })
            }
            b'h' => {
                let name = payload.string("h")?;
                let value = payload.only_long_string("h")?;
                Ok(Self::AddHeader { name, value })
            }
            b'i' => {
                let (index, name, value) = indexed_field(payload, "i")?;
                Ok(Self::InsertHeader { index, name, value })
            }
            b'm' => {
                let (occurrence, name, value) = indexed_field(payload, "m")?;
                Ok(Self::ChangeHeader {
                    occurrence,
                    name,
                    value,
                })
            }
            b'q' => Ok(Self::Quarantine(text(payload, "q")?)),
            b'y' => Ok(Self::ReplyCode(text(payload, "y")?)),
            b'O' => negotiated(payload),
            code => Err(CommandError::Unknown(code)),
        }
    }
}

/// The macro lists that go with an answer to an offer: every stage, see [`MacroStage::wanted`].
pub(crate) fn wanted_macros() -> Vec<(u32, Bytes)> {
    MacroStage::ALL
        .into_iter()
        .map(|stage| {
            (
                stage.number(),
                Bytes::from_static(stage.wanted().as_bytes()),
            )
        })
        .collect()
}

fn put_indexed_field(target: &mut BytesMut, index: u32, name: &[u8], value: &[u8]) {
    target.put_u32(index);
    put_string(target, name);
    put_string(target, value);
}

/// Without parameters their string is left out, which every MTA understands.
fn put_parameters(target: &mut BytesMut, address: &[u8], parameters: &[u8]) {
    put_string(target, address);
    if !parameters.is_empty() {
        put_string(target, parameters);
    }
}

fn parameters(mut payload: Payload, command: &'static str) -> Result<(Bytes, Bytes), CommandError> {
    let address = payload.string(command)?;
    if payload.rest.is_empty() {
        return Ok((address, Bytes::new()));
    }
    Ok((address, payload.only_long_string(command)?))
}

fn indexed_field(
    mut payload: Payload,
    command: &'static str,
) -> Result<(u32, Bytes, Bytes), CommandError> {
    let index = payload
        .rest
        .try_get_u32()
        .map_err(|_| CommandError::Malformed {
            command,
            problem: "no index",
        })?;
    let name = payload.string(command)?;
    let value = payload.only_long_string(command)?;
    Ok((index, name, value))
}

/// A text whose NUL may be missing, but which has none inside.
fn text(mut payload: Payload, command: &'static str) -> Result<Bytes, CommandError> {
    if payload.rest.contains(&0) {
        return payload.only_long_string(command);
    }
    Ok(payload.rest)
}

fn negotiated(mut payload: Payload) -> Result<Response, CommandError> {
    let short = CommandError::Malformed {
        command: "O",
        problem: "shorter than 12 bytes",
    };
    let mut number = || payload.rest.try_get_u32().map_err(|_| short);
    let taken = Offer {
        version: number()?,
        actions: Actions::from_wire(number()?),
        events: Events::from_wire(number()?),
    };
    let mut macros = Vec::new();
    while payload.rest.has_remaining() {
        let stage = payload.rest.try_get_u32().map_err(|_| short)?;
        macros.push((stage, payload.string("O")?));
    }
    Ok(Response::Negotiated { taken, macros })
}
