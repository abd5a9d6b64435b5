//! The next hop: an SMTP server that takes everything and keeps it octet for octet.

use anyhow::Result;
use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A mail that the next hop has taken.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) mail_from: String,
    pub(crate) rcpts: Vec<String>,
    /// What came between DATA and the final dot, without dot-stuffing.
    pub(crate) data: Vec<u8>,
}

impl Received {
    /// Whether some header line contains a text.
    pub(crate) fn header_contains(&self, text: &str) -> bool {
        super::header_block(&self.data).contains(text)
    }

    /// The content for people.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.data).into_owned()
    }

    /// The content below the trace field that the MTA before this hop has put on top.
    pub(crate) fn below_trace(&self) -> &[u8] {
        let lines = self.data.split_inclusive(|&b| b == b'\n');
        let mut length = 0;
        for (index, line) in lines.enumerate() {
            let belongs = if index == 0 {
                line.starts_with(b"Received: ")
            } else {
                line.starts_with(b" ") || line.starts_with(b"\t")
            };
            if !belongs {
                break;
            }
            length += line.len();
        }
        self.data.get(length..).unwrap_or_default()
    }
}

/// The server. It ends with the test.
#[derive(Debug)]
pub(crate) struct Sink {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    mails: Mutex<Vec<Received>>,
    /// Replies to the next ends of data, instead of 250; `None` for no reply at all.
    refusals: Mutex<VecDeque<Option<String>>>,
    taken: AtomicU64,
    ended: AtomicBool,
}

impl Sink {
    pub(crate) fn start() -> Result<Sink> {
        Sink::start_at(0)
    }

    /// Starts one at a port; 0 for any.
    pub(crate) fn start_at(port: u16) -> Result<Sink> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared::default());
        let server = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if server.ended.load(Ordering::Relaxed) {
                    return;
                }
                let (Ok(stream), shared) = (stream, Arc::clone(&server)) else {
                    continue;
                };
                // A peer that goes away ends its session, and no more.
                std::thread::spawn(move || shared.session(stream));
            }
        });
        Ok(Sink { port, shared })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// All mails so far.
    pub(crate) fn mails(&self) -> Vec<Received> {
        lock(&self.shared.mails).clone()
    }

    /// The mails whose header contains a text, so far.
    pub(crate) fn with(&self, text: &str) -> Vec<Received> {
        let mut mails = self.mails();
        mails.retain(|mail| mail.header_contains(text));
        mails
    }

    /// Waits for the first mail whose header contains a text.
    pub(crate) fn wait_for(&self, text: &str) -> Result<Received> {
        let what = format!("a mail with `{text}` at the next hop");
        super::eventually(&what, || self.with(text).into_iter().next())
    }

    /// Answers the next end of data with this reply instead of 250.
    pub(crate) fn refuse_next(&self, reply: &str) {
        lock(&self.shared.refusals).push_back(Some(reply.to_owned()));
    }

    /// Takes the next mail and does not say so.
    pub(crate) fn be_silent_next(&self) {
        lock(&self.shared.refusals).push_back(None);
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        // Wakes the thread that accepts, which then sees that it is over.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

impl Shared {
    fn session(&self, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut writer = stream.try_clone()?;
        let mut reader = BufReader::new(stream);
        let (mut mail_from, mut rcpts) = (String::new(), Vec::new());
        writer.write_all(b"220 sink.test.example\r\n")?;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let line = line.trim_end();
            let verb = line.split([' ', ':']).next().unwrap_or_default();
            let reply = match verb.to_ascii_uppercase().as_str() {
                "EHLO" => "250-sink.test.example\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 SIZE 0",
                "MAIL" => {
                    (mail_from, rcpts) = (address(line), Vec::new());
                    "250 2.1.0 sender ok"
                }
                "RCPT" => {
                    rcpts.push(address(line));
                    "250 2.1.5 recipient ok"
                }
                "DATA" => {
                    writer.write_all(b"354 go on\r\n")?;
                    let data = read_data(&mut reader)?;
                    let mail = Received {
                        mail_from: mail_from.clone(),
                        rcpts: rcpts.clone(),
                        data,
                    };
                    writer.write_all(self.take(mail).as_bytes())?;
                    continue;
                }
                "QUIT" => {
                    writer.write_all(b"221 bye\r\n")?;
                    return Ok(());
                }
                "HELO" | "RSET" | "NOOP" => "250 ok",
                _ => "500 5.5.1 unknown command",
            };
            writer.write_all(format!("{reply}\r\n").as_bytes())?;
        }
    }

    fn take(&self, mail: Received) -> String {
        let refusal = lock(&self.refusals).pop_front();
        if let Some(Some(refusal)) = refusal {
            return format!("{refusal}\r\n");
        }
        lock(&self.mails).push(mail);
        let number = self.taken.fetch_add(1, Ordering::Relaxed) + 1;
        match refusal {
            None => format!("250 2.0.0 Ok: queued as SINK{number}\r\n"),
            Some(_) => String::new(),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The address between the angle brackets.
fn address(line: &str) -> String {
    let inside = line
        .split_once('<')
        .and_then(|(_, rest)| rest.rsplit_once('>'));
    inside.map_or(String::new(), |(address, _)| address.to_owned())
}

fn read_data(reader: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut data = Vec::new();
    loop {
        let mut line = Vec::new();
        if reader.read_until(b'\n', &mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if line == b".\r\n" {
            return Ok(data);
        }
        data.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
    }
}
