//! The projector's thread.

use super::{Command, Shared};
use crate::RebuildError;
use crate::checkpoint;
use crate::index::slot::State;
use crate::index::tail::{Tail, TailError};
use crate::index::{Damaged, Index, build, generations, guard};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, TryLockError};
use std::time::{Duration, Instant};

/// Least time between two rebuilds that nobody asked for. Damage that comes again at once is a matter
/// for the operator (the disk is failing, or full), but is tried again in case it passes.
const HEAL_INTERVAL: Duration = Duration::from_secs(60);

/// How long to wait before the journal is read again after it could not be.
const JOURNAL_INTERVAL: Duration = Duration::from_secs(1);

/// How long applied events may be in memory only. After a crash they are applied again from the journal, so
/// this bounds work, not loss; sled's own flush of every group costs more than applying it.
const FLUSH_INTERVAL: Duration = Duration::from_secs(1);

/// How long to wait after a ring, so that events that come together are applied together. A reader
/// who wants to see what was just written waits as long.
const GATHER: Duration = Duration::from_millis(20);

/// How long to wait until the last reader of a database has gone.
const LAST_READER: Duration = Duration::from_secs(1);

/// The thread.
pub(super) struct Run {
    shared: Arc<Shared>,
    tail: Tail,
    healed: Option<Instant>,
    /// Since when something applied is not flushed.
    unflushed: Option<Instant>,
    stop: bool,
}

/// However the thread ends, nobody waits for it for ever.
impl Drop for Run {
    fn drop(&mut self) {
        self.shared.commands().take();
        if !self.stop {
            let ended = "its thread has ended".to_owned();
            self.shared.slot.replace(State::Failed(ended));
        }
    }
}

impl Run {
    pub(super) fn new(shared: Arc<Shared>, tail: Tail) -> Run {
        Run {
            shared,
            tail,
            healed: None,
            unflushed: None,
            stop: false,
        }
    }

    pub(super) fn run(&mut self) {
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
                    self.wait_for_events();
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
    }

    fn wait_for_events(&self) {
        let rung = match self.unflushed {
            Some(since) => {
                let left = FLUSH_INTERVAL.saturating_sub(since.elapsed());
                self.shared.bell.wait_timeout(left)
            }
            None => {
                self.shared.bell.wait();
                true
            }
        };
        if rung {
            std::thread::sleep(GATHER);
        }
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
        if step.lines > 0 {
            self.unflushed.get_or_insert_with(Instant::now);
        }
        let flush_due = self
            .unflushed
            .is_some_and(|since| since.elapsed() >= FLUSH_INTERVAL);
        if flush_due || (step.done && self.stop) {
            self.flush(index)?;
        }
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

    fn flush(&mut self, index: &Index) -> Result<(), Damaged> {
        self.unflushed = None;
        guard(|| index.flush())
    }

    /// Flushes first: what a checkpoint covers may go from the journal.
    fn checkpoint(&mut self, index: &Index) -> io::Result<()> {
        self.flush(index)
            .map_err(|damaged| io::Error::other(damaged.0))?;
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
        self.unflushed = None;
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
        self.unflushed = None;
        let old = shared.slot.replace(State::Ready(Arc::new(index)));
        shared.progress().applied = self.tail.applied;
        shared.moved.notify_all();
        if let Some(dir) = retire(old)
            && let Err(e) = generations::remove(&dir)
        {
            tracing::warn!("{}: {e}", dir.display());
        }
        Ok(())
    }
}

/// Closes an index once its last reader has gone; returns its directory if that happened in time.
pub(super) fn retire(old: State) -> Option<PathBuf> {
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
