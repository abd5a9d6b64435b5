//! A relay on loopback, and a filter that does what a test wants.

use std::net::SocketAddr;
use std::sync::Arc;

use intake::Listener;
use smtp::next_hop::{NextHop, Pool, PoolLimits};
use smtp::relay::{
    Action, Answered, Decision, Filter, HeaderEdits, Mail, Relay, RelayDomains, RelayOptions,
};
use smtp::server::{ServerOptions, serve};
use smtp::{BareLineEnds, Reply, Target, Timeouts};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;

use crate::next_hop;

pub(crate) const MESSAGE: &[u8] = b"Subject: hello\r\n\r\nhello\r\n";

/// What the filter decides about every message.
#[derive(Clone, Debug)]
pub(crate) enum Verdict {
    Pass,
    Changed(HeaderEdits),
    Withhold(Vec<usize>),
    Take(Reply),
    Refuse(Reply),
    Panic,
    /// It never comes to a decision.
    Never,
}

struct Filtering {
    verdict: Verdict,
    told: UnboundedSender<Answered>,
    asked: UnboundedSender<()>,
    dropped: UnboundedSender<()>,
}

/// Sends when it is dropped.
struct WhenDropped(UnboundedSender<()>);

impl Drop for WhenDropped {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

impl Filter for Filtering {
    type Ticket = ();

    async fn message(&self, mail: Mail) -> Decision<()> {
        let _dropped = WhenDropped(self.dropped.clone());
        let _ = self.asked.send(());
        let message: Arc<[u8]> = mail.message.into_bytes().await.unwrap().into();
        let pass = |edits, withheld| Action::Pass {
            message,
            edits,
            withheld,
        };
        let action = match self.verdict.clone() {
            Verdict::Pass => pass(HeaderEdits::default(), Vec::new()),
            Verdict::Changed(edits) => pass(edits, Vec::new()),
            Verdict::Withhold(withheld) => pass(HeaderEdits::default(), withheld),
            Verdict::Take(reply) => Action::Take(reply),
            Verdict::Refuse(reply) => Action::Refuse(reply),
            Verdict::Panic => panic!("a filter that panics"),
            Verdict::Never => std::future::pending().await,
        };
        Decision { action, ticket: () }
    }

    async fn answered(&self, (): (), answered: Answered) {
        let _ = self.told.send(answered);
    }
}

/// A relay that runs until this is dropped.
pub(crate) struct Setting {
    /// Where messages go.
    pub(crate) next_hop: Pool,
    pub(crate) address: SocketAddr,
    /// What the filter is told.
    pub(crate) told: UnboundedReceiver<Answered>,
    /// One for each message that the filter is asked about.
    pub(crate) asked: UnboundedReceiver<()>,
    /// One for each of them that is over.
    pub(crate) dropped: UnboundedReceiver<()>,
    shutdown: CancellationToken,
}

impl Setting {
    pub(crate) fn shut_down(&self) {
        self.shutdown.cancel();
    }
}

impl Drop for Setting {
    fn drop(&mut self) {
        self.shut_down();
    }
}

/// For a client that may send to anybody.
pub(crate) fn open() -> RelayOptions {
    RelayOptions {
        relay_clients: vec!["127.0.0.0/8".parse().unwrap()],
        relay_domains: RelayDomains::default(),
        ..RelayOptions::default()
    }
}

pub(crate) async fn relay(hop: &next_hop::NextHop, verdict: Verdict) -> Setting {
    relay_with(hop, verdict, open()).await
}

pub(crate) async fn relay_with(
    hop: &next_hop::NextHop,
    verdict: Verdict,
    options: RelayOptions,
) -> Setting {
    start(target(hop.address), verdict, options, server()).await
}

pub(crate) async fn relay_normalising(hop: &next_hop::NextHop, verdict: Verdict) -> Setting {
    let server = ServerOptions {
        bare_line_ends: BareLineEnds::Normalise,
        ..server()
    };
    start(target(hop.address), verdict, open(), server).await
}

/// With a client that may say for whom it speaks.
pub(crate) async fn relay_trusting(hop: &next_hop::NextHop, verdict: Verdict) -> Setting {
    let server = ServerOptions {
        xforward_hosts: vec!["127.0.0.0/8".parse().unwrap()],
        ..server()
    };
    start(target(hop.address), verdict, open(), server).await
}

/// With a server that is made for the occasion.
pub(crate) async fn relay_served(
    hop: &next_hop::NextHop,
    verdict: Verdict,
    server: ServerOptions,
) -> Setting {
    relay_for(hop, verdict, open(), server).await
}

pub(crate) async fn relay_for(
    hop: &next_hop::NextHop,
    verdict: Verdict,
    options: RelayOptions,
    server: ServerOptions,
) -> Setting {
    start(target(hop.address), verdict, options, server).await
}

pub(crate) async fn relay_lmtp(hop: &next_hop::NextHop, verdict: Verdict) -> Setting {
    let target = target(hop.address).with_protocol(smtp::Protocol::Lmtp);
    start(target, verdict, open(), server()).await
}

/// With little patience for the next hop.
pub(crate) async fn relay_hurried(
    hop: &next_hop::NextHop,
    verdict: Verdict,
    timeouts: Timeouts,
) -> Setting {
    start(
        target(hop.address).with_timeouts(timeouts),
        verdict,
        open(),
        server(),
    )
    .await
}

/// With a next hop that does not listen.
pub(crate) async fn relay_to_nobody(verdict: Verdict) -> Setting {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    start(target(address), verdict, open(), server()).await
}

fn target(address: SocketAddr) -> Target {
    Target::new(&address.to_string(), "relay.example").unwrap()
}

fn server() -> ServerOptions {
    ServerOptions {
        hostname: "relay.example".to_owned(),
        ..ServerOptions::default()
    }
}

async fn start(
    target: Target,
    verdict: Verdict,
    options: RelayOptions,
    server: ServerOptions,
) -> Setting {
    let (told_sender, told) = unbounded_channel();
    let (asked_sender, asked) = unbounded_channel();
    let (dropped_sender, dropped) = unbounded_channel();
    let filter = Filtering {
        verdict,
        told: told_sender,
        asked: asked_sender,
        dropped: dropped_sender,
    };
    let next_hop = Pool::new(NextHop::server(target), PoolLimits::default());
    let relay = Relay::new(Arc::new(filter), next_hop.clone(), options);
    let listener = Listener::tcp(([127, 0, 0, 1], 0).into()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    tokio::spawn(serve(listener, Arc::new(relay), server, shutdown.clone()));
    Setting {
        next_hop,
        address,
        told,
        asked,
        dropped,
        shutdown,
    }
}

/// The commands of the last transaction that brought a message.
pub(crate) fn delivered(hop: &next_hop::NextHop) -> Vec<String> {
    let commands = hop.seen().commands;
    let end = commands
        .iter()
        .rposition(|command| command == "<message>")
        .unwrap();
    let commands = commands.get(..=end).unwrap();
    let start = commands
        .iter()
        .rposition(|command| command.starts_with("MAIL"))
        .unwrap();
    commands.get(start..).unwrap().to_vec()
}
