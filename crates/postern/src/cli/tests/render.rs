//! What is shown.

use super::daemon::{MAIL, detail, record, summary};
use super::*;
use axum::http::StatusCode;
use control::{ErrorBody, path};
use serde_json::{Value, json};

/// Everything at once: a terminal's commands, C1, BiDi, line ends, invisible characters.
const HOSTILE: &str =
    "x\x1b[2J\x1b]52;c;cm0=\x07\u{9b}1m\r\n\u{202e}\u{2028}\u{200b}\u{e0041}\x00\x7f\u{8}y";

fn assert_plain(text: &str) {
    let harmful = |c: char| {
        c != '\n'
            && (c.is_control() || matches!(c, '\u{202e}' | '\u{2028}' | '\u{200b}' | '\u{e0041}'))
    };
    assert!(!text.contains(harmful), "{text:?}");
}

fn everything(daemon: &Daemon, text: &str) {
    let mut hostile = summary(1);
    for key in [
        "state",
        "mail_from",
        "subject",
        "action",
        "category",
        "tenant",
        "queue_id",
    ] {
        hostile[key] = json!(text);
    }
    for key in ["from", "rcpts", "rules"] {
        hostile[key] = json!([text, text, text, text, text]);
    }
    daemon.answers(
        path::QUARANTINE_LIST,
        &json!({"items": [hostile], "next": text}),
    );
    daemon.answers(path::VERDICT_LIST, &json!({"items": [hostile]}));
    daemon.answers(
        &path::entry(MAIL).expect("an id"),
        &json!({ "entries": [detail(text)] }),
    );
    let mut judged = record(text);
    judged["held_by_mta"] = json!(true);
    let hop = json!({"address": text, "reply": text, "queue_id": text});
    let shown = json!({"record": judged, "reply": text, "next_hop": hop, "history": [{"at": 0, "event": text, "detail": text}]});
    daemon.answers(&path::verdict(MAIL).expect("an id"), &shown);
    let verdict = record(text)["groups"][0]["verdict"].clone();
    let replays = json!([{"tenant": text, "verdict": verdict, "equal": false}]);
    let explained = json!({"record": judged, "next_hop": hop, "replays": replays, "equal": false, "note": text});
    daemon.answers(&path::explain(MAIL).expect("an id"), &explained);
    let rule = json!({"rule": text, "place": text, "file": text, "category": text, "stage": text, "action": text, "description": text});
    daemon.answers(path::RULES, &json!({"digest": text, "rules": [rule]}));
    daemon.answers(
        path::RULES_RELOAD,
        &json!({"digest": text, "warnings": [text]}),
    );
    daemon.answers(
        path::STORE_REBUILD,
        &json!({"running": false, "phase": text, "findings": [text]}),
    );
    daemon.answers(
        path::AUDIT_VERIFY,
        &json!({"ok": false, "problems": [text]}),
    );
    daemon.answers(
        path::QUARANTINE_RELEASE,
        &json!({"results": [{"id": text, "state": text, "message": text, "queue_id": text}]}),
    );
    let status = json!({
        "program": text, "problems": [text], "doors": [{"door": text, "address": text}],
        "workers": [{"state": text, "rules": text}], "confinement": [{"name": text, "detail": text}],
        "rules": {"digest": text, "dir": text}, "policy": {"digest": text, "tenants": [text]},
        "answered": {text: 1}, "store": {"recovery": [text]}, "disk": {"dir": text}
    });
    daemon.answers(path::STATUS, &status);
}

const COMMANDS: [&[&str]; 10] = [
    &["quarantine", "list"],
    &["quarantine", "show", MAIL],
    &["quarantine", "release", MAIL],
    &["verdict", "list"],
    &["verdict", "show", MAIL],
    &["verdict", "explain", MAIL],
    &["rules", "list"],
    &["rules", "reload"],
    &["store", "rebuild"],
    &["status"],
];

#[tokio::test]
async fn no_command_passes_on_what_could_command_a_terminal() {
    let daemon = Daemon::start();
    everything(&daemon, HOSTILE);
    for line in COMMANDS.into_iter().chain([&["audit", "verify"][..]]) {
        let outcome = run(&daemon, line).await;
        assert!(outcome.result.is_ok(), "{line:?}: {:?}", outcome.result);
        assert!(
            outcome.text.contains("x\\x1b[2J"),
            "{line:?}: {}",
            outcome.text
        );
        assert_plain(&outcome.text);
    }
}

