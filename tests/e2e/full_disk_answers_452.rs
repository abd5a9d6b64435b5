//! What could not be held is not accepted: neither with little room left, nor with none.

use crate::harness::{Daemon, Postfix, Setup, Sink, Site, clean, eicar_in_zip_in_zip, eventually};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use tempfile::TempDir;

#[test]
fn below_the_watermark_before_anything_is_sent() -> Result<()> {
    // No disk has so much room.
    let mut site = Site::start(Setup::default().set("store.min_free", "\"1000 TiB\""))?;
    for _ in 0..3 {
        let mut smtp = crate::harness::Smtp::connect(site.postfix.port())?;
        let reply = smtp.command("MAIL FROM:<alice@sender.example>")?;
        assert_eq!(reply.code, 452, "{reply:?}");
        assert!(
            reply.text.contains("Insufficient system storage"),
            "{reply:?}"
        );
    }
    let status = site.daemon.status()?;
    assert_eq!(status["accepting"], false);
    assert!(
        status["problems"].to_string().contains("disk nearly full"),
        "{status}"
    );
    assert!(site.postfix.queue()?.is_empty());
    assert!(
        site.daemon
            .cli(["verdict", "list", "--json"])?
            .ok()
            .json()?
            .is_empty()
    );

    // With room again it serves again.
    site.daemon.terminate()?;
    let config = fs::read_to_string(site.daemon.config())?;
    fs::write(site.daemon.config(), config.replace("1000 TiB", "1 MiB"))?;
    site.daemon.start()?;
    assert_eq!(site.send(&clean("room again"))?.code, 250);
    site.sink.wait_for("room again")?;
    Ok(())
}

#[test]
fn with_none_left_nothing_that_was_acknowledged_is_lost() -> Result<()> {
    let (sink, port) = (Sink::start()?, crate::harness::free_port()?);
    let disk = SmallDisk::mount()?;
    // The watermark is off, so that the disk really runs full.
    let setup = Setup::default()
        .state(disk.at.path())
        .set("store.min_free", "0")
        .set("store.segment", "\"1 MiB\"");
    let daemon = Daemon::prepare(setup, port)?;
    let mut site = site(daemon, sink, port)?;

    assert_eq!(site.send(&eicar_in_zip_in_zip("acknowledged"))?.code, 250);
    disk.fill(64 << 10)?;
    let mut acknowledged = vec!["acknowledged".to_owned()];
    let mut refused = 0;
    for number in 0..400 {
        let subject = format!("squeezed {number}");
        let reply = site.send(&eicar_in_zip_in_zip(&subject))?;
        if reply.is_positive() {
            acknowledged.push(subject);
        } else {
            assert!(reply.is_transient(), "{subject}: {reply:?}");
            refused += 1;
        }
        if refused == 5 {
            break;
        }
    }
    assert_eq!(refused, 5, "the disk did not run full");
    // A list may not be had now, since it is an index and that needs room. The mails are there.
    are_stored(&site, &acknowledged)?;

    disk.free()?;
    eventually("mail is taken again, by the same daemon", || {
        let reply = site.send(&eicar_in_zip_in_zip("room again")).ok()?;
        reply.is_positive().then_some(())
    })?;
    acknowledged.push("room again".to_owned());
    // The index comes back by itself within a minute; nobody has to wait for that.
    site.daemon.cli(["store", "rebuild"])?.ok();
    are_listed(&site, &acknowledged)?;
    site.daemon.terminate()?;
    site.daemon.start()?;
    are_listed(&site, &acknowledged)?;
    let report = site.daemon.cli(["audit", "verify", "--json"])?.ok();
    assert_eq!(report.object()?["ok"], true);
    site.daemon.kill()
}

fn site(mut daemon: Daemon, sink: Sink, port: u16) -> Result<Site> {
    daemon.spawn()?;
    let postfix = Postfix::start(port, daemon.milter(), sink.port())?;
    daemon.wait_until_it_serves()?;
    Ok(Site {
        daemon,
        postfix,
        sink,
    })
}

/// Whether each of these mails has exactly one file.
fn are_stored(site: &Site, subjects: &[String]) -> Result<()> {
    let files = site.daemon.held_files()?;
    let stored: Vec<Vec<u8>> = files.iter().map(fs::read).collect::<Result<_, _>>()?;
    for subject in subjects {
        let sent = eicar_in_zip_in_zip(subject);
        let copies = stored.iter().filter(|message| **message == sent).count();
        assert_eq!(copies, 1, "{subject}");
    }
    Ok(())
}

/// Whether each of these mails has exactly one entry, and a file.
fn are_listed(site: &Site, subjects: &[String]) -> Result<()> {
    let entries = site.daemon.entries()?;
    for subject in subjects {
        let is_it = |entry: &&Value| entry["subject"] == subject.as_str();
        assert_eq!(entries.iter().filter(is_it).count(), 1, "{subject}");
    }
    are_stored(site, subjects)
}

/// A file system of a few MiB.
struct SmallDisk {
    at: TempDir,
}

impl SmallDisk {
    fn mount() -> Result<SmallDisk> {
        let at = TempDir::with_prefix("postern-disk-")?;
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", "size=8m,mode=700", "postern-e2e"])
            .arg(at.path());
        let output = mount.output().context("mount")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "a small file system is needed: {said}"
        );
        Ok(SmallDisk { at })
    }

    fn filler(&self) -> PathBuf {
        self.at.path().join("filler")
    }

    /// Fills it but for this many octets.
    fn fill(&self, rest: u64) -> Result<()> {
        let room = rustix::fs::statvfs(self.at.path())?;
        let free = room.f_bavail * room.f_frsize;
        let size = usize::try_from(free.saturating_sub(rest))?;
        Ok(fs::write(self.filler(), vec![0; size])?)
    }

    fn free(&self) -> Result<()> {
        Ok(fs::remove_file(self.filler())?)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: even if something still has a file of it open.
        let mut umount = Command::new("umount");
        let _ = umount.arg("--lazy").arg(self.at.path()).status();
    }
}
