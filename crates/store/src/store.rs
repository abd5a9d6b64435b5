//! The store as its callers see it.

use crate::held::Quarantine;
use crate::index::{Damaged, Index};
use crate::journal::Journal;
use crate::journal::line::MAX_PAYLOAD;
use crate::lock::Lock;
use crate::projector::Projector;
use crate::release::Claims;
use crate::space::Gauge;
use crate::{
    Answered, AppendError, Entry, EntryId, EntryState, Event, Filter, HeldEntry, HoldError,
    IdSource, Judged, MailId, OpenError, Page, PageOf, ReadError, RebuildError, RebuildReport,
    Recovery, RulesLoaded, Space, Status, VerdictRecord, open,
};
use policy::Policy;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::{fmt, io};

/// How long a reader waits for the index to have all that was appended.
const SETTLE: Duration = Duration::from_secs(2);

/// How to open a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The directory; it is made if it is missing, its parent is not.
    pub dir: PathBuf,
    /// Octets that the index may cache in memory; default 64 MiB.
    pub cache_bytes: u64,
    /// Octets after which a new journal segment begins; default 64 MiB.
    pub segment_bytes: u64,
    /// Octets that must be free before a mail is accepted; default 1 GiB.
    pub min_free_bytes: u64,
    /// Inodes that must be free before a mail is accepted; default 10,000.
    pub min_free_inodes: u64,
    /// Events after which a checkpoint is written; default 10,000.
    pub checkpoint_events: u64,
}

impl Options {
    /// The defaults for a directory.
    pub fn new(dir: impl Into<PathBuf>) -> Options {
        Options {
            dir: dir.into(),
            cache_bytes: 64 << 20,
            segment_bytes: 64 << 20,
            min_free_bytes: 1 << 30,
            min_free_inodes: 10_000,
            checkpoint_events: 10_000,
        }
    }
}

/// What Postern remembers: one directory, owned by one process.
///
/// Cloning is cheap, and all clones are the same store. Methods that are not `async` may wait for the
/// disk: call them where blocking is allowed.
#[derive(Clone)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

/// Everything behind a store.
pub(crate) struct Inner {
    pub(crate) journal: Journal,
    pub(crate) quarantine: Arc<Quarantine>,
    pub(crate) claims: Arc<Claims>,
    pub(crate) projector: Projector,
    pub(crate) ids: IdSource,
    pub(crate) gauge: Gauge,
    pub(crate) recovery: Mutex<Recovery>,
    pub(crate) lock: Mutex<Option<Lock>>,
}

impl Store {
    /// Opens a store, and makes up for whatever happened when it was used last: cuts the torn end of the
    /// journal, builds the index anew if it is missing or broken, gives held files without an event
    /// theirs, finishes deletions, and marks releases without an outcome.
    ///
    /// # Errors
    ///
    /// Another process has it, it is of a newer format, or a directory or file cannot be used.
    pub fn open(options: Options) -> Result<(Store, Recovery), OpenError> {
        open::open(options, crate::system::System::default())
    }

    /// A new mail id.
    pub fn new_id(&self) -> MailId {
        self.inner.ids.next()
    }

    /// Appends an event to the journal; returns its sequence number once it is durable.
    ///
    /// If the caller stops waiting, the event is written all the same.
    ///
    /// # Errors
    ///
    /// The journal has failed, now or before, the event is too large, or the store is closed.
    pub async fn append(&self, event: Event) -> Result<u64, AppendError> {
        self.inner.journal.append(encode(event)?).await
    }

    /// Appends an event on which nothing depends: it is durable a moment later, with the next event for which
    /// somebody waits. If the process dies before, it is as if it had died before the event.
    ///
    /// # Errors
    ///
    /// The event is too large, or the store is closed. A journal that fails says so in its status.
    pub fn append_soon(&self, event: Event) -> Result<(), AppendError> {
        self.inner.journal.append_soon(encode(event)?)
    }

    /// As [`Store::append`], for threads that may block.
    ///
    /// # Errors
    ///
    /// As [`Store::append`].
    pub fn append_blocking(&self, event: Event) -> Result<u64, AppendError> {
        self.inner.journal.append_blocking(encode(event)?)
    }

    /// Makes the file of a held mail durable, and its sidecar. The `held` event follows as an event of
    /// its own; if it does not come, the next start makes it.
    ///
    /// # Errors
    ///
    /// The message is not the one that `held` describes, there is a file already, or it could not be
    /// written.
    pub fn hold(&self, held: &HeldEntry, message: &[u8]) -> Result<(), HoldError> {
        self.inner.quarantine.hold(held, message)
    }

    /// Space on the file system, at most a second old.
    ///
    /// # Errors
    ///
    /// The file system does not tell. Then nothing may be accepted either.
    pub fn space(&self) -> io::Result<Space> {
        self.inner.gauge.read()
    }

    /// The record of a mail.
    ///
    /// # Errors
    ///
    /// The index cannot be read.
    pub fn verdict(&self, id: &MailId) -> Result<Option<VerdictRecord>, ReadError> {
        self.inner.settled_read(|index| index.record(id))
    }

    /// What the MTA was answered for a mail.
    ///
    /// # Errors
    ///
    /// The index cannot be read.
    pub fn answered(&self, id: &MailId) -> Result<Option<Answered>, ReadError> {
        self.inner.settled_read(|index| index.answered(id))
    }

    /// Mails that match, with what was answered.
    ///
    /// # Errors
    ///
    /// The index cannot be read.
    pub fn verdicts(&self, filter: &Filter, page: &Page) -> Result<PageOf<Judged>, ReadError> {
        self.inner
            .settled_read(|index| index.verdicts(filter, page))
    }

