//! One connection: reads commands, asks the filter, writes answers.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use intake::{Message, Spill, caught};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::answer::{encode_decision, response};
use crate::command::Command;
use crate::envelope::{Envelope, Transaction, shown_queue_id};
use crate::filter::{Answered, Decision, Filter, Limit, Reply};
use crate::frame::{Frame, FrameError};
use crate::incoming::Incoming;
use crate::negotiation::NegotiationError;
use crate::options::ServerOptions;
use crate::response::Response;
use crate::session::{Phase, Question, Session, Step, Violation};
use crate::stream::FramedStream;
use crate::text::ReplyText;

/// A connection with everything that serves it.
pub(crate) struct Door<F> {
    stream: FramedStream,
    peer: String,
    filter: Arc<F>,
    options: Arc<ServerOptions>,
    session: Session,
    spill: SpillState,
    /// The queue id of the message that is being answered, for log lines.
    answering: Option<String>,
    /// Cancelled: close when no transaction is running.
    draining: CancellationToken,
    /// Cancelled: close as soon as possible.
    cut: CancellationToken,
}

/// Where the beginning of the message is that is being received.
enum SpillState {
    Nowhere,
    File(Spill),
    /// It could not be written; the message will be deferred.
    Failed,
}

/// How a connection ended in peace.
enum Close {
    /// The MTA said so.
    Quit,
    /// The MTA closed it, or the server drains.
    Gone,
}

/// Why a connection ended, if not as it should.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error(transparent)]
    Violation(#[from] Violation),
    #[error("the MTA was silent for too long")]
    Silent,
    #[error("writing to the MTA: {0}")]
    Write(io::Error),
}

/// What became of the filter's work on a message.
enum Work<Ticket> {
    Done(Decision<Ticket>),
    /// The filter did not come to a decision; this is said instead.
    Failed(&'static str),
    /// The MTA takes no answer any more; the connection may go on.
    Aborted,
    /// The MTA closed the connection.
    Gone,
}

impl<F: Filter> Door<F> {
    pub(crate) fn new(
        stream: FramedStream,
        peer: String,
        filter: Arc<F>,
        options: Arc<ServerOptions>,
        draining: CancellationToken,
        cut: CancellationToken,
    ) -> Self {
        Self {
            session: Session::new(Arc::clone(&options)),
            stream,
            peer,
            filter,
            options,
            spill: SpillState::Nowhere,
            answering: None,
            draining,
            cut,
        }
    }

    /// Serves the connection to its end.
    pub(crate) async fn run(mut self) {
        let served = self.serve().await;
        // Who has quit waits for nothing any more, so that closing is enough.
        if !matches!(served, Ok(Close::Quit)) {
            let _ = self.stream.shutdown().await;
        }
        if let Err(end) = served {
            let peer = &self.peer;
            let queue_id = self
                .answering
                .take()
                .unwrap_or_else(|| shown_queue_id(self.session.envelope()).to_string());
            match end {
                End::Violation(Violation::Negotiation(error)) => {
                    tracing::error!(%peer, %error, "no agreement with the MTA; closing");
                    self.tell_not_agreed(&error);
                }
                End::Violation(error) => {
                    tracing::warn!(%peer, queue_id, %error, "closing the connection");
                }
                end => tracing::info!(%peer, queue_id, error = %end, "connection ended"),
            }
        }
    }

    fn tell_not_agreed(&self, error: &NegotiationError) {
        let told = catch_unwind(AssertUnwindSafe(|| {
            self.filter.not_agreed(&self.peer, error);
        }));
        if told.is_err() {
            tracing::error!(peer = %self.peer, "the filter panicked");
        }
    }

    async fn serve(&mut self) -> Result<Close, End> {
        while let Some(frame) = self.next_frame().await? {
            self.answering = None;
            let command = Command::parse(frame).map_err(Violation::from)?;
            match self.session.receive(command)? {
                Step::Ask(question) => {
                    let response = self.ask(question);
                    self.write(&response).await?;
                }
                Step::Close => return Ok(Close::Quit),
                Step::EndOfMessage(incoming) => {
                    if !self.end_of_message(*incoming).await? {
                        return Ok(Close::Gone);
                    }
                }
                Step::Wait => (),
                Step::Write(response) => self.write(&response).await?,
            }
            self.spill_excess().await;
        }
        if self.session.is_in_transaction() {
            let queue_id = shown_queue_id(self.session.envelope());
            tracing::info!(peer = %self.peer, %queue_id, "connection ended within a transaction");
        }
        Ok(Close::Gone)
    }

