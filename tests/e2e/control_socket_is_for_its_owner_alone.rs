//! Who may not operate the daemon cannot even ask it.

use crate::harness::{Daemon, Setup};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::process::{Command, Output};

/// `nobody` of Debian and most others.
const NOBODY: u32 = 65534;

#[test]
fn strangers_are_refused() -> Result<()> {
    let mut daemon = Daemon::prepare(Setup::default(), 25)?;
    daemon.start()?;
    let socket = fs::metadata(daemon.state("control.sock"))?;
    assert_eq!(socket.permissions().mode() & 0o777, 0o600);
    assert_eq!(
        fs::metadata(daemon.state(""))?.permissions().mode() & 0o777,
        0o700
    );
    assert_eq!(socket.uid(), rustix::process::geteuid().as_raw());
    let output = status_as_nobody(&daemon)?;
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("ermission denied") && said.contains("control.sock"),
        "{said}"
    );
    Ok(())
}

#[test]
fn a_user_who_is_named_in_the_configuration_is_served() -> Result<()> {
    // The state directory is closed to others, so the socket has to be elsewhere.
    let open = tempfile::tempdir()?;
    fs::set_permissions(open.path(), fs::Permissions::from_mode(0o755))?;
    let socket = format!(
        "{:?}",
        open.path().join("control.sock").display().to_string()
    );
    for (uid, expected) in [(NOBODY, [0, 1].as_slice()), (NOBODY - 1, &[2])] {
        let setup = Setup::default().set("control.socket", &socket);
        let mut daemon = Daemon::prepare(setup.set("control.uids", &format!("[{uid}]")), 25)?;
        daemon.start()?;
        let output = status_as_nobody(&daemon)?;
        let said = String::from_utf8_lossy(&output.stderr);
        let status = output.status.code().unwrap_or(-1);
        assert!(expected.contains(&status), "{status}: {said}");
        assert!(
            status != 2 || said.contains("control.uids"),
            "names the remedy: {said}"
        );
    }
    Ok(())
}

fn status_as_nobody(daemon: &Daemon) -> Result<Output> {
    // A copy, because the build directory may be out of reach for others. Made by another process: a
    // file that this one has open for writing while another test starts a program is "busy".
    let program = daemon.path("postern");
    let mut install = Command::new("install");
    install
        .arg("-m755")
        .arg(env!("CARGO_BIN_EXE_postern"))
        .arg(&program);
    ensure!(install.status()?.success(), "{install:?}");
    let mut command = Command::new(program);
    command
        .args(["status", "--config"])
        .arg(daemon.config())
        .uid(NOBODY)
        .gid(NOBODY);
    command
        .current_dir("/")
        .output()
        .context("run as nobody: only root can")
}
