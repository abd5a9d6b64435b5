//! A service that accepts what it is not told to refuse and records what it is asked, a running server, and a client.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use intake::{Listener, Message};
use smtp::server::{ServerOptions, serve, serve_connection};
use smtp::{MailCommand, Offer, Peer, RcptCommand, Reply, Service, Session, Waiting};
use tokio::io::{
    AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, DuplexStream,
};
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A test that hangs fails after this. Nothing is measured with it.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the service has seen.
#[derive(Debug, PartialEq)]
pub(crate) enum Event {
    Session(Peer),
    Mail(Peer, MailCommand),
    Rcpt(RcptCommand),
    Message(Vec<u8>),
    Answered(String, bool),
    Reset,
    /// The client was seen going while its message waited.
    Gone,
    /// Whether the client was there when the message asked.
    There(bool),
    /// A message was dropped before it was answered.
    Dropped,
}

/// What a mail's sender or a recipient asks for by its local part: `refused`, `later`, `panic`, `hang`, `odd`
/// (a reply that is none), `closing` (421); a sender also `watch` (until the client is gone) and `check`
/// (when [`Recorder::go`] says so, whether it is there). The parts of a sender before a dot are for
/// MAIL, such as `refused.mail`.
pub(crate) struct Recorder {
    events: mpsc::UnboundedSender<Event>,
    pub(crate) go: Arc<Notify>,
    pub(crate) offer: Offer,
    pub(crate) data: Option<Reply>,
    pub(crate) answered_panics: bool,
    pub(crate) session: fn(&Peer) -> Option<Reply>,
}

pub(crate) struct Recording {
    recorder: Arc<Shared>,
    sender: String,
}

struct Shared {
    events: mpsc::UnboundedSender<Event>,
    go: Arc<Notify>,
    data: Option<Reply>,
    answered_panics: bool,
}

impl Recorder {
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<Event>) {
        let (events, receiver) = mpsc::unbounded_channel();
        let recorder = Self {
            events,
            go: Arc::default(),
            offer: Offer {
                eight_bit_mime: true,
                dsn: true,
                smtp_utf8: true,
            },
            data: None,
            answered_panics: false,
            session: |_| None,
        };
        (recorder, receiver)
    }
}

impl Service for Recorder {
    type Session = Recording;

    fn offer(&self) -> Offer {
        self.offer
    }

    fn session(&self, peer: &Peer) -> Result<Recording, Reply> {
        // A test that has seen enough no longer listens.
        let _ = self.events.send(Event::Session(peer.clone()));
        match (self.session)(peer) {
            Some(reply) => Err(reply),
            None => Ok(Recording {
                recorder: Arc::new(Shared {
                    events: self.events.clone(),
                    go: Arc::clone(&self.go),
                    data: self.data.clone(),
                    answered_panics: self.answered_panics,
                }),
                sender: String::new(),
            }),
        }
    }
}

impl Recording {
    fn record(&self, event: Event) {
        let _ = self.recorder.events.send(event);
    }
}

/// The reply that a local part asks for.
async fn asked_for(path: &str, positive: &str) -> Reply {
    match path.split(['@', '.']).next().unwrap_or_default() {
        "refused" => Reply::new(550, "5.1.1", "refused as asked"),
        "later" => Reply::new(450, "4.2.1", "later as asked"),
        "closing" => Reply::new(421, "4.3.2", "closing as asked"),
        "odd" => Reply::new(354, "", "odd as asked"),
        "panic" => panic!("as the test wants it"),
        "hang" => std::future::pending().await,
        _ => Reply::new(250, "2.1.0", positive),
    }
}

/// Reports a future that is dropped before it is done.
struct Watch(mpsc::UnboundedSender<Event>, bool);

impl Drop for Watch {
    fn drop(&mut self) {
        if !self.1 {
            let _ = self.0.send(Event::Dropped);
        }
    }
}

