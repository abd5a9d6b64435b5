//! What the service manager is told (`sd_notify(3)`); without one, nothing.

use sd_notify::NotifyState;
use std::time::Duration;

/// Serving has begun.
pub(super) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// Rules and policy are being read again.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

/// The daemon is ending.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Tells the watchdog, if there is one, that the runtime still runs: twice as often as it asks for.
pub(super) async fn watchdog() {
    let Some(interval) = sd_notify::watchdog_enabled() else {
        return;
    };
    let mut tick = tokio::time::interval((interval / 2).max(Duration::from_millis(100)));
    loop {
        tick.tick().await;
        tell(&[NotifyState::Watchdog]);
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "the service manager cannot be told");
    }
}
