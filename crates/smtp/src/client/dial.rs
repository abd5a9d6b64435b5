//! Opening the connection, if need be from an address that is known before the first packet leaves.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use tokio::net::{TcpSocket, TcpStream, UnixStream, lookup_host};
use tokio::time::timeout;
use tracing::debug;

use crate::client::target::{Place, Target};
use crate::client::wire::Stream;
use crate::error::{Error, Stage};

/// Addresses of one host name that are tried, one after the other.
const MAX_ADDRESSES: usize = 8;

/// Connects to the first address of the target that answers.
pub(crate) async fn dial(target: &Target) -> Result<Box<dyn Stream>, Error> {
    let (host, port) = match target.place() {
        Place::Tcp { host, port } => (host, *port),
        Place::Unix(path) => {
            return Ok(Box::new(attempt(target, UnixStream::connect(path)).await?));
        }
    };
    let mut last = no_address(target);
    for address in addresses(target, host, port).await? {
        let connect = async {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok(stream)
        };
        match attempt(target, connect).await {
            Ok(stream) => return Ok(Box::new(stream)),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The same over TCP from an address that is known before: `register` is told the local address of every attempt
/// before its connection is made; what it returned for a failed attempt is dropped.
///
/// This costs two more sockets a connection, and a port that no other connection can have, to whatever server.
pub(crate) async fn dial_registered<G>(
    target: &Target,
    mut register: impl FnMut(SocketAddr) -> G,
) -> Result<(Box<dyn Stream>, G), Error> {
    let Place::Tcp { host, port } = target.place() else {
        let error = io::Error::new(
            io::ErrorKind::Unsupported,
            "a connection to a unix socket comes from no address",
        );
        return Err(failed(target, error));
    };
    let mut last = no_address(target);
    for address in addresses(target, host, *port).await? {
        match attempt(target, connect_registered(address, &mut register)).await {
            Ok((stream, guard)) => return Ok((Box::new(stream), guard)),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn addresses(
    target: &Target,
    host: &str,
    port: u16,
) -> Result<impl Iterator<Item = SocketAddr> + use<>, Error> {
    // What is an address already needs no thread that asks the resolver.
    let found: Vec<SocketAddr> = match host.parse::<IpAddr>() {
        Ok(ip) => vec![SocketAddr::new(ip, port)],
        Err(_) => {
            let found = attempt(target, lookup_host((host, port))).await?;
            found.take(MAX_ADDRESSES).collect()
        }
    };
    Ok(found.into_iter())
}

async fn attempt<T>(
    target: &Target,
    work: impl Future<Output = io::Result<T>>,
) -> Result<T, Error> {
    let limit = target.timeouts.connect;
    let error = match timeout(limit, work).await {
        Ok(Ok(done)) => return Ok(done),
        Ok(Err(error)) => failed(target, error),
        Err(_) => Error::Timeout {
            peer: target.to_string(),
            stage: Stage::Connect,
            after: limit,
        },
    };
    debug!(%error, "cannot connect");
    Err(error)
}

fn failed(target: &Target, source: io::Error) -> Error {
    Error::Io {
        peer: target.to_string(),
        stage: Stage::Connect,
        source,
    }
}

fn no_address(target: &Target) -> Error {
    failed(
        target,
        io::Error::new(io::ErrorKind::NotFound, "the host has no address"),
    )
}

async fn connect_registered<G>(
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
            let (_stream, announced) = dial_registered(&target, announced).await.unwrap();
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
        let (directly, registered) = (dial(&target).await, dial_registered(&target, |_| ()).await);
        for error in [directly.err().unwrap(), registered.err().unwrap()] {
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

    #[tokio::test]
    async fn a_unix_socket_has_no_address_to_register() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("smtp");
        let _listener = tokio::net::UnixListener::bind(&path).unwrap();
        let target = Target::unix(&path, "filter.example").unwrap();
        dial(&target).await.unwrap();
        let error = dial_registered(&target, |_| ()).await.err().unwrap();
        assert!(
            matches!(
                error,
                Error::Io {
                    stage: Stage::Connect,
                    ..
                }
            ),
            "{error:?}"
        );
    }
}
