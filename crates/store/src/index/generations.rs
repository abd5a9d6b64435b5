//! Generations of the index: `index/<n>/`, each a database of its own.
//!
//! A new one is built beside the one in use and takes its place when it is complete. What is broken is
//! moved to `index.broken-<time>-<n>` for those who want to know why, never deleted.

use super::build::{self, Unusable};
use super::{Index, guard};
use crate::system::System;
use crate::time;
use std::io;
use std::path::{Path, PathBuf};

/// Keys that are read when an index is opened, to find damage before somebody asks. An index with more
/// is healed when damage is met.
const PROBED_KEYS: usize = 200_000;

/// What there was.
pub(crate) struct Found {
    pub(crate) index: Option<Index>,
    /// Why there is none, in words.
    pub(crate) why: Option<String>,
    /// Names of what was moved aside.
    pub(crate) moved: Vec<String>,
}

/// Opens the newest generation that is whole; those that are not are moved aside, older ones removed.
pub(crate) fn open(
    var: &Path,
    cache_bytes: u64,
    journal_seq: u64,
    system: &System,
) -> io::Result<Found> {
    let mut found = Found {
        index: None,
        why: None,
        moved: Vec::new(),
    };
    for n in list(var)?.into_iter().rev() {
        let path = path(var, n);
        if found.index.is_some() {
            remove(&path)?;
            continue;
        }
        let opened = Index::open(&path, cache_bytes).and_then(|index| {
            let usable = build::usable(&index, journal_seq)?;
            guard(|| index.probe(PROBED_KEYS))?;
            Ok((index, usable))
        });
        let why = match opened {
            Ok((index, Ok(()))) => {
                found.index = Some(index);
                continue;
            }
            Ok((index, Err(Unusable::Unfinished))) => {
                close(index);
                found.why.get_or_insert("its build did not end".to_owned());
                remove(&path)?;
                continue;
            }
            Ok((index, Err(Unusable::Other(why)))) => {
                close(index);
                why
            }
            Err(damaged) => damaged.0,
        };
        tracing::warn!("index {}: {why}", path.display());
        found.moved.push(move_aside(var, n, system)?);
        found.why.get_or_insert(why);
    }
    if found.index.is_some() {
        found.why = None;
    }
    Ok(found)
}

/// Makes a new, empty generation. An index is damaged if not even that is possible.
pub(crate) fn create(var: &Path, cache_bytes: u64) -> Result<Index, String> {
    let n = list(var).map_err(|e| e.to_string())?;
    let n = n.last().map_or(1, |n| n + 1);
    let path = path(var, n);
    std::fs::create_dir_all(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    Index::open(&path, cache_bytes).map_err(|e| e.0)
}

/// Closes a database. sled may panic on the way, which matters to nobody any more.
pub(crate) fn close(index: Index) {
    let _ = guard(move || {
        drop(index);
        Ok(())
    });
}

/// Moves a generation aside; returns its new name.
pub(crate) fn move_aside(var: &Path, n: u64, system: &System) -> io::Result<String> {
    let name = format!("index.broken-{}-{n}", time::compact(system.now()));
    std::fs::rename(path(var, n), var.join(&name))?;
    Ok(name)
}

/// Removes a generation that nobody needs any more.
#[expect(
    clippy::disallowed_methods,
    reason = "an index is made from the journal, and holds no mail"
)]
pub(crate) fn remove(dir: &Path) -> io::Result<()> {
    std::fs::remove_dir_all(dir)
}

/// The number of a generation.
pub(crate) fn number(index: &Index) -> Option<u64> {
    index.dir.file_name()?.to_str()?.parse().ok()
}

/// All generations, in order.
fn list(var: &Path) -> io::Result<Vec<u64>> {
    let dir = var.join("index");
    if !dir.is_dir() {
        if dir.exists() {
            std::fs::rename(&dir, var.join("index.broken"))?;
        }
        std::fs::create_dir(&dir)?;
    }
    let mut numbers = Vec::new();
    for item in std::fs::read_dir(&dir)? {
        if let Some(n) = item?.file_name().to_str().and_then(|n| n.parse().ok()) {
            numbers.push(n);
        }
    }
    numbers.sort_unstable();
    Ok(numbers)
}

fn path(var: &Path, n: u64) -> PathBuf {
    var.join("index").join(n.to_string())
}
