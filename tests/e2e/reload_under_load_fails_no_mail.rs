//! Rules change while mail flows: no mail notices, and broken rules never come into force.

use crate::harness::{Setup, Site, clean, eventually};
use anyhow::Result;
use rustix::process::Signal;
use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

const GOOD: &str = r#"import "mail"
rule about_pills {
    meta:
        description = "Offers pills"
        score = 100
        category = "spam"
    condition:
        mail.subject contains "pills"
}
"#;

const BROKEN: &str = r#"import "mail"
rule about_pills {
    meta:
        description = "Offers pills"
        score = 100
        category = "spam"
    condition:
        mail.subjekt contains "pills"
}
"#;

#[test]
fn by_command_and_by_signal() -> Result<()> {
    let site = Site::start(Setup::default())?;
    let (ended, sent) = (AtomicBool::new(false), AtomicU32::new(0));
    std::thread::scope(|scope| -> Result<()> {
        let senders: Vec<_> = (0..2)
            .map(|who| {
                let (site, ended, sent) = (&site, &ended, &sent);
                scope.spawn(move || -> Result<()> {
                    for number in 0.. {
                        if ended.load(Ordering::Relaxed) {
                            break;
                        }
                        let reply = site.send(&clean(&format!("load {who} {number}")))?;
                        assert_eq!(reply.code, 250, "{who} {number}: {reply:?}");
                        sent.fetch_add(1, Ordering::Relaxed);
                    }
                    Ok(())
                })
            })
            .collect();
        let changed = change_rules(&site);
        ended.store(true, Ordering::Relaxed);
        for sender in senders {
            sender.join().expect("every mail was answered with 250")?;
        }
        changed
    })?;
    site.postfix.wait_until_empty()?;
    assert_eq!(
        site.sink.with("load ").len(),
        sent.load(Ordering::Relaxed) as usize
    );
    assert_eq!(site.daemon.status()?["failures"], 0);
    Ok(())
}

/// Puts a rule in force, breaks it by command and by signal, and takes it away again.
fn change_rules(site: &Site) -> Result<()> {
    let file = site.daemon.path("rules/mail/pills.yar");
    let digest = || -> Result<String> { Ok(site.daemon.status()?["rules"]["digest"].to_string()) };
    let first = digest()?;
    assert_eq!(site.send(&clean("pills, no rule yet"))?.code, 250);
    site.sink.wait_for("pills, no rule yet")?;

    fs::write(&file, GOOD)?;
    let reloaded = site
        .daemon
        .cli(["rules", "reload", "--json"])?
        .ok()
        .object()?;
    assert_ne!(reloaded["before"], reloaded["digest"]);
    let second = digest()?;
    assert_ne!(first, second);
    assert_eq!(site.send(&clean("pills, held"))?.code, 250);
    assert_eq!(site.daemon.entry("pills, held")?["rules"][0], "about_pills");

    fs::write(&file, BROKEN)?;
    let refused = site.daemon.cli(["rules", "reload"])?.exits(2);
    for word in ["pills.yar:8", "subjekt", "^"] {
        assert!(
            refused.stderr.contains(word),
            "`{word}` in: {}",
            refused.stderr
        );
    }
    assert_eq!(digest()?, second, "the old rules serve");
    let reloads = reports_of_old_rules(site);
    site.daemon.signal(Signal::HUP)?;
    eventually("the signal has been seen", || {
        (reports_of_old_rules(site) > reloads).then_some(())
    })?;
    assert_eq!(digest()?, second);
    let status = site.daemon.status()?;
    let problems = status["problems"].to_string();
    assert!(problems.contains("pills.yar"), "status says so: {problems}");
    assert_eq!(site.send(&clean("pills, held as well"))?.code, 250);
    assert_eq!(site.daemon.entry("pills, held as well")?["state"], "held");

    fs::remove_file(&file)?;
    site.daemon.signal(Signal::HUP)?;
    eventually("the rules are as at the start", || {
        digest().ok().filter(|now| *now == first)
    })?;
    assert_eq!(site.send(&clean("pills, no rule any more"))?.code, 250);
    site.sink.wait_for("pills, no rule any more")?;
    let status = site.daemon.status()?;
    assert!(
        !status["problems"].to_string().contains("pills.yar"),
        "{status}"
    );
    Ok(())
}

fn reports_of_old_rules(site: &Site) -> usize {
    site.daemon
        .log()
        .matches("the old rules stay in force")
        .count()
}

#[test]
fn a_policy_comes_into_force_by_signal() -> Result<()> {
    let site = Site::start(Setup::default().rule("mail/pills.yar", GOOD))?;
    assert_eq!(site.send(&clean("pills, held"))?.code, 250);
    assert_eq!(site.daemon.entry("pills, held")?["state"], "held");
    let before = site.daemon.status()?["policy"]["digest"].clone();

    let config = fs::read_to_string(site.daemon.config())?;
    fs::write(
        site.daemon.config(),
        format!("policy.quarantine = 200\n{config}"),
    )?;
    site.daemon.signal(Signal::HUP)?;
    eventually("the policy is in force", || {
        let status = site.daemon.status().ok()?;
        (status["policy"]["digest"] != before).then_some(())
    })?;
    assert_eq!(site.send(&clean("pills, tagged"))?.code, 250);
    let received = site.sink.wait_for("pills, tagged")?;
    assert!(
        received.header_contains("X-Postern-Verdict: tag; score=100"),
        "{received:?}"
    );
    // The old verdict is still explained by the policy of its day.
    let id = site.daemon.entry_id("pills, held")?;
    let explained = site
        .daemon
        .cli(["verdict", "explain", &id, "--json"])?
        .ok()
        .object()?;
    assert_eq!(explained["equal"], true, "{explained}");
    Ok(())
}

#[test]
fn a_refused_configuration_leaves_the_old_policy_and_status_says_so() -> Result<()> {
    let site = Site::start(Setup::default().rule("mail/pills.yar", GOOD))?;
    let before = site.daemon.status()?["policy"]["digest"].clone();
    let problems =
        || -> Option<String> { Some(site.daemon.status().ok()?["problems"].to_string()) };

    let config = fs::read_to_string(site.daemon.config())?;
    fs::write(
        site.daemon.config(),
        format!("policy.quarantin = 200\n{config}"),
    )?;
    site.daemon.signal(Signal::HUP)?;
    eventually("status shows the mistake", || {
        problems().filter(|text| text.contains("quarantin"))
    })?;
    assert_eq!(site.daemon.status()?["policy"]["digest"], before);
    assert_eq!(site.send(&clean("pills, held"))?.code, 250);
    assert_eq!(site.daemon.entry("pills, held")?["state"], "held");

    fs::write(site.daemon.config(), config)?;
    site.daemon.signal(Signal::HUP)?;
    eventually("the mistake is forgotten", || {
        problems().filter(|text| !text.contains("quarantin"))
    })?;
    Ok(())
}
