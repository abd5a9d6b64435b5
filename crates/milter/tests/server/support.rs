//! A scripted filter and a running server.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use milter::mta::{Client, Mail, Mta, Outcome};
use milter::{
    Answered, Connection, Decision, Edit, Envelope, Filter, Header, Limit, Listener,
    NegotiationError, Offer, Path, Reply, Response, ServerOptions, Transaction, serve,
};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A test that hangs fails after this. Nothing is measured with it.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the filter has seen.
#[derive(Debug, PartialEq)]
pub(crate) enum Event {
    Answered(u64, Answered),
    Dropped,
    Message(Box<Seen>),
    NotAgreed(NegotiationError),
    OverLimit(Limit),
}

/// A transaction, as plain data.
#[derive(Debug, PartialEq)]
pub(crate) struct Seen {
    pub(crate) envelope: Envelope,
    pub(crate) headers: Vec<Header>,
    pub(crate) message: Vec<u8>,
    pub(crate) spilled: bool,
}

/// What the filter does with a message.
pub(crate) enum Act {
    Decide(Vec<Edit>, Reply),
    Panic,
    /// Decides when it is notified.
    Wait(Arc<Notify>, Reply),
}

pub(crate) type Script = Box<dyn Fn(&Seen) -> Act + Send + Sync>;

pub(crate) struct Scripted {
    events: mpsc::UnboundedSender<Event>,
    script: Script,
    pub(crate) connect: fn(&Connection) -> Reply,
    pub(crate) mail: fn(&Envelope) -> Reply,
    pub(crate) rcpt: fn(&Envelope, &Path) -> Reply,
    pub(crate) answered: fn(u64),
    pub(crate) hangs_when_answered: bool,
}

impl Scripted {
    pub(crate) fn new(script: Script) -> (Self, mpsc::UnboundedReceiver<Event>) {
        let (sender, events) = mpsc::unbounded_channel();
        let filter = Self {
            events: sender,
            script,
            connect: |_| Reply::Continue,
            mail: |_| Reply::Continue,
            rcpt: |_, _| Reply::Continue,
            answered: |_| (),
            hangs_when_answered: false,
        };
        (filter, events)
    }

    fn record(&self, event: Event) {
        // A test that has seen enough no longer listens.
        let _ = self.events.send(event);
    }
}

/// Reports a future that is dropped before it is done.
struct Watch<'a>(&'a Scripted, bool);

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if !self.1 {
            self.0.record(Event::Dropped);
        }
    }
}

impl Filter for Scripted {
    /// The length of the message.
    type Ticket = u64;

    fn connect(&self, connection: &Connection) -> Reply {
        (self.connect)(connection)
    }

    fn mail(&self, envelope: &Envelope) -> Reply {
        (self.mail)(envelope)
    }

    fn rcpt(&self, envelope: &Envelope, recipient: &Path) -> Reply {
        (self.rcpt)(envelope, recipient)
    }

    async fn message(&self, transaction: Transaction) -> Decision<u64> {
        let mut watch = Watch(self, false);
        let ticket = transaction.message.len();
        let seen = Seen {
            spilled: transaction.message.is_spilled(),
            envelope: transaction.envelope,
            headers: transaction.headers,
            message: transaction.message.into_bytes().await.unwrap(),
        };
        assert_eq!(ticket, seen.message.len() as u64);
        let act = (self.script)(&seen);
        self.record(Event::Message(Box::new(seen)));
        let (edits, reply) = match act {
            Act::Decide(edits, reply) => (edits, reply),
            Act::Panic => panic!("as the test wants it"),
            Act::Wait(notify, reply) => {
                notify.notified().await;
                (Vec::new(), reply)
            }
        };
        watch.1 = true;
        Decision {
            edits,
            reply,
            ticket,
        }
    }

    async fn answered(&self, ticket: u64, answered: Answered) {
        self.record(Event::Answered(ticket, answered));
        (self.answered)(ticket);
        if self.hangs_when_answered {
            std::future::pending::<()>().await;
        }
    }

    fn over_limit(&self, _: &Envelope, limit: Limit) -> Reply {
        self.record(Event::OverLimit(limit));
        limit.reply()
    }

    fn not_agreed(&self, peer: &str, error: &NegotiationError) {
        assert!(peer.starts_with("127.0.0.1:"), "{peer}");
        self.record(Event::NotAgreed(*error));
    }
}

/// A running server on TCP.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) events: mpsc::UnboundedReceiver<Event>,
    pub(crate) shutdown: CancellationToken,
    pub(crate) task: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(options: ServerOptions, script: Script) -> Self {
        Self::start_with(options, script, |_| ()).await
    }

    pub(crate) async fn start_with(
        options: ServerOptions,
        script: Script,
        adjust: impl FnOnce(&mut Scripted),
    ) -> Self {
        let listener = Listener::tcp(([127, 0, 0, 1], 0).into()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (mut filter, events) = Scripted::new(script);
        adjust(&mut filter);
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(serve(listener, Arc::new(filter), options, shutdown.clone()));
        Self {
            address,
            events,
            shutdown,
            task,
        }
    }

    /// One that accepts everything.
    pub(crate) async fn accepting() -> Self {
        Self::start(ServerOptions::default(), accept()).await
    }

    /// A connection after the negotiation.
    pub(crate) async fn negotiated(&self, offer: Offer) -> Mta {
        let mut mta = Mta::tcp(self.address).await.unwrap();
        mta.negotiate(offer).await.unwrap();
        mta
    }

    /// A connection after CONNECT and HELO.
    pub(crate) async fn introduced(&self) -> Mta {
        let mut mta = self.negotiated(Offer::POSTFIX).await;
        assert_eq!(mta.introduce(&Client::default()).await.unwrap(), None);
        mta
    }

    pub(crate) async fn event(&mut self) -> Event {
        self.events.recv().await.unwrap()
    }

    /// The next message that the filter sees, with what happened before it left out.
    pub(crate) async fn seen(&mut self) -> Seen {
        loop {
            if let Event::Message(seen) = self.event().await {
                return *seen;
            }
        }
    }

    /// That the server serves: a mail on a new connection is accepted.
    pub(crate) async fn assert_serves(&self) {
        let outcome = self.introduced().await.deliver(&mail("CHECK")).await;
        assert_eq!(outcome.unwrap().reply, Response::Accept);
    }
}

pub(crate) fn accept() -> Script {
    Box::new(|_| Act::Decide(Vec::new(), Reply::Accept))
}

pub(crate) const MESSAGE: &[u8] = b"From: a@example.org\r\nSubject: folded\r\n over two lines\r\n\
    X-Tab:\tvalue\r\nX-Empty:\r\nSubject: again\r\n\r\nbody\r\n.\r\n\r\nno end of line";

pub(crate) fn mail(queue_id: &str) -> Mail {
    Mail::new(queue_id, MESSAGE)
}

/// The final answer is "accept" at the end of the message.
#[track_caller]
pub(crate) fn assert_accepted(outcome: &Outcome) {
    assert_eq!(outcome.stage, "end-of-message");
    assert_eq!(outcome.reply, Response::Accept);
}

/// A runtime of two threads.
pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

/// Runs a test. A hang fails.
pub(crate) fn run(test: impl Future<Output = ()>) {
    runtime()
        .block_on(async { tokio::time::timeout(PATIENCE, test).await })
        .expect("the test hangs");
}
