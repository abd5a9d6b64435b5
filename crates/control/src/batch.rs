//! Release and delete: several entries at once, an outcome for each.
//!
//! A request names its entries one by one. To release what a filter finds, a client lists first and
//! then names what it has listed: so exactly what an operator has seen and confirmed is released,
//! and not what came in since.

use serde::{Deserialize, Serialize};

/// Ids in one request at most: a release waits for the next hop, and a client should see progress.
pub const MAX_IDS: usize = 100;

/// Asks to deliver entries to the configured SMTP address.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReleaseRequest {
    /// Ids of entries, or of mails for all their held entries; at most [`MAX_IDS`].
    pub ids: Vec<String>,
    /// Why, for the journal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Deliver to these instead of the held recipients, if any are named.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rcpts: Vec<String>,
    /// Release even if an earlier release has no known outcome: the recipients may get it twice.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub force: bool,
    /// Say what would happen, and do nothing.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
}

/// Asks to destroy entries.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeleteRequest {
    /// Ids of entries, or of mails for all their held entries; at most [`MAX_IDS`].
    pub ids: Vec<String>,
    /// Why, for the journal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Say what would happen, and do nothing.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
}

/// What became of each.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchResult {
    /// One or more for every id of the request, in its order.
    pub results: Vec<ItemResult>,
}

/// What became of one entry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ItemResult {
    /// The entry, or the id of the request if it names none.
    pub id: String,
    /// Whether it was done (or, in a dry run, would be tried).
    pub ok: bool,
    /// The state it is in now; empty if there is no such entry.
    pub state: String,
    /// What happened: what the next hop said, why not, or when it was done already.
    pub message: String,
    /// The next hop's queue id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_id: Option<String>,
}
