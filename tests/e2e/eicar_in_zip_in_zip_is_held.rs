//! The main job: what is dangerous is taken from the sender, held, explained, and released or
//! destroyed when a person says so.

use crate::harness::{Setup, Site, clean, eicar, eicar_in_zip_in_zip, sha256, with_attachment};
use anyhow::Result;
use std::fs;

#[test]
fn from_the_250_to_release_and_delete() -> Result<()> {
    let site = Site::start(Setup::default())?;
    let sent = eicar_in_zip_in_zip("your invoice");
    assert_eq!(site.send(&sent)?.code, 250);
    assert_eq!(site.send(&clean("harmless"))?.code, 250);
    site.sink.wait_for("harmless")?;

    let entry = site.daemon.entry("your invoice")?;
    let id = entry["id"].as_str().expect("an id");
    assert_eq!(entry["state"], "held");
    assert_eq!(entry["action"], "quarantine");
    assert_eq!(entry["category"], "malware");
    assert_eq!(entry["mail_from"], "alice@sender.example");
    assert_eq!(entry["rcpts"], serde_json::json!(["bob@rcpt.example"]));
    assert_eq!(entry["rules"], serde_json::json!(["eicar_test_file"]));
    assert_eq!(
        site.daemon.entries()?.len(),
        1,
        "the harmless one is not held"
    );

    show_tells_why(&site, id, &sent)?;
    explain_gives_the_same_verdict_again(&site, id)?;
    list_finds_it_by_every_condition(&site, &entry)?;
    export_writes_message_and_facts(&site, id, &sent)?;

    let release = [
        "quarantine",
        "release",
        id,
        "--yes",
        "--why",
        "a test file",
        "--json",
    ];
    let released = site.daemon.cli(release)?.ok().object()?;
    assert_eq!(released["ok"], true);
    assert_eq!(released["state"], "released");
    let delivered = site.sink.wait_for("your invoice")?;
    assert_eq!(delivered.rcpts, ["bob@rcpt.example"]);
    assert_eq!(delivered.mail_from, "alice@sender.example");
    // The queue id is that of Postfix, which logs it.
    let queue_id = released["queue_id"].as_str().expect("a queue id");
    assert!(site.postfix.log().contains(queue_id));
    let shown = site.daemon.cli(["quarantine", "show", id])?.ok().text();
    for word in ["released", "a test file", "uid 0", queue_id] {
        assert!(shown.contains(word), "`{word}` in: {shown}");
    }
    Ok(())
}

#[test]
fn delete_destroys_the_message_and_remembers_who_and_why() -> Result<()> {
    let site = Site::start(Setup::default())?;
    assert_eq!(site.send(&eicar_in_zip_in_zip("one"))?.code, 250);
    assert_eq!(
        site.send(&with_attachment("two", "x.com", eicar().as_bytes()))?
            .code,
        250
    );
    assert_eq!(site.daemon.held_files()?.len(), 2);

    let dry = [
        "quarantine",
        "delete",
        "--subject",
        "one",
        "--dry-run",
        "--json",
    ];
    site.daemon.cli(dry)?.ok();
    assert_eq!(site.daemon.held_files()?.len(), 2, "a dry run does nothing");

    let delete = [
        "quarantine",
        "delete",
        "--subject",
        "one",
        "--yes",
        "--why",
        "junk",
        "--json",
    ];
    let deleted = site.daemon.cli(delete)?.ok().object()?;
    assert_eq!(deleted["state"], "deleted");
    assert_eq!(site.daemon.held_files()?.len(), 1, "the other one stays");
    let entry = site.daemon.entry("one")?;
    assert_eq!(entry["state"], "deleted");
    let id = entry["id"].as_str().expect("an id");
    let shown = site.daemon.cli(["quarantine", "show", id])?.ok().text();
    assert!(shown.contains("junk") && shown.contains("uid 0"), "{shown}");

    // What is gone can neither be released nor read, and both say so.
    let release = site.daemon.cli(["quarantine", "release", id, "--yes"])?;
    assert_ne!(release.status, Some(0));
    assert!(
        (release.text() + &release.stderr).contains("deleted"),
        "{release:?}"
    );
    let raw = site.daemon.cli(["quarantine", "show", id, "--raw"])?;
    assert_ne!(raw.status, Some(0));
    assert!(site.sink.mails().is_empty());
    Ok(())
}

