//! Releases and deletions.

use crate::{AppendError, EntryId};

/// A wish to release an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseRequest {
    /// Who asks: `uid 1000`.
    pub by: String,
    /// Why, in the words of who asks.
    pub why: Option<String>,
    /// Where to: the SMTP address.
    pub to: String,
    /// To whom: the held recipients or others.
    pub rcpts: Vec<String>,
    /// Go on although an earlier release has no known outcome.
    pub force: bool,
}

/// A release that has begun.
#[must_use]
pub struct ReleaseTicket {
    entry: EntryId,
}

impl ReleaseTicket {
    pub fn entry(&self) -> &EntryId {
        &self.entry
    }
    pub async fn released(self, reply: &str, queue_id: Option<&str>) -> Result<(), AppendError> {
        todo!()
    }
    pub async fn failed(self, reply: &str, unknown: bool) -> Result<(), AppendError> {
        todo!()
    }
}