    /// Held mails that match, whatever became of them.
    ///
    /// # Errors
    ///
    /// The index cannot be read.
    pub fn entries(&self, filter: &Filter, page: &Page) -> Result<PageOf<Entry>, ReadError> {
        self.inner.settled_read(|index| index.entries(filter, page))
    }

    /// One held mail.
    ///
    /// # Errors
    ///
    /// The index cannot be read.
    pub fn entry(&self, id: &EntryId) -> Result<Option<Entry>, ReadError> {
        let row = self.inner.settled_read(|index| index.row(id))?;
        Ok(row.map(|row| row.entry))
    }

    /// The message of a held mail, exactly as it was received.
    ///
    /// # Errors
    ///
    /// There is no such entry or it was deleted, the index cannot be read, or the file is not a regular
    /// file with the size and SHA-256 that the journal says.
    pub fn entry_message(&self, id: &EntryId) -> Result<Vec<u8>, ReadError> {
        let no_entry = || ReadError::NoEntry { entry: id.clone() };
        let entry = self.entry(id)?.ok_or_else(no_entry)?;
        if matches!(entry.state, EntryState::Deleted { .. }) {
            return Err(no_entry());
        }
        let held = &entry.held;
        self.inner
            .quarantine
            .read(id, held.size, &held.sha256)
            .map_err(|e| ReadError::File {
                entry: id.clone(),
                what: e.to_string(),
            })
    }

    /// A policy that was in force once, by its digest.
    ///
    /// # Errors
    ///
    /// The index cannot be read.
    pub fn policy(&self, digest: &str) -> Result<Option<Policy>, ReadError> {
        self.inner.settled_read(|index| index.policy(digest))
    }

    /// A set of rules that was in force once, by its digest.
    ///
    /// # Errors
    ///
    /// The index cannot be read.
    pub fn rules(&self, digest: &str) -> Result<Option<RulesLoaded>, ReadError> {
        self.inner.settled_read(|index| index.rules(digest))
    }

    /// Waits, at most two seconds, until the index has all that was appended before; whether it has.
    /// Every read of this store does so by itself.
    pub fn settle(&self) -> bool {
        self.inner.settle(SETTLE)
    }

    /// Why the journal takes nothing any more, if that is so: no mail may be accepted.
    pub fn failed(&self) -> Option<String> {
        self.inner.journal.durable.failed()
    }

    /// How the store is.
    pub fn status(&self) -> Status {
        let inner = &self.inner;
        let durable = &inner.journal.durable;
        let (segments, journal_bytes) = durable.size();
        let space = inner.gauge.read();
        let counts = inner.read(Index::counts).unwrap_or_default();
        Status {
            seq: durable.seq(),
            applied: inner.projector.applied(),
            segments,
            journal_bytes,
            held: counts.waiting,
            free_bytes: space.as_ref().map_or(0, |s| s.free_bytes),
            free_inodes: space.as_ref().ok().and_then(|s| s.free_inodes),
            low: space.as_ref().map_or(true, Space::low),
            failed: durable.failed(),
            index: inner.projector.slot().trouble(),
            checkpoint: inner.projector.checkpointed(),
            recovery: inner
                .recovery
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
        }
    }

    /// Writes a checkpoint of all that was appended before. One is written every
    /// [`Options::checkpoint_events`] and on closing.
    ///
    /// # Errors
    ///
    /// The file cannot be written; the old one stays.
    pub fn checkpoint(&self) -> io::Result<()> {
        self.settle();
        self.inner.projector.checkpoint()
    }

    /// Builds a new index from journal and files while the old one serves, and then takes its place.
    /// `progress` gets the sequence number that was reached, and the one to reach.
    ///
    /// # Errors
    ///
    /// Another rebuild is running, or journal and files cannot be read or the index not be written. Then
    /// the old index stays.
    pub fn rebuild(
        &self,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<RebuildReport, RebuildError> {
        self.inner.projector.rebuild(&mut progress)
    }

    /// Writes what waits, closes everything, and lets go of the lock. What other clones append from now
    /// on is an error.
    pub fn close(self) {
        self.inner.close();
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

impl Inner {
    /// Waits until the index has all that is durable now.
    pub(crate) fn settle(&self, patience: Duration) -> bool {
        let seq = self.journal.durable.seq();
        self.projector.wait_for(seq, patience)
    }

    pub(crate) fn read<T>(
        &self,
        read: impl FnOnce(&Index) -> Result<T, Damaged>,
    ) -> Result<T, ReadError> {
        let projector = &self.projector;
        projector.slot().read(read, |what| projector.heal(what))
    }

    /// Reads what the caller wrote before, or, if the index does not get there in time, what it has.
    fn settled_read<T>(
        &self,
        read: impl FnOnce(&Index) -> Result<T, Damaged>,
    ) -> Result<T, ReadError> {
        if self.projector.slot().trouble().is_none() {
            self.settle(SETTLE);
        }
        self.read(read)
    }

    pub(crate) fn close(&self) {
        self.journal.close();
        self.projector.close();
        self.lock
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
    }
}

/// The payload of an event: JSON on one line, within bounds.
pub(crate) fn encode(event: Event) -> Result<String, AppendError> {
    let payload = serde_json::to_string(&event.bounded()).map_err(|e| AppendError::Unwritable {
        what: e.to_string(),
    })?;
    if payload.len() > MAX_PAYLOAD {
        return Err(AppendError::TooLarge {
            bytes: payload.len(),
            limit: MAX_PAYLOAD,
        });
    }
    Ok(payload)
}