    /// The next frame; `None` when the connection is to be closed in peace.
    async fn next_frame(&mut self) -> Result<Option<Frame>, End> {
        let patience = if self.session.is_negotiated() {
            self.options.idle_timeout
        } else {
            self.options.negotiation_timeout
        };
        let idle = !self.session.is_in_transaction();
        tokio::select! {
            biased;
            () = self.cut.cancelled() => Ok(None),
            () = self.draining.cancelled(), if idle => Ok(None),
            frame = timeout(patience, self.stream.next()) => match frame {
                Ok(frame) => Ok(frame.map_err(Violation::from)?),
                Err(_) => Err(End::Silent),
            },
        }
    }

    fn ask(&mut self, question: Question) -> Response {
        let session = &self.session;
        let envelope = session.envelope();
        let reply = catch_unwind(AssertUnwindSafe(|| match (&question, envelope) {
            (Question::Mail, Some(envelope)) => self.filter.mail(envelope),
            (Question::Rcpt(recipient), Some(envelope)) => self.filter.rcpt(envelope, recipient),
            // Only CONNECT is asked without a transaction.
            _ => self.filter.connect(session.connection()),
        }));
        let reply = reply.unwrap_or_else(|_| {
            let queue_id = shown_queue_id(envelope);
            let stage = question.name();
            tracing::error!(peer = %self.peer, %queue_id, stage, "the filter panicked");
            Reply::Tempfail
        });
        self.session.decide(question, reply)
    }

    /// Answers a message. False: the connection is to be closed.
    async fn end_of_message(&mut self, incoming: Incoming) -> Result<bool, End> {
        let spill = std::mem::replace(&mut self.spill, SpillState::Nowhere);
        let envelope = incoming.envelope;
        let queue_id = shown_queue_id(Some(&envelope)).to_string();
        self.answering = Some(queue_id.clone());
        if let Some(limit) = incoming.over_limit {
            tracing::warn!(peer = %self.peer, queue_id, %limit, "message over the limit");
            let reply = self.over_limit(&envelope, limit);
            return self.write(&response(&reply)).await.map(|()| true);
        }
        let message = match spill {
            SpillState::Nowhere => Message::new(None, incoming.buffered),
            SpillState::File(spill) => Message::new(Some(spill), incoming.buffered),
            SpillState::Failed => {
                let reply = ReplyText::fixed(452, "4.3.1", "Insufficient system storage");
                let reply = response(&Reply::Custom(reply));
                return self.write(&reply).await.map(|()| true);
            }
        };
        let transaction = Transaction {
            envelope,
            headers: incoming.headers,
            message,
        };
        match self.work(transaction).await? {
            Work::Done(decision) => self.answer(decision, &queue_id).await.map(|()| true),
            Work::Failed(problem) => {
                tracing::error!(peer = %self.peer, queue_id, problem, "message deferred");
                self.write(&Response::Tempfail).await.map(|()| true)
            }
            Work::Aborted => {
                tracing::info!(peer = %self.peer, queue_id, "the MTA gave up the message");
                Ok(true)
            }
            Work::Gone => {
                tracing::info!(peer = %self.peer, queue_id, "the MTA went away");
                Ok(false)
            }
        }
    }

    fn over_limit(&self, envelope: &Envelope, limit: Limit) -> Reply {
        catch_unwind(AssertUnwindSafe(|| self.filter.over_limit(envelope, limit))).unwrap_or_else(
            |_| {
                let queue_id = shown_queue_id(Some(envelope));
                tracing::error!(peer = %self.peer, %queue_id, "the filter panicked");
                Reply::Tempfail
            },
        )
    }

