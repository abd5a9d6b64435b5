//! What to look for, and how much of it at a time.

use crate::{EntryState, MailId, UnknownId};
use policy::Action;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// What to look for. Everything given must hold; an empty filter finds all.
///
/// Addresses, domains, hosts and digests are compared without regard to case.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Filter {
    /// Received at or after, milliseconds since 1970-01-01 UTC.
    pub since: Option<i64>,
    /// Received before, milliseconds since 1970-01-01 UTC.
    pub until: Option<i64>,
    /// Reverse-path or an address of the From field; `@example.org` or `example.org` for all of a
    /// domain (without its sub-domains).
    pub sender: Option<String>,
    /// A forward-path, or a domain as in `sender`.
    pub rcpt: Option<String>,
    /// The name of a rule that hit, live or shadow.
    pub rule: Option<String>,
    /// A part of the subject, without regard to case.
    pub subject: Option<String>,
    /// The state of the entry; of a mail: of any of its entries.
    pub state: Option<EntryStateName>,
    /// The tenant whose policy decided.
    pub tenant: Option<String>,
    /// SHA-256 of the message or of an artifact, hexadecimal.
    pub sha256: Option<String>,
    /// The host of a link.
    pub link_host: Option<String>,
    /// The MTA's id.
    pub queue_id: Option<String>,
    /// Message-ID, with or without angle brackets.
    pub message_id: Option<String>,
    /// The action of the verdict; of a mail: of any of its groups.
    pub action: Option<Action>,
    /// The mail.
    pub id: Option<MailId>,
}

/// The states of an entry, by name alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EntryStateName {
    /// See [`EntryState::Held`].
    Held,
    /// See [`EntryState::Releasing`].
    Releasing,
    /// See [`EntryState::Unknown`].
    Unknown,
    /// See [`EntryState::Released`].
    Released,
    /// See [`EntryState::Deleted`].
    Deleted,
}

impl EntryStateName {
    /// All names, in order.
    pub const ALL: &[EntryStateName] = &[
        EntryStateName::Held,
        EntryStateName::Releasing,
        EntryStateName::Unknown,
        EntryStateName::Released,
        EntryStateName::Deleted,
    ];

    /// The text form.
    pub fn as_str(self) -> &'static str {
        match self {
            EntryStateName::Held => "held",
            EntryStateName::Releasing => "releasing",
            EntryStateName::Unknown => "unknown",
            EntryStateName::Released => "released",
            EntryStateName::Deleted => "deleted",
        }
    }
}

impl fmt::Display for EntryStateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A text that names no state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not one of: held, releasing, unknown, released, deleted")]
pub struct UnknownState(pub String);

impl FromStr for EntryStateName {
    type Err = UnknownState;

    fn from_str(word: &str) -> Result<Self, UnknownState> {
        EntryStateName::ALL
            .iter()
            .copied()
            .find(|name| name.as_str() == word)
            .ok_or_else(|| UnknownState(word.to_owned()))
    }
}

impl EntryState {
    /// The state's name.
    pub fn name(&self) -> EntryStateName {
        match self {
            EntryState::Held => EntryStateName::Held,
            EntryState::Releasing => EntryStateName::Releasing,
            EntryState::Unknown => EntryStateName::Unknown,
            EntryState::Released { .. } => EntryStateName::Released,
            EntryState::Deleted { .. } => EntryStateName::Deleted,
        }
    }
}

/// How much to return, and where to go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Page {
    /// At most so many, 1 to [`Page::MAX_LIMIT`]; what is outside counts as the nearest.
    pub limit: usize,
    /// Go on after this place: [`PageOf::next`] of the page before.
    pub after: Option<Cursor>,
    /// Oldest first instead of newest first.
    pub oldest_first: bool,
}

impl Page {
    /// Most items of one page, which bounds what one answer holds in memory.
    pub const MAX_LIMIT: usize = 1000;

    /// The first page, newest first.
    pub fn first(limit: usize) -> Page {
        Page {
            limit,
            after: None,
            oldest_first: false,
        }
    }

    /// The page after a place, in the same order.
    pub fn after(&self, cursor: Cursor) -> Page {
        Page {
            after: Some(cursor),
            ..self.clone()
        }
    }
}

impl Default for Page {
    fn default() -> Self {
        Page::first(50)
    }
}

/// One page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PageOf<T> {
    /// What was found, in order of time received.
    pub items: Vec<T>,
    /// Where to go on; `None` at the end. A page may be short, even empty, and still have a next:
    /// the work of one call is bounded, and a rare match may lie beyond.
    pub next: Option<Cursor>,
}

/// A place in a list. Its text form is opaque.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cursor {
    pub(crate) received: i64,
    pub(crate) id: MailId,
    /// Group of an entry; 0 for a mail.
    pub(crate) group: u16,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.received, self.id, self.group)
    }
}

impl FromStr for Cursor {
    type Err = UnknownId;

    fn from_str(text: &str) -> Result<Self, UnknownId> {
        let mut parts = text.splitn(3, '.');
        let mut part = || parts.next().unwrap_or_default();
        match (part().parse(), part().parse(), part().parse()) {
            (Ok(received), Ok(id), Ok(group)) => Ok(Cursor {
                received,
                id,
                group,
            }),
            _ => Err(UnknownId::new(text)),
        }
    }
}

impl TryFrom<String> for Cursor {
    type Error = UnknownId;

    fn try_from(text: String) -> Result<Self, UnknownId> {
        text.parse()
    }
}

impl From<Cursor> for String {
    fn from(cursor: Cursor) -> String {
        cursor.to_string()
    }
}
