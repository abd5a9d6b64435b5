//! What was answered, and where a mail is now.

use super::daemon::{MAIL, record};
use super::*;
use control::path;
use serde_json::json;

#[tokio::test]
async fn a_list_of_verdicts_says_who_holds_a_mail() {
    let daemon = Daemon::start();
    let verdict = |subject: &str, entries: &[&str], held_by_mta: bool| {
        json!({
            "id": MAIL, "received": 1_764_000_000_123_i64, "action": "quarantine", "score": 120,
            "queue_id": "4FzX1q2", "mail_from": "a@evil.example", "rcpts": ["a@uni.example"],
            "subject": subject, "entries": entries, "held_by_mta": held_by_mta
        })
    };
    let items = [
        verdict("one", &["01j8zq2v7c5w4n3k9d6f1h0g8t-1"], false),
        verdict("two", &[], true),
        verdict("three", &[], false),
    ];
    daemon.answers(path::VERDICT_LIST, &json!({ "items": items }));
    let expected = "\
ID                          RECEIVED              ACTION      SCORE  CATEGORY  HELD BY  QUEUE ID  SENDER          RCPT           SUBJECT  RULES
01j8zq2v7c5w4n3k9d6f1h0g8t  2025-11-24T16:00:00Z  quarantine    120  -         postern  4FzX1q2   a@evil.example  a@uni.example  one
01j8zq2v7c5w4n3k9d6f1h0g8t  2025-11-24T16:00:00Z  quarantine    120  -         MTA      4FzX1q2   a@evil.example  a@uni.example  two
01j8zq2v7c5w4n3k9d6f1h0g8t  2025-11-24T16:00:00Z  quarantine    120  -         -        4FzX1q2   a@evil.example  a@uni.example  three
";
    let outcome = run(&daemon, &["verdict", "list"]).await;
    assert_eq!(outcome.text, expected, "\n{}", outcome.text);

    let outcome = run_on_width(&daemon, &["verdict", "list"], 90).await;
    assert!(outcome.text.contains("MTA"), "{}", outcome.text);
}

#[tokio::test]
async fn a_verdict_says_what_the_next_hop_said() {
    let hop = json!({
        "address": "mail.example.org:25", "reply": "250 2.0.0 Ok: queued as 4ABC", "queue_id": "4ABC"
    });
    for (line, place) in commands() {
        let shown = json!({
            "record": record("plain"), "reply": "accept 250 2.0.0 Ok", "next_hop": hop, "equal": true
        });
        let daemon = Daemon::start();
        daemon.answers(&place, &shown);
        let text = run(&daemon, &line).await.text;
        let expected = "
  answered     accept 250 2.0.0 Ok
  next hop     mail.example.org:25
               250 2.0.0 Ok: queued as 4ABC
               queue id 4ABC
";
        assert!(text.contains(expected), "{text}");
        let json = run(&daemon, &[line.as_slice(), &["--json"]].concat()).await;
        assert!(
            json.text.contains("\"next_hop\":{\"address\":"),
            "{}",
            json.text
        );

        let shown = json!({"record": record("plain"), "next_hop": {"address": "maildir:x"}});
        let daemon = Daemon::start();
        daemon.answers(&place, &shown);
        let text = run(&daemon, &line).await.text;
        assert!(text.contains("no answer: it may have the mail"), "{text}");
    }
}

#[tokio::test]
async fn a_verdict_says_that_the_mta_holds_the_mail() {
    for (line, place) in commands() {
        let mut held = record("4FzX1q2");
        let daemon = Daemon::start();
        daemon.answers(&place, &json!({"record": held, "equal": true}));
        let text = run(&daemon, &line).await.text;
        assert!(!text.contains("held by"), "{text}");

        held["held_by_mta"] = json!(true);
        let daemon = Daemon::start();
        daemon.answers(&place, &json!({"record": held, "equal": true}));
        let text = run(&daemon, &line).await.text;
        let expected = "  held by      the mail server, in its hold queue as 4FzX1q2; \
            postsuper -H 4FzX1q2 releases it\n";
        assert!(text.contains(expected), "{text}");
    }
}

/// The commands that show one verdict, and where they ask.
fn commands() -> [([&'static str; 3], String); 2] {
    [
        (
            ["verdict", "show", MAIL],
            path::verdict(MAIL).expect("an id"),
        ),
        (
            ["verdict", "explain", MAIL],
            path::explain(MAIL).expect("an id"),
        ),
    ]
}
