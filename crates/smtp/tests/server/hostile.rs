//! Clients that want the server to hear what nobody said, or to fall over.

use proptest::prelude::*;
use smtp::BareLineEnds;
use smtp::server::ServerOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use crate::support::{Event, Server, in_memory, options, run};

/// Ends of a message that are none (`docs` of the sheet on SMTP smuggling list where each of them worked).
const FALSE_ENDS: [&str; 11] = [
    "\n.\n",
    "\n.\r",
    "\r.\n",
    "\r.\r",
    "\n.\r\n",
    "\r.\r\n",
    "\r\n\0.\r\n",
    "\r\n.\r\r\n",
    "\r\r\n.\r\r\n",
    "\r\n.\n",
    "\n.\r\r\n",
];

/// Everything that a service was asked.
fn asked(events: &mut mpsc::UnboundedReceiver<Event>) -> (Vec<String>, Vec<Vec<u8>>) {
    let (mut senders, mut messages) = (Vec::new(), Vec::new());
    while let Ok(event) = events.try_recv() {
        match event {
            Event::Mail(_, mail) => senders.push(mail.path),
            Event::Message(message) => messages.push(message),
            _ => {}
        }
    }
    (senders, messages)
}

#[test]
fn no_end_but_the_right_one_makes_two_messages_of_one() {
    for bare_line_ends in [BareLineEnds::Refuse, BareLineEnds::Normalise] {
        run(async {
            for end in FALSE_ENDS {
                let smuggled = format!(
                    "body{end}MAIL FROM:<smuggled@example.org>\r\nRCPT TO:<b@example.net>\r\nDATA\r\nsmuggled\r\n.\r\n"
                );
                for split in 0..=smuggled.len() {
                    check_one_message(bare_line_ends, &smuggled, split).await;
                }
            }
        });
    }
}

async fn check_one_message(bare_line_ends: BareLineEnds, smuggled: &str, split: usize) {
    let options = ServerOptions {
        bare_line_ends,
        ..options()
    };
    let (mut client, mut events, server) = in_memory(options, 4096, |_| ());
    client.introduce().await;
    client.begin("a@example.org").await;
    let (first, second) = smuggled.as_bytes().split_at(split);
    client.send(first).await;
    for _ in 0..3 {
        // The server reads what is there before there is more.
        tokio::task::yield_now().await;
    }
    client.send(second).await;
    let reply = client.reply().await;
    let taken = bare_line_ends == BareLineEnds::Normalise || smuggled.contains('\0');
    assert_eq!(
        reply.starts_with("250 "),
        taken,
        "{smuggled:?} at {split}: {reply}"
    );
    assert!(taken || reply.starts_with("550 5.5.2 "), "{reply}");
    // The next reply is to the next command: nothing of the message was one.
    assert_eq!(client.ask("QUIT").await, "221 2.0.0 Bye");
    client.assert_closed().await;
    server.await.unwrap();
    let (senders, messages) = asked(&mut events);
    assert_eq!(senders, ["a@example.org"], "{smuggled:?} at {split}");
    assert_eq!(messages.len(), usize::from(taken));
    for message in messages {
        let text = message.escape_ascii().to_string().replace(r"\r\n", "");
        assert!(!text.contains(r"\r") && !text.contains(r"\n"), "{text}");
        assert!(message.windows(8).any(|window| window == b"smuggled"));
    }
}

#[test]
fn whoever_must_wait_for_an_answer_and_does_not_is_closed_and_not_heard() {
    run(async {
        for early in [
            "EHLO client.example\r\nMAIL FROM:<early@example.org>\r\n",
            "HELO client.example\r\nM",
            "XCLIENT ADDR=127.0.0.1\r\nMAIL FROM:<early@example.org>\r\n",
            "DATA\r\n.\r\nMAIL FROM:<early@example.org>\r\n",
        ] {
            let mut server = Server::start(options()).await;
            let mut client = server.introduced().await;
            client.ask("MAIL FROM:<a@example.org>").await;
            client.ask("RCPT TO:<b@example.net>").await;
            client.send(early).await;
            assert_eq!(
                client.reply().await,
                "554 5.5.0 Improper command pipelining",
                "{early:?}"
            );
            client.assert_closed().await;
            assert_eq!(
                asked(&mut server.events),
                (vec!["a@example.org".to_owned()], vec![])
            );
        }
    });
}

#[test]
fn whoever_talks_before_the_greeting_is_closed_and_not_heard() {
    run(async {
        let options = ServerOptions {
            trusted: Vec::new(),
            // It is over when the client talks.
            greet_wait: std::time::Duration::from_secs(600),
            ..options()
        };
        let mut server = Server::start(options).await;
        let mut client = server.connect().await;
        client
            .send("EHLO client.example\r\nMAIL FROM:<early@example.org>\r\n")
            .await;
        assert_eq!(client.reply().await, "554 5.5.1 The server speaks first");
        client.assert_closed().await;
        assert!(
            server.events.try_recv().is_err(),
            "the service knows nothing of it"
        );
    });
}

