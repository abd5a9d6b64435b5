//! One connection: lines in, the service asked, replies out.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use intake::caught;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;

use super::admission::{Admission, ClientPlace, listed_as};
use super::dialogue::{Dialogue, Step};
use super::line::{Line, LineReader};
use super::opening;
use super::options::ServerOptions;
use super::replies;
use super::wire::Wire;
use crate::reply::Reply;
use crate::service::{MailCommand, Peer, RcptCommand, Service, Session};

/// What is read at once where a command is expected, in bytes.
pub(super) const COMMAND_READ: usize = 4096;
/// How long a TLS handshake may take. It is a few packets and some arithmetic.
const HANDSHAKE: Duration = Duration::from_secs(30);
/// The shortest time between two looks at how many connections there are.
const MIN_LOOK: Duration = Duration::from_millis(100);

/// What all connections of a server share.
pub(super) struct Shared<S> {
    pub(super) service: Arc<S>,
    pub(super) options: Arc<ServerOptions>,
    pub(super) admission: Arc<Admission>,
    /// Cancelled: close when no transaction is running.
    pub(super) draining: CancellationToken,
    /// Cancelled: close as soon as possible.
    pub(super) cut: CancellationToken,
}

/// Why a connection ends.
#[derive(Debug)]
pub(super) enum End {
    /// It is told this last, and why is in it.
    Say(Reply),
    /// It was told why.
    Told,
    /// It takes too long.
    Timeout,
    /// The server ends.
    Shutdown,
    /// The client has closed its side.
    Left,
    /// The connection is broken.
    Lost(io::Error),
    /// It did not begin as it must; it is told nothing.
    NoHeader,
}

/// A client that was greeted, and everything that serves it.
pub(super) struct Connection<S: Service, T> {
    pub(super) wire: Wire<T>,
    pub(super) shared: Arc<Shared<S>>,
    pub(super) dialogue: Dialogue,
    pub(super) session: S::Session,
    /// Held for as long as the client is this one.
    pub(super) place: Option<ClientPlace>,
    pub(super) lines: LineReader,
    /// When the connection has lasted long enough.
    pub(super) until: Instant,
}

/// Serves a connection to its end.
pub(super) async fn run<S, T>(
    mut wire: Wire<T>,
    connected: Option<SocketAddr>,
    shared: Arc<Shared<S>>,
) where
    S: Service,
    T: AsyncRead + AsyncWrite + Unpin + Send,
{
    let shown = |address: Option<SocketAddr>| {
        address.map_or_else(|| "unix".to_owned(), |address| address.to_string())
    };
    let mut peer = shown(connected);
    let hostname = shared.options.hostname.clone();
    let end = match opening::open(&mut wire, connected, &shared).await {
        Err(end) => end,
        Ok((dialogue, session, place)) => {
            let mut connection = Connection {
                lines: LineReader::new(
                    shared.options.command_line_bytes,
                    shared.options.bare_line_ends,
                ),
                until: Instant::now() + shared.options.session_timeout,
                wire,
                shared,
                dialogue,
                session,
                place,
            };
            let Err(end) = connection.serve().await;
            peer = shown(connection.dialogue.peer.address);
            if connection.dialogue.is_in_transaction() {
                tracing::info!(%peer, "connection ends within a transaction");
            }
            wire = connection.wire;
            end
        }
    };
    let linger = match end {
        End::Say(reply) => {
            tracing::debug!(%peer, %reply, "closing the connection");
            wire.say(&reply);
            reply.code != replies::BYE
        }
        End::Timeout => {
            tracing::info!(%peer, "the client takes too long; closing the connection");
            wire.say(&replies::too_slow(&hostname));
            false
        }
        End::Shutdown => {
            wire.say(&replies::shutting_down(&hostname));
            false
        }
        End::NoHeader => {
            tracing::warn!(%peer, "a proxy sent no PROXY header; closing the connection");
            false
        }
        End::Lost(error) => {
            tracing::info!(%peer, %error, "connection lost");
            false
        }
        End::Told => true,
        End::Left => false,
    };
    wire.close(linger).await;
}

impl<S: Service, T: AsyncRead + AsyncWrite + Unpin + Send> Connection<S, T> {
    async fn serve(&mut self) -> Result<Infallible, End> {
        loop {
            let line = self.next_line().await?;
            let more = !self.wire.buffer.is_empty();
            let was_in_transaction = self.dialogue.is_in_transaction();
            let step = self.dialogue.receive(&line, more);
            // What a line takes of the buffer can be used again.
            drop(line);
            if was_in_transaction && !self.dialogue.is_in_transaction() {
                self.reset().await?;
            }
            match step {
                Step::Say(reply) => self.say(&reply).await?,
                Step::SayNow(reply) => {
                    self.say(&reply).await?;
                    self.flush().await?;
                }
                Step::Close(reply) => return Err(End::Say(reply)),
                Step::Mail(mail) => self.mail(&mail).await?,
                Step::Rcpt(rcpt) => self.rcpt(&rcpt).await?,
                Step::Data => self.message().await?,
                Step::StartTls => self.start_tls().await?,
                Step::Greet => self.greet().await?,
            }
        }
    }

