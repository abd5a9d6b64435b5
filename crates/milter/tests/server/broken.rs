//! Dialogues that break off or take a wrong turn, and frames at the border of what is possible.

use bytes::{Bytes, BytesMut};
use milter::mta::{Client, Mta, MtaError};
use milter::{Actions, Command, Events, FRAME_BYTES, MacroStage, Offer, Path, Peer, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Event, Server, assert_accepted, mail, run};

/// The number of commands in [`session`].
const COMMANDS: usize = 11;

/// Everything that an MTA says of one session with one mail.
fn session(subject: &'static str) -> [Command; COMMANDS] {
    let macros = |stage: MacroStage, name: &'static str, value: &'static str| Command::Macros {
        letter: stage.letter(),
        pairs: vec![(name.into(), value.into())],
    };
    [
        macros(MacroStage::Connect, "client_addr", "192.0.2.1"),
        Command::Connect {
            host: "client.example".into(),
            peer: Client::default().peer,
        },
        Command::Helo("client.example".into()),
        Command::Mail(Path::new("a@example.org")),
        macros(MacroStage::Rcpt, "i", "4BX"),
        Command::Rcpt(Path::new("b@example.net")),
        Command::Data,
        Command::Header {
            name: "Subject".into(),
            value: subject.into(),
        },
        Command::EndOfHeaders,
        Command::Body("body\r\n".into()),
        Command::EndOfMessage(Bytes::new()),
    ]
}

fn bytes_of<'a>(commands: impl IntoIterator<Item = &'a Command>) -> BytesMut {
    let mut bytes = BytesMut::new();
    for command in commands {
        command.encode(&mut bytes);
    }
    bytes
}

fn offer() -> Command {
    Command::Negotiate(Offer::POSTFIX)
}

/// Sends all of it, and waits until the server is done with the connection.
async fn say(server: &Server, bytes: &[u8]) {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    // The server may close before it has read everything, and the rest of it is then reset.
    let _ = stream.write_all(bytes).await;
    let _ = stream.shutdown().await;
    let _ = stream.read_to_end(&mut Vec::new()).await;
}

/// The messages that the filter has been shown so far.
fn messages(server: &mut Server) -> Vec<String> {
    let mut messages = Vec::new();
    while let Ok(event) = server.events.try_recv() {
        if let Event::Message(seen) = event {
            messages.push(String::from_utf8(seen.message).unwrap());
        }
    }
    messages
}

#[test]
fn a_dialogue_cut_at_any_byte_is_no_message() {
    run(async {
        let mut server = Server::accepting().await;
        let dialogue = bytes_of([&offer()].into_iter().chain(&session(" hi")));
        for end in 0..dialogue.len() {
            say(&server, &dialogue[..end]).await;
        }
        assert_eq!(messages(&mut server), [""; 0]);
        say(&server, &dialogue).await;
        assert_eq!(messages(&mut server), ["Subject: hi\r\n\r\nbody\r\n"]);
    });
}

/// After so many commands of a session, these letters end the connection, and all others leave the
/// next session on it clean.
const REFUSED: [(std::ops::RangeInclusive<usize>, &str); 6] = [
    (0..=1, "BEHLMNORTU"),
    (2..=3, "BCELNORT"),
    (4..=6, "BCEO"),
    (7..=8, "BCEHMORTU"),
    (9..=10, "CHLMNORTU"),
    (11..=11, "BCELNORT"),
];

#[test]
fn a_command_at_any_point_ends_the_connection_or_leaves_the_next_session_clean() {
    run(async {
        let mut server = Server::accepting().await;
        let (first, second) = (session(" first"), session(" second"));
        let more = [
            offer(),
            Command::Abort,
            Command::QuitNewConnection,
            Command::Unknown("XYZZY".into()),
        ];
        let new_session = Command::QuitNewConnection;
        let mut points = 0;
        for (before, letters) in REFUSED
            .into_iter()
            .flat_map(|(range, letters)| range.map(move |before| (before, letters)))
        {
            for command in first.iter().chain(&more) {
                let mut bytes = bytes_of([&offer()].into_iter().chain(first.iter().take(before)));
                let start = bytes.len();
                command.encode(&mut bytes);
                let letter = char::from(bytes[start + 4]);
                bytes.extend(bytes_of([&new_session].into_iter().chain(&second)));
                say(&server, &bytes).await;
                let seen = messages(&mut server);
                let (last, earlier) = match seen.split_last() {
                    Some((last, earlier)) if last.contains("second") => (Some(last), earlier),
                    _ => (None, &seen[..]),
                };
                let expected =
                    (!letters.contains(letter)).then_some("Subject: second\r\n\r\nbody\r\n");
                let place = format!("{letter} after {before} commands");
                assert_eq!(last.map(String::as_str), expected, "{place}");
                for message in earlier {
                    assert!(message.starts_with("Subject: first\r\n\r\n"), "{place}");
                }
                points += 1;
            }
        }
        assert_eq!(points, (COMMANDS + 1) * (COMMANDS + more.len()));
    });
}

#[test]
fn a_frame_of_the_greatest_length_is_read_and_one_byte_more_is_not() {
    run(async {
        let mut server = Server::accepting().await;
        for (length, is_read) in [(FRAME_BYTES, true), (FRAME_BYTES + 1, false)] {
            let mut mta = server.introduced().await;
            let begun = mta.send(&Command::Mail(Path::new("a@example.org"))).await;
            assert_eq!(begun.unwrap(), Some(Response::Continue));
            mta.queue(&Command::EndOfHeaders);
            let mut frame = u32::try_from(length).unwrap().to_be_bytes().to_vec();
            frame.push(b'B');
            frame.resize(length + 4, b'x');
            // The server may close before it is written.
            let _ = mta.raw(&frame).await;
            let outcome = mta.end_of_message(Bytes::new()).await;
            assert_eq!(outcome.is_ok(), is_read, "{length}: {outcome:?}");
        }
        let seen = server.seen().await;
        assert_eq!(seen.message.len(), b"\r\n".len() + FRAME_BYTES - 1);
    });
}

