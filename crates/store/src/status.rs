//! How the store is, and what opening it found.

use crate::EntryId;
use serde::{Deserialize, Serialize};

/// How the store is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Last sequence number that is durable in the journal.
    pub seq: u64,
    /// Last sequence number that the index has.
    pub applied: u64,
    /// Number of journal segments.
    pub segments: u64,
    /// Octets of the journal.
    pub journal_bytes: u64,
    /// Entries that wait: held, being released, or released with unknown outcome; 0 while `index` says
    /// that something is wrong with it.
    pub held: u64,
    /// Octets free on the file system of the store; 0 if it cannot be told.
    pub free_bytes: u64,
    /// Inodes free there; `None` if the file system does not count them.
    pub free_inodes: Option<u64>,
    /// Whether either is below the configured minimum (or cannot be told): no mail may be accepted.
    pub low: bool,
    /// Why the journal takes nothing any more.
    pub failed: Option<String>,
    /// What is wrong with the index.
    pub index: Option<String>,
    /// Sequence number of the last checkpoint; 0 if there is none.
    pub checkpoint: u64,
    /// What opening found.
    pub recovery: Recovery,
}

/// Space on the file system of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Space {
    /// Octets free for this process.
    pub free_bytes: u64,
    /// Inodes free for this process; `None` if the file system does not count them.
    pub free_inodes: Option<u64>,
    /// The configured minimum of octets.
    pub min_free_bytes: u64,
    /// The configured minimum of inodes.
    pub min_free_inodes: u64,
}

impl Space {
    /// Whether no mail may be accepted.
    pub fn low(&self) -> bool {
        self.free_bytes < self.min_free_bytes
            || self.free_inodes.is_some_and(|n| n < self.min_free_inodes)
    }
}

/// What opening found and did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovery {
    /// The store did not exist before.
    pub created: bool,
    /// The end of the journal that was never acknowledged, and was moved aside.
    pub torn: Option<TornTail>,
    /// Lines of the journal that are damaged and were left as they are. Only the segments that had
    /// to be read were looked at.
    pub damaged: Vec<Damage>,
    /// Why the index was built anew, if it was.
    pub index_rebuilt: Option<String>,
    /// Where a broken index was moved.
    pub index_moved: Vec<String>,
    /// Journal lines that the index did not have yet.
    pub replayed: u64,
    /// Held mails that had a file but no event, and have one now.
    pub adopted: Vec<EntryId>,
    /// Deleted entries whose file was still there, and is not now.
    pub deletions_finished: Vec<EntryId>,
    /// Releases that were begun and have no outcome.
    pub releases_unknown: Vec<EntryId>,
    /// Held mails without their file, or with something else in its place.
    pub missing: Vec<EntryId>,
    /// Temporary and left-over files that were removed.
    pub tmp_removed: u64,
    /// Files in the quarantine that are none of the store's, and were left alone; at most
    /// [`Recovery::MAX_STRANGERS`].
    pub strangers: Vec<String>,
}

impl Recovery {
    /// Most foreign files that are named.
    pub const MAX_STRANGERS: usize = 100;

    /// What was found, in sentences for the log and for the `started` event; empty if all was well.
    pub fn sentences(&self) -> Vec<String> {
        let mut out = Vec::new();
        if let Some(torn) = &self.torn {
            out.push(format!(
                "journal {}: {} octets from line {} on were never acknowledged, moved to {}",
                torn.segment, torn.bytes, torn.line, torn.kept
            ));
        }
        for damage in &self.damaged {
            out.push(match damage.line {
                0 => format!("{}: {}", damage.segment, damage.what),
                line => format!("journal {}, line {line}: {}", damage.segment, damage.what),
            });
        }
        if let Some(why) = &self.index_rebuilt {
            out.push(format!("index: rebuilt, {why}"));
        }
        for moved in &self.index_moved {
            out.push(format!("index: the broken one is now {moved}"));
        }
        let mut list = |ids: &[EntryId], what: &str| {
            for id in ids {
                out.push(format!("{id}: {what}"));
            }
        };
        list(&self.adopted, "held without an event, adopted");
        list(
            &self.deletions_finished,
            "deleted before, its file is removed now",
        );
        list(
            &self.releases_unknown,
            "a release has no outcome, the recipients may have the mail",
        );
        list(&self.missing, "its file is missing or not a regular file");
        for stranger in &self.strangers {
            out.push(format!(
                "quarantine {stranger}: not a file of this store, left alone"
            ));
        }
        out
    }
}

/// The end of a journal that was cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TornTail {
    /// File name of the segment.
    pub segment: String,
    /// First line that was cut, from 1.
    pub line: u64,
    /// Octets that were cut.
    pub bytes: u64,
    /// Name of the file that has them now.
    pub kept: String,
}

/// A damaged line of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Damage {
    /// File name of the segment, or `checkpoint.json`.
    pub segment: String,
    /// The line, from 1; 0 if it is about the file as a whole.
    pub line: u64,
    /// What is wrong with it.
    pub what: String,
}

/// What a rebuild did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RebuildReport {
    /// Journal lines read.
    pub lines: u64,
    /// Verdict records in the new index.
    pub verdicts: u64,
    /// Entries in the new index, whatever their state.
    pub entries: u64,
    /// Entries known from their sidecar alone.
    pub from_sidecars: u64,
    /// Damaged journal lines that were passed over.
    pub damaged: Vec<Damage>,
}

/// A journal that is whole.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// Lines.
    pub lines: u64,
    /// Segments.
    pub segments: u64,
    /// Sequence number of the first line; 0 if there is none.
    pub first: u64,
    /// Sequence number of the last line; 0 if there is none.
    pub last: u64,
    /// Lines whose payload was erased; their place in the chain is intact.
    pub erased: u64,
    /// Held mails whose file has the journalled SHA-256; `None` if they were not looked at.
    pub held: Option<u64>,
}
