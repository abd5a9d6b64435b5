//! The journal: what is true.
//!
//! One thread writes. It takes all events that wait, writes them with one call, syncs once, and then
//! answers all of them (group commit). After a failed write or sync nobody knows what the disk has, so
//! the journal takes nothing more until it is opened, and read, anew.

pub(crate) mod line;
pub(crate) mod recover;
pub(crate) mod segment;

use crate::AppendError;
use crate::bell::Bell;
use crate::system::System;
use crate::time;
use recover::Recovered;
use segment::SegmentName;
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot};

/// Events that async callers may have waiting; more callers wait before they may queue, so that
/// memory is bounded.
const MAX_WAITING: usize = 1024;

/// How long an event for which nobody waits may wait for company: a sync of its own would cost as much as that of
/// the verdict before it.
const LINGER: Duration = Duration::from_millis(50);

/// Octets of payload after which a group is committed, though more events wait.
const MAX_GROUP_BYTES: usize = 8 << 20;

/// A segment, as far as it is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) name: SegmentName,
    /// Sequence number of its first line; `None` if it has no readable line.
    pub(crate) first: Option<u64>,
    /// Octets that are durable.
    pub(crate) bytes: u64,
}

/// The durable part of the journal, for those who read it.
#[derive(Debug)]
pub(crate) struct Durable {
    pub(crate) dir: OwnedFd,
    state: Mutex<State>,
    /// Rung whenever the journal grew.
    pub(crate) bell: Arc<Bell>,
}

#[derive(Debug)]
struct State {
    seq: u64,
    extents: Vec<Extent>,
    failed: Option<String>,
}

impl Durable {
    /// Last sequence number.
    pub(crate) fn seq(&self) -> u64 {
        self.state().seq
    }

    /// All segments, in order.
    pub(crate) fn extents(&self) -> Vec<Extent> {
        self.state().extents.clone()
    }

    /// Number of segments, and their octets.
    pub(crate) fn size(&self) -> (u64, u64) {
        let state = self.state();
        let bytes = state.extents.iter().map(|e| e.bytes).sum();
        (state.extents.len() as u64, bytes)
    }