impl Session for Recording {
    async fn mail(&mut self, peer: &Peer, mail: &MailCommand) -> Reply {
        self.record(Event::Mail(peer.clone(), mail.clone()));
        self.sender = mail.path.clone();
        match mail.path.split_once(".mail@") {
            Some((local, _)) => asked_for(local, "").await,
            None => Reply::new(250, "2.1.0", "Sender ok"),
        }
    }

    async fn rcpt(&mut self, _peer: &Peer, rcpt: &RcptCommand) -> Reply {
        self.record(Event::Rcpt(rcpt.clone()));
        asked_for(&rcpt.path, "Recipient ok").await
    }

    fn data(&mut self) -> Option<Reply> {
        self.recorder.data.clone()
    }

    async fn message(
        &mut self,
        _peer: &Peer,
        message: Message,
        waiting: &mut impl Waiting,
    ) -> Reply {
        let mut watch = Watch(self.recorder.events.clone(), false);
        let bytes = message.into_bytes().await.unwrap();
        let length = bytes.len();
        self.record(Event::Message(bytes));
        let reply = match self.sender.split('@').next().unwrap_or_default() {
            "watch" => {
                waiting.gone().await;
                self.record(Event::Gone);
                Reply::new(451, "4.4.2", "the client is gone")
            }
            "check" => {
                self.recorder.go.notified().await;
                let there = waiting.is_there().await;
                self.record(Event::There(there));
                Reply::new(250, "2.0.0", "checked")
            }
            "wait" => {
                self.recorder.go.notified().await;
                Reply::new(250, "2.0.0", "waited")
            }
            local => asked_for(local, &format!("{length} bytes")).await,
        };
        watch.1 = true;
        reply
    }

    async fn answered(&mut self, reply: &Reply, written: bool) {
        self.record(Event::Answered(reply.to_string(), written));
        assert!(!self.recorder.answered_panics, "as the test wants it");
    }

    async fn reset(&mut self) {
        self.record(Event::Reset);
    }
}

/// The options of most tests: limits that are reached soon are set by the test.
pub(crate) fn options() -> ServerOptions {
    ServerOptions {
        hostname: "mx.example".to_owned(),
        ..ServerOptions::default()
    }
}

/// A running server on TCP.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) events: mpsc::UnboundedReceiver<Event>,
    pub(crate) go: Arc<Notify>,
    pub(crate) shutdown: CancellationToken,
    pub(crate) task: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(options: ServerOptions) -> Self {
        Self::start_with(options, |_| ()).await
    }

    pub(crate) async fn start_with(
        options: ServerOptions,
        adjust: impl FnOnce(&mut Recorder),
    ) -> Self {
        let listener = Listener::tcp(([127, 0, 0, 1], 0).into()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (mut recorder, events) = Recorder::new();
        adjust(&mut recorder);
        let go = Arc::clone(&recorder.go);
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(serve(
            listener,
            Arc::new(recorder),
            options,
            shutdown.clone(),
        ));
        Self {
            address,
            events,
            go,
            shutdown,
            task,
        }
    }

    /// A connection that has not read its greeting.
    pub(crate) async fn connect(&self) -> Client<TcpStream> {
        Client::new(TcpStream::connect(self.address).await.unwrap())
    }

    /// A connection after its greeting and EHLO.
    pub(crate) async fn introduced(&self) -> Client<TcpStream> {
        let mut client = self.connect().await;
        client.introduce().await;
        client
    }

    pub(crate) async fn event(&mut self) -> Event {
        self.events.recv().await.unwrap()
    }

    /// The next message that the service sees, with what happened before it left out.
    pub(crate) async fn message(&mut self) -> Vec<u8> {
        loop {
            if let Event::Message(message) = self.event().await {
                return message;
            }
        }
    }

    /// What becomes of the next answer, with what happened before it left out.
    pub(crate) async fn answered(&mut self) -> (String, bool) {
        loop {
            if let Event::Answered(reply, written) = self.event().await {
                return (reply, written);
            }
        }
    }

    /// That the server serves: a mail on a new connection is accepted.
    pub(crate) async fn assert_serves(&self) {
        let mut client = self.introduced().await;
        assert_eq!(
            client
                .deliver("a@example.org", "Subject: a\r\n\r\nb\r\n")
                .await,
            "250 2.1.0 17 bytes"
        );
    }
}

