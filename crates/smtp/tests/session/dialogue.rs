//! Whole sessions against a scripted server: the scripts are the golden transcripts.

use crate::common::{self, MESSAGE, Plan, mailbox, open, session};
use smtp::testing::{play, unstuff};
use smtp::{BareLineEnds, Client, Delivery, Error, ErrorKind, MessageError, Stage};

#[tokio::test]
async fn a_mail_is_handed_over_with_what_the_server_offers() {
    let script = "
        S: 220 mx.example ESMTP
        C: EHLO filter.example
        S: 250-mx.example
        S: 250-PIPELINING
        S: 250-size 10240000
        S: 250-8bitmime
        S: 250 SMTPUTF8
        C: MAIL FROM:<a@example.org> SIZE=25
        S: 250 2.1.0 Ok
        C: RCPT TO:<b@example.net>
        S: 250 2.1.5 Ok
        C: RCPT TO:<c@example.net>
        S: 251 2.1.5 will forward
        C: DATA
        S: 354 End data with <CR><LF>.<CR><LF>
        D:
        S: 250 2.0.0 Ok: queued as 4ZkQ1y0YzTz9rxT
        C: QUIT
        S: 221 2.0.0 Bye
    ";
    let (client, server) = session(script).await;
    let mut client = client.unwrap();
    let rcpts = mailbox(&["b@example.net", "c@example.net"]);
    let outcome = client
        .deliver(&Delivery::new("a@example.org", &rcpts, MESSAGE))
        .await
        .unwrap();
    client.quit().await;

    assert_eq!(outcome.queue_id.as_deref(), Some("4ZkQ1y0YzTz9rxT"));
    assert_eq!(
        outcome.reply.to_string(),
        "250 2.0.0 Ok: queued as 4ZkQ1y0YzTz9rxT"
    );
    let recipients: Vec<_> = outcome
        .recipients
        .iter()
        .map(|r| (r.address.as_str(), r.reply.code))
        .collect();
    assert_eq!(recipients, [("b@example.net", 250), ("c@example.net", 251)]);
    assert_eq!(server.received().await, [[MESSAGE, b".\r\n"].concat()]);
}

#[tokio::test]
async fn a_server_without_ehlo_is_greeted_with_helo_and_gets_no_parameters() {
    for refusal in ["500 5.5.1 what?", "502 no", "550 no"] {
        let script = format!(
            "S: 220-mx.example
             S: 220 welcome
             C: EHLO filter.example
             S: {refusal}
             C: HELO filter.example
             S: 250-SIZE 100
             S: 250 8BITMIME
             C: MAIL FROM:<>
             S: 250 ok
             C: RCPT TO:<postmaster>
             S: 250 ok
             C: DATA
             S: 354 go
             D:
             S: 250 ok"
        );
        let (client, server) = session(&script).await;
        let outcome = client
            .unwrap()
            .deliver(&Delivery::new("", &mailbox(&["postmaster"]), b"\xff\r\n"))
            .await
            .unwrap();
        assert_eq!(outcome.queue_id, None);
        assert_eq!(server.received().await, [b"\xff\r\n.\r\n"]);
    }
}

#[tokio::test]
async fn what_arrives_is_the_message_byte_for_byte() {
    let mut large: Vec<u8> = Vec::new();
    while large.len() < 5 << 20 {
        large.extend_from_slice(
            b"..two dots\r\n.\r\n\r\nand a line that is a good deal longer than the others\r\n",
        );
    }
    let no_line_end = vec![b'x'; 300_000];
    let cases: [(&str, &[u8], &[u8]); 10] = [
        ("dots at line starts", b".a\r\n..b\r\n...\r\nc.\r\n", b""),
        ("a lone dot", b".\r\n", b""),
        ("a lone dot at the end", b"a\r\n.", b"\r\n"),
        ("an empty message", b"", b""),
        ("one empty line", b"\r\n", b""),
        ("trailing blank lines", b"a\r\n\r\n\r\n", b""),
        ("no final line end", b"Subject: a\r\n\r\nb", b"\r\n"),
        ("eight-bit bytes and NUL", b"\x00\x80\xff\r\n\0.\r\n", b""),
        ("one long line", &no_line_end, b"\r\n"),
        ("5 MiB", &large, b""),
    ];
    for (name, message, added) in cases {
        let (client, server) = open("D:\nS: 250 ok").await;
        client
            .unwrap()
            .deliver(&Delivery::new("a@b", &mailbox(&["c@d"]), message))
            .await
            .unwrap();
        let received = server.received().await.pop().unwrap();
        assert!(
            unstuff(&received).unwrap() == [message, added].concat(),
            "{name}"
        );
    }
}

