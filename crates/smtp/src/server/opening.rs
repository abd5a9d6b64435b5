//! The beginning of a connection: who is there, may it come in, does it wait to be greeted.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::admission::{ClientPlace, is_listed, listed_as};
use super::connection::{COMMAND_READ, End, Shared};
use super::dialogue::{Dialogue, Rights};
use super::proxy::{self, Proxied};
use super::replies;
use super::wire::Wire;
use crate::service::{Peer, Service};

/// How long a proxy may take to say who is there. It knows when it connects.
const PROXY_HEADER: Duration = Duration::from_secs(10);

/// Lets a client in and says its greeting, which is not yet written.
pub(super) async fn open<S: Service, T: AsyncRead + AsyncWrite + Unpin + Send>(
    wire: &mut Wire<T>,
    connected: Option<SocketAddr>,
    shared: &Arc<Shared<S>>,
) -> Result<(Dialogue, S::Session, Option<ClientPlace>), End> {
    let shutdown = shared.draining.clone();
    tokio::select! {
        biased;
        () = shutdown.cancelled() => Err(End::Shutdown),
        opened = open_in_peace(wire, connected, shared) => opened,
    }
}

async fn open_in_peace<S: Service, T: AsyncRead + AsyncWrite + Unpin + Send>(
    wire: &mut Wire<T>,
    connected: Option<SocketAddr>,
    shared: &Arc<Shared<S>>,
) -> Result<(Dialogue, S::Session, Option<ClientPlace>), End> {
    let options = &shared.options;
    // A socket for both kinds of addresses writes IPv4 ones as IPv6.
    let connected =
        connected.map(|address| SocketAddr::new(address.ip().to_canonical(), address.port()));
    let mut peer = Peer {
        address: connected,
        connected,
        ..Peer::default()
    };
    if is_listed(&options.proxy_hosts, listed_as(connected)) {
        let header = timeout(PROXY_HEADER, read_header(wire)).await;
        match header.map_err(|_| End::NoHeader)?? {
            Proxied::From(address) => peer.address = Some(address),
            Proxied::Unknown => {}
        }
    }
    let address = listed_as(peer.address);
    let place = shared.admission.admit(address, options).map_err(End::Say)?;
    if !is_listed(&options.trusted, address) {
        watch(wire, options.greet_wait).await?;
    }
    let session = shared.session(&peer).map_err(End::Say)?;
    wire.say(&replies::greeting(&options.hostname));
    // Rights are those of the host that has connected: what it says of others gives it none.
    let rights = Rights {
        xclient: is_listed(&options.xclient_hosts, address),
        xforward: is_listed(&options.xforward_hosts, address),
    };
    let dialogue = Dialogue::new(Arc::clone(options), shared.service.offer(), rights, peer);
    Ok((dialogue, session, place))
}

async fn read_header<T: AsyncRead + AsyncWrite + Unpin + Send>(
    wire: &mut Wire<T>,
) -> Result<Proxied, End> {
    loop {
        if let Some(proxied) = proxy::take(&mut wire.buffer).map_err(|_| End::NoHeader)? {
            return Ok(proxied);
        }
        if wire.read(COMMAND_READ).await.map_err(End::Lost)? == 0 {
            return Err(End::NoHeader);
        }
    }
}

/// Waits whether the client talks before it is greeted. Programs that only send mail nobody asked for often do not
/// wait.
async fn watch<T: AsyncRead + AsyncWrite + Unpin + Send>(
    wire: &mut Wire<T>,
    wait: Duration,
) -> Result<(), End> {
    if !wire.buffer.is_empty() {
        return Err(End::Say(replies::talks_first()));
    }
    match timeout(wait, wire.read(COMMAND_READ)).await {
        Err(_) => Ok(()),
        Ok(Ok(0)) => Err(End::Left),
        Ok(Ok(_)) => Err(End::Say(replies::talks_first())),
        Ok(Err(error)) => Err(End::Lost(error)),
    }
}
