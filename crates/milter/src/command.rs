//! What the MTA says to the filter.

use std::net::IpAddr;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::envelope::{Path, Peer};
use crate::frame::{Frame, put_frame, put_string};
use crate::protocol::{Actions, Events};

/// A longer string of an envelope is refused, in bytes. SMTP lines end at some thousand bytes.
const STRING_BYTES: usize = 16 * 1024;

/// Longer macro, MAIL and RCPT commands are refused, in bytes. SMTP lines end at some thousand
/// bytes, and macros are about such lines.
const LIST_BYTES: usize = 64 * 1024;

/// So are those of more strings: small ones take far more memory than the frame itself. MTAs send
/// some ten macros, and fewer parameters.
const LIST_STRINGS: usize = 1_000;

/// One command of the MTA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// `A`: the message is given up; the connection stays.
    Abort,
    /// `B`: a piece of the body.
    Body(Bytes),
    /// `C`: a client connected.
    Connect {
        /// Its name as the MTA found it, `[address]` when it has none.
        host: Bytes,
        /// Where it connected from.
        peer: Peer,
    },
    /// `T`: DATA was said.
    Data,
    /// `N`: the end of the header section.
    EndOfHeaders,
    /// `E`: the end of the message, with the last piece of the body in it (sendmail) or without
    /// (Postfix).
    EndOfMessage(Bytes),
    /// `L`: a header field.
    Header {
        /// Its name, without the colon.
        name: Bytes,
        /// Its value; folds are a bare LF.
        value: Bytes,
    },
    /// `H`: HELO or EHLO was said.
    Helo(Bytes),
    /// `D`: macros for the command that follows.
    Macros {
        /// That command's letter.
        letter: u8,
        /// Names without braces, and values.
        pairs: Vec<(Bytes, Bytes)>,
    },
    /// `M`: MAIL was said.
    Mail(Path),
    /// `O`: the MTA's offer, the first command of a connection.
    Negotiate(Offer),
    /// `Q`: the connection ends.
    Quit,
    /// `K`: the SMTP session ends, another one follows on this connection.
    QuitNewConnection,
    /// `R`: RCPT was said.
    Rcpt(Path),
    /// `U`: an SMTP command that the MTA does not know.
    Unknown(Bytes),
}

/// What one side of a negotiation puts forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Protocol version.
    pub version: u32,
    /// Possible or wanted actions.
    pub actions: Actions,
    /// Possible or wanted events and silences.
    pub events: Events,
}

impl Offer {
    /// What a current Postfix offers.
    pub const POSTFIX: Self = Self {
        version: crate::protocol::VERSION,
        actions: Actions::from_wire(0x1FF),
        events: Events::from_wire(0x1F_FFFF),
    };
}

/// A frame that is no command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// The payload does not have the form that the code demands.
    #[error("malformed {command} command: {problem}")]
    Malformed {
        /// The command's name.
        command: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// No command has this code.
    #[error("unknown command {:?}", char::from(*.0))]
    Unknown(u8),
}

