//! Accepts clients, bounds how many there are, and ends in good order.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use intake::Listener;
use rustix::net::{SendFlags, Shutdown, send, shutdown as shut};
use tokio::task::{JoinError, JoinSet};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::connection::{self, Shared};
use super::options::ServerOptions;
use super::replies;
use super::wire::Wire;
use crate::Stream;
use crate::service::Service;

/// The wait after a failed accept. Mostly the process is out of file descriptors, and at once
/// would only mean the same failure again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `shutdown` is cancelled, then drains: no new connections, idle ones are told 421 and
/// closed, running transactions go on until they are answered or [`ServerOptions::drain_timeout`] is over. What
/// is still running then is told 421.
pub async fn serve<S: Service>(
    listener: Listener,
    service: Arc<S>,
    options: ServerOptions,
    shutdown: CancellationToken,
) {
    let mut server = Server {
        shared: Arc::new(Shared {
            service,
            options: Arc::new(options),
            admission: Arc::default(),
            draining: shutdown.clone(),
            cut: CancellationToken::new(),
        }),
        connections: JoinSet::new(),
        refused: 0,
    };
    tracing::info!(%listener, "waiting for SMTP clients");
    loop {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            Some(ended) = server.connections.join_next() => log_panic(ended),
            accepted = listener.accept() => match accepted {
                Ok((stream, address)) => server.open(stream, address),
                Err(error) => server.pause(&error).await,
            },
        }
    }
    // Closed before the drain: a client that comes now must not wait in the backlog.
    drop(listener);
    server.drain().await;
}

/// Serves one connection that somebody else has accepted, on any stream. `address` is where it comes from; none is a
/// unix socket. The limits on connections do not apply. `shutdown` is that of [`serve`].
pub async fn serve_connection<S: Service>(
    stream: impl Stream,
    address: Option<SocketAddr>,
    service: Arc<S>,
    options: Arc<ServerOptions>,
    shutdown: CancellationToken,
) {
    let shared = Arc::new(Shared {
        service,
        admission: Arc::default(),
        draining: shutdown.clone(),
        cut: CancellationToken::new(),
        options: Arc::clone(&options),
    });
    let cut = shared.cut.clone();
    let wire = Wire::new(stream, options.write_timeout, |_| ());
    let mut connection = pin!(connection::run(wire, address, shared));
    tokio::select! {
        () = &mut connection => return,
        () = async { shutdown.cancelled().await; sleep(options.drain_timeout).await } => cut.cancel(),
    }
    connection.await;
}

struct Server<S> {
    shared: Arc<Shared<S>>,
    connections: JoinSet<()>,
    /// Connections refused since the last one that was served.
    refused: u64,
}

impl<S: Service> Server<S> {
    fn open(&mut self, stream: intake::Stream, address: Option<SocketAddr>) {
        let options = &self.shared.options;
        let Some(place) = self.shared.admission.enter(options.connections) else {
            if self.refused == 0 {
                let limit = options.connections;
                tracing::warn!(limit, "too many connections; refusing new ones");
            }
            self.refused += 1;
            refuse(&stream, &options.hostname);
            return;
        };
        if self.refused > 0 {
            tracing::warn!(refused = self.refused, "connections are served again");
            self.refused = 0;
        }
        stream.tune();
        let wire = Wire::new(stream, options.write_timeout, intake::Stream::acknowledge);
        let shared = Arc::clone(&self.shared);
        self.connections.spawn(async move {
            connection::run(wire, address, shared).await;
            drop(place);
        });
    }

    async fn pause(&self, error: &io::Error) {
        tracing::error!(%error, open = self.connections.len(), "cannot accept a connection");
        sleep(ACCEPT_PAUSE).await;
    }

    async fn drain(mut self) {
        let open = self.connections.len();
        tracing::info!(open, "draining");
        let options = Arc::clone(&self.shared.options);
        if self.all_end_within(options.drain_timeout).await {
            return;
        }
        let open = self.connections.len();
        tracing::warn!(open, "the drain took too long; deferring what still runs");
        self.shared.cut.cancel();
        // What remains is one write each, unless the service hangs in `answered`.
        if !self.all_end_within(options.write_timeout).await {
            let open = self.connections.len();
            tracing::error!(open, "connections do not end; dropping them");
        }
    }

    async fn all_end_within(&mut self, limit: Duration) -> bool {
        let all = async {
            while let Some(ended) = self.connections.join_next().await {
                log_panic(ended);
            }
        };
        tokio::time::timeout(limit, all).await.is_ok()
    }
}

/// Says that there are too many connections, in one system call that does not wait: whoever has so many of them open must
/// not be able to hold up those that are to come.
fn refuse(stream: &intake::Stream, hostname: &str) {
    let fd = match stream {
        intake::Stream::Tcp(stream) => stream.as_fd(),
        intake::Stream::Unix(stream) => stream.as_fd(),
    };
    let mut reply = Vec::new();
    replies::too_many(hostname).write_to(&mut reply);
    // The client may be gone. Then it needs no answer.
    let _ = send(fd, &reply, SendFlags::DONTWAIT | SendFlags::NOSIGNAL);
    let _ = shut(fd, Shutdown::Write);
}

/// The service's panics are caught where it is asked, so this is one of our own.
fn log_panic(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a connection's task failed; its client has to send again");
    }
}
