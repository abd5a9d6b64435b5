//! The projector: one thread that keeps the index up with the journal.
//!
//! It reads the journal's durable part from disk, where the page cache has it, as recovery and rebuild
//! do. So nothing queues up in memory however long sled stalls, and what is appended never waits.

use crate::bell::Bell;
use crate::checkpoint;
use crate::held::Quarantine;
use crate::index::build::{self, Sources};
use crate::index::slot::{Slot, State};
use crate::index::tail::{Tail, TailError};
use crate::index::{Index, generations};
use crate::journal::Durable;
use crate::system::System;
use crate::{RebuildError, RebuildReport};
use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Least time between two rebuilds that nobody asked for. Damage that comes again at once is a matter
/// for the operator (the disk is failing, or full), but is tried again in case it passes.
const HEAL_INTERVAL: Duration = Duration::from_secs(60);

/// How long to wait before the journal is read again after it could not be.
const JOURNAL_INTERVAL: Duration = Duration::from_secs(1);

/// How long to wait until the last reader of a database has gone.
const LAST_READER: Duration = Duration::from_secs(1);

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
        let mut run = Run {
            shared: Arc::clone(&shared),
            tail,
            healed: None,
            stop: false,
        };
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

/// The thread.
struct Run {
    shared: Arc<Shared>,
    tail: Tail,
    healed: Option<Instant>,
    stop: bool,
}

impl Run {
    fn run(&mut self) {
        loop {
            while let Some(command) = self.next_command() {
                self.obey(command);
            }
            let State::Ready(index) = self.shared.slot.state() else {
                if self.stop {
                    break;
                }
                self.wait_for_index();
                continue;
            };
            match self.advance(&index) {
                Ok(true) if self.stop => {
                    if let Err(e) = self.checkpoint(&index) {
                        tracing::warn!("checkpoint.json: {e}");
                    }
                    break;
                }
                Ok(true) => {
                    drop(index);
                    self.shared.bell.wait();
                }
                Ok(false) => {}
                // The index is not to blame, and the journal may be readable again in a moment.
                Err(e @ TailError::Journal { .. }) => {
                    tracing::error!("{e}");
                    drop(index);
                    if self.stop {
                        break;
                    }
                    self.shared.bell.wait_timeout(JOURNAL_INTERVAL);
                }
                Err(e) => {
                    drop(index);
                    self.heal(e.to_string());
                }
            }
        }
        // Whoever asked in the last moment learns that it is too late.
        self.shared.commands().take();
    }

    fn wait_for_index(&mut self) {
        let State::Failed(what) = self.shared.slot.state() else {
            return self.shared.bell.wait();
        };
        let rung = self.shared.bell.wait_timeout(HEAL_INTERVAL);
        if !rung || self.healed.is_none_or(|at| at.elapsed() >= HEAL_INTERVAL) {
            self.heal(what);
        }
    }

