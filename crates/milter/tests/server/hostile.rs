//! An MTA that breaks every rule. Each time the connection is closed, and the server serves on.

use bytes::{Bytes, BytesMut};
use milter::mta::{Mta, MtaError};
use milter::{Command, FrameCodec, Offer, Path, Response, ServerOptions};
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::test_runner::{Config, TestRunner};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::codec::Decoder;

use crate::support::{Event, MESSAGE, Server, accept, assert_accepted, mail, run, runtime};

fn frame(code: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len() + 1).unwrap();
    [&length.to_be_bytes()[..], &[code], payload].concat()
}

fn frames(commands: &[Command]) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    for command in commands {
        command.encode(&mut bytes);
    }
    bytes.to_vec()
}

fn envelope() -> Vec<Command> {
    vec![
        Command::Mail(Path::new("a@example.org")),
        Command::Rcpt(Path::new("b@example.net")),
    ]
}

/// Sends `bytes` on an introduced connection; the server must close it.
async fn check_closed(server: &Server, what: &str, bytes: &[u8]) {
    let mut mta = server.introduced().await;
    check_closes(&mut mta, what, bytes).await;
}

async fn check_closes(mta: &mut Mta, what: &str, bytes: &[u8]) {
    // The server may close before everything is written.
    let _ = mta.raw(bytes).await;
    loop {
        match mta.response().await {
            // Answers to what came before the offence.
            Ok(Some(_)) => (),
            Ok(None) | Err(MtaError::Frame(_)) => return,
            Err(error) => panic!("{what}: {error}"),
        }
    }
}

#[test]
fn lengths_that_no_frame_may_have_end_the_connection() {
    run(async {
        let server = Server::accepting().await;
        for length in [0, 0xFFFF_FFFF_u32, 0x8000_0000, 0x7FFF_FFFF, 0x0020_0000] {
            let what = format!("{length:#x}");
            check_closed(&server, &what, &length.to_be_bytes()).await;
        }
        server.assert_serves().await;
    });
}

#[test]
fn malformed_commands_end_the_connection() {
    run(async {
        let server = Server::accepting().await;
        for (what, bytes) in [
            ("unknown command", frame(b'z', b"")),
            ("a response as a command", frame(b'c', b"")),
            ("unterminated address", frame(b'M', b"<a@example.org>")),
            ("no address", frame(b'M', b"")),
            ("unterminated helo", frame(b'H', b"client")),
            ("odd macros", frame(b'D', b"Mi\0")),
            ("macros without a letter", frame(b'D', b"")),
            (
                "1 MiB of macros",
                frame(b'D', &[&b"M"[..], &[b'x'; 1 << 20]].concat()),
            ),
            (
                "1 MiB of empty macros",
                frame(b'D', &[&b"M"[..], &[0; 1 << 20]].concat()),
            ),
            ("1 MiB of parameters", frame(b'M', &[0; 1 << 20])),
            ("quit with a payload", frame(b'Q', b"now")),
            (
                "a web browser",
                b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
            ),
        ] {
            check_closed(&server, what, &bytes).await;
        }
        server.assert_serves().await;
    });
}

#[test]
fn commands_out_of_order_end_the_connection() {
    run(async {
        let server = Server::accepting().await;
        let field = Command::Header {
            name: "A".into(),
            value: " b".into(),
        };
        let body = Command::Body("body".into());
        let end = Command::EndOfMessage(Bytes::new());
        let with = |more: &[Command]| frames(&[&envelope()[..], more].concat());
        for (what, bytes) in [
            ("end without mail", frames(std::slice::from_ref(&end))),
            ("body without mail", frames(std::slice::from_ref(&body))),
            ("header without mail", frames(std::slice::from_ref(&field))),
            ("rcpt without mail", frames(&envelope()[1..])),
            ("body before headers", with(&[Command::Data, body.clone()])),
            (
                "end before the end of headers",
                with(&[Command::Data, end.clone()]),
            ),
            (
                "header after body",
                with(&[
                    Command::Data,
                    Command::EndOfHeaders,
                    body.clone(),
                    field.clone(),
                ]),
            ),
            (
                "mail within a message",
                with(&[Command::Data, field, Command::Mail(Path::new("c"))]),
            ),
            (
                "a second end",
                with(&[Command::Data, Command::EndOfHeaders, body, end.clone(), end]),
            ),
            (
                "a second negotiation",
                frames(&[Command::Negotiate(Offer::POSTFIX)]),
            ),
        ] {
            check_closed(&server, what, &bytes).await;
        }
        server.assert_serves().await;
    });
}