    /// Lets the filter work while the MTA is told to wait, and watched.
    async fn work(&mut self, transaction: Transaction) -> Result<Work<F::Ticket>, End> {
        let filter = Arc::clone(&self.filter);
        // Within a future of our own, so that a panic before the first `await` is caught as well.
        let mut work = pin!(caught(async { filter.message(transaction).await }));
        let mut deadline = pin!(sleep(self.options.message_deadline));
        // An interval of zero is not possible.
        let every = self.options.progress_interval.max(Duration::from_millis(1));
        let mut progress = interval_at(Instant::now() + every, every);
        progress.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let cut = self.cut.clone();
        loop {
            tokio::select! {
                biased;
                decision = &mut work => return Ok(match decision {
                    Some(decision) => Work::Done(decision),
                    None => Work::Failed("the filter panicked"),
                }),
                () = cut.cancelled() => return Ok(Work::Failed("shutting down")),
                () = &mut deadline => return Ok(Work::Failed("the deadline is over")),
                frame = self.stream.next() => match frame.map_err(Violation::from)? {
                    None => return Ok(Work::Gone),
                    Some(frame) => return self.interrupted(frame),
                },
                _ = progress.tick() => self.write(&Response::Progress).await?,
            }
        }
    }

    /// The MTA said something though it should wait for the answer.
    fn interrupted(&mut self, frame: Frame) -> Result<Work<F::Ticket>, End> {
        let command = Command::parse(frame).map_err(Violation::from)?;
        match command {
            Command::Abort | Command::QuitNewConnection => {
                self.session.receive(command)?;
                Ok(Work::Aborted)
            }
            Command::Quit => Ok(Work::Gone),
            command => Err(Violation::OutOfOrder {
                command: command.name(),
                phase: Phase::Body,
            }
            .into()),
        }
    }

    /// Writes a decision in one piece, and tells the filter what came of it.
    async fn answer(&mut self, decision: Decision<F::Ticket>, queue_id: &str) -> Result<(), End> {
        let Decision {
            edits,
            reply,
            ticket,
        } = decision;
        let encoded = match self.session.agreement() {
            Some(agreement) => encode_decision(&edits, &reply, agreement),
            // A message cannot have come without an agreement.
            None => Ok(BytesMut::new()),
        };
        let (bytes, refused) = match encoded {
            Ok(bytes) => (bytes, None),
            Err(error) => {
                tracing::error!(peer = %self.peer, queue_id, %error, "message deferred");
                let mut tempfail = BytesMut::new();
                Response::Tempfail.encode(&mut tempfail);
                (tempfail, Some(error))
            }
        };
        let written = self.write_bytes(&bytes).await;
        let answered = match (&written, refused) {
            (Err(error), _) => Answered::Lost(error.to_string()),
            (Ok(()), Some(error)) => Answered::Replaced(error),
            (Ok(()), None) => Answered::Sent,
        };
        tracing::debug!(peer = %self.peer, queue_id, edits = edits.len(), ?answered, "answered");
        let filter = &self.filter;
        let told = caught(async { filter.answered(ticket, answered).await }).await;
        if told.is_none() {
            tracing::error!(peer = %self.peer, queue_id, "the filter panicked");
        }
        written
    }

    /// Keeps the memory of a message that is being received within its bound.
    async fn spill_excess(&mut self) {
        if !self.session.is_in_transaction() {
            self.spill = SpillState::Nowhere;
            return;
        }
        if self.session.buffered() <= self.options.spill_bytes {
            return;
        }
        let excess = self.session.take_buffered();
        let spill = match std::mem::replace(&mut self.spill, SpillState::Failed) {
            SpillState::Nowhere => Spill::create(self.options.spill_directory.clone()).await,
            SpillState::File(spill) => Ok(spill),
            SpillState::Failed => return,
        };
        let spill = match spill {
            Ok(spill) => spill.append(excess).await,
            error => error,
        };
        match spill {
            Ok(spill) => self.spill = SpillState::File(spill),
            Err(error) => {
                let queue_id = shown_queue_id(self.session.envelope());
                let directory = self.options.spill_directory.display();
                tracing::error!(%queue_id, %directory, %error, "cannot keep a large message");
            }
        }
    }

    async fn write(&mut self, response: &Response) -> Result<(), End> {
        let mut bytes = BytesMut::new();
        response.encode(&mut bytes);
        self.write_bytes(&bytes).await
    }

    async fn write_bytes(&mut self, bytes: &[u8]) -> Result<(), End> {
        timeout(self.options.write_timeout, self.stream.write_all(bytes))
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            .map_err(End::Write)
    }
}

impl From<FrameError> for End {
    fn from(error: FrameError) -> Self {
        Self::Violation(Violation::Frame(error))
    }
}
