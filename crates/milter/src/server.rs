//! Accepts MTAs, bounds how many there are, and ends in good order.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use intake::{Listener, Stream};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::door::Door;
use crate::filter::Filter;
use crate::options::ServerOptions;
use crate::stream::FramedStream;

/// The wait after a failed accept. Mostly the process is out of file descriptors, and at once
/// would only mean the same failure again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `shutdown` is cancelled, then drains: no new connections, idle ones are closed,
/// running transactions go on until they are answered or
/// [`ServerOptions::drain_timeout`] is over. What is still running then gets a tempfail if it is
/// at the end of its message, and a closed connection, which MTAs take for the same, if not.
pub async fn serve<F: Filter>(
    listener: Listener,
    filter: Arc<F>,
    options: ServerOptions,
    shutdown: CancellationToken,
) {
    let mut server = Server {
        filter,
        options: Arc::new(options),
        connections: JoinSet::new(),
        refused: 0,
        draining: shutdown.clone(),
        cut: CancellationToken::new(),
    };
    tracing::info!(%listener, "waiting for MTAs");
    loop {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            Some(ended) = server.connections.join_next() => log_panic(ended),
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    let peer = peer.map_or_else(|| "unix".to_owned(), |peer| peer.to_string());
                    server.open(stream, peer);
                }
                Err(error) => server.pause(&error).await,
            },
        }
    }
    // Closed before the drain: an MTA that comes now must not wait in the backlog.
    drop(listener);
    server.drain().await;
}

struct Server<F> {
    filter: Arc<F>,
    options: Arc<ServerOptions>,
    connections: JoinSet<()>,
    /// Connections closed since the last one that was served.
    refused: u64,
    draining: CancellationToken,
    cut: CancellationToken,
}

impl<F: Filter> Server<F> {
    fn open(&mut self, stream: Stream, peer: String) {
        if self.connections.len() >= self.options.connections {
            if self.refused == 0 {
                let limit = self.options.connections;
                tracing::warn!(%peer, limit, "too many connections; closing new ones");
            }
            self.refused += 1;
            return;
        }
        if self.refused > 0 {
            tracing::warn!(refused = self.refused, "connections are served again");
            self.refused = 0;
        }
        let stream = FramedStream::new(stream, self.options.frame_bytes, self.options.quickack);
        let door = Door::new(
            stream,
            peer,
            Arc::clone(&self.filter),
            Arc::clone(&self.options),
            self.draining.clone(),
            self.cut.clone(),
        );
        self.connections.spawn(door.run());
    }

    async fn pause(&self, error: &io::Error) {
        tracing::error!(%error, open = self.connections.len(), "cannot accept a connection");
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }

    async fn drain(mut self) {
        let open = self.connections.len();
        tracing::info!(open, "draining");
        if self.all_end_within(self.options.drain_timeout).await {
            return;
        }
        let open = self.connections.len();
        tracing::warn!(open, "the drain took too long; deferring what still runs");
        self.cut.cancel();
        // What remains is one write each, unless the filter hangs in `answered`.
        if !self.all_end_within(self.options.write_timeout).await {
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

/// The filter's panics are caught where it is asked, so this is one of our own.
fn log_panic(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a connection's task failed; the MTA defers its message");
    }
}
