//! The pool: as many workers as cores, one queue, and generations of rules.

use super::process::{RequestError, StartError, Worker};
use super::protocol::{Answer, Ready, Request, Setup};
use arc_swap::ArcSwap;
use rules::LoadOptions;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex as StdMutex, PoisonError, Weak};
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinSet;

/// Pauses between attempts to replace a worker, the last one repeated.
const RESTART_PAUSES: [Duration; 5] = [
    Duration::ZERO,
    Duration::from_millis(100),
    Duration::from_millis(500),
    Duration::from_secs(2),
    Duration::from_secs(10),
];

/// How a pool is run.
#[derive(Debug, Clone)]
pub struct PoolOptions {
    /// The program and arguments of a worker.
    pub program: Vec<String>,
    /// Number of workers.
    pub workers: usize,
    /// Requests that may wait; more are refused at once.
    pub queue: usize,
    /// How long a request may wait for a worker. Waiting never counts against a mail.
    pub max_wait: Duration,
    /// How long the workers may be busy with one mail, all requests together.
    pub deadline: Duration,
    /// Bounds of a rules directory, and what its public sets are worth.
    pub load: LoadOptions,
    /// Bounds of taking a mail apart.
    pub limits: unpack::Limits,
    /// Octets of private writable memory of a worker.
    pub memory: u64,
    /// How long one scan of one artifact may take; at least 2 s, see `rules`.
    pub scan_timeout: Duration,
}

/// Why a request has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// No worker was free in time; nothing is known about the mail, and nothing is wrong with it.
    #[error("no worker was free within {} s", .0.as_secs())]
    Busy(Duration),
    /// The mail, or the worker while it had the mail, failed.
    #[error("{cause}")]
    Failed {
        /// Why.
        cause: String,
        /// Whether the worker is gone: the mail killed it, or had to be stopped with it.
        killed: bool,
    },
}

/// What `postern status` shows of the workers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PoolStatus {
    /// What the workers said when they were ready.
    pub ready: Ready,
    /// Counts the rule sets that were in force since the start.
    pub generation: u64,
    /// Requests waiting.
    pub waiting: usize,
    /// Workers replaced since the start.
    pub replaced: u64,
    /// The workers.
    pub workers: Vec<WorkerStatus>,
}

/// One worker.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerStatus {
    /// Process id; `None` while it is being replaced.
    pub pid: Option<u32>,
    /// Mails it has taken apart.
    pub mails: u64,
}

/// A pool of workers; clones share it.
#[derive(Debug, Clone)]
pub struct Pool {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    options: PoolOptions,
    current: ArcSwap<Generation>,
    generations: AtomicU64,
    replaced: AtomicU64,
    /// What public rule sets are worth now. Held during a reload, so that there is one at a time.
    load: Mutex<LoadOptions>,
    /// Tasks of all generations that still drain.
    slots: StdMutex<JoinSet<()>>,
}

/// The workers that run one set of rules.
#[derive(Debug)]
struct Generation {
    number: u64,
    queue: mpsc::Sender<Job>,
    ready: Ready,
    workers: Arc<Vec<Slot>>,
}

#[derive(Debug)]
struct Slot {
    /// 0 while there is no process.
    pid: AtomicU32,
    mails: AtomicU64,
}

struct Job {
    request: Request,
    blobs: Vec<Arc<[u8]>>,
    limit: Duration,
    /// Told when a worker has it: from then on time counts against the mail.
    taken: oneshot::Sender<()>,
    reply: oneshot::Sender<Done>,
}

#[derive(Debug)]
struct Done {
    outcome: Result<(Answer, Vec<Vec<u8>>), RequestError>,
    took: Duration,
}

impl Pool {
    /// Starts workers with the rules of a directory and waits until all are ready.
    ///
    /// # Errors
    /// If the rules cannot be used or a process does not come up.
    pub async fn start(options: PoolOptions, rules: &Path) -> Result<Pool, StartError> {
        let setup = setup(&options, options.load.clone(), rules);
        let workers = start_workers(&options, &setup).await?;
        let (generation, tasks) = Generation::new(0, workers, &setup, options.queue);
        let shared = Arc::new(Shared {
            load: Mutex::new(options.load.clone()),
            options,
            current: ArcSwap::from_pointee(generation),
            generations: AtomicU64::new(1),
            replaced: AtomicU64::new(0),
            slots: StdMutex::new(JoinSet::new()),
        });
        let pool = Pool { shared };
        pool.run(tasks);
        Ok(pool)
    }

