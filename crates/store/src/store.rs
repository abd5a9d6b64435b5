//! The store as its callers see it.

use crate::{
    Answered, AppendError, DeleteError, Entry, EntryId, Event, Filter, HeldEntry, HoldError,
    Judged, MailId, OpenError, Page, PageOf, ReadError, RebuildError, RebuildReport, Recovery,
    ReleaseError, ReleaseRequest, ReleaseTicket, RulesLoaded, Space, Status, VerdictRecord,
};
use policy::Policy;
use std::{io, path::PathBuf, sync::Arc};

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
#[derive(Clone)]
pub struct Store {
    inner: Arc<()>,
}

impl Store {
    pub fn open(options: Options) -> Result<(Store, Recovery), OpenError> {
        todo!()
    }
    pub fn new_id(&self) -> MailId {
        todo!()
    }
    pub async fn append(&self, event: Event) -> Result<u64, AppendError> {
        todo!()
    }
    pub fn append_blocking(&self, event: Event) -> Result<u64, AppendError> {
        todo!()
    }
    pub fn hold(&self, held: &HeldEntry, message: &[u8]) -> Result<(), HoldError> {
        todo!()
    }
    pub fn space(&self) -> io::Result<Space> {
        todo!()
    }
    pub fn verdict(&self, id: &MailId) -> Result<Option<VerdictRecord>, ReadError> {
        todo!()
    }
    pub fn answered(&self, id: &MailId) -> Result<Option<Answered>, ReadError> {
        todo!()
    }
    pub fn verdicts(&self, filter: &Filter, page: &Page) -> Result<PageOf<Judged>, ReadError> {
        todo!()
    }
    pub fn entries(&self, filter: &Filter, page: &Page) -> Result<PageOf<Entry>, ReadError> {
        todo!()
    }
    pub fn entry(&self, id: &EntryId) -> Result<Option<Entry>, ReadError> {
        todo!()
    }
    pub fn entry_message(&self, id: &EntryId) -> Result<Vec<u8>, ReadError> {
        todo!()
    }
    pub async fn start_release(
        &self,
        id: &EntryId,
        request: ReleaseRequest,
    ) -> Result<ReleaseTicket, ReleaseError> {
        todo!()
    }
    pub async fn delete(
        &self,
        id: &EntryId,
        by: &str,
        why: Option<&str>,
    ) -> Result<(), DeleteError> {
        todo!()
    }
    pub fn policy(&self, digest: &str) -> Result<Option<Policy>, ReadError> {
        todo!()
    }
    pub fn rules(&self, digest: &str) -> Result<Option<RulesLoaded>, ReadError> {
        todo!()
    }
    pub fn settle(&self) -> bool {
        todo!()
    }
    pub fn status(&self) -> Status {
        todo!()
    }
    pub fn checkpoint(&self) -> io::Result<()> {
        todo!()
    }
    pub fn rebuild(&self, progress: impl FnMut(u64, u64)) -> Result<RebuildReport, RebuildError> {
        todo!()
    }
    pub fn close(self) {
        todo!()
    }
}
