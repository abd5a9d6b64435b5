//! The heads of the frames between daemon and worker.

use super::Confinement;
use inspect::{Inspection, Judgement};
use mail::Envelope;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The first frame to a worker.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Setup {
    /// Directory of the rules.
    pub(crate) rules: PathBuf,
    /// Points and stages of public rule sets.
    pub(crate) vendor: rules::VendorOptions,
    /// Bounds of taking a mail apart.
    pub(crate) limits: unpack::Limits,
    /// Octets of private writable memory.
    pub(crate) memory: u64,
    /// Seconds that one scan may take.
    pub(crate) scan_seconds: u32,
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
    /// Number of its rules.
    pub rules: usize,
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
    Judge { tenants: Vec<String>, failures: Vec<inspect::Failure> },
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
