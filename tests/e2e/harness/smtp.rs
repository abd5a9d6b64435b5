//! An SMTP client that shows every reply as it is, and can send several mails in one session.

use super::PATIENCE;
use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};

/// A reply; the text of several lines is joined with line feeds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) code: u16,
    pub(crate) text: String,
}

impl Reply {
    pub(crate) fn is_positive(&self) -> bool {
        self.code < 400
    }

    pub(crate) fn is_transient(&self) -> bool {
        (400..500).contains(&self.code)
    }
}

/// A session.
#[derive(Debug)]
pub(crate) struct Smtp {
    stream: BufReader<TcpStream>,
}

impl Smtp {
    /// Connects to a server on this machine and says EHLO.
    pub(crate) fn connect(port: u16) -> Result<Smtp> {
        Smtp::connect_saying(port, b"")
    }

    /// The same, and sends something before the server says a word: a PROXY header.
    pub(crate) fn connect_saying(port: u16, first: &[u8]) -> Result<Smtp> {
        let (smtp, greeting) = Smtp::open(Ipv4Addr::LOCALHOST, port, first)?;
        if greeting.code != 220 {
            bail!("port {port}: greeted with {greeting:?}");
        }
        Ok(smtp)
    }

    /// Connects from an address of this machine, by which the server may know a client, and gives
    /// the greeting. EHLO is said if it is a welcome.
    pub(crate) fn connect_from(address: Ipv4Addr, port: u16) -> Result<(Smtp, Reply)> {
        Smtp::open(address, port, b"")
    }

    fn open(address: Ipv4Addr, port: u16, first: &[u8]) -> Result<(Smtp, Reply)> {
        use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
        let what = || format!("port {port}: cannot connect from {address}");
        let socket = socket(AddressFamily::INET, SocketType::STREAM, None).with_context(what)?;
        bind(&socket, &SocketAddrV4::new(address, 0)).with_context(what)?;
        connect(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)).with_context(what)?;
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        let mut smtp = Smtp {
            stream: BufReader::new(stream),
        };
        smtp.write(first)?;
        let greeting = smtp.reply()?;
        if greeting.code == 220 {
            let hello = smtp.command("EHLO client.test.example")?;
            if hello.code != 250 {
                bail!("port {port}: EHLO answered with {hello:?}");
            }
        }
        Ok((smtp, greeting))
    }

    /// Sends one line and waits for the reply.
    pub(crate) fn command(&mut self, line: &str) -> Result<Reply> {
        self.write(format!("{line}\r\n").as_bytes())?;
        self.reply().with_context(|| format!("no reply to {line}"))
    }

    /// Sends a whole mail; the reply is that to the end of data, or the first that is not positive.
    /// The session can go on either way.
    pub(crate) fn mail(&mut self, from: &str, rcpts: &[&str], message: &[u8]) -> Result<Reply> {
        let reply = self.begin(from, rcpts)?;
        if reply.code != 354 {
            self.command("RSET")?;
            return Ok(reply);
        }
        self.content(message)?;
        self.reply()
    }

    /// Sends everything before the content; 354 if the server wants it.
    pub(crate) fn begin(&mut self, from: &str, rcpts: &[&str]) -> Result<Reply> {
        let reply = self.command(&format!("MAIL FROM:<{from}>"))?;
        if !reply.is_positive() {
            return Ok(reply);
        }
        for rcpt in rcpts {
            let reply = self.command(&format!("RCPT TO:<{rcpt}>"))?;
            if !reply.is_positive() {
                return Ok(reply);
            }
        }
        self.command("DATA")
    }

    /// Sends the content and the final dot, and does not wait for the reply.
    pub(crate) fn content(&mut self, message: &[u8]) -> Result<()> {
        let mut stuffed = Vec::with_capacity(message.len() + 8);
        for line in message.split_inclusive(|&b| b == b'\n') {
            if line.starts_with(b".") {
                stuffed.push(b'.');
            }
            stuffed.extend_from_slice(line);
        }
        if !stuffed.is_empty() && !stuffed.ends_with(b"\r\n") {
            stuffed.extend_from_slice(b"\r\n");
        }
        stuffed.extend_from_slice(b".\r\n");
        self.write(&stuffed)
    }

    /// Sends octets as they are.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.stream.get_mut().write_all(bytes)?)
    }

    /// Waits for a reply.
    pub(crate) fn reply(&mut self) -> Result<Reply> {
        let mut texts = Vec::new();
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line)?;
            let line = line.trim_end();
            let (Some(code), rest) = (line.get(..3), line.get(3..).unwrap_or_default()) else {
                bail!("the server closed the connection");
            };
            let code = code.parse().with_context(|| format!("{line}: no reply"))?;
            texts.push(rest.get(1..).unwrap_or_default().to_owned());
            if !rest.starts_with('-') {
                return Ok(Reply {
                    code,
                    text: texts.join("\n"),
                });
            }
        }
    }
}

/// Sends one mail in a session of its own.
pub(crate) fn submit(port: u16, from: &str, rcpts: &[&str], message: &[u8]) -> Result<Reply> {
    let mut smtp = Smtp::connect(port)?;
    let reply = smtp.mail(from, rcpts, message)?;
    smtp.command("QUIT")?;
    Ok(reply)
}