#[test]
fn a_line_without_end_is_given_up() {
    run(async {
        let server = Server::start(options()).await;
        let mut client = server.introduced().await;
        // The server may close before all of it is sent.
        let _ = client.stream.write_all(&vec![b'x'; 10 << 20]).await;
        let _ = client.stream.flush().await;
        let mut said = String::new();
        let _ = client.stream.read_to_string(&mut said).await;
        assert!(
            said.is_empty() || said == "500 5.5.2 Line too long\r\n",
            "{said}"
        );
        server.assert_serves().await;
    });
}

#[test]
fn long_lines_over_and_over_end_the_connection() {
    run(async {
        let server = Server::start(options()).await;
        let mut client = server.introduced().await;
        let line = "x".repeat(4000);
        for _ in 0..20 {
            assert_eq!(client.ask(&line).await, "500 5.5.2 Line too long");
        }
        assert_eq!(
            client.ask(&line).await,
            "421 4.7.0 mx.example Too many errors"
        );
        client.assert_closed().await;
    });
}

#[test]
fn a_message_without_end_is_given_up_at_twice_the_limit() {
    run(async {
        let options = ServerOptions {
            message_bytes: 100_000,
            spill_bytes: 1000,
            ..options()
        };
        let mut server = Server::start(options).await;
        let mut client = server.introduced().await;
        client.begin("a@example.org").await;
        let line = b"x".repeat(998);
        for _ in 0..100 {
            client.send([line.as_slice(), b"\r\n"].concat()).await;
        }
        let reply = client.ask("x\r\n.").await;
        assert!(reply.starts_with("552 5.3.4 "), "{reply}");
        client.begin("a@example.org").await;
        for _ in 0..205 {
            if client
                .stream
                .write_all(&[line.as_slice(), b"\r\n"].concat())
                .await
                .is_err()
            {
                break;
            }
        }
        let _ = client.stream.flush().await;
        let reply = client.reply().await;
        assert!(reply.starts_with("552 5.3.4 "), "{reply}");
        client.assert_closed().await;
        let (senders, messages) = asked(&mut server.events);
        assert_eq!((senders.len(), messages.len()), (2, 0));
    });
}

#[test]
fn a_large_message_comes_whole_through_a_file_and_one_without_a_place_is_deferred() {
    run(async {
        let directory = tempfile::tempdir().unwrap();
        let spilling = ServerOptions {
            spill_bytes: 1000,
            spill_directory: directory.path().to_owned(),
            ..options()
        };
        let mut server = Server::start(spilling.clone()).await;
        let message: String = (0..20_000).map(|line| format!("line {line}\r\n")).collect();
        let mut client = server.introduced().await;
        assert!(
            client
                .deliver("a@example.org", &message)
                .await
                .starts_with("250 ")
        );
        assert!(server.message().await == message.as_bytes());

        let nowhere = ServerOptions {
            spill_directory: directory.path().join("missing"),
            ..spilling
        };
        let server = Server::start(nowhere).await;
        let mut client = server.introduced().await;
        assert_eq!(
            client.deliver("a@example.org", &message).await,
            "452 4.3.1 Insufficient system storage"
        );
        assert_eq!(
            client.deliver("a@example.org", "short\r\n").await,
            "250 2.1.0 7 bytes"
        );
    });
}

fn scraps() -> impl Strategy<Value = Vec<u8>> {
    let scrap = prop_oneof![
        3 => Just(b"\r\n".to_vec()),
        1 => Just(b"\r\n.\r\n".to_vec()),
        1 => Just(b"EHLO a\r\n".to_vec()),
        1 => Just(b"HELO a".to_vec()),
        2 => Just(b"MAIL FROM:<a@b>".to_vec()),
        2 => Just(b"RCPT TO:<\"a\\\"b\"@c> NOTIFY=NEVER".to_vec()),
        2 => Just(b"DATA\r\n".to_vec()),
        1 => Just(b"XCLIENT ADDR=127.0.0.1 NAME=a".to_vec()),
        1 => Just(b"XFORWARD ADDR=1.2.3.4".to_vec()),
        1 => Just(b"STARTTLS".to_vec()),
        1 => Just(b"RSET".to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..20),
    ];
    proptest::collection::vec(scrap, 0..25).prop_map(|scraps| scraps.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn no_bytes_whatever_break_the_server(bytes in scraps(), room in 1usize..200) {
        run(async {
            let options = ServerOptions {
                xclient_hosts: vec!["127.0.0.0/8".parse().unwrap()],
                xforward_hosts: vec!["127.0.0.0/8".parse().unwrap()],
                ..options()
            };
            let (client, mut events, server) = in_memory(options, room, |_| ());
            let (mut read, mut write) = tokio::io::split(client.stream.into_inner());
            let write = async {
                // The server may close before all of it is sent.
                let _ = write.write_all(&bytes).await;
                let _ = write.shutdown().await;
            };
            let mut said = Vec::new();
            let (result, ()) = tokio::join!(read.read_to_end(&mut said), write);
            result.unwrap();
            server.await.expect("the server has not panicked");
            let said = String::from_utf8(said).unwrap();
            for line in said.split_inclusive("\r\n") {
                let (code, rest) = line.split_at(3);
                assert!(code.parse::<u16>().is_ok() && (rest.starts_with(' ') || rest.starts_with('-')), "{line:?}");
                assert!(line.ends_with("\r\n") && line.len() <= 512);
            }
            let (senders, messages) = asked(&mut events);
            assert!(messages.len() <= senders.len());
        });
    }
}