#[tokio::test]
async fn json_is_one_harmless_object_a_line() {
    let daemon = Daemon::start();
    everything(&daemon, HOSTILE);
    for line in COMMANDS.into_iter().chain([&["audit", "verify"][..]]) {
        let line: Vec<&str> = line.iter().copied().chain(["--json"]).collect();
        let outcome = run(&daemon, &line).await;
        assert_plain(&outcome.text);
        assert!(!outcome.text.is_empty(), "{line:?}");
        for object in outcome.text.lines() {
            let value: Value = serde_json::from_str(object).expect("JSON");
            assert!(value.is_object(), "{object}");
        }
    }
}

#[tokio::test]
async fn errors_of_the_daemon_are_harmless_and_complete() {
    let daemon = Daemon::start();
    let mut error = ErrorBody::new(format!("rules/file/a.yar: {HOSTILE}")).hint(HOSTILE);
    error.details = vec![format!("error[E001]: syntax\n --> a.yar:3:1\n{HOSTILE}")];
    daemon.refuses(path::RULES_RELOAD, StatusCode::UNPROCESSABLE_ENTITY, &error);
    let text = run(&daemon, &["rules", "reload"]).await.error();
    assert_plain(&text);
    assert!(
        text.starts_with("postern: rules/file/a.yar: x\\x1b[2J"),
        "{text}"
    );
    assert!(
        text.contains("\nerror[E001]: syntax\n --> a.yar:3:1\n"),
        "{text}"
    );
    assert!(text.contains("\n  hint: x\\x1b"), "{text}");
}

#[tokio::test]
async fn a_list_is_a_table_with_a_way_to_go_on() {
    let daemon = Daemon::start();
    daemon.answers(
        path::QUARANTINE_LIST,
        &json!({"items": [summary(2)], "next": "c1"}),
    );
    daemon.answers(
        path::QUARANTINE_LIST,
        &json!({"items": [summary(1)], "next": "c2"}),
    );
    let outcome = run(&daemon, &["q", "list", "--limit", "2"]).await;
    let expected = "\
ID                            RECEIVED              STATE  SCORE  CATEGORY  SENDER                RCPT              SUBJECT       RULES
01j8zq2v7c5w4n3k9d6f1h0g8t-2  2025-11-24T16:00:00Z  held     120  malware   billing@evil.example  a@uni.example +1  Your invoice  eicar
01j8zq2v7c5w4n3k9d6f1h0g8t-1  2025-11-24T16:00:00Z  held     120  malware   billing@evil.example  a@uni.example +1  Your invoice  eicar
2 shown; more with --after c2, or --all
";
    assert_eq!(outcome.text, expected, "\n{}", outcome.text);
    let limits: Vec<_> = daemon
        .asked(path::QUARANTINE_LIST)
        .iter()
        .map(|a| a["limit"].clone())
        .collect();
    assert_eq!(limits, [2, 1], "a short page is completed, not exceeded");
}

#[tokio::test]
async fn a_list_tells_what_matters_on_a_narrow_terminal() {
    let daemon = Daemon::start();
    let mut other = summary(2);
    other["state"] = json!("unknown");
    other["subject"] = json!("Mahnung");
    daemon.answers(path::QUARANTINE_LIST, &json!({"items": [summary(1)]}));
    daemon.answers(
        path::QUARANTINE_LIST,
        &json!({"items": [summary(1), other]}),
    );
    daemon.answers(
        path::VERDICT_LIST,
        &json!({"items": [{
            "id": MAIL, "received": 1_764_000_000_123_i64, "action": "quarantine", "score": 120,
            "category": "malware", "queue_id": "4FzX1q2", "mail_from": "billing@evil.example",
            "rcpts": ["a@uni.example"], "subject": "Your invoice of November", "rules": ["eicar"]
        }]}),
    );
    for (line, columns, expected) in [
        (["q", "list"], 80, NARROW),
        (["q", "list"], 80, NARROW_WITH_STATES),
        (["q", "list"], 120, WIDER),
        (["verdict", "list"], 80, NARROW_VERDICTS),
    ] {
        let outcome = run_on_width(&daemon, &line, columns).await;
        assert_eq!(outcome.text, expected, "\n{}", outcome.text);
        let widest = outcome.text.lines().map(|line| line.chars().count()).max();
        assert!(widest <= Some(columns), "{widest:?}");
    }
}

