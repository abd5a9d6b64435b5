//! One worker process, as the daemon sees it.

use super::{frame, protocol::*};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::BufReader;
use tokio::net::UnixStream;
use tokio::process::{Child, Command};

/// How long a worker may take to compile its rules and confine itself: thousands of public rules
/// take a few seconds on a quiet machine, and starts compete with each other.
const START: Duration = Duration::from_secs(120);
/// Bytes read at once from a worker: the answer for an ordinary mail.
const READ_BUFFER: usize = 64 << 10;
/// How the C library keeps memory in a worker: a mail needs much of it for a moment, and giving it back to the
/// kernel after each mail costs more than a page fault per page.
const ALLOCATOR: &str =
    "glibc.malloc.trim_threshold=134217728:glibc.malloc.mmap_threshold=33554432";
/// How long an idle worker may take to end after its socket was closed.
const END: Duration = Duration::from_secs(2);

/// Why a worker did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The rules cannot be used.
    #[error("{0}")]
    Rules(String),
    /// The process did not come up.
    #[error("worker: {0}")]
    Io(#[from] io::Error),
}

/// Why a request has no answer. The worker is gone in every case but `Panicked`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RequestError {
    #[error("the worker was killed after {} s, the limit for one mail", .0.as_secs())]
    Deadline(Duration),
    #[error("the worker died: {0}")]
    Died(String),
    #[error("the worker failed: {0}")]
    Panicked(String),
}

fn no_program() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "no program is named")
}

/// A started worker.
#[derive(Debug)]
pub(crate) struct Worker {
    child: Child,
    socket: BufReader<UnixStream>,
    pub(crate) ready: Ready,
}

impl Worker {
    /// Starts a worker and waits until it is ready.
    pub(crate) async fn start(program: &[String], setup: &Setup) -> Result<Worker, StartError> {
        let (ours, theirs) = StdUnixStream::pair()?;
        let (name, arguments) = program.split_first().ok_or_else(no_program)?;
        let child = Command::new(name)
            .args(arguments)
            .env_clear()
            .env("GLIBC_TUNABLES", ALLOCATOR)
            .current_dir("/")
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()?;
        ours.set_nonblocking(true)?;
        let mut worker = Worker {
            child,
            socket: BufReader::with_capacity(READ_BUFFER, UnixStream::from_std(ours)?),
            ready: Ready::default(),
        };
        let hello = tokio::time::timeout(START, async {
            frame::write_async(&mut worker.socket, setup, &[]).await?;
            frame::read_async::<Hello>(&mut worker.socket).await
        })
        .await
        .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "not ready in time"))?;
        match hello {
            Ok(frame) => match frame.head {
                Hello::Ready(ready) => {
                    worker.ready = ready;
                    Ok(worker)
                }
                Hello::Refused(errors) => Err(StartError::Rules(errors)),
            },
            Err(error) => {
                let end = worker.end().await;
                Err(io::Error::new(error.kind(), format!("{error} ({end})")).into())
            }
        }
    }

    /// The process id, while it runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Asks a worker and waits for its answer, at most until `limit` is over. After an error other
    /// than `Panicked` the worker is dead and must be replaced.
    pub(crate) async fn ask(
        &mut self,
        request: &Request,
        blobs: &[&[u8]],
        limit: Duration,
    ) -> Result<frame::Frame<Answer>, RequestError> {
        let socket = &mut self.socket;
        let talk = async {
            frame::write_async(socket, request, blobs).await?;
            frame::read_async::<Answer>(socket).await
        };
        match tokio::time::timeout(limit, talk).await {
            Ok(Ok(frame)) => match frame.head {
                Answer::Panicked(place) => Err(RequestError::Panicked(place)),
                _ => Ok(frame),
            },
            Ok(Err(error)) => {
                let end = self.end().await;
                Err(RequestError::Died(format!("{end} ({error})")))
            }
            Err(_) => {
                self.kill().await;
                Err(RequestError::Deadline(limit))
            }
        }
    }

    /// Lets an idle worker end.
    pub(crate) async fn stop(self) {
        let Worker {
            mut child, socket, ..
        } = self;
        drop(socket);
        if tokio::time::timeout(END, child.wait()).await.is_err() {
            let _ = child.kill().await;
        }
    }

    /// Whether the process is still there.
    pub(crate) fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// The status of a worker whose socket broke: the kernel closes it a moment before the process
    /// can be waited for, and a hasty kill would replace the true status by its own.
    async fn end(&mut self) -> String {
        match tokio::time::timeout(END, self.child.wait()).await {
            Ok(Ok(status)) => status.to_string(),
            _ => self.kill().await,
        }
    }

    async fn kill(&mut self) -> String {
        let _ = self.child.start_kill();
        match self.child.wait().await {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        }
    }
}
