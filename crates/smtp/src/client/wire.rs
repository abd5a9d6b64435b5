//! One connection: commands out, replies in, each under a time limit.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::time::timeout;
use tracing::trace;

use crate::error::{Error, ProtocolProblem, Stage};
use crate::reply::{Reply, ReplyParser};

/// The server closes the connection (RFC 5321, 3.8): it may say so at any moment.
const CLOSING: u16 = 421;

/// A byte stream in both directions that a session can run on.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Bytes that are read at once. Replies are short; the longest usual one is that to EHLO.
const READ: usize = 2 * 1024;

type Buffered = BufReader<Box<dyn Stream>>;

pub(crate) struct Wire {
    peer: String,
    stream: Buffered,
    /// Set while a step runs, and left set by one that fails or is dropped half-way: what comes
    /// after it cannot be trusted to belong to what was asked.
    broken: bool,
    /// The server has said that it closes the connection.
    closing: bool,
}

impl Wire {
    pub(crate) fn new(peer: String, stream: Box<dyn Stream>) -> Self {
        Self {
            peer,
            stream: BufReader::with_capacity(READ, stream),
            broken: false,
            closing: false,
        }
    }

    pub(crate) fn peer(&self) -> &str {
        &self.peer
    }

    /// Whether nothing can be asked any more.
    pub(crate) fn ended(&self) -> bool {
        self.broken || self.closing
    }

    /// Lets nothing be asked any more.
    pub(crate) fn end(&mut self) {
        self.broken = true;
    }

    /// The bare stream, or what stands between it and us: bytes that nothing asked for.
    pub(crate) fn into_stream(self) -> Result<Box<dyn Stream>, Vec<u8>> {
        if self.stream.buffer().is_empty() {
            Ok(self.stream.into_inner())
        } else {
            Err(self.stream.buffer().to_vec())
        }
    }

    /// Sends a command line when the server is silent, as it has to be, and reads the reply.
    pub(crate) async fn command(
        &mut self,
        stage: Stage,
        line: &str,
        limit: Duration,
    ) -> Result<Reply, Error> {
        if self.ended() {
            return Err(self.ended_error());
        }
        self.expect_silence(stage, limit).await?;
        trace!(peer = %self.peer, command = %line.trim_end(), "sent");
        self.exchange(stage, line.as_bytes(), limit).await
    }

    /// Sends bytes and reads the reply, both within `limit`.
    pub(crate) async fn exchange(
        &mut self,
        stage: Stage,
        bytes: &[u8],
        limit: Duration,
    ) -> Result<Reply, Error> {
        self.broken = true;
        let result = within(limit, async {
            send(&mut self.stream, bytes).await?;
            receive(&mut self.stream).await
        });
        let result = result.await;
        self.received(stage, limit, result)
    }

    /// Sends bytes that have no reply.
    pub(crate) async fn write(
        &mut self,
        stage: Stage,
        bytes: &[u8],
        limit: Duration,
    ) -> Result<(), Error> {
        self.broken = true;
        let result = within(limit, send(&mut self.stream, bytes)).await;
        if let Err(Fault::Io(_)) = &result {
            // A server that cannot take the message says why and closes; its reply says more than our
            // "broken pipe".
            self.expect_silence(stage, limit).await?;
        }
        self.broken = result.is_err();
        result.map_err(|fault| self.error(stage, limit, fault))
    }

    /// Reads one reply.
    pub(crate) async fn reply(&mut self, stage: Stage, limit: Duration) -> Result<Reply, Error> {
        self.broken = true;
        let result = within(limit, receive(&mut self.stream)).await;
        self.received(stage, limit, result)
    }

    /// Reads one more reply to what was sent already, unless the session broke with the one before.
    pub(crate) async fn another_reply(
        &mut self,
        stage: Stage,
        limit: Duration,
    ) -> Result<Reply, Error> {
        if self.broken {
            return Err(self.ended_error());
        }
        self.reply(stage, limit).await
    }