const NARROW: &str = "\
ID                            SENDER       SUBJECT      RECEIVED     RCPT
01j8zq2v7c5w4n3k9d6f1h0g8t-1  billing@ev…  Your invoi…  11-24 16:00  a@uni.exam…
";
const NARROW_WITH_STATES: &str = "\
ID                            SENDER          SUBJECT       RECEIVED     STATE
01j8zq2v7c5w4n3k9d6f1h0g8t-1  billing@evil.…  Your invoice  11-24 16:00  held
01j8zq2v7c5w4n3k9d6f1h0g8t-2  billing@evil.…  Mahnung       11-24 16:00  unknown
";
const WIDER: &str = "\
ID                            SENDER          SUBJECT       RECEIVED     STATE    SCORE  CATEGORY  RCPT            RULES
01j8zq2v7c5w4n3k9d6f1h0g8t-1  billing@evil.…  Your invoice  11-24 16:00  held       120  malware   a@uni.example…  eicar
01j8zq2v7c5w4n3k9d6f1h0g8t-2  billing@evil.…  Mahnung       11-24 16:00  unknown    120  malware   a@uni.example…  eicar
";
const NARROW_VERDICTS: &str = "\
ID                          SENDER         SUBJECT       RECEIVED     ACTION
01j8zq2v7c5w4n3k9d6f1h0g8t  billing@evil…  Your invoic…  11-24 16:00  quarantine
";

#[tokio::test]
async fn names_of_rules_are_whole_on_a_narrow_terminal() {
    let daemon = Daemon::start();
    let rule = json!({
        "rule": "encrypted_archive_with_password", "place": "mail", "score": 80,
        "category": "evasion", "stage": "live", "description": "An encrypted file, and its password"
    });
    daemon.answers(path::RULES, &json!({"digest": "ab", "rules": [rule]}));
    let outcome = run_on_width(&daemon, &["rules", "list"], 72).await;
    let expected = "\
RULE                             PLACE  SCORE  CATEGORY  DESCRIPTION
encrypted_archive_with_password  mail      80  evasion   An encrypted f…
1 rule, digest ab
";
    assert_eq!(outcome.text, expected, "\n{}", outcome.text);
}

#[tokio::test]
async fn a_list_is_of_held_entries_unless_it_says_otherwise() {
    let daemon = Daemon::start();
    daemon.answers(path::QUARANTINE_LIST, &json!({"items": []}));
    for (state, said) in [
        (&[][..], "no held mail matches; --state any has those"),
        (&["--state", "any"], "no entry matches\n"),
        (
            &["--state", "deleted"],
            "no entry matches that is `deleted`\n",
        ),
    ] {
        let text = run(&daemon, &[&["q", "list"][..], state].concat())
            .await
            .text;
        assert!(text.starts_with(said), "{text}");
    }
    let asked = daemon.asked(path::QUARANTINE_LIST);
    let filters: Vec<_> = asked.iter().map(|asked| asked["filter"].clone()).collect();
    assert_eq!(
        filters,
        [
            json!({"state": "held"}),
            json!({}),
            json!({"state": "deleted"})
        ]
    );
}

#[tokio::test]
async fn an_empty_list_says_so_to_people_and_nothing_to_machines() {
    let daemon = Daemon::start();
    daemon.answers(path::VERDICT_LIST, &json!({"items": []}));
    assert_eq!(
        run(&daemon, &["verdict", "list"]).await.text,
        "no mail matches\n"
    );
    assert_eq!(run(&daemon, &["verdict", "list", "--json"]).await.text, "");
}

#[tokio::test]
async fn an_entry_is_shown_with_all_that_is_known() {
    let daemon = Daemon::start();
    daemon.answers(
        &path::entry(MAIL).expect("an id"),
        &json!({ "entries": [detail("plain")] }),
    );
    let outcome = run(&daemon, &["q", "show", MAIL]).await;
    assert_eq!(outcome.text, SHOWN, "\n{}", outcome.text);
}

const SHOWN: &str = include_str!("show.txt");

#[tokio::test]
async fn an_entry_without_its_record_is_still_shown() {
    let daemon = Daemon::start();
    let mut entry = detail("plain");
    entry["record"] = Value::Null;
    daemon.answers(
        &path::entry(MAIL).expect("an id"),
        &json!({ "entries": [entry] }),
    );
    let outcome = run(&daemon, &["q", "show", MAIL]).await;
    assert!(
        outcome.text.contains("why it is held is not known"),
        "{}",
        outcome.text
    );
}

