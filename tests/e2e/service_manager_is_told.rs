//! systemd knows when the daemon serves, reloads, lives and ends (sd_notify(3)).

use crate::harness::{Daemon, PATIENCE, Setup};
use anyhow::{Context, Result};
use rustix::process::Signal;
use std::os::unix::net::UnixDatagram;

#[test]
fn that_it_serves_reloads_lives_and_ends() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("notify.sock");
    let socket = UnixDatagram::bind(&path)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    // The daemon is to say twice as often as this, in microseconds, that it lives.
    let setup = Setup::default()
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "400000");
    let mut daemon = Daemon::prepare(setup, 25)?;
    daemon.spawn()?;
    wait_for(&socket, "READY=1")?;
    // Ready means ready: the next command finds it.
    daemon.status()?;
    for _ in 0..3 {
        wait_for(&socket, "WATCHDOG=1")?;
    }
    daemon.signal(Signal::HUP)?;
    wait_for(&socket, "RELOADING=1")?;
    wait_for(&socket, "READY=1")?;
    let status = daemon.terminate()?;
    assert!(status.success());
    wait_for(&socket, "STOPPING=1")
}

/// Reads messages until one has this line.
fn wait_for(socket: &UnixDatagram, line: &str) -> Result<()> {
    let mut buffer = [0; 4096];
    loop {
        let length = socket
            .recv(&mut buffer)
            .with_context(|| format!("no {line}"))?;
        let message = String::from_utf8_lossy(buffer.get(..length).unwrap_or_default());
        if message.lines().any(|found| found == line) {
            return Ok(());
        }
    }
}
