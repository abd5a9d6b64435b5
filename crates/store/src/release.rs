//! Releases and deletions: of two that want the same entry, exactly one gets it.

use crate::journal::Journal;
use crate::store::{Inner, encode};
use crate::{AppendError, DeleteError, EntryId, EntryState, Event, ReadError, ReleaseError, Store};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long to wait until the index knows all that was appended. Whether an entry may be released is
/// never decided on less.
const PATIENCE: Duration = Duration::from_secs(10);

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

/// A release that has begun, and is in the journal. Nobody else can release or delete the entry until
/// its outcome is given. A ticket that is dropped without one journals that the outcome is unknown.
#[must_use = "a release needs an outcome"]
pub struct ReleaseTicket {
    open: Option<(Arc<Inner>, Claim)>,
    entry: EntryId,
}

impl Store {
    /// Begins a release: journals that it begins, and hands out the right to do it.
    ///
    /// # Errors
    ///
    /// The entry does not exist, was released or deleted, is being released or deleted, or an earlier
    /// release has no known outcome and the request does not say `force`; or its state cannot be read
    /// or written.
    pub async fn start_release(
        &self,
        id: &EntryId,
        request: ReleaseRequest,
    ) -> Result<ReleaseTicket, ReleaseError> {
        let inner = Arc::clone(&self.inner);
        let entry = id.clone();
        tokio::task::spawn_blocking(move || start(inner, entry, request))
            .await
            .unwrap_or_else(|_| Err(ReleaseError::Read(ReadError::Closed)))
    }

    /// Destroys an entry: journals it, and removes its file. The verdict record stays.
    ///
    /// # Errors
    ///
    /// The entry does not exist, was deleted, or is being released or deleted; or its state cannot be
    /// read or written. [`DeleteError::File`] says that it counts as deleted and that its file is still
    /// there.
    pub async fn delete(
        &self,
        id: &EntryId,
        by: &str,
        why: Option<&str>,
    ) -> Result<(), DeleteError> {
        let inner = Arc::clone(&self.inner);
        let entry = id.clone();
        let (by, why) = (by.to_owned(), why.map(str::to_owned));
        tokio::task::spawn_blocking(move || delete(&inner, entry, by, why))
            .await
            .unwrap_or(Err(DeleteError::Read(ReadError::Closed)))
    }
}

impl ReleaseTicket {
    /// The entry.
    pub fn entry(&self) -> &EntryId {
        &self.entry
    }

    /// The next hop took the mail.
    ///
    /// # Errors
    ///
    /// The journal did not take it: the release counts as one of unknown outcome.
    pub async fn released(self, reply: &str, queue_id: Option<&str>) -> Result<(), AppendError> {
        let event = Event::Released {
            entry: self.entry.clone(),
            reply: reply.to_owned(),
            queue_id: queue_id.map(str::to_owned),
        };
        self.end(event).await
    }

    /// The next hop did not take the mail, or (`unknown`) nobody can tell whether it did.
    ///
    /// # Errors
    ///
    /// The journal did not take it: the release counts as one of unknown outcome.
    pub async fn failed(self, reply: &str, unknown: bool) -> Result<(), AppendError> {
        let event = Event::ReleaseFailed {
            entry: self.entry.clone(),
            reply: reply.to_owned(),
            unknown,
        };
        self.end(event).await
    }

    /// Runs to its end even if nobody waits for it any more.
    async fn end(mut self, event: Event) -> Result<(), AppendError> {
        let Some((inner, claim)) = self.open.take() else {
            return Err(AppendError::Closed);
        };
        let end = move || {
            let result = append(&inner.journal, event);
            drop(claim);
            result
        };
        tokio::task::spawn_blocking(end)
            .await
            .unwrap_or(Err(AppendError::Closed))
    }
}

