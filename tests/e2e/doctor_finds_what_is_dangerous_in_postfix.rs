//! An operator who has made one of the usual mistakes is told, with a line that puts it right.

use crate::harness::{Run, postern, workspace};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

/// What a server for mail from outside needs beside the lines for Postern.
const MAIN: &str = "\
compatibility_level = 3.6
queue_directory = /var/spool/postfix
myhostname = mx.test.example
mydestination = test.example
mynetworks = 127.0.0.0/8 [::1]/128
smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, defer_unauth_destination
";

const MASTER: &str = "\
smtp       inet  n  -  y  -    -  smtpd
submission inet  n  -  y  -    -  smtpd
  -o syslog_name=postfix/submission
  -o { smtpd_recipient_restrictions = permit_sasl_authenticated, reject }
pickup     unix  n  -  y  60   1  pickup
cleanup    unix  n  -  y  -    0  cleanup
qmgr       unix  n  -  n  300  1  qmgr
";

/// Configuration files of Postfix, and Postern's own.
struct Files(TempDir);

impl Files {
    /// The lines that this project ships, in front of these of main.cf.
    fn shipped() -> Result<Files> {
        let files = Files(TempDir::with_prefix("postern-doctor-")?);
        let shipped = fs::read_to_string(workspace().join("deploy/postfix-main.cf"))?;
        fs::write(files.dir().join("main.cf"), format!("{MAIN}{shipped}"))?;
        fs::write(files.dir().join("master.cf"), MASTER)?;
        let state = files.dir().join("var");
        fs::write(
            files.own(),
            format!("state_dir = {:?}\n", state.display().to_string()),
        )?;
        Ok(files)
    }

    fn dir(&self) -> &Path {
        self.0.path()
    }

    fn own(&self) -> PathBuf {
        self.dir().join("postern.toml")
    }

    /// Runs `postconf` on them.
    fn postconf(&self, args: &[&str]) -> Result<()> {
        self.settle()?;
        let output = Command::new("postconf")
            .arg("-c")
            .arg(self.dir())
            .args(args)
            .output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "postconf {args:?}: {said}");
        Ok(())
    }

    /// Looks for dangers, without connecting to anything.
    fn doctor(&self, more: &[&str]) -> Result<Run> {
        self.run(["doctor", "--offline"].iter().chain(more).copied())
    }

    fn run<'a>(&self, args: impl Iterator<Item = &'a str>) -> Result<Run> {
        self.settle()?;
        let (dir, own) = (
            self.dir().display().to_string(),
            self.own().display().to_string(),
        );
        let named = ["--postfix-dir".to_owned(), dir, "--config".to_owned(), own];
        postern(args.map(str::to_owned).chain(named))
    }

    /// Makes the files old: Postfix waits for seconds when it finds one that somebody might be writing.
    fn settle(&self) -> Result<()> {
        for name in ["main.cf", "master.cf"] {
            let file = fs::File::options()
                .append(true)
                .open(self.dir().join(name))?;
            file.set_modified(SystemTime::now() - Duration::from_secs(3_600))?;
        }
        Ok(())
    }

    /// Runs the command that a finding gives.
    fn apply(&self, finding: &Value) -> Result<()> {
        let words = finding["change"]["command"]
            .as_array()
            .context("a command")?;
        let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
        let (program, args) = words.split_first().context("a program")?;
        ensure!(
            args.iter().any(|word| Path::new(word) == self.dir()),
            "not for these files: {words:?}"
        );
        self.settle()?;
        let output = Command::new(program).args(args).output()?;
        ensure!(output.status.success(), "{words:?}: {output:?}");
        Ok(())
    }
}

#[test]
fn and_nothing_in_what_is_shipped() -> Result<()> {
    let files = Files::shipped()?;
    let run = files.doctor(&["--strict"])?.ok();
    assert!(
        run.text().contains("nothing dangerous found"),
        "{}",
        run.text()
    );
    assert_eq!(files.doctor(&["--json"])?.ok().json()?, [] as [Value; 0]);
    let check = ["config", "check", "--postfix", "--offline"];
    files.run(check.iter().copied())?.ok();
    Ok(())
}

/// What stands in one of the files that this project ships: lines for main.cf, for master.cf, and in comments for
/// postern.toml.
fn relay_files(shipped: &str) -> Result<Files> {
    let files = Files::shipped()?;
    let text = fs::read_to_string(workspace().join("deploy").join(shipped))?;
    let (main, master) = text
        .split_once("\n# master.cf\n")
        .context("lines for master.cf")?;
    fs::write(files.dir().join("main.cf"), format!("{MAIN}{main}\n"))?;
    fs::write(files.dir().join("master.cf"), master)?;
    let own = main.lines().filter_map(|line| line.strip_prefix("#   "));
    let own: Vec<&str> = own.collect();
    ensure!(
        own.contains(&"[relay]"),
        "{shipped}: no lines for postern.toml"
    );
    let before = fs::read_to_string(files.own())?;
    fs::write(files.own(), format!("{before}{}\n", own.join("\n")))?;
    Ok(files)
}

