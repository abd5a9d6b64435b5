//! Sendmail asks its milters in its own way, and everybody gets what is his.

use crate::harness::{
    Daemon, Sendmail, Setup, Sink, clean, eicar_in_zip_in_zip, free_port, header_block, sha256,
    submit,
};
use anyhow::{Context, Result};
use std::fs;

const PILLS: &str = r#"import "mail"
rule about_pills {
    meta:
        description = "Offers pills"
        score = 10
        category = "spam"
    condition:
        mail.subject contains "pills"
}
"#;

const TENANTS: &str = r#"
[[tenant]]
name = "strict"
domains = ["strict.example"]
[tenant.category]
spam = "reject"
"#;

/// A next hop, the daemon, and sendmail, which released mail goes to as well.
fn site(setup: Setup) -> Result<(Sink, Daemon, Sendmail)> {
    let sink = Sink::start()?;
    let port = free_port()?;
    let mut daemon = Daemon::prepare(setup, port)?;
    daemon.start()?;
    let sendmail = Sendmail::start(port, daemon.milter(), sink.port())?;
    Ok((sink, daemon, sendmail))
}

#[test]
fn clean_mail_passes_and_dangerous_mail_is_held_as_it_came() -> Result<()> {
    let (sink, daemon, sendmail) = site(Setup::default())?;
    let send = |message: &[u8]| {
        submit(
            sendmail.port(),
            "alice@sender.example",
            &["bob@rcpt.example"],
            message,
        )
    };
    let reply = send(&clean("good news"))?;
    assert_eq!(reply.code, 250, "{reply:?}");
    let received = sink.wait_for("good news")?;
    assert!(
        received.header_contains("X-Postern-Id: "),
        "{}",
        received.text()
    );
    assert_eq!(received.rcpts, ["bob@rcpt.example"]);
    let verdicts = daemon.cli(["verdict", "list", "--json"])?.ok();
    let queue_id = verdicts.object()?["queue_id"]
        .as_str()
        .context("a queue id")?
        .to_owned();
    assert!(
        reply.text.contains(&queue_id),
        "{reply:?} is not about {queue_id}"
    );

    let message = eicar_in_zip_in_zip("bad news");
    assert_eq!(send(&message)?.code, 250);
    let held = daemon.held_files()?;
    let [file] = held.as_slice() else {
        panic!("{held:?}")
    };
    assert_eq!(sha256(&fs::read(file)?), sha256(&message));
    assert!(sink.with("bad news").is_empty());
    let id = daemon.entry_id("bad news")?;
    daemon.cli(["quarantine", "release", &id, "--yes"])?.ok();
    // Nobody has judged it again. Sendmail has its own way with addresses in header fields; below them all is as it was.
    let body = message
        .get(header_block(&message).len()..)
        .context("a body")?;
    assert!(sink.wait_for("bad news")?.data.ends_with(body));
    Ok(())
}

#[test]
fn every_recipient_gets_the_verdict_of_his_tenant_and_the_sender_one_answer() -> Result<()> {
    let setup = Setup::default()
        .rule("mail/pills.yar", PILLS)
        .tenants(TENANTS);
    let (sink, daemon, sendmail) = site(setup)?;
    let send = |rcpts: &[&str], subject: &str| {
        submit(
            sendmail.port(),
            "alice@sender.example",
            rcpts,
            &clean(subject),
        )
    };
    let refused = send(&["a@strict.example"], "pills for nobody")?;
    assert_eq!(refused.code, 550, "{refused:?}");
    assert!(
        refused.text.contains("Message refused by content policy"),
        "{refused:?}"
    );

    let reply = send(&["a@strict.example", "b@other.example"], "pills for one")?;
    assert_eq!(reply.code, 250, "{reply:?}");
    assert_eq!(sink.wait_for("pills for one")?.rcpts, ["b@other.example"]);
    let entry = daemon.entry("pills for one")?;
    assert_eq!(entry["rcpts"], serde_json::json!(["a@strict.example"]));
    assert!(sink.with("pills for nobody").is_empty());
    Ok(())
}

#[test]
fn and_no_mail_passes_while_nobody_answers() -> Result<()> {
    let (sink, mut daemon, sendmail) = site(Setup::default())?;
    let send = |subject: &str| {
        submit(
            sendmail.port(),
            "alice@sender.example",
            &["bob@rcpt.example"],
            &clean(subject),
        )
    };
    daemon.kill()?;
    let reply = send("too early")?;
    assert_eq!(reply.code / 100, 4, "{reply:?}");
    daemon.start()?;
    assert_eq!(send("in time")?.code, 250);
    sink.wait_for("in time")?;
    assert!(sink.with("too early").is_empty());
    Ok(())
}
