//! What the filter gets to see.

use bytes::Bytes;
use milter::mta::{Client, Mail, Mta, MtaError};
use milter::{
    Actions, Answered, Command, Events, Limit, Listener, NegotiationError, Offer, Path, Peer,
    Reply, Response, ServerOptions, serve,
};
use tokio_util::sync::CancellationToken;

use crate::support::{Event, MESSAGE, Scripted, Server, accept, assert_accepted, mail, run};

#[test]
fn a_message_arrives_byte_for_byte_with_its_envelope() {
    run(async {
        let mut server = Server::accepting().await;
        let mut mta = server.introduced().await;
        let outcome = mta.deliver(&mail("4BX0")).await.unwrap();
        assert_accepted(&outcome);
        let seen = server.seen().await;
        assert_eq!(seen.message, MESSAGE);
        assert_eq!(seen.envelope.queue_id(), Some(&b"4BX0"[..]));
        assert_eq!(seen.envelope.helo.as_deref(), Some(&b"client.example"[..]));
        assert_eq!(seen.envelope.sender, Path::new("sender@example.org"));
        assert_eq!(
            seen.envelope.recipients,
            [Path::new("recipient@example.net")]
        );
        let connection = &seen.envelope.connection;
        assert_eq!(connection.host, b"client.example");
        let peer = Peer::Ip {
            address: [192, 0, 2, 1].into(),
            port: 40_000,
        };
        assert_eq!(connection.peer, peer);
        assert_eq!(connection.macros.value("client_port"), Some(&b"40000"[..]));
        let names: Vec<&[u8]> = seen.headers.iter().map(|header| &*header.name).collect();
        let expected = ["From", "Subject", "X-Tab", "X-Empty", "Subject"];
        assert_eq!(names, expected.map(str::as_bytes));
        assert_eq!(seen.headers[1].value, b" folded\r\n over two lines");
        let length = MESSAGE.len() as u64;
        assert_eq!(
            server.event().await,
            Event::Answered(length, Answered::Sent)
        );
    });
}

#[test]
fn every_kind_of_mta_delivers_the_same_message() {
    let nothing = Offer {
        events: Events::NONE,
        ..Offer::POSTFIX
    };
    let old = Offer {
        version: 2,
        actions: Actions::from_wire(0x3F),
        events: Events::from_wire(0x7F),
    };
    let future = Offer {
        version: 99,
        actions: Actions::from_wire(u32::MAX),
        events: Events::from_wire(u32::MAX),
    };
    run(async move {
        let mut server = Server::accepting().await;
        for offer in [Offer::POSTFIX, nothing, old, future] {
            let mut mta = server.negotiated(offer).await;
            mta.introduce(&Client::default()).await.unwrap();
            for queue_id in ["ONE", "TWO"] {
                assert_accepted(&mta.deliver(&mail(queue_id)).await.unwrap());
                let seen = server.seen().await;
                // An old Postfix eats one space, and we give one back where there was none.
                let expected: &[u8] = if offer.events.contains(Events::LEADING_SPACE) {
                    MESSAGE
                } else {
                    b"From: a@example.org\r\nSubject: folded\r\n over two lines\r\n\
                      X-Tab: \tvalue\r\nX-Empty: \r\nSubject: again\r\n\r\nbody\r\n.\r\n\r\n\
                      no end of line"
                };
                assert_eq!(
                    seen.message.escape_ascii().to_string(),
                    expected.escape_ascii().to_string(),
                    "{offer:?}"
                );
            }
        }
    });
}

#[test]
fn the_negotiation_takes_a_subset_of_the_offer_and_names_every_macro_stage() {
    run(async {
        let server = Server::accepting().await;
        let mut mta = Mta::tcp(server.address).await.unwrap();
        let (taken, macros) = mta.negotiate(Offer::POSTFIX).await.unwrap();
        assert_eq!(taken.version, 6);
        assert_eq!(taken.actions, Actions::from_wire(0x1FF));
        assert!(
            taken
                .events
                .contains(Events::SILENT_BODY | Events::LEADING_SPACE)
        );
        assert!(!taken.events.contains(Events::SILENT_RCPT));
        let stages: Vec<u32> = macros.iter().map(|(stage, _)| *stage).collect();
        assert_eq!(stages, [0, 1, 2, 3, 4, 6, 5]);
        assert!(macros[0].1.ends_with(b"{client_port} {client_ptr}"));

        let old = Offer {
            version: 2,
            actions: Actions::ADD_HEADERS,
            events: Events::NO_HELO,
        };
        let mut mta = Mta::tcp(server.address).await.unwrap();
        let (taken, macros) = mta.negotiate(old).await.unwrap();
        let expected = Offer {
            events: Events::NONE,
            ..old
        };
        assert_eq!(taken, expected);
        assert!(macros.is_empty(), "this MTA does not know macro lists");
    });
}

