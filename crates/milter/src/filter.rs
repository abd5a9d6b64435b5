//! The seam: what a filter is asked, and what it may answer.

use std::future::Future;

use crate::envelope::{Connection, Envelope, Path, Transaction};
use crate::negotiation::NegotiationError;
use crate::parameters::{RecipientParameters, SenderParameters};
use crate::protocol::Actions;
use crate::text::{Address, Body, HeaderName, HeaderValue, Reason, ReplyText};

/// A filter. One value serves all connections.
///
/// A panic in any of these is caught, logged, and becomes a tempfail of what was asked; the
/// connection and its next messages are not touched.
pub trait Filter: Send + Sync + 'static {
    /// What a decision carries from [`message`](Self::message) to [`answered`](Self::answered),
    /// for example the id under which the decision was recorded. `()` if nothing.
    type Ticket: Send + 'static;

    /// Asked once per SMTP session, after CONNECT; cheap, it holds up the client.
    /// [`Reply::Accept`] lets everything of this connection pass unseen; a refusal holds for the
    /// whole connection. [`Reply::Discard`] is not allowed here.
    fn connect(&self, _connection: &Connection) -> Reply {
        Reply::Continue
    }

    /// Asked at MAIL; cheap. `envelope.recipients` is empty. [`Reply::Accept`] lets the message
    /// pass unseen.
    fn mail(&self, _envelope: &Envelope) -> Reply {
        Reply::Continue
    }

    /// Asked at each RCPT; cheap. `envelope` has the recipients before this one. A refusal
    /// refuses this recipient; [`Reply::Accept`] lets the whole message pass unseen.
    fn rcpt(&self, _envelope: &Envelope, _recipient: &Path) -> Reply {
        Reply::Continue
    }

    /// The whole message is there. The MTA is told to wait until this is ready. It is dropped
    /// when the MTA aborts the message or goes away, and at the deadline
    /// ([`ServerOptions::message_deadline`](crate::ServerOptions::message_deadline)), so it must
    /// not be somewhere half-done at an `await`. It must not block its thread.
    fn message(
        &self,
        transaction: Transaction,
    ) -> impl Future<Output = Decision<Self::Ticket>> + Send;

    /// What became of a decision; called exactly once for each one that
    /// [`message`](Self::message) returned. The connection's next command waits for it.
    fn answered(
        &self,
        _ticket: Self::Ticket,
        _answered: Answered,
    ) -> impl Future<Output = ()> + Send {
        async {}
    }

    /// A message went over a limit, so its rest was not kept and [`message`](Self::message) is
    /// not asked. The answer is given at the end of the message.
    fn over_limit(&self, _envelope: &Envelope, limit: Limit) -> Reply {
        limit.reply()
    }

    /// An MTA made an offer that cannot be taken: it does not grant what
    /// [`ServerOptions::needed`](crate::ServerOptions::needed) says, or is too old. Its connection
    /// is closed behind this, so none of its mail passes until somebody changes a setting; that is
    /// why the program should show it. `peer` is its address and port, or `unix`.
    ///
    /// Who makes no offer at all is no MTA but a scan of ports, and is not told here.
    fn not_agreed(&self, _peer: &str, _error: &NegotiationError) {}
}

/// The answer to one command or message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Pass the message, or the connection, without looking any further.
    Accept,
    /// Go on. At the end of a message: pass it.
    Continue,
    /// Reject or defer with this reply.
    Custom(ReplyText),
    /// Tell the client that the message was taken, and drop it. Not at CONNECT.
    Discard,
    /// Reject with the MTA's own text, 5xx.
    Reject,
    /// Reply 421 and have the MTA end the SMTP session.
    Shutdown,
    /// Defer with the MTA's own text, 4xx.
    Tempfail,
}

/// What a filter decided about a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision<Ticket> {
    /// Changes; without effect when the message is not passed.
    pub edits: Vec<Edit>,
    /// The answer.
    pub reply: Reply,
    /// Comes back with [`Filter::answered`].
    pub ticket: Ticket,
}

impl<Ticket> Decision<Ticket> {
    /// An answer without changes.
    pub const fn new(reply: Reply, ticket: Ticket) -> Self {
        Self {
            edits: Vec::new(),
            reply,
            ticket,
        }
    }
}

