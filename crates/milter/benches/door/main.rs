//! Messages per second through the door with a filter that accepts everything, beside the ceiling:
//! bare blocking sockets that look at nothing but frame lengths. A connection per mail of 20 KB.
//!
//! With the variable `MLOAD` (the path of a load client) the same is measured once more by another
//! program's client, beside that program's own accept-all milter.
//!
//! Everything is measured in turns within one run, and the ratios are what counts; the figures
//! themselves move with the machine and with whatever else it does.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "the report is what this program is for, and it starts a client of another make"
)]

mod mload;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use milter::{
    Agreement, Asks, Command, Decision, Events, Filter, Frame, FrameCodec, Listener, Offer, Path,
    Peer, Reply, Response, ServerOptions, Transaction, serve,
};
use tokio_util::codec::Decoder;
use tokio_util::sync::CancellationToken;

use crate::mload::Mload;

const BODY_BYTES: usize = 20_000;
/// How many clients there are at a time: a quiet server, and a busy one.
const CLIENTS: [usize; 2] = [4, 16];
const MAILS: usize = 2_000;
const ROUNDS: usize = 5;

struct AcceptAll;

impl Filter for AcceptAll {
    type Ticket = ();

    async fn message(&self, _: Transaction) -> Decision<()> {
        Decision::new(Reply::Accept, ())
    }
}

fn main() {
    // `cargo test --benches` runs this, too: then it only shows that it works.
    let quick = !std::env::args().any(|argument| argument == "--bench");
    let (rounds, mails) = if quick { (1, 20) } else { (ROUNDS, MAILS) };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let silent = Asks {
        connect: false,
        mail: false,
        rcpt: false,
    };
    let doors = [
        (
            "door, every question asked",
            door(&runtime, Asks::default()),
        ),
        ("door, only the message", door(&runtime, silent)),
    ];
    let raw = raw_server();
    let bare = |address, clients| measure(address, clients, mails);
    for clients in CLIENTS {
        println!("{clients} clients, a connection per mail of {BODY_BYTES} bytes, TCP");
        compare(&doors, ("bare sockets", raw), rounds, |address| {
            bare(address, clients)
        });
    }
    let Some(mload) = Mload::from_environment() else {
        return println!("MLOAD is not set: not measured beside `mload accept`");
    };
    let accepting = mload.accepting();
    for clients in CLIENTS {
        println!("{clients} clients, the same with the client `mload milter`");
        let top = ("mload accept", accepting.address);
        compare(&doors, top, rounds, |address| {
            mload.measure(address, clients, mails)
        });
    }
}

/// Measures each door in turns with what it is compared to.
fn compare(
    doors: &[(&str, SocketAddr)],
    (top, top_address): (&str, SocketAddr),
    rounds: usize,
    measure: impl Fn(SocketAddr) -> f64,
) {
    for (name, address) in doors {
        let mut figures = Vec::new();
        for _ in 0..rounds {
            let ceiling = measure(top_address);
            figures.push((measure(*address), ceiling));
        }
        figures.sort_by(|a, b| f64::total_cmp(&(a.0 / a.1), &(b.0 / b.1)));
        let percent = |index: usize| {
            let (own, ceiling) = figures.get(index).copied().unwrap_or((f64::NAN, 1.0));
            own / ceiling * 100.0
        };
        let median = figures.len() / 2;
        let (own, ceiling) = figures.get(median).copied().unwrap_or_default();
        println!(
            "  {name}: {own:.0} messages/s, {top}: {ceiling:.0}; \
             {:.0} / {:.0} / {:.0} % (min / median / max)",
            percent(0),
            percent(median),
            percent(figures.len() - 1),
        );
    }
}

fn door(runtime: &tokio::runtime::Runtime, asks: Asks) -> SocketAddr {
    let listener = runtime
        .block_on(Listener::tcp(([127, 0, 0, 1], 0).into()))
        .expect("a free port");
    let address = listener.local_addr().expect("a TCP address");
    let options = ServerOptions {
        asks,
        ..ServerOptions::default()
    };
    let shutdown = CancellationToken::new();
    runtime.spawn(serve(listener, Arc::new(AcceptAll), options, shutdown));
    address
}

