//! What a next hop does wrong, and what the client hears of it: never a 2yz that was not said.

use std::time::Duration;

use smtp::Timeouts;
use smtp::relay::NextHopAnswer;

use crate::client::Client;
use crate::next_hop::{Act, NextHop, say};
use crate::support::{MESSAGE, Setting, Verdict, relay, relay_hurried, relay_to_nobody};

/// Where a transaction was ended for the client, and with what.
async fn outcome(setting: &Setting) -> (&'static str, String) {
    let mut client = Client::connect(setting.address).await;
    for (stage, line) in [
        ("MAIL", "MAIL FROM:<a@example.org>"),
        ("RCPT", "RCPT TO:<b@example.net>"),
        ("DATA", "DATA"),
    ] {
        let reply = client.say(line).await;
        if !reply.starts_with(['2', '3']) {
            return (stage, reply);
        }
    }
    client.send(MESSAGE).await;
    (".", client.say(".").await)
}

#[tokio::test]
async fn refusals_reach_the_client_word_by_word_at_their_place() {
    let refusals = [
        "450 4.2.0 busy",
        "452 4.2.2 The mailbox is full",
        "550 5.1.1 no such user",
        "550-5.7.1 several\r\n550-5.7.1 lines of\r\n550 5.7.1 text",
        "554 no enhanced code",
        "599 5.9.9 odd",
    ];
    for refusal in refusals {
        for stage in ["MAIL", "RCPT", "DATA", "."] {
            let hop = NextHop::with([(stage, say(refusal))]).await;
            let setting = relay(&hop, Verdict::Pass).await;
            let (at, reply) = outcome(&setting).await;
            // DATA is said to the next hop only when the message is there.
            let expected = if stage == "DATA" { "." } else { stage };
            assert_eq!(
                (at, reply.as_str()),
                (expected, refusal.replace("\r\n", "\n").as_str())
            );
            assert!(hop.seen().messages.is_empty());
        }
    }
}

#[tokio::test]
async fn a_next_hop_that_says_421_ends_its_session_and_not_the_clients() {
    for stage in ["CONNECT", "EHLO", "MAIL", "RCPT", "."] {
        let hop = NextHop::with([(
            stage,
            Act::SayAndClose("421 4.3.2 shutting down".to_owned()),
        )])
        .await;
        let setting = relay(&hop, Verdict::Pass).await;
        let (at, reply) = outcome(&setting).await;
        let expected = if matches!(stage, "CONNECT" | "EHLO") {
            "MAIL"
        } else {
            stage
        };
        assert_eq!(at, expected, "{stage}: {reply}");
        assert!(reply.starts_with("451 4."), "{stage}: {reply}");
        assert!(hop.seen().messages.is_empty());
    }
}

#[tokio::test]
async fn a_next_hop_that_is_not_there_defers_at_mail() {
    let setting = relay_to_nobody(Verdict::Pass).await;
    let (at, reply) = outcome(&setting).await;
    assert_eq!(at, "MAIL");
    assert!(reply.starts_with("451 4.4.1 "), "{reply}");
}

#[tokio::test]
async fn a_next_hop_that_does_not_want_us_defers_whatever_its_code() {
    for (stage, text) in [
        ("CONNECT", "554 5.7.1 go away"),
        ("EHLO", "550 5.7.1 bad name"),
        ("CONNECT", "450 later"),
    ] {
        // HELO after a refused EHLO is refused as well
        let hop = NextHop::with([(stage, Act::SayAndClose(text.to_owned()))]).await;
        let setting = relay(&hop, Verdict::Pass).await;
        let (at, reply) = outcome(&setting).await;
        assert_eq!(at, "MAIL");
        assert!(reply.starts_with("451 4.4."), "{text}: {reply}");
    }
}

#[tokio::test]
async fn a_connection_that_breaks_before_the_dot_defers() {
    for act in [Act::Close, Act::Reset] {
        for (stage, expected) in [
            ("CONNECT", "MAIL"),
            ("EHLO", "MAIL"),
            ("MAIL", "MAIL"),
            ("RCPT", "RCPT"),
            ("BODY", "."),
        ] {
            let hop = NextHop::with([(stage, act.clone())]).await;
            let mut setting = relay(&hop, Verdict::Pass).await;
            let (at, reply) = outcome(&setting).await;
            assert_eq!(at, expected, "{stage} {act:?}: {reply}");
            assert!(reply.starts_with("451 4."), "{stage} {act:?}: {reply}");
            if stage == "BODY" {
                let answered = setting.told.recv().await.unwrap();
                assert_eq!(answered.reply.code, 451);
            }
            assert!(hop.seen().messages.is_empty());
        }
    }
}

#[tokio::test]
async fn a_connection_that_breaks_after_the_dot_leaves_the_outcome_open() {
    for act in [Act::Close, Act::Reset] {
        let hop = NextHop::with([(".", act)]).await;
        let mut setting = relay(&hop, Verdict::Pass).await;
        let (at, reply) = outcome(&setting).await;
        assert_eq!(at, ".");
        assert!(reply.starts_with("451 4.4.2 "), "{reply}");
        let open = NextHopAnswer {
            address: hop.address.to_string(),
            reply: None,
            queue_id: None,
        };
        assert_eq!(setting.told.recv().await.unwrap().next_hop, Some(open));
    }
}