#[test]
fn a_connection_that_does_not_begin_with_an_offer_is_closed() {
    run(async {
        let server = Server::accepting().await;
        let old = Command::Negotiate(Offer {
            version: 1,
            ..Offer::POSTFIX
        });
        for (what, bytes) in [
            ("mail first", frames(&envelope())),
            ("short offer", frame(b'O', b"\0\0\0\x06")),
            ("version 1", frames(&[old])),
            ("macros first", frame(b'D', b"Cj\0x\0")),
        ] {
            let mut mta = Mta::tcp(server.address).await.unwrap();
            check_closes(&mut mta, what, &bytes).await;
        }
        server.assert_serves().await;
    });
}

#[test]
fn half_a_frame_and_nothing_more_costs_nothing_but_its_connection() {
    run(async {
        let server = Server::accepting().await;
        for half in [&b"\0"[..], b"\0\0\0\x20", b"\0\0\0\x20M<a@example.org>"] {
            let mut mta = server.introduced().await;
            mta.raw(half).await.unwrap();
            drop(mta);
            let mut mta = Mta::tcp(server.address).await.unwrap();
            mta.raw(half).await.unwrap();
            drop(mta);
        }
        server.assert_serves().await;
    });
}

#[test]
fn a_connection_lost_at_any_stage_leaves_the_server_serving() {
    run(async {
        let mut server = Server::accepting().await;
        let stages = [
            Command::Mail(Path::new("a@example.org")),
            Command::Rcpt(Path::new("b@example.net")),
            Command::Data,
            Command::EndOfHeaders,
            Command::Body("body".into()),
        ];
        for last in 0..=stages.len() {
            let mut mta = server.introduced().await;
            for command in stages.iter().take(last) {
                mta.send(command).await.unwrap();
            }
            mta.flush().await.unwrap();
        }
        server.assert_serves().await;
        // None of the others became a message.
        assert_eq!(server.seen().await.envelope.queue_id(), Some(&b"CHECK"[..]));
    });
}

#[test]
fn after_an_abort_at_any_stage_the_next_message_is_its_own() {
    run(async {
        let mut server = Server::accepting().await;
        let mut mta = server.introduced().await;
        let stages = [
            Command::Mail(Path::new("old@example.org")),
            Command::Rcpt(Path::new("old@example.net")),
            Command::Data,
            Command::Header {
                name: "X-Old".into(),
                value: " old".into(),
            },
            Command::EndOfHeaders,
            Command::Body("old".into()),
        ];
        for last in 0..=stages.len() {
            for command in stages.iter().take(last) {
                mta.send(command).await.unwrap();
            }
            mta.send(&Command::Abort).await.unwrap();
            assert_accepted(&mta.deliver(&mail("NEW")).await.unwrap());
            let seen = server.seen().await;
            assert_eq!(seen.message, MESSAGE);
            assert_eq!(seen.envelope.sender, Path::new("sender@example.org"));
            assert_eq!(seen.envelope.recipients.len(), 1);
            assert!(matches!(server.event().await, Event::Answered(..)));
        }
    });
}

#[test]
fn a_session_that_ends_within_a_message_leaves_the_next_one_clean() {
    run(async {
        let mut server = Server::accepting().await;
        let mut mta = server.introduced().await;
        for command in envelope() {
            mta.send(&command).await.unwrap();
        }
        mta.send(&Command::QuitNewConnection).await.unwrap();
        mta.introduce(&milter::mta::Client::default())
            .await
            .unwrap();
        assert_accepted(&mta.deliver(&mail("NEW")).await.unwrap());
        assert_eq!(server.seen().await.envelope.recipients.len(), 1);
    });
}

