//! Release, delete, export: what is done, and what is not.

use super::daemon::{MAIL, detail, summary};
use super::*;
use axum::http::StatusCode;
use control::{ErrorBody, path};
use serde_json::json;
use sha2::{Digest, Sha256};

fn list_of(daemon: &Daemon, count: u16) {
    let items: Vec<_> = (1..=count).map(summary).collect();
    daemon.answers(path::QUARANTINE_LIST, &json!({ "items": items }));
}

fn releases(daemon: &Daemon) {
    let result = json!({"results": [
        {"id": format!("{MAIL}-1"), "ok": true, "state": "released", "message": "250 2.0.0 Ok: queued as 4FzX", "queue_id": "4FzX"}
    ]});
    daemon.answers(path::QUARANTINE_RELEASE, &result);
}

#[tokio::test]
async fn a_release_names_ids_reason_and_recipients() {
    let daemon = Daemon::start();
    releases(&daemon);
    let id = format!("{MAIL}-1");
    let outcome = run(
        &daemon,
        &[
            "q",
            "release",
            &id,
            "--to",
            "x@y.example",
            "--why",
            "asked for",
            "--force",
        ],
    )
    .await;
    assert_eq!(outcome.exit(), Exit::Done);
    let asked = json!({"ids": [id], "why": "asked for", "rcpts": ["x@y.example"], "force": true});
    assert_eq!(daemon.asked(path::QUARANTINE_RELEASE), [asked]);
    assert_eq!(
        outcome.text,
        "01j8zq2v7c5w4n3k9d6f1h0g8t-1: released: 250 2.0.0 Ok: queued as 4FzX\n"
    );
}

#[tokio::test]
async fn what_the_next_hop_refused_is_shown_and_exits_with_1() {
    let daemon = Daemon::start();
    let result = json!({"results": [{"id": MAIL, "ok": false, "state": "held", "message": "451 4.3.0 later"}]});
    daemon.answers(path::QUARANTINE_RELEASE, &result);
    let outcome = run(&daemon, &["q", "release", MAIL]).await;
    assert_eq!(outcome.exit(), Exit::Found);
    assert_eq!(
        outcome.text,
        format!("{MAIL}: not released (held): 451 4.3.0 later\n")
    );
}

#[tokio::test]
async fn what_to_do_about_a_release_in_doubt_is_seen_on_every_terminal() {
    let daemon = Daemon::start();
    let said = format!(
        "{MAIL}-1: outcome unknown, the mail may have been delivered: mx.example:25: connection \
         closed; the recipients may have it: look for it there, and release it again with --force \
         if it did not arrive"
    );
    let again = format!("{MAIL}-2: the outcome of an earlier release is not known");
    let result = json!({"results": [
        {"id": format!("{MAIL}-1"), "ok": false, "state": "unknown", "message": said},
        {"id": format!("{MAIL}-2"), "ok": false, "state": "unknown", "message": again}
    ]});
    daemon.answers(path::QUARANTINE_RELEASE, &result);
    let outcome = run_on_width(&daemon, &["q", "release", MAIL], 60).await;
    let expected = "\
01j8zq2v7c5w4n3k9d6f1h0g8t-1: not released: outcome unknown,
  the mail may have been delivered: mx.example:25:
  connection closed; the recipients may have it: look for it
  there, and release it again with --force if it did not
  arrive
01j8zq2v7c5w4n3k9d6f1h0g8t-2: not released: the outcome of
  an earlier release is not known; release it with --force
  if it did not arrive
";
    assert_eq!(outcome.text, expected, "\n{}", outcome.text);
}

#[tokio::test]
async fn one_entry_is_no_entries() {
    let daemon = Daemon::start();
    list_of(&daemon, 1);
    let nobody = run(&daemon, &["q", "delete", "--all-held"]).await;
    assert!(
        nobody
            .error()
            .starts_with("postern: delete: 1 entry matches, and"),
        "{}",
        nobody.error()
    );
}

