//! DATA: a message received, handed over, and answered.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use bytes::Buf;
use intake::{Message, Spool, caught};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::admission::listed_as;
use super::connection::{Connection, End, usable};
use super::data::Decoder;
use super::options::ServerOptions;
use super::replies;
use crate::reply::Reply;
use crate::service::{Service, Session};

/// What is read at once while a message comes in, in bytes.
const DATA_READ: usize = 64 * 1024;
/// Over how long the rate is averaged at which a message comes in.
const RATE_WINDOW: Duration = Duration::from_secs(30);

impl<S: Service, T: AsyncRead + AsyncWrite + Unpin + Send> Connection<S, T> {
    pub(super) async fn message(&mut self) -> Result<(), End> {
        let session = &mut self.session;
        let instead = catch_unwind(AssertUnwindSafe(|| session.data())).unwrap_or_else(|_| {
            tracing::error!(peer = %listed_as(self.dialogue.peer.address), stage = "data", "the service panicked");
            Some(replies::local_error())
        });
        if let Some(reply) = instead {
            self.say(&usable(Some(reply))).await?;
            return self.flush().await;
        }
        self.say(&replies::go_ahead()).await?;
        self.flush().await?;
        let received = self.receive().await?;
        self.wire.shrink();
        match received {
            Ok(message) => self.answer(message).await,
            Err(reply) => {
                tracing::info!(peer = %listed_as(self.dialogue.peer.address), %reply, "message refused");
                self.dialogue.message_answered(&reply);
                self.reset().await?;
                self.say(&reply).await
            }
        }
    }

    /// The message, or why it is not taken, when it has come to its end.
    async fn receive(&mut self) -> Result<Result<Message, Reply>, End> {
        let options = Arc::clone(&self.shared.options);
        let mut decoder = Decoder::new(&options);
        let mut spool = Spool::new(options.spill_bytes, options.spill_directory.clone());
        let mut pace = Pace::new(&options, self.until);
        let mut decoded = Vec::new();
        loop {
            let end = decoder.feed(&self.wire.buffer, &mut decoded);
            self.wire
                .buffer
                .advance(end.unwrap_or(self.wire.buffer.len()));
            spool.write(&decoded).await;
            decoded.clear();
            if end.is_some() {
                break;
            }
            // A client that goes on for so long after the limit does not look at any answer at its end.
            if decoder.length() > options.message_bytes.saturating_mul(2) {
                return Err(End::Say(replies::message_too_large()));
            }
            // Before the first read there is nothing to acknowledge.
            if decoder.length() > 0 {
                self.wire.acknowledge();
            }
            let read = tokio::select! {
                biased;
                () = self.shared.cut.cancelled() => return Err(End::Shutdown),
                read = timeout_at(pace.deadline(), self.wire.read(DATA_READ)) => read,
            };
            match read {
                Ok(Ok(0)) => return Err(End::Left),
                Ok(Ok(read)) => pace.count(read),
                Ok(Err(error)) => return Err(End::Lost(error)),
                Err(_) => {}
            }
            if pace.is_too_slow() {
                return Err(End::Timeout);
            }
        }
        Ok(match decoder.problem() {
            Some(problem) => Err(problem.reply()),
            None => spool.finish().map_err(|error| {
                let directory = options.spill_directory.display();
                tracing::error!(%directory, %error, "cannot keep a message");
                replies::no_space()
            }),
        })
    }

    /// Hands a message over, and tells the client what became of it.
    async fn answer(&mut self, message: Message) -> Result<(), End> {
        let reply = self.hand_over(message).await;
        let was_gone = self.wire.is_gone();
        self.wire.say(&reply);
        let flushed = self.flush().await;
        let written = flushed.is_ok() && !was_gone;
        self.dialogue.message_answered(&reply);
        let session = &mut self.session;
        let told = caught(async { session.answered(&reply, written).await });
        // Within a bound, though the service has to know: a connection must not stay for ever.
        let told = timeout(self.shared.options.message_deadline, told).await;
        let peer = listed_as(self.dialogue.peer.address);
        if !matches!(told, Ok(Some(()))) {
            tracing::error!(%peer, stage = "answered", "the service panicked or takes too long");
        }
        tracing::debug!(%peer, %reply, written, "message answered");
        flushed?;
        if reply.code == replies::CLOSING {
            return Err(End::Told);
        }
        match self.dialogue.count(&reply) {
            Some(closing) => Err(End::Say(closing)),
            None => Ok(()),
        }
    }

    async fn hand_over(&mut self, message: Message) -> Reply {
        let (session, peer) = (&mut self.session, &self.dialogue.peer);
        let (wire, shared) = (&mut self.wire, &self.shared);
        // Within a future of our own, so that a panic before the first `await` is caught as well.
        let work = caught(async { session.message(peer, message, wire).await });
        let problem = tokio::select! {
            biased;
            reply = work => match reply {
                Some(reply) => return usable(Some(reply)),
                None => "the service panicked",
            },
            () = shared.cut.cancelled() => {
                tracing::warn!(peer = %listed_as(peer.address), "shutting down; message deferred");
                return replies::shutting_down(&shared.options.hostname);
            }
            () = sleep(shared.options.message_deadline) => "the deadline is over",
        };
        tracing::error!(peer = %listed_as(peer.address), problem, "message deferred");
        replies::local_error()
    }
}

/// How fast a message comes in.
struct Pace {
    /// When it has taken too long, whatever its rate.
    until: Instant,
    window_ends: Instant,
    /// Bytes in this window.
    bytes: u64,
    /// How many a window must have.
    least: u64,
}

impl Pace {
    fn new(options: &ServerOptions, until: Instant) -> Self {
        let now = Instant::now();
        Self {
            until: until.min(now + options.data_timeout),
            window_ends: now + RATE_WINDOW,
            bytes: 0,
            least: options.min_data_rate.saturating_mul(RATE_WINDOW.as_secs()),
        }
    }

    /// When to look again.
    fn deadline(&self) -> Instant {
        self.window_ends.min(self.until)
    }

    fn count(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes as u64);
    }

    fn is_too_slow(&mut self) -> bool {
        let now = Instant::now();
        if now >= self.until {
            return true;
        }
        if now < self.window_ends {
            return false;
        }
        self.window_ends = now + RATE_WINDOW;
        std::mem::take(&mut self.bytes) < self.least
    }
}