/// Messages per second of about so many mails.
fn measure(address: SocketAddr, clients: usize, mails: usize) -> f64 {
    let each = mails.div_ceil(clients);
    let start = Instant::now();
    thread::scope(|scope| {
        for _ in 0..clients {
            scope.spawn(|| {
                let dialogue = dialogue();
                for _ in 0..each {
                    deliver(address, &dialogue);
                }
            });
        }
    });
    (clients * each) as f64 / start.elapsed().as_secs_f64()
}

fn dialogue() -> Vec<Command> {
    let text = Bytes::from_static;
    let mut commands = vec![
        Command::Connect {
            host: text(b"client.example"),
            peer: Peer::Unknown,
        },
        Command::Helo(text(b"client.example")),
        Command::Mail(Path::new("sender@example.org")),
        Command::Rcpt(Path::new("recipient@example.net")),
        Command::Data,
    ];
    for number in 0..15 {
        commands.push(Command::Header {
            name: format!("X-Field-{number}").into(),
            value: text(b" a value of the usual length, more or less"),
        });
    }
    commands.extend([
        Command::EndOfHeaders,
        Command::Body(vec![b'x'; BODY_BYTES].into()),
        Command::EndOfMessage(Bytes::new()),
    ]);
    commands
}

/// One mail on a connection of its own; what needs no answer is written with what does.
fn deliver(address: SocketAddr, dialogue: &[Command]) {
    let mut stream = TcpStream::connect(address).expect("the server listens");
    stream.set_nodelay(true).expect("a socket option");
    let mut buffer = BytesMut::new();
    let mut pending = BytesMut::new();
    Command::Negotiate(Offer::POSTFIX).encode(&mut pending);
    let Response::Negotiated { taken, .. } = exchange(&mut stream, &mut pending, &mut buffer)
    else {
        panic!("no answer to the offer");
    };
    let agreement = Agreement::from(taken);
    let mut last = Response::Continue;
    for command in dialogue {
        command.encode(&mut pending);
        if agreement.expects_answer(command) {
            last = exchange(&mut stream, &mut pending, &mut buffer);
        }
    }
    assert_eq!(last, Response::Accept);
    Command::Quit.encode(&mut pending);
    stream.write_all(&pending).expect("the server reads");
}

fn exchange(stream: &mut TcpStream, pending: &mut BytesMut, buffer: &mut BytesMut) -> Response {
    stream.write_all(pending).expect("the server reads");
    pending.clear();
    let frame = read_frame(stream, buffer).expect("the server answers");
    Response::parse(frame).expect("a response")
}

fn read_frame(stream: &mut TcpStream, buffer: &mut BytesMut) -> Option<Frame> {
    let mut chunk = [0; 65_536];
    loop {
        if let Some(frame) = FrameCodec::default().decode(buffer).expect("frames") {
            return Some(frame);
        }
        match stream.read(&mut chunk).expect("the peer writes") {
            0 => return None,
            length => buffer.extend_from_slice(chunk.get(..length)?),
        }
    }
}

/// Waiting threads that answer what must be answered, and nothing else.
fn raw_server() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let address = listener.local_addr().expect("a TCP address");
    for _ in 0..CLIENTS.into_iter().max().unwrap_or(1) {
        let listener = listener.try_clone().expect("a file descriptor");
        thread::spawn(move || {
            for stream in listener.incoming() {
                answer_all(stream.expect("a connection"));
            }
        });
    }
    address
}

fn answer_all(mut stream: TcpStream) {
    stream.set_nodelay(true).expect("a socket option");
    let silent = Offer {
        events: Offer::POSTFIX
            .events
            .difference(Events::from_wire(0x7F) | Events::NO_DATA | Events::REJECTED_RECIPIENTS),
        ..Offer::POSTFIX
    };
    let mut negotiated = BytesMut::new();
    Response::Negotiated {
        taken: silent,
        macros: Vec::new(),
    }
    .encode(&mut negotiated);
    let mut buffer = BytesMut::new();
    while let Some(frame) = read_frame(&mut stream, &mut buffer) {
        let answer: &[u8] = match frame.code {
            b'O' => &negotiated,
            b'E' => b"\0\0\0\x01a",
            b'Q' => return,
            _ => continue,
        };
        stream.write_all(answer).expect("the client reads");
    }
}
