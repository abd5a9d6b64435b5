//! Releasing held mail: handing it to the next hop, byte for byte, and recording what it said.

use smtp::next_hop::Pool;
use smtp::{
    Client, Delivery, Error, ErrorKind, MailCommand, Outcome, RcptCommand, Reply, Stage, Target,
};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use store::{EntryId, EntryState, ReleaseError, ReleaseRequest, Store};

/// Addresses from which this daemon is releasing mail right now.
///
/// The next hop is usually the very Postfix that asks this daemon's milter about the mail. The milter
/// lets a client through if its address and port are in here. An attacker cannot be: the port
/// belongs to the daemon's own socket for as long as it is registered. A header field, in
/// contrast, could be written by anybody.
#[derive(Debug, Clone, Default)]
pub(crate) struct OwnConnections {
    ports: Arc<Mutex<HashMap<SocketAddr, usize>>>,
}

/// Keeps an address registered.
#[derive(Debug)]
pub(crate) struct Registration {
    own: OwnConnections,
    address: SocketAddr,
}

impl OwnConnections {
    pub(crate) fn contains(&self, addr: IpAddr, port: u16) -> bool {
        self.lock()
            .contains_key(&SocketAddr::new(addr.to_canonical(), port))
    }

    fn register(&self, address: SocketAddr) -> Registration {
        let address = SocketAddr::new(address.ip().to_canonical(), address.port());
        *self.lock().entry(address).or_default() += 1;
        Registration {
            own: self.clone(),
            address,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<SocketAddr, usize>> {
        self.ports.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut ports = self.own.lock();
        if let Some(count) = ports.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                ports.remove(&self.address);
            }
        }
    }
}

/// Where mail is released to.
#[derive(Debug, Clone)]
pub(crate) enum Destination {
    /// A server on the network. Whoever it asks about the mail knows our connection by its address.
    Network(Target),
    /// A server on a unix socket.
    Socket(Target),
    /// A maildir.
    Maildir(Pool),
}

impl std::fmt::Display for Destination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Destination::Network(target) | Destination::Socket(target) => target.fmt(f),
            Destination::Maildir(pool) => pool.next_hop().fmt(f),
        }
    }
}

/// Who asks for a release, and of what kind it is.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) by: String,
    pub(crate) why: Option<String>,
    /// Instead of the held recipients, unless empty.
    pub(crate) rcpts: Vec<String>,
    /// Even if an earlier release may have reached the recipients.
    pub(crate) force: bool,
}

/// What became of a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Released {
    pub(crate) reply: String,
    pub(crate) queue_id: Option<String>,
}

/// Why an entry was not released. It is still held, or its state says otherwise.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    #[error(transparent)]
    State(#[from] ReleaseError),
    #[error("{entry}: {error}; it stays held")]
    NotTaken { entry: EntryId, error: Error },
    #[error(
        "{entry}: {error}; the recipients may have it: look for it there, and release it again \
         with --force if it did not arrive"
    )]
    Unknown { entry: EntryId, error: Error },
    #[error("{entry}: the next hop took it ({reply}), but that could not be journalled: {error}")]
    NotJournalled {
        entry: EntryId,
        reply: String,
        error: String,
    },
    #[error("{0}")]
    Unreadable(String),
}

/// Releases one entry.
pub(crate) async fn release(
    store: &Store,
    own: &OwnConnections,
    destination: &Destination,
    id: &EntryId,
    order: Order,
) -> Result<Released, Failed> {
    let (entry, message) = read(store, id).await?;
    let rcpts = if order.rcpts.is_empty() {
        entry.rcpts.clone()
    } else {
        order.rcpts
    };
    let request = ReleaseRequest {
        by: order.by,
        why: order.why,
        to: destination.to_string(),
        rcpts: rcpts.clone(),
        force: order.force,
    };
    // Journalled before the first octet is sent: after a crash it is known that the mail may be out.
    let ticket = store.start_release(id, request).await?;
    let delivery = Delivery::new(&entry.mail_from, &rcpts, &message);
    match deliver(own, destination, &delivery).await {
        Ok(released) => {
            let Released { reply, queue_id } = &released;
            match ticket.released(reply, queue_id.as_deref()).await {
                Ok(()) => Ok(released),
                Err(error) => Err(Failed::NotJournalled {
                    entry: id.clone(),
                    reply: released.reply,
                    error: error.to_string(),
                }),
            }
        }
        Err(error) => {
            let unknown = error.kind() == ErrorKind::Unknown;
            if let Err(error) = ticket.failed(&error.to_string(), unknown).await {
                tracing::error!(%id, %error, "a failed release cannot be journalled");
            }
            let entry = id.clone();
            Err(if unknown {
                Failed::Unknown { entry, error }
            } else {
                Failed::NotTaken { entry, error }
            })
        }
    }
}

