//! Where clients connect to.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::net::{TcpListener, UnixListener};

use crate::stream::Stream;

/// An open socket that waits for clients.
#[derive(Debug)]
pub enum Listener {
    /// On an internet address.
    Tcp(TcpListener),
    /// On a path.
    Unix(UnixSocket),
}

/// A unix socket whose path is removed with it.
#[derive(Debug)]
pub struct UnixSocket {
    listener: UnixListener,
    path: PathBuf,
}

impl Listener {
    /// Listens on an address and port; port 0 takes a free one, see [`Self::local_addr`].
    ///
    /// # Errors
    /// The address is taken or not of this machine.
    pub async fn tcp(address: SocketAddr) -> io::Result<Self> {
        TcpListener::bind(address).await.map(Self::Tcp)
    }

    /// Listens on a path with these permissions. A client needs to write to it: `0o660` and a
    /// common group, or a directory that only both may enter.
    ///
    /// A socket that nobody listens on any more is replaced.
    ///
    /// # Errors
    /// Something else is at the path, somebody listens on it, or it cannot be made.
    pub async fn unix(path: impl Into<PathBuf>, mode: u32) -> io::Result<Self> {
        let path = path.into();
        remove_stale(&path).await?;
        let listener = UnixListener::bind(&path)?;
        let socket = UnixSocket { listener, path };
        std::fs::set_permissions(&socket.path, PermissionsExt::from_mode(mode))?;
        Ok(Self::Unix(socket))
    }

    /// The address of a TCP listener.
    #[must_use]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.local_addr().ok(),
            Self::Unix(_) => None,
        }
    }

    /// The next client, and where it comes from; a unix socket does not tell.
    ///
    /// # Errors
    /// Those of the system; mostly the process is out of file descriptors.
    pub async fn accept(&self) -> io::Result<(Stream, Option<SocketAddr>)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                Ok((Stream::Tcp(stream), Some(address)))
            }
            Self::Unix(socket) => {
                let (stream, _) = socket.listener.accept().await?;
                Ok((Stream::Unix(stream), None))
            }
        }
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(listener) => match listener.local_addr() {
                Ok(address) => write!(f, "inet:{address}"),
                Err(error) => write!(f, "inet: ({error})"),
            },
            Self::Unix(socket) => write!(f, "unix:{}", socket.path.display()),
        }
    }
}

impl Drop for UnixSocket {
    fn drop(&mut self) {
        // Nothing can be done about a failure; the next start replaces the socket.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Removes a socket that a process left behind. Nothing but a socket is ever removed.
async fn remove_stale(path: &Path) -> io::Result<()> {
    let at_path = |kind, problem: &str| {
        Err(io::Error::new(
            kind,
            format!("{}: {problem}", path.display()),
        ))
    };
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return at_path(io::ErrorKind::AlreadyExists, "exists and is not a socket");
        }
        Ok(_) => (),
    }
    match tokio::net::UnixStream::connect(path).await {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path)
        }
        Err(error) => Err(error),
        Ok(_) => at_path(io::ErrorKind::AddrInUse, "another process listens on it"),
    }
}
