//! What the relay asks about a message, and what it can be told.

use std::future::Future;
use std::sync::Arc;

use intake::Message;

use crate::reply::Reply;
use crate::service::{MailCommand, Peer};

/// Decides what the relay does with messages. One value serves all connections.
///
/// A panic in any of these is caught and defers the message.
pub trait Filter: Send + Sync + 'static {
    /// What a decision carries to [`answered`](Self::answered).
    type Ticket: Send + 'static;

    /// Asked at MAIL, before the next hop is; cheap. A reply refuses the transaction.
    fn mail(&self, _peer: &Peer, _mail: &MailCommand) -> Option<Reply> {
        None
    }

    /// Asked at RCPT, when the relay itself has nothing against the recipient, and before the
    /// next hop is asked; cheap. A reply refuses the recipient.
    fn rcpt(&self, _peer: &Peer, _path: &str) -> Option<Reply> {
        None
    }

    /// The whole message is there. It is dropped when the client goes away and at the deadline, so it must
    /// not be somewhere half-done at an `await`.
    fn message(&self, mail: Mail) -> impl Future<Output = Decision<Self::Ticket>> + Send;

    /// What became of a decision; called exactly once for each.
    fn answered(&self, ticket: Self::Ticket, answered: Answered)
    -> impl Future<Output = ()> + Send;
}

/// A message with its envelope.
#[derive(Debug)]
pub struct Mail {
    /// Who sends it.
    pub peer: Peer,
    /// The reverse-path and its parameters.
    pub mail: MailCommand,
    /// Forward-paths that the next hop has accepted, as given; at least one.
    pub rcpts: Vec<String>,
    /// The message, with CRLF line ends and without stuffed dots.
    pub message: Message,
}

/// What a filter decided about a message.
#[derive(Debug)]
pub struct Decision<Ticket> {
    /// What is done.
    pub action: Action,
    /// Comes back with [`Filter::answered`].
    pub ticket: Ticket,
}

/// What the relay does with a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Hand it to the next hop, and tell the client what that says.
    Pass {
        /// The message as it came.
        message: Arc<[u8]>,
        /// What is changed at its head.
        edits: HeaderEdits,
        /// Which of the recipients do not get it, by their index in [`Mail::rcpts`]; not all of them.
        withheld: Vec<usize>,
    },
    /// Take it without handing it on: the client hears this 2yz. The filter answers for what becomes of it.
    Take(Reply),
    /// The client hears this 4yz or 5yz.
    Refuse(Reply),
}

/// Changes at the head of a message. Its body is never changed, nor are the fields that stay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderEdits {
    /// Byte ranges that are left out, in ascending order and without overlap: whole header
    /// fields with their line ends.
    pub removed: Vec<std::ops::Range<usize>>,
    /// What is put before the message: whole header fields with CRLF line ends, or nothing.
    pub prepended: Vec<u8>,
}

/// What became of a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// What the client was told, or would have been.
    pub reply: Reply,
    /// Whether that could be written to it.
    pub written: bool,
    /// What the next hop said, if it was asked to take the message.
    pub next_hop: Option<NextHopAnswer>,
}

/// What the next hop said to a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextHopAnswer {
    /// Which server: `host:port`, `unix:path`, or the directory of a maildir.
    pub address: String,
    /// Its answer to the message, or `None` if that did not come: then the message may have been delivered.
    pub reply: Option<Reply>,
    /// Its id for the message.
    pub queue_id: Option<String>,
}
