//! Opening a store, whatever happened to it.

use crate::bell::Bell;
use crate::held::Quarantine;
use crate::index::build::{self, Sources};
use crate::index::tail::{Tail, TailError};
use crate::index::{Index, generations};
use crate::journal::recover::Recovered;
use crate::journal::{Durable, Journal, recover};
use crate::lock::Lock;
use crate::projector::{Context, Projector};
use crate::release::Claims;
use crate::space::Gauge;
use crate::store::Inner;
use crate::system::System;
use crate::{
    IdSource, OpenError, Options, RebuildError, RebuildReport, Recovery, Store, checkpoint, repair,
};
use rustix::fs::Mode;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// Version of the journal's format and of the layout of held mails.
const FORMAT: u32 = 1;
const FORMAT_FILE: &str = "format";
const FORMAT_HEAD: &str = "postern-journal";

/// Opens a store on a given system.
pub(crate) fn open(options: Options, system: System) -> Result<(Store, Recovery), OpenError> {
    let mut base = Base::open(&options.dir, &system)?;
    let mut recovery = std::mem::take(&mut base.recovery);
    let (index, tail) = base.index(&options, &system, &mut recovery)?;
    for sentence in recovery.sentences() {
        tracing::warn!("{sentence}");
    }

    let io = |source| OpenError::Io {
        path: options.dir.clone(),
        source,
    };
    let bell = Arc::new(Bell::default());
    let gauge = Gauge::new(base.var.try_clone().map_err(io)?, &options);
    let journal = Journal::start(
        base.journal,
        base.recovered,
        options.segment_bytes,
        system.clone(),
        Arc::clone(&bell),
    )
    .map_err(io)?;
    let context = Context {
        dir: options.dir.clone(),
        var: base.var,
        quarantine: Arc::clone(&base.quarantine),
        durable: Arc::<Durable>::clone(&journal.durable),
        cache_bytes: options.cache_bytes,
        checkpoint_events: options.checkpoint_events,
        system,
    };
    let projector = Projector::start(context, index, tail, base.checkpoint, bell).map_err(io)?;
    let inner = Arc::new(Inner {
        journal,
        quarantine: base.quarantine,
        claims: Arc::<Claims>::default(),
        projector,
        ids: IdSource::new().map_err(io)?,
        gauge,
        recovery: Mutex::default(),
        lock: Mutex::new(Some(base.lock)),
    });
    repair::run(&inner, &options.dir, &mut recovery)?;
    if let Ok(mut kept) = inner.recovery.lock() {
        *kept = recovery.clone();
    }
    Ok((Store { inner }, recovery))
}

/// Builds the index of a store that no process has open. The old one is removed.
///
/// # Errors
///
/// Another process has the store, or journal and files cannot be read, or the index not be written.
pub fn rebuild_offline(
    dir: &Path,
    mut progress: impl FnMut(u64, u64),
) -> Result<RebuildReport, RebuildError> {
    let system = System::default();
    let options = Options::new(dir);
    let base = Base::open(dir, &system)?;
    let (index, _, report) =
        base.build(&options, &mut progress)
            .map_err(|what| RebuildError::Failed {
                path: dir.join("index"),
                what,
            })?;
    generations::close(index);
    // Opening it finds the new one, and removes what is older.
    let seq = base.recovered.seq;
    let found = generations::open(dir, options.cache_bytes, seq, &system);
    let found = found.map_err(|source| OpenError::Io {
        path: dir.join("index"),
        source,
    })?;
    match found.index {
        Some(index) => {
            generations::close(index);
            Ok(report)
        }
        None => Err(RebuildError::Failed {
            path: dir.join("index"),
            what: found.why.unwrap_or_default(),
        }),
    }
}

/// A store with its journal recovered, before anything runs.
struct Base {
    dir: PathBuf,
    lock: Lock,
    var: OwnedFd,
    journal: OwnedFd,
    quarantine: Arc<Quarantine>,
    recovered: Recovered,
    /// Sequence number of the checkpoint.
    checkpoint: u64,
    recovery: Recovery,
}

impl Base {
    fn open(dir: &Path, system: &System) -> Result<Base, OpenError> {
        let at = |path: &Path| {
            let path = path.to_owned();
            move |source| OpenError::Io { path, source }
        };
        make_dir(dir).map_err(at(dir))?;
        let lock = Lock::take(dir)?;
        let [journal_path, quarantine_path] = ["journal", "quarantine"].map(|name| dir.join(name));
        let var = System::open_root(dir).map_err(at(dir))?;
        let [journal, quarantine] = [&journal_path, &quarantine_path].map(|path| {
            make_dir(path)
                .and_then(|()| System::open_root(path))
                .map_err(at(path))
        });
        let (journal, quarantine) = (journal?, quarantine?);
        system.sync_dir(&var).map_err(at(dir))?;
        let mut recovery = Recovery {
            created: check_format(&journal, &journal_path, system)?,
            ..Recovery::default()
        };
        let behind = match checkpoint::read(&var) {
            Ok(checkpoint) => checkpoint.map(|c| (c.seq, c.chain)),
            Err(e) => {
                // It is written anew soon; only expired segments would need it.
                recovery.damaged.push(crate::Damage {
                    segment: "checkpoint.json".to_owned(),
                    line: 0,
                    what: e.to_string(),
                });
                None
            }
        };
        let checkpoint = behind.as_ref().map_or(0, |(seq, _)| *seq);
        let mut recovered =
            recover::recover(&journal, behind, system).map_err(at(&journal_path))?;
        recovery.torn = recovered.torn.take();
        recovery.damaged.append(&mut recovered.damaged);
        Ok(Base {
            dir: dir.to_owned(),
            lock,
            var,
            journal,
            quarantine: Arc::new(Quarantine::new(quarantine, system.clone())),
            recovered,
            checkpoint,
            recovery,
        })
    }

