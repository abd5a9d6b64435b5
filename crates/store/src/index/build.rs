//! Building an index from what is true: journal, checkpoint, held mails.

use super::project::{BATCH_KEYS, Group};
use super::tail::{Tail, TailError};
use super::{Damaged, Index, guard, keys};
use crate::checkpoint::{self, Checkpoint};
use crate::held::{Kind, Quarantine};
use crate::journal::Extent;
use crate::{Damage, RebuildReport};
use std::io;
use std::os::fd::OwnedFd;

/// Most damaged lines that a report names.
const MAX_DAMAGED: usize = 100;

/// Where an index is built from.
pub(crate) struct Sources<'a> {
    /// The directory of the store, which has the checkpoint.
    pub(crate) var: &'a OwnedFd,
    pub(crate) journal: &'a OwnedFd,
    pub(crate) extents: &'a [Extent],
    /// The last sequence number to read.
    pub(crate) seq: u64,
    pub(crate) quarantine: &'a Quarantine,
}

/// Why an index cannot be built.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BuildError {
    #[error("quarantine: {0}")]
    Quarantine(#[from] io::Error),
    #[error("checkpoint.json: {0}")]
    Checkpoint(io::Error),
    #[error(transparent)]
    Tail(#[from] TailError),
}

impl From<Damaged> for BuildError {
    fn from(damaged: Damaged) -> Self {
        BuildError::Tail(TailError::Index(damaged))
    }
}

/// Fills an empty index. It is not complete yet: the caller reads on as far as it needs.
///
/// As long as the journal reaches back to its beginning, it alone is read. Otherwise the held mails are
/// taken from their sidecars first, and the checkpoint says, at its place in the journal, what had
/// become of them.
pub(crate) fn build(
    index: &Index,
    sources: &Sources<'_>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(Tail, RebuildReport), BuildError> {
    let mut report = RebuildReport::default();
    let begin = sources.extents.iter().find_map(|e| e.first);
    let whole = begin == Some(1) || (begin.is_none() && sources.seq == 0);
    let mut tail = Tail::new(0);
    if !whole {
        let checkpoint = checkpoint::read(sources.var).map_err(BuildError::Checkpoint)?;
        report.from_sidecars = from_sidecars(index, sources.quarantine)?;
        if let Some(checkpoint) = checkpoint {
            read(
                index,
                sources,
                &mut tail,
                checkpoint.seq,
                &mut report,
                progress,
            )?;
            overlay(index, &checkpoint)?;
            tail.applied = checkpoint.seq;
            tail.chain = Some(checkpoint.chain);
        }
    }
    read(
        index,
        sources,
        &mut tail,
        sources.seq,
        &mut report,
        progress,
    )?;
    let counts = index.counts()?;
    report.verdicts = counts.verdicts;
    report.entries = counts.entries;
    Ok((tail, report))
}

fn read(
    index: &Index,
    sources: &Sources<'_>,
    tail: &mut Tail,
    until: u64,
    report: &mut RebuildReport,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(), TailError> {
    let until = until.min(sources.seq);
    loop {
        let step = tail.advance(index, sources.journal, sources.extents, until)?;
        report.lines += step.lines;
        report.damaged.extend(step.damaged);
        report.damaged.truncate(MAX_DAMAGED);
        progress(tail.applied, sources.seq);
        if step.done {
            return Ok(());
        }
    }
}

/// Takes held mails from their sidecars, those with a message.
fn from_sidecars(index: &Index, quarantine: &Quarantine) -> Result<u64, BuildError> {
    let mut found = 0;
    quarantine.walk::<BuildError>(|_, kind| {
        let Kind::Message(entry) = kind else {
            return Ok(());
        };
        let Some(held) = quarantine.sidecar(&entry)? else {
            return Ok(());
        };
        found += 1;
        guard(|| {
            let mut group = Group::new(index)?;
            group.held(held.received, held, true)?;
            group.finish(0)
        })?;
        Ok(())
    })?;
    Ok(found)
}

fn overlay(index: &Index, checkpoint: &Checkpoint) -> Result<(), Damaged> {
    guard(|| {
        let mut group = Group::new(index)?;
        for (digest, policy) in &checkpoint.policies {
            group.policy(digest, policy)?;
        }
        for (digest, rules) in &checkpoint.rules {
            group.rules(digest, rules)?;
        }
        for row in &checkpoint.entries {
            group.put_row(row.clone())?;
            if group.keys() >= BATCH_KEYS {
                group.finish(checkpoint.seq)?;
                group = Group::new(index)?;
            }
        }
        group.finish(checkpoint.seq)
    })
}

/// Why an index that opens is not used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// Its build did not end.
    Unfinished,
    /// It has another schema, or more than the journal has.
    Other(String),
}

/// Whether an index can be used.
pub(crate) fn usable(index: &Index, journal_seq: u64) -> Result<Result<(), Unusable>, Damaged> {
    guard(|| {
        let schema = index.schema()?;
        if let Some(schema) = schema.filter(|schema| *schema != keys::SCHEMA) {
            let known = keys::SCHEMA;
            let what = format!("it has schema {schema}, this version has {known}");
            return Ok(Err(Unusable::Other(what)));
        }
        if !index.complete()? {
            return Ok(Err(Unusable::Unfinished));
        }
        let applied = index.applied()?;
        if applied > journal_seq {
            let what = format!("it has events up to {applied}, the journal up to {journal_seq}");
            return Ok(Err(Unusable::Other(what)));
        }
        Ok(Ok(()))
    })
}

/// A damaged line as a sentence for the log.
pub(crate) fn warn(damage: &Damage) {
    tracing::error!(
        "journal {}, line {}: {}; passed over",
        damage.segment,
        damage.line,
        damage.what
    );
}