#[tokio::test]
async fn a_next_hop_that_hangs_defers_and_after_the_dot_leaves_the_outcome_open() {
    let hurried = Timeouts {
        connect: Duration::from_secs(1),
        command: Duration::from_secs(1),
        block: Duration::from_secs(1),
        data_done: Duration::from_secs(1),
    };
    for (stage, expected) in [
        ("CONNECT", "MAIL"),
        ("EHLO", "MAIL"),
        ("MAIL", "MAIL"),
        ("RCPT", "RCPT"),
        ("DATA", "."),
        (".", "."),
    ] {
        let hop = NextHop::with([(stage, Act::Hang)]).await;
        let mut setting = relay_hurried(&hop, Verdict::Pass, hurried).await;
        let (at, reply) = outcome(&setting).await;
        assert_eq!(at, expected, "{stage}: {reply}");
        assert!(reply.starts_with("451 4.4."), "{stage}: {reply}");
        if at == "." {
            let next = setting.told.recv().await.unwrap().next_hop;
            assert_eq!(
                next.map(|next| next.reply),
                (stage == ".").then_some(None),
                "{stage}"
            );
        }
    }
}

#[tokio::test]
async fn an_answer_that_means_nothing_is_never_taken_for_yes() {
    let long = format!("250 {}", "x".repeat(10 * 1024 * 1024));
    let many = format!("{}250 x", "250-x\r\n".repeat(1000));
    let nonsense = [
        ("MAIL", "354 go ahead"),
        ("MAIL", "hello"),
        ("MAIL", "150 wait"),
        ("RCPT", "334 dGVzdA=="),
        ("RCPT", "250-ok\r\n550 no"),
        ("DATA", "250 ok"),
        ("DATA", "220 ok"),
        (".", "354 more"),
        (".", "HTTP/1.1 200 OK"),
        ("RCPT", &long),
        (".", &long),
        (".", &many),
        ("RCPT", "221 bye"),
        (".", "421 bye"),
    ];
    for (stage, text) in nonsense {
        let hop = NextHop::with([(stage, say(text))]).await;
        let setting = relay(&hop, Verdict::Pass).await;
        let (at, reply) = outcome(&setting).await;
        let expected = if stage == "DATA" { "." } else { stage };
        let shown = text.get(..20).unwrap_or(text);
        assert_eq!(at, expected, "{stage} {shown}: {reply}");
        assert!(reply.starts_with("451 4."), "{stage} {shown}: {reply}");
    }
}

#[tokio::test]
async fn a_250_followed_by_a_break_is_a_250() {
    let hop = NextHop::with([(
        ".",
        Act::SayAndClose("250 2.0.0 Ok: queued as 4XYZ".to_owned()),
    )])
    .await;
    let mut setting = relay(&hop, Verdict::Pass).await;
    let (at, reply) = outcome(&setting).await;
    assert_eq!((at, reply.as_str()), (".", "250 2.0.0 Ok: queued as 4XYZ"));
    let next = setting.told.recv().await.unwrap().next_hop.unwrap();
    assert_eq!(next.queue_id.as_deref(), Some("4XYZ"));
}

#[tokio::test]
async fn one_refused_recipient_does_not_harm_the_others() {
    let faults = [
        ("RCPT", Act::Behave),
        ("RCPT", say("550 5.1.1 no such user")),
        ("RCPT", say("450 4.2.0 busy")),
    ];
    let hop = NextHop::with(faults).await;
    let setting = relay(&hop, Verdict::Pass).await;
    let mut client = Client::connect(setting.address).await;
    client.say("MAIL FROM:<a@example.org>").await;
    let mut replies = Vec::new();
    for rcpt in ["a", "b", "c", "d"] {
        replies.push(client.say(&format!("RCPT TO:<{rcpt}@example.net>")).await);
    }
    assert_eq!(
        replies,
        [
            "250 2.1.5 Ok",
            "550 5.1.1 no such user",
            "450 4.2.0 busy",
            "250 2.1.5 Ok"
        ]
    );
    client.say("DATA").await;
    client.send(MESSAGE).await;
    assert!(client.say(".").await.starts_with("250 "));
}

#[tokio::test]
async fn a_next_hop_that_left_while_a_message_was_scanned_is_asked_again_once() {
    // Postfix says 421 and closes when its client is idle for too long.
    let left = Act::SayAndClose("421 4.4.2 next.example Error: timeout exceeded".to_owned());
    for act in [left.clone(), Act::Close, Act::Reset] {
        let hop = NextHop::with([("DATA", act.clone())]).await;
        let setting = relay(&hop, Verdict::Pass).await;
        let mut client = Client::connect(setting.address).await;
        let reply = client
            .deliver(&["b@example.net", "c@example.net"], MESSAGE)
            .await;
        assert_eq!(reply, "250 2.0.0 Ok: queued as 4ABC", "{act:?}");
        let seen = hop.seen();
        assert_eq!(seen.messages, [MESSAGE]);
        assert_eq!(seen.wire.len(), 2, "two connections");
        let count = |command: &str| seen.commands.iter().filter(|seen| *seen == command).count();
        assert_eq!(
            (
                count("MAIL FROM:<a@example.org>"),
                count("RCPT TO:<c@example.net>")
            ),
            (2, 2)
        );
        // and not a third time
        let hop = NextHop::with([("DATA", act.clone()), ("DATA", act.clone())]).await;
        let setting = relay(&hop, Verdict::Pass).await;
        let (at, reply) = outcome(&setting).await;
        assert_eq!(at, ".");
        assert!(reply.starts_with("451 4."), "{reply}");
        assert_eq!(hop.seen().wire.len(), 2);
    }
}