    /// What went wrong first, if the journal takes nothing more.
    pub(crate) fn failed(&self) -> Option<String> {
        self.state().failed.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The journal's writing side.
pub(crate) struct Journal {
    pub(crate) durable: Arc<Durable>,
    queue: Arc<Queue>,
    room: Semaphore,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Journal {
    /// Starts the writer behind what recovery found.
    pub(crate) fn start(
        dir: OwnedFd,
        recovered: Recovered,
        segment_bytes: u64,
        system: System,
        bell: Arc<Bell>,
    ) -> io::Result<Journal> {
        let writer_dir = dir.try_clone()?;
        let durable = Arc::new(Durable {
            dir,
            state: Mutex::new(State {
                seq: recovered.seq,
                extents: recovered.extents,
                failed: None,
            }),
            bell,
        });
        let queue = Arc::new(Queue::default());
        let mut writer = Writer {
            dir: writer_dir,
            system,
            segment_bytes,
            seq: recovered.seq,
            chain: recovered.chain,
            open: recovered.open,
            durable: Arc::clone(&durable),
        };
        let waiting = Arc::clone(&queue);
        let thread = std::thread::Builder::new()
            .name("journal".into())
            .spawn(move || {
                let waiting = Ending(waiting, Arc::clone(&writer.durable));
                while let Some(group) = waiting.0.take() {
                    writer.commit(group);
                }
            })?;
        Ok(Journal {
            durable,
            queue,
            room: Semaphore::new(MAX_WAITING),
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Appends a payload; returns its sequence number once it is durable.
    pub(crate) async fn append(&self, payload: String) -> Result<u64, AppendError> {
        let Ok(_room) = self.room.acquire().await else {
            return Err(AppendError::Closed);
        };
        let (reply, answer) = oneshot::channel();
        self.queue.put(payload, Reply::Async(reply))?;
        answer.await.unwrap_or(Err(AppendError::Closed))
    }

    /// Appends a payload for whose durability nobody waits: with the next group, or after [`LINGER`].
    pub(crate) fn append_soon(&self, payload: String) -> Result<(), AppendError> {
        self.queue.put_soon(payload)
    }

    /// As [`Journal::append`], for threads that may block. Each has but one event waiting.
    pub(crate) fn append_blocking(&self, payload: String) -> Result<u64, AppendError> {
        let (reply, answer) = mpsc::sync_channel(1);
        self.queue.put(payload, Reply::Blocking(reply))?;
        answer.recv().unwrap_or(Err(AppendError::Closed))
    }

    /// Writes what waits, and takes nothing more.
    pub(crate) fn close(&self) {
        self.queue.close();
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the journal's writer ended in a panic");
        }
    }
}

struct Request {
    payload: String,
    reply: Reply,
}

enum Reply {
    Async(oneshot::Sender<Result<u64, AppendError>>),
    Blocking(mpsc::SyncSender<Result<u64, AppendError>>),
    Nobody,
}

impl Reply {
    fn send(self, result: Result<u64, AppendError>) {
        // Who asked may have gone away; the event is in the journal all the same.
        match self {
            Reply::Async(to) => drop(to.send(result)),
            Reply::Blocking(to) => drop(to.send(result)),
            // A failed journal says so to everybody who asks for its state.
            Reply::Nobody => {}
        }
    }
}

/// However the writer ends, nobody waits for it for ever.
struct Ending(Arc<Queue>, Arc<Durable>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.close();
        let mut waiting = self.0.waiting();
        waiting.requests.clear();
        waiting.urgent = 0;
        drop(waiting);
        if std::thread::panicking() {
            let what = "its writer ended in a panic".to_owned();
            self.1.state().failed.get_or_insert(what);
        }
    }
}

#[derive(Default)]
struct Queue {
    state: Mutex<Waiting>,
    filled: Condvar,
}

#[derive(Default)]
struct Waiting {
    requests: VecDeque<Request>,
    /// Requests for which somebody waits.
    urgent: usize,
    closed: bool,
    #[cfg(test)]
    taken: usize,
}

impl Queue {
    fn put(&self, payload: String, reply: Reply) -> Result<(), AppendError> {
        let mut waiting = self.waiting();
        if waiting.closed {
            return Err(AppendError::Closed);
        }
        waiting.requests.push_back(Request { payload, reply });
        waiting.urgent += 1;
        self.filled.notify_one();
        Ok(())
    }

    fn put_soon(&self, payload: String) -> Result<(), AppendError> {
        let mut waiting = self.waiting();
        if waiting.closed {
            return Err(AppendError::Closed);
        }
        // The first one starts the clock; so many that they fill a group do not wait for it.
        let wake = waiting.requests.is_empty() || waiting.requests.len() >= MAX_WAITING;
        waiting.requests.push_back(Request {
            payload,
            reply: Reply::Nobody,
        });
        if wake {
            self.filled.notify_one();
        }
        Ok(())
    }

    /// Waits for events, and takes as many as make one group; `None` once it is closed and empty.
    fn take(&self) -> Option<Vec<Request>> {
        let waiting = self
            .filled
            .wait_while(self.waiting(), |w| w.requests.is_empty() && !w.closed)
            .unwrap_or_else(PoisonError::into_inner);
        let (mut waiting, _) = self
            .filled
            .wait_timeout_while(waiting, LINGER, |w| {
                w.urgent == 0 && w.requests.len() < MAX_WAITING && !w.closed
            })
            .unwrap_or_else(PoisonError::into_inner);
        let mut bytes = 0;
        let mut group = Vec::new();
        while bytes < MAX_GROUP_BYTES
            && let Some(request) = waiting.requests.pop_front()
        {
            bytes += request.payload.len();
            waiting.urgent -= usize::from(!matches!(request.reply, Reply::Nobody));
            group.push(request);
        }
        #[cfg(test)]
        {
            waiting.taken += group.len();
        }
        (!group.is_empty()).then_some(group)
    }

    fn close(&self) {
        self.waiting().closed = true;
        self.filled.notify_all();
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How far a write came.
enum WriteError {
    /// The file has at most a part of it, and nothing was said to be durable.
    Unwritten(io::Error),
    /// Nobody knows.
    Unknown(io::Error),
}

impl From<io::Error> for WriteError {
    fn from(error: io::Error) -> Self {
        WriteError::Unknown(error)
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

struct Writer {
    dir: OwnedFd,
    system: System,
    segment_bytes: u64,
    seq: u64,
    chain: String,
    open: Option<Open>,
    durable: Arc<Durable>,
}

/// The segment that is written to.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) name: SegmentName,
    pub(crate) file: File,
    pub(crate) bytes: u64,
}

impl Writer {
    fn commit(&mut self, group: Vec<Request>) {
        let failed = self.durable.failed();
        let result = match failed {
            Some(what) => Err(AppendError::Failed { what }),
            None => self.write(&group).map_err(|e| self.refuse(e)),
        };
        for (nth, request) in (0..).zip(group) {
            request.reply.send(result.clone().map(|first| first + nth));
        }
    }

    /// Writes and syncs a group; returns the sequence number of its first event.
    fn write(&mut self, group: &[Request]) -> Result<u64, WriteError> {
        let now = self.system.now();
        self.roll(time::day(now))?;
        let Some(open) = &mut self.open else {
            return Err(io::Error::other("no segment").into());
        };
        let first = self.seq + 1;
        let mut seq = self.seq;
        let mut chain = self.chain.clone();
        let mut lines = Vec::new();
        for request in group {
            seq += 1;
            chain = line::write(&mut lines, seq, now, &chain, &request.payload);
        }
        self.system
            .write(&open.file, &lines)
            .map_err(WriteError::Unwritten)?;
        self.system.sync_data(&open.file)?;
        open.bytes += lines.len() as u64;
        self.seq = seq;
        self.chain = chain;
        self.publish(first);
        Ok(first)
    }

    /// Begins a new segment if there is none, the day is over, or the segment is full.
    fn roll(&mut self, day: String) -> Result<(), WriteError> {
        if let Some(open) = &self.open {
            let fresh = open.name.day() >= day.as_str() && open.bytes < self.segment_bytes;
            if fresh || open.bytes == 0 {
                return Ok(());
            }
        }
        let last = self.durable.state().extents.last().map(|e| e.name.clone());
        let name = SegmentName::next(last.as_ref(), day);
        let file = self
            .system
            .create(&self.dir, &name.to_string())
            .map_err(WriteError::Unwritten)?;
        // The name must be durable before the first event is acknowledged.
        self.system.sync_dir(&self.dir)?;
        self.open = Some(Open {
            name,
            file,
            bytes: 0,
        });
        Ok(())
    }

    fn publish(&self, first: u64) {
        let Some(open) = &self.open else { return };
        let mut state = self.durable.state();
        state.seq = self.seq;
        match state.extents.last_mut() {
            Some(last) if last.name == open.name => {
                last.bytes = open.bytes;
                last.first.get_or_insert(first);
            }
            _ => state.extents.push(Extent {
                name: open.name.clone(),
                first: Some(first),
                bytes: open.bytes,
            }),
        }
        drop(state);
        self.durable.bell.ring();
    }

    /// A full disk is no damage: the kernel has refused the bytes before it promised anything. If what did
    /// arrive can be taken back, and that is synced, the journal is what it was, and goes on when there
    /// is space again. After every other failure nobody knows what the disk has.
    fn refuse(&mut self, error: WriteError) -> AppendError {
        match error {
            WriteError::Unwritten(error) if is_full(&error) && self.take_back().is_ok() => {
                let what = format!("{error}; nothing was appended");
                tracing::error!("journal: {what}");
                AppendError::NoSpace { what }
            }
            WriteError::Unwritten(error) | WriteError::Unknown(error) => self.fail(&error),
        }
    }

    fn take_back(&self) -> io::Result<()> {
        let Some(open) = &self.open else {
            return Ok(());
        };
        self.system.truncate(&open.file, open.bytes)?;
        self.system.sync_data(&open.file)
    }

    fn fail(&mut self, error: &io::Error) -> AppendError {
        let name = self.open.as_ref().map(|o| o.name.to_string());
        let what = format!("{}: {error}", name.unwrap_or_else(|| "new segment".into()));
        tracing::error!("journal: {what}; it takes nothing more until the next start");
        // So that what was not acknowledged does not come back at the next start. If this fails too,
        // nothing is lost: an event too many is one that the caller tried to write.
        if let Some(open) = &self.open {
            let _ = self.system.truncate(&open.file, open.bytes);
        }
        self.durable.state().failed = Some(what.clone());
        AppendError::Failed { what }
    }
}

#[cfg(test)]
impl Journal {
    /// Events that wait for the writer.
    pub(crate) fn waiting(&self) -> usize {
        self.queue.waiting().requests.len()
    }

    /// Events that the writer took.
    pub(crate) fn taken(&self) -> usize {
        self.queue.waiting().taken
    }
}