impl Command {
    /// The command's name as used in messages.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Abort => "abort",
            Self::Body(_) => "body",
            Self::Connect { .. } => "connect",
            Self::Data => "data",
            Self::EndOfHeaders => "end-of-headers",
            Self::EndOfMessage(_) => "end-of-message",
            Self::Header { .. } => "header",
            Self::Helo(_) => "helo",
            Self::Macros { .. } => "macros",
            Self::Mail(_) => "mail",
            Self::Negotiate(_) => "negotiate",
            Self::Quit => "quit",
            Self::QuitNewConnection => "quit-new-connection",
            Self::Rcpt(_) => "rcpt",
            Self::Unknown(_) => "unknown",
        }
    }

    /// Reads a frame.
    ///
    /// # Errors
    /// The code is unknown or the payload malformed; both end the connection.
    pub fn parse(frame: Frame) -> Result<Self, CommandError> {
        let mut payload = Payload::new(frame.payload);
        let command = match frame.code {
            b'A' => payload.expect_end("abort").map(|()| Self::Abort)?,
            b'B' => Self::Body(payload.rest),
            b'C' => connect(payload)?,
            b'D' => macros(payload)?,
            b'E' => Self::EndOfMessage(payload.rest),
            b'H' => Self::Helo(payload.only_string("helo")?),
            b'L' => header(payload)?,
            b'M' => Self::Mail(path(payload, "mail")?),
            b'N' => payload
                .expect_end("end-of-headers")
                .map(|()| Self::EndOfHeaders)?,
            b'O' => negotiate(payload)?,
            b'Q' => payload.expect_end("quit").map(|()| Self::Quit)?,
            b'K' => payload
                .expect_end("quit-new-connection")
                .map(|()| Self::QuitNewConnection)?,
            b'R' => Self::Rcpt(path(payload, "rcpt")?),
            b'T' => payload.expect_end("data").map(|()| Self::Data)?,
            b'U' => Self::Unknown(payload.only_string("unknown")?),
            code => return Err(CommandError::Unknown(code)),
        };
        Ok(command)
    }

    /// Appends the command as a frame.
    pub fn encode(&self, target: &mut BytesMut) {
        match self {
            Self::Abort => put_frame(target, b'A', |_| ()),
            Self::Body(chunk) => put_frame(target, b'B', |t| t.extend_from_slice(chunk)),
            Self::Connect { host, peer } => put_frame(target, b'C', |t| {
                put_string(t, host);
                put_peer(t, peer);
            }),
            Self::Data => put_frame(target, b'T', |_| ()),
            Self::EndOfHeaders => put_frame(target, b'N', |_| ()),
            Self::EndOfMessage(chunk) => put_frame(target, b'E', |t| t.extend_from_slice(chunk)),
            Self::Header { name, value } => put_frame(target, b'L', |t| {
                put_string(t, name);
                put_string(t, value);
            }),
            Self::Helo(name) => put_frame(target, b'H', |t| put_string(t, name)),
            Self::Macros { letter, pairs } => put_frame(target, b'D', |t| {
                t.put_u8(*letter);
                for (name, value) in pairs {
                    put_macro_name(t, name);
                    put_string(t, value);
                }
            }),
            Self::Mail(path) => put_frame(target, b'M', |t| put_path(t, path)),
            Self::Negotiate(offer) => put_frame(target, b'O', |t| put_offer(t, offer)),
            Self::Quit => put_frame(target, b'Q', |_| ()),
            Self::QuitNewConnection => put_frame(target, b'K', |_| ()),
            Self::Rcpt(path) => put_frame(target, b'R', |t| put_path(t, path)),
            Self::Unknown(line) => put_frame(target, b'U', |t| put_string(t, line)),
        }
    }
}

pub(crate) fn put_offer(target: &mut BytesMut, offer: &Offer) {
    target.put_u32(offer.version);
    target.put_u32(offer.actions.to_wire());
    target.put_u32(offer.events.to_wire());
}

fn put_peer(target: &mut BytesMut, peer: &Peer) {
    match peer {
        Peer::Ip { address, port } => {
            target.put_u8(if address.is_ipv4() { b'4' } else { b'6' });
            target.put_u16(*port);
            put_string(target, address.to_string().as_bytes());
        }
        Peer::Unix(path) => {
            target.put_u8(b'L');
            target.put_u16(0);
            put_string(target, path);
        }
        Peer::Unknown => target.put_u8(b'U'),
    }
}

fn put_path(target: &mut BytesMut, path: &Path) {
    target.put_u8(b'<');
    target.extend_from_slice(&path.address);
    put_string(target, b">");
    for parameter in &path.parameters {
        put_string(target, parameter);
    }
}

/// Names of more than one letter travel in braces.
fn put_macro_name(target: &mut BytesMut, name: &[u8]) {
    if name.len() == 1 {
        put_string(target, name);
    } else {
        target.put_u8(b'{');
        target.extend_from_slice(name);
        put_string(target, b"}");
    }
}

fn negotiate(mut payload: Payload) -> Result<Command, CommandError> {
    let short = CommandError::Malformed {
        command: "negotiate",
        problem: "shorter than 12 bytes",
    };
    let mut number = || payload.rest.try_get_u32().map_err(|_| short);
    // More than 12 bytes are for versions to come.
    Ok(Command::Negotiate(Offer {
        version: number()?,
        actions: Actions::from_wire(number()?),
        events: Events::from_wire(number()?),
    }))
}

fn connect(mut payload: Payload) -> Result<Command, CommandError> {
    let malformed = |problem| CommandError::Malformed {
        command: "connect",
        problem,
    };
    let host = payload.bounded_string("connect")?;
    let family = payload
        .rest
        .try_get_u8()
        .map_err(|_| malformed("no address family"))?;
    if family == b'U' {
        payload.expect_end("connect")?;
        let peer = Peer::Unknown;
        return Ok(Command::Connect { host, peer });
    }
    let port = payload
        .rest
        .try_get_u16()
        .map_err(|_| malformed("no port"))?;
    let text = payload.only_string("connect")?;
    let address = ip_address(&text);
    let peer = match (family, address) {
        (b'4', Some(address @ IpAddr::V4(_))) | (b'6', Some(address)) => Peer::Ip { address, port },
        (b'4' | b'6', _) => return Err(malformed("address is not of its family")),
        (b'L', _) => Peer::Unix(text.to_vec()),
        _ => return Err(malformed("unknown address family")),
    };
    Ok(Command::Connect { host, peer })
}

