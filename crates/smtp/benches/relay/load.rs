//! The load: blocking clients, each with a connection per mail, that wait for every answer.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

/// A mail of this many bytes, more or less what a mean mail has.
const MESSAGE_BYTES: usize = 20_000;

/// Mails per second with so many clients at once.
pub(crate) fn run(address: SocketAddr, clients: usize, mails: usize) -> f64 {
    let dialogue = dialogue();
    let taken = Arc::new(AtomicUsize::new(0));
    let start = Instant::now();
    thread::scope(|scope| {
        for _ in 0..clients {
            scope.spawn(|| {
                while taken.fetch_add(1, Ordering::Relaxed) < mails {
                    deliver(address, &dialogue);
                }
            });
        }
    });
    mails as f64 / start.elapsed().as_secs_f64()
}

/// What is sent after each answer, from the greeting on, and the code that must come before it.
fn dialogue() -> Vec<(&'static str, Vec<u8>)> {
    let head = "From: <a@example.org>\r\nTo: <b@example.net>\r\nSubject: a mail\r\n\r\n";
    let line = "The quick brown fox jumps over the lazy dog, again and again and again.\r\n";
    let body = line.repeat(MESSAGE_BYTES / line.len());
    vec![
        ("220", b"EHLO client.example\r\n".to_vec()),
        ("250", b"MAIL FROM:<a@example.org>\r\n".to_vec()),
        ("250", b"RCPT TO:<b@example.net>\r\n".to_vec()),
        ("250", b"DATA\r\n".to_vec()),
        ("354", format!("{head}{body}.\r\n").into_bytes()),
        ("250", b"QUIT\r\n".to_vec()),
    ]
}

fn deliver(address: SocketAddr, dialogue: &[(&str, Vec<u8>)]) {
    let mut stream = TcpStream::connect(address).expect("the server listens");
    stream.set_nodelay(true).expect("a socket option");
    for (code, bytes) in dialogue {
        expect(&mut stream, code);
        stream.write_all(bytes).expect("the server reads");
    }
    expect(&mut stream, "221");
}

/// Reads one answer; nothing may come behind it.
fn expect(stream: &mut TcpStream, code: &str) {
    let mut buffer = [0; 4096];
    let mut length = 0;
    loop {
        let free = buffer.get_mut(length..).expect("a short answer");
        let read = stream.read(free).expect("the server answers");
        assert!(read > 0, "the server closed the connection");
        length += read;
        let answer = buffer.get(..length).expect("what was read");
        if is_complete(answer) {
            assert!(
                answer.starts_with(code.as_bytes()),
                "{}",
                answer.escape_ascii()
            );
            return;
        }
    }
}

fn is_complete(answer: &[u8]) -> bool {
    let last = answer
        .strip_suffix(b"\r\n")
        .and_then(|lines| lines.rsplit(|&byte| byte == b'\n').next());
    last.is_some_and(|line| line.get(3) != Some(&b'-'))
}
