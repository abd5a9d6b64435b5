//! The before-queue relay: a server session on one side, a next hop on the other, and a [`Filter`] between them.
//!
//! The relay keeps no queue. Responsibility for a message passes straight from the client to the next hop: the
//! client hears to its final dot what the next hop says to it. What goes wrong leaves the message with the client,
//! who tries again:
//!
//! | what happens | what the client hears | what the next hop got |
//! |---|---|---|
//! | the next hop cannot be reached, or fails before the final dot | 451 | nothing |
//! | it refuses MAIL, a recipient, DATA or the message | the same, word by word | nothing |
//! | it ends the session with 421 | 451 | nothing |
//! | the client goes away before the final dot is sent on | – | nothing: closed without dot |
//! | the filter or the next hop is too slow ([`RelayOptions::dot_deadline`]) | 451 | nothing |
//! | the next hop breaks off, or is silent, after the final dot | 451 | perhaps the message |
//! | the client breaks off after the final dot was sent on | – | the message |
//!
//! In the last two cases the client sends again what may have been delivered, and it arrives twice. Nothing without
//! a queue can avoid it. It is bounded: one message per connection, in the time between the next hop's last byte and
//! ours. That time is kept short by asking whether the client still waits right before the dot, and by never sending
//! it later than `dot_deadline` after the end of the message came in: RFC 5321 (4.5.3.2.6) has clients wait 600 s,
//! Postfix as a proxy client waits 100 s.
//!
//! What every message became is told to the filter ([`Filter::answered`]) with the answers of both sides as they were.

mod content;
mod downstream;
mod filter;
mod head;
mod owed;
mod recipient;
mod replies;
mod session;

use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

pub use filter::{Action, Answered, Decision, Filter, HeaderEdits, Mail, NextHopAnswer};
pub use head::{HeadField, Received, head_fields, received_field};
pub use recipient::{RelayDomainError, RelayDomains};
pub use session::RelaySession;

use crate::next_hop::Pool;
use crate::reply::Reply;
use crate::service::{Offer, Peer, Service};

/// What a relay may do.
#[derive(Clone, Debug)]
pub struct RelayOptions {
    /// Domains that anybody may send to.
    pub relay_domains: RelayDomains,
    /// Clients that may send to any domain, by the address of their connection or what PROXY or XCLIENT say in its
    /// place. A client without address, such as one on a unix socket, is none of them.
    pub relay_clients: Vec<IpNet>,
    /// The latest time for the final dot to the next hop, counted from the end of the client's message: scanning and
    /// handing on together. Default 80 s, below the 100 s that Postfix waits for a proxy filter.
    pub dot_deadline: Duration,
    /// How long the next hop may take to answer the final dot. To give up earlier than the client does is what
    /// delivers a message twice. Default 300 s: with `dot_deadline` below the 600 s that RFC 5321 (4.5.3.2.6) has a
    /// client wait. Postfix as a proxy client waits 100 s for both together, and nothing here can change that.
    pub data_done: Duration,
}

impl RelayOptions {
    /// The longest time between the end of a message and the relay's answer to it.
    /// [`ServerOptions::message_deadline`] must not be shorter: it would cut off deliveries, and their outcome would be
    /// unknown.
    ///
    /// [`ServerOptions::message_deadline`]: crate::server::ServerOptions::message_deadline
    #[must_use]
    pub fn message_deadline(&self) -> Duration {
        /// For what is done between the two waits.
        const MARGIN: Duration = Duration::from_secs(5);
        self.dot_deadline + self.data_done + MARGIN
    }
}

impl Default for RelayOptions {
    fn default() -> Self {
        Self {
            relay_domains: RelayDomains::default(),
            relay_clients: Vec::new(),
            dot_deadline: Duration::from_secs(80),
            data_done: Duration::from_secs(300),
        }
    }
}

/// A [`Service`] that hands messages on.
pub struct Relay<F: Filter> {
    shared: Arc<Shared<F>>,
}

/// What all sessions have in common.
struct Shared<F> {
    filter: Arc<F>,
    next_hop: Pool,
    options: RelayOptions,
}

impl<F: Filter> Relay<F> {
    /// Between clients and `next_hop`, with `filter` to decide.
    pub fn new(filter: Arc<F>, next_hop: Pool, options: RelayOptions) -> Self {
        Self {
            shared: Arc::new(Shared {
                filter,
                next_hop,
                options,
            }),
        }
    }
}

impl<F: Filter> Service for Relay<F> {
    type Session = RelaySession<F>;

    fn offer(&self) -> Offer {
        self.shared.next_hop.offer()
    }

    fn session(&self, _: &Peer) -> Result<Self::Session, Reply> {
        Ok(RelaySession::new(Arc::clone(&self.shared)))
    }
}
