//! STARTTLS towards servers good and bad.

use std::sync::Arc;

use crate::common::{MESSAGE, mailbox, target};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use smtp::testing::play;
use smtp::tls::{TlsClient, TlsError, TlsLevel};
use smtp::{Client, Delivery, Error, ErrorKind, Outcome, ProtocolProblem, Stage, Target};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

const IN_CLEAR: &str = "S: 220 mx\nC: EHLO filter.example\nS: 250-mx\nS: 250-SIZE 7\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go\n";
const DELIVERY: &str =
    "C: MAIL FROM:<a@b>\nS: 250 ok\nC: RCPT TO:<c@d>\nS: 250 ok\nC: DATA\nS: 354 go\nD:\nS: 250 ok";

#[tokio::test]
async fn a_mail_goes_in_tls_and_what_was_offered_in_clear_is_forgotten() {
    for level in [TlsLevel::May, TlsLevel::Encrypt, TlsLevel::Verify] {
        let identity = Identity::of("mx.example");
        let (far, near) = tokio::io::duplex(16 * 1024);
        let acceptor = identity.acceptor();
        let server = tokio::spawn(async move {
            let mut far = far;
            play(&mut far, IN_CLEAR).await.unwrap();
            let stream = acceptor.accept(far).await.unwrap();
            // without SIZE, which was offered in clear only
            let script = format!("C: EHLO filter.example\nS: 250-mx\nS: 250 STARTTLS\n{DELIVERY}");
            play(stream, &script).await.unwrap()
        });
        let target = target().with_tls(identity.trusted(level));
        let mut client = Client::start(near, &target, ()).await.unwrap();
        let tls = client.tls().unwrap();
        assert_eq!(tls.version, "TLSv1.3");
        assert!(tls.cipher.starts_with("TLS13_"), "{tls:?}");
        client
            .deliver(&Delivery::new("a@b", &mailbox(&["c@d"]), MESSAGE))
            .await
            .unwrap();
        assert_eq!(server.await.unwrap(), [[MESSAGE, b".\r\n"].concat()]);
    }
}

#[tokio::test]
async fn what_is_injected_behind_the_go_ahead_ends_the_session() {
    for level in [TlsLevel::May, TlsLevel::Encrypt, TlsLevel::Verify] {
        let (mut far, near) = tokio::io::duplex(16 * 1024);
        let server = tokio::spawn(async move {
            let before = IN_CLEAR.strip_suffix("S: 220 go\n").unwrap();
            play(&mut far, before).await.unwrap();
            far.write_all(b"220 go\r\n250-mx\r\n250 AUTH PLAIN\x1b\r\n")
                .await
                .unwrap();
            let mut after = Vec::new();
            far.read_to_end(&mut after).await.unwrap();
            after
        });
        let target = target().with_tls(Identity::of("mx.example").trusted(level));
        let error = Client::start(near, &target, ()).await.unwrap_err();
        let Error::Protocol {
            stage: Stage::StartTls,
            problem: ProtocolProblem::Injected(shown),
            ..
        } = error
        else {
            panic!("{error:?}")
        };
        assert_eq!(shown, "250-mx\\x0d\\x0a250 AUTH PLAIN\\x1b\\x0d\\x0a");
        assert_eq!(server.await.unwrap(), b"", "no handshake was begun");
    }
}

