//! Servers that refuse, break off or talk nonsense: what the caller is told, and
//! that it is never told "delivered" or "not delivered" without knowing.

use crate::common::{self, MESSAGE, deliver, mailbox, open, opened, session};
use smtp::{Delivery, Error, ErrorKind, ProtocolProblem, Stage};

#[tokio::test]
async fn a_refusal_at_any_step_keeps_its_reply_and_says_whether_to_try_again() {
    const MAIL: &str = "C: MAIL FROM:<a@b>\n";
    const RCPT: &str = "S: 250 ok\nC: RCPT TO:<c@d>\n";
    const DATA: &str = "S: 250 ok\nC: DATA\n";
    const DOT: &str = "S: 354 go\nD:\n";
    let steps = [
        (Stage::MailFrom, vec![MAIL]),
        (Stage::Data, vec![MAIL, RCPT, DATA]),
        (Stage::EndOfData, vec![MAIL, RCPT, DATA, DOT]),
    ];
    for (expected, script) in steps {
        for (text, kind) in [
            ("452 4.3.1 disk full", ErrorKind::Temporary),
            ("550 5.7.1 no", ErrorKind::Permanent),
            ("421 4.3.2 closing", ErrorKind::Temporary),
        ] {
            let error = deliver(&format!("{}S: {text}\n", script.concat()))
                .await
                .unwrap_err();
            assert_eq!(error.kind(), kind, "{error}");
            assert_eq!(
                error.to_string(),
                format!("mx.example:25: {expected} refused: {text}")
            );
            let Error::Refused { stage, reply, .. } = error else {
                panic!("{error:?}")
            };
            assert_eq!((stage, reply.to_string().as_str()), (expected, text));
        }
    }
}

#[tokio::test]
async fn a_refusing_greeting_or_hello_is_an_error_of_that_step() {
    for (script, stage, kind) in [
        (
            "S: 421 4.3.2 too busy",
            Stage::Greeting,
            ErrorKind::Temporary,
        ),
        (
            "S: 554 5.7.1 go away",
            Stage::Greeting,
            ErrorKind::Permanent,
        ),
        (
            "S: 220 mx\nC: EHLO filter.example\nS: 421 closing",
            Stage::Hello,
            ErrorKind::Temporary,
        ),
        (
            "S: 220 mx\nC: EHLO filter.example\nS: 502 no\nC: HELO filter.example\nS: 550 no",
            Stage::Hello,
            ErrorKind::Permanent,
        ),
    ] {
        let Err(error) = session(script).await.0 else {
            panic!("{script}")
        };
        assert_eq!(error.kind(), kind, "{script}");
        assert!(
            matches!(error, Error::Refused { stage: at, .. } if at == stage),
            "{script}: {error:?}"
        );
    }
}

#[tokio::test]
async fn one_refused_recipient_of_two_stops_the_mail_for_both() {
    for (reply, kind) in [
        ("450 4.2.0 greylisted", ErrorKind::Temporary),
        ("550 5.1.1 unknown", ErrorKind::Permanent),
    ] {
        for refused in [0, 1] {
            let replies = if refused == 0 {
                [reply, "250 ok"]
            } else {
                ["250 ok", reply]
            };
            let (client, server) = session(&format!(
                "{}C: MAIL FROM:<a@b>
                 S: 250 ok
                 C: RCPT TO:<c@d>
                 S: {}
                 C: RCPT TO:<e@f>
                 S: {}
                 C: RSET
                 S: 250 ok
                 C: QUIT
                 S: 221 bye",
                common::OPENING,
                replies[0],
                replies[1]
            ))
            .await;
            let mut client = client.unwrap();
            let rcpts = mailbox(&["c@d", "e@f"]);
            let error = client
                .deliver(&Delivery::new("a@b", &rcpts, MESSAGE))
                .await
                .unwrap_err();
            assert_eq!(error.kind(), kind);
            assert_eq!(
                error.to_string(),
                format!(
                    "mx.example:25: 1 of 2 recipients refused: <{}>: {reply}",
                    rcpts[refused]
                )
            );
            let Error::RecipientsRefused { recipients, .. } = error else {
                panic!("{error:?}")
            };
            let codes: Vec<_> = recipients.iter().map(|r| r.reply.is_positive()).collect();
            assert_eq!(codes, [refused != 0, refused != 1]);
            client.quit().await;
            assert!(server.received().await.is_empty(), "no DATA was sent");
        }
    }
}

#[tokio::test]
async fn a_421_among_the_recipients_ends_the_session() {
    let (client, server) = session(&format!(
        "{}C: MAIL FROM:<a@b>\nS: 250 ok\nC: RCPT TO:<c@d>\nS: 421 closing",
        common::OPENING
    ))
    .await;
    let mut client = client.unwrap();
    let rcpts = mailbox(&["c@d", "e@f"]);
    let error = client
        .deliver(&Delivery::new("a@b", &rcpts, MESSAGE))
        .await
        .unwrap_err();
    assert!(
        matches!(&error, Error::RecipientsRefused { recipients, .. } if recipients.len() == 1),
        "{error:?}"
    );
    assert_eq!(error.kind(), ErrorKind::Temporary);
    let error = client
        .deliver(&Delivery::new("a@b", &rcpts, MESSAGE))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Ended { .. }), "{error:?}");
    client.quit().await;
    server.received().await;
}

