//! Signals: SIGHUP reads rules and policy again, SIGTERM and SIGINT end the daemon.

use super::{Daemon, notify};
use crate::config::Config;
use std::path::Path;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Returns when the daemon is to end.
pub(super) async fn until_end(daemon: &Daemon, config_file: Option<&Path>) {
    let (mut hangup, mut terminate, mut interrupt) = (
        listen(SignalKind::hangup()),
        listen(SignalKind::terminate()),
        listen(SignalKind::interrupt()),
    );
    loop {
        tokio::select! {
            () = next(&mut terminate) => return,
            () = next(&mut interrupt) => return,
            () = next(&mut hangup) => reload(daemon, config_file).await,
        }
    }
}

/// Reads policy and rules again. Each of them comes into force alone: broken rules do not keep a good
/// policy out, and neither touches what serves.
async fn reload(daemon: &Daemon, config_file: Option<&Path>) {
    notify::reloading();
    match Config::load(config_file) {
        Ok(config) => match daemon.filter.set_policy(config.policy()).await {
            Ok(()) => tracing::info!(policy = daemon.filter.policy_digest(), "policy in force"),
            Err(error) => tracing::error!(%error, "the new policy cannot be journalled"),
        },
        Err(errors) => tracing::error!(%errors, "the old policy stays in force"),
    }
    if let Err(error) = daemon.filter.reload_rules().await {
        tracing::error!(%error, "the old rules stay in force");
    }
    notify::ready();
}

fn listen(kind: SignalKind) -> Option<Signal> {
    match signal(kind) {
        Ok(signal) => Some(signal),
        Err(error) => {
            tracing::error!(?kind, %error, "cannot listen for a signal");
            None
        }
    }
}

async fn next(signal: &mut Option<Signal>) {
    let received = match signal {
        Some(signal) => signal.recv().await,
        None => None,
    };
    // Nothing means that none will ever come.
    if received.is_none() {
        std::future::pending().await
    }
}
