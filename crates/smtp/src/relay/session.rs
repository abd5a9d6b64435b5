//! One client's connection to the relay.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use intake::{Message, caught};
use tokio::time::{Instant, sleep_until};

use super::content::slices;
use super::downstream::{Downstream, Times};
use super::filter::{Action, Filter, HeaderEdits, Mail};
use super::owed::Owed;
use super::recipient::{self, Refusal};
use super::{Shared, replies};
use crate::reply::Reply;
use crate::service::{MailCommand, Peer, RcptCommand, Session, Waiting};

/// A [`Session`](crate::Session) that stands between a client and a next hop.
pub struct RelaySession<F: Filter> {
    relay: Arc<Shared<F>>,
    /// The transaction, from MAIL on.
    downstream: Option<Downstream>,
    /// A decision whose reply is not yet written.
    owed: Option<Owed<F>>,
}

/// A message that is to be handed on.
struct Pass {
    message: Arc<[u8]>,
    edits: HeaderEdits,
    withheld: Vec<usize>,
}

impl<F: Filter> RelaySession<F> {
    pub(super) fn new(relay: Arc<Shared<F>>) -> Self {
        Self {
            relay,
            downstream: None,
            owed: None,
        }
    }

    /// The filter's decision, or what is said instead of one.
    async fn decision(
        &mut self,
        mail: Mail,
        until: Instant,
        waiting: &mut impl Waiting,
    ) -> Result<Action, Reply> {
        let filter = Arc::clone(&self.relay.filter);
        let asked = {
            let filter = &filter;
            // Within a future of our own, so that a panic before the first `await` is caught as well.
            caught(async move { filter.message(mail).await })
        };
        let decision = tokio::select! {
            biased;
            decision = asked => decision,
            () = waiting.gone() => {
                tracing::info!("the client went away before its message was decided on");
                return Err(replies::gone());
            }
            () = sleep_until(until) => {
                tracing::warn!("no decision on a message within the deadline");
                return Err(replies::too_slow());
            }
        };
        let Some(decision) = decision else {
            tracing::error!("the filter panicked at a message");
            return Err(replies::internal());
        };
        self.owed = Some(Owed::new(filter, decision.ticket));
        Ok(decision.action)
    }

    /// Hands a message on, unless somebody objects before the final dot.
    async fn pass(&mut self, pass: Pass, times: Times, waiting: &mut impl Waiting) -> Reply {
        let (Some(downstream), Some(owed)) = (self.downstream.as_mut(), self.owed.as_mut()) else {
            // The server asks in order; if it did not, the mail would have to stay with the client.
            return replies::internal();
        };
        let content = match slices(&pass.message, &pass.edits) {
            Ok(content) => content,
            Err(error) => {
                tracing::error!(%error, "the filter asks for changes that are none");
                return replies::internal();
            }
        };
        let answer = &mut owed.next_hop;
        downstream
            .deliver(&content, &pass.withheld, times, waiting, answer)
            .await
    }

    /// What a cheap question of the filter says, or that it panicked.
    fn ask(&self, question: impl FnOnce(&F) -> Option<Reply>) -> Option<Reply> {
        catch_unwind(AssertUnwindSafe(|| question(&self.relay.filter))).unwrap_or_else(|_| {
            tracing::error!("the filter panicked");
            Some(replies::internal())
        })
    }

    fn may_receive(&self, peer: &Peer, path: &str) -> Result<(), Reply> {
        let options = &self.relay.options;
        if recipient::is_relay_client(peer, &options.relay_clients) {
            return Ok(());
        }
        recipient::check(path, &options.relay_domains).map_err(|refusal| match refusal {
            Refusal::Syntax => replies::bad_recipient(),
            Refusal::NotRelayed => replies::not_relayed(),
        })
    }

    /// Ends the transaction on the other side.
    async fn close(&mut self) {
        if let Some(downstream) = self.downstream.take() {
            downstream.close().await;
        }
    }
}

impl<F: Filter> Session for RelaySession<F> {
    async fn mail(&mut self, peer: &Peer, mail: &MailCommand) -> Reply {
        self.close().await;
        if let Some(refusal) = self.ask(|filter| filter.mail(peer, mail)) {
            return refusal;
        }
        match Downstream::open(&self.relay.next_hop, peer, mail).await {
            Ok((downstream, reply)) => {
                self.downstream = Some(downstream);
                reply
            }
            Err(reply) => reply,
        }
    }

    async fn rcpt(&mut self, peer: &Peer, rcpt: &RcptCommand) -> Reply {
        if let Err(refusal) = self.may_receive(peer, &rcpt.path) {
            return refusal;
        }
        if let Some(refusal) = self.ask(|filter| filter.rcpt(peer, &rcpt.path)) {
            return refusal;
        }
        match self.downstream.as_mut() {
            Some(downstream) => downstream.rcpt(rcpt).await,
            None => replies::internal(),
        }
    }

    async fn message(
        &mut self,
        peer: &Peer,
        message: Message,
        waiting: &mut impl Waiting,
    ) -> Reply {
        let options = &self.relay.options;
        let times = Times {
            until: Instant::now() + options.dot_deadline,
            data_done: options.data_done,
        };
        let Some(downstream) = self.downstream.as_ref() else {
            return replies::internal();
        };
        let mail = Mail {
            peer: peer.clone(),
            mail: downstream.mail().clone(),
            rcpts: downstream.rcpts().map(str::to_owned).collect(),
            message,
        };
        match self.decision(mail, times.until, waiting).await {
            Err(reply) => reply,
            Ok(Action::Pass {
                message,
                edits,
                withheld,
            }) => {
                let pass = Pass {
                    message,
                    edits,
                    withheld,
                };
                self.pass(pass, times, waiting).await
            }
            Ok(Action::Take(reply)) if reply.is_positive() => reply,
            Ok(Action::Refuse(reply)) if reply.is_temporary() || reply.is_permanent() => reply,
            Ok(Action::Take(reply) | Action::Refuse(reply)) => {
                tracing::error!(%reply, "the filter gives a reply that contradicts its action");
                replies::internal()
            }
        }
    }

    async fn answered(&mut self, reply: &Reply, written: bool) {
        if let Some(owed) = self.owed.take() {
            owed.settle(reply.clone(), written).await;
        }
        self.close().await;
    }

    async fn reset(&mut self) {
        self.close().await;
    }
}