#[tokio::test]
async fn eight_bit_bytes_and_utf8_addresses_are_announced() {
    let cases: [(&str, &str, &[u8], bool, &str); 6] = [
        (
            "a@b",
            "c@d",
            b"\xc3\xa9\r\n",
            false,
            "MAIL FROM:<a@b> BODY=8BITMIME",
        ),
        (
            "a@b",
            "c@d",
            b"Subject: \xc3\xa9\r\n",
            true,
            "MAIL FROM:<a@b> BODY=8BITMIME SMTPUTF8",
        ),
        ("a@b", "c@d", b"a\r\n", true, "MAIL FROM:<a@b> SMTPUTF8"),
        ("a@b", "c@d", b"a\r\n", false, "MAIL FROM:<a@b>"),
        ("é@b", "c@d", b"a\r\n", false, "MAIL FROM:<é@b> SMTPUTF8"),
        ("a@b", "c@é", b"a\r\n", false, "MAIL FROM:<a@b> SMTPUTF8"),
    ];
    for (mail_from, rcpt, message, smtp_utf8, command) in cases {
        let script = format!(
            "S: 220 mx
             C: EHLO filter.example
             S: 250-mx
             S: 250-8BITMIME
             S: 250 SMTPUTF8
             C: {command}
             S: 250 ok
             C: RCPT TO:<{rcpt}>
             S: 250 ok
             C: DATA
             S: 354 go
             D:
             S: 250 ok"
        );
        let (client, server) = session(&script).await;
        let rcpts = mailbox(&[rcpt]);
        let delivery = Delivery {
            smtp_utf8,
            ..Delivery::new(mail_from, &rcpts, message)
        };
        client.unwrap().deliver(&delivery).await.unwrap();
        server.received().await;
    }
}

#[tokio::test]
async fn without_smtputf8_ascii_addresses_pass_and_others_are_refused_before_a_byte_is_sent() {
    let (client, server) = open("D:\nS: 250 ok").await;
    let mut client = client.unwrap();
    let error = client
        .deliver(&Delivery::new("a@b", &mailbox(&["é@d"]), MESSAGE))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "mx.example:25: <\\xc3\\xa9@d> needs SMTPUTF8, which the server does not offer"
    );
    assert_eq!(error.kind(), ErrorKind::Permanent);
    let rcpts = mailbox(&["c@d"]);
    let delivery = Delivery {
        smtp_utf8: true,
        ..Delivery::new("a@b", &rcpts, MESSAGE)
    };
    client.deliver(&delivery).await.unwrap();
    assert_eq!(server.received().await.len(), 1);
}

#[tokio::test]
async fn an_envelope_or_message_that_cannot_be_sent_leaves_the_session_untouched() {
    let (client, server) = open("D:\nS: 250 ok").await;
    let mut client = client.unwrap();
    let one = mailbox(&["c@d"]);
    let injection = mailbox(&["c@d", "c@d>\r\nRCPT TO:<victim@e"]);
    let refused = [
        Delivery::new("a@b>\r\nRSET", &one, MESSAGE),
        Delivery::new("a@b> SIZE=1", &one, MESSAGE),
        Delivery::new("a@b", &injection, MESSAGE),
        Delivery::new("a@b", &[], MESSAGE),
        Delivery::new("a@b", &one, b"a\r\n.\n\nMAIL FROM:<x>\r\n"),
    ];
    for delivery in refused {
        let error = client.deliver(&delivery).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Permanent, "{error}");
    }
    client
        .deliver(&Delivery::new("a@b", &one, MESSAGE))
        .await
        .unwrap();
    assert_eq!(
        server.received().await.len(),
        1,
        "the server saw one clean transaction and nothing before it"
    );
}

