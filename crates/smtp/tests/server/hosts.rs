//! Hosts that may speak for others, and hosts that may not.

use ipnet::IpNet;
use smtp::server::ServerOptions;
use smtp::{Forwarded, Peer};
use tokio::io::AsyncWriteExt;

use crate::support::{Event, Server, options, run};

fn this_host() -> Vec<IpNet> {
    vec!["127.0.0.1/32".parse().unwrap()]
}

fn everybody() -> Vec<IpNet> {
    vec!["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()]
}

/// The next client that the service is told of.
async fn session(server: &mut Server) -> Peer {
    loop {
        if let Event::Session(peer) = server.event().await {
            return peer;
        }
    }
}

#[test]
fn a_listed_proxy_says_who_the_client_is() {
    run(async {
        let options = ServerOptions {
            clients: everybody(),
            trusted: everybody(),
            proxy_hosts: this_host(),
            ..options()
        };
        let mut server = Server::start(options).await;
        let v2 = [
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".as_slice(),
            &[192, 0, 2, 1, 192, 0, 2, 2, 0x30, 0x39, 0, 25],
        ]
        .concat();
        let local = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0".to_vec();
        for (header, expected) in [
            (
                b"PROXY TCP4 192.0.2.1 192.0.2.2 12345 25\r\n".to_vec(),
                Some("192.0.2.1:12345"),
            ),
            (
                b"PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n".to_vec(),
                Some("[2001:db8::1]:1"),
            ),
            (v2, Some("192.0.2.1:12345")),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (local, None),
        ] {
            let mut client = server.connect().await;
            for byte in &header {
                client.send([*byte]).await;
            }
            client.introduce().await;
            let peer = session(&mut server).await;
            let connected = peer.connected.unwrap();
            assert_eq!(connected.ip().to_string(), "127.0.0.1");
            let expected = expected.map_or(connected, |address| address.parse().unwrap());
            assert_eq!(peer.address, Some(expected));
        }
    });
}

#[test]
fn the_lists_are_asked_about_the_client_behind_the_proxy() {
    run(async {
        let options = ServerOptions {
            proxy_hosts: this_host(),
            xclient_hosts: this_host(),
            ..options()
        };
        let server = Server::start(options.clone()).await;
        let mut client = server.connect().await;
        client
            .send("PROXY TCP4 192.0.2.1 192.0.2.2 12345 25\r\n")
            .await;
        assert_eq!(
            client.reply().await,
            "554 5.7.1 No mail from your address here"
        );
        client.assert_closed().await;

        let options = ServerOptions {
            clients: everybody(),
            trusted: everybody(),
            ..options
        };
        let server = Server::start(options).await;
        let mut client = server.connect().await;
        client
            .send("PROXY TCP4 192.0.2.1 192.0.2.2 12345 25\r\n")
            .await;
        client.introduce().await;
        assert_eq!(
            client.ask("XCLIENT ADDR=127.0.0.1").await,
            "550 5.7.0 Not authorized"
        );
    });
}

#[test]
fn a_listed_proxy_that_sends_no_header_is_closed_without_a_word() {
    run(async {
        let options = ServerOptions {
            proxy_hosts: this_host(),
            ..options()
        };
        let mut server = Server::start(options).await;
        for garbage in [
            b"EHLO client.example\r\n".to_vec(),
            b"\x16\x03\x01".to_vec(),
            b"PROXY TCP4 nonsense\r\n".to_vec(),
            [b"PROXY UNKNOWN ".as_slice(), &[b'x'; 200]].concat(),
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff".to_vec(),
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0b12345678901".to_vec(),
        ] {
            let mut client = server.connect().await;
            client.send(&garbage).await;
            client.assert_closed().await;
        }
        let mut client = server.connect().await;
        client.send("PROXY TCP4 ").await;
        client.stream.shutdown().await.unwrap();
        client.assert_closed().await;
        assert!(
            server.events.try_recv().is_err(),
            "the service knows nothing of it"
        );
    });
}

#[test]
fn a_proxy_header_from_anybody_else_is_an_unknown_command_or_too_early() {
    run(async {
        let mut server = Server::start(options()).await;
        let mut client = server.introduced().await;
        let reply = client.ask("PROXY TCP4 192.0.2.1 192.0.2.2 12345 25").await;
        assert_eq!(reply, "500 5.5.2 Command not recognized");
        let peer = session(&mut server).await;
        assert_eq!(peer.address, peer.connected);

        let untrusting = ServerOptions {
            trusted: Vec::new(),
            greet_wait: std::time::Duration::from_secs(60),
            ..options()
        };
        let server = Server::start(untrusting).await;
        let mut client = server.connect().await;
        client
            .send("PROXY TCP4 127.0.0.1 192.0.2.2 12345 25\r\n")
            .await;
        assert_eq!(client.reply().await, "554 5.5.1 The server speaks first");
        client.assert_closed().await;
    });
}

#[test]
fn xclient_from_a_listed_host_makes_a_new_session_of_another_client() {
    run(async {
        let options = ServerOptions {
            clients: everybody(),
            xclient_hosts: this_host(),
            ..options()
        };
        let mut server = Server::start(options).await;
        let mut client = server.introduced().await;
        assert!(session(&mut server).await.name.is_none());
        let command =
            "XCLIENT NAME=a.example ADDR=127.0.0.9 PORT=1 PROTO=ESMTP HELO=a LOGIN=user+40example";
        assert_eq!(client.ask(command).await, "220 mx.example ESMTP");
        let peer = session(&mut server).await;
        assert_eq!(peer.address, Some("127.0.0.9:1".parse().unwrap()));
        assert_eq!(peer.connected.unwrap().ip().to_string(), "127.0.0.1");
        assert_eq!(peer.name.as_deref(), Some("a.example"));
        assert_eq!(peer.helo.as_deref(), Some("a"));
        assert_eq!(peer.login.as_deref(), Some("user@example"));
        assert!(peer.esmtp);
        assert_eq!(
            client.ask("MAIL FROM:<a@example.org>").await,
            "503 5.5.1 Send HELO or EHLO first"
        );
        assert_eq!(client.ask("HELO b").await, "250 mx.example");
        assert_eq!(
            client.deliver("a@example.org", "a\r\n").await,
            "250 2.1.0 3 bytes"
        );
        loop {
            if let Event::Mail(peer, _) = server.event().await {
                assert_eq!((peer.helo.as_deref(), peer.esmtp), (Some("b"), false));
                break;
            }
        }
        // The right is that of the host, whoever it says it is.
        assert_eq!(
            client.ask("XCLIENT ADDR=[UNAVAILABLE]").await,
            "220 mx.example ESMTP"
        );
        let peer = session(&mut server).await;
        assert!(
            !peer.address.unwrap().ip().is_loopback(),
            "unknown is not this machine"
        );
    });
}

#[test]
fn the_limits_are_those_of_the_client_that_xclient_gives() {
    run(async {
        let options = ServerOptions {
            clients: everybody(),
            xclient_hosts: this_host(),
            connections_per_client: 1,
            ..options()
        };
        let server = Server::start(options).await;
        let mut first = server.introduced().await;
        assert_eq!(
            first.ask("XCLIENT ADDR=192.0.2.1").await,
            "220 mx.example ESMTP"
        );
        let mut second = server.introduced().await;
        assert_eq!(
            second.ask("XCLIENT ADDR=192.0.2.1").await,
            "421 4.7.0 mx.example Too many connections from your address"
        );
        second.assert_closed().await;
        let mut third = server.introduced().await;
        assert_eq!(
            third.ask("XCLIENT ADDR=192.0.2.2").await,
            "220 mx.example ESMTP"
        );
        // Its place is given back when it becomes another one.
        assert_eq!(
            first.ask("XCLIENT ADDR=192.0.2.3").await,
            "220 mx.example ESMTP"
        );
        assert_eq!(
            third.ask("XCLIENT ADDR=192.0.2.1").await,
            "220 mx.example ESMTP"
        );
    });
}

#[test]
fn xforward_is_told_to_the_service_for_one_transaction() {
    run(async {
        let options = ServerOptions {
            xforward_hosts: this_host(),
            ..options()
        };
        let mut server = Server::start(options).await;
        let mut client = server.introduced().await;
        let reply = client
            .ask("XFORWARD NAME=[UNAVAILABLE] ADDR=192.0.2.1 PORT=1 PROTO=SMTP HELO=a")
            .await;
        assert_eq!(reply, "250 2.0.0 Ok");
        assert_eq!(
            client.ask("XFORWARD IDENT=4Zk SOURCE=REMOTE").await,
            "250 2.0.0 Ok"
        );
        let expected = Forwarded {
            name: None,
            address: Some("192.0.2.1".into()),
            port: Some(1),
            protocol: Some("SMTP".into()),
            helo: Some("a".into()),
            ident: Some("4Zk".into()),
            source: Some("REMOTE".into()),
        };
        for forwarded in [Some(expected), None] {
            assert_eq!(
                client.deliver("a@example.org", "a\r\n").await,
                "250 2.1.0 3 bytes"
            );
            loop {
                if let Event::Mail(peer, _) = server.event().await {
                    assert_eq!(peer.forwarded, forwarded);
                    assert_eq!(peer.address, peer.connected, "it gives no rights");
                    break;
                }
            }
        }
    });
}

#[test]
fn nobody_else_may_say_xclient_or_xforward() {
    run(async {
        let options = ServerOptions {
            xclient_hosts: vec!["192.0.2.0/24".parse().unwrap()],
            xforward_hosts: vec!["192.0.2.0/24".parse().unwrap()],
            ..options()
        };
        let mut server = Server::start(options).await;
        let mut client = server.connect().await;
        client.reply().await;
        let offered = client.ask("EHLO client.example").await;
        assert!(
            !offered.contains("XCLIENT") && !offered.contains("XFORWARD"),
            "{offered}"
        );
        for command in [
            "XCLIENT ADDR=192.0.2.1",
            "XCLIENT",
            "XFORWARD ADDR=192.0.2.1",
            "XFORWARD \x7f",
        ] {
            let reply = client.ask(command).await;
            assert!(
                reply.starts_with("550 5.7.0 ") || reply.starts_with("500 5.5.2 "),
                "{command}: {reply}"
            );
        }
        let before = session(&mut server).await;
        assert_eq!(
            client.deliver("a@example.org", "a\r\n").await,
            "250 2.1.0 3 bytes"
        );
        let Event::Mail(peer, _) = server.event().await else {
            panic!()
        };
        assert_eq!((peer.address, peer.forwarded), (before.address, None));
    });
}
