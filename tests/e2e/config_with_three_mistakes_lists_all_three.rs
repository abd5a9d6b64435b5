//! All that is wrong with a configuration is said at once, with place and remedy.

use crate::harness::{Daemon, Setup, postern, workspace};
use anyhow::Result;
use std::fs;

const MISTAKES: &str = "\
state_dir = \"var\"
rules_dirs = \"rules\"

[milter]
listen = [\"127.0.0.1\"]

[policy]
tag = \"forty\"
";

#[test]
fn with_line_column_and_the_nearest_key() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("postern.toml");
    fs::write(&file, MISTAKES)?;
    let path = file.display().to_string();
    for command in [
        ["config", "check"].as_slice(),
        &["serve"],
        &["scan", "fixtures/mail/clean-text.eml"],
    ] {
        let args = command.iter().copied().chain(["--config", path.as_str()]);
        let run = postern(args)?.exits(2);
        let said = run.text() + &run.stderr;
        let expected = [
            format!("{path}:2:1"),
            "rules_dirs".to_owned(),
            "rules_dir`".to_owned(),
            format!("{path}:5:"),
            "127.0.0.1".to_owned(),
            format!("{path}:8:"),
            "forty".to_owned(),
        ];
        for word in expected {
            assert!(said.contains(&word), "{command:?}: `{word}` in: {said}");
        }
    }
    assert!(!dir.path().join("var").exists(), "nothing was started");
    Ok(())
}

#[test]
fn and_does_not_keep_anybody_from_the_daemon() -> Result<()> {
    let mut daemon = Daemon::prepare(Setup::default(), 25)?;
    daemon.start()?;
    let file = daemon.config();
    let wrong = fs::read_to_string(&file)? + "\n[headers]\nadd = \"perhaps\"\nad = true\n";
    fs::write(&file, wrong)?;
    let run = daemon.cli(["quarantine", "list"])?.ok();
    assert!(run.text().contains("no held mail matches"), "{run:?}");
    let expected = format!(
        "postern: {}: 2 mistakes; `postern config check` lists them\n",
        file.display()
    );
    assert_eq!(run.stderr, expected);
    Ok(())
}

#[test]
fn and_what_is_shipped_has_none() -> Result<()> {
    postern(["config", "check"])?.ok();
    let shipped = workspace()
        .join("deploy/postern.toml")
        .display()
        .to_string();
    postern(["config", "check", "--config", &shipped])?.ok();
    Ok(())
}

#[test]
fn what_is_printed_can_be_read_again() -> Result<()> {
    let daemon = Daemon::prepare(Setup::default(), 25)?;
    let printed = daemon.cli(["config", "print"])?.ok();
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("printed.toml");
    fs::write(&file, &printed.stdout)?;
    let path = file.display().to_string();
    let again = postern(["config", "print", "--config", &path])?.ok();
    assert_eq!(again.text(), printed.text());
    Ok(())
}