#[test]
fn an_mta_whose_offer_cannot_be_taken_is_refused_and_the_filter_hears_why() {
    run(async {
        let options = ServerOptions {
            needed: Actions::QUARANTINE | Actions::ADD_HEADERS,
            ..ServerOptions::default()
        };
        let mut server = Server::start(options, accept()).await;
        let poor = Offer {
            actions: Actions::ADD_HEADERS,
            ..Offer::POSTFIX
        };
        let old = Offer {
            version: 1,
            ..Offer::POSTFIX
        };
        let missing = NegotiationError::Actions {
            missing: Actions::QUARANTINE,
            offered: Actions::ADD_HEADERS,
        };
        for (offer, error) in [(poor, missing), (old, NegotiationError::Version(1))] {
            let mut mta = Mta::tcp(server.address).await.unwrap();
            assert!(matches!(mta.negotiate(offer).await, Err(MtaError::Closed)));
            assert_eq!(server.event().await, Event::NotAgreed(error));
        }
        server.assert_serves().await;
    });
}

#[test]
fn a_large_message_goes_through_a_file_that_leaves_no_name() {
    run(async {
        let directory = tempfile::tempdir().unwrap();
        let options = ServerOptions {
            spill_bytes: 1_000,
            spill_directory: directory.path().to_owned(),
            ..ServerOptions::default()
        };
        let mut server = Server::start(options, accept()).await;
        let body: Vec<u8> = (0..400_000_u32).flat_map(u32::to_be_bytes).collect();
        let message = [b"Subject: large\r\n\r\n", &body[..]].concat();
        let mut mta = server.introduced().await;
        for queue_id in ["ONE", "TWO"] {
            let outcome = mta
                .deliver(&Mail::new(queue_id, &message[..]))
                .await
                .unwrap();
            assert_accepted(&outcome);
            let seen = server.seen().await;
            assert!(seen.spilled);
            assert!(
                seen.message == message,
                "a spilled message is not the one that was sent"
            );
            assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
            // The next one is small, and has nothing of the large one.
            assert_accepted(&mta.deliver(&mail("SMALL")).await.unwrap());
            let seen = server.seen().await;
            assert_eq!(seen.message, MESSAGE);
        }
    });
}

#[test]
fn a_large_message_that_cannot_be_kept_is_deferred_and_the_next_one_passes() {
    run(async {
        let options = ServerOptions {
            spill_bytes: 1_000,
            spill_directory: "/nonexistent/spill".into(),
            ..ServerOptions::default()
        };
        let server = Server::start(options, accept()).await;
        let mut mta = server.introduced().await;
        let large = Mail::new("LARGE", [b"A: b\r\n\r\n", &[b'x'; 200_000][..]].concat());
        let outcome = mta.deliver(&large).await.unwrap();
        let text = outcome.reply_text();
        assert_eq!(
            text.as_deref(),
            Some("452 4.3.1 Insufficient system storage")
        );
        assert_accepted(&mta.deliver(&mail("SMALL")).await.unwrap());
    });
}

#[test]
fn a_message_over_the_limit_is_refused_and_the_filter_is_told() {
    run(async {
        let options = ServerOptions {
            message_bytes: 100_000,
            spill_bytes: 1_000,
            ..ServerOptions::default()
        };
        let mut server = Server::start(options, accept()).await;
        let silent = Offer::POSTFIX;
        let skipping = Offer {
            events: Events::SKIP,
            ..Offer::POSTFIX
        };
        for offer in [silent, skipping] {
            let mut mta = server.negotiated(offer).await;
            mta.introduce(&Client::default()).await.unwrap();
            let large = Mail::new("LARGE", [b"A: b\r\n\r\n", &[b'x'; 200_000][..]].concat());
            let outcome = mta.deliver(&large).await.unwrap();
            let text = outcome.reply_text();
            assert_eq!(text.as_deref(), Some("552 5.3.4 Message is too big"));
            assert_eq!(
                server.event().await,
                Event::OverLimit(Limit::MessageBytes(100_000))
            );
            assert_accepted(&mta.deliver(&mail("SMALL")).await.unwrap());
            server.seen().await;
            server.event().await;
        }
    });
}

#[test]
fn twenty_messages_pass_on_one_connection_each_with_its_own_queue_id() {
    run(async {
        let mut server = Server::accepting().await;
        let mut mta = server.introduced().await;
        for number in 0..20 {
            let queue_id = format!("Q{number}");
            let message = format!("X-Number: {number}\r\n\r\nbody {number}\r\n");
            let outcome = mta.deliver(&Mail::new(&queue_id, &*message)).await.unwrap();
            assert_accepted(&outcome);
            let seen = server.seen().await;
            assert_eq!(seen.envelope.queue_id(), Some(queue_id.as_bytes()));
            assert_eq!(seen.message, message.as_bytes());
        }
        mta.send(&Command::Quit).await.unwrap();
        assert_eq!(mta.response().await.unwrap(), None);
    });
}