#[tokio::test]
async fn an_explanation_says_whether_the_verdict_came_out_again() {
    let daemon = Daemon::start();
    let verdict = record("plain")["groups"][0]["verdict"].clone();
    let replays = json!([{"tenant": "plain", "verdict": verdict, "equal": true}]);
    daemon.answers(
        &path::explain(MAIL).expect("an id"),
        &json!({"record": record("plain"), "replays": replays, "equal": true}),
    );
    let outcome = run(&daemon, &["verdict", "explain", MAIL]).await;
    assert_eq!(outcome.exit(), Exit::Done);
    for sentence in [
        " 1. The rule plain (malware) hit the artifact plain and gave 120 points.",
        " 2. The score of 120 reaches the threshold of 80, which asks to hold it.",
        " 3. The policy asks at least to hold it when a rule of the category malware hit.",
        " 4. The artifact 1.3 is encrypted, so not all of it was seen, which asks to deliver it with a mark.",
        " 5. A scan failed (plain), which asks to defer it.",
        " 6. The sender is on the allow list (plain), so that points and categories no longer ask to deliver it with a mark.",
        "  mail from    <plain>\n",
        "under the policy of its day: the same verdict.",
    ] {
        assert!(
            outcome.text.contains(sentence),
            "{sentence}\n{}",
            outcome.text
        );
    }
}

#[tokio::test]
async fn a_raw_message_goes_to_a_file_but_not_to_a_terminal() {
    let daemon = Daemon::start();
    daemon.answers_bytes(
        &path::raw(MAIL).expect("an id"),
        b"Subject: \x1b]0;x\x07\r\n\r\n",
    );
    let line = ["q", "show", MAIL, "--raw"];
    assert_eq!(
        run(&daemon, &line).await.text,
        "Subject: \x1b]0;x\x07\r\n\r\n"
    );
    let refused = run_answered(&daemon, &line, Some("")).await;
    assert!(
        refused.error().contains("may command a terminal"),
        "{}",
        refused.error()
    );
    assert_eq!(refused.text, "");
    let forced = run_answered(&daemon, &["q", "show", MAIL, "--raw", "--force"], Some("")).await;
    assert_eq!(forced.text, "Subject: \x1b]0;x\x07\r\n\r\n");
}

#[tokio::test]
async fn a_rebuild_is_followed_to_its_end() {
    let daemon = Daemon::start();
    daemon.answers(
        path::STORE_REBUILD,
        &json!({"running": true, "phase": "reading the journal", "applied": 1, "total": 2}),
    );
    daemon.answers(
        path::STORE_REBUILD,
        &json!({"running": false, "applied": 2, "total": 2, "records": 1, "entries": 1, "ms": 3}),
    );
    let outcome = run(&daemon, &["store", "rebuild"]).await;
    assert_eq!(
        outcome.text,
        "index rebuilt from 2 events in 3 ms: 1 verdict, 1 entry\n"
    );
}

#[tokio::test]
async fn status_exits_with_1_if_the_daemon_has_problems() {
    let daemon = Daemon::start();
    daemon.answers(path::STATUS, &json!({"accepting": true}));
    daemon.answers(
        path::STATUS,
        &json!({"accepting": true, "problems": ["disk nearly full"]}),
    );
    assert_eq!(run(&daemon, &["status"]).await.exit(), Exit::Done);
    let outcome = run(&daemon, &["status"]).await;
    assert_eq!(outcome.exit(), Exit::Found);
    assert!(
        outcome.text.contains("disk nearly full"),
        "{}",
        outcome.text
    );
}

#[tokio::test]
async fn status_shows_problems_of_several_lines_as_lines_and_says_none() {
    let daemon = Daemon::start();
    let problem =
        "the rules on disk are not in force: error[E008]: unknown field\n --> a.yar:8:10\n  |";
    daemon.answers(
        path::STATUS,
        &json!({"accepting": true, "problems": [problem], "doors": [{"door": "milter", "address": "127.0.0.1:8891"}]}),
    );
    let text = run(&daemon, &["status"]).await.text;
    for part in [
        "  the rules on disk are not in force: error[E008]: unknown field\n   --> a.yar:8:10\n    |\n",
        "  tenants      none\n",
        "  failures     0, 0 mails avoided as poison\n",
        "Doors\n  DOOR    ADDRESS\n  milter  127.0.0.1:8891\n",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

#[tokio::test]
async fn one_of_a_kind_is_told_in_the_singular() {
    let daemon = Daemon::start();
    daemon.answers(
        path::AUDIT_VERIFY,
        &json!({"ok": true, "segments": 1, "events": 2, "first_seq": 1, "last_seq": 2, "held_files": 1}),
    );
    daemon.answers(
        path::RULES,
        &json!({"digest": "ab", "rules": [{"rule": "a"}]}),
    );
    let text = run(&daemon, &["audit", "verify"]).await.text;
    assert_eq!(
        text,
        "the journal is whole: 2 events (1 to 2) in 1 segment, 0 erased\n\
         1 held mail has the content that was journalled\n"
    );
    let text = run(&daemon, &["rules", "list"]).await.text;
    assert!(text.ends_with("\n1 rule, digest ab\n"), "{text}");
}