    /// Starts workers with new rules, and swaps them in when all are ready; the old ones finish what
    /// they have and end. Without success the old ones stay and nothing has changed. `load` says what
    /// public rule sets are worth, if that has changed.
    ///
    /// # Errors
    /// If the rules cannot be used or a process does not come up.
    pub async fn reload(
        &self,
        rules: &Path,
        load: Option<LoadOptions>,
    ) -> Result<Ready, StartError> {
        let mut in_force = self.shared.load.lock().await;
        let options = &self.shared.options;
        let setup = setup(options, load.unwrap_or_else(|| in_force.clone()), rules);
        let workers = start_workers(options, &setup).await?;
        let number = self.shared.generations.fetch_add(1, Ordering::Relaxed);
        let (generation, tasks) = Generation::new(number, workers, &setup, options.queue);
        *in_force = setup.load;
        let ready = generation.ready.clone();
        self.run(tasks);
        // The old generation's queue closes with its last sender; what is in it is still answered.
        self.shared.current.store(Arc::new(generation));
        Ok(ready)
    }

    /// Asks the workers. `spent` is the time that workers have already had for this mail, and is
    /// advanced.
    pub(crate) async fn ask(
        &self,
        request: Request,
        blobs: Vec<Arc<[u8]>>,
        spent: &mut Duration,
    ) -> Result<(Answer, Vec<Vec<u8>>), AskError> {
        let options = &self.shared.options;
        let limit = options.deadline.saturating_sub(*spent);
        let (taken, is_taken) = oneshot::channel();
        let (reply, done) = oneshot::channel();
        let job = Job {
            request,
            blobs,
            limit,
            taken,
            reply,
        };
        let queue = self.shared.current.load().queue.clone();
        let queued = async {
            queue.send(job).await.map_err(|_| ())?;
            drop(queue);
            is_taken.await.map_err(|_| ())
        };
        // Not taken in time, or the queue is gone with its workers: the job is dropped with `done`, and
        // a worker that comes to it later passes it over.
        let Ok(Ok(())) = tokio::time::timeout(options.max_wait, queued).await else {
            return Err(AskError::Busy(options.max_wait));
        };
        // The worker answers within `limit`, or is killed and answered for.
        let Ok(done) = done.await else {
            return Err(AskError::Busy(options.max_wait));
        };
        *spent += done.took;
        done.outcome.map_err(|error| AskError::Failed {
            cause: error.to_string(),
            killed: !matches!(error, RequestError::Panicked(_)),
        })
    }

    /// The state of the workers.
    pub fn status(&self) -> PoolStatus {
        let generation = self.shared.current.load();
        PoolStatus {
            ready: generation.ready.clone(),
            generation: generation.number,
            waiting: generation.queue.max_capacity() - generation.queue.capacity(),
            replaced: self.shared.replaced.load(Ordering::Relaxed),
            workers: generation.workers.iter().map(Slot::status).collect(),
        }
    }

    /// The digest of the rules in force.
    pub fn digest(&self) -> String {
        self.shared.current.load().ready.digest.clone()
    }

    fn run(&self, tasks: Vec<SlotTask>) {
        let mut slots = self
            .shared
            .slots
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // Forget the tasks of drained generations.
        while slots.try_join_next().is_some() {}
        for task in tasks {
            slots.spawn(task.run(Arc::downgrade(&self.shared)));
        }
    }
}

impl Slot {
    fn of(worker: &Worker) -> Slot {
        Slot {
            pid: AtomicU32::new(worker.pid().unwrap_or(0)),
            mails: AtomicU64::default(),
        }
    }

    fn status(&self) -> WorkerStatus {
        let pid = self.pid.load(Ordering::Relaxed);
        WorkerStatus {
            pid: (pid != 0).then_some(pid),
            mails: self.mails.load(Ordering::Relaxed),
        }
    }
}

impl Generation {
    fn new(
        number: u64,
        workers: Vec<Worker>,
        setup: &Setup,
        queue: usize,
    ) -> (Generation, Vec<SlotTask>) {
        let (sender, receiver) = mpsc::channel(queue.max(1));
        let receiver = Arc::new(Mutex::new(receiver));
        let slots: Arc<Vec<Slot>> = Arc::new(workers.iter().map(Slot::of).collect());
        let ready = workers.first().map(|w| w.ready.clone()).unwrap_or_default();
        let digest = ready.digest.clone();
        let tasks = workers
            .into_iter()
            .enumerate()
            .map(|(index, worker)| SlotTask {
                index,
                generation: number,
                slots: Arc::clone(&slots),
                receiver: Arc::clone(&receiver),
                setup: setup.clone(),
                digest: digest.clone(),
                worker,
            });
        let tasks = tasks.collect();
        (
            Generation {
                number,
                queue: sender,
                ready,
                workers: slots,
            },
            tasks,
        )
    }
}

