//! The client session: connect, introduce, deliver, quit.

pub(crate) mod command;
mod content;
mod delivery;
mod dial;
mod extensions;
mod opening;
mod target;
mod transaction;
mod wire;

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use tracing::debug;

pub(crate) use content::Content;
pub use content::{BareLineEnds, MessageError};
pub use delivery::{Delivery, Outcome, Recipient};
pub use extensions::{Extensions, XforwardAttributes};
pub use target::{Protocol, Target, TargetError, Timeouts};
pub use transaction::Pending;
pub use wire::Stream;

use crate::error::{Error, Stage};
use crate::service::Tls;
use crate::tls::{TlsClient, TlsLevel};
use dial::{dial, dial_registered};
use opening::{Opened, open};
use wire::Wire;

/// How long QUIT waits for its reply: the mail is delivered, the rest is manners.
const QUIT_LIMIT: Duration = Duration::from_secs(5);

/// A session with a server, good for any number of mails one after the other: as a whole with
/// [`Client::deliver`], or step by step.
///
/// `G` is what the caller tied to the local address of the connection ([`Client::connect`]).
pub struct Client<G = ()> {
    // Declared first, hence dropped first: the address must not be registered any more when the
    // port becomes free for somebody else.
    guard: G,
    wire: Wire,
    protocol: Protocol,
    timeouts: Timeouts,
    extensions: Extensions,
    tls: Option<Tls>,
    /// Recipients that the server has accepted in the transaction, if there is one.
    accepted: Option<usize>,
}

impl Client {
    /// Connects over TCP or to a unix socket, waits for the greeting, says EHLO (or HELO to a server that refuses
    /// EHLO; LHLO for LMTP) and begins TLS as far as the target says.
    ///
    /// # Errors
    ///
    /// [`Error::Io`], [`Error::Timeout`], [`Error::Protocol`] or [`Error::Refused`], with the stage
    /// connection, greeting, EHLO or STARTTLS; [`Error::Tls`], [`Error::TlsNotOffered`].
    pub async fn open(target: &Target) -> Result<Self, Error> {
        let stream = dial(target).await?;
        match Self::begin(stream, target, ()).await {
            Err(error) if is_optional(target, &error) => {
                let target = in_clear(target, &error);
                Self::begin(dial(&target).await?, &target, ()).await
            }
            result => result,
        }
    }
}

impl<G> Client<G> {
    /// Like [`Client::open`], for a server that is asked over TCP.
    ///
    /// Before the connection is made, `register` is told the local address and port it will come from.
    /// A milter behind that server can so recognise our own connection from its first event. What
    /// `register` returns is kept for as long as the session and dropped before the port is freed.
    /// It is called once for every address of the host that is tried. (A translating firewall in between
    /// would show the server another address.)
    ///
    /// # Errors
    ///
    /// As [`Client::open`].
    pub async fn connect(
        target: &Target,
        mut register: impl FnMut(SocketAddr) -> G,
    ) -> Result<Self, Error> {
        let (stream, guard) = dial_registered(target, &mut register).await?;
        match Self::begin(stream, target, guard).await {
            Err(error) if is_optional(target, &error) => {
                let target = in_clear(target, &error);
                let (stream, guard) = dial_registered(&target, register).await?;
                Self::begin(stream, &target, guard).await
            }
            result => result,
        }
    }

    /// Like [`Client::connect`] on a stream that is connected already; `target` gives the name to say,
    /// the timeouts, TLS, and the server's name in errors.
    ///
    /// # Errors
    ///
    /// As [`Client::connect`], without the stage connection. Here [`Error::Tls`] comes with [`TlsLevel::May`], too.
    pub async fn start(
        stream: impl Stream + 'static,
        target: &Target,
        guard: G,
    ) -> Result<Self, Error> {
        Self::begin(Box::new(stream), target, guard).await
    }

    /// What the server offers, in TLS if there is TLS.
    #[must_use]
    pub fn offers(&self) -> Extensions {
        self.extensions
    }

    /// What the server speaks.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// TLS of the connection.
    #[must_use]
    pub fn tls(&self) -> Option<&Tls> {
        self.tls.as_ref()
    }

    /// Whether anything can be asked of the server, as far as is known.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        !self.wire.ended()
    }

    /// Whether a transaction is open: after MAIL, before the final dot or RSET.
    #[must_use]
    pub fn in_transaction(&self) -> bool {
        self.accepted.is_some()
    }

    /// Recipients that the server has accepted in this transaction.
    #[must_use]
    pub fn accepted(&self) -> usize {
        self.accepted.unwrap_or_default()
    }

    /// Without waiting: whether the server still says nothing that nobody asked for, and has not closed the connection.
    pub(crate) async fn is_silent(&mut self) -> bool {
        let limit = self.timeouts.command;
        let silence = self.wire.expect_silence(Stage::MailFrom, limit).await;
        silence.is_ok() && self.is_usable()
    }

    /// Ends the session politely, if it is still in order. Whatever the server answers is of no interest.
    pub async fn quit(mut self) {
        if self.is_usable() {
            let limit = self.timeouts.command.min(QUIT_LIMIT);
            if let Err(error) = self.wire.command(Stage::Quit, "QUIT\r\n", limit).await {
                debug!(%error, "QUIT not answered");
            }
        }
    }

    /// What `register` returned in [`Client::connect`].
    pub fn guard(&self) -> &G {
        &self.guard
    }

    async fn begin(stream: Box<dyn Stream>, target: &Target, guard: G) -> Result<Self, Error> {
        let Opened {
            wire,
            extensions,
            tls,
        } = open(stream, target).await?;
        Ok(Self {
            guard,
            wire,
            protocol: target.protocol(),
            timeouts: target.timeouts,
            extensions,
            tls,
            accepted: None,
        })
    }
}

impl<G> fmt::Debug for Client<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("peer", &self.wire.peer())
            .field("extensions", &self.extensions)
            .field("tls", &self.tls)
            .field("usable", &self.is_usable())
            .finish_non_exhaustive()
    }
}

/// Whether the session may go without the TLS that did not come about.
fn is_optional(target: &Target, error: &Error) -> bool {
    target.tls().level() == TlsLevel::May && matches!(error, Error::Tls { .. })
}

fn in_clear(target: &Target, error: &Error) -> Target {
    debug!(%error, "no TLS, once more in clear");
    target.clone().with_tls(TlsClient::none())
}
