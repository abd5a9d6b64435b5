//! The state of the daemon.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How the daemon is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Status {
    /// Version of the program.
    pub program: String,
    /// Process id of the daemon.
    pub pid: u32,
    /// When it started, milliseconds since 1970-01-01 UTC.
    pub started: i64,
    /// Whether it takes mail; `problems` says why not.
    pub accepting: bool,
    /// What an operator must know, in sentences; empty if all is well.
    pub problems: Vec<String>,
    /// Where mail comes in.
    pub doors: Vec<DoorStatus>,
    /// The processes that look at mail.
    pub workers: Vec<WorkerStatus>,
    /// What keeps a worker from doing harm, and whether it holds here.
    pub confinement: Vec<Protection>,
    /// The rules in force.
    pub rules: RulesStatus,
    /// The policy in force.
    pub policy: PolicyStatus,
    /// Mails answered since the start, by action.
    pub answered: BTreeMap<String, u64>,
    /// Inspections that failed since the start.
    pub failures: u64,
    /// Mails remembered because they killed workers.
    pub poison: u64,
    /// What is remembered.
    pub store: StoreStatus,
    /// The disk that it is on.
    pub disk: DiskStatus,
}

/// One listener.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DoorStatus {
    /// `milter`.
    pub door: String,
    /// The address as configured.
    pub address: String,
}

/// One worker.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WorkerStatus {
    /// Process id.
    pub pid: u32,
    /// What it does, in a word or two: `ready`, `busy`, `being replaced`.
    pub state: String,
    /// Mails it has inspected.
    pub mails: u64,
    /// Resident memory in bytes; 0 if it is not known.
    pub memory: u64,
    /// Digest of its rules.
    pub rules: String,
}

/// One measure of confinement.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Protection {
    /// `landlock`, `seccomp`, `no-new-privileges`, `memory limit` …
    pub name: String,
    /// Whether it is in force.
    pub holds: bool,
    /// More about it, or why it is not.
    pub detail: String,
}

/// The rules in force.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RulesStatus {
    /// Digest.
    pub digest: String,
    /// Where they were read from.
    pub dir: String,
    /// Rules that count.
    pub live: u64,
    /// Rules that are only recorded.
    pub shadow: u64,
    /// When they came into force, milliseconds since 1970-01-01 UTC.
    pub loaded: i64,
    /// Why the last reload failed, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

/// The policy in force.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PolicyStatus {
    /// Digest.
    pub digest: String,
    /// The tenants by name.
    pub tenants: Vec<String>,
}

/// What is remembered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StoreStatus {
    /// Entries that are held.
    pub held: u64,
    /// Last sequence number in the journal.
    pub journal_seq: u64,
    /// Last sequence number in the index; lags behind the journal for moments only.
    pub applied_seq: u64,
    /// What recovery found at the start, in words.
    pub recovery: Vec<String>,
}

/// Room on the disk of the state directory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DiskStatus {
    /// The state directory.
    pub dir: String,
    /// Free bytes.
    pub free: u64,
    /// Below this no mail is accepted, bytes.
    pub min_free: u64,
}
