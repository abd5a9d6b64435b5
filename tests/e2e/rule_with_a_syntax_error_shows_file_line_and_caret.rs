//! An analyst sees what is wrong with a rule, and where; the daemon serves on without it.

use crate::harness::{Daemon, Setup, Site, clean, workspace};
use anyhow::Result;
use std::fs;

const BROKEN: &str = "\
rule half_a_rule {
    meta:
        description = \"Has a mistake\"
        score = 10
        category = \"spam\"
    condition:
        tru
}
";

#[test]
fn and_the_exit_status_is_2() -> Result<()> {
    let daemon = Daemon::prepare(Setup::default().rule("mail/broken.yar", BROKEN), 25)?;
    let run = daemon.cli(["rules", "check"])?.exits(2);
    let said = run.text() + &run.stderr;
    for word in ["mail/broken.yar:7", "tru", "^"] {
        assert!(said.contains(word), "`{word}` in: {said}");
    }
    Ok(())
}

#[test]
fn meta_data_that_is_missing_is_named() -> Result<()> {
    let bare = "rule bare { condition: true }\n";
    let daemon = Daemon::prepare(Setup::default().rule("mail/bare.yar", bare), 25)?;
    let run = daemon.cli(["rules", "check"])?.exits(2);
    let said = run.text() + &run.stderr;
    for word in ["mail/bare.yar:1", "bare", "description"] {
        assert!(said.contains(word), "`{word}` in: {said}");
    }
    Ok(())
}

#[test]
fn a_daemon_does_not_start_with_it_for_the_first_time() -> Result<()> {
    let daemon = Daemon::prepare(Setup::default().rule("mail/broken.yar", BROKEN), 25)?;
    let run = daemon.cli(["serve"])?.exits(2);
    for word in ["broken.yar:7", "rules check"] {
        assert!(run.stderr.contains(word), "`{word}` in: {}", run.stderr);
    }
    Ok(())
}

#[test]
fn a_daemon_that_has_served_starts_with_the_last_rules_that_worked() -> Result<()> {
    let mut site = Site::start(Setup::default())?;
    site.daemon.terminate()?;
    fs::write(site.daemon.path("rules/mail/broken.yar"), BROKEN)?;
    site.daemon.start()?;
    let status = site.daemon.status()?;
    assert!(
        status["problems"].to_string().contains("broken.yar"),
        "{status}"
    );
    assert_eq!(site.send(&clean("with the old rules"))?.code, 250);
    site.sink.wait_for("with the old rules")?;
    Ok(())
}

#[test]
fn the_shipped_rules_have_none() -> Result<()> {
    let rules = workspace().join("rules").display().to_string();
    crate::harness::postern(["rules", "check", &rules])?.ok();
    crate::harness::postern(["rules", "test", &rules])?.ok();
    Ok(())
}
