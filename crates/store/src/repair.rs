//! Making files and journal agree, once both can be read and written.

use crate::held::{Kind, message_name};
use crate::index::{Damaged, Index, keys};
use crate::store::{Inner, encode};
use crate::{
    EntryId, EntryState, EntryStateName, Event, HeldEntry, OpenError, ReadError, Recovery,
};
use std::io;
use std::path::Path;
use std::time::Duration;

/// How long the index may take to know what recovery appended.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a release without an outcome is given as one.
const NO_OUTCOME: &str = "postern stopped before the outcome was known";

/// What is to be done about files.
#[derive(Default)]
struct Plan {
    adopt: Vec<EntryId>,
    finish: Vec<EntryId>,
    remove: Vec<Vec<String>>,
    /// Messages of entries that wait.
    waiting: u64,
}

#[derive(Debug, thiserror::Error)]
enum PlanError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Does all of it. Nothing here destroys a mail that was not deleted before.
pub(crate) fn run(inner: &Inner, dir: &Path, recovery: &mut Recovery) -> Result<(), OpenError> {
    let io = |source| OpenError::Io {
        path: dir.join("quarantine"),
        source,
    };
    let index = |e: ReadError| OpenError::Index {
        path: dir.join("index"),
        what: e.to_string(),
    };
    let plan = plan(inner, recovery).map_err(|e| match e {
        PlanError::Io(e) => io(e),
        PlanError::Read(e) => index(e),
    })?;
    for path in &plan.remove {
        inner.quarantine.remove_file(path).map_err(io)?;
        recovery.tmp_removed += 1;
    }
    for entry in &plan.finish {
        inner.quarantine.remove(entry).map_err(io)?;
        tracing::warn!(%entry, "deleted before, its file is removed now");
        recovery.deletions_finished.push(entry.clone());
    }
    for entry in &plan.adopt {
        let held = adopted(inner, entry).map_err(io)?;
        let mut event = encode(Event::Held(held.clone()));
        if event.is_err() {
            event = encode(Event::Held(HeldEntry {
                record: None,
                ..held
            }));
        }
        inner.journal.append_blocking(event?)?;
        tracing::warn!(%entry, "held without an event, adopted");
        recovery.adopted.push(entry.clone());
    }
    let begun = inner
        .read(|index| ids(index, EntryStateName::Releasing))
        .map_err(index)?;
    for entry in begun {
        inner.journal.append_blocking(encode(Event::ReleaseFailed {
            entry: entry.clone(),
            reply: NO_OUTCOME.to_owned(),
            unknown: true,
        })?)?;
        tracing::warn!(%entry, "a release has no outcome");
        recovery.releases_unknown.push(entry);
    }
    inner.settle(PATIENCE);
    // Looking for every file by its entry takes a while, and is only needed if some are not there.
    let waiting = inner.read(Index::counts).map_err(index)?.waiting;
    if waiting != plan.waiting + recovery.adopted.len() as u64 {
        recovery.missing = missing(inner, index, io)?;
    }
    Ok(())
}

/// Looks at every file of the quarantine.
fn plan(inner: &Inner, recovery: &mut Recovery) -> Result<Plan, PlanError> {
    let mut plan = Plan::default();
    let mut last_message = None;
    let state = |entry: &EntryId| -> Result<Option<EntryState>, PlanError> {
        let row = inner.read(|index| index.row(entry))?;
        Ok(row.map(|row| row.entry.state))
    };
    inner.quarantine.walk::<PlanError>(|path, kind| {
        match kind {
            Kind::Temporary => plan.remove.push(path.to_vec()),
            Kind::Message(entry) => {
                match state(&entry)? {
                    Some(EntryState::Deleted { .. }) => plan.finish.push(entry.clone()),
                    Some(EntryState::Released { .. }) => {}
                    Some(_) if inner.quarantine.has(&entry)? => plan.waiting += 1,
                    None if inner.quarantine.has(&entry)? => plan.adopt.push(entry.clone()),
                    _ => stranger(recovery, path),
                }
                last_message = Some(entry);
            }
            // With a message beside it, which comes just before, the message decides.
            Kind::Sidecar(entry) if last_message.as_ref() == Some(&entry) => {}
            Kind::Sidecar(entry) => match state(&entry)? {
                // The message was never named, or is gone as it should be.
                None | Some(EntryState::Deleted { .. }) => plan.remove.push(path.to_vec()),
                Some(_) => {}
            },
            Kind::Stranger => stranger(recovery, path),
        }
        Ok(())
    })?;
    Ok(plan)
}

fn stranger(recovery: &mut Recovery, path: &[String]) {
    if recovery.strangers.len() < Recovery::MAX_STRANGERS {
        let path: String = path.join("/").chars().take(256).collect();
        recovery.strangers.push(path.escape_debug().to_string());
    }
}

/// What is known of a held mail without an event: its sidecar, or else what its file tells.
fn adopted(inner: &Inner, entry: &EntryId) -> io::Result<HeldEntry> {
    let held = match inner.quarantine.sidecar(entry)? {
        Some(held) => held,
        None => {
            let (size, sha256) = inner.quarantine.measure(entry)?;
            tracing::error!(
                "{}: has no sidecar that can be read; sender and recipients are not known",
                message_name(entry)
            );
            HeldEntry {
                entry: entry.clone(),
                received: entry.mail().ms(),
                mail_from: String::new(),
                rcpts: Vec::new(),
                size,
                sha256,
                recovered: true,
                record: None,
            }
        }
    };
    Ok(HeldEntry {
        recovered: true,
        ..held
    })
}

/// Entries that wait and have no file.
fn missing(
    inner: &Inner,
    index: impl Fn(ReadError) -> OpenError,
    io: impl Fn(io::Error) -> OpenError,
) -> Result<Vec<EntryId>, OpenError> {
    let mut missing = Vec::new();
    for state in [EntryStateName::Held, EntryStateName::Unknown] {
        for entry in inner.read(|i| ids(i, state)).map_err(&index)? {
            if !inner.quarantine.has(&entry).map_err(&io)? {
                tracing::error!(%entry, "its file is missing or not a regular file");
                missing.push(entry);
            }
        }
    }
    Ok(missing)
}

/// All entries in a state.
fn ids(index: &Index, state: EntryStateName) -> Result<Vec<EntryId>, Damaged> {
    index
        .places(&keys::entries_in(Some(state)))
        .map(|place| place.map(|(_, id, group)| id.entry(group)))
        .collect()
}