    /// The next line. Replies are written when there is none yet: so those to commands that came together leave
    /// together.
    async fn next_line(&mut self) -> Result<Line, End> {
        if let Some(line) = self.lines.next(&mut self.wire.buffer) {
            return Ok(line);
        }
        self.flush().await?;
        let options = Arc::clone(&self.shared.options);
        let asked = Instant::now();
        // A client that is never waited for must not stay for ever either.
        if asked >= self.until {
            return Err(End::Timeout);
        }
        let patience = (asked + options.command_timeout).min(self.until);
        let mut look = (asked + options.stress_timeout).min(patience);
        loop {
            let idle = !self.dialogue.is_in_transaction();
            let read = tokio::select! {
                biased;
                () = self.shared.cut.cancelled() => return Err(End::Shutdown),
                () = self.shared.draining.cancelled(), if idle => return Err(End::Shutdown),
                read = timeout_at(look, self.wire.read(COMMAND_READ)) => read,
            };
            match read {
                Ok(Ok(0)) => return Err(End::Left),
                Ok(Ok(_)) => {
                    if let Some(line) = self.lines.next(&mut self.wire.buffer) {
                        return Ok(line);
                    }
                }
                Ok(Err(error)) => return Err(End::Lost(error)),
                Err(_) if look >= patience || self.shared.admission.is_stressed(&options) => {
                    return Err(End::Timeout);
                }
                Err(_) => look = (look + options.stress_timeout.max(MIN_LOOK)).min(patience),
            }
        }
    }

    async fn mail(&mut self, mail: &MailCommand) -> Result<(), End> {
        let (session, peer) = (&mut self.session, &self.dialogue.peer);
        let reply = self
            .shared
            .ask("mail", peer, async { session.mail(peer, mail).await });
        let reply = usable(reply.await?);
        self.dialogue.mail_answered(mail, &reply);
        self.say(&reply).await
    }

    async fn rcpt(&mut self, rcpt: &RcptCommand) -> Result<(), End> {
        let (session, peer) = (&mut self.session, &self.dialogue.peer);
        let reply = self
            .shared
            .ask("rcpt", peer, async { session.rcpt(peer, rcpt).await });
        let reply = usable(reply.await?);
        self.dialogue.rcpt_answered(&reply);
        self.say(&reply).await
    }

    /// Tells the session that the transaction is over without a message.
    pub(super) async fn reset(&mut self) -> Result<(), End> {
        let (session, peer) = (&mut self.session, &self.dialogue.peer);
        let reset = self
            .shared
            .ask("reset", peer, async { session.reset().await });
        reset.await.map(drop)
    }

    async fn start_tls(&mut self) -> Result<(), End> {
        let Some(tls) = self.shared.options.tls.clone() else {
            return self.say(&replies::not_implemented()).await;
        };
        self.say(&replies::start_tls()).await?;
        self.flush().await?;
        let limit = self.shared.options.command_timeout.min(HANDSHAKE);
        let cut = self.shared.cut.clone();
        tokio::select! {
            biased;
            () = cut.cancelled() => Err(End::Shutdown),
            tls = self.wire.start_tls(&tls, limit) => {
                self.dialogue.tls_begun(tls.map_err(End::Lost)?);
                Ok(())
            }
        }
    }

    /// Greets the client that XCLIENT speaks of as if it had connected.
    async fn greet(&mut self) -> Result<(), End> {
        self.place = None;
        let shared = Arc::clone(&self.shared);
        let address = listed_as(self.dialogue.peer.address);
        self.place = shared
            .admission
            .admit(address, &shared.options)
            .map_err(End::Say)?;
        self.session = shared.session(&self.dialogue.peer).map_err(End::Say)?;
        self.say(&replies::greeting(&shared.options.hostname))
            .await?;
        self.flush().await
    }

    /// Says a reply, or what is said in its place when the client has had too many of its kind.
    pub(super) async fn say(&mut self, reply: &Reply) -> Result<(), End> {
        if let Some(closing) = self.dialogue.count(reply) {
            return Err(End::Say(closing));
        }
        self.wire.say(reply);
        if reply.code == replies::CLOSING {
            return Err(End::Told);
        }
        if self.wire.is_full() {
            return self.flush().await;
        }
        Ok(())
    }

    pub(super) async fn flush(&mut self) -> Result<(), End> {
        self.wire.flush().await.map_err(End::Lost)
    }
}

impl<S: Service> Shared<S> {
    /// The session of a client that may come in.
    pub(super) fn session(&self, peer: &Peer) -> Result<S::Session, Reply> {
        catch_unwind(AssertUnwindSafe(|| self.service.session(peer))).unwrap_or_else(|_| {
            tracing::error!(peer = %listed_as(peer.address), stage = "session", "the service panicked");
            Err(replies::closing(&self.options.hostname, "4.3.0", "Local error"))
        })
    }

    /// What the service answers, or `None` if it panicked. One that takes longer than a client may be kept waiting
    /// ends the connection: nobody knows what it has done.
    async fn ask<R>(
        &self,
        stage: &str,
        peer: &Peer,
        answer: impl Future<Output = R>,
    ) -> Result<Option<R>, End> {
        tokio::select! {
            biased;
            answer = caught(answer) => {
                if answer.is_none() {
                    tracing::error!(peer = %listed_as(peer.address), stage, "the service panicked");
                }
                Ok(answer)
            }
            () = self.cut.cancelled() => Err(End::Shutdown),
            () = sleep(self.options.message_deadline) => {
                tracing::error!(peer = %listed_as(peer.address), stage, "the service takes too long");
                Err(End::Say(replies::closing(&self.options.hostname, "4.3.0", "Local error")))
            }
        }
    }
}

/// The service's reply if it is one that ends a command, or one of ours.
pub(super) fn usable(reply: Option<Reply>) -> Reply {
    match reply {
        Some(reply) if reply.is_positive() || reply.is_temporary() || reply.is_permanent() => reply,
        Some(reply) => {
            tracing::error!(%reply, "the service's reply is none to a client");
            replies::local_error()
        }
        None => replies::local_error(),
    }
}
