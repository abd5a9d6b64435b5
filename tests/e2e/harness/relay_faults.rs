//! Next hops that misbehave: the sink of Postfix with its faults, and servers with worse ones.

use super::{LOOK_AGAIN, eventually, free_port};
use anyhow::{Context, Result};
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// smtp-sink(1). It ends with the test.
#[derive(Debug)]
pub(crate) struct SmtpSink {
    child: Child,
    port: u16,
}

impl SmtpSink {
    /// Starts one with options such as `-r` `mail`.
    pub(crate) fn start(options: &[&str]) -> Result<SmtpSink> {
        let port = free_port()?;
        let mut command = Command::new("/usr/sbin/smtp-sink");
        // It refuses to be root.
        if rustix::process::geteuid().is_root() {
            command.args(["-u", "postfix"]);
        }
        command.args(options);
        command.args([&format!("127.0.0.1:{port}"), "100"]);
        let child = command
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("smtp-sink")?;
        let sink = SmtpSink { child, port };
        eventually("smtp-sink listens", || {
            TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()
        })?;
        Ok(sink)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for SmtpSink {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a server does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Resets the connection in the middle of the message.
    ResetInData,
    /// Takes the mail, says so, and resets the connection.
    ResetAfterYes,
    /// Takes the mail and resets the connection without a word.
    ResetAfterDot,
    /// Takes the mail and never says so.
    SilentAfterDot,
    /// Writes one octet a second.
    OneOctetASecond,
    /// Answers DATA with 250.
    NoGoAhead,
    /// Answers MAIL with a line that does not end.
    EndlessReply,
    /// Answers everything with several lines.
    ManyLines,
    /// Answers the message with 4yz.
    Defers,
    /// Answers the message with 5yz.
    Refuses,
    /// Ends the session instead of an answer to the message.
    Closes,
    /// Answers what was not asked.
    Garbage,
}

/// The server. It ends with the test.
#[derive(Debug)]
pub(crate) struct Faulty {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    fault: Fault,
    ended: AtomicBool,
    /// Messages that came with their final dot.
    complete: AtomicU32,
}

impl Faulty {
    pub(crate) fn start(fault: Fault) -> Result<Faulty> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared {
            fault,
            ended: AtomicBool::new(false),
            complete: AtomicU32::new(0),
        });
        let server = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if server.ended.load(Ordering::Relaxed) {
                    return;
                }
                let (Ok(stream), shared) = (stream, Arc::clone(&server)) else {
                    continue;
                };
                std::thread::spawn(move || shared.session(stream));
            }
        });
        Ok(Faulty { port, shared })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Messages so far that came with their final dot.
    pub(crate) fn complete(&self) -> u32 {
        self.shared.complete.load(Ordering::Relaxed)
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

impl Shared {
    fn session(&self, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut writer = stream.try_clone()?;
        let mut reader = BufReader::new(stream.try_clone()?);
        self.say(&mut writer, "220 faulty.test.example")?;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let verb = line.split([' ', ':', '\r']).next().unwrap_or_default();
            match (verb.to_ascii_uppercase().as_str(), self.fault) {
                ("EHLO", _) => {
                    self.say(&mut writer, "250-faulty.test.example\r\n250 8BITMIME")?;
                }
                ("MAIL", Fault::EndlessReply) => self.endless(&mut writer)?,
                ("MAIL", Fault::Garbage) => self.say(&mut writer, "HTTP/1.1 200 OK")?,
                ("DATA", Fault::NoGoAhead) => self.say(&mut writer, "250 2.0.0 fine")?,
                ("DATA", _) => {
                    self.say(&mut writer, "354 go on")?;
                    if self.fault == Fault::ResetInData {
                        reader.read_until(b'\n', &mut Vec::new())?;
                        return reset(&stream);
                    }
                    read_to_dot(&mut reader)?;
                    self.complete.fetch_add(1, Ordering::Relaxed);
                    match self.fault {
                        Fault::ResetAfterYes => {
                            self.say(&mut writer, "250 2.0.0 Ok: queued as FAULTY1")?;
                            return reset(&stream);
                        }
                        Fault::ResetAfterDot => return reset(&stream),
                        Fault::SilentAfterDot => {
                            while !self.ended.load(Ordering::Relaxed) {
                                std::thread::sleep(LOOK_AGAIN);
                            }
                            return Ok(());
                        }
                        Fault::Defers => self.say(&mut writer, "452 4.2.2 mailbox full")?,
                        Fault::Refuses => self.say(&mut writer, "554 5.6.0 not this one")?,
                        Fault::Closes => return Ok(()),
                        _ => self.say(&mut writer, "250 2.0.0 Ok: queued as FAULTY2")?,
                    }
                }
                ("QUIT", _) => return self.say(&mut writer, "221 bye"),
                _ => self.say(&mut writer, "250 2.0.0 ok")?,
            }
        }
    }

    fn say(&self, writer: &mut TcpStream, reply: &str) -> io::Result<()> {
        let reply = match (self.fault, reply.split_once(' ')) {
            (Fault::ManyLines, Some((code, text))) if code.len() == 3 && code != "354" => {
                format!("{code}-{text}\r\n{code}-{text}\r\n{code} {text}\r\n")
            }
            _ => format!("{reply}\r\n"),
        };
        if self.fault != Fault::OneOctetASecond {
            return writer.write_all(reply.as_bytes());
        }
        for octet in reply.as_bytes() {
            std::thread::sleep(std::time::Duration::from_secs(1));
            writer.write_all(&[*octet])?;
        }
        Ok(())
    }

    /// Ten MiB of one line, unless the other side has had enough before.
    fn endless(&self, writer: &mut TcpStream) -> io::Result<()> {
        writer.write_all(b"250 ")?;
        for _ in 0..160 {
            writer.write_all(&[b'x'; 64 << 10])?;
        }
        writer.write_all(b"\r\n")
    }
}

/// Makes the other side see a reset, not an end, when the connection is closed.
fn reset(stream: &TcpStream) -> io::Result<()> {
    let at_once = Some(std::time::Duration::ZERO);
    Ok(rustix::net::sockopt::set_socket_linger(stream, at_once)?)
}

fn read_to_dot(reader: &mut impl BufRead) -> io::Result<()> {
    loop {
        let mut line = Vec::new();
        if reader.read_until(b'\n', &mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if line == b".\r\n" {
            return Ok(());
        }
    }
}
