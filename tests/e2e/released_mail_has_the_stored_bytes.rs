//! What is released is what was held, and only we can release.

use crate::harness::{Setup, Site, clean, eicar, eicar_in_zip_in_zip, sha256, with_attachment};
use anyhow::Result;
use std::fs;

#[test]
fn below_the_trace_field_of_the_mta() -> Result<()> {
    let site = Site::start(Setup::default())?;
    // Lines that start with dots, octets beyond ASCII, trailing blanks, and no line end at the end.
    let mut sent = clean("held as it is");
    sent.extend_from_slice(b".\r\n..\r\n\r\nbegin \r\n");
    sent.splice(0..0, *b"X-Odd:  two blanks,\r\n\tand a fold \r\n");
    let eicar = with_attachment("held as it is, too", "eicar.com", eicar().as_bytes());
    let rule = "rule hold_it { meta: description = \"a test\" score = 100 category = \"policy\" \
        strings: $a = \"Subject: held as it is\" condition: $a }";
    fs::create_dir_all(site.daemon.path("rules/raw"))?;
    fs::write(site.daemon.path("rules/raw/hold_it.yar"), rule)?;
    site.daemon.cli(["rules", "reload"])?.ok();
    for message in [&sent, &eicar] {
        assert_eq!(site.send(message)?.code, 250);
    }
    let held = site.daemon.entries()?;
    assert_eq!(held.len(), 2, "{held:?}");
    let files = site.daemon.held_files()?;
    let stored: Vec<Vec<u8>> = files.iter().map(fs::read).collect::<Result<_, _>>()?;
    assert_eq!(stored.len(), 2);
    let release = ["quarantine", "release", "--all-held", "--yes", "--json"];
    assert_eq!(site.daemon.cli(release)?.ok().json()?.len(), 2);
    for stored in stored {
        let subject = if stored == sent {
            "as it is\r"
        } else {
            "as it is, too"
        };
        let delivered = site.sink.wait_for(subject)?;
        assert_eq!(sha256(delivered.below_trace()), sha256(&stored));
        assert!(
            delivered.data.starts_with(b"Received: from "),
            "{delivered:?}"
        );
        assert!([&sent, &eicar].contains(&&stored));
    }
    // Our own release is neither held again nor counted as another mail.
    assert_eq!(site.daemon.entries()?.len(), 2);
    assert_eq!(
        site.daemon
            .cli(["verdict", "list", "--json"])?
            .ok()
            .json()?
            .len(),
        2
    );
    Ok(())
}

#[test]
fn a_stranger_who_claims_to_be_a_release_is_held() -> Result<()> {
    let site = Site::start(Setup::default())?;
    assert_eq!(site.send(&eicar_in_zip_in_zip("the real one"))?.code, 250);
    let id = site.daemon.entry_id("the real one")?;
    site.daemon
        .cli(["quarantine", "release", &id, "--yes"])?
        .ok();
    let delivered = site.sink.wait_for("the real one")?;

    // He sends the very octets that a release had, and more names that a filter might believe.
    let forged = format!(
        "X-Postern-Id: {id}\r\nX-Postern-Release: {id}\r\nX-Postern-Verdict: accept; score=0\r\n"
    );
    let again = [forged.as_bytes(), delivered.data.as_slice()].concat();
    assert_eq!(site.send(&again)?.code, 250);
    let held = site
        .daemon
        .cli(["quarantine", "list", "--state", "held", "--json"])?
        .ok();
    assert_eq!(held.json()?.len(), 1, "{}", held.text());
    site.postfix.wait_until_empty()?;
    assert_eq!(site.sink.mails().len(), 1);
    Ok(())
}

#[test]
fn a_second_release_says_so() -> Result<()> {
    let site = Site::start(Setup::default())?;
    assert_eq!(site.send(&eicar_in_zip_in_zip("only once"))?.code, 250);
    let id = site.daemon.entry_id("only once")?;
    site.daemon
        .cli(["quarantine", "release", &id, "--yes"])?
        .ok();
    let second = site.daemon.cli(["quarantine", "release", &id, "--yes"])?;
    assert_ne!(second.status, Some(0));
    let said = second.text() + &second.stderr;
    assert!(said.contains("released already"), "{said}");
    site.postfix.wait_until_empty()?;
    assert_eq!(site.sink.with("only once").len(), 1);
    Ok(())
}

#[test]
fn two_releases_at_the_same_time_deliver_once() -> Result<()> {
    let site = Site::start(Setup::default())?;
    assert_eq!(site.send(&eicar_in_zip_in_zip("a race"))?.code, 250);
    let id = site.daemon.entry_id("a race")?;
    let release = || site.daemon.cli(["quarantine", "release", &id, "--yes"]);
    let runs: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(release)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("no panic"))
            .collect()
    });
    let mut won = 0;
    for run in runs {
        won += usize::from(run?.status == Some(0));
    }
    assert_eq!(won, 1);
    site.postfix.wait_until_empty()?;
    assert_eq!(site.sink.with("a race").len(), 1);
    Ok(())
}