/// A server for one connection on a stream in memory, and the client's end of it. The server reads at most `room` bytes at once.
pub(crate) fn in_memory(
    options: ServerOptions,
    room: usize,
    adjust: impl FnOnce(&mut Recorder),
) -> (
    Client<DuplexStream>,
    mpsc::UnboundedReceiver<Event>,
    JoinHandle<()>,
) {
    let (ours, theirs) = tokio::io::duplex(room);
    let (mut recorder, events) = Recorder::new();
    adjust(&mut recorder);
    let task = tokio::spawn(serve_connection(
        theirs,
        None,
        Arc::new(recorder),
        Arc::new(options),
        CancellationToken::new(),
    ));
    (Client::new(ours), events, task)
}

/// A client that does what it is told, right or wrong.
pub(crate) struct Client<T> {
    pub(crate) stream: BufReader<T>,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Client<T> {
    pub(crate) fn new(stream: T) -> Self {
        Self {
            stream: BufReader::new(stream),
        }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// A line of a reply without its line end, or nothing if the server has closed the connection.
    pub(crate) async fn line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        match self.stream.read_until(b'\n', &mut line).await {
            Ok(0) => return None,
            Ok(_) => {}
            Err(error) => panic!("{error}"),
        }
        let line = String::from_utf8(line).unwrap();
        assert!(line.len() <= 512 && line.ends_with("\r\n"), "{line:?}");
        Some(line.trim_end().to_owned())
    }

    /// All lines of a reply, joined by `/`; empty if the server has closed the connection.
    pub(crate) async fn reply(&mut self) -> String {
        let mut lines = Vec::new();
        while let Some(line) = self.line().await {
            let last = line.as_bytes().get(3) == Some(&b' ');
            lines.push(line);
            if last {
                break;
            }
        }
        lines.join("/")
    }

    /// The reply to a command.
    pub(crate) async fn ask(&mut self, command: impl AsRef<[u8]>) -> String {
        self.send([command.as_ref(), b"\r\n"].concat()).await;
        self.reply().await
    }

    pub(crate) async fn introduce(&mut self) {
        assert_eq!(self.reply().await, "220 mx.example ESMTP");
        let reply = self.ask("EHLO client.example").await;
        assert!(reply.starts_with("250-mx.example"), "{reply}");
    }

    /// The envelope of a mail, up to the go-ahead.
    pub(crate) async fn begin(&mut self, sender: &str) {
        assert_eq!(
            self.ask(format!("MAIL FROM:<{sender}>")).await,
            "250 2.1.0 Sender ok"
        );
        assert_eq!(
            self.ask("RCPT TO:<b@example.net>").await,
            "250 2.1.0 Recipient ok"
        );
        assert!(self.ask("DATA").await.starts_with("354 "));
    }

    /// The reply to a mail whose message needs no stuffing.
    pub(crate) async fn deliver(&mut self, sender: &str, message: &str) -> String {
        self.begin(sender).await;
        self.ask(format!("{message}.")).await
    }

    /// That the server closes the connection, having said nothing more.
    pub(crate) async fn assert_closed(mut self) {
        let mut rest = Vec::new();
        // A reset is as good: it means that not all was read that was sent.
        let _ = self.stream.read_to_end(&mut rest).await;
        assert_eq!(rest.escape_ascii().to_string(), "");
    }
}

/// Runs a test on a runtime of two threads. A hang fails.
pub(crate) fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(async { tokio::time::timeout(PATIENCE, test).await })
        .expect("the test hangs");
}
