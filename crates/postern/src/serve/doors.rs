//! The doors: where they listen, and what serves them.

use super::door::MilterDoor;
use super::relay::SmtpDoor;
use super::{Daemon, options};
use crate::config::{Config, Listen};
use anyhow::{Context, Result};
use milter::Listener;
use smtp::next_hop::Pool;
use smtp::relay::Relay as Service;
use std::sync::Arc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// The doors, open or not: whoever connects waits until they are served.
pub(super) struct Doors {
    milter: Vec<Listener>,
    smtp: Vec<Listener>,
}

impl Doors {
    /// Listens at every door. `configured` is whether there is a configuration file.
    pub(super) async fn bind(config: &Config, configured: bool) -> Result<Doors> {
        let elsewhere = "is another milter running?";
        let milter = bind(&config.milter.listen, config.milter.socket_mode, elsewhere).await?;
        let smtp = match &config.relay {
            None => Vec::new(),
            Some(relay) => {
                let elsewhere = if configured {
                    "is another mail server running?"
                } else {
                    "is another mail server running? Without a configuration file the relay listens \
                     only there; with one it listens where [relay] says, or not at all"
                };
                bind(&relay.listen, relay.socket_mode, elsewhere).await?
            }
        };
        Ok(Doors { milter, smtp })
    }

    /// Each door's name and address.
    pub(super) fn addresses(&self) -> Vec<(&'static str, String)> {
        let named = |name, listeners: &[Listener]| -> Vec<(&'static str, String)> {
            let addresses = listeners.iter().map(ToString::to_string);
            addresses.map(|address| (name, address)).collect()
        };
        [named("milter", &self.milter), named("smtp", &self.smtp)].concat()
    }

    /// Serves at every door until `stop`, and then until what runs has finished.
    ///
    /// # Errors
    /// If the relay cannot be made as it is configured, or its maildir not be written to.
    pub(super) async fn serve(
        self,
        daemon: &Arc<Daemon>,
        config: &Config,
        stop: &CancellationToken,
    ) -> Result<JoinSet<()>> {
        let mut serving = JoinSet::new();
        for listener in self.milter {
            let door = Arc::new(MilterDoor {
                daemon: Arc::clone(daemon),
            });
            let options = options::milter(config);
            serving.spawn(milter::serve(listener, door, options, stop.clone()));
        }
        if let Some(relay) = &config.relay {
            let between = options::relay::service(config, relay)?;
            let deadline = between.message_deadline();
            let door = Arc::new(SmtpDoor::new(Arc::clone(daemon), relay));
            let next_hop = options::relay::next_hop(relay)?;
            ask(&next_hop).await?;
            let service = Arc::new(Service::new(door, next_hop, between));
            for listener in self.smtp {
                let tls = daemon.certificate.as_ref().map(|c| c.tls().clone());
                let options = options::relay::server(config, relay, deadline, tls);
                let service = Arc::clone(&service);
                serving.spawn(smtp::server::serve(
                    listener,
                    service,
                    options,
                    stop.clone(),
                ));
            }
        }
        Ok(serving)
    }
}

/// Asks the next hop what it offers, so that the relay offers no more. A server may come up after us, and is asked
/// again with the first mail; a maildir that cannot be written to now never will be.
async fn ask(next_hop: &Pool) -> Result<()> {
    if let Some(directory) = next_hop.next_hop().directory() {
        let made = next_hop.probe().await;
        made.with_context(|| format!("{}: maildir", directory.display()))?;
        return Ok(());
    }
    let next_hop = next_hop.clone();
    tokio::spawn(async move {
        if let Err(error) = next_hop.probe().await {
            tracing::warn!(%error, "the next hop of the relay does not answer; mail is deferred until it does");
        }
    });
    Ok(())
}

/// Says what the relay is that nobody has configured.
pub(super) fn warn_of_demonstration(config: &Config) {
    let Some(relay) = &config.relay else {
        return;
    };
    let next_hop = relay.next_hop.address.to_string();
    tracing::warn!(
        next_hop,
        "no configuration file: the SMTP relay is a demonstration, for clients on this machine and into a \
         maildir. To filter mail, write a configuration file whose [relay] names relay_domains and the \
         address of the [relay.next_hop]; deploy/postern.toml has all there is"
    );
}

async fn bind(listen: &[Listen], mode: u32, elsewhere: &str) -> Result<Vec<Listener>> {
    let mut listeners = Vec::new();
    for listen in listen {
        let listener = match listen {
            Listen::Tcp(address) => Listener::tcp(*address).await,
            Listen::Unix(path) => Listener::unix(path, mode).await,
        };
        let listener =
            listener.with_context(|| format!("{listen}: cannot listen there; {elsewhere}"))?;
        listeners.push(listener);
    }
    Ok(listeners)
}
