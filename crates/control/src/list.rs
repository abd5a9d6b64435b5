//! Lists: what to look for, and how much at a time.

use serde::{Deserialize, Serialize};

/// Items in one page at most: a page is built in memory on both sides.
pub const MAX_LIMIT: u32 = 1_000;

/// What to look for. Conditions that are absent are not asked for; those that are present must all
/// hold. Texts compare without regard to ASCII case.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Filter {
    /// Received at or after, milliseconds since 1970-01-01 UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<i64>,
    /// Received before, milliseconds since 1970-01-01 UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<i64>,
    /// Reverse-path or an address of the From field: an address, or a domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sender: Option<String>,
    /// A forward-path: an address, or a domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rcpt: Option<String>,
    /// A rule that hit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// A part of the subject.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// State of an entry: `held`, `releasing`, `unknown`, `released`, `deleted`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Name of a tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// SHA-256 of the message or of an artifact, hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Host of a link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link_host: Option<String>,
    /// The MTA's queue id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_id: Option<String>,
    /// Message-ID, without angle brackets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// Action of a verdict: `accept`, `tag`, `quarantine` …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
}

impl Filter {
    /// Whether no condition is present: it matches everything.
    pub fn is_empty(&self) -> bool {
        *self == Filter::default()
    }
}

/// Asks for one page, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListRequest {
    /// What to look for.
    #[serde(default)]
    pub filter: Filter,
    /// Items at most, 1 to [`MAX_LIMIT`]. A server may answer with fewer and a cursor.
    #[serde(default = "default_limit")]
    pub limit: u32,
    /// The `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

fn default_limit() -> u32 {
    50
}

/// One page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    /// The items; may be empty although more follow.
    pub items: Vec<T>,
    /// Where the next page starts, opaque; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}
