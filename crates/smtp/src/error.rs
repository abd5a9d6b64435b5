//! What can go wrong, sorted by what a caller does about it.

use std::fmt;
use std::io;
use std::time::Duration;

use crate::address::AddressError;
use crate::client::Recipient;
use crate::content::MessageError;
use crate::reply::Reply;

/// Why a mail was not, or perhaps not, handed over. [`Error::kind`] says what to do next.
///
/// `peer` is the server as it was configured, `stage` the step of the dialogue.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An address of the envelope cannot be sent. Nothing was sent.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// An earlier error, or a delivery that was abandoned half-way, has ended this session. Connect anew.
    #[error("{peer}: the session has ended")]
    Ended {
        /// The server.
        peer: String,
    },
    /// Resolving, connecting, reading or writing failed, or the server closed the connection, before
    /// the final dot was sent. The mail was not delivered.
    #[error("{peer}: {stage}: {source}")]
    Io {
        /// The server.
        peer: String,
        /// The step.
        stage: Stage,
        /// What the system says.
        source: io::Error,
    },
    /// The message cannot be sent as it is. Nothing was sent.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// The envelope has no recipient. Nothing was sent.
    #[error("envelope without recipients")]
    NoRecipients,
    /// The server does not speak SMTP, or lost count of its replies. The mail was not delivered.
    #[error("{peer}: {stage}: {problem}")]
    Protocol {
        /// The server.
        peer: String,
        /// The step.
        stage: Stage,
        /// What it did.
        problem: ProtocolProblem,
    },
    /// The server refused some or all recipients, and the mail went to none: the transaction was
    /// given up before DATA. The others may be tried in a delivery of their own.
    #[error("{peer}: {}", refusals(.recipients))]
    RecipientsRefused {
        /// The server.
        peer: String,
        /// What it said to every recipient up to the end or to a 421, in the order of the envelope.
        recipients: Vec<Recipient>,
    },
    /// The server said no, to the greeting, a command or the message. The mail was not delivered.
    #[error("{peer}: {stage} refused: {reply}")]
    Refused {
        /// The server.
        peer: String,
        /// The step.
        stage: Stage,
        /// Its answer, 4yz or 5yz.
        reply: Reply,
    },
    /// A step took too long, before the final dot was sent. The mail was not delivered.
    #[error("{peer}: {stage}: no answer within {} s", .after.as_secs_f32())]
    Timeout {
        /// The server.
        peer: String,
        /// The step.
        stage: Stage,
        /// The limit.
        after: Duration,
    },
    /// The final dot was sent and no valid reply came back: **the mail may have been delivered**.
    /// Trying again may deliver it twice; that is for a person to decide.
    #[error("outcome unknown, the mail may have been delivered: {source}")]
    Unknown {
        /// What came instead of the reply.
        source: Box<Error>,
    },
    /// An address contains non-ASCII characters and the server does not offer SMTPUTF8 (RFC 6531).
    /// Nothing was sent.
    #[error("{peer}: <{address}> needs SMTPUTF8, which the server does not offer")]
    Utf8NotOffered {
        /// The server.
        peer: String,
        /// The address, non-ASCII bytes as `\xNN`.
        address: String,
    },
}

impl Error {
    /// What the caller can expect from trying the same again.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        let by_reply = |permanent: bool| {
            if permanent {
                ErrorKind::Permanent
            } else {
                ErrorKind::Temporary
            }
        };
        match self {
            Self::Address(_)
            | Self::Message(_)
            | Self::NoRecipients
            | Self::Utf8NotOffered { .. } => ErrorKind::Permanent,
            Self::Ended { .. } | Self::Io { .. } | Self::Protocol { .. } | Self::Timeout { .. } => {
                ErrorKind::Temporary
            }
            Self::RecipientsRefused { recipients, .. } => {
                by_reply(recipients.iter().any(|r| r.reply.is_permanent()))
            }
            Self::Refused { reply, .. } => by_reply(reply.is_permanent()),
            Self::Unknown { .. } => ErrorKind::Unknown,
        }
    }
}

/// What an [`Error`] means for the mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// Not delivered; the same may succeed later.
    Temporary,
    /// Not delivered; the same will fail again.
    Permanent,
    /// Perhaps delivered: never try again by itself.
    Unknown,
}

/// A step of the dialogue, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Resolving the name and opening the connection.
    Connect,
    /// The server's first words.
    Greeting,
    /// EHLO, or HELO after it.
    Hello,
    /// MAIL FROM.
    MailFrom,
    /// RCPT TO.
    RcptTo,
    /// DATA, up to the go-ahead.
    Data,
    /// Sending the message, up to the final dot.
    Content,
    /// The final dot and its reply.
    EndOfData,
    /// RSET.
    Reset,
    /// QUIT.
    Quit,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connection",
            Self::Greeting => "greeting",
            Self::Hello => "EHLO",
            Self::MailFrom => "MAIL FROM",
            Self::RcptTo => "RCPT TO",
            Self::Data => "DATA",
            Self::Content => "message",
            Self::EndOfData => "end of message",
            Self::Reset => "RSET",
            Self::Quit => "QUIT",
        })
    }
}

/// How a server departed from the protocol.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolProblem {
    /// The lines of one reply carry different codes.
    #[error("a reply that begins with {first} continues with {then}")]
    CodesDisagree {
        /// Code of the first line.
        first: u16,
        /// The other code.
        then: u16,
    },
    /// A line that does not start with a reply code; shown as printable ASCII, cut when long.
    #[error("not an SMTP reply: {0:?}")]
    NotAReply(String),
    /// A reply that nothing had asked for.
    #[error("an unexpected extra reply: {0}")]
    OutOfTurn(Reply),
    /// A reply of more than 64 KiB.
    #[error("a reply of more than 64 KiB")]
    TooLong,
    /// A reply of more than 100 lines.
    #[error("a reply of more than 100 lines")]
    TooManyLines,
    /// A reply that makes no sense at this step, such as 250 to DATA.
    #[error("a reply that does not fit: {0}")]
    Unexpected(Reply),
}

fn refusals(recipients: &[Recipient]) -> String {
    let refused: Vec<_> = recipients
        .iter()
        .filter(|r| !r.reply.is_positive())
        .collect();
    let first = refused.first().map_or_else(String::new, |r| {
        format!(
            ": <{}>: {}",
            crate::reply::printable(r.address.as_bytes()),
            r.reply
        )
    });
    format!(
        "{} of {} recipients refused{first}",
        refused.len(),
        recipients.len()
    )
}
