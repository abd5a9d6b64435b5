//! What can go wrong. Every error starts with what it is about.

use crate::EntryId;
use std::{io, path::PathBuf};

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("{}: in use by {}", path.display(), holder(*pid))]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// Who holds it, if it says so.
        pid: Option<u32>,
    },
    /// It was written by a newer version.
    #[error("{}: journal format {found}, this version reads up to {known}", path.display())]
    NewerFormat {
        /// The format file.
        path: PathBuf,
        /// Its version.
        found: String,
        /// What this version knows.
        known: u32,
    },
    /// A file or directory cannot be used.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The index can neither be opened nor be built anew.
    #[error("{}: {what}", path.display())]
    Index {
        /// Its directory.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The journal could not be written while recovery made up for a crash.
    #[error(transparent)]
    Append(#[from] AppendError),
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(
        || "another process".to_owned(),
        |pid| format!("process {pid}"),
    )
}

/// Why an event is not in the journal. None of them is to be answered with a success.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The journal could not be written or synced, now or before, for another reason than a full disk. It stays so until the store is
    /// opened anew, since after a failed sync nobody knows what the disk has.
    #[error("journal: {what}")]
    Failed {
        /// What went wrong first.
        what: String,
    },
    /// The disk is full. The journal is as it was, and goes on when there is space again.
    #[error("journal: {what}")]
    NoSpace {
        /// What the system said.
        what: String,
    },
    /// The event is too large.
    #[error("event of {bytes} octets: the journal takes at most {limit}")]
    TooLarge {
        /// Its octets.
        bytes: usize,
        /// The bound.
        limit: usize,
    },
    /// The event has no JSON form.
    #[error("event: {what}")]
    Unwritable {
        /// Why.
        what: String,
    },
    /// The store is closed.
    #[error("journal: closed")]
    Closed,
}

/// Why a mail is not held. Nothing was promised; whatever was written is removed, now or at the
/// next start.
#[derive(Debug, thiserror::Error)]
pub enum HoldError {
    /// The message is not the one that the entry describes.
    #[error("{entry}: the message does not have the size and SHA-256 of its entry")]
    Mismatch {
        /// The entry.
        entry: EntryId,
    },
    /// There is a file for this entry already.
    #[error("{entry}: is held already")]
    Exists {
        /// The entry.
        entry: EntryId,
    },
    /// A file could not be written.
    #[error("{entry}: cannot {step}: {source}")]
    Io {
        /// The entry.
        entry: EntryId,
        /// What was being done.
        step: &'static str,
        /// Why not.
        source: io::Error,
    },
}

/// Why something cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The index is damaged and is being built anew; ask again later.
    #[error("index: is being rebuilt ({what})")]
    Rebuilding {
        /// What was wrong with it.
        what: String,
    },
    /// The index cannot be used.
    #[error("index: {what}")]
    Index {
        /// What is wrong with it.
        what: String,
    },
    /// There is no such entry, or it was deleted.
    #[error("{entry}: no such entry")]
    NoEntry {
        /// The entry.
        entry: EntryId,
    },
    /// The file of an entry is not what it should be.
    #[error("{entry}: {what}")]
    File {
        /// The entry.
        entry: EntryId,
        /// What is wrong with it.
        what: String,
    },
    /// The store is closed.
    #[error("index: closed")]
    Closed,
}

/// Why a release cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// There is no such entry.
    #[error("{entry}: no such entry")]
    NotFound {
        /// The entry.
        entry: EntryId,
    },
    /// It was released before.
    #[error("{entry}: released already, {reply}")]
    AlreadyReleased {
        /// The entry.
        entry: EntryId,
        /// When, milliseconds since 1970-01-01 UTC.
        when: i64,
        /// Who asked.
        by: String,
        /// What the next hop said.
        reply: String,
        /// The next hop's queue id.
        queue_id: Option<String>,
    },
    /// It was deleted.
    #[error("{entry}: deleted by {by}")]
    Deleted {
        /// The entry.
        entry: EntryId,
        /// When, milliseconds since 1970-01-01 UTC.
        when: i64,
        /// Who asked.
        by: String,
    },
    /// It is being released or deleted right now.
    #[error("{entry}: is being released or deleted right now")]
    Busy {
        /// The entry.
        entry: EntryId,
    },
    /// An earlier release has no known outcome: the recipients may have the mail. Only a request
    /// with `force` goes on.
    #[error("{entry}: the outcome of an earlier release is not known; the recipients may have it")]
    OutcomeUnknown {
        /// The entry.
        entry: EntryId,
    },
    /// The journal did not take it.
    #[error("{entry}: {source}")]
    Append {
        /// The entry.
        entry: EntryId,
        /// Why.
        source: AppendError,
    },
    /// The state cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Why an entry is not deleted.
#[derive(Debug, thiserror::Error)]
pub enum DeleteError {
    /// There is no such entry.
    #[error("{entry}: no such entry")]
    NotFound {
        /// The entry.
        entry: EntryId,
    },
    /// It was deleted before.
    #[error("{entry}: deleted already by {by}")]
    AlreadyDeleted {
        /// The entry.
        entry: EntryId,
        /// When, milliseconds since 1970-01-01 UTC.
        when: i64,
        /// Who asked.
        by: String,
    },
    /// It is being released or deleted right now.
    #[error("{entry}: is being released or deleted right now")]
    Busy {
        /// The entry.
        entry: EntryId,
    },
    /// The journal did not take it.
    #[error("{entry}: {source}")]
    Append {
        /// The entry.
        entry: EntryId,
        /// Why.
        source: AppendError,
    },
    /// It counts as deleted, but its file is still there; the next start removes it.
    #[error("{entry}: deleted in the journal, but its file is still there: {source}")]
    File {
        /// The entry.
        entry: EntryId,
        /// Why.
        source: io::Error,
    },
    /// The state cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Why the index cannot be rebuilt. The old one stays in use, if there is one.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// A rebuild is running.
    #[error("index: a rebuild is running already")]
    Running,
    /// The journal or the held mails cannot be read, or the new index cannot be written.
    #[error("{}: {what}", path.display())]
    Failed {
        /// Where.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The store cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store is closed.
    #[error("index: closed")]
    Closed,
}

/// What `verify` found wrong first.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{}: {what}", file.display(), line.map(|n| format!(", line {n}")).unwrap_or_default())]
pub struct VerifyError {
    /// The journal segment, or the file of a held mail.
    pub file: PathBuf,
    /// The line in the segment, from 1; `None` if it is not about a line.
    pub line: Option<u64>,
    /// What is wrong.
    pub what: String,
}