#[test]
fn a_client_with_a_hostile_name_is_only_bytes() {
    run(async {
        let mut server = Server::accepting().await;
        let mut mta = server.introduced().await;
        let hostile = "\u{1b}[2J\r\nX-Injected: yes\u{202e}%s%n";
        mta.macros(milter::MacroStage::Mail, &[("i", hostile)]);
        for command in [
            Command::Helo(hostile.into()),
            Command::Mail(Path::new(hostile)),
            Command::Rcpt(Path::new(hostile)),
            Command::Data,
            Command::EndOfHeaders,
        ] {
            mta.send(&command).await.unwrap();
        }
        assert_accepted(&mta.end_of_message(Bytes::new()).await.unwrap());
        assert_eq!(
            server.seen().await.envelope.helo.as_deref(),
            Some(hostile.as_bytes())
        );
    });
}

#[test]
fn one_connection_too_many_is_closed_and_the_others_go_on() {
    run(async {
        let options = ServerOptions {
            connections: 2,
            ..ServerOptions::default()
        };
        let server = Server::start(options, accept()).await;
        let mut first = server.introduced().await;
        let second = server.introduced().await;
        let mut third = Mta::tcp(server.address).await.unwrap();
        assert!(third.negotiate(Offer::POSTFIX).await.is_err());
        assert_accepted(&first.deliver(&mail("FIRST")).await.unwrap());
        drop(second);
        // The place is free as soon as the server has seen the second one go.
        loop {
            let mut mta = Mta::tcp(server.address).await.unwrap();
            if mta.negotiate(Offer::POSTFIX).await.is_ok() {
                break;
            }
        }
    });
}

/// Frames that are often in order, sometimes not, and sometimes no frames at all.
fn garbage() -> impl Strategy<Value = Vec<u8>> {
    let ready = [
        Command::Negotiate(Offer::POSTFIX),
        Command::Connect {
            host: "client.example".into(),
            peer: milter::Peer::Unknown,
        },
    ];
    let message = [
        Command::Data,
        Command::EndOfHeaders,
        Command::Body("body".into()),
        Command::EndOfMessage(Bytes::new()),
    ];
    let bytes = || proptest::collection::vec(any::<u8>(), 0..40);
    let piece = prop_oneof![
        4 => Just(frames(&envelope())),
        4 => Just(frames(&message)),
        1 => Just(frames(&ready[1..])),
        4 => (proptest::sample::select(&b"ABCDEHKLMNOQRTU"[..]), bytes())
            .prop_map(|(code, payload)| frame(code, &payload)),
        2 => proptest::sample::select(&b"AKNT"[..]).prop_map(|code| frame(code, b"")),
        1 => bytes(),
    ];
    let pieces = proptest::collection::vec(piece, 0..12);
    (pieces, any::<bool>()).prop_map(move |(mut pieces, begins)| {
        if begins {
            pieces.insert(0, frames(&ready));
        }
        pieces.concat()
    })
}

/// Everything that the server says until it closes.
async fn dialogue(server: &Server, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    // The server may close at any point, with or without having read everything.
    let _ = stream.write_all(bytes).await;
    let _ = stream.shutdown().await;
    let mut answers = Vec::new();
    let _ = stream.read_to_end(&mut answers).await;
    answers
}

#[test]
fn whatever_an_mta_sends_it_gets_whole_responses_and_the_server_serves_on() {
    let runtime = runtime();
    let server = runtime.block_on(Server::accepting());
    let mut runner = TestRunner::new(Config::with_cases(300));
    let result = runner.run(&garbage(), |bytes| {
        let answers = runtime.block_on(dialogue(&server, &bytes));
        let mut answers = BytesMut::from(&*answers);
        while let Some(frame) = FrameCodec::default().decode(&mut answers).unwrap() {
            Response::parse(frame).unwrap();
        }
        assert!(answers.is_empty(), "half a response");
        Ok(())
    });
    result.unwrap();
    runtime.block_on(server.assert_serves());
}
