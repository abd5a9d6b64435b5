//! Opening the connection from an address that is known before the first packet leaves.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::time::timeout;
use tracing::debug;

use crate::error::{Error, Stage};
use crate::target::Target;

/// Addresses of one host name that are tried, one after the other.
const MAX_ADDRESSES: usize = 8;

/// Connects to the first address of the target that answers. `register` is told the local address of
/// every attempt before its connection is made; what it returned for a failed attempt is dropped.
pub(crate) async fn dial<G>(
    target: &Target,
    mut register: impl FnMut(SocketAddr) -> G,
) -> Result<(TcpStream, G), Error> {
    let limit = target.timeouts.connect;
    let failed = |source| Error::Io {
        peer: target.to_string(),
        stage: Stage::Connect,
        source,
    };
    let late = || Error::Timeout {
        peer: target.to_string(),
        stage: Stage::Connect,
        after: limit,
    };

    let addresses = timeout(limit, lookup_host((target.host(), target.port())))
        .await
        .map_err(|_| late())?
        .map_err(failed)?;
    let mut last = failed(io::Error::new(
        io::ErrorKind::NotFound,
        "the host has no address",
    ));
    for address in addresses.take(MAX_ADDRESSES) {
        last = match timeout(limit, dial_address(address, &mut register)).await {
            Ok(Ok(connected)) => return Ok(connected),
            Ok(Err(error)) => failed(error),
            Err(_) => late(),
        };
        debug!(peer = %target, %address, error = %last, "cannot connect");
    }
    Err(last)
}

async fn dial_address<G>(
    peer: SocketAddr,
    register: &mut impl FnMut(SocketAddr) -> G,
) -> io::Result<(TcpStream, G)> {
    let (socket, local) = bound_towards(peer)?;
    // N.B. the kernel may pick for us the very port we are about to connect to when nobody listens there,
    // and TCP lets a socket connect to itself.
    if local == peer {
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    let guard = register(local);
    let stream = socket.connect(peer).await?;
    stream.set_nodelay(true)?;
    Ok((stream, guard))
}

/// A TCP socket bound to the address and port from which a connection to `peer` will come.
///
/// Binding to the unspecified address would give the port only. Connecting a UDP socket sends nothing
/// but makes the kernel choose a route, and thereby the source address.
fn bound_towards(peer: SocketAddr) -> io::Result<(TcpSocket, SocketAddr)> {
    let (socket, any) = match peer {
        SocketAddr::V4(_) => (
            TcpSocket::new_v4()?,
            SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        ),
        SocketAddr::V6(_) => (
            TcpSocket::new_v6()?,
            SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
        ),
    };
    let route = UdpSocket::bind(any)?;
    route.connect(peer)?;
    let mut source = route.local_addr()?;
    source.set_port(0);
    socket.bind(source)?;
    let local = socket.local_addr()?;
    Ok((socket, local))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn the_peer_sees_the_address_that_was_announced_before() {
        for bind in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = std::net::TcpListener::bind(bind) else {
                continue; // a host without IPv6
            };
            listener.set_nonblocking(true).unwrap();
            let address = listener.local_addr().unwrap().to_string();
            let target = Target::new(&address, "filter.example").unwrap();
            let announced = |local| {
                let early = listener.accept().unwrap_err();
                assert_eq!(early.kind(), io::ErrorKind::WouldBlock, "connected already");
                local
            };
            let (_stream, announced) = dial(&target, announced).await.unwrap();
            let listener = TcpListener::from_std(listener).unwrap();
            let (_, seen) = listener.accept().await.unwrap();
            assert_eq!(announced, seen);
        }
    }

    #[tokio::test]
    async fn a_refused_connection_is_an_error_that_names_the_server() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        drop(listener);
        let target = Target::new(&address, "filter.example").unwrap();
        let error = dial(&target, |_| ()).await.unwrap_err();
        assert!(
            matches!(
                &error,
                Error::Io {
                    stage: Stage::Connect,
                    ..
                }
            ),
            "{error:?}"
        );
        assert!(
            error
                .to_string()
                .starts_with(&format!("{address}: connection: ")),
            "{error}"
        );
    }
}
