//! The checkpoint, `checkpoint.json`: what cannot be told any more once old journal segments are gone.
//!
//! Held mails and their records are in the sidecars; the checkpoint has what became of entries whose
//! files are still there, the policies and rules that verdicts refer to, and where the journal goes on.

use crate::index::{Damaged, Index, Row, guard};
use crate::system::System;
use crate::{EntryState, RulesLoaded, time};
use policy::Policy;
use serde::{Deserialize, Serialize};
use std::io::{self, BufReader, Write};
use std::os::fd::OwnedFd;

const NAME: &str = "checkpoint.json";

/// Version of the file. A newer one is an error, an older one is read.
const FORMAT: u32 = 1;

/// A checkpoint: the state after one line of the journal.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Checkpoint {
    format: u32,
    /// Sequence number of that line.
    pub(crate) seq: u64,
    /// Its chain digest.
    pub(crate) chain: String,
    pub(crate) policies: Vec<(String, Policy)>,
    pub(crate) rules: Vec<(String, RulesLoaded)>,
    pub(crate) entries: Vec<Row>,
}

/// Reads the checkpoint; `None` if there is none.
pub(crate) fn read(var: &OwnedFd) -> io::Result<Option<Checkpoint>> {
    let file = match System::open_file(var, NAME) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e),
    };
    let checkpoint: Checkpoint = serde_json::from_reader(BufReader::new(file))?;
    if checkpoint.format > FORMAT {
        let what = format!(
            "format {}, this version reads up to {FORMAT}",
            checkpoint.format
        );
        return Err(io::Error::new(io::ErrorKind::InvalidData, what));
    }
    Ok(Some(checkpoint))
}

/// Writes the checkpoint of an index that has the journal up to a line, item by item, so that it need
/// not be in memory.
pub(crate) fn write(
    var: &OwnedFd,
    index: &Index,
    seq: u64,
    chain: &str,
    system: &System,
) -> io::Result<()> {
    #[derive(Serialize)]
    struct Head<'a> {
        format: u32,
        seq: u64,
        chain: &'a str,
        time: String,
    }
    let head = serde_json::to_string(&Head {
        format: FORMAT,
        seq,
        chain,
        time: time::rfc3339(system.now()),
    })?;
    // All but what the sidecar says by itself, and what has no file any more.
    let told = |row: &Row| {
        let plain = row.entry.state == EntryState::Held && row.entry.history.len() <= 1;
        !plain && !matches!(row.entry.state, EntryState::Deleted { .. })
    };
    let result = guard(|| {
        Ok(system.replace(var, NAME, |out| {
            write!(out, "{}", head.trim_end_matches('}'))?;
            list(out, "policies", index.policies())?;
            list(out, "rules", index.all_rules())?;
            let rows = index.rows();
            list(
                out,
                "entries",
                rows.filter(|row| row.as_ref().map_or(true, told)),
            )?;
            out.write_all(b"}\n")
        }))
    });
    result.unwrap_or_else(|Damaged(what)| Err(io::Error::other(what)))
}

fn list<T: Serialize>(
    out: &mut dyn Write,
    name: &str,
    items: impl Iterator<Item = Result<T, Damaged>>,
) -> io::Result<()> {
    write!(out, ",\n\"{name}\":[")?;
    for (nth, item) in items.enumerate() {
        let item = item.map_err(|Damaged(what)| io::Error::other(what))?;
        let separator = if nth == 0 { "\n" } else { ",\n" };
        out.write_all(separator.as_bytes())?;
        serde_json::to_writer(&mut *out, &item)?;
    }
    out.write_all(b"]")
}
