//! Which clients are let in, and how many of them.

use smtp::server::ServerOptions;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio_util::sync::CancellationToken;

use crate::support::{Client, Event, Recorder, Server, options, run};

#[test]
fn a_client_that_is_not_listed_gets_no_greeting() {
    run(async {
        let options = ServerOptions {
            clients: vec!["192.0.2.0/24".parse().unwrap()],
            ..options()
        };
        let mut server = Server::start(options).await;
        let mut client = server.connect().await;
        assert_eq!(
            client.reply().await,
            "554 5.7.1 No mail from your address here"
        );
        client.assert_closed().await;
        assert!(
            server.events.try_recv().is_err(),
            "the service knows nothing of it"
        );
    });
}

#[test]
fn one_connection_over_the_limit_is_told_so_and_the_others_are_served() {
    run(async {
        let options = ServerOptions {
            connections: 2,
            ..options()
        };
        let server = Server::start(options).await;
        let first = server.introduced().await;
        let _second = server.introduced().await;
        for _ in 0..100 {
            let mut third = server.connect().await;
            assert_eq!(
                third.reply().await,
                "421 4.3.2 mx.example Too many connections"
            );
            third.assert_closed().await;
        }
        drop(first);
        // The server learns of it when it does.
        loop {
            let mut client = server.connect().await;
            if client.reply().await.starts_with("220 ") {
                break;
            }
        }
    });
}

#[test]
fn a_client_has_so_many_connections_unless_it_is_trusted() {
    run(async {
        let limited = ServerOptions {
            connections_per_client: 1,
            greet_wait: std::time::Duration::ZERO,
            trusted: Vec::new(),
            ..options()
        };
        let server = Server::start(limited.clone()).await;
        let first = server.introduced().await;
        let mut second = server.connect().await;
        assert_eq!(
            second.reply().await,
            "421 4.7.0 mx.example Too many connections from your address"
        );
        second.assert_closed().await;
        drop(first);
        while !server.connect().await.reply().await.starts_with("220 ") {}

        let trusting = ServerOptions {
            trusted: options().trusted,
            ..limited
        };
        let server = Server::start(trusting).await;
        let _first = server.introduced().await;
        server.assert_serves().await;
    });
}

#[test]
fn the_service_may_refuse_a_client_instead_of_greeting_it() {
    run(async {
        let server = Server::start_with(options(), |recorder| {
            recorder.session = |peer| {
                assert_eq!(peer.address, peer.connected);
                Some(smtp::Reply::new(421, "4.3.2", "not now"))
            };
        })
        .await;
        let mut client = server.connect().await;
        assert_eq!(client.reply().await, "421 4.3.2 not now");
        client.assert_closed().await;
    });
}

#[test]
fn a_panic_of_the_service_before_the_greeting_is_a_421() {
    run(async {
        let server = Server::start_with(options(), |recorder| {
            recorder.session = |_| panic!("as the test wants it");
        })
        .await;
        for _ in 0..3 {
            let mut client = server.connect().await;
            assert_eq!(client.reply().await, "421 4.3.0 mx.example Local error");
            client.assert_closed().await;
        }
    });
}

#[test]
fn a_unix_socket_is_a_client_of_this_machine() {
    run(async {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("smtp.sock");
        let listener = intake::Listener::unix(&path, 0o600).await.unwrap();
        let (recorder, mut events) = Recorder::new();
        let shutdown = CancellationToken::new();
        let server = smtp::server::serve(listener, recorder.into(), options(), shutdown.clone());
        let server = tokio::spawn(server);
        let mut client = Client::new(UnixStream::connect(&path).await.unwrap());
        client.introduce().await;
        assert_eq!(
            client.deliver("a@example.org", "a\r\n").await,
            "250 2.1.0 3 bytes"
        );
        let Some(Event::Session(peer)) = events.recv().await else {
            panic!()
        };
        assert_eq!((peer.address, peer.connected), (None, None));
        shutdown.cancel();
        assert!(client.reply().await.starts_with("421 4.3.2 "));
        assert_eq!(client.stream.read(&mut [0]).await.unwrap(), 0);
        server.await.unwrap();
        assert!(!path.exists());
    });
}