#[test]
fn a_frame_of_length_one_is_a_command_without_payload() {
    run(async {
        let server = Server::accepting().await;
        for letter in b"BCDHLMORU" {
            let mut mta = server.introduced().await;
            mta.raw(&[0, 0, 0, 1, *letter]).await.unwrap();
            assert!(
                matches!(mta.response().await, Ok(None) | Err(MtaError::Frame(_))),
                "{}",
                char::from(*letter)
            );
        }
        server.assert_serves().await;
    });
}

#[test]
fn every_version_is_answered_with_one_that_is_not_higher() {
    run(async {
        let server = Server::accepting().await;
        for (version, answer) in [
            (0, None),
            (1, None),
            (2, Some(2)),
            (5, Some(5)),
            (6, Some(6)),
            (7, Some(6)),
            (u32::MAX, Some(6)),
        ] {
            let mut mta = Mta::tcp(server.address).await.unwrap();
            let offer = Offer {
                version,
                ..Offer::POSTFIX
            };
            let taken = mta.negotiate(offer).await.ok().map(|(taken, _)| taken);
            assert_eq!(taken.map(|taken| taken.version), answer, "{version}");
        }
    });
}

#[test]
fn nothing_is_taken_that_was_not_offered() {
    run(async {
        let server = Server::accepting().await;
        for bit in 0..32 {
            let offer = Offer {
                version: 6,
                actions: Actions::from_wire(1 << bit),
                events: Events::from_wire(1 << bit),
            };
            let mut mta = Mta::tcp(server.address).await.unwrap();
            let (taken, macros) = mta.negotiate(offer).await.unwrap();
            assert!(offer.actions.contains(taken.actions), "{taken:?}");
            assert!(offer.events.contains(taken.events), "{taken:?}");
            assert_eq!(
                macros.is_empty(),
                bit != 8,
                "macros are chosen if they may be"
            );
        }
    });
}

#[test]
fn a_message_without_recipients_is_shown_without_recipients() {
    run(async {
        let mut server = Server::accepting().await;
        let mut mta = server.introduced().await;
        for command in [
            Command::Mail(Path::default()),
            Command::Data,
            Command::EndOfHeaders,
        ] {
            mta.send(&command).await.unwrap();
        }
        assert_accepted(&mta.end_of_message(Bytes::new()).await.unwrap());
        let seen = server.seen().await;
        assert_eq!(seen.envelope.recipients, []);
        assert_eq!(seen.message, b"\r\n");
        assert_accepted(&mta.deliver(&mail("NEXT")).await.unwrap());
    });
}

#[test]
fn clients_of_every_family_are_served() {
    run(async {
        let mut server = Server::accepting().await;
        let peers = [
            Client::default().peer,
            Peer::Ip {
                address: "2001:db8::1".parse().unwrap(),
                port: u16::MAX,
            },
            Peer::Unix(b"/run/\xff\xfe client".to_vec()),
            Peer::Unix(Vec::new()),
            Peer::Unknown,
        ];
        for peer in peers {
            let client = Client {
                peer: peer.clone(),
                ..Client::default()
            };
            let mut mta = server.negotiated(Offer::POSTFIX).await;
            assert_eq!(mta.introduce(&client).await.unwrap(), None);
            assert_accepted(&mta.deliver(&mail("PEER")).await.unwrap());
            assert_eq!(server.seen().await.envelope.connection.peer, peer);
        }
    });
}

#[test]
fn bytes_that_are_no_text_arrive_as_they_are() {
    run(async {
        let mut server = Server::accepting().await;
        let mut mta = server.introduced().await;
        let odd: Vec<u8> = (1..=255).filter(|byte| !b"\r\n".contains(byte)).collect();
        let field = Command::Header {
            name: odd.iter().copied().filter(|byte| *byte != b':').collect(),
            value: odd.clone().into(),
        };
        for command in [
            Command::Helo(odd.clone().into()),
            Command::Mail(Path::new(odd.clone())),
            Command::Rcpt(Path {
                address: odd.clone(),
                parameters: vec![odd.clone()],
            }),
            field,
            Command::EndOfHeaders,
            Command::Body(vec![0; 3].into()),
        ] {
            mta.send(&command).await.unwrap();
        }
        assert_accepted(&mta.end_of_message(Bytes::new()).await.unwrap());
        let seen = server.seen().await;
        assert_eq!(seen.envelope.helo.as_ref(), Some(&odd));
        assert_eq!(seen.envelope.recipients[0].parameters, [&odd[..]]);
        assert_eq!(seen.headers[0].value, odd);
        assert!(seen.message.ends_with(b"\r\n\r\n\0\0\0"));
    });
}

#[test]
fn an_abort_that_nobody_asked_for_changes_nothing() {
    run(async {
        let server = Server::accepting().await;
        let mut mta = server.introduced().await;
        for _ in 0..3 {
            assert_eq!(mta.send(&Command::Abort).await.unwrap(), None);
        }
        let answer = mta.send(&Command::Mail(Path::new("a@example.org"))).await;
        assert_eq!(answer.unwrap(), Some(Response::Continue));
    });
}