#[test]
fn nor_in_what_is_shipped_for_the_relay() -> Result<()> {
    for shipped in ["postfix-proxy-filter.cf", "postfix-content-filter.cf"] {
        let files = relay_files(shipped)?;
        assert_eq!(
            files.doctor(&["--json", "--strict"])?.ok().json()?,
            [] as [Value; 0],
            "{shipped}"
        );
    }
    let mixed_up = relay_files("postfix-content-filter.cf")?;
    let own = fs::read_to_string(mixed_up.own())?;
    fs::write(mixed_up.own(), own.replace("after-queue", "before-queue"))?;
    let text = mixed_up.doctor(&[])?.exits(1).text();
    assert!(text.contains("each refusal becomes a bounce"), "{text}");
    assert!(text.contains("position = \"after-queue\""), "{text}");
    Ok(())
}

/// A mistake as arguments of `postconf`, whether it is a danger, and a line that must be proposed.
const MISTAKES: [(&[&str], bool, &str); 8] = [
    (
        &["-e", "milter_default_action = accept"],
        true,
        "milter_default_action = tempfail",
    ),
    (
        &["-P", "smtp/inet/milter_default_action=accept"],
        true,
        "-o milter_default_action=tempfail",
    ),
    (
        &[
            "-e",
            "smtpd_milters = { inet:127.0.0.1:8891, default_action=accept, command_timeout=1s }",
        ],
        true,
        "smtpd_milters = {inet:127.0.0.1:8891,default_action=tempfail,command_timeout=30s}",
    ),
    (
        &["-e", "smtpd_forbid_bare_newline = no"],
        true,
        "smtpd_forbid_bare_newline = yes",
    ),
    (
        &["-e", "milter_content_timeout = 30s"],
        false,
        "milter_content_timeout = 300s",
    ),
    (
        &["-P", "smtp/inet/smtpd_proxy_filter=127.0.0.1:10024"],
        true,
        "-o smtpd_proxy_filter=",
    ),
    (
        &["-e", "message_size_limit = 0"],
        true,
        "message_size_limit = 52428800",
    ),
    (
        &["-e", "smtpd_milters = inet:127.0.0.1:11332"],
        true,
        "smtpd_milters = inet:127.0.0.1:11332,inet:127.0.0.1:8891",
    ),
];

#[test]
fn and_the_line_that_it_gives_puts_it_right() -> Result<()> {
    for (mistake, dangerous, line) in MISTAKES {
        let files = Files::shipped()?;
        files.postconf(mistake)?;
        files.doctor(&["--strict"])?.exits(1);
        let run = files.doctor(&["--json"])?.exits(i32::from(dangerous));
        let findings = run.json()?;
        let lines: Vec<&str> = findings
            .iter()
            .filter_map(|f| f["change"]["line"].as_str())
            .collect();
        assert!(lines.contains(&line), "{mistake:?}: {findings:#?}");
        findings
            .iter()
            .try_for_each(|finding| files.apply(finding))?;
        files.doctor(&["--strict"])?.ok();
    }
    Ok(())
}

#[test]
fn in_words_that_say_what_where_and_why() -> Result<()> {
    let files = Files::shipped()?;
    files.postconf(&["-P", "submission/inet/milter_default_action=accept"])?;
    let check = ["config", "check", "--postfix", "--offline"];
    let text = files.run(check.iter().copied())?.exits(1).text();
    for part in [
        ": ok\n",
        "danger: milter_default_action = accept\n",
        "master.cf, service submission/inet\n",
        "mail passes unfiltered",
        "    -o milter_default_action=tempfail\n",
        "1 danger, 0 warnings, 0 notes",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    Ok(())
}

#[test]
fn without_passing_on_what_commands_a_terminal() -> Result<()> {
    let files = Files::shipped()?;
    files.postconf(&["-e", "milter_default_action = \x1b]0;owned\x07accept"])?;
    let run = files.doctor(&[])?;
    assert!(
        run.text().contains(r"\x1b]0;owned\x07accept"),
        "{}",
        run.text()
    );
    assert!(!run.stdout.contains(&0x1b) && !run.stderr.contains('\x1b'));
    Ok(())
}

#[test]
fn and_says_how_to_name_a_postconf_that_is_not_there() -> Result<()> {
    let files = Files::shipped()?;
    let run = files
        .doctor(&["--postconf", "/nonexistent/postconf"])?
        .exits(2);
    assert!(
        run.stderr.contains("/nonexistent/postconf"),
        "{}",
        run.stderr
    );
    let nowhere = files.dir().join("var").display().to_string();
    let run = postern(["doctor", "--offline", "--postfix-dir", &nowhere])?.exits(2);
    assert!(run.stderr.contains("no main.cf there"), "{}", run.stderr);
    let run = postern(["config", "check", "--strict"])?.exits(2);
    assert!(run.stderr.contains("--postfix"), "{}", run.stderr);
    Ok(())
}