#[tokio::test]
async fn plaintext_in_place_of_the_handshake_is_no_tls() {
    let (mut far, near) = tokio::io::duplex(16 * 1024);
    let server = tokio::spawn(async move {
        play(&mut far, IN_CLEAR).await.unwrap();
        let mut hello = [0; 64];
        far.read_exact(&mut hello).await.unwrap();
        far.write_all(b"250-mx\r\n250 SIZE\r\n").await.unwrap();
        far
    });
    let target = target().with_tls(Identity::of("mx.example").trusted(TlsLevel::Encrypt));
    let error = Client::start(near, &target, ()).await.unwrap_err();
    assert!(matches!(error, Error::Tls { .. }), "{error:?}");
    assert_eq!(error.kind(), ErrorKind::Temporary);
    server.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_silent_in_the_handshake_is_given_up() {
    let (far, near) = tokio::io::duplex(16 * 1024);
    let server = tokio::spawn(async move { play(far, &format!("{IN_CLEAR}H:")).await });
    let target = target().with_tls(identity().trusted(TlsLevel::Encrypt));
    let start = tokio::time::Instant::now();
    let error = Client::start(near, &target, ()).await.unwrap_err();
    assert_eq!(start.elapsed().as_secs(), 30);
    assert!(matches!(error, Error::Tls { .. }), "{error:?}");
    server.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_server_without_tls_gets_mail_only_where_that_is_allowed() {
    let without = "S: 220 mx\nC: EHLO filter.example\nS: 250 mx\n";
    let refusing = |reply: &str| {
        IN_CLEAR
            .replace("220 go", reply)
            .replace("S: 250-SIZE 7\n", "")
    };
    for opening in [without, &refusing("454 4.7.0 not now"), &refusing("502 no")] {
        let script = format!("{opening}{DELIVERY}");
        let outcome = delivered(&script, identity().trusted(TlsLevel::May)).await;
        assert_eq!(outcome.unwrap().reply.code, 250);
        for level in [TlsLevel::Encrypt, TlsLevel::Verify] {
            let error = delivered(opening, identity().trusted(level))
                .await
                .unwrap_err();
            match error {
                Error::TlsNotOffered { .. } => assert_eq!(opening, without),
                Error::Refused {
                    stage: Stage::StartTls,
                    ..
                } => assert_ne!(opening, without),
                other => panic!("{other:?}"),
            }
        }
    }
    let script = format!(
        "{}{DELIVERY}",
        "S: 220 mx\nC: EHLO filter.example\nS: 250-mx\nS: 250 STARTTLS\n"
    );
    delivered(&script, TlsClient::none()).await.unwrap();
}

#[tokio::test]
async fn a_failed_handshake_costs_one_more_connection_where_tls_is_optional_and_the_mail_elsewhere()
{
    let (outcome, connections) = refuses_handshakes(identity().trusted(TlsLevel::May)).await;
    assert_eq!((outcome.unwrap().reply.code, connections), (250, 2));
    for level in [TlsLevel::Encrypt, TlsLevel::Verify] {
        let (outcome, connections) = refuses_handshakes(identity().trusted(level)).await;
        let error = outcome.unwrap_err();
        assert!(matches!(error, Error::Tls { .. }), "{error:?}");
        assert_eq!(connections, 1);
    }
}

#[tokio::test]
async fn only_verify_looks_at_the_certificate() {
    let identity = Identity::of("other.example");
    let stranger = Identity::of("mx.example");
    for (served, trusted, why) in [
        (&identity, &identity, "not valid for name"),
        (&stranger, &identity, "BadSignature"),
    ] {
        for level in [TlsLevel::May, TlsLevel::Encrypt] {
            assert!(handshake(served, trusted.trusted(level)).await.is_ok());
        }
        let error = handshake(served, trusted.trusted(TlsLevel::Verify))
            .await
            .unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
        assert!(matches!(error, Error::Tls { .. }), "{error:?}");
    }
}

#[test]
fn verify_needs_somebody_to_trust() {
    let error = TlsClient::new(TlsLevel::Verify, None).unwrap_err();
    assert!(matches!(error, TlsError::NoAuthorities));
    let error = TlsClient::new(TlsLevel::Verify, Some(b"")).unwrap_err();
    assert!(matches!(error, TlsError::NoAuthorities));
    let broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let error = TlsClient::new(TlsLevel::Verify, Some(broken)).unwrap_err();
    assert!(matches!(error, TlsError::Authorities(_)), "{error}");
    assert_eq!("may".parse::<TlsLevel>().unwrap(), TlsLevel::May);
    assert!("May".parse::<TlsLevel>().is_err());
}

struct Identity {
    certificate: rcgen::Certificate,
    key: rcgen::KeyPair,
}

impl Identity {
    fn of(name: &str) -> Self {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        Self {
            certificate: made.cert,
            key: made.signing_key,
        }
    }

    fn acceptor(&self) -> TlsAcceptor {
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate.der().clone()], key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }

    fn trusted(&self, level: TlsLevel) -> TlsClient {
        TlsClient::new(level, Some(self.certificate.pem().as_bytes())).unwrap()
    }
}

fn identity() -> Identity {
    Identity::of("mx.example")
}

/// One mail in a session in clear that follows `script`.
async fn delivered(script: &str, tls: TlsClient) -> Result<Outcome, Error> {
    let (far, near) = tokio::io::duplex(4096);
    let script = script.to_owned();
    let server = tokio::spawn(async move { play(far, &script).await });
    let mut client = Client::start(near, &target().with_tls(tls), ()).await?;
    let outcome = client
        .deliver(&Delivery::new("a@b", &mailbox(&["c@d"]), MESSAGE))
        .await?;
    server.await.unwrap().unwrap();
    Ok(outcome)
}

/// A session with mx.example, which shows `identity`.
async fn handshake(identity: &Identity, tls: TlsClient) -> Result<Client, Error> {
    let (mut far, near) = tokio::io::duplex(16 * 1024);
    let acceptor = identity.acceptor();
    let server: JoinHandle<()> = tokio::spawn(async move {
        play(&mut far, IN_CLEAR).await.unwrap();
        if let Ok(stream) = acceptor.accept(far).await {
            // A client that does not like the certificate leaves.
            let _ = play(stream, "C: EHLO filter.example\nS: 250 mx\nH:").await;
        }
    });
    let client = Client::start(near, &target().with_tls(tls), ()).await;
    server.abort();
    client
}

/// One mail to a server that offers TLS and closes the connection at every handshake, and how many connections
/// it saw.
async fn refuses_handshakes(tls: TlsClient) -> (Result<Outcome, Error>, usize) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let target = Target::new(&address, "filter.example")
        .unwrap()
        .with_tls(tls);
    let server = tokio::spawn(async move {
        let (mut first, _) = listener.accept().await.unwrap();
        play(&mut first, IN_CLEAR).await.unwrap();
        drop(first);
        let (second, _) = listener.accept().await.unwrap();
        let script =
            format!("S: 220 mx\nC: EHLO filter.example\nS: 250-mx\nS: 250 STARTTLS\n{DELIVERY}");
        play(second, &script).await.unwrap();
    });
    let outcome = async {
        let mut client = Client::open(&target).await?;
        client
            .deliver(&Delivery::new("a@b", &mailbox(&["c@d"]), MESSAGE))
            .await
    };
    let outcome: Result<Outcome, Error> = outcome.await;
    if outcome.is_err() {
        assert!(!server.is_finished());
        server.abort();
        return (outcome, 1);
    }
    server.await.unwrap();
    (outcome, 2)
}
