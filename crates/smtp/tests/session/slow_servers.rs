//! Servers that are silent, slow or endless. The clock is paused: minutes pass in no time.

use smtp::{Delivery, Error, ErrorKind, ProtocolProblem, Stage};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::common::{self, MESSAGE, deliver, mailbox, opened, session};

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_given_up_after_the_time_of_that_step() {
    let steps = [
        ("C: MAIL FROM:<a@b>\nH:".to_owned(), Stage::MailFrom, 30),
        (
            "C: MAIL FROM:<a@b>\nS: 250-almost\nH:".to_owned(),
            Stage::MailFrom,
            30,
        ),
        (opened("D:\nH:"), Stage::EndOfData, 600),
    ];
    for (script, expected, seconds) in steps {
        let start = tokio::time::Instant::now();
        let error = deliver(&script).await.unwrap_err();
        assert_eq!(start.elapsed().as_secs(), seconds, "{script}");
        let (timeout, unknown) = match error {
            Error::Unknown { source } => (*source, true),
            other => (other, false),
        };
        assert!(
            matches!(timeout, Error::Timeout { stage, .. } if stage == expected),
            "{script}: {timeout:?}"
        );
        assert_eq!(unknown, expected == Stage::EndOfData);
    }
    for script in ["H:", "S: 220 mx\nC: EHLO filter.example\nH:"] {
        let Err(error) = session(script).await.0 else {
            panic!("{script}")
        };
        assert!(matches!(error, Error::Timeout { .. }), "{error:?}");
        assert_eq!(error.kind(), ErrorKind::Temporary);
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_read_the_message_is_given_up() {
    let (mut far, near) = tokio::io::duplex(1024);
    let server = tokio::spawn(async move {
        let mut input = [0; 256];
        for reply in ["220 mx", "250 mx", "250 ok", "250 ok", "354 go"] {
            far.write_all(format!("{reply}\r\n").as_bytes())
                .await
                .unwrap();
            assert!(far.read(&mut input).await.unwrap() > 0);
        }
        std::future::pending::<()>().await;
    });
    let mut client = smtp::Client::start(near, &common::target(), ())
        .await
        .unwrap();
    let large = vec![b'x'; 1 << 20];
    let start = tokio::time::Instant::now();
    let error = client
        .deliver(&Delivery::new("a@b", &mailbox(&["c@d"]), &large))
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            Error::Timeout {
                stage: Stage::Content,
                ..
            }
        ),
        "{error:?}"
    );
    assert_eq!(start.elapsed().as_secs(), 180);
    server.abort();
}

#[tokio::test(start_paused = true)]
async fn one_byte_a_second_gets_no_extension() {
    let (mut far, near) = tokio::io::duplex(1024);
    let server = tokio::spawn(async move {
        loop {
            if far.write_all(b"2").await.is_err() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        }
    });
    let Err(error) = smtp::Client::start(near, &common::target(), ()).await else {
        panic!("started")
    };
    assert!(
        matches!(
            error,
            Error::Timeout {
                stage: Stage::Greeting,
                ..
            }
        ),
        "{error:?}"
    );
    server.await.unwrap();
}

#[tokio::test]
async fn an_endless_reply_is_cut_off() {
    for endless in [b"2".as_slice(), b"220-more\r\n"] {
        let (mut far, near) = tokio::io::duplex(1024);
        let server = tokio::spawn(async move {
            let mut sent = 0;
            while far.write_all(endless).await.is_ok() {
                sent += endless.len();
            }
            sent
        });
        let Err(error) = smtp::Client::start(near, &common::target(), ()).await else {
            panic!("started")
        };
        assert!(
            matches!(
                error,
                Error::Protocol {
                    problem: ProtocolProblem::TooLong | ProtocolProblem::TooManyLines,
                    ..
                }
            ),
            "{error:?}"
        );
        assert!(server.await.unwrap() < 80_000);
    }
}

#[tokio::test]
async fn a_server_that_speaks_byte_by_byte_is_understood() {
    let (mut far, near) = tokio::io::duplex(1024);
    let server = tokio::spawn(async move {
        let (mut input, mut chunk) = (Vec::new(), [0; 256]);
        for (reply, until) in [
            ("220-mx\r\n220 hello\r\n", "\r\n"),
            ("250-mx\r\n250-SIZE\r\n250 8BITMIME\r\n", "\r\n"),
            ("250 ok\r\n", "\r\n"),
            ("250 ok\r\n", "\r\n"),
            ("354 go\r\n", "\r\n.\r\n"),
            ("250 2.0.0 Ok: queued as BYTES\r\n", ""),
        ] {
            for byte in reply.bytes() {
                far.write_all(&[byte]).await.unwrap();
                tokio::task::yield_now().await;
            }
            input.clear();
            while !until.is_empty() && !input.ends_with(until.as_bytes()) {
                let got = far.read(&mut chunk).await.unwrap();
                assert!(got > 0, "the client left");
                input.extend_from_slice(&chunk[..got]);
            }
        }
    });
    let mut client = smtp::Client::start(near, &common::target(), ())
        .await
        .unwrap();
    let outcome = client
        .deliver(&Delivery::new("a@b", &mailbox(&["c@d"]), MESSAGE))
        .await
        .unwrap();
    assert_eq!(outcome.queue_id.as_deref(), Some("BYTES"));
    server.await.unwrap();
}
