//! Verdicts: what was decided about every mail, held or not.

use crate::HistoryItem;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One mail in a list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct VerdictSummary {
    /// The mail's id.
    pub id: String,
    /// When the mail was complete, milliseconds since 1970-01-01 UTC.
    pub received: i64,
    /// The door it came through.
    pub door: String,
    /// The MTA's queue id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_id: Option<String>,
    /// Reverse-path, empty for the null sender.
    pub mail_from: String,
    /// Addresses of the From field.
    pub from: Vec<String>,
    /// All forward-paths.
    pub rcpts: Vec<String>,
    /// Decoded subject.
    pub subject: String,
    /// Octets of the message.
    pub size: u64,
    /// The strongest action among its recipient groups.
    pub action: String,
    /// The score (the same for all groups).
    pub score: i64,
    /// The category.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// The tenants that decided.
    pub tenants: Vec<String>,
    /// Live rules that hit, the heaviest first.
    pub rules: Vec<String>,
    /// Its entries, if it was held.
    pub entries: Vec<String>,
    /// Whether the MTA was asked to hold it in its own queue, under `queue_id`; then it has no entries.
    pub held_by_mta: bool,
    /// From the moment a worker took the mail to the verdict, milliseconds.
    pub ms: u64,
}

/// All that is remembered of one mail.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct VerdictDetail {
    /// The verdict record as the store has it.
    pub record: Value,
    /// What the MTA was told; absent if it is not known (yet).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply: Option<String>,
    /// What the next hop said, if the door hands mail on by itself and has asked it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_hop: Option<NextHop>,
    /// What happened to the mail and its entries, oldest first.
    pub history: Vec<HistoryItem>,
}

/// What a server said that a mail was handed on to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NextHop {
    /// Which server: `host:port`, `unix:/path`, or the directory of a maildir.
    pub address: String,
    /// Its answer to the message; absent if none came: then it may have taken the mail or not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply: Option<String>,
    /// Its id for the mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_id: Option<String>,
}

/// A decision, made once more.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Explanation {
    /// The verdict record as the store has it.
    pub record: Value,
    /// What the MTA was told; absent if it is not known (yet).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply: Option<String>,
    /// What the next hop said, if the door hands mail on by itself and has asked it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_hop: Option<NextHop>,
    /// The decision of every recipient group, made again from the recorded evidence under the policy
    /// of its day. Empty if that is not possible: `note` says why.
    pub replays: Vec<Replay>,
    /// Whether every replay gave what was recorded.
    pub equal: bool,
    /// Why nothing was replayed, or what the reader must know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// The decision for one recipient group, made once more.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Replay {
    /// The tenant.
    pub tenant: String,
    /// The verdict that follows from the evidence.
    pub verdict: Value,
    /// Whether it is what was recorded.
    pub equal: bool,
}
