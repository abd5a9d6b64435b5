//! A client and a scripted server joined in memory or over loopback.

use std::io;
use std::net::SocketAddr;

use smtp::testing::play;
use smtp::{Client, Delivery, Error, Outcome, Target};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Greeting and EHLO of a server without extensions.
pub(crate) const OPENING: &str = "S: 220 mx.example\nC: EHLO filter.example\nS: 250 mx.example\n";

pub(crate) const MESSAGE: &[u8] = b"Subject: hello\r\n\r\nhello\r\n";

pub(crate) struct Server(JoinHandle<io::Result<Vec<Vec<u8>>>>);

impl Server {
    pub(crate) fn new(play: JoinHandle<io::Result<Vec<Vec<u8>>>>) -> Self {
        Self(play)
    }

    /// The messages as transmitted, once the script has been followed to its end.
    pub(crate) async fn received(self) -> Vec<Vec<u8>> {
        self.0.await.unwrap().unwrap()
    }

    pub(crate) fn abort(self) {
        self.0.abort();
    }
}

/// A started session with a server that follows `script`.
pub(crate) async fn session(script: &str) -> (Result<Client, Error>, Server) {
    let (far, near) = tokio::io::duplex(4096);
    let script = script.to_owned();
    let server = Server(tokio::spawn(async move { play(far, &script).await }));
    (Client::start(near, &target(), ()).await, server)
}

/// Delivers one mail to c@d in a session whose greeting and EHLO went well.
pub(crate) async fn deliver(script: &str) -> Result<Outcome, Error> {
    let (client, _server) = session(&format!("{OPENING}{script}")).await;
    client
        .unwrap()
        .deliver(&Delivery::new("a@b", &mailbox(&["c@d"]), MESSAGE))
        .await
}

/// A session in which a mail from a@b to c@d comes as far as DATA and then `script` is followed.
pub(crate) async fn open(script: &str) -> (Result<Client, Error>, Server) {
    session(&format!("{OPENING}{}", opened(script))).await
}

/// The steps from MAIL to the go-ahead, and then `script`.
pub(crate) fn opened(script: &str) -> String {
    format!(
        "C: MAIL FROM:<a@b>\nS: 250 ok\nC: RCPT TO:<c@d>\nS: 250 ok\nC: DATA\nS: 354 go\n{script}"
    )
}

pub(crate) fn target() -> Target {
    Target::new("mx.example:25", "filter.example").unwrap()
}

pub(crate) fn mailbox(addresses: &[&str]) -> Vec<String> {
    addresses
        .iter()
        .map(|&address| address.to_owned())
        .collect()
}

/// A scripted server on a loopback port, for one connection.
pub(crate) struct Plan {
    pub(crate) target: Target,
    server: JoinHandle<io::Result<SocketAddr>>,
}

impl Plan {
    pub(crate) async fn listen(script: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = Target::new(
            &listener.local_addr().unwrap().to_string(),
            "filter.example",
        )
        .unwrap();
        let script = script.to_owned();
        let server = tokio::spawn(async move {
            let (stream, peer) = listener.accept().await?;
            play(stream, &script).await.map(|_| peer)
        });
        Self { target, server }
    }

    /// The address the connection came from, once the script has been followed to its end.
    pub(crate) async fn peer(self) -> SocketAddr {
        self.server.await.unwrap().unwrap()
    }
}
