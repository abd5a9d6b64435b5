//! LMTP (RFC 2033): one answer for each recipient.

use crate::common::{MESSAGE, Server, mailbox};
use smtp::testing::play;
use smtp::{Client, Delivery, Error, ErrorKind, MailCommand, Protocol, RcptCommand, Stage};

const OPENING: &str = "S: 220 mx\nC: LHLO filter.example\nS: 250-mx\nS: 250 8BITMIME\n";

#[tokio::test]
async fn each_accepted_recipient_gets_its_own_answer() {
    let script = "
        C: MAIL FROM:<a@b>
        S: 250 ok
        C: RCPT TO:<c@d>
        S: 250 ok
        C: RCPT TO:<nobody@d>
        S: 550 5.1.1 unknown
        C: RCPT TO:<e@f>
        S: 250 ok
        C: RCPT TO:<g@h>
        S: 250 ok
        C: DATA
        S: 354 go
        D:
        S: 250 2.1.5 c
        S: 552 5.2.2 e is full
        S: 450-4.2.0 g is busy
        S: 450 4.2.0 try again
        C: QUIT
        S: 221 bye";
    let (mut client, server) = session(script).await;
    client.mail(&mail()).await.unwrap();
    for (path, code) in [("c@d", 250), ("nobody@d", 550), ("e@f", 250), ("g@h", 250)] {
        assert_eq!(client.rcpt(&rcpt(path)).await.unwrap().code, code);
    }
    let pending = client.data(&[MESSAGE]).await.unwrap().unwrap();
    let answers = pending.finish_each().await.unwrap();
    let codes: Vec<u16> = answers
        .into_iter()
        .map(|answer| answer.unwrap().code)
        .collect();
    assert_eq!(codes, [250, 552, 450]);
    assert!(client.is_usable() && !client.in_transaction());
    client.quit().await;
    assert_eq!(server.received().await.len(), 1);
}

#[tokio::test]
async fn who_has_no_answer_may_have_the_message_and_the_others_are_certain() {
    for (second, last) in [
        ("", None),
        ("S: what?\n", None),
        ("S: 421 4.3.2 closing\n", Some(421)),
    ] {
        let script = format!("D:\nS: 250 2.1.5 c\n{second}");
        let (mut client, _server) = two_recipients(&script).await;
        let pending = client.data(&[MESSAGE]).await.unwrap().unwrap();
        let mut answers = pending.finish_each().await.unwrap();
        assert_eq!(answers.len(), 2);
        match (answers.pop().unwrap(), last) {
            (Ok(reply), Some(code)) => assert_eq!(reply.code, code),
            (Err(error), None) => assert_eq!(error.kind(), ErrorKind::Unknown),
            other => panic!("{second}: {other:?}"),
        }
        assert_eq!(answers.pop().unwrap().unwrap().code, 250);
        assert!(!client.is_usable());
    }
}

#[tokio::test]
async fn a_421_for_one_does_not_hide_the_answers_of_the_others() {
    let (mut client, _server) = two_recipients("D:\nS: 421 4.3.2 closing\nS: 250 ok").await;
    let pending = client.data(&[MESSAGE]).await.unwrap().unwrap();
    let answers = pending.finish_each().await.unwrap();
    let codes: Vec<u16> = answers
        .into_iter()
        .map(|answer| answer.unwrap().code)
        .collect();
    assert_eq!(codes, [421, 250]);
    assert!(!client.is_usable());
}

#[tokio::test(start_paused = true)]
async fn all_answers_together_have_the_time_of_one() {
    let (mut client, server) = two_recipients("D:\nS: 250 ok\nH:").await;
    let pending = client.data(&[MESSAGE]).await.unwrap().unwrap();
    let start = tokio::time::Instant::now();
    let answers = pending.finish_each().await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 600);
    assert!(answers[0].is_ok());
    assert_eq!(answers[1].as_ref().unwrap_err().kind(), ErrorKind::Unknown);
    server.abort();
}

#[tokio::test]
async fn one_answer_for_several_recipients_is_not_to_be_had() {
    let (mut client, server) = two_recipients("H:").await;
    let pending = client.data(&[MESSAGE]).await.unwrap().unwrap();
    let error = pending.finish().await.unwrap_err();
    assert!(matches!(error, Error::OneByOne { .. }), "{error}");
    assert!(!client.is_usable());
    server.abort();

    let (mut client, server) = session(
        "C: MAIL FROM:<a@b>\nS: 250 ok\nC: RCPT TO:<c@d>\nS: 250 ok\nC: DATA\nS: 354 go\nD:\nS: 250 ok",
    )
    .await;
    let two = mailbox(&["c@d", "e@f"]);
    let delivery = Delivery::new("a@b", &two, MESSAGE);
    let error = client.deliver(&delivery).await.unwrap_err();
    assert!(matches!(error, Error::OneByOne { .. }), "{error}");
    let one = mailbox(&["c@d"]);
    let delivery = Delivery::new("a@b", &one, MESSAGE);
    client.deliver(&delivery).await.unwrap();
    assert_eq!(server.received().await.len(), 1);
}

#[tokio::test]
async fn a_server_without_lhlo_is_not_an_lmtp_server() {
    let (far, near) = tokio::io::duplex(4096);
    let script = "S: 220 mx\nC: LHLO filter.example\nS: 500 what?\nH:";
    let server = tokio::spawn(async move { play(far, script).await });
    let error = Client::start(near, &target(), ()).await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::Refused {
                stage: Stage::Hello,
                ..
            }
        ),
        "{error:?}"
    );
    server.await.unwrap().unwrap();
}

fn target() -> smtp::Target {
    crate::common::target().with_protocol(Protocol::Lmtp)
}

fn mail() -> MailCommand {
    MailCommand {
        path: "a@b".to_owned(),
        ..MailCommand::default()
    }
}

fn rcpt(path: &str) -> RcptCommand {
    RcptCommand {
        path: path.to_owned(),
        parameters: Vec::new(),
    }
}

async fn session(script: &str) -> (Client, Server) {
    let (far, near) = tokio::io::duplex(4096);
    let script = format!("{OPENING}{script}");
    let server = Server::new(tokio::spawn(async move { play(far, &script).await }));
    let client = Client::start(near, &target(), ()).await.unwrap();
    assert_eq!(client.protocol(), Protocol::Lmtp);
    (client, server)
}

async fn two_recipients(script: &str) -> (Client, Server) {
    let script = format!(
        "C: MAIL FROM:<a@b>\nS: 250 ok\nC: RCPT TO:<c@d>\nS: 250 ok\nC: RCPT TO:<e@f>\nS: 250 ok\nC: DATA\nS: 354 go\n{script}"
    );
    let (mut client, server) = session(&script).await;
    client.mail(&mail()).await.unwrap();
    client.rcpt(&rcpt("c@d")).await.unwrap();
    client.rcpt(&rcpt("e@f")).await.unwrap();
    (client, server)
}