/// A change to a message or its envelope.
///
/// Whatever their order here, they are sent in the order that is safe: changes of existing header
/// fields from the last occurrence to the first (so that a deletion moves no field that is still
/// to be changed), then the others in the given order, then the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// Append a header field.
    AddHeader {
        /// Its name.
        name: HeaderName,
        /// Its value.
        value: HeaderValue,
    },
    /// Add a recipient.
    AddRecipient {
        /// Its address.
        address: Address,
        /// Its ESMTP parameters, mostly none.
        parameters: RecipientParameters,
    },
    /// Change or delete a header field.
    ChangeHeader {
        /// Which of the fields with this name, from 1, as the message was received.
        occurrence: u32,
        /// Its name.
        name: HeaderName,
        /// The new value; `None` deletes the field.
        value: Option<HeaderValue>,
    },
    /// Change the envelope sender.
    ChangeSender {
        /// The new sender.
        address: Address,
        /// Its ESMTP parameters, mostly none.
        parameters: SenderParameters,
    },
    /// Remove a recipient, named as in [`Envelope::recipients`].
    DeleteRecipient(Address),
    /// Insert a header field.
    InsertHeader {
        /// Before which field; 0 is above the MTA's own `Received`.
        index: u32,
        /// Its name.
        name: HeaderName,
        /// Its value.
        value: HeaderValue,
    },
    /// Have the MTA hold the message. The reply must be one that passes it.
    Quarantine(Reason),
    /// Replace the body; several are one after another.
    ReplaceBody(Body),
}

impl Edit {
    /// The action that the MTA must have granted for this.
    #[must_use]
    pub const fn action(&self) -> Actions {
        match self {
            Self::AddHeader { .. } | Self::InsertHeader { .. } => Actions::ADD_HEADERS,
            Self::AddRecipient { parameters, .. } if parameters.is_empty() => {
                Actions::ADD_RECIPIENT
            }
            Self::AddRecipient { .. } => Actions::ADD_RECIPIENT_PARAMETERS,
            Self::ChangeHeader { .. } => Actions::CHANGE_HEADERS,
            Self::ChangeSender { .. } => Actions::CHANGE_SENDER,
            Self::DeleteRecipient(_) => Actions::DELETE_RECIPIENT,
            Self::Quarantine(_) => Actions::QUARANTINE,
            Self::ReplaceBody(_) => Actions::CHANGE_BODY,
        }
    }
}

/// What became of a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answered {
    /// It could not be written, or not wholly. The MTA most likely deferred the message, but it
    /// may also have read the answer and gone away.
    Lost(String),
    /// It could not be expressed; the message was deferred instead.
    Replaced(AnswerError),
    /// Edits and reply were written as decided.
    Sent,
}

/// Why a decision cannot be expressed to this MTA.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// An edit needs an action that the MTA did not grant.
    #[error("the MTA does not grant {0}")]
    NotGranted(Actions),
    /// A quarantine together with a reply that refuses the message.
    #[error("a quarantine needs a reply that passes the message")]
    QuarantineRefused,
}

/// A limit that a message went over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Limit {
    /// The header section, in bytes.
    #[error("header section above {0} bytes")]
    HeaderBytes(usize),
    /// Header fields.
    #[error("more than {0} header fields")]
    Headers(usize),
    /// The whole message, in bytes.
    #[error("message above {0} bytes")]
    MessageBytes(u64),
    /// Recipients, or the bytes of the envelope. Only where RCPT is not answered; else the
    /// recipient that is too much gets a 452.
    #[error("more than {0} recipients, or too long ones")]
    Recipients(usize),
}

impl Limit {
    /// The usual answer: 552 for a message that is too big, 452 for too many recipients.
    #[must_use]
    pub fn reply(self) -> Reply {
        Reply::Custom(match self {
            Self::HeaderBytes(_) | Self::Headers(_) => {
                ReplyText::fixed(552, "5.3.4", "Message header section is too big")
            }
            Self::MessageBytes(_) => ReplyText::fixed(552, "5.3.4", "Message is too big"),
            Self::Recipients(_) => ReplyText::fixed(452, "4.5.3", "Too many recipients"),
        })
    }
}