    fn next_command(&self) -> Option<Command> {
        self.shared.commands().as_mut()?.pop_front()
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Stop => self.stop = true,
            Command::Heal(what) => {
                // The second of two readers may have met what is gone by now.
                if matches!(self.shared.slot.state(), State::Ready(_)) {
                    self.heal(what);
                }
            }
            Command::Checkpoint(reply) => {
                let result = match self.shared.slot.state() {
                    State::Ready(index) => self.checkpoint(&index),
                    _ => Err(io::Error::other("the index is not there")),
                };
                let _ = reply.send(result);
            }
            Command::Install(index, tail, reply) => {
                let _ = reply.send(self.install(*index, tail));
            }
        }
    }

    /// Applies the next group; `true` if there is nothing more for now.
    fn advance(&mut self, index: &Index) -> Result<bool, TailError> {
        let durable = &self.shared.context.durable;
        let until = durable.seq();
        let step = self
            .tail
            .advance(index, &durable.dir, &durable.extents(), until)?;
        step.damaged.iter().for_each(build::warn);
        let mut progress = self.shared.progress();
        progress.applied = self.tail.applied;
        let due = self.tail.applied - progress.checkpoint.min(self.tail.applied)
            >= self.shared.context.checkpoint_events;
        drop(progress);
        self.shared.moved.notify_all();
        if due && let Err(e) = self.checkpoint(index) {
            // Nothing needs it until journal segments expire; the next one is tried.
            tracing::warn!("checkpoint.json: {e}");
            self.shared.progress().checkpoint = self.tail.applied;
        }
        Ok(step.done)
    }

    fn checkpoint(&self, index: &Index) -> io::Result<()> {
        let Some(chain) = &self.tail.chain else {
            return Ok(());
        };
        let context = &self.shared.context;
        checkpoint::write(
            &context.var,
            index,
            self.tail.applied,
            chain,
            &context.system,
        )?;
        self.shared.progress().checkpoint = self.tail.applied;
        Ok(())
    }

    /// Replaces a damaged index.
    fn heal(&mut self, what: String) {
        tracing::error!("index: damaged ({what}), it is built anew from the journal");
        let shared = Arc::clone(&self.shared);
        let old = shared.slot.replace(State::Rebuilding(what.clone()));
        let number = match &old {
            State::Ready(index) => generations::number(index),
            _ => None,
        };
        retire(old);
        let _building = match shared.building.try_lock() {
            Ok(guard) => guard,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // Somebody builds one already, and will have it installed, or say that it failed.
            Err(TryLockError::WouldBlock) => return,
        };
        let again = self.healed.is_some_and(|at| at.elapsed() < HEAL_INTERVAL);
        let context = &shared.context;
        if let Some(n) = number
            && let Err(e) = generations::move_aside(&context.dir, n, &context.system)
        {
            tracing::warn!("index: the damaged one could not be moved aside: {e}");
        }
        let rebuilt = if again {
            Err("it was rebuilt a moment ago; the next try is in a minute".to_owned())
        } else {
            self.healed = Some(Instant::now());
            shared.build(&mut |_, _| {})
        };
        let installed = rebuilt
            .map_err(|what| shared.rebuild_failed(what))
            .and_then(|(index, tail, _)| self.install(index, tail));
        if let Err(e) = installed {
            tracing::error!("{e}");
            shared.slot.replace(State::Failed(format!("{what}; {e}")));
        }
    }

    /// Reads on until a new index has everything, and puts it in place of the old one.
    fn install(&mut self, index: Index, mut tail: Tail) -> Result<(), RebuildError> {
        let shared = &self.shared;
        let durable = &shared.context.durable;
        let result = loop {
            let until = durable.seq();
            match tail.advance(&index, &durable.dir, &durable.extents(), until) {
                Ok(step) if step.done => break index.set_complete().map_err(|d| d.0),
                Ok(_) => {}
                Err(e) => break Err(e.to_string()),
            }
        };
        if let Err(what) = result {
            generations::close(index);
            return Err(shared.rebuild_failed(what));
        }
        self.tail = tail;
        let old = shared.slot.replace(State::Ready(Arc::new(index)));
        shared.progress().applied = self.tail.applied;
        shared.moved.notify_all();
        if let Some(dir) = retire(old)
            && let Err(e) = std::fs::remove_dir_all(&dir)
        {
            tracing::warn!("{}: {e}", dir.display());
        }
        Ok(())
    }
}

/// Closes an index once its last reader has gone; returns its directory if that happened in time.
fn retire(old: State) -> Option<PathBuf> {
    let State::Ready(mut index) = old else {
        return None;
    };
    let begun = Instant::now();
    loop {
        match Arc::try_unwrap(index) {
            Ok(index) => {
                let dir = index.dir.clone();
                generations::close(index);
                return Some(dir);
            }
            Err(_) if begun.elapsed() > LAST_READER => return None,
            Err(shared) => {
                index = shared;
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }
}