async fn read(store: &Store, id: &EntryId) -> Result<(store::HeldEntry, Vec<u8>), Failed> {
    let (store, entry) = (store.clone(), id.clone());
    let read = tokio::task::spawn_blocking(move || {
        let found = store.entry(&entry).map_err(ReleaseError::from)?;
        let Some(found) = found else {
            return Err(ReleaseError::NotFound { entry });
        };
        // Its message is gone; that it was deleted says more.
        if let EntryState::Deleted { when, by, .. } = found.state {
            return Err(ReleaseError::Deleted { entry, when, by });
        }
        let message = store.entry_message(&entry).map_err(ReleaseError::from)?;
        Ok::<_, ReleaseError>((found.held, message))
    });
    match read.await {
        Ok(read) => Ok(read?),
        Err(error) => Err(Failed::Unreadable(format!("{id}: {error}"))),
    }
}

async fn deliver(
    own: &OwnConnections,
    destination: &Destination,
    delivery: &Delivery<'_>,
) -> Result<Released, Error> {
    let reply = match destination {
        Destination::Network(target) => {
            let client = Client::connect(target, |address| own.register(address)).await?;
            hand_over(client, delivery).await?.reply
        }
        Destination::Socket(target) => {
            let client = Client::open(target).await?;
            hand_over(client, delivery).await?.reply
        }
        Destination::Maildir(pool) => put_into(pool, delivery).await?,
    };
    Ok(Released {
        queue_id: reply.queue_id(),
        reply: reply.to_string(),
    })
}

/// Puts a mail into a maildir, for all of its recipients or for none.
async fn put_into(pool: &Pool, delivery: &Delivery<'_>) -> Result<Reply, Error> {
    let accepted = |stage, reply: Reply| {
        if reply.is_positive() {
            return Ok(reply);
        }
        let peer = pool.next_hop().to_string();
        Err(Error::Refused { peer, stage, reply })
    };
    let mut connection = pool.take().await?;
    let mail = MailCommand {
        path: delivery.mail_from.to_owned(),
        ..MailCommand::default()
    };
    accepted(Stage::MailFrom, connection.mail(&mail).await?)?;
    for rcpt in delivery.rcpts {
        let rcpt = RcptCommand {
            path: rcpt.clone(),
            ..RcptCommand::default()
        };
        accepted(Stage::RcptTo, connection.rcpt(&rcpt).await?)?;
    }
    match connection.data(&[delivery.message]).await? {
        Ok(pending) => accepted(Stage::EndOfData, pending.finish().await?),
        Err(reply) => accepted(Stage::Data, reply),
    }
}

async fn hand_over<G>(mut client: Client<G>, delivery: &Delivery<'_>) -> Result<Outcome, Error> {
    let outcome = client.deliver(delivery).await?;
    client.quit().await;
    Ok(outcome)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_our_own_only_while_it_is_registered() {
        let own = OwnConnections::default();
        let address: SocketAddr = "[::ffff:127.0.0.1]:4711".parse().expect("an address");
        let ip: IpAddr = "127.0.0.1".parse().expect("an address");
        let one = own.register(address);
        let two = own.register(address);
        assert!(own.contains(ip, 4711));
        assert!(!own.contains(ip, 4712));
        drop(one);
        assert!(own.contains(ip, 4711));
        drop(two);
        assert!(!own.contains(ip, 4711));
    }
}