#[tokio::test]
async fn after_a_refused_message_the_session_goes_on() {
    let script = "
        D:
        S: 550 5.7.1 not this one
        C: RSET
        S: 250 ok
        C: MAIL FROM:<a@b>
        S: 250 ok
        C: RCPT TO:<c@d>
        S: 250 ok
        C: DATA
        S: 354 go
        D:
        S: 250 ok";
    let (client, server) = open(script).await;
    let mut client = client.unwrap();
    let rcpts = mailbox(&["c@d"]);
    let delivery = Delivery::new("a@b", &rcpts, MESSAGE);
    assert_eq!(
        client.deliver(&delivery).await.unwrap_err().kind(),
        ErrorKind::Permanent
    );
    client.deliver(&delivery).await.unwrap();
    assert_eq!(server.received().await.len(), 2);
}

#[tokio::test]
async fn a_connection_lost_before_the_dot_is_a_temporary_error() {
    let large = b"0123456789abcdef\r\n".repeat(100_000);
    for script in [
        "C: MAIL FROM:<a@b>\n",
        "C: MAIL FROM:<a@b>\nS: 250 ok\n",
        &opened("W: 1000"),
    ] {
        let (client, _server) = session(&format!("{}{script}", common::OPENING)).await;
        let error = client
            .unwrap()
            .deliver(&Delivery::new("a@b", &mailbox(&["c@d"]), &large))
            .await
            .unwrap_err();
        assert!(matches!(error, Error::Io { .. }), "{script}: {error:?}");
        assert_eq!(error.kind(), ErrorKind::Temporary);
    }
}

#[tokio::test]
async fn a_reset_in_the_middle_of_the_message_is_a_temporary_error() {
    let script = format!("{}{}", common::OPENING, opened("W: 1000"));
    let plan = common::Plan::listen(&script).await;
    // more than the kernel would buffer for a peer that has stopped reading
    let large = b"0123456789abcdef\r\n".repeat(2_000_000);
    let delivery = async {
        let mut client = smtp::Client::connect(&plan.target, |_| ()).await?;
        client
            .deliver(&Delivery::new("a@b", &mailbox(&["c@d"]), &large))
            .await
    };
    let error = delivery.await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::Io {
                stage: Stage::Content,
                ..
            }
        ),
        "{error:?}"
    );
    assert_eq!(error.kind(), ErrorKind::Temporary);
}

#[tokio::test]
async fn a_server_that_refuses_in_the_middle_of_the_message_is_quoted() {
    let large = b"0123456789abcdef\r\n".repeat(100_000);
    let (client, _server) = open("W: 1000\nS: 552 5.3.4 too big").await;
    let error = client
        .unwrap()
        .deliver(&Delivery::new("a@b", &mailbox(&["c@d"]), &large))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "mx.example:25: message refused: 552 5.3.4 too big"
    );
    assert_eq!(error.kind(), ErrorKind::Permanent);
}

#[tokio::test]
async fn a_connection_lost_after_the_dot_leaves_the_outcome_unknown() {
    for after_dot in [
        "",
        "S: 250-half a reply",
        "S: hello?",
        "S: 354 more please",
        "S: 250-a\nS: 550 b",
    ] {
        let error = deliver(&opened(&format!("D:\n{after_dot}")))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unknown, "{after_dot}: {error:?}");
        assert!(
            error.to_string().starts_with(
                "outcome unknown, the mail may have been delivered: mx.example:25: end of message: "
            ),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_server_that_answers_before_it_is_asked_is_not_believed() {
    let Err(error) = session("S: 220 mx\nS: 250 mx\nS: 250 ok").await.0 else {
        panic!("started")
    };
    assert!(
        matches!(
            error,
            Error::Protocol {
                stage: Stage::Hello,
                problem: ProtocolProblem::OutOfTurn(_),
                ..
            }
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn nonsense_instead_of_a_reply_is_a_protocol_error() {
    let at_data = "C: MAIL FROM:<a@b>\nS: 250 ok\nC: RCPT TO:<c@d>\nS: 250 ok\nC: DATA\n";
    let cases = [
        (
            "C: MAIL FROM:<a@b>\nS: HTTP/1.1 400 Bad Request".to_owned(),
            Stage::MailFrom,
        ),
        (
            "C: MAIL FROM:<a@b>\nS: 250-a\nS: 550 b".to_owned(),
            Stage::MailFrom,
        ),
        ("C: MAIL FROM:<a@b>\nS: 354 go".to_owned(), Stage::MailFrom),
        (format!("{at_data}S: 250 ok"), Stage::Data),
        (format!("{at_data}S: 354 go\nS: 250 ok"), Stage::Content),
        (
            "C: MAIL FROM:<a@b>\nS: 250 ok\nS: 250 ok".to_owned(),
            Stage::RcptTo,
        ),
    ];
    for (script, expected) in cases {
        let error = deliver(&script).await.unwrap_err();
        assert!(
            matches!(error, Error::Protocol { stage, .. } if stage == expected),
            "{script}: {error:?}"
        );
        assert_eq!(error.kind(), ErrorKind::Temporary);
    }
}

#[tokio::test]
async fn hostile_reply_text_reaches_nobody_raw() {
    let error = deliver("C: MAIL FROM:<a@b>\nS: 550 \u{1b}[2J\u{202e}gone")
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "mx.example:25: MAIL FROM refused: 550 \\x1b[2J\\xe2\\x80\\xaegone"
    );
}

#[tokio::test]
async fn a_delivery_dropped_half_way_makes_the_session_unusable() {
    let (client, server) = session(&format!("{}C: MAIL FROM:<a@b>\nH:", common::OPENING)).await;
    let mut client = client.unwrap();
    let rcpts = mailbox(&["c@d"]);
    let delivery = Delivery::new("a@b", &rcpts, MESSAGE);
    tokio::select! {
        biased;
        _ = client.deliver(&delivery) => panic!("delivered"),
        () = tokio::task::yield_now() => {}
    }
    let error = client.deliver(&delivery).await.unwrap_err();
    assert!(matches!(error, Error::Ended { .. }), "{error:?}");
    server.abort();
}