/// The address with what MTAs put around it: the tag `IPv6:` in front, a zone (`%eth0`) behind.
fn ip_address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let tagged = text
        .get(..5)
        .is_some_and(|tag| tag.eq_ignore_ascii_case("ipv6:"));
    let text = if tagged { text.get(5..)? } else { text };
    let text = text.split_once('%').map_or(text, |(address, _)| address);
    text.parse().ok()
}

fn macros(mut payload: Payload) -> Result<Command, CommandError> {
    payload.expect_list("macros")?;
    let letter = payload
        .rest
        .try_get_u8()
        .map_err(|_| CommandError::Malformed {
            command: "macros",
            problem: "no command letter",
        })?;
    let mut pairs = Vec::new();
    while payload.rest.has_remaining() {
        let name = payload.string("macros")?;
        let value = payload.string("macros")?;
        pairs.push((without_braces(name), value));
    }
    Ok(Command::Macros { letter, pairs })
}

fn without_braces(name: Bytes) -> Bytes {
    match name.as_ref() {
        [b'{', .., b'}'] => name.slice(1..name.len() - 1),
        _ => name,
    }
}

fn header(mut payload: Payload) -> Result<Command, CommandError> {
    let name = payload.string("header")?;
    let value = payload.only_long_string("header")?;
    // Such a name cannot be a field's name; rebuilding the message with it would move the border
    // between fields.
    if name.is_empty() || name.iter().any(|byte| matches!(byte, b':' | b'\r' | b'\n')) {
        return Err(CommandError::Malformed {
            command: "header",
            problem: "not a field name",
        });
    }
    Ok(Command::Header { name, value })
}

fn path(mut payload: Payload, command: &'static str) -> Result<Path, CommandError> {
    payload.expect_list(command)?;
    let address = payload.bounded_string(command)?;
    let mut parameters = Vec::new();
    while payload.rest.has_remaining() {
        parameters.push(payload.bounded_string(command)?.to_vec());
    }
    let address = match address.as_ref() {
        [b'<', inner @ .., b'>'] => inner.to_vec(),
        plain => plain.to_vec(),
    };
    Ok(Path {
        address,
        parameters,
    })
}

/// A payload that is being read from its front.
pub(crate) struct Payload {
    pub(crate) rest: Bytes,
}

impl Payload {
    pub(crate) fn new(rest: Bytes) -> Self {
        Self { rest }
    }

    /// The next string; its NUL must be there.
    pub(crate) fn string(&mut self, command: &'static str) -> Result<Bytes, CommandError> {
        let Some(end) = self.rest.iter().position(|byte| *byte == 0) else {
            return Err(CommandError::Malformed {
                command,
                problem: "unterminated string",
            });
        };
        let text = self.rest.split_to(end);
        self.rest.advance(1);
        Ok(text)
    }

    pub(crate) fn expect_end(&self, command: &'static str) -> Result<(), CommandError> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(CommandError::Malformed {
            command,
            problem: "more than was expected",
        })
    }

    fn expect_list(&self, command: &'static str) -> Result<(), CommandError> {
        let within = self.rest.len() <= LIST_BYTES
            && self.rest.iter().filter(|byte| **byte == 0).count() <= LIST_STRINGS;
        if within {
            return Ok(());
        }
        Err(CommandError::Malformed {
            command,
            problem: "too many or too long strings",
        })
    }

    fn bounded_string(&mut self, command: &'static str) -> Result<Bytes, CommandError> {
        let text = self.string(command)?;
        if text.len() > STRING_BYTES {
            return Err(CommandError::Malformed {
                command,
                problem: "string too long",
            });
        }
        Ok(text)
    }

    /// The next string, with nothing behind it.
    fn only_string(&mut self, command: &'static str) -> Result<Bytes, CommandError> {
        let text = self.bounded_string(command)?;
        self.expect_end(command)?;
        Ok(text)
    }

    /// As long as the frame.
    pub(crate) fn only_long_string(
        &mut self,
        command: &'static str,
    ) -> Result<Bytes, CommandError> {
        let text = self.string(command)?;
        self.expect_end(command)?;
        Ok(text)
    }
}
