//! Entries: held mails.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One entry in a list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EntrySummary {
    /// The entry's id.
    pub id: String,
    /// `held`, `releasing`, `unknown` (a release whose outcome is not known), `released`, `deleted`.
    pub state: String,
    /// When the mail was complete, milliseconds since 1970-01-01 UTC.
    pub received: i64,
    /// Reverse-path, empty for the null sender.
    pub mail_from: String,
    /// Addresses of the From field.
    pub from: Vec<String>,
    /// The forward-paths for which it is held.
    pub rcpts: Vec<String>,
    /// Decoded subject.
    pub subject: String,
    /// Octets of the message.
    pub size: u64,
    /// Action of the verdict.
    pub action: String,
    /// Score of the verdict.
    pub score: i64,
    /// Category of the verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// The tenant that decided.
    pub tenant: String,
    /// Live rules that hit, the heaviest first.
    pub rules: Vec<String>,
    /// The MTA's queue id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_id: Option<String>,
}

/// Answer to a question for one id: a mail's id names all its entries.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct EntryDetails {
    /// The entries, in the order of their numbers; never empty.
    pub entries: Vec<EntryDetail>,
}

/// All that is known of one entry, without its message.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EntryDetail {
    /// What the list says.
    pub summary: EntrySummary,
    /// SHA-256 of the message, hexadecimal.
    pub sha256: String,
    /// Whether the message is still there.
    pub stored: bool,
    /// The header fields as transmitted, unfolded, in order; a bounded number.
    pub headers: Vec<HeaderField>,
    /// Whether there were more.
    pub headers_cut: bool,
    /// The verdict record as the store has it; null if it is lost.
    pub record: Value,
    /// What happened to it, oldest first.
    pub history: Vec<HistoryItem>,
}

/// A header field, every octet that is not UTF-8 replaced.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeaderField {
    /// Name as written.
    pub name: String,
    /// Value, unfolded, not decoded.
    pub value: String,
}

/// A change of state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HistoryItem {
    /// Milliseconds since 1970-01-01 UTC.
    pub at: i64,
    /// What happened: `held`, `release-started`, `release-failed`, `release-unknown` (nobody can tell
    /// whether the next hop took it), `released`, `deleted`, `content-viewed` …
    pub event: String,
    /// Who asked, `uid 1000`; absent for what the daemon did by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Why, in the words of who asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// What the next hop said, where it went, or the like.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}
