//! A milter that breaks at a chosen point: what does the MTA do with the mail then?

use anyhow::{Result, bail};
use milter::{Actions, Command, Events, Frame, FrameCodec, Offer, Response, VERSION};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio_util::bytes::{Bytes, BytesMut};
use tokio_util::codec::Decoder;

/// Mail from senders that begin with this is accepted.
pub(crate) const GOOD: &str = "good";

/// Mail from senders that begin with this meets the fault. Faults before there is a sender meet
/// every mail.
pub(crate) const BAD: &str = "bad";

/// Mail from senders that begin with this is refused with [`REFUSAL`], so that an answer that was
/// meant for another mail is seen to be one.
pub(crate) const REFUSED: &str = "refused";

/// A reply that no MTA gives by itself.
pub(crate) const REFUSAL: &str = "554 5.6.7 refused by the filter's own decision";

/// The point of a session at which a milter breaks: when it has read this command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    Negotiation,
    Connect,
    Helo,
    Mail,
    Rcpt,
    Data,
    Header,
    Body,
    EndOfMessage,
}

/// How it breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Break {
    /// The connection is closed in good order, as by a crash.
    Closes,
    /// The connection stays, and nothing is said on it any more.
    Hangs,
    /// The connection is reset.
    Resets,
}

/// What is wrong with a milter.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// Nobody listens.
    NotListening,
    /// It breaks instead of answering.
    At(Stage, Break),
    /// It gives this answer to the command of a stage, and serves on.
    Answers(Stage, Response),
    /// It answers the end of the message with these bytes, and perhaps breaks behind them.
    Says(Vec<u8>, Option<Break>),
    /// It asks the MTA to wait, so many times with a second between, and then accepts.
    Waits(u32),
}

impl Fault {
    /// Answers the end of the message with these responses.
    pub(crate) fn responses(responses: &[Response], then: Option<Break>) -> Fault {
        let mut bytes = BytesMut::new();
        for response in responses {
            response.encode(&mut bytes);
        }
        Fault::Says(bytes.to_vec(), then)
    }

    /// Answers the end of the message with what is no response.
    pub(crate) fn bytes(bytes: &[u8], then: Option<Break>) -> Fault {
        Fault::Says(bytes.to_vec(), then)
    }

    /// Whether a session with it waits for seconds.
    pub(crate) fn takes_long(&self) -> bool {
        matches!(self, Fault::Waits(_) | Fault::At(_, Break::Hangs))
    }
}

/// A running one. It ends with the test.
#[derive(Debug)]
pub(crate) struct FaultyMilter {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    fault: Fault,
    accepted: Mutex<BTreeSet<String>>,
    ended: AtomicBool,
}

impl FaultyMilter {
    /// Starts one with this fault; without any, it only refuses what [`REFUSED`] says.
    pub(crate) fn start(fault: Fault) -> Result<FaultyMilter> {
        let port;
        let shared = Arc::new(Shared {
            fault,
            accepted: Mutex::default(),
            ended: AtomicBool::new(false),
        });
        if matches!(shared.fault, Fault::NotListening) {
            port = super::free_port()?;
        } else {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            port = listener.local_addr()?.port();
            let server = Arc::clone(&shared);
            std::thread::spawn(move || server.listen(&listener));
        }
        Ok(FaultyMilter { port, shared })
    }

    /// Where it listens, as main.cf has it.
    pub(crate) fn address(&self) -> String {
        format!("inet:127.0.0.1:{}", self.port)
    }

