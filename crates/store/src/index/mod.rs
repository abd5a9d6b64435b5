//! The index: a projection of the journal in sled, which can be deleted at any time.
//!
//! sled is beta: opening or reading a damaged database returns errors or panics. So every use of it
//! goes through [`guard`], and whatever fails there ends in an index that is built anew.

pub(crate) mod build;
pub(crate) mod generations;
pub(crate) mod keys;
pub(crate) mod project;
pub(crate) mod query;
pub(crate) mod slot;
pub(crate) mod tail;
pub(crate) mod terms;
pub(crate) mod wanted;

use crate::{Answered, Entry, EntryId, MailId, RulesLoaded, VerdictRecord};
use policy::Policy;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// One generation of the index.
pub(crate) struct Index {
    pub(crate) dir: PathBuf,
    db: sled::Db,
}

/// The index is damaged, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Damaged(pub(crate) String);

impl From<sled::Error> for Damaged {
    fn from(e: sled::Error) -> Self {
        Damaged(e.to_string())
    }
}

/// How many there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counts {
    pub(crate) verdicts: u64,
    pub(crate) entries: u64,
    /// Entries that wait: held, being released, unknown.
    pub(crate) waiting: u64,
}

/// What the index knows of an entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    #[serde(flatten)]
    pub(crate) entry: Entry,
    /// Whether some release of it has no known outcome.
    #[serde(default)]
    pub(crate) maybe_sent: bool,
    /// Whether it is known from its sidecar alone.
    #[serde(default)]
    pub(crate) from_sidecar: bool,
}

/// sled counts a page as large as it is on disk. In memory it takes about four times that (measured: 238
/// MB resident with a capacity of 64 MB).
const SLED_MEMORY: u64 = 4;

/// How long to wait for the lock of a database that was closed a moment ago.
const LINGERING_LOCK: Duration = Duration::from_secs(1);

/// Runs something that uses sled; a panic in it is damage.
pub(crate) fn guard<T>(f: impl FnOnce() -> Result<T, Damaged>) -> Result<T, Damaged> {
    std::panic::catch_unwind(AssertUnwindSafe(f))
        .unwrap_or_else(|_| Err(Damaged("sled panicked".to_owned())))
}

impl Index {
    /// Opens a database, or makes it.
    pub(crate) fn open(dir: &Path, cache_bytes: u64) -> Result<Index, Damaged> {
        let config = sled::Config::new()
            .path(dir)
            .cache_capacity(cache_bytes / SLED_MEMORY)
            .mode(sled::Mode::LowSpace)
            // The projector flushes after every group; a timer promises nothing.
            .flush_every_ms(None);
        let begun = Instant::now();
        loop {
            match guard(|| Ok(config.open()?)) {
                Ok(db) => {
                    return Ok(Index {
                        dir: dir.to_owned(),
                        db,
                    });
                }
                Err(Damaged(what))
                    if what.contains("could not acquire lock")
                        && begun.elapsed() < LINGERING_LOCK =>
                {
                    std::thread::sleep(Duration::from_millis(10));
                }
                Err(damaged) => return Err(damaged),
            }
        }
    }

    /// Schema, if there is one.
    pub(crate) fn schema(&self) -> Result<Option<u32>, Damaged> {
        self.value(keys::META_SCHEMA)
    }

    /// Whether it has everything up to [`Index::applied`].
    pub(crate) fn complete(&self) -> Result<bool, Damaged> {
        Ok(self.db.contains_key(keys::META_COMPLETE)?)
    }

    pub(crate) fn set_complete(&self) -> Result<(), Damaged> {
        self.db.insert(keys::META_COMPLETE, b"1")?;
        self.flush()
    }

    /// Sequence number of the last event that it has.
    pub(crate) fn applied(&self) -> Result<u64, Damaged> {
        Ok(self.value(keys::META_APPLIED)?.unwrap_or(0))
    }

    pub(crate) fn counts(&self) -> Result<Counts, Damaged> {
        Ok(self.value(keys::META_COUNTS)?.unwrap_or_default())
    }

    pub(crate) fn record(&self, id: &MailId) -> Result<Option<VerdictRecord>, Damaged> {
        self.value(&keys::record(id))
    }

    pub(crate) fn answered(&self, id: &MailId) -> Result<Option<Answered>, Damaged> {
        self.value(&keys::answered(id))
    }

    pub(crate) fn row(&self, id: &EntryId) -> Result<Option<Row>, Damaged> {
        self.value(&keys::entry(id))
    }

    /// All entries of a mail, by group.
    pub(crate) fn rows_of(&self, id: &MailId) -> Result<Vec<Row>, Damaged> {
        self.db
            .scan_prefix(keys::entries_of(id))
            .map(|pair| read(&pair?.1))
            .collect()
    }

    /// All entries, whatever their state.
    pub(crate) fn rows(&self) -> impl Iterator<Item = Result<Row, Damaged>> {
        self.db.scan_prefix(b"e").map(|pair| read(&pair?.1))
    }

    /// All places in a lane, oldest first: received, mail, group.
    pub(crate) fn places(
        &self,
        lane: &[u8],
    ) -> impl Iterator<Item = Result<(i64, MailId, u16), Damaged>> {
        let prefix = lane.len();
        self.db.scan_prefix(lane).keys().map(move |key| {
            let key = key?;
            let place = key.get(prefix..).and_then(keys::read_place);
            place.ok_or_else(|| Damaged("a key of an index cannot be read".to_owned()))
        })
    }

    pub(crate) fn policy(&self, digest: &str) -> Result<Option<Policy>, Damaged> {
        Ok(self
            .value::<(String, Policy)>(&keys::policy(digest))?
            .map(|(_, policy)| policy))
    }

    /// All policies with their digests.
    pub(crate) fn policies(&self) -> impl Iterator<Item = Result<(String, Policy), Damaged>> {
        self.db.scan_prefix(b"p").map(|pair| read(&pair?.1))
    }

    pub(crate) fn rules(&self, digest: &str) -> Result<Option<RulesLoaded>, Damaged> {
        Ok(self
            .value::<(String, RulesLoaded)>(&keys::rules(digest))?
            .map(|(_, rules)| rules))
    }

    /// All sets of rules with their digests.
    pub(crate) fn all_rules(&self) -> impl Iterator<Item = Result<(String, RulesLoaded), Damaged>> {
        self.db.scan_prefix(b"r").map(|pair| read(&pair?.1))
    }

    /// Reads a number of keys with their values, which finds damage in the pages that hold them.
    pub(crate) fn probe(&self, keys: usize) -> Result<(), Damaged> {
        for pair in self.db.iter().take(keys) {
            pair?;
        }
        Ok(())
    }

    pub(crate) fn flush(&self) -> Result<(), Damaged> {
        self.db.flush()?;
        Ok(())
    }

    fn value<T: DeserializeOwned>(&self, key: &[u8]) -> Result<Option<T>, Damaged> {
        self.db.get(key)?.map(|value| read(&value)).transpose()
    }
}

fn read<T: DeserializeOwned>(value: &[u8]) -> Result<T, Damaged> {
    serde_json::from_slice(value).map_err(|e| Damaged(format!("a value cannot be read: {e}")))
}

#[cfg(test)]
impl Index {
    pub(crate) fn set_schema(&self, schema: u32) {
        let value = serde_json::to_vec(&schema).expect("a number");
        self.db.insert(keys::META_SCHEMA, value).expect("inserted");
        self.flush().expect("flushed");
    }
}