    /// Without waiting: fails if the server has closed the connection, or has said something that
    /// nothing asked for and that would be taken for the reply to the next command.
    pub(crate) async fn expect_silence(
        &mut self,
        stage: Stage,
        limit: Duration,
    ) -> Result<(), Error> {
        let early = poll_fn(|context| {
            Poll::Ready(match Pin::new(&mut self.stream).poll_fill_buf(context) {
                Poll::Pending => None,
                Poll::Ready(Ok([])) => Some(Err(io::ErrorKind::UnexpectedEof.into())),
                Poll::Ready(Ok(_)) => Some(Ok(())),
                Poll::Ready(Err(error)) => Some(Err(error)),
            })
        });
        match early.await {
            None => Ok(()),
            Some(Err(source)) => {
                self.broken = true;
                Err(self.error(stage, limit, Fault::Io(source)))
            }
            Some(Ok(())) => {
                let reply = self.reply(stage, limit).await?;
                self.broken = true;
                Err(if reply.is_temporary() || reply.is_permanent() {
                    self.refused(stage, reply)
                } else {
                    self.protocol(stage, ProtocolProblem::OutOfTurn(reply))
                })
            }
        }
    }

    /// The reply if it is `class`yz; a refusal or a protocol error otherwise.
    pub(crate) fn accept(
        &mut self,
        stage: Stage,
        class: u16,
        reply: Reply,
    ) -> Result<Reply, Error> {
        match reply.code / 100 {
            code if code == class => Ok(reply),
            4 | 5 => Err(self.refused(stage, reply)),
            _ => {
                self.broken = true;
                Err(self.protocol(stage, ProtocolProblem::Unexpected(reply)))
            }
        }
    }

    fn received(
        &mut self,
        stage: Stage,
        limit: Duration,
        result: Result<Reply, Fault>,
    ) -> Result<Reply, Error> {
        let reply = result.map_err(|fault| self.error(stage, limit, fault))?;
        trace!(peer = %self.peer, %reply, "received");
        self.broken = false;
        self.closing |= reply.code == CLOSING;
        Ok(reply)
    }

    fn ended_error(&self) -> Error {
        Error::Ended {
            peer: self.peer.clone(),
        }
    }

    fn refused(&self, stage: Stage, reply: Reply) -> Error {
        Error::Refused {
            peer: self.peer.clone(),
            stage,
            reply,
        }
    }

    fn protocol(&self, stage: Stage, problem: ProtocolProblem) -> Error {
        Error::Protocol {
            peer: self.peer.clone(),
            stage,
            problem,
        }
    }

    fn error(&self, stage: Stage, after: Duration, fault: Fault) -> Error {
        let peer = self.peer.clone();
        match fault {
            Fault::Io(source) => Error::Io {
                peer,
                stage,
                source,
            },
            Fault::Protocol(problem) => Error::Protocol {
                peer,
                stage,
                problem,
            },
            Fault::Timeout => Error::Timeout { peer, stage, after },
        }
    }
}

/// An error that does not know yet where it happened.
enum Fault {
    Io(io::Error),
    Protocol(ProtocolProblem),
    Timeout,
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// The limit is for the whole reply: a server that sends one byte a second gets no extension.
async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    timeout(limit, work).await.unwrap_or(Err(Fault::Timeout))
}

async fn send(stream: &mut Buffered, bytes: &[u8]) -> Result<(), Fault> {
    stream.write_all(bytes).await?;
    Ok(stream.flush().await?)
}

async fn receive(stream: &mut Buffered) -> Result<Reply, Fault> {
    let mut parser = ReplyParser::default();
    loop {
        let input = stream.fill_buf().await?;
        if input.is_empty() {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        let mut used = 0;
        let mut reply = None;
        for &byte in input {
            used += 1;
            reply = parser.push(byte).map_err(Fault::Protocol)?;
            if reply.is_some() {
                break;
            }
        }
        stream.consume(used);
        if let Some(reply) = reply {
            return Ok(reply);
        }
    }
}
