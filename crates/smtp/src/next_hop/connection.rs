//! One conversation with the next hop, whatever kind it is.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout};
use tracing::debug;

use super::Kind;
use super::maildir;
use super::pool::Shared;
use crate::client::{self, Client, Extensions, Protocol};
use crate::error::Error;
use crate::reply::Reply;
use crate::service::{Forwarded, MailCommand, RcptCommand};

/// The server closes the connection (RFC 5321, 3.8).
const CLOSING: u16 = 421;

/// How long RSET may take when a session is given back: nobody waits for it, but somebody may wait for the place.
const RESET_LIMIT: Duration = Duration::from_secs(5);

/// A connection to the next hop. The steps and what they give are those of [`Client`].
///
/// When it is dropped outside a transaction its session is kept for the next one. In whatever other state the
/// session is closed.
///
/// A session that was kept may have died in the meantime. Its first command is therefore
/// repeated, once, in a new session if it fails: nothing was promised to anybody by then.
pub struct Connection {
    session: Session,
    pool: Arc<Shared>,
    _permit: OwnedSemaphorePermit,
}

pub(super) enum Session {
    Server(Server),
    Maildir(maildir::Session),
}

pub(super) struct Server {
    /// None when it failed and no other one could be had.
    client: Option<Client>,
    born: Instant,
    /// Whether it was kept, and nothing has been said in it since.
    unproven: bool,
}

impl Server {
    pub(super) fn kept(client: Client, born: Instant) -> Self {
        Self {
            client: Some(client),
            born,
            unproven: true,
        }
    }

    pub(super) fn new(client: Client) -> Self {
        Self {
            client: Some(client),
            born: Instant::now(),
            unproven: false,
        }
    }
}

impl Connection {
    pub(super) fn new(session: Session, pool: Arc<Shared>, permit: OwnedSemaphorePermit) -> Self {
        Self {
            session,
            pool,
            _permit: permit,
        }
    }

    /// What the next hop offers in this session.
    #[must_use]
    pub fn offers(&self) -> Extensions {
        match &self.session {
            Session::Server(server) => server
                .client
                .as_ref()
                .map(Client::offers)
                .unwrap_or_default(),
            Session::Maildir(_) => maildir::OFFERS,
        }
    }