    /// Opens the index, or builds it, and reads on to the end of the journal.
    fn index(
        &self,
        options: &Options,
        system: &System,
        recovery: &mut Recovery,
    ) -> Result<(Index, Tail), OpenError> {
        let path = self.dir.join("index");
        let io = |source| OpenError::Io {
            path: path.clone(),
            source,
        };
        let seq = self.recovered.seq;
        let found = generations::open(&self.dir, options.cache_bytes, seq, system).map_err(io)?;
        recovery.index_moved = found.moved;
        let why = match found.index {
            None => found.why.unwrap_or_else(|| "it was missing".to_owned()),
            Some(index) => match self.catch_up(&index) {
                Ok((tail, replayed)) => {
                    recovery.replayed = replayed;
                    return Ok((index, self.at_end(tail)));
                }
                Err(TailError::Index(damaged)) => {
                    let n = generations::number(&index);
                    generations::close(index);
                    if let Some(n) = n {
                        let moved = generations::move_aside(&self.dir, n, system).map_err(io)?;
                        recovery.index_moved.push(moved);
                    }
                    damaged.0
                }
                Err(e @ TailError::Journal { .. }) => return Err(io(io::Error::other(e))),
            },
        };
        if !recovery.created {
            tracing::warn!("index: {why}; it is built anew");
            recovery.index_rebuilt = Some(why);
        }
        let (index, tail, _) =
            self.build(options, &mut |_, _| {})
                .map_err(|what| OpenError::Index {
                    path: path.clone(),
                    what,
                })?;
        Ok((index, self.at_end(tail)))
    }

    fn build(
        &self,
        options: &Options,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(Index, Tail, RebuildReport), String> {
        let index = generations::create(&self.dir, options.cache_bytes)?;
        let sources = Sources {
            var: &self.var,
            journal: &self.journal,
            extents: &self.recovered.extents,
            seq: self.recovered.seq,
            quarantine: &self.quarantine,
        };
        let (tail, report) = build::build(&index, &sources, progress).map_err(|e| e.to_string())?;
        report.damaged.iter().for_each(build::warn);
        index.set_complete().map_err(|damaged| damaged.0)?;
        Ok((index, tail, report))
    }

    fn catch_up(&self, index: &Index) -> Result<(Tail, u64), TailError> {
        let mut tail = Tail::new(index.applied()?);
        let mut replayed = 0;
        loop {
            let extents = &self.recovered.extents;
            let step = tail.advance(index, &self.journal, extents, u64::MAX)?;
            step.damaged.iter().for_each(build::warn);
            replayed += step.lines;
            if step.done {
                return Ok((tail, replayed));
            }
        }
    }

    /// If lines at the end were lost, the journal goes on behind the checkpoint, and so does the index.
    fn at_end(&self, mut tail: Tail) -> Tail {
        if tail.applied < self.recovered.seq {
            tail.applied = self.recovered.seq;
            tail.chain = Some(self.recovered.chain.clone());
        }
        tail
    }
}

/// Makes a directory that its owner alone can enter, if it does not exist.
fn make_dir(path: &Path) -> io::Result<()> {
    match rustix::fs::mkdir(path, Mode::RWXU) {
        Ok(()) | Err(rustix::io::Errno::EXIST) => Ok(()),
        Err(e) => Err(e.into()),
    }
}

/// Checks the format, or writes it into a new store; whether it is new.
fn check_format(journal: &OwnedFd, path: &Path, system: &System) -> Result<bool, OpenError> {
    let path = path.join(FORMAT_FILE);
    let io = |source| OpenError::Io {
        path: path.clone(),
        source,
    };
    let file = match System::open_file(journal, FORMAT_FILE) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            let text = format!("{FORMAT_HEAD} {FORMAT}\n");
            system
                .replace(journal, FORMAT_FILE, |out| out.write_all(text.as_bytes()))
                .map_err(io)?;
            let segments = crate::journal::segment::list(journal).map_err(io)?;
            return Ok(segments.is_empty());
        }
        Err(e) => return Err(io(e)),
    };
    let mut text = String::new();
    file.take(256).read_to_string(&mut text).map_err(io)?;
    let version = text
        .strip_prefix(FORMAT_HEAD)
        .and_then(|rest| rest.trim().parse::<u32>().ok());
    match version {
        Some(version) if version <= FORMAT => Ok(false),
        _ => Err(OpenError::NewerFormat {
            path,
            found: text.trim().escape_debug().to_string(),
            known: FORMAT,
        }),
    }
}
