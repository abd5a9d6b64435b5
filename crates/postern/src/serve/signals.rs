//! Signals: SIGHUP reads rules and policy again, SIGTERM and SIGINT end the daemon.

use super::{Daemon, notify, options};
use crate::config::Config;
use std::path::Path;
use std::sync::Arc;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Returns when the daemon is to end. `started_with` is the configuration of the start.
pub(super) async fn until_end(daemon: &Daemon, started_with: &Config, config_file: Option<&Path>) {
    let (mut hangup, mut terminate, mut interrupt) = (
        listen(SignalKind::hangup()),
        listen(SignalKind::terminate()),
        listen(SignalKind::interrupt()),
    );
    loop {
        tokio::select! {
            () = next(&mut terminate) => return,
            () = next(&mut interrupt) => return,
            () = next(&mut hangup) => reload(daemon, started_with, config_file).await,
        }
    }
}

/// Reads policy and rules again. Each of them comes into force alone: broken rules do not keep a good
/// policy out, and neither touches what serves.
async fn reload(daemon: &Daemon, started_with: &Config, config_file: Option<&Path>) {
    notify::reloading();
    let mut load = None;
    let mut broken = None;
    match Config::load(config_file) {
        Ok(config) => {
            let ignored = needs_restart(started_with, &config);
            if !ignored.is_empty() {
                let sections = ignored.join(", ");
                tracing::warn!(
                    sections,
                    "changed settings that need a restart are not in force"
                );
            }
            load = Some(options::load(&config));
            match daemon.filter.set_policy(config.policy()).await {
                Ok(()) => tracing::info!(policy = daemon.filter.policy_digest(), "policy in force"),
                Err(error) => {
                    tracing::error!(%error, "the new policy cannot be journalled");
                    broken = Some(error.to_string());
                }
            }
        }
        Err(errors) => {
            tracing::error!(%errors, "the old policy stays in force");
            broken = Some(errors.to_string());
        }
    }
    daemon.config_error.store(broken.map(Arc::new));
    if let Some(certificate) = &daemon.certificate {
        certificate.reload();
    }
    if let Err(error) = daemon.filter.reload_rules(load).await {
        tracing::error!(%error, "the old rules stay in force");
    }
    notify::ready();
}

/// The sections in which something changed that only a start reads.
fn needs_restart(before: &Config, now: &Config) -> Vec<&'static str> {
    [
        (before.state_dir != now.state_dir, "state_dir"),
        (before.rules_dir != now.rules_dir, "rules_dir"),
        (before.milter != now.milter, "milter"),
        (before.relay != now.relay, "relay"),
        (before.workers != now.workers, "workers"),
        (before.limits != now.limits, "limits"),
        (before.headers != now.headers, "headers"),
        (before.quarantine != now.quarantine, "quarantine"),
        (before.store != now.store, "store"),
        (before.release != now.release, "release"),
        (before.control != now.control, "control"),
        (before.log != now.log, "log"),
    ]
    .into_iter()
    .filter_map(|(changed, section)| changed.then_some(section))
    .collect()
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
