//! The heads of the frames between daemon and worker.

use super::Confinement;
use inspect::{Inspection, Judgement};
use mail::Envelope;
use rules::{LoadOptions, RuleInfo};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// The first frame to a worker.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Setup {
    /// Directory of the rules.
    pub(crate) rules: PathBuf,
    /// Bounds of a rules directory, and what its public sets are worth.
    pub(crate) load: LoadOptions,
    /// Bounds of taking a mail apart.
    pub(crate) limits: unpack::Limits,
    /// Octets of private writable memory.
    pub(crate) memory: u64,
    /// How long one scan of one artifact may take.
    pub(crate) scan_timeout: Duration,
}

/// The first frame from a worker.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Hello {
    /// The rules are compiled, and everything that is not needed any more is given up.
    Ready(Ready),
    /// The rules cannot be used; the text says where and why.
    Refused(String),
}

/// What a worker says of itself when it is ready.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Ready {
    /// Digest of its rules.
    pub digest: String,
    /// Its rules.
    pub rules: Vec<RuleInfo>,
    /// Rules of public sets that were left out, and why.
    pub warnings: Vec<String>,
    /// What of the confinement holds.
    pub confinement: Confinement,
}

/// A request to a worker. Workers keep nothing between requests.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Request {
    /// Take a mail apart and run file and raw rules. Blob: the message.
    Inspect { envelope: Envelope },
    /// Run the mail rules. Blobs: facts and text of the inspection.
    Judge {
        tenants: Vec<String>,
        failures: Vec<inspect::Failure>,
    },
}

/// The answer to a request.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Answer {
    /// Blobs: facts and text.
    Inspected(Box<Inspection>),
    /// No blobs.
    Judged(Judgement),
    /// It panicked, and says where.
    Panicked(String),
}
