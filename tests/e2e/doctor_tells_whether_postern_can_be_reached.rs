//! Two good configurations are of no use while nobody listens.

use crate::harness::{Daemon, Setup};
use anyhow::{Context, Result};
use std::fs;
use std::net::TcpListener;

#[test]
fn at_its_control_socket_its_door_and_the_server_for_releases() -> Result<()> {
    let next = TcpListener::bind("127.0.0.1:0")?;
    let release_to = next.local_addr()?.port();
    let mut daemon = Daemon::prepare(Setup::default(), release_to)?;
    let dir = daemon.path("postfix");
    fs::create_dir(&dir)?;
    let main = format!(
        "compatibility_level = 3.6\nmynetworks = 127.0.0.0/8\nsmtpd_milters = {}\n\
         milter_default_action = tempfail\nsmtpd_forbid_bare_newline = yes\n\
         smtpd_forbid_bare_newline_exclusions =\n",
        daemon.milter()
    );
    fs::write(dir.join("main.cf"), main)?;
    fs::write(dir.join("master.cf"), "smtp inet n - n - - smtpd\n")?;
    let dir = dir.display().to_string();
    let doctor = ["doctor", "--json", "--postfix-dir", &dir];

    let notes = daemon.cli(doctor)?.ok().json()?;
    let settings: Vec<_> = notes
        .iter()
        .map(|f| (f["level"].as_str(), f["setting"].as_str()))
        .collect();
    assert_eq!(
        settings,
        [(Some("note"), Some("control.socket"))],
        "{notes:?}"
    );

    daemon.start()?;
    assert!(daemon.cli(doctor)?.ok().json()?.is_empty());

    // A configuration that names another port than the daemon that runs.
    let own = fs::read_to_string(daemon.config())?;
    let port = daemon
        .milter()
        .rsplit(':')
        .next()
        .context("a port")?
        .to_owned();
    let other = crate::harness::free_port()?.to_string();
    fs::write(daemon.config(), own.replace(&port, &other))?;
    fs::write(
        daemon.path("postfix/main.cf"),
        fs::read_to_string(daemon.path("postfix/main.cf"))?.replace(&port, &other),
    )?;
    drop(next);
    let findings = daemon.cli(doctor)?.exits(1).json()?;
    let settings: Vec<_> = findings
        .iter()
        .map(|f| (f["level"].as_str(), f["setting"].as_str()))
        .collect();
    let expected = [
        (Some("danger"), Some("listen")),
        (Some("warning"), Some("address")),
    ];
    assert_eq!(settings, expected, "{findings:?}");
    Ok(())
}