    /// The senders of the mails that it has answered with "accept": what passes beyond these has
    /// passed unscanned.
    pub(crate) fn accepted(&self) -> BTreeSet<String> {
        let accepted = self.shared.accepted.lock();
        accepted.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for FaultyMilter {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        // Wakes the thread that accepts, which then sees that it is over.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

impl Shared {
    fn listen(self: &Arc<Self>, listener: &TcpListener) {
        for stream in listener.incoming() {
            if self.ended.load(Ordering::Relaxed) {
                return;
            }
            let (Ok(stream), shared) = (stream, Arc::clone(self)) else {
                continue;
            };
            // The MTA may go away at any time; that ends its session, and no more.
            std::thread::spawn(move || shared.serve(Wire::new(stream)));
        }
    }

    fn serve(&self, mut wire: Wire) -> Result<()> {
        let mut sender = String::new();
        while let Some(frame) = wire.next()? {
            let stage = Stage::of(frame.code);
            let command = Command::parse(frame)?;
            if let Command::Mail(path) = &command {
                sender = String::from_utf8_lossy(&path.address).into_owned();
            }
            // Before there is a sender, every mail of the connection is concerned.
            let meets = |at| stage == Some(at) && (at < Stage::Mail || sender.starts_with(BAD));
            match &self.fault {
                Fault::At(at, how) if meets(*at) => return wire.end(*how),
                Fault::Answers(at, response) if meets(*at) => {
                    wire.say(response)?;
                    continue;
                }
                _ => (),
            }
            match command {
                Command::Abort | Command::Macros { .. } | Command::QuitNewConnection => (),
                Command::Quit => return Ok(()),
                Command::Negotiate(offer) => wire.say(&negotiated(offer))?,
                Command::EndOfMessage(_) => {
                    if let Some(how) = self.answer(&mut wire, &sender)? {
                        return wire.end(how);
                    }
                }
                _ => wire.say(&Response::Continue)?,
            }
        }
        Ok(())
    }

    /// Answers the end of a message, and says how to break then.
    fn answer(&self, wire: &mut Wire, sender: &str) -> Result<Option<Break>> {
        if sender.starts_with(REFUSED) {
            wire.say(&Response::ReplyCode(Bytes::from_static(REFUSAL.as_bytes())))?;
            return Ok(None);
        }
        let (bytes, then) = match &self.fault {
            Fault::Says(bytes, then) if sender.starts_with(BAD) => (bytes.clone(), *then),
            Fault::Waits(seconds) if sender.starts_with(BAD) => {
                for _ in 0..*seconds {
                    wire.say(&Response::Progress)?;
                    std::thread::sleep(Duration::from_secs(1));
                }
                (encoded(&Response::Accept), None)
            }
            _ => (encoded(&Response::Accept), None),
        };
        // Noted before it is sent: the mail may be at the next hop before this thread goes on.
        if bytes.ends_with(&encoded(&Response::Accept)) {
            let mut accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
            accepted.insert(sender.to_owned());
        }
        wire.stream.write_all(&bytes)?;
        Ok(then)
    }
}

impl Stage {
    fn of(letter: u8) -> Option<Stage> {
        Some(match letter {
            b'O' => Stage::Negotiation,
            b'C' => Stage::Connect,
            b'H' => Stage::Helo,
            b'M' => Stage::Mail,
            b'R' => Stage::Rcpt,
            b'T' => Stage::Data,
            b'L' => Stage::Header,
            b'B' => Stage::Body,
            b'E' => Stage::EndOfMessage,
            _ => return None,
        })
    }
}

/// Every action, and an answer to every command, so that a fault is felt where it happens.
fn negotiated(offer: Offer) -> Response {
    Response::Negotiated {
        taken: Offer {
            version: offer.version.min(VERSION),
            actions: offer.actions.difference(Actions::SET_MACROS),
            events: offer.events.intersection(Events::LEADING_SPACE),
        },
        macros: Vec::new(),
    }
}

fn encoded(response: &Response) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    response.encode(&mut bytes);
    bytes.to_vec()
}

/// Frames on a socket.
struct Wire {
    stream: TcpStream,
    buffer: BytesMut,
}

impl Wire {
    fn new(stream: TcpStream) -> Wire {
        Wire {
            stream,
            buffer: BytesMut::new(),
        }
    }

    fn next(&mut self) -> Result<Option<Frame>> {
        loop {
            if let Some(frame) = FrameCodec::default().decode(&mut self.buffer)? {
                return Ok(Some(frame));
            }
            let mut chunk = [0; 65_536];
            match self.stream.read(&mut chunk)? {
                0 if self.buffer.is_empty() => return Ok(None),
                0 => bail!("the MTA closed within a frame"),
                length => self
                    .buffer
                    .extend_from_slice(chunk.get(..length).unwrap_or_default()),
            }
        }
    }

    fn say(&mut self, response: &Response) -> Result<()> {
        Ok(self.stream.write_all(&encoded(response))?)
    }

    fn end(mut self, how: Break) -> Result<()> {
        match how {
            Break::Closes => (),
            Break::Hangs => while self.next()?.is_some() {},
            Break::Resets => {
                rustix::net::sockopt::set_socket_linger(&self.stream, Some(Duration::ZERO))?;
            }
        }
        Ok(())
    }
}
