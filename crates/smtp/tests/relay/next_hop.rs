//! A next hop on loopback that behaves, except where it is told not to.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};

/// What it does in place of the answer that would be right.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// This, with its line end.
    Say(String),
    /// Nothing more at all, with the connection open.
    Hang,
    /// An end of the connection.
    Close,
    /// A reset of the connection.
    Reset,
    /// This, and then an end of the connection.
    SayAndClose(String),
    /// What would be right, but only when it is told.
    When(Arc<Notify>),
    /// What would be right: to have a later one go wrong.
    Behave,
}

/// `Act::Say`.
pub(crate) fn say(text: &str) -> Act {
    Act::Say(text.to_owned())
}

/// What it has seen so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// The commands of all connections, in their order, without line ends; `<message>` for a whole message.
    pub(crate) commands: Vec<String>,
    /// Messages that it has taken, without stuffed dots.
    pub(crate) messages: Vec<Vec<u8>>,
    /// The bytes of each connection, as they came.
    pub(crate) wire: Vec<Vec<u8>>,
    /// Connections that are over.
    pub(crate) ended: usize,
}

pub(crate) struct NextHop {
    pub(crate) address: SocketAddr,
    seen: watch::Receiver<Seen>,
}

/// Everything that a connection needs to know.
struct Manners {
    extensions: Vec<String>,
    lmtp: bool,
    /// By verb; `CONNECT` for the greeting, `BODY` for the first bytes of a message, `.` for its end.
    faults: Mutex<VecDeque<(&'static str, Act)>>,
    seen: watch::Sender<Seen>,
}

impl NextHop {
    /// One that offers much, and fails like this: each fault once, those of one verb in their order.
    pub(crate) async fn with(faults: impl IntoIterator<Item = (&'static str, Act)>) -> Self {
        let extensions = [
            "PIPELINING",
            "SIZE 0",
            "8BITMIME",
            "SMTPUTF8",
            "DSN",
            "ENHANCEDSTATUSCODES",
        ];
        Self::start(&extensions, false, faults).await
    }

    pub(crate) async fn start(
        extensions: &[&str],
        lmtp: bool,
        faults: impl IntoIterator<Item = (&'static str, Act)>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, seen) = watch::channel(Seen::default());
        let manners = Arc::new(Manners {
            extensions: extensions
                .iter()
                .map(|&extension| extension.to_owned())
                .collect(),
            lmtp,
            faults: Mutex::new(faults.into_iter().collect()),
            seen: sender,
        });
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let manners = Arc::clone(&manners);
                tokio::spawn(async move {
                    let mut index = 0;
                    manners.seen.send_modify(|seen| {
                        index = seen.wire.len();
                        seen.wire.push(Vec::new());
                    });
                    let connection = Connection {
                        manners: &manners,
                        stream,
                        index,
                        buffer: Vec::new(),
                        rcpts: 0,
                    };
                    // A connection that breaks is what many of these tests are about.
                    let _ = connection.serve().await;
                    manners.seen.send_modify(|seen| seen.ended += 1);
                });
            }
        });
        Self { address, seen }
    }

    pub(crate) fn seen(&self) -> Seen {
        self.seen.borrow().clone()
    }

    /// Waits until it has seen what is asked for.
    pub(crate) async fn until(&self, what: impl FnMut(&Seen) -> bool) -> Seen {
        self.seen.clone().wait_for(what).await.unwrap().clone()
    }
}

struct Connection<'a> {
    manners: &'a Manners,
    stream: TcpStream,
    index: usize,
    buffer: Vec<u8>,
    rcpts: usize,
}

