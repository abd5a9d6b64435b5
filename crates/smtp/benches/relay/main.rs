//! What the relay costs: messages per second and processor time per mail with a filter that accepts everything and
//! `smtp-sink` as the next hop, beside `smtp-sink` fed directly and beside bare sockets, which are the ceiling.
//! A connection per mail of 20 KB.
//!
//! All are measured in turns within one run, each in a process of its own, and the ratios are what counts; the figures
//! themselves move with the machine and with whatever else it does.

#![allow(
    clippy::print_stdout,
    reason = "the report is what this program is for"
)]

mod ceiling;
mod load;
mod process;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use intake::Listener;
use process::Server;
use smtp::Target;
use smtp::next_hop::{NextHop, Pool, PoolLimits};
use smtp::relay::{
    Action, Answered, Decision, Filter, HeaderEdits, Mail, Relay, RelayDomains, RelayOptions,
};
use smtp::server::{ServerOptions, serve};
use tokio_util::sync::CancellationToken;

const CLIENTS: [usize; 3] = [1, 8, 50];
const MAILS: usize = 4_000;
const ROUNDS: usize = 3;

struct AcceptAll;

impl Filter for AcceptAll {
    type Ticket = ();

    async fn message(&self, mail: Mail) -> Decision<()> {
        let message = mail.message.into_bytes().await.expect("a small message");
        Decision {
            action: Action::Pass {
                message: message.into(),
                edits: HeaderEdits::default(),
                withheld: Vec::new(),
            },
            ticket: (),
        }
    }

    async fn answered(&self, (): (), _: Answered) {}
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["ceiling", _] => {
            let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
            println!("{}", listener.local_addr().expect("an address"));
            ceiling::serve(&listener);
        }
        ["relay", next_hop] => relay(next_hop),
        // `cargo test --benches` runs this, too: then it only shows that it works.
        arguments if arguments.contains(&"--bench") => compare(ROUNDS, MAILS),
        _ => compare(1, 20),
    }
}

fn compare(rounds: usize, mails: usize) {
    let ceiling = Server::role("ceiling", "");
    let Some(sink) = Server::smtp_sink() else {
        println!("smtp-sink is not installed: only the ceiling is measured");
        let speed = load::run(ceiling.address, 8, mails);
        println!("bare sockets: {speed:.0} messages/s");
        return;
    };
    let relay = Server::role("relay", &sink.address.to_string());
    println!(
        "{mails} mails of 20 KB, a connection each; processor time is that of the server alone"
    );
    for clients in CLIENTS {
        let mut ratios = Vec::new();
        for _ in 0..rounds {
            let top = measure(&ceiling, clients, mails);
            let direct = measure(&sink, clients, mails);
            let relayed = measure(&relay, clients, mails);
            println!("{clients} clients: bare sockets {top}; smtp-sink {direct}; relay {relayed}");
            ratios.push((relayed.cpu / direct.cpu, relayed.speed / top.speed));
        }
        ratios.sort_by(|a, b| a.0.total_cmp(&b.0));
        if let Some((cpu, speed)) = ratios.get(ratios.len() / 2) {
            let percent = speed * 100.0;
            println!(
                "{clients} clients: the relay takes {cpu:.2} times the processor time of smtp-sink per mail, \
                 at {percent:.0} % of the speed of bare sockets (median of {rounds})"
            );
        }
    }
}

/// What one turn of one server gave.
struct Turn {
    /// Messages per second.
    speed: f64,
    /// Processor time per mail in microseconds.
    cpu: f64,
}

impl std::fmt::Display for Turn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.0}/s, {:.0} µs", self.speed, self.cpu)
    }
}

fn measure(server: &Server, clients: usize, mails: usize) -> Turn {
    let before = server.cpu();
    let speed = load::run(server.address, clients, mails);
    let cpu = (server.cpu() - before) * 1e6 / mails as f64;
    Turn { speed, cpu }
}

/// The relay in a process of its own.
fn relay(next_hop: &str) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = Listener::tcp(any).await.expect("a free port");
        println!("{}", listener.local_addr().expect("an address"));
        let target = Target::new(next_hop, "relay.example").expect("an address");
        let options = RelayOptions {
            relay_domains: RelayDomains::any(),
            ..RelayOptions::default()
        };
        let relay = Relay::new(
            Arc::new(AcceptAll),
            Pool::new(NextHop::server(target), PoolLimits::default()),
            options,
        );
        let options = ServerOptions::default();
        serve(listener, Arc::new(relay), options, CancellationToken::new()).await;
    });
}