#[test]
fn sessions_follow_each_other_on_one_connection() {
    run(async {
        let mut server = Server::accepting().await;
        let mut mta = server.introduced().await;
        assert_accepted(&mta.deliver(&mail("ONE")).await.unwrap());
        server.seen().await;
        mta.send(&Command::QuitNewConnection).await.unwrap();
        let client = Client {
            host: "[unknown]".into(),
            peer: Peer::Unknown,
            helo: "other.example".into(),
        };
        mta.introduce(&client).await.unwrap();
        assert_accepted(&mta.deliver(&mail("TWO")).await.unwrap());
        let seen = server.seen().await;
        assert_eq!(seen.envelope.connection.peer, Peer::Unknown);
        assert_eq!(seen.envelope.helo.as_deref(), Some(&b"other.example"[..]));
    });
}

#[test]
fn recipients_that_the_filter_refuses_are_left_out() {
    run(async {
        let mut server = Server::start_with(ServerOptions::default(), accept(), |filter| {
            filter.rcpt = |_, recipient| match recipient.address.as_slice() {
                b"no@example.net" => Reply::Reject,
                _ => Reply::Continue,
            };
        })
        .await;
        let mut mta = server.introduced().await;
        let mut mail = mail("RCPT");
        mail.recipients = ["a@example.net", "no@example.net", "b@example.net"]
            .map(String::from)
            .to_vec();
        assert_accepted(&mta.deliver(&mail).await.unwrap());
        let recipients = server.seen().await.envelope.recipients;
        assert_eq!(
            recipients,
            [Path::new("a@example.net"), Path::new("b@example.net")]
        );
        mail.recipients = vec!["no@example.net".into()];
        let outcome = mta.deliver(&mail).await.unwrap();
        assert_eq!((outcome.stage, outcome.reply), ("rcpt", Response::Reject));
    });
}

#[test]
fn a_connection_that_the_filter_accepts_passes_unseen() {
    run(async {
        let mut server = Server::start_with(ServerOptions::default(), accept(), |filter| {
            filter.connect = |connection| match connection.peer {
                Peer::Ip { port: 10_025, .. } => Reply::Accept,
                _ => Reply::Continue,
            };
        })
        .await;
        let mut own = server.negotiated(Offer::POSTFIX).await;
        let client = Client {
            peer: Peer::Ip {
                address: [127, 0, 0, 1].into(),
                port: 10_025,
            },
            ..Client::default()
        };
        let answer = own.introduce(&client).await.unwrap();
        assert_eq!(answer, Some(Response::Accept));
        // An MTA says nothing more but that it goes.
        own.send(&Command::Quit).await.unwrap();
        assert_eq!(own.response().await.unwrap(), None);
        server.assert_serves().await;
        assert_eq!(server.seen().await.envelope.queue_id(), Some(&b"CHECK"[..]));
    });
}

#[test]
fn a_unix_socket_serves_replaces_a_stale_one_and_is_removed() {
    run(async {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("milter.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let listener = Listener::unix(&path, 0o660).await.unwrap();
        let taken = Listener::unix(&path, 0o660).await.unwrap_err();
        assert_eq!(taken.kind(), std::io::ErrorKind::AddrInUse);
        let shutdown = CancellationToken::new();
        let (filter, _events) = Scripted::new(accept());
        let options = ServerOptions::default();
        let server = tokio::spawn(serve(listener, filter.into(), options, shutdown.clone()));
        let mut mta = Mta::unix(&path).await.unwrap();
        mta.negotiate(Offer::POSTFIX).await.unwrap();
        mta.introduce(&Client::default()).await.unwrap();
        assert_accepted(&mta.deliver(&mail("UNIX")).await.unwrap());
        shutdown.cancel();
        server.await.unwrap();
        assert!(!path.exists());
        std::fs::write(&path, "not a socket").unwrap();
        assert!(Listener::unix(&path, 0o660).await.is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"not a socket");
    });
}

#[test]
fn the_queue_id_may_come_as_late_as_the_end_of_the_message() {
    run(async {
        let mut server = Server::accepting().await;
        let mut mta = server.introduced().await;
        for command in [
            Command::Mail(Path::new("")),
            Command::Rcpt(Path::new("b@example.net")),
            Command::Data,
            Command::EndOfHeaders,
        ] {
            mta.send(&command).await.unwrap();
        }
        mta.macros(milter::MacroStage::EndOfMessage, &[("i", "LATE")]);
        assert_accepted(&mta.end_of_message(Bytes::new()).await.unwrap());
        let seen = server.seen().await;
        assert_eq!(seen.envelope.queue_id(), Some(&b"LATE"[..]));
        assert_eq!(seen.envelope.sender, Path::default());
    });
}
