//! Who may speak to the next hop, and the sessions that wait for their next transaction.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until, timeout};
use tracing::debug;

use super::connection::{Connection, Server, Session};
use super::maildir;
use super::{Kind, NextHop};
use crate::client::{Client, Extensions, Target};
use crate::error::Error;
use crate::service::Offer;

/// How long a session is used at most, whatever it does. A server that is restarted, or moved behind its name, so loses
/// the last session that knows it as it was; Postfix has the same limit (`smtp_connection_reuse_time_limit`).
const MAX_AGE: Duration = Duration::from_secs(300);

/// How much a [`Pool`] may have of everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolLimits {
    /// Connections at the same time. Default 100, as many as Postfix runs processes of one service.
    pub sessions: usize,
    /// How long one waits for a connection when all are taken. Default 10 s.
    pub wait: Duration,
    /// Sessions that are kept for the next transaction. Default 20.
    pub idle: usize,
    /// How long they are kept. Default 30 s; servers wait for minutes.
    pub idle_time: Duration,
}

impl Default for PoolLimits {
    fn default() -> Self {
        Self {
            sessions: 100,
            wait: Duration::from_secs(10),
            idle: 20,
            idle_time: Duration::from_secs(30),
        }
    }
}

/// Gives out connections to one next hop. Cheap to clone; clones are the same pool.
#[derive(Clone, Debug)]
pub struct Pool(Arc<Shared>);

#[derive(Debug)]
pub(super) struct Shared {
    next_hop: NextHop,
    limits: PoolLimits,
    permits: Arc<Semaphore>,
    idle: Mutex<Idle>,
    offered: Mutex<Option<Extensions>>,
}

#[derive(Debug, Default)]
struct Idle {
    /// Those that wait longest first.
    sessions: VecDeque<Waiting>,
    /// Whether a task runs that ends them in time.
    reaped: bool,
}

#[derive(Debug)]
struct Waiting {
    client: Client,
    born: Instant,
    until: Instant,
}

impl Pool {
    /// A pool without any session yet.
    #[must_use]
    pub fn new(next_hop: NextHop, limits: PoolLimits) -> Self {
        let permits = limits.sessions.clamp(1, Semaphore::MAX_PERMITS);
        Self(Arc::new(Shared {
            next_hop,
            limits,
            permits: Arc::new(Semaphore::new(permits)),
            idle: Mutex::default(),
            offered: Mutex::default(),
        }))
    }

    /// The next hop.
    #[must_use]
    pub fn next_hop(&self) -> &NextHop {
        &self.0.next_hop
    }

    /// A connection for a transaction: one that was used before, if there is one, else a new one.
    ///
    /// # Errors
    /// [`Error::Busy`], or as [`Client::open`]. It takes no longer than [`PoolLimits::wait`] and the server's
    /// [`Timeouts`](crate::Timeouts) to its greeting.
    pub async fn take(&self) -> Result<Connection, Error> {
        let permit = self.permit().await?;
        let session = match &self.0.next_hop.0 {
            Kind::Maildir(maildir) => Session::Maildir(maildir.session()),
            Kind::Server(target) => match self.0.waiting().await {
                Some((client, born)) => Session::Server(Server::kept(client, born)),
                None => Session::Server(Server::new(self.0.connect(target).await?)),
            },
        };
        Ok(Connection::new(session, self.0.clone(), permit))
    }

    /// Asks the next hop what it offers. A maildir is made if it is not there.
    ///
    /// # Errors
    /// As [`Pool::take`]; [`Error::Io`] if the maildir cannot be made.
    pub async fn probe(&self) -> Result<Extensions, Error> {
        if let Kind::Maildir(maildir) = &self.0.next_hop.0 {
            maildir.make().await?;
        }
        Ok(self.take().await?.offers())
    }

    /// What the next hop offered when it was last asked; none if it never answered. A maildir takes everything that
    /// changes nothing for it.
    #[must_use]
    pub fn offered(&self) -> Option<Extensions> {
        match &self.0.next_hop.0 {
            Kind::Maildir(_) => Some(maildir::OFFERS),
            Kind::Server(_) => *lock(&self.0.offered),
        }
    }

    /// What a server in front of the next hop may offer in its turn. While nothing is known that is what does no harm
    /// if it turns out to be missing: 8-bit content is sent as it is in any case.
    #[must_use]
    pub fn offer(&self) -> Offer {
        match self.offered() {
            Some(offered) => Offer {
                eight_bit_mime: offered.eight_bit_mime,
                dsn: offered.dsn,
                smtp_utf8: offered.smtp_utf8,
            },
            None => Offer {
                eight_bit_mime: true,
                dsn: false,
                smtp_utf8: false,
            },
        }
    }

    async fn permit(&self) -> Result<OwnedSemaphorePermit, Error> {
        let after = self.0.limits.wait;
        let permit = timeout(after, self.0.permits.clone().acquire_owned()).await;
        // The semaphore is never closed.
        match permit {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(Error::Busy {
                peer: self.0.next_hop.to_string(),
                after,
            }),
        }
    }
}

impl Shared {
    pub(super) fn next_hop(&self) -> &NextHop {
        &self.next_hop
    }

    pub(super) async fn connect(&self, target: &Target) -> Result<Client, Error> {
        let client = Client::open(target).await?;
        *lock(&self.offered) = Some(client.offers());
        Ok(client)
    }

    /// The session that has waited least, if it has nothing against it.
    async fn waiting(&self) -> Option<(Client, Instant)> {
        loop {
            let Waiting {
                mut client,
                born,
                until,
            } = lock(&self.idle).sessions.pop_back()?;
            if until > Instant::now() && client.is_silent().await {
                return Some((client, born));
            }
            debug!(?client, "a session did not last until it was needed");
        }
    }

    /// Keeps a session for the next transaction, if it may be used again.
    pub(super) fn keep(self: &Arc<Self>, client: Client, born: Instant) {
        let now = Instant::now();
        let clean = client.is_usable() && !client.in_transaction();
        // Outside a runtime nobody would end it in time.
        let runtime = tokio::runtime::Handle::try_current();
        let (true, true, Ok(runtime)) = (clean, now < born + MAX_AGE, runtime) else {
            return;
        };
        let mut idle = lock(&self.idle);
        if idle.sessions.len() >= self.limits.idle {
            return;
        }
        let until = now + self.limits.idle_time;
        idle.sessions.push_back(Waiting {
            client,
            born,
            until,
        });
        if !std::mem::replace(&mut idle.reaped, true) {
            runtime.spawn(reap(Arc::downgrade(self), until));
        }
    }

    /// The sessions whose time is over, and when that of the next one is.
    fn expired(&self) -> (Vec<Client>, Option<Instant>) {
        let now = Instant::now();
        let mut idle = lock(&self.idle);
        let over = idle
            .sessions
            .partition_point(|waiting| waiting.until <= now);
        let expired = idle.sessions.drain(..over).map(|waiting| waiting.client);
        let expired = expired.collect();
        let next = idle.sessions.front().map(|waiting| waiting.until);
        idle.reaped = next.is_some();
        (expired, next)
    }
}

/// Says QUIT in sessions that nobody needs any more, until there are none.
async fn reap(shared: Weak<Shared>, first: Instant) {
    let mut next = Some(first);
    while let Some(until) = next {
        sleep_until(until).await;
        let Some(shared) = shared.upgrade() else {
            return;
        };
        let expired;
        (expired, next) = shared.expired();
        drop(shared);
        for client in expired {
            // Each on its own: a server that is slow to say good-bye must not keep the others waiting.
            tokio::spawn(client.quit());
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing is left half-done under these locks.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