    /// What the next hop speaks. A maildir takes a message for all of its recipients at once, like SMTP.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        match &self.session {
            Session::Server(Server {
                client: Some(client),
                ..
            }) => client.protocol(),
            _ => Protocol::Smtp,
        }
    }

    /// Whether anything can be asked of the next hop, as far as is known.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        match &self.session {
            Session::Server(server) => server.client.as_ref().is_some_and(Client::is_usable),
            Session::Maildir(_) => true,
        }
    }

    /// As [`Client::xforward`]. It is to be said before each MAIL if it is said at all: what it says stays
    /// true for the session.
    ///
    /// # Errors
    /// As [`Client::xforward`], and those of a new session.
    pub async fn xforward(&mut self, client: &Forwarded) -> Result<Option<Reply>, Error> {
        let Session::Server(server) = &mut self.session else {
            return Ok(None);
        };
        let said = open(server, &self.pool)?.xforward(client).await;
        if let Ok(None) = said {
            // Nothing was sent, so that nothing is proven.
            return said;
        }
        let died = match &said {
            Ok(reply) => reply.as_ref().is_some_and(|reply| reply.code == CLOSING),
            Err(_) => true,
        };
        match renewed(server, &self.pool, died).await? {
            Some(session) => session.xforward(client).await,
            None => said,
        }
    }

    /// As [`Client::mail`].
    ///
    /// # Errors
    /// As [`Client::mail`], and those of a new session.
    pub async fn mail(&mut self, mail: &MailCommand) -> Result<Reply, Error> {
        let server = match &mut self.session {
            Session::Server(server) => server,
            Session::Maildir(session) => return session.mail(mail),
        };
        let session = open(server, &self.pool)?;
        let said = session.mail(mail).await;
        let died = match &said {
            Ok(reply) => reply.code == CLOSING,
            // It could not be sent, so that nothing is proven.
            Err(_) if session.is_usable() => return said,
            Err(_) => true,
        };
        match renewed(server, &self.pool, died).await? {
            Some(session) => session.mail(mail).await,
            None => said,
        }
    }

    /// As [`Client::rcpt`]. LMTP answers for each recipient on its own, and whoever relays SMTP has only one answer to
    /// give: there a second recipient is told to come back.
    ///
    /// # Errors
    /// As [`Client::rcpt`].
    pub async fn rcpt(&mut self, rcpt: &RcptCommand) -> Result<Reply, Error> {
        match &mut self.session {
            Session::Server(server) => {
                let client = open(server, &self.pool)?;
                if client.protocol() == Protocol::Lmtp && client.accepted() > 0 {
                    return Ok(Reply::new(452, "4.5.3", "One recipient at a time, please"));
                }
                client.rcpt(rcpt).await
            }
            Session::Maildir(session) => session.rcpt(rcpt),
        }
    }

    /// As [`Client::reset`].
    ///
    /// # Errors
    /// As [`Client::reset`].
    pub async fn reset(&mut self) -> Result<Reply, Error> {
        match &mut self.session {
            Session::Server(server) => open(server, &self.pool)?.reset().await,
            Session::Maildir(session) => Ok(session.reset()),
        }
    }

    /// As [`Client::data`]. A maildir has written the message to its `tmp` then.
    ///
    /// # Errors
    /// As [`Client::data`].
    pub async fn data(&mut self, slices: &[&[u8]]) -> Result<Result<Pending<'_>, Reply>, Error> {
        Ok(match &mut self.session {
            Session::Server(server) => {
                let pending = open(server, &self.pool)?.data(slices).await?;
                pending.map(|pending| Pending(Message::Server(pending)))
            }
            Session::Maildir(session) => {
                let pending = session.data(slices).await?;
                pending.map(|pending| Pending(Message::Maildir(pending)))
            }
        })
    }

    /// Gives the connection back, out of a transaction if it is in one. Dropping it there would close the session.
    pub async fn give_back(mut self) {
        let Session::Server(Server {
            client: Some(client),
            ..
        }) = &mut self.session
        else {
            return;
        };
        if client.is_usable() && client.in_transaction() {
            let reset = timeout(RESET_LIMIT, client.reset()).await;
            debug!(?reset, "gave up a transaction with the next hop");
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Session::Server(server) = &mut self.session
            && let Some(client) = server.client.take()
        {
            self.pool.keep(client, server.born);
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Connection");
        match &self.session {
            Session::Server(server) => shown.field("client", &server.client),
            Session::Maildir(session) => shown.field("maildir", session),
        };
        shown.finish_non_exhaustive()
    }
}

/// A message that the next hop has up to its final dot, or that stands in the `tmp` of a maildir. Dropping it gives
/// it up.
#[derive(Debug)]
#[must_use = "dropping it gives the message up"]
pub struct Pending<'c>(Message<'c>);

#[derive(Debug)]
enum Message<'c> {
    Server(client::Pending<'c>),
    Maildir(maildir::Pending<'c>),
}

impl Pending<'_> {
    /// Sends the final dot and gives the next hop's answer, as [`client::Pending::finish`] does. A maildir has the
    /// message in its `new`, on disk, when it says 250.
    ///
    /// # Errors
    /// As [`client::Pending::finish`].
    pub async fn finish(self) -> Result<Reply, Error> {
        match self.0 {
            Message::Server(pending) => pending.finish().await,
            Message::Maildir(pending) => pending.finish().await,
        }
    }

    /// Gives the message up, as dropping does.
    pub fn abandon(self) {}
}

fn open<'s>(server: &'s mut Server, pool: &Shared) -> Result<&'s mut Client, Error> {
    server.client.as_mut().ok_or_else(|| Error::Ended {
        peer: pool.next_hop().to_string(),
    })
}

/// A new session in place of one that was kept and died before its first command was answered.
async fn renewed<'s>(
    server: &'s mut Server,
    pool: &Shared,
    died: bool,
) -> Result<Option<&'s mut Client>, Error> {
    let unproven = std::mem::replace(&mut server.unproven, false);
    let Kind::Server(target) = &pool.next_hop().0 else {
        return Ok(None);
    };
    if !(unproven && died) {
        return Ok(None);
    }
    debug!(next_hop = %target, "a session that was kept has died; connecting anew");
    server.client = None;
    let client = pool.connect(target).await?;
    server.born = Instant::now();
    Ok(Some(server.client.insert(client)))
}