impl Connection<'_> {
    async fn serve(mut self) -> io::Result<()> {
        self.answer("CONNECT", "220 next.example ESMTP").await?;
        loop {
            let line = self.line().await?;
            let command = String::from_utf8(line).unwrap();
            self.manners
                .seen
                .send_modify(|seen| seen.commands.push(command.clone()));
            let verb = command
                .split(' ')
                .next()
                .unwrap_or_default()
                .to_ascii_uppercase();
            match verb.as_str() {
                "EHLO" | "LHLO" => self.hello(&verb).await?,
                "MAIL" => {
                    self.rcpts = 0;
                    self.answer("MAIL", "250 2.1.0 Ok").await?;
                }
                "RCPT" => {
                    if self.answer("RCPT", "250 2.1.5 Ok").await? {
                        self.rcpts += 1;
                    }
                }
                "DATA" => {
                    if self.answer("DATA", "354 go ahead").await? {
                        self.message().await?;
                    }
                }
                "RSET" => drop(self.answer("RSET", "250 2.0.0 Ok").await?),
                "XFORWARD" => drop(self.answer("XFORWARD", "250 2.0.0 Ok").await?),
                "QUIT" => {
                    self.answer("QUIT", "221 2.0.0 Bye").await?;
                    return Ok(());
                }
                _ => drop(self.answer("OTHER", "500 5.5.2 what?").await?),
            }
        }
    }

    async fn hello(&mut self, verb: &str) -> io::Result<()> {
        if self.manners.lmtp != (verb == "LHLO") {
            return self.write("500 5.5.1 another protocol\r\n").await;
        }
        let mut lines = vec!["next.example".to_owned()];
        lines.extend(self.manners.extensions.iter().cloned());
        let last = lines.pop().unwrap();
        let mut reply: String = lines.iter().map(|line| format!("250-{line}\r\n")).collect();
        reply.push_str(&format!("250 {last}"));
        self.answer("EHLO", &reply).await.map(drop)
    }

    async fn message(&mut self) -> io::Result<()> {
        if self
            .manners
            .faults
            .lock()
            .unwrap()
            .iter()
            .any(|(verb, _)| *verb == "BODY")
        {
            self.more().await?;
            self.answer("BODY", "").await?;
        }
        let mut message = Vec::new();
        loop {
            let line = self.line().await?;
            if line == b"." {
                break;
            }
            message.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
            message.extend_from_slice(b"\r\n");
        }
        self.manners
            .seen
            .send_modify(|seen| seen.commands.push("<message>".to_owned()));
        let answers = if self.manners.lmtp { self.rcpts } else { 1 };
        for number in 0..answers {
            let taken = self.answer(".", "250 2.0.0 Ok: queued as 4ABC").await?;
            if taken && number == 0 {
                let message = std::mem::take(&mut message);
                self.manners
                    .seen
                    .send_modify(|seen| seen.messages.push(message));
            }
        }
        Ok(())
    }

    /// Says what is right or what is wrong. True if it was a 2yz or 3yz.
    async fn answer(&mut self, verb: &'static str, right: &str) -> io::Result<bool> {
        let fault = {
            let mut faults = self.manners.faults.lock().unwrap();
            let index = faults.iter().position(|(of, _)| *of == verb);
            index
                .and_then(|index| faults.remove(index))
                .map(|(_, act)| act)
        };
        let ended = || Err(io::ErrorKind::ConnectionAborted.into());
        let text = match fault {
            None | Some(Act::Behave) if right.is_empty() => return Ok(true),
            None | Some(Act::Behave) => right.to_owned(),
            Some(Act::When(told)) => {
                told.notified().await;
                right.to_owned()
            }
            Some(Act::Say(text)) => text,
            Some(Act::Hang) => {
                while self.more().await.is_ok() {}
                return ended();
            }
            Some(Act::Close) => return ended(),
            Some(Act::Reset) => {
                self.stream.set_zero_linger()?;
                return ended();
            }
            Some(Act::SayAndClose(text)) => {
                self.write(&format!("{text}\r\n")).await?;
                return ended();
            }
        };
        self.write(&format!("{text}\r\n")).await?;
        Ok(text.starts_with(['2', '3']))
    }

    async fn write(&mut self, text: &str) -> io::Result<()> {
        self.stream.write_all(text.as_bytes()).await
    }

    /// A line without its CRLF; nothing else ends one.
    async fn line(&mut self) -> io::Result<Vec<u8>> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\r\n") {
                let rest = self.buffer.split_off(end + 2);
                let mut line = std::mem::replace(&mut self.buffer, rest);
                line.truncate(end);
                return Ok(line);
            }
            self.more().await?;
        }
    }

    async fn more(&mut self) -> io::Result<()> {
        let before = self.buffer.len();
        if self.stream.read_buf(&mut self.buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let new = self.buffer.get(before..).unwrap_or_default().to_vec();
        let index = self.index;
        self.manners.seen.send_modify(|seen| {
            if let Some(wire) = seen.wire.get_mut(index) {
                wire.extend(new);
            }
        });
        Ok(())
    }
}
