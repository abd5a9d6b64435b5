//! Dialogues in files, played against the server; and every one of them again, in all kinds of pieces.
//!
//! A file reads like the dialogue it is:
//!
//! ```text
//! # what it shows
//! O: recipients 2          an option, see `set`
//! S: 220 mx.example ESMTP  the server says this line
//! C: QUIT                  the client says this line
//! R: a\nb\r\n              the client sends these bytes
//! X:                       the server closes the connection
//! M: hello\r\n             the service has seen this message, in the order of the messages
//! ```
//!
//! What the client says between two lines of the server is sent at once.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use smtp::server::ServerOptions;
use smtp::{BareLineEnds, Offer};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader, split};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::support::{Event, Recorder, Server, in_memory, options, run};

struct Dialogue {
    name: String,
    text: String,
}

#[test]
fn the_server_follows_every_dialogue() {
    run(async {
        for dialogue in dialogues() {
            let (options, adjust) = dialogue.options();
            let server = Server::start_with(options, adjust).await;
            let stream = TcpStream::connect(server.address).await.unwrap();
            dialogue.check(stream, server.events, &[]).await;
        }
    });
}

#[test]
fn the_size_of_the_segments_changes_no_dialogue() {
    for room in [1, 2, 3, 5, 17, 100, 4096] {
        run(async {
            for dialogue in dialogues() {
                dialogue.check_in_memory(room, &[]).await;
            }
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn no_way_to_split_what_is_sent_changes_a_dialogue(pieces in proptest::collection::vec(1usize..40, 1..20)) {
        run(async {
            for dialogue in dialogues() {
                dialogue.check_in_memory(4096, &pieces).await;
            }
        });
    }
}

fn dialogues() -> Vec<Dialogue> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dialogues");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    assert!(paths.len() > 10, "the dialogues are there");
    paths
        .into_iter()
        .map(|path| Dialogue {
            name: path.file_name().unwrap().to_string_lossy().into_owned(),
            text: std::fs::read_to_string(path).unwrap(),
        })
        .collect()
}

impl Dialogue {
    fn options(&self) -> (ServerOptions, impl FnOnce(&mut Recorder) + use<>) {
        let mut options = options();
        let mut offers_nothing = false;
        for line in self
            .text
            .lines()
            .filter_map(|line| line.strip_prefix("O: "))
        {
            if line == "offers nothing" {
                offers_nothing = true;
            } else {
                set(&mut options, line);
            }
        }
        (options, move |recorder: &mut Recorder| {
            if offers_nothing {
                recorder.offer = Offer {
                    eight_bit_mime: false,
                    dsn: false,
                    smtp_utf8: false,
                };
            }
        })
    }

    async fn check_in_memory(&self, room: usize, pieces: &[usize]) {
        let (options, adjust) = self.options();
        let (client, events, _) = in_memory(options, room, adjust);
        self.check(client.stream.into_inner(), events, pieces).await;
    }

    /// Plays it, and compares what was said with the file. `pieces` are the lengths in which the client sends; none is
    /// everything at once.
    async fn check(
        &self,
        stream: impl AsyncRead + AsyncWrite,
        mut events: mpsc::UnboundedReceiver<Event>,
        pieces: &[usize],
    ) {
        let (read, mut write) = split(stream);
        let mut read = BufReader::new(read);
        let mut pieces = pieces.iter().copied().cycle();
        let mut said = String::new();
        let mut unsent = Vec::new();
        let mut steps = self.text.lines().peekable();
        while let Some(step) = steps.next() {
            let (kind, text) = split_step(step);
            match kind {
                "C:" => unsent.extend_from_slice(format!("{text}\r\n").as_bytes()),
                "R:" => unsent.extend(unescape(text)),
                "S:" | "X:" => {
                    let mut count = 1;
                    while steps
                        .next_if(|step| matches!(split_step(step).0, "S:" | "X:"))
                        .is_some()
                    {
                        count += 1;
                    }
                    // At the same time: the server may have to be heard before it hears more.
                    let sending = send(&mut write, std::mem::take(&mut unsent), &mut pieces);
                    let (lines, ()) = tokio::join!(lines(&mut read, count), sending);
                    said.push_str(&lines);
                    continue;
                }
                "M:" => {
                    writeln!(said, "M: {}", message(&mut events).await).unwrap();
                    continue;
                }
                _ => {}
            }
            writeln!(said, "{step}").unwrap();
        }
        let differs = said.lines().zip(self.text.lines()).find(|(a, b)| a != b);
        assert_eq!(differs, None, "{}: said, and in the file", self.name);
        assert_eq!(said, self.text, "{}", self.name);
        while let Ok(event) = events.try_recv() {
            assert!(
                !matches!(event, Event::Message(_)),
                "{}: a message too many",
                self.name
            );
        }
    }
}

async fn send(
    write: &mut (impl AsyncWrite + Unpin),
    bytes: Vec<u8>,
    pieces: &mut impl Iterator<Item = usize>,
) {
    let mut rest = bytes.as_slice();
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(pieces.next().unwrap_or(rest.len()).min(rest.len()));
        // The server may have closed already, and says so.
        let _ = write.write_all(piece).await;
        let _ = write.flush().await;
        rest = after;
        // So that the server has its turn.
        tokio::task::yield_now().await;
    }
}

/// The kind of a step and its text.
fn split_step(step: &str) -> (&str, &str) {
    let (kind, text) = step.split_at_checked(2).unwrap_or((step, ""));
    (kind, text.strip_prefix(' ').unwrap_or(text))
}

async fn lines(read: &mut (impl AsyncBufReadExt + Unpin), count: usize) -> String {
    let mut lines = String::new();
    for _ in 0..count {
        let mut line = Vec::new();
        match read.read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => lines.push_str("X:\n"),
            Ok(_) => {
                let line = line.strip_suffix(b"\r\n").unwrap_or(&line);
                writeln!(lines, "S: {}", String::from_utf8_lossy(line)).unwrap();
            }
        }
    }
    lines
}

async fn message(events: &mut mpsc::UnboundedReceiver<Event>) -> String {
    loop {
        match events.recv().await {
            Some(Event::Message(message)) => return message.escape_ascii().to_string(),
            Some(_) => {}
            None => return "(none)".to_owned(),
        }
    }
}

fn set(options: &mut ServerOptions, line: &str) {
    let (name, value) = line.split_once(' ').unwrap_or((line, "0"));
    let number: usize = value.parse().unwrap();
    let this_host = vec!["127.0.0.1/32".parse().unwrap()];
    match name {
        "errors" => options.errors = number,
        "hops" => options.hops = number,
        "idle_commands" => options.idle_commands = number,
        "line_bytes" => options.line_bytes = number,
        "command_line_bytes" => options.command_line_bytes = number,
        "message_bytes" => options.message_bytes = number as u64,
        "normalise" => options.bare_line_ends = BareLineEnds::Normalise,
        "recipients" => options.recipients = number,
        "require_tls" => options.require_tls = true,
        "xclient" => options.xclient_hosts = this_host,
        "xforward" => options.xforward_hosts = this_host,
        _ => panic!("no such option: {line}"),
    }
}

fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        let (&kind, after) = rest.split_first().unwrap();
        rest = after;
        bytes.push(match kind {
            b'r' => b'\r',
            b'n' => b'\n',
            b't' => b'\t',
            b'\\' => b'\\',
            b'x' => {
                let (digits, after) = rest.split_at(2);
                rest = after;
                u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap()
            }
            _ => panic!("{text}: no such escape"),
        });
    }
    bytes
}
