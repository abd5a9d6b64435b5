//! What many connections cost at the same time. A process of its own, so that no other test's memory
//! is counted.

use std::fs;
use std::sync::Arc;

use bytes::Bytes;
use milter::mta::{Client, Mta};
use milter::{
    BODY_CHUNK, Command, Decision, Filter, Listener, Offer, Path, Reply, Response, ServerOptions,
    Transaction, serve,
};
use tokio_util::sync::CancellationToken;

const CONNECTIONS: usize = 200;

/// Of each message, in bytes: all together 400 MB.
const MESSAGE_BYTES: usize = 2_000_000;

/// Of each message in memory, in bytes.
const SPILL_BYTES: usize = 64 * 1024;

/// A connection may cost what it keeps of the message, one chunk more, a buffer for reading with
/// twice a chunk, as much again for the MTA's side of it, and the allocator's loss.
const BYTES_PER_CONNECTION: usize = SPILL_BYTES + 6 * BODY_CHUNK;

struct Measuring;

impl Filter for Measuring {
    type Ticket = ();

    async fn message(&self, transaction: Transaction) -> Decision<()> {
        assert!(transaction.message.is_spilled());
        assert!(transaction.message.len() >= MESSAGE_BYTES as u64);
        Decision::new(Reply::Accept, ())
    }
}

/// The most memory that this process has had, in bytes.
fn peak() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    let kilobytes = line.split_whitespace().nth(1).unwrap();
    kilobytes.parse::<usize>().unwrap() * 1024
}

async fn begin(server: std::net::SocketAddr) -> Mta {
    let mut mta = Mta::tcp(server).await.unwrap();
    mta.negotiate(Offer::POSTFIX).await.unwrap();
    mta.introduce(&Client::default()).await.unwrap();
    for command in [
        Command::Mail(Path::new("a@example.org")),
        Command::Rcpt(Path::new("b@example.net")),
        Command::EndOfHeaders,
    ] {
        mta.send(&command).await.unwrap();
    }
    mta
}

#[tokio::test]
async fn two_hundred_large_messages_at_the_same_time_are_on_disk_and_not_in_memory() {
    let directory = tempfile::tempdir().unwrap();
    let options = ServerOptions {
        spill_bytes: SPILL_BYTES,
        spill_directory: directory.path().to_owned(),
        ..ServerOptions::default()
    };
    let listener = Listener::tcp(([127, 0, 0, 1], 0).into()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let server = tokio::spawn(serve(
        listener,
        Arc::new(Measuring),
        options,
        shutdown.clone(),
    ));
    let before = peak();

    let mut mtas = Vec::new();
    for _ in 0..CONNECTIONS {
        mtas.push(begin(address).await);
    }
    // A piece of each in turns, so that all messages grow together.
    let chunk = Command::Body(vec![b'x'; BODY_CHUNK].into());
    for _ in 0..MESSAGE_BYTES.div_ceil(BODY_CHUNK) {
        for mta in &mut mtas {
            mta.send(&chunk).await.unwrap();
            mta.flush().await.unwrap();
        }
    }
    for mta in &mut mtas {
        let outcome = mta.end_of_message(Bytes::new()).await.unwrap();
        assert_eq!(outcome.reply, Response::Accept);
    }
    let cost = (peak() - before) / CONNECTIONS;
    assert!(
        cost < BYTES_PER_CONNECTION,
        "{cost} bytes for each connection, not {BYTES_PER_CONNECTION}"
    );
    shutdown.cancel();
    server.await.unwrap();
}
