//! The projector: one thread that keeps the index up with the journal.
//!
//! It reads the journal's durable part from disk, where the page cache has it, as recovery and rebuild
//! do. So nothing queues up in memory however long sled stalls, and what is appended never waits.

mod run;

use crate::bell::Bell;
use crate::held::Quarantine;
use crate::index::build::{self, Sources};
use crate::index::slot::{Slot, State};
use crate::index::tail::Tail;
use crate::index::{Index, generations};
use crate::journal::Durable;
use crate::system::System;
use crate::{RebuildError, RebuildReport};
use run::{Run, retire};
use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::JoinHandle;
use std::time::Duration;

/// What the projector needs.
pub(crate) struct Context {
    pub(crate) dir: PathBuf,
    pub(crate) var: OwnedFd,
    pub(crate) quarantine: Arc<Quarantine>,
    pub(crate) durable: Arc<Durable>,
    pub(crate) cache_bytes: u64,
    pub(crate) checkpoint_events: u64,
    pub(crate) system: System,
}

/// The projector, as the rest of the store sees it.
pub(crate) struct Projector {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    context: Context,
    slot: Slot,
    bell: Arc<Bell>,
    /// `None` once the thread has ended: whoever commands then is told by the reply that never comes.
    commands: Mutex<Option<VecDeque<Command>>>,
    progress: Mutex<Progress>,
    moved: Condvar,
    /// Held while a generation is built.
    building: Mutex<()>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Progress {
    applied: u64,
    checkpoint: u64,
}

enum Command {
    Checkpoint(SyncSender<io::Result<()>>),
    Heal(String),
    Install(Box<Index>, Tail, SyncSender<Result<(), RebuildError>>),
    Stop,
}

impl Projector {
    pub(crate) fn start(
        context: Context,
        index: Index,
        tail: Tail,
        checkpoint: u64,
        bell: Arc<Bell>,
    ) -> io::Result<Projector> {
        let shared = Arc::new(Shared {
            progress: Mutex::new(Progress {
                applied: tail.applied,
                checkpoint,
            }),
            context,
            slot: Slot::new(index),
            bell,
            commands: Mutex::new(Some(VecDeque::new())),
            moved: Condvar::new(),
            building: Mutex::default(),
        });
        let mut run = Run::new(Arc::clone(&shared), tail);
        let thread = std::thread::Builder::new()
            .name("projector".into())
            .spawn(move || run.run())?;
        Ok(Projector {
            shared,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// The index in use.
    pub(crate) fn slot(&self) -> &Slot {
        &self.shared.slot
    }

    /// Last sequence number in the index.
    pub(crate) fn applied(&self) -> u64 {
        self.shared.progress().applied
    }

    /// Sequence number of the last checkpoint.
    pub(crate) fn checkpointed(&self) -> u64 {
        self.shared.progress().checkpoint
    }

    /// Waits until the index has a sequence number; `false` if it does not in time.
    pub(crate) fn wait_for(&self, seq: u64, patience: Duration) -> bool {
        let (progress, _) = self
            .shared
            .moved
            .wait_timeout_while(self.shared.progress(), patience, |p| p.applied < seq)
            .unwrap_or_else(PoisonError::into_inner);
        progress.applied >= seq
    }

    /// Has a damaged index built anew.
    pub(crate) fn heal(&self, what: String) {
        self.shared.command(Command::Heal(what));
    }

    /// Writes a checkpoint of what the index has.
    pub(crate) fn checkpoint(&self) -> io::Result<()> {
        let (reply, answer) = sync_channel(1);
        self.shared.command(Command::Checkpoint(reply));
        let closed = |_| Err(io::Error::other("closed"));
        answer.recv().unwrap_or_else(closed)
    }

    /// Builds a new index beside the one in use, and puts it in its place.
    pub(crate) fn rebuild(
        &self,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<RebuildReport, RebuildError> {
        let shared = &self.shared;
        let _building = match shared.building.try_lock() {
            Ok(guard) => guard,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Err(RebuildError::Running),
        };
        let built = shared.build(progress).map_err(|what| {
            // If readers were waiting for this one, they are told.
            if let State::Rebuilding(was) = shared.slot.state() {
                shared.slot.replace(State::Failed(format!("{was}; {what}")));
            }
            shared.rebuild_failed(what)
        });
        let (index, tail, report) = built?;
        let (reply, answer) = sync_channel(1);
        shared.command(Command::Install(Box::new(index), tail, reply));
        answer.recv().unwrap_or(Err(RebuildError::Closed))?;
        Ok(report)
    }

    /// Reads what the journal has, writes a checkpoint, and closes the index.
    pub(crate) fn close(&self) {
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(thread) = thread else { return };
        self.shared.command(Command::Stop);
        if thread.join().is_err() {
            tracing::error!("the projector ended in a panic");
        }
        let last = self.shared.slot.replace(State::Closed);
        retire(last);
    }
}

impl Shared {
    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn command(&self, command: Command) {
        if let Some(commands) = &mut *self.commands() {
            commands.push_back(command);
        }
        self.bell.ring();
    }

    fn commands(&self) -> MutexGuard<'_, Option<VecDeque<Command>>> {
        self.commands.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Builds a generation up to where the journal is now.
    fn build(
        &self,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(Index, Tail, RebuildReport), String> {
        let context = &self.context;
        let index = generations::create(&context.dir, context.cache_bytes)?;
        let seq = context.durable.seq();
        let sources = Sources {
            var: &context.var,
            journal: &context.durable.dir,
            extents: &context.durable.extents(),
            seq,
            quarantine: &context.quarantine,
        };
        let (tail, report) = build::build(&index, &sources, progress).map_err(|e| e.to_string())?;
        report.damaged.iter().for_each(build::warn);
        Ok((index, tail, report))
    }

    fn rebuild_failed(&self, what: String) -> RebuildError {
        RebuildError::Failed {
            path: self.context.dir.join("index"),
            what,
        }
    }
}
