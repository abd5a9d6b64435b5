//! One connection's bytes: read into a buffer, written in groups, in the clear or over TLS.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::server::TlsStream;

use crate::reply::Reply;
use crate::service::{Tls, Waiting};
use crate::tls::TlsServer;

/// Replies that are gathered before they are written though the client has sent more, in bytes.
const GATHERED: usize = 16 * 1024;
/// What is read of a client that should wait for the reply to its message, in bytes. It may send its next commands
/// (RFC 2920), and they are kept.
const EARLY: usize = 16 * 1024;
/// How long a client whose connection is closed on it may go on talking, and how much. What it has sent and nobody
/// has read would make the system reset the connection, and the reply that says why would be lost.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 256 * 1024;

/// A stream with what was read from it and what is still to be written.
pub(super) struct Wire<T> {
    stream: Transport<T>,
    /// What was read and not yet understood.
    pub(super) buffer: BytesMut,
    written: Vec<u8>,
    write_timeout: Duration,
    /// Has the kernel acknowledge what was read.
    acknowledge: fn(&T),
    /// Nothing more comes.
    ended: bool,
    broken: bool,
}

enum Transport<T> {
    Plain(T),
    Tls(Box<TlsStream<T>>),
    /// A TLS handshake has failed.
    Gone,
}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire<T> {
    pub(super) fn new(stream: T, write_timeout: Duration, acknowledge: fn(&T)) -> Self {
        Self {
            stream: Transport::Plain(stream),
            buffer: BytesMut::new(),
            written: Vec::new(),
            write_timeout,
            acknowledge,
            ended: false,
            broken: false,
        }
    }

    /// Reads at most `room` bytes or a little more; 0 at the end. Whoever stops waiting loses nothing.
    pub(super) async fn read(&mut self, room: usize) -> io::Result<usize> {
        if self.ended {
            return Ok(0);
        }
        self.buffer.reserve(room);
        let read = match &mut self.stream {
            Transport::Plain(stream) => stream.read_buf(&mut self.buffer).await,
            Transport::Tls(stream) => stream.read_buf(&mut self.buffer).await,
            Transport::Gone => Ok(0),
        };
        self.ended = matches!(read, Ok(0));
        self.broken = read.is_err();
        read
    }

    /// Has what was read acknowledged at once, see [`intake::Stream::acknowledge`].
    pub(super) fn acknowledge(&self) {
        match &self.stream {
            Transport::Plain(stream) => (self.acknowledge)(stream),
            Transport::Tls(stream) => (self.acknowledge)(stream.get_ref().0),
            Transport::Gone => {}
        }
    }

    /// Says something with the next [`flush`](Self::flush).
    pub(super) fn say(&mut self, reply: &Reply) {
        reply.write_to(&mut self.written);
    }

    /// Whether so much is to be said that it should be said before more is heard.
    pub(super) fn is_full(&self) -> bool {
        self.written.len() >= GATHERED
    }

    /// Gives back what a message needed to come in.
    pub(super) fn shrink(&mut self) {
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new();
        }
    }

    /// Writes what was said, in one piece.
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        if self.written.is_empty() {
            return Ok(());
        }
        let bytes = &self.written;
        let write = async {
            match &mut self.stream {
                Transport::Plain(stream) => stream.write_all(bytes).await,
                Transport::Tls(stream) => {
                    stream.write_all(bytes).await?;
                    stream.flush().await
                }
                Transport::Gone => Err(io::ErrorKind::NotConnected.into()),
            }
        };
        let result = timeout(self.write_timeout, write)
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        self.written.clear();
        self.broken |= result.is_err();
        result
    }

    /// Begins TLS. What the client has sent before is dropped: it was not said under TLS, and must not be heard as
    /// if it were (CVE-2011-0411).
    pub(super) async fn start_tls(&mut self, tls: &TlsServer, limit: Duration) -> io::Result<Tls> {
        self.buffer.clear();
        let Transport::Plain(stream) = std::mem::replace(&mut self.stream, Transport::Gone) else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let (stream, tls) = timeout(limit, tls.accept(stream))
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        self.stream = Transport::Tls(Box::new(stream));
        Ok(tls)
    }

    /// Writes the last words and closes. With `linger` a client that still talks is heard for a moment.
    pub(super) async fn close(mut self, linger: bool) {
        if self.broken {
            return;
        }
        let deadline = Instant::now() + LINGER;
        let closing = async {
            self.flush().await?;
            match &mut self.stream {
                Transport::Plain(stream) => stream.shutdown().await,
                Transport::Tls(stream) => stream.shutdown().await,
                Transport::Gone => Ok(()),
            }?;
            let mut heard = 0;
            while linger && heard < LINGER_BYTES {
                self.buffer.clear();
                match self.read(4096).await? {
                    0 => break,
                    read => heard += read,
                }
            }
            Ok::<(), io::Error>(())
        };
        // Whether the client has heard it is not ours to know.
        let _ = timeout_at(deadline, closing).await;
    }

    /// Whether the client is known to be gone: its connection is broken, or it has closed it and there is nothing left to
    /// answer. One that has sent its last commands and then closed its side waits for the answers.
    pub(super) fn is_gone(&self) -> bool {
        self.broken || (self.ended && self.buffer.is_empty())
    }

    /// Completes when the client is gone. What it says meanwhile is kept, up to a bound; beyond that it cannot be seen
    /// going.
    fn poll_gone(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.is_gone() {
                return Poll::Ready(());
            }
            if self.ended || self.buffer.len() >= EARLY {
                return Poll::Pending;
            }
            let mut bytes = [0; 1024];
            let mut read = ReadBuf::new(&mut bytes);
            let result = ready!(match &mut self.stream {
                Transport::Plain(stream) => Pin::new(stream).poll_read(context, &mut read),
                Transport::Tls(stream) => Pin::new(stream).poll_read(context, &mut read),
                Transport::Gone => Poll::Ready(Ok(())),
            });
            self.broken = result.is_err();
            self.ended = read.filled().is_empty();
            self.buffer.extend_from_slice(read.filled());
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Waiting for Wire<T> {
    async fn is_there(&mut self) -> bool {
        // Only the runtime's driver learns from the kernel that a stream can be read, and it runs between tasks:
        // without a pause here, what happened since the last one is not seen. Nor would it be seen by a task that has
        // used up its budget.
        tokio::task::yield_now().await;
        let looked = poll_fn(|context| Poll::Ready(self.poll_gone(context)));
        tokio::task::coop::unconstrained(looked).await.is_pending()
    }

    async fn gone(&mut self) {
        poll_fn(|context| self.poll_gone(context)).await;
    }
}
