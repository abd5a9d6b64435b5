//! The transaction with the next hop: opened with the client's, and played again where it must be.

use std::collections::HashSet;
use std::time::Duration;

use tokio::time::{Instant, timeout, timeout_at};

use super::filter::NextHopAnswer;
use super::replies;
use crate::client::Protocol;
use crate::error::{Error, ErrorKind, Stage};
use crate::next_hop::{Connection, Pool};
use crate::reply::Reply;
use crate::service::{Forwarded, MailCommand, Peer, RcptCommand, Waiting};

/// "Closing transmission channel": what a server says to a client that was idle for too long, whatever the client says
/// next.
const CLOSING: u16 = 421;

/// A transaction with the next hop.
pub(super) struct Downstream {
    next_hop: Pool,
    /// None when it has failed: the transaction is to be played again in another.
    session: Option<Connection>,
    /// Whether the one other session that a transaction may have was taken.
    revived: bool,
    forwarded: Forwarded,
    /// As the client gave it.
    mail: MailCommand,
    /// Those that the next hop has accepted.
    rcpts: Vec<RcptCommand>,
}

/// Why a message is not sent at this attempt.
enum Failure {
    /// The client is told this.
    Told(Reply),
    /// The session has only died of waiting: another one may do better.
    Died,
}

/// What a message may take.
#[derive(Clone, Copy)]
pub(super) struct Times {
    /// The latest time for the final dot.
    pub(super) until: Instant,
    /// How long the answer to it may take.
    pub(super) data_done: Duration,
}

/// How an attempt to hand a message on ended.
enum End {
    /// The next hop answered the final dot.
    Answered(Reply),
    /// It did not, or not intelligibly.
    Unanswered(Error),
    /// It did not in time.
    Silent,
    /// It refused DATA, or the message in its middle.
    Refused(Reply),
    /// The session broke before the dot.
    Broken(Error),
    /// The client was gone before the dot.
    Gone,
    /// There was no time left for the dot.
    TooSlow,
}

impl Downstream {
    /// Takes a session with the next hop and says MAIL in it. The reply is the next hop's.
    ///
    /// # Errors
    /// What the client is told if there is no transaction.
    pub(super) async fn open(
        next_hop: &Pool,
        peer: &Peer,
        mail: &MailCommand,
    ) -> Result<(Self, Reply), Reply> {
        let mut downstream = Self {
            next_hop: next_hop.clone(),
            session: None,
            revived: false,
            forwarded: forwarded(peer),
            mail: mail.clone(),
            rcpts: Vec::new(),
        };
        match downstream.say_mail().await {
            Ok(reply) if reply.is_positive() => Ok((downstream, replies::passed_on(reply))),
            Ok(refusal) | Err(refusal) => {
                downstream.close().await;
                Err(replies::passed_on(refusal))
            }
        }
    }

    pub(super) const fn mail(&self) -> &MailCommand {
        &self.mail
    }

    /// The recipients that the next hop has accepted.
    pub(super) fn rcpts(&self) -> impl Iterator<Item = &str> {
        self.rcpts.iter().map(|rcpt| rcpt.path.as_str())
    }

    /// Names a recipient. The reply is the next hop's, if it is there.
    pub(super) async fn rcpt(&mut self, rcpt: &RcptCommand) -> Reply {
        let Some(session) = self.session.as_mut() else {
            return replies::lost();
        };
        if session.protocol() == Protocol::Lmtp && !self.rcpts.is_empty() {
            return replies::one_at_a_time();
        }
        match session.rcpt(rcpt).await {
            Ok(reply) => {
                if reply.is_positive() {
                    self.rcpts.push(rcpt.clone());
                }
                replies::passed_on(reply)
            }
            Err(error) => self.failed(&error),
        }
    }

