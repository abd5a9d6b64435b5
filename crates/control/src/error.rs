//! What can go wrong, on both sides.

use crate::version::{self, ApiVersion};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::PathBuf;

/// The body of every answer that is not a success.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// What is wrong; starts with the input that it is about.
    pub error: String,
    /// How to fix it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// More, one item each, of several lines if need be: what the rule compiler said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
}

impl ErrorBody {
    /// An error without a hint.
    pub fn new(error: impl Into<String>) -> Self {
        ErrorBody {
            error: error.into(),
            ..ErrorBody::default()
        }
    }

    /// Says how to fix it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Why a request to the daemon failed. Its callers print it; `Refused` lets them look at the status.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// There is no socket.
    #[error("{}: no control socket there: is `postern serve` running, \
             with the same configuration?", .path.display())]
    NoSocket {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The socket is there, but nobody listens.
    #[error("{}: nobody answers on the control socket: `postern serve` is not running \
             (it removes an old socket when it starts)", .path.display())]
    NobodyListens {
        /// The socket.
        path: PathBuf,
    },
    /// The socket may not be opened.
    #[error("{}: permission denied: run this as the user that \
             `postern serve` runs as, or as root", .path.display())]
    Denied {
        /// The socket.
        path: PathBuf,
    },
    /// Connecting failed otherwise.
    #[error("{}: cannot connect to the control socket: {cause}", .path.display())]
    Connect {
        /// The socket.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// The daemon speaks another major version.
    #[error("{}: the daemon speaks API {theirs}, this program {}: \
             use the `postern` program that the daemon was started from", .path.display(), version::CURRENT)]
    OtherVersion {
        /// The socket.
        path: PathBuf,
        /// What the daemon speaks.
        theirs: ApiVersion,
    },
    /// Something that is not the admin API answered.
    #[error("{}: this is not the control socket of Postern: {detail}", .path.display())]
    NotPostern {
        /// The socket.
        path: PathBuf,
        /// What was wrong with the answer.
        detail: String,
    },
    /// No answer in time.
    #[error("{}: no answer to {request} within {seconds} s", .path.display())]
    TimedOut {
        /// The socket.
        path: PathBuf,
        /// Method and path.
        request: String,
        /// The bound.
        seconds: u64,
    },
    /// The connection broke before the answer was complete.
    #[error("{}: the answer to {request} broke off: {detail}", .path.display())]
    BrokenOff {
        /// The socket.
        path: PathBuf,
        /// Method and path.
        request: String,
        /// How.
        detail: String,
    },
    /// The answer is longer than a client reads.
    #[error("{}: the answer to {request} is longer than {limit} bytes", .path.display())]
    TooLong {
        /// The socket.
        path: PathBuf,
        /// Method and path.
        request: String,
        /// The bound.
        limit: u64,
    },
    /// The answer is not what this request is answered with.
    #[error("{}: the answer to {request} cannot be understood: {detail}", .path.display())]
    Unintelligible {
        /// The socket.
        path: PathBuf,
        /// Method and path.
        request: String,
        /// Why.
        detail: String,
    },
    /// The daemon said no.
    #[error("{}", .body.error)]
    Refused {
        /// HTTP status.
        status: u16,
        /// What it said.
        body: ErrorBody,
    },
    /// A text that cannot be an id; the daemon was not asked.
    #[error(
        "`{0}` is not an id: expected 26 characters of 0-9 and a-z without i, l, o, u, \
             and -1, -2 … for an entry; `postern quarantine list` shows them"
    )]
    NotAnId(String),
    /// What was received could not be passed on.
    #[error("cannot write what was received: {0}")]
    Sink(#[source] io::Error),
}