#[tokio::test]
async fn conditions_need_a_yes() {
    let daemon = Daemon::start();
    list_of(&daemon, 3);
    releases(&daemon);
    let line = ["q", "release", "--rule", "eicar"];

    let nobody = run(&daemon, &line).await;
    assert_eq!(
        nobody.error(),
        "postern: release: 3 entries match, and there is nobody to ask: add --yes, or --dry-run to see what would be done"
    );
    let no = run_answered(&daemon, &line, Some("n\n")).await;
    assert_eq!(no.exit(), Exit::Found);
    assert!(no.text.ends_with("nothing was done\n"), "{}", no.text);
    assert!(daemon.asked(path::QUARANTINE_RELEASE).is_empty());

    let yes = run_answered(&daemon, &line, Some("y\n")).await;
    assert_eq!(yes.exit(), Exit::Done);
    let unasked = run(&daemon, &["q", "release", "--rule", "eicar", "--yes"]).await;
    assert_eq!(unasked.exit(), Exit::Done);
    let asked = daemon.asked(path::QUARANTINE_RELEASE);
    let ids = (1..=3).map(|n| json!({ "ids": [format!("{MAIL}-{n}")] }));
    assert_eq!(asked, ids.clone().chain(ids).collect::<Vec<_>>());
}

#[tokio::test]
async fn conditions_mean_held_entries_unless_they_say_otherwise() {
    let daemon = Daemon::start();
    list_of(&daemon, 1);
    daemon.answers(path::QUARANTINE_DELETE, &json!({"results": []}));
    run(
        &daemon,
        &["q", "delete", "--sender", "evil.example", "--yes"],
    )
    .await;
    run(&daemon, &["q", "delete", "--state", "released", "--yes"]).await;
    run(&daemon, &["q", "delete", "--all-held", "--yes"]).await;
    let asked: Vec<_> = daemon
        .asked(path::QUARANTINE_LIST)
        .iter()
        .map(|a| a["filter"].clone())
        .collect();
    let expected = [
        json!({"sender": "evil.example", "state": "held"}),
        json!({"state": "released"}),
        json!({"state": "held"}),
    ];
    assert_eq!(asked, expected);
}

#[tokio::test]
async fn a_dry_run_asks_nobody_and_says_so_to_the_daemon() {
    let daemon = Daemon::start();
    list_of(&daemon, 1);
    let result = json!({"results": [{"id": format!("{MAIL}-1"), "ok": true, "state": "held", "message": "would be tried"}]});
    daemon.answers(path::QUARANTINE_DELETE, &result);
    let outcome = run(&daemon, &["q", "delete", "--all-held", "--dry-run"]).await;
    assert_eq!(outcome.exit(), Exit::Done);
    assert_eq!(outcome.text, format!("{MAIL}-1: would be tried\n"));
    assert_eq!(
        daemon.asked(path::QUARANTINE_DELETE)[0]["dry_run"],
        json!(true)
    );
}

#[tokio::test]
async fn neither_ids_nor_conditions_is_a_question_and_not_everything() {
    let daemon = Daemon::start();
    for line in [
        &["q", "delete"][..],
        &["q", "delete", "--yes"],
        &["q", "delete", MAIL, "--all-held"],
    ] {
        let outcome = run(&daemon, line).await;
        assert!(outcome.error().contains("name ids"), "{}", outcome.error());
    }
    assert!(daemon.asked(path::QUARANTINE_DELETE).is_empty());
}

#[tokio::test]
async fn entries_are_released_one_by_one_and_what_was_done_is_shown_before_an_error() {
    let daemon = Daemon::start();
    list_of(&daemon, 50);
    releases(&daemon);
    let broken = ErrorBody::new("the journal cannot be written").hint("look at the disk");
    daemon.refuses(
        path::QUARANTINE_RELEASE,
        StatusCode::INTERNAL_SERVER_ERROR,
        &broken,
    );
    let outcome = run(&daemon, &["q", "release", "--all-held", "--yes"]).await;
    assert!(outcome.text.contains("250 2.0.0 Ok"), "{}", outcome.text);
    assert_eq!(
        outcome.error(),
        "postern: the journal cannot be written\n  hint: look at the disk"
    );
    let sizes: Vec<_> = daemon
        .asked(path::QUARANTINE_RELEASE)
        .iter()
        .map(|a| a["ids"].as_array().map(Vec::len))
        .collect();
    assert_eq!(sizes, [Some(1), Some(1)]);
}

