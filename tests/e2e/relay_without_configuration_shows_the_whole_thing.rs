//! `postern serve` alone, as the first command of the README: mail to port 2525 lands in a maildir below `var/`, what is
//! dangerous is held, and can be released.

use crate::harness::relay::{below_ours, send};
use crate::harness::{
    PATIENCE, Run, Smtp, clean, eicar_in_zip_in_zip, eventually, signal, submit, workspace,
};
use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use std::ffi::OsStr;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tempfile::TempDir;

/// The port of the relay without any configuration.
const PORT: u16 = 2525;

/// A daemon in a directory with nothing but the rules. There is only one at a time: its ports are fixed.
struct Bare {
    dir: TempDir,
    child: Option<Child>,
    _alone: MutexGuard<'static, ()>,
}

impl Bare {
    fn start() -> Result<Bare> {
        let mut bare = Bare::prepare()?;
        bare.spawn()?;
        eventually("the daemon answers on its control socket", || {
            let status = bare.cli(["status", "--json"]).ok()?.status;
            matches!(status, Some(0 | 1)).then_some(())
        })
        .with_context(|| bare.log())?;
        Ok(bare)
    }

    fn prepare() -> Result<Bare> {
        static ALONE: Mutex<()> = Mutex::new(());
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let dir = TempDir::with_prefix("postern-bare-")?;
        std::os::unix::fs::symlink(
            workspace().join("rules").canonicalize()?,
            dir.path().join("rules"),
        )?;
        Ok(Bare {
            dir,
            child: None,
            _alone: alone,
        })
    }

    fn spawn(&mut self) -> Result<()> {
        let log = fs::File::create(self.path("log"))?;
        let child = self.command(["serve"]).stderr(log).spawn()?;
        self.child = Some(child);
        Ok(())
    }

    fn command<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
        command.args(args).current_dir(self.dir.path());
        command.stdin(Stdio::null());
        command
    }

    fn cli<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Result<Run> {
        let Output {
            status,
            stdout,
            stderr,
        } = self.command(args).output()?;
        Ok(Run {
            status: status.code(),
            stdout,
            stderr: String::from_utf8_lossy(&stderr).into_owned(),
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// The mails in the maildir.
    fn delivered(&self) -> Result<Vec<Vec<u8>>> {
        read_all(&self.path("var/maildir/new"))
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn read_all(dir: &Path) -> Result<Vec<Vec<u8>>> {
    let Ok(children) = fs::read_dir(dir) else {
        return Ok(Vec::new());
    };
    children.map(|child| Ok(fs::read(child?.path())?)).collect()
}

#[test]
fn mail_lands_in_a_maildir_and_what_is_dangerous_is_held_and_released() -> Result<()> {
    let mut bare = Bare::start()?;
    let log = bare.log();
    ensure!(log.contains("WARN"), "it says what it is: {log}");
    ensure!(log.contains("[relay]"), "and what to write: {log}");

    let message = clean("to the maildir");
    let reply = send(PORT, &message)?;
    assert_eq!(reply.code, 250, "{reply:?}");
    let delivered = bare.delivered()?;
    let [mail] = delivered.as_slice() else {
        panic!("{} mails", delivered.len());
    };
    assert_eq!(below_ours(mail), message);
    let head = String::from_utf8_lossy(mail);
    assert!(head.starts_with("Return-Path: <"), "{head}");
    assert!(head.contains("\r\nDelivered-To: "), "{head}");
    assert!(head.contains("\r\nReceived: from "), "{head}");
    assert!(head.contains("\r\nX-Postern-Id: "), "{head}");
    assert!(head.contains("\r\nX-Postern-Verdict: accept"), "{head}");

    let dangerous = eicar_in_zip_in_zip("held by the relay");
    // Any recipient: nobody but this machine can send.
    let reply = submit(PORT, "", &["anybody@anywhere.example"], &dangerous)?;
    assert_eq!(reply.code, 250, "{reply:?}");
    assert_eq!(bare.delivered()?.len(), 1);
    let held = bare.cli(["quarantine", "list", "--json"])?.ok().object()?;
    let id = held["id"].as_str().context("an id")?.to_owned();
    let released = bare.cli(["quarantine", "release", &id, "--yes"])?.ok();
    let released = released.text();
    assert!(released.contains("released"), "{released}");
    let arrived = bare
        .delivered()?
        .into_iter()
        .any(|mail| below_ours(&mail) == dangerous);
    assert!(arrived, "what is released is what was held");

    let status = bare.cli(["status", "--json"])?.object()?;
    let doors: Vec<_> = status["doors"]
        .as_array()
        .context("doors")?
        .iter()
        .map(|door| format!("{} {}", door["door"], door["address"]))
        .collect();
    assert_eq!(
        doors,
        [
            "\"milter\" \"inet:127.0.0.1:8891\"",
            "\"smtp\" \"inet:127.0.0.1:2525\""
        ]
    );

    // The end in good order, with a session open.
    let _open = Smtp::connect(PORT)?;
    let child = bare.child.as_mut().context("it runs")?;
    signal(child.id(), Signal::TERM)?;
    let start = std::time::Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        ensure!(start.elapsed() < PATIENCE, "it did not end");
        std::thread::sleep(std::time::Duration::from_millis(20));
    };
    assert!(status.success(), "{status}");
    Ok(())
}

#[test]
fn a_port_that_is_taken_is_a_clear_error() -> Result<()> {
    let bare = Bare::prepare()?;
    let _taken = TcpListener::bind(("127.0.0.1", PORT))?;
    let run = bare.cli(["serve"])?;
    assert_ne!(run.status, Some(0));
    let said = &run.stderr;
    for word in ["127.0.0.1:2525", "cannot listen", "[relay]"] {
        assert!(said.contains(word), "`{word}` in: {said}");
    }
    Ok(())
}