    /// Hands a message on to all recipients but the withheld, if the client still waits right before the final dot and
    /// that is not sent later than it may. What the client is told.
    ///
    /// `answer` becomes what the next hop is known to have said, from the dot on: before its reply is there, that it is
    /// not known.
    pub(super) async fn deliver(
        &mut self,
        content: &[&[u8]],
        withheld: &[usize],
        times: Times,
        waiting: &mut impl Waiting,
        answer: &mut Option<NextHopAnswer>,
    ) -> Reply {
        let mut told = match self.withhold(withheld) {
            Ok(told) => told,
            Err(reply) => return reply,
        };
        loop {
            let ready = timeout_at(times.until, self.ready(told));
            match ready.await.unwrap_or_else(|_| Err(self.too_slow())) {
                Ok(()) => {}
                Err(Failure::Told(reply)) => return reply,
                Err(Failure::Died) => continue,
            }
            told = true;
            match self.send(content, times, waiting, answer).await {
                Ok(reply) | Err(Failure::Told(reply)) => return reply,
                Err(Failure::Died) => {}
            }
        }
    }

    /// Gives the transaction up, and the session back.
    pub(super) async fn close(self) {
        if let Some(session) = self.session {
            session.give_back().await;
        }
    }

    /// Takes recipients off the transaction. False if the next hop must hear of it.
    fn withhold(&mut self, withheld: &[usize]) -> Result<bool, Reply> {
        if withheld.is_empty() {
            return Ok(true);
        }
        let withheld: HashSet<_> = withheld.iter().copied().collect();
        let mut indices = 0..;
        self.rcpts.retain(|_| {
            indices
                .next()
                .is_some_and(|index| !withheld.contains(&index))
        });
        if self.rcpts.is_empty() {
            tracing::error!("the filter passes a message on to nobody");
            return Err(replies::internal());
        }
        Ok(false)
    }

    /// Sees to it that there is a session with the transaction as it is to be.
    async fn ready(&mut self, told: bool) -> Result<(), Failure> {
        match self.session.as_mut() {
            Some(_) if told => return Ok(()),
            Some(session) => match session.reset().await {
                Ok(reply) if reply.is_positive() => {}
                Ok(reply) if reply.code == CLOSING => return Err(self.refused(reply)),
                Ok(_) => return Err(Failure::Told(replies::nonsense())),
                Err(error) => return Err(self.broken(&error)),
            },
            None => self.revived = true,
        }
        self.play().await.map_err(Failure::Told)
    }

    /// The transaction from its beginning. Whoever was accepted before must be accepted now, or it would get nothing
    /// and nobody would be told.
    async fn play(&mut self) -> Result<(), Reply> {
        let reply = self.say_mail().await?;
        if !reply.is_positive() {
            tracing::warn!(%reply, "the next hop refuses MAIL, which it has accepted before");
            return Err(replies::inconsistent());
        }
        let Some(session) = self.session.as_mut() else {
            return Err(replies::lost());
        };
        for rcpt in &self.rcpts {
            match session.rcpt(rcpt).await {
                Ok(reply) if reply.is_positive() => {}
                Ok(reply) => {
                    tracing::warn!(%reply, "the next hop refuses a recipient that it has accepted before");
                    return Err(replies::inconsistent());
                }
                Err(error) => return Err(self.failed(&error)),
            }
        }
        Ok(())
    }

    /// MAIL, in the session there is or in a new one.
    async fn say_mail(&mut self) -> Result<Reply, Reply> {
        let session = match self.session.take() {
            Some(session) => session,
            None => match self.next_hop.take().await {
                Ok(session) => session,
                Err(error) => return Err(self.failed(&error)),
            },
        };
        let session = self.session.insert(session);
        // What the next hop says to it does not matter: it is for its logs.
        let said = match session.xforward(&self.forwarded).await {
            Ok(_) => session.mail(&self.mail).await,
            Err(error) => Err(error),
        };
        said.map_err(|error| self.failed(&error))
    }