fn show_tells_why(site: &Site, id: &str, sent: &[u8]) -> Result<()> {
    let shown = site.daemon.cli(["quarantine", "show", id])?.ok().text();
    let expected = [
        "alice@sender.example",
        "bob@rcpt.example",
        "your invoice",
        "eicar_test_file",
        "malware",
        "invoice.zip",
        "inner.zip",
        "eicar.com",
        "full",
        "$eicar at 0",
    ];
    for word in expected {
        assert!(shown.contains(word), "`{word}` in: {shown}");
    }
    let raw = site.daemon.cli(["quarantine", "show", id, "--raw"])?.ok();
    assert_eq!(raw.stdout, sent, "the raw message is the one that was sent");
    let details = site
        .daemon
        .cli(["quarantine", "show", id, "--json"])?
        .ok()
        .object()?;
    assert_eq!(details["sha256"], sha256(sent));
    assert_eq!(details["stored"], true);
    let [file] = site.daemon.held_files()?.try_into().expect("one held file");
    assert_eq!(fs::read(&file)?, sent);
    Ok(())
}

fn explain_gives_the_same_verdict_again(site: &Site, id: &str) -> Result<()> {
    let explained = site
        .daemon
        .cli(["verdict", "explain", id, "--json"])?
        .ok()
        .object()?;
    assert_eq!(explained["equal"], true, "{explained}");
    let text = site.daemon.cli(["verdict", "explain", id])?.ok().text();
    assert!(text.contains("eicar_test_file"), "{text}");
    let shown = site.daemon.cli(["verdict", "show", id])?.ok().text();
    assert!(shown.contains("eicar_test_file"), "{shown}");
    Ok(())
}

fn list_finds_it_by_every_condition(site: &Site, entry: &serde_json::Value) -> Result<()> {
    let queue_id = entry["queue_id"].as_str().expect("a queue id");
    let hits = [
        ["--since", "1h"],
        ["--until", "2999-01-01"],
        ["--sender", "alice@sender.example"],
        ["--sender", "sender.example"],
        ["--rcpt", "bob@rcpt.example"],
        ["--rcpt", "RCPT.example"],
        ["--rule", "eicar_test_file"],
        ["--subject", "INVOICE"],
        ["--state", "held"],
        ["--action", "quarantine"],
        ["--tenant", "default"],
        ["--queue-id", queue_id],
    ];
    let misses = [
        ["--since", "2999-01-01"],
        ["--until", "2001-01-01"],
        ["--sender", "bob@rcpt.example"],
        ["--rcpt", "alice@sender.example"],
        ["--rule", "no_such_rule"],
        ["--subject", "harmless"],
        ["--state", "released"],
        ["--action", "reject"],
        ["--tenant", "nobody"],
        ["--queue-id", "0"],
    ];
    let cases = hits
        .into_iter()
        .map(|c| (c, 1))
        .chain(misses.into_iter().map(|c| (c, 0)));
    for ([condition, value], count) in cases {
        let list = ["quarantine", "list", condition, value, "--json"];
        let found = site.daemon.cli(list)?.ok().json()?;
        assert_eq!(found.len(), count, "{condition} {value}: {found:?}");
    }
    let table = site.daemon.cli(["quarantine", "list"])?.ok().text();
    assert!(
        table.contains("eicar_test_file") && table.contains("your invoice"),
        "{table}"
    );
    Ok(())
}

fn export_writes_message_and_facts(site: &Site, id: &str, sent: &[u8]) -> Result<()> {
    let target = tempfile::tempdir()?;
    let dir = target.path().display().to_string();
    site.daemon
        .cli(["quarantine", "export", id, "--output", &dir])?
        .ok();
    assert_eq!(fs::read(target.path().join(format!("{id}.eml")))?, sent);
    let facts = fs::read(target.path().join(format!("{id}.json")))?;
    let facts: serde_json::Value = serde_json::from_slice(&facts)?;
    assert!(facts.to_string().contains("eicar_test_file"));
    Ok(())
}
