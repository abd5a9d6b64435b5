//! What can go wrong, sorted by what a caller does about it.

use std::fmt;
use std::io;
use std::time::Duration;

use crate::address::AddressError;
use crate::client::{MessageError, Recipient};
use crate::reply::Reply;

/// Why a mail was not, or perhaps not, handed over. [`Error::kind`] says what to do next.
///
/// `peer` is the server as it was configured, `stage` the step of the dialogue.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An address of the envelope cannot be sent. Nothing was sent.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// Every session that the next hop may have is taken, and stayed so for as long as one waits. Nothing was sent.
    #[error("{peer}: no session became free within {} s", .after.as_secs_f32())]
    Busy {
        /// The server.
        peer: String,
        /// How long that was.
        after: Duration,
    },
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
    /// LMTP answers for every recipient on its own, hence the mail cannot go to all of several or to none. It was not
    /// delivered.
    #[error("{peer}: several recipients at once, for which LMTP has no one answer")]
    OneByOne {
        /// The server.
        peer: String,
    },
    /// A parameter of MAIL or RCPT cannot be sent. Nothing was sent.
    #[error("{keyword}: {problem}")]
    Parameter {
        /// Its keyword as printable ASCII, cut when long.
        keyword: String,
        /// What is wrong with it.
        problem: ParameterProblem,
    },
    /// A parameter of MAIL or RCPT asks for something that the server does not offer, and that must not be
    /// left out silently. Nothing was sent.
    #[error("{peer}: the server does not offer {keyword}")]
    ParameterNotOffered {
        /// The server.
        peer: String,
        /// Its keyword.
        keyword: String,
    },
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
    /// TLS did not come about: the certificate, the protocol, or a connection that broke within. Nothing was sent.
    #[error("{peer}: TLS: {source}")]
    Tls {
        /// The server.
        peer: String,
        /// Why not.
        source: io::Error,
    },
    /// The server does not offer STARTTLS, without which it gets no mail. Nothing was sent.
    #[error("{peer}: TLS is required, and the server does not offer STARTTLS")]
    TlsNotOffered {
        /// The server.
        peer: String,
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
            | Self::OneByOne { .. }
            | Self::Parameter { .. }
            | Self::ParameterNotOffered { .. }
            | Self::Utf8NotOffered { .. } => ErrorKind::Permanent,
            Self::Busy { .. }
            | Self::Ended { .. }
            | Self::Io { .. }
            | Self::Protocol { .. }
            | Self::Timeout { .. }
            | Self::Tls { .. }
            | Self::TlsNotOffered { .. } => ErrorKind::Temporary,
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
    /// EHLO, or HELO after it; LHLO.
    Hello,
    /// STARTTLS.
    StartTls,
    /// XFORWARD.
    Xforward,
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
            Self::StartTls => "STARTTLS",
            Self::Xforward => "XFORWARD",
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

/// What is wrong with a parameter of MAIL or RCPT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParameterProblem {
    /// A keyword that is empty or has other characters than letters, digits and `-`.
    #[error("not the keyword of a parameter")]
    Keyword,
    /// Too long for a command line together with what precedes it.
    #[error("makes the command line longer than 4096 bytes")]
    TooLong,
    /// A value that is empty or contains a space or control character.
    #[error("its value is empty or contains a space or control character")]
    Value,
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
    /// Bytes behind the reply to STARTTLS, which would have been read as if they had been said in TLS; shown as
    /// printable ASCII, cut when long.
    #[error("the reply to STARTTLS is followed by {0:?} in clear")]
    Injected(String),
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