    /// The message, and what its end means.
    async fn send(
        &mut self,
        content: &[&[u8]],
        times: Times,
        waiting: &mut impl Waiting,
        answer: &mut Option<NextHopAnswer>,
    ) -> Result<Reply, Failure> {
        let Some(session) = self.session.as_mut() else {
            return Err(Failure::Told(replies::lost()));
        };
        let said = |reply: Option<&Reply>| NextHopAnswer {
            address: self.next_hop.next_hop().to_string(),
            queue_id: reply.and_then(Reply::queue_id),
            reply: reply.cloned(),
        };
        let before_dot = || *answer = Some(said(None));
        let end = attempt(session, content, times, waiting, before_dot).await;
        match end {
            End::Answered(reply) => {
                *answer = Some(said(Some(&reply)));
                Ok(replies::passed_on(reply))
            }
            End::Unanswered(error) if error.kind() == ErrorKind::Unknown => {
                tracing::error!(%error, "a message was perhaps delivered");
                Ok(replies::unknown())
            }
            End::Silent => {
                tracing::error!("a message was perhaps delivered: the next hop does not say");
                Ok(replies::unknown())
            }
            End::Unanswered(error) => {
                *answer = None;
                Ok(self.failed(&error))
            }
            End::Gone => {
                tracing::info!("the client went away before its message was handed on");
                Ok(replies::gone())
            }
            End::Refused(reply) => Err(self.refused(reply)),
            End::Broken(error) => Err(self.broken(&error)),
            End::TooSlow => Err(self.too_slow()),
        }
    }

    /// The next hop's refusal, unless it only closes a session that was idle for too long.
    fn refused(&mut self, reply: Reply) -> Failure {
        if reply.code == CLOSING && self.may_revive() {
            tracing::info!(%reply, "the next hop did not wait for a message; connecting anew");
            return Failure::Died;
        }
        Failure::Told(replies::passed_on(reply))
    }

    /// A broken session: nothing is lost if it had only been idle for too long.
    fn broken(&mut self, error: &Error) -> Failure {
        let idle = match error {
            Error::Io { stage, .. } => matches!(stage, Stage::Data | Stage::Reset),
            Error::Ended { .. } => true,
            _ => false,
        };
        if idle && self.may_revive() {
            tracing::info!(%error, "the next hop did not wait for a message; connecting anew");
            return Failure::Died;
        }
        Failure::Told(self.failed(error))
    }

    /// Lets go of the session. Whether there may be another one.
    fn may_revive(&mut self) -> bool {
        self.session = None;
        !std::mem::replace(&mut self.revived, true)
    }

    /// In the middle of something, so that nothing but closing is left.
    fn too_slow(&mut self) -> Failure {
        tracing::warn!("a message could not be handed on within the deadline");
        self.session = None;
        Failure::Told(replies::too_slow())
    }

    /// No answer. What the client is told.
    fn failed(&mut self, error: &Error) -> Reply {
        if self.session.as_ref().is_some_and(Connection::is_usable) {
            // It was not even asked: the client wants what the next hop does not offer.
            tracing::debug!(%error, "not for the next hop");
        } else {
            tracing::warn!(%error, "the next hop failed");
            self.session = None;
        }
        replies::failed(error)
    }
}

/// DATA, the message, a last look at the client, and the dot.
async fn attempt(
    session: &mut Connection,
    content: &[&[u8]],
    times: Times,
    waiting: &mut impl Waiting,
    before_dot: impl FnOnce(),
) -> End {
    let pending = match timeout_at(times.until, session.data(content)).await {
        Ok(Ok(Ok(pending))) => pending,
        Ok(Ok(Err(reply))) => return End::Refused(reply),
        Ok(Err(error)) => return End::Broken(error),
        Err(_) => return End::TooSlow,
    };
    // The last moment: a client that has given up sends again what is delivered now.
    if !waiting.is_there().await {
        pending.abandon();
        return End::Gone;
    }
    before_dot();
    match timeout(times.data_done, pending.finish()).await {
        Ok(Ok(reply)) => End::Answered(reply),
        Ok(Err(error)) => End::Unanswered(error),
        Err(_) => End::Silent,
    }
}

/// What the next hop is told of the client: what the server in front has said of its client, or else what we see.
fn forwarded(peer: &Peer) -> Forwarded {
    if let Some(forwarded) = &peer.forwarded {
        return forwarded.clone();
    }
    let protocol = if peer.esmtp { "ESMTP" } else { "SMTP" };
    Forwarded {
        name: peer.name.clone(),
        address: peer
            .address
            .map(|address| address.ip().to_canonical().to_string()),
        port: peer.address.map(|address| address.port()),
        protocol: Some(protocol.to_owned()),
        helo: peer.helo.clone(),
        ident: None,
        source: Some("REMOTE".to_owned()),
    }
}