#[tokio::test]
async fn bare_line_ends_are_refused_by_name_or_normalised_on_request() {
    let (client, server) = open("D:\nS: 250 ok").await;
    let mut client = client.unwrap();
    let rcpts = mailbox(&["c@d"]);
    let mut delivery = Delivery::new("a@b", &rcpts, b"a\r\nb\n.\nc\rd");
    let error = client.deliver(&delivery).await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::Message(MessageError::BareLineFeed { offset: 4 })
        ),
        "{error}"
    );
    delivery.bare_line_ends = BareLineEnds::Normalise;
    client.deliver(&delivery).await.unwrap();
    assert_eq!(server.received().await, [b"a\r\nb\r\n..\r\nc d\r\n.\r\n"]);
}

#[tokio::test]
async fn several_mails_go_through_one_session() {
    let script = "
        D:
        S: 250 2.0.0 Ok: queued as A1
        C: MAIL FROM:<a@b>
        S: 250 ok
        C: RCPT TO:<c@d>
        S: 250 ok
        C: DATA
        S: 354 go
        D:
        S: 250 2.0.0 Ok: queued as A2";
    let (client, server) = open(script).await;
    let mut client = client.unwrap();
    let rcpts = mailbox(&["c@d"]);
    for id in ["A1", "A2"] {
        let outcome = client
            .deliver(&Delivery::new("a@b", &rcpts, MESSAGE))
            .await
            .unwrap();
        assert_eq!(outcome.queue_id.as_deref(), Some(id));
    }
    assert_eq!(server.received().await.len(), 2);
}

#[tokio::test]
async fn over_tcp_the_peer_is_the_address_that_was_registered() {
    let plan =
        Plan::listen("S: 220 mx\nC: EHLO filter.example\nS: 250 mx\nC: QUIT\nS: 221 bye").await;
    let mut announced = None;
    let client = Client::connect(&plan.target, |local| announced = Some(local))
        .await
        .unwrap();
    client.quit().await;
    assert_eq!(announced, Some(plan.peer().await));
}

#[tokio::test]
async fn the_registration_lives_exactly_as_long_as_the_session() {
    use std::sync::Arc;
    let plan = Plan::listen("S: 220 mx\nC: EHLO filter.example\nS: 250 mx\nH:").await;
    let registered = Arc::new(());
    let client = Client::connect(&plan.target, |_| registered.clone())
        .await
        .unwrap();
    assert!(Arc::ptr_eq(client.guard(), &registered));
    assert_eq!(Arc::strong_count(&registered), 2);
    drop(client);
    assert_eq!(Arc::strong_count(&registered), 1);

    let plan = Plan::listen("S: 554 5.7.1 no").await;
    let Err(error) = Client::connect(&plan.target, |_| registered.clone()).await else {
        panic!("connected")
    };
    assert!(
        matches!(
            error,
            Error::Refused {
                stage: Stage::Greeting,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(Arc::strong_count(&registered), 1);
}

#[tokio::test]
async fn the_registration_ends_before_the_connection_does() {
    use std::pin::Pin;
    use std::sync::{Arc, Mutex};
    use std::task::{Context, Waker};
    use tokio::io::{AsyncRead, DuplexStream, ReadBuf};

    /// Notes, when it is dropped, whether the server still sees an open connection.
    struct Registration(Arc<Mutex<(Option<DuplexStream>, bool)>>);
    impl Drop for Registration {
        fn drop(&mut self) {
            let (far, open) = &mut *self.0.lock().unwrap();
            let mut context = Context::from_waker(Waker::noop());
            let mut buffer = [0; 8];
            let far = Pin::new(far.as_mut().unwrap());
            *open = far
                .poll_read(&mut context, &mut ReadBuf::new(&mut buffer))
                .is_pending();
        }
    }

    let (mut far, near) = tokio::io::duplex(1024);
    let server = tokio::spawn(async move {
        play(&mut far, common::OPENING).await.unwrap();
        far
    });
    let state = Arc::new(Mutex::new((None, false)));
    let client = Client::start(near, &common::target(), Registration(state.clone()))
        .await
        .unwrap();
    state.lock().unwrap().0 = Some(server.await.unwrap());
    drop(client);
    assert!(state.lock().unwrap().1, "the connection was closed first");
}
