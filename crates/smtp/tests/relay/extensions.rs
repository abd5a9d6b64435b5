//! What the next hop offers, and what it does not.

use smtp::Reply;

use crate::client::Client;
use crate::next_hop::{Act, NextHop, say};
use crate::support::{MESSAGE, Verdict, delivered, relay, relay_lmtp, relay_trusting};

#[tokio::test]
async fn a_client_is_described_to_a_next_hop_that_wants_to_know() {
    let hop = NextHop::start(&["XFORWARD NAME ADDR PORT PROTO HELO SOURCE"], false, []).await;
    let setting = relay(&hop, Verdict::Pass).await;
    let mut client = Client::connect(setting.address).await;
    let port = client.port();
    assert!(
        client
            .deliver(&["b@example.net"], MESSAGE)
            .await
            .starts_with("250 ")
    );
    let attributes = xforwarded(&hop);
    for expected in [
        "NAME=[UNAVAILABLE]".to_owned(),
        "ADDR=127.0.0.1".to_owned(),
        format!("PORT={port}"),
        "PROTO=ESMTP".to_owned(),
        "HELO=client.example".to_owned(),
        "SOURCE=REMOTE".to_owned(),
    ] {
        assert!(attributes.contains(&expected), "{expected}: {attributes:?}");
    }
}

#[tokio::test]
async fn what_a_trusted_server_in_front_says_of_its_client_is_handed_on() {
    let hop = NextHop::start(&["XFORWARD NAME ADDR PORT PROTO HELO SOURCE"], false, []).await;
    let setting = relay_trusting(&hop, Verdict::Pass).await;
    let mut client = Client::connect(setting.address).await;
    for line in [
        "XFORWARD NAME=mx.example ADDR=192.0.2.7 PORT=4711",
        "XFORWARD PROTO=SMTP HELO=mx SOURCE=LOCAL",
    ] {
        let reply = client.say(line).await;
        assert!(reply.starts_with("250 "), "{reply}");
    }
    assert!(
        client
            .deliver(&["b@example.net"], MESSAGE)
            .await
            .starts_with("250 ")
    );
    let attributes = xforwarded(&hop);
    for expected in [
        "NAME=mx.example",
        "ADDR=192.0.2.7",
        "PORT=4711",
        "PROTO=SMTP",
        "HELO=mx",
        "SOURCE=LOCAL",
    ] {
        assert!(
            attributes.contains(&expected.to_owned()),
            "{expected}: {attributes:?}"
        );
    }
}

fn xforwarded(hop: &NextHop) -> Vec<String> {
    let commands = hop.seen().commands;
    let lines = commands
        .iter()
        .filter_map(|command| command.strip_prefix("XFORWARD "));
    lines
        .flat_map(|line| line.split(' '))
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn internationalised_mail_is_refused_where_the_next_hop_cannot_carry_it() {
    let hop = NextHop::start(&["8BITMIME"], false, []).await;
    let setting = relay(&hop, Verdict::Pass).await;
    let mut client = Client::connect(setting.address).await;
    let reply = client.say("MAIL FROM:<ü@example.org> SMTPUTF8").await;
    assert!(
        reply.starts_with("550 5.6.7 ") || reply.starts_with("555 5.5.4 "),
        "{reply}"
    );
    assert!(
        client
            .deliver(&["b@example.net"], MESSAGE)
            .await
            .starts_with("250 ")
    );
    // The next client is not even offered it.
    let mut client = Client::connect(setting.address).await;
    let hello = client.say("EHLO again.example").await;
    assert!(
        hello.contains("8BITMIME") && !hello.contains("SMTPUTF8") && !hello.contains("DSN"),
        "{hello}"
    );
}

#[tokio::test]
async fn requests_for_delivery_reports_are_refused_where_the_next_hop_ignores_them() {
    let hop = NextHop::start(&["8BITMIME"], false, []).await;
    let setting = relay(&hop, Verdict::Pass).await;
    let mut client = Client::connect(setting.address).await;
    let reply = client.say("MAIL FROM:<a@example.org> RET=HDRS").await;
    assert!(reply.starts_with("555 5.5.4 "), "{reply}");
    assert!(
        client
            .say("MAIL FROM:<a@example.org>")
            .await
            .starts_with("250 ")
    );
    let reply = client.say("RCPT TO:<b@example.net> NOTIFY=NEVER").await;
    assert!(reply.starts_with("555 5.5.4 "), "{reply}");
    assert!(
        client
            .say("RCPT TO:<b@example.net>")
            .await
            .starts_with("250 ")
    );
}

#[tokio::test]
async fn announcements_that_a_plain_next_hop_does_not_know_are_left_out() {
    let hop = NextHop::start(&["HELP"], false, []).await;
    let setting = relay(&hop, Verdict::Pass).await;
    let mut client = Client::connect(setting.address).await;
    let mail = client
        .say("MAIL FROM:<a@example.org> SIZE=70 BODY=8BITMIME")
        .await;
    assert!(mail.starts_with("250 "), "{mail}");
    client.say("RCPT TO:<b@example.net>").await;
    client.say("DATA").await;
    let message = "Subject: ü\r\n\r\nü\r\n".as_bytes();
    client.send(message).await;
    assert!(client.say(".").await.starts_with("250 "));
    assert_eq!(
        hop.seen().messages,
        [message],
        "and the message is not converted"
    );
    assert_eq!(delivered(&hop)[0], "MAIL FROM:<a@example.org>");
}

#[tokio::test]
async fn an_lmtp_next_hop_gets_one_recipient_per_mail() {
    let faults = [
        ("RCPT", say("550 5.1.1 who?")),
        ("RCPT", Act::Behave),
        ("RCPT", Act::Behave),
        (".", say("452 4.2.2 full")),
    ];
    let hop = NextHop::start(&["8BITMIME", "SIZE"], true, faults).await;
    let mut setting = relay_lmtp(&hop, Verdict::Pass).await;
    let mut client = Client::connect(setting.address).await;
    client.say("MAIL FROM:<a@example.org>").await;
    assert_eq!(client.say("RCPT TO:<a@x.example>").await, "550 5.1.1 who?");
    assert!(
        client
            .say("RCPT TO:<b@x.example>")
            .await
            .starts_with("250 ")
    );
    for _ in 0..2 {
        let reply = client.say("RCPT TO:<c@x.example>").await;
        assert!(reply.starts_with("452 4.5.3 "), "{reply}");
    }
    assert!(client.say("DATA").await.starts_with("354 "));
    client.send(MESSAGE).await;
    assert_eq!(client.say(".").await, "452 4.2.2 full");
    let answered = setting.told.recv().await.unwrap();
    assert_eq!(
        answered.next_hop.unwrap().reply,
        Some(Reply::new(452, "4.2.2", "full"))
    );
    assert!(
        client
            .deliver(&["c@x.example"], MESSAGE)
            .await
            .starts_with("250 ")
    );
    assert_eq!(hop.seen().messages, [MESSAGE]);
}
