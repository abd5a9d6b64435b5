//! The events of the journal: every change of state.

use crate::{EntryId, MailId, VerdictRecord};
use policy::Policy;
use serde::{Deserialize, Serialize};

/// A change of state. Events are only ever extended; a reader ignores kinds that it does not know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The daemon started to serve.
    Started {
        /// Version of the program.
        version: String,
        /// What recovery found: journal lines cut, files adopted; in words.
        recovery: Vec<String>,
    },
    /// A policy came into force.
    PolicyLoaded {
        /// Its digest.
        digest: String,
        /// The policy itself, so that old verdicts can be replayed.
        policy: Box<Policy>,
    },
    /// A set of rules came into force.
    RulesLoaded {
        /// Its digest.
        digest: String,
        /// Number of rules.
        rules: u64,
    },
    /// A verdict was given.
    Verdict(Box<VerdictRecord>),
    /// The MTA was answered: what was really said.
    Answered {
        /// The mail.
        id: MailId,
        /// The reply: `accept`, `accept, and hold it`, `discard`, `reject 550 5.7.1 …`, or `lost` if it could not
        /// be sent.
        reply: String,
        /// What the next hop said, if the door hands mail on by itself and has asked it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next_hop: Option<NextHop>,
    },
    /// A mail is held.
    Held(HeldEntry),
    /// A release began; until its outcome is journalled it is unknown.
    ReleaseStarted {
        /// The entry.
        entry: EntryId,
        /// Who asked: `uid 1000`.
        by: String,
        /// Why, in the words of who asked.
        why: Option<String>,
        /// Where to: the SMTP address.
        to: String,
        /// To whom: the held recipients or others.
        rcpts: Vec<String>,
    },
    /// The next hop did not take the mail; it stays held.
    ReleaseFailed {
        /// The entry.
        entry: EntryId,
        /// What the next hop said, or what went wrong.
        reply: String,
        /// Whether the outcome is unknown: the connection was lost after the message was sent.
        unknown: bool,
    },
    /// The next hop took the mail.
    Released {
        /// The entry.
        entry: EntryId,
        /// What the next hop said.
        reply: String,
        /// The next hop's queue id.
        queue_id: Option<String>,
    },
    /// An entry was destroyed.
    Deleted {
        /// The entry.
        entry: EntryId,
        /// Who asked.
        by: String,
        /// Why.
        why: Option<String>,
    },
    /// Somebody looked at the content of an entry.
    ContentViewed {
        /// The entry.
        entry: EntryId,
        /// Who.
        by: String,
    },
}

/// What a server said that a mail was handed on to. Each text is at most 1 KiB.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextHop {
    /// Which server: `host:port`, `unix:/path`, or the directory of a maildir.
    pub address: String,
    /// Its answer to the message. Without one it may have taken the mail or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<String>,
    /// Its id for the mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_id: Option<String>,
}

/// One held mail: its sidecar and the payload of its `held` event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeldEntry {
    /// The entry.
    pub entry: EntryId,
    /// When the mail was complete, milliseconds since 1970-01-01 UTC.
    pub received: i64,
    /// Reverse-path.
    pub mail_from: String,
    /// The forward-paths for which it is held.
    pub rcpts: Vec<String>,
    /// Octets of the message.
    pub size: u64,
    /// SHA-256 of the message, hexadecimal.
    pub sha256: String,
    /// Whether recovery found the file without an event.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub recovered: bool,
    /// The whole record: always in the sidecar, so that the projection can be rebuilt from files
    /// alone; in the event only if it is `recovered`, since the `verdict` event has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<Box<VerdictRecord>>,
}
