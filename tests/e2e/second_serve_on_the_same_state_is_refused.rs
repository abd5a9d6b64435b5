//! One process owns the state.

use crate::harness::{Daemon, Setup, postern};
use anyhow::Result;
use std::fs;

#[test]
fn and_says_which_process_has_it() -> Result<()> {
    let mut daemon = Daemon::prepare(Setup::default(), 25)?;
    daemon.start()?;
    let pid = daemon.pid()?.to_string();
    // Another door and another socket: only the state is the same.
    let config = fs::read_to_string(daemon.config())?;
    let lines = config
        .lines()
        .filter(|line| !line.starts_with("milter.listen"));
    let other = lines
        .chain(["milter.listen = [\"127.0.0.1:0\"]"])
        .map(|l| format!("{l}\n"));
    let other: String = other.collect();
    let socket = daemon.path("other.sock").display().to_string();
    let path = daemon.path("other.toml");
    fs::write(&path, format!("control.socket = {socket:?}\n{other}"))?;

    let path = path.display().to_string();
    let refused = postern(["serve", "--config", &path])?.exits(2);
    assert!(
        refused.stderr.contains(&pid),
        "names the process: {}",
        refused.stderr
    );
    let state = daemon.state("lock").display().to_string();
    assert!(
        refused.stderr.contains(&state),
        "names the state: {}",
        refused.stderr
    );
    // The first one has not noticed.
    assert_eq!(daemon.status()?["pid"].to_string(), pid);
    Ok(())
}

#[test]
fn and_a_port_that_is_taken_is_named() -> Result<()> {
    let mut first = Daemon::prepare(Setup::default(), 25)?;
    first.start()?;
    let address = first.milter().trim_start_matches("inet:").to_owned();
    let setup = Setup::default().set("milter.listen", &format!("[{address:?}]"));
    let second = Daemon::prepare(setup, 25)?;
    let refused = second.cli(["serve"])?.exits(2);
    assert!(refused.stderr.contains(&address), "{}", refused.stderr);
    Ok(())
}