impl Drop for ReleaseTicket {
    fn drop(&mut self) {
        let Some((inner, claim)) = self.open.take() else {
            return;
        };
        let event = Event::ReleaseFailed {
            entry: self.entry.clone(),
            reply: "the release was given up before its outcome was known".to_owned(),
            unknown: true,
        };
        // A drop cannot wait. If there is no thread to be had, the next start says the same.
        let _ = std::thread::Builder::new()
            .name("release".into())
            .spawn(move || {
                let _ = append(&inner.journal, event);
                drop(claim);
            });
    }
}

/// The right to change one entry.
pub(crate) struct Claim {
    claims: Arc<Claims>,
    entry: EntryId,
}

/// Entries that are being changed.
#[derive(Default)]
pub(crate) struct Claims(Mutex<HashSet<EntryId>>);

impl Claims {
    fn take(self: &Arc<Self>, entry: &EntryId) -> Option<Claim> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        taken.insert(entry.clone()).then(|| Claim {
            claims: Arc::clone(self),
            entry: entry.clone(),
        })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.claims
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.entry);
    }
}

fn start(
    inner: Arc<Inner>,
    entry: EntryId,
    request: ReleaseRequest,
) -> Result<ReleaseTicket, ReleaseError> {
    let Some(claim) = inner.claims.take(&entry) else {
        return Err(ReleaseError::Busy { entry });
    };
    match state(&inner, &entry)? {
        None => return Err(ReleaseError::NotFound { entry }),
        Some(EntryState::Held) => {}
        // Nobody has it, so whoever began it never said how it ended.
        Some(EntryState::Releasing | EntryState::Unknown) if request.force => {}
        Some(EntryState::Releasing | EntryState::Unknown) => {
            return Err(ReleaseError::OutcomeUnknown { entry });
        }
        Some(EntryState::Released {
            when,
            by,
            reply,
            queue_id,
        }) => {
            return Err(ReleaseError::AlreadyReleased {
                entry,
                when,
                by,
                reply,
                queue_id,
            });
        }
        Some(EntryState::Deleted { when, by, .. }) => {
            return Err(ReleaseError::Deleted { entry, when, by });
        }
    }
    let event = Event::ReleaseStarted {
        entry: entry.clone(),
        by: request.by,
        why: request.why,
        to: request.to,
        rcpts: request.rcpts,
    };
    if let Err(source) = append(&inner.journal, event) {
        return Err(ReleaseError::Append { entry, source });
    }
    Ok(ReleaseTicket {
        open: Some((inner, claim)),
        entry,
    })
}

fn delete(
    inner: &Inner,
    entry: EntryId,
    by: String,
    why: Option<String>,
) -> Result<(), DeleteError> {
    let Some(_claim) = inner.claims.take(&entry) else {
        return Err(DeleteError::Busy { entry });
    };
    match state(inner, &entry)? {
        None => return Err(DeleteError::NotFound { entry }),
        Some(EntryState::Deleted { when, by, .. }) => {
            return Err(DeleteError::AlreadyDeleted { entry, when, by });
        }
        Some(_) => {}
    }
    let event = Event::Deleted {
        entry: entry.clone(),
        by,
        why,
    };
    if let Err(source) = append(&inner.journal, event) {
        return Err(DeleteError::Append { entry, source });
    }
    match inner.quarantine.remove(&entry) {
        Ok(_) => Ok(()),
        Err(source) => Err(DeleteError::File { entry, source }),
    }
}

/// The state of an entry, with all that was appended before. Whoever has the claim is the only one who
/// can change it.
fn state(inner: &Inner, entry: &EntryId) -> Result<Option<EntryState>, ReadError> {
    if !inner.settle(PATIENCE) {
        inner.read(|_| Ok(()))?;
        return Err(ReadError::Index {
            what: "does not keep up with the journal".to_owned(),
        });
    }
    let row = inner.read(|index| index.row(entry))?;
    Ok(row.map(|row| row.entry.state))
}

fn append(journal: &Journal, event: Event) -> Result<(), AppendError> {
    journal.append_blocking(encode(event)?).map(drop)
}