/// Keeps one worker alive and hands it one request after the other.
struct SlotTask {
    index: usize,
    generation: u64,
    slots: Arc<Vec<Slot>>,
    receiver: Arc<Mutex<mpsc::Receiver<Job>>>,
    setup: Setup,
    digest: String,
    worker: Worker,
}

impl SlotTask {
    async fn run(mut self, shared: Weak<Shared>) {
        loop {
            let Some(job) = self.receiver.lock().await.recv().await else {
                break;
            };
            if job.reply.is_closed() {
                continue;
            }
            // A worker that died while it was idle must not cost the next mail a failure.
            if !self.worker.is_alive() {
                tracing::warn!(
                    worker = self.index,
                    "a worker died while it was idle; it is replaced"
                );
                if !self.replace(&shared).await {
                    return;
                }
            }
            let died = self.work(job).await;
            if died && !self.replace(&shared).await {
                return;
            }
        }
        self.worker.stop().await;
    }

    /// Hands the job to the worker; says whether the worker died of it.
    async fn work(&mut self, job: Job) -> bool {
        let blobs: Vec<&[u8]> = job.blobs.iter().map(AsRef::as_ref).collect();
        let _ = job.taken.send(());
        let start = Instant::now();
        let outcome = self.worker.ask(&job.request, &blobs, job.limit).await;
        if let (Request::Inspect { .. }, Some(slot)) = (&job.request, self.slots.get(self.index)) {
            slot.mails.fetch_add(1, Ordering::Relaxed);
        }
        let died = matches!(
            outcome,
            Err(RequestError::Deadline(_) | RequestError::Died(_))
        );
        let outcome = outcome.map(|frame| (frame.head, frame.blobs));
        // The asker may have gone away; then nobody needs the answer.
        let _ = job.reply.send(Done {
            outcome,
            took: start.elapsed(),
        });
        died
    }

    /// Starts a worker like the one that is gone, however long it takes; false if nobody needs it
    /// any more.
    async fn replace(&mut self, shared: &Weak<Shared>) -> bool {
        if let Some(slot) = self.slots.get(self.index) {
            slot.pid.store(0, Ordering::Relaxed);
        }
        for attempt in 0.. {
            let pause = RESTART_PAUSES.get(attempt).or(RESTART_PAUSES.last());
            tokio::time::sleep(pause.copied().unwrap_or_default()).await;
            let Some(shared) = shared.upgrade() else {
                return false;
            };
            if shared.current.load().number != self.generation {
                return false;
            }
            match Worker::start(&shared.options.program, &self.setup).await {
                Ok(worker) if worker.ready.digest == self.digest => {
                    self.worker = worker;
                    shared.replaced.fetch_add(1, Ordering::Relaxed);
                    if let Some(slot) = self.slots.get(self.index) {
                        slot.pid
                            .store(self.worker.pid().unwrap_or(0), Ordering::Relaxed);
                    }
                    return true;
                }
                Ok(worker) => {
                    let (expected, found) = (&self.digest, &worker.ready.digest);
                    tracing::error!(expected, found, "rules changed under a worker");
                    worker.stop().await;
                }
                Err(error) => tracing::error!(%error, attempt, "a worker cannot be replaced"),
            }
        }
        false
    }
}

async fn start_workers(options: &PoolOptions, setup: &Setup) -> Result<Vec<Worker>, StartError> {
    // The first alone: if the rules are broken, one process has said so.
    let mut workers = vec![Worker::start(&options.program, setup).await?];
    let mut others = JoinSet::new();
    for _ in 1..options.workers.max(1) {
        let (program, setup) = (options.program.clone(), setup.clone());
        others.spawn(async move { Worker::start(&program, &setup).await });
    }
    while let Some(worker) = others.join_next().await {
        workers.push(worker.map_err(std::io::Error::other)??);
    }
    Ok(workers)
}

fn setup(options: &PoolOptions, load: LoadOptions, rules: &Path) -> Setup {
    Setup {
        rules: rules.to_owned(),
        load,
        limits: options.limits.clone(),
        memory: options.memory,
        scan_timeout: options.scan_timeout,
    }
}
