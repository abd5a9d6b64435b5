//! Rules, index and journal: what an operator does to the daemon itself.

use serde::{Deserialize, Serialize};

/// What a reload did. Rules that do not compile are an error (422), and the old ones stay in force.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReloadResult {
    /// Digest of the rules before.
    pub before: String,
    /// Digest of the rules now; the same if nothing changed.
    pub digest: String,
    /// Rules that count.
    pub live: u64,
    /// Rules that are only recorded.
    pub shadow: u64,
    /// Workers that serve with them.
    pub workers: u64,
    /// What the compiler found odd, one item each, of several lines if need be.
    pub warnings: Vec<String>,
    /// How long it took, milliseconds.
    pub ms: u64,
}

/// The rules in force.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RuleList {
    /// Digest of the whole.
    pub digest: String,
    /// The rules, in order of their names.
    pub rules: Vec<RuleInfo>,
}

/// One rule.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RuleInfo {
    /// Its name, with its name space in front if it belongs to a public rule set.
    pub rule: String,
    /// Where it runs: `file`, `file/office`, `raw`, `mail`, `vendor/<name>`.
    pub place: String,
    /// Its file, relative to the rules directory.
    pub file: String,
    /// Points.
    pub score: i64,
    /// Category.
    pub category: String,
    /// `live` or `shadow`.
    pub stage: String,
    /// At least this action, if it asks for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// What it looks for.
    pub description: String,
}

/// How a rebuild of the index stands. The daemon serves meanwhile.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RebuildStatus {
    /// Whether one runs now.
    pub running: bool,
    /// What it does now, in words: `reading journal`, `adopting files`.
    pub phase: String,
    /// Events applied so far.
    pub applied: u64,
    /// Events to apply; 0 if it is not known yet.
    pub total: u64,
    /// Verdict records in the index.
    pub records: u64,
    /// Entries in the index.
    pub entries: u64,
    /// What was found that should not be so, in words.
    pub findings: Vec<String>,
    /// Why it failed, if it did; the old index stays in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// How long it has run, milliseconds.
    pub ms: u64,
}

/// What a check of the journal's hash chain found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AuditReport {
    /// Whether the chain holds.
    pub ok: bool,
    /// Segments read.
    pub segments: u64,
    /// Events read.
    pub events: u64,
    /// Events whose payload was erased; the chain runs over digests and holds without them.
    pub erased: u64,
    /// First sequence number.
    pub first_seq: u64,
    /// Last sequence number.
    pub last_seq: u64,
    /// Held mails whose file has the journalled SHA-256; absent if they were not looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_files: Option<u64>,
    /// Where the chain does not hold: segment, line, what is wrong.
    pub problems: Vec<String>,
}
