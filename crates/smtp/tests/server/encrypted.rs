//! STARTTLS.

use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use smtp::server::ServerOptions;
use smtp::tls::TlsServer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::support::{Client, Event, Server, options, run};

struct Certificate {
    chain: String,
    key: String,
}

impl Certificate {
    fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(["mx.example".to_owned()]).unwrap();
        Self {
            chain: made.cert.pem(),
            key: made.signing_key.serialize_pem(),
        }
    }

    fn server(&self) -> TlsServer {
        TlsServer::from_pem(self.chain.as_bytes(), self.key.as_bytes()).unwrap()
    }

    /// A client that trusts this certificate alone.
    fn connector(&self) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(self.chain.as_bytes()).unwrap())
            .unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        TlsConnector::from(Arc::new(config))
    }
}

fn with_tls(certificate: &Certificate) -> ServerOptions {
    ServerOptions {
        tls: Some(certificate.server()),
        ..options()
    }
}

async fn handshake(
    certificate: &Certificate,
    client: Client<TcpStream>,
) -> std::io::Result<Client<TlsStream<TcpStream>>> {
    assert!(
        client.stream.buffer().is_empty(),
        "nothing is said behind the go-ahead"
    );
    let name = ServerName::try_from("mx.example").unwrap();
    let stream = certificate
        .connector()
        .connect(name, client.stream.into_inner())
        .await?;
    Ok(Client::new(stream))
}

#[test]
fn mail_is_taken_over_tls_after_a_new_introduction() {
    run(async {
        let certificate = Certificate::new();
        let options = ServerOptions {
            require_tls: true,
            ..with_tls(&certificate)
        };
        let mut server = Server::start(options).await;
        let mut client = server.connect().await;
        client.reply().await;
        let offered = client.ask("EHLO client.example").await;
        assert!(offered.contains("/250-STARTTLS/"), "{offered}");
        assert!(
            client
                .ask("MAIL FROM:<a@example.org>")
                .await
                .starts_with("530 5.7.0 ")
        );
        assert!(client.ask("STARTTLS now").await.starts_with("501 "));
        assert_eq!(client.ask("STARTTLS").await, "220 2.0.0 Ready to start TLS");
        let mut client = handshake(&certificate, client).await.unwrap();
        assert_eq!(
            client.ask("MAIL FROM:<a@example.org>").await,
            "503 5.5.1 Send HELO or EHLO first"
        );
        let offered = client.ask("EHLO client.example").await;
        assert!(!offered.contains("STARTTLS"), "{offered}");
        assert_eq!(client.ask("STARTTLS").await, "503 5.5.1 TLS already active");
        let message = "x".repeat(70).repeat(3000) + "\r\n";
        assert_eq!(
            client.deliver("a@example.org", &message).await,
            "250 2.1.0 210002 bytes"
        );
        assert_eq!(client.ask("QUIT").await, "221 2.0.0 Bye");
        assert_eq!(
            client.stream.read(&mut [0]).await.unwrap(),
            0,
            "closed in good order"
        );
        loop {
            if let Event::Mail(peer, _) = server.event().await {
                let tls = peer.tls.unwrap();
                assert_eq!(
                    (tls.version.as_str(), tls.cipher.as_str()),
                    ("TLSv1.3", "TLS13_AES_256_GCM_SHA384")
                );
                break;
            }
        }
    });
}

#[test]
fn what_was_said_before_tls_is_never_heard_under_it() {
    run(async {
        let certificate = Certificate::new();
        let mut server = Server::start(with_tls(&certificate)).await;
        for injected in [
            "RSET\r\n",
            "EHLO evil\r\nMAIL FROM:<evil@example.org>\r\nRCPT TO:<b@example.net>\r\n",
            "MAI",
            "\r\n",
        ] {
            let mut client = server.introduced().await;
            assert!(
                client
                    .ask("MAIL FROM:<before@example.org>")
                    .await
                    .starts_with("250 ")
            );
            client.send(format!("STARTTLS\r\n{injected}")).await;
            assert_eq!(client.reply().await, "220 2.0.0 Ready to start TLS");
            let mut client = handshake(&certificate, client).await.unwrap();
            // The first reply is to the first command under TLS, and nothing is known from before.
            assert_eq!(
                client.ask("RCPT TO:<b@example.net>").await,
                "503 5.5.1 Need MAIL before RCPT"
            );
            assert_eq!(
                client.ask("MAIL FROM:<a@example.org>").await,
                "503 5.5.1 Send HELO or EHLO first"
            );
            assert!(client.ask("EHLO client.example").await.starts_with("250-"));
            assert_eq!(
                client.deliver("a@example.org", "a\r\n").await,
                "250 2.1.0 3 bytes"
            );
        }
        let mut mails = Vec::new();
        while let Ok(event) = server.events.try_recv() {
            match event {
                Event::Mail(peer, mail) => {
                    assert_ne!(peer.helo.as_deref(), Some("evil"));
                    mails.push(mail.path);
                }
                Event::Reset => mails.push("reset".to_owned()),
                _ => {}
            }
        }
        let each = ["before@example.org", "reset", "a@example.org"];
        assert_eq!(
            mails,
            each.repeat(4),
            "a transaction ends with the introduction"
        );
    });
}

#[test]
fn a_client_that_speaks_on_in_the_clear_is_closed() {
    run(async {
        let certificate = Certificate::new();
        let mut server = Server::start(with_tls(&certificate)).await;
        let mut client = server.introduced().await;
        assert_eq!(client.ask("STARTTLS").await, "220 2.0.0 Ready to start TLS");
        client
            .send("EHLO client.example\r\nMAIL FROM:<a@example.org>\r\n")
            .await;
        let mut rest = Vec::new();
        let _ = client.stream.read_to_end(&mut rest).await;
        assert!(
            !rest.starts_with(b"250") && !rest.starts_with(b"503"),
            "{}",
            rest.escape_ascii()
        );
        assert!(matches!(server.event().await, Event::Session(_)));
        assert!(server.events.try_recv().is_err());
        server.assert_serves().await;
    });
}

#[test]
fn tls_without_starttls_is_closed_at_once() {
    run(async {
        let certificate = Certificate::new();
        let server = Server::start(with_tls(&certificate)).await;
        let client = server.connect().await;
        assert!(handshake(&certificate, client).await.is_err());
        let mut client = server.connect().await;
        client.reply().await;
        client.send(b"\x16\x03\x01\x02").await;
        assert_eq!(client.reply().await, "421 4.7.0 mx.example speaks SMTP");
        client.assert_closed().await;
    });
}

#[test]
fn a_new_certificate_is_taken_without_closing_connections() {
    run(async {
        let (old, new) = (Certificate::new(), Certificate::new());
        let options = with_tls(&old);
        let tls = options.tls.clone().unwrap();
        let server = Server::start(options).await;
        let mut client = server.introduced().await;
        client.ask("STARTTLS").await;
        let mut under_old = handshake(&old, client).await.unwrap();
        assert!(tls.reload(b"nonsense", new.key.as_bytes()).is_err());
        tls.reload(new.chain.as_bytes(), new.key.as_bytes())
            .unwrap();
        let mut client = server.introduced().await;
        client.ask("STARTTLS").await;
        let mut under_new = handshake(&new, client).await.unwrap();
        for client in [&mut under_old, &mut under_new] {
            assert!(client.ask("EHLO client.example").await.starts_with("250-"));
            assert_eq!(
                client.deliver("a@example.org", "a\r\n").await,
                "250 2.1.0 3 bytes"
            );
            client.stream.shutdown().await.unwrap();
        }
    });
}
