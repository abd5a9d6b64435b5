//! Held mails as they are shown, and verdicts together with what was answered.

use crate::{HeldEntry, NextHop, VerdictRecord};
use serde::{Deserialize, Serialize};

/// A verdict record, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    /// The record.
    pub record: VerdictRecord,
    /// What the MTA was answered, if it was.
    pub answered: Option<Answered>,
}

/// What the MTA was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// When, milliseconds since 1970-01-01 UTC.
    pub when: i64,
    /// The reply: `accept`, `accept, and hold it`, `discard`, `reject 550 5.7.1 …`, or `lost` if it could not
    /// be sent.
    pub reply: String,
    /// What the next hop said, if the door hands mail on by itself and has asked it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_hop: Option<NextHop>,
}

/// A set of rules that was in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RulesLoaded {
    /// When it was loaded first, milliseconds since 1970-01-01 UTC.
    pub when: i64,
    /// Number of rules.
    pub rules: u64,
}

/// One held mail.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// What is held. Its `record` is empty: see [`crate::Store::verdict`].
    pub held: HeldEntry,
    /// Its state.
    pub state: EntryState,
    /// What happened to it, oldest first; of more than [`Entry::MAX_HISTORY`] steps the first and
    /// the latest.
    pub history: Vec<Step>,
}

impl Entry {
    /// Most steps of a history that are kept in the index; the journal has them all.
    pub const MAX_HISTORY: usize = 100;
}

/// The state of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case")]
pub enum EntryState {
    /// It waits.
    Held,
    /// A release is running.
    Releasing,
    /// A release was begun and its outcome is not known: the recipients may have the mail.
    Unknown,
    /// The next hop took it. The bytes are still here.
    Released {
        /// When, milliseconds since 1970-01-01 UTC.
        when: i64,
        /// Who asked.
        by: String,
        /// What the next hop said.
        reply: String,
        /// The next hop's queue id.
        queue_id: Option<String>,
    },
    /// It was destroyed.
    Deleted {
        /// When, milliseconds since 1970-01-01 UTC.
        when: i64,
        /// Who asked.
        by: String,
        /// Why.
        why: Option<String>,
    },
}

/// One step in the history of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// When, milliseconds since 1970-01-01 UTC.
    pub when: i64,
    /// What happened.
    #[serde(flatten)]
    pub what: StepKind,
}

/// What happened to an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "kebab-case")]
pub enum StepKind {
    /// It was held.
    Held {
        /// Whether recovery found the file without an event.
        recovered: bool,
    },
    /// A release began.
    ReleaseStarted {
        /// Who asked.
        by: String,
        /// Why.
        why: Option<String>,
        /// Where to.
        to: String,
        /// To whom.
        rcpts: Vec<String>,
    },
    /// A release failed.
    ReleaseFailed {
        /// What the next hop said, or what went wrong.
        reply: String,
        /// Whether the outcome is unknown.
        unknown: bool,
    },
    /// The next hop took it.
    Released {
        /// What the next hop said.
        reply: String,
        /// The next hop's queue id.
        queue_id: Option<String>,
    },
    /// It was destroyed.
    Deleted {
        /// Who asked.
        by: String,
        /// Why.
        why: Option<String>,
    },
    /// Somebody looked at its content.
    ContentViewed {
        /// Who.
        by: String,
    },
}