#[tokio::test]
async fn deleting_goes_in_requests_that_the_daemon_takes() {
    let daemon = Daemon::start();
    list_of(&daemon, 250);
    daemon.answers(path::QUARANTINE_DELETE, &json!({"results": []}));
    run(&daemon, &["q", "delete", "--all-held", "--yes"]).await;
    let asked = daemon.asked(path::QUARANTINE_DELETE);
    let sizes: Vec<_> = asked
        .iter()
        .map(|a| a["ids"].as_array().map(Vec::len))
        .collect();
    assert_eq!(sizes, [Some(100), Some(100), Some(50)]);
}

#[tokio::test]
async fn an_export_is_complete_and_overwrites_nothing() {
    let daemon = Daemon::start();
    let message = b"Subject: x\r\n\r\n\x00\xff\x1b[2J\r\n";
    let id = format!("{MAIL}-1");
    let mut entry = detail("plain");
    entry["sha256"] = json!(
        Sha256::digest(message)
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect::<String>()
    );
    daemon.answers(
        &path::entry(&id).expect("an id"),
        &json!({ "entries": [entry] }),
    );
    daemon.answers_bytes(&path::raw(&id).expect("an id"), message);
    let dir = daemon.dir.path().join("out");
    let line = ["q", "export", &id, "-o", dir.to_str().expect("UTF-8")];

    assert!(
        run(&daemon, &line)
            .await
            .error()
            .ends_with("out: not a directory")
    );
    std::fs::create_dir(&dir).expect("creates");
    assert_eq!(run(&daemon, &line).await.exit(), Exit::Done);
    let eml = dir.join(format!("{id}.eml"));
    assert_eq!(std::fs::read(&eml).expect("written"), message);
    let json = std::fs::read_to_string(dir.join(format!("{id}.json"))).expect("written");
    assert!(json.contains("\"subject\":\"plain\""), "{json}");

    std::fs::write(&eml, "mine").expect("writes");
    let again = run(&daemon, &line).await;
    assert_eq!(again.exit(), Exit::Found);
    assert!(again.text.contains("exists already"), "{}", again.text);
    assert_eq!(std::fs::read(&eml).expect("still there"), b"mine");
}

#[tokio::test]
async fn a_message_with_another_digest_is_not_exported() {
    let daemon = Daemon::start();
    let id = format!("{MAIL}-1");
    daemon.answers(
        &path::entry(&id).expect("an id"),
        &json!({ "entries": [detail("plain")] }),
    );
    daemon.answers_bytes(&path::raw(&id).expect("an id"), b"changed");
    let dir = tempfile::tempdir().expect("a temporary directory");
    let outcome = run(
        &daemon,
        &[
            "q",
            "export",
            &id,
            "-o",
            dir.path().to_str().expect("UTF-8"),
        ],
    )
    .await;
    assert_eq!(outcome.exit(), Exit::Found);
    assert!(
        outcome.text.contains("the stored file is damaged"),
        "{}",
        outcome.text
    );
    assert_eq!(
        std::fs::read_dir(dir.path()).expect("lists").count(),
        0,
        "nothing is left"
    );
}

#[tokio::test]
async fn an_id_from_the_daemon_never_becomes_a_path_unless_it_is_one() {
    let daemon = Daemon::start();
    let mut entry = detail("plain");
    entry["summary"]["id"] = json!("../../escaped");
    daemon.answers(
        &path::entry(MAIL).expect("an id"),
        &json!({ "entries": [entry] }),
    );
    let dir = tempfile::tempdir().expect("a temporary directory");
    let outcome = run(
        &daemon,
        &[
            "q",
            "export",
            MAIL,
            "-o",
            dir.path().to_str().expect("UTF-8"),
        ],
    )
    .await;
    assert_eq!(outcome.exit(), Exit::Found);
    assert!(
        outcome.text.contains("an id that is none"),
        "{}",
        outcome.text
    );
}
