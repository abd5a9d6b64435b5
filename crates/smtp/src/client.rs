//! The client session: connect, introduce, deliver, quit.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use tracing::debug;

use crate::address::{check_forward_path, check_reverse_path};
use crate::content::{BareLineEnds, Content};
use crate::dial::dial;
use crate::error::{Error, Stage};
use crate::reply::{Reply, printable};
use crate::target::{Target, Timeouts};
use crate::wire::{Stream, Wire};

/// How long QUIT waits for its reply: the mail is delivered, the rest is manners.
const QUIT_LIMIT: Duration = Duration::from_secs(5);

/// One mail to hand over.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    /// Reverse-path without brackets; empty for the null sender.
    pub mail_from: &'a str,
    /// Forward-paths without brackets; at least one.
    pub rcpts: &'a [String],
    /// The message, with CRLF line ends. It is sent byte for byte; a message that does not end in CRLF
    /// gets one, because SMTP cannot transmit an unfinished line.
    ///
    /// Bytes above 127 are sent as they are, announced by `BODY=8BITMIME` where the server offers it.
    /// Where it does not they are sent all the same: converting them would change the message.
    pub message: &'a [u8],
    /// Whether the mail came to us under SMTPUTF8 (RFC 6531). It is then asked for again if the server
    /// offers it. An address with non-ASCII characters asks for it in any case.
    ///
    /// Raw non-ASCII header fields alone do not: most such mail comes without SMTPUTF8, and asking for
    /// it would make the next hop bounce at the first mailbox server that lacks it.
    pub smtp_utf8: bool,
    /// What to do with CR and LF outside CRLF.
    pub bare_line_ends: BareLineEnds,
}

impl<'a> Delivery<'a> {
    /// A mail that came without SMTPUTF8, to be sent as it is or not at all.
    #[must_use]
    pub fn new(mail_from: &'a str, rcpts: &'a [String], message: &'a [u8]) -> Self {
        Self {
            mail_from,
            rcpts,
            message,
            smtp_utf8: false,
            bare_line_ends: BareLineEnds::default(),
        }
    }
}

/// A mail the server has taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What the server said to each recipient, in the order of the envelope; all 2yz.
    pub recipients: Vec<Recipient>,
    /// What it said to the message; 2yz.
    pub reply: Reply,
    /// Its id for the mail, if the reply tells ([`Reply::queue_id`]).
    pub queue_id: Option<String>,
}

/// A recipient and the server's answer to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// The forward-path as it was given.
    pub address: String,
    /// The reply to RCPT TO.
    pub reply: Reply,
}

/// A session with a server, good for any number of deliveries one after the other.
///
/// `G` is what the caller tied to the local address of the connection ([`Client::connect`]).
pub struct Client<G = ()> {
    // Declared first, hence dropped first: the address must not be registered any more when the
    // port becomes free for somebody else.
    guard: G,
    wire: Wire,
    timeouts: Timeouts,
    extensions: Extensions,
    /// Set while a delivery runs, and left set by one that is dropped half-way.
    busy: bool,
}

impl<G> Client<G> {
    /// Connects, waits for the greeting and says EHLO (or HELO to a server that refuses EHLO).
    ///
    /// Before the connection is made, `register` is told the local address and port it will come from.
    /// A milter behind that server can so recognise our own connection from its first event. What
    /// `register` returns is kept for as long as the session and dropped before the port is freed.
    /// It is called once for every address of the host that is tried. (A translating firewall in between
    /// would show the server another address.)
    ///
    /// # Errors
    ///
    /// [`Error::Io`], [`Error::Timeout`], [`Error::Protocol`] or [`Error::Refused`], with the stage
    /// connection, greeting or EHLO.
    pub async fn connect(
        target: &Target,
        register: impl FnMut(SocketAddr) -> G,
    ) -> Result<Self, Error> {
        let (stream, guard) = dial(target, register).await?;
        Self::start(stream, target, guard).await
    }

    /// Like [`Client::connect`] on a stream that is connected already; `target` gives the name to say,
    /// the timeouts and the server's name in errors.
    ///
    /// # Errors
    ///
    /// As [`Client::connect`], without the stage connection.
    pub async fn start(
        stream: impl Stream + 'static,
        target: &Target,
        guard: G,
    ) -> Result<Self, Error> {
        let wire = Wire::new(target.to_string(), Box::new(stream));
        let mut client = Self {
            guard,
            wire,
            timeouts: target.timeouts,
            extensions: Extensions::default(),
            busy: false,
        };
        let greeting = client
            .wire
            .reply(Stage::Greeting, client.timeouts.command)
            .await?;
        client.wire.accept(Stage::Greeting, 2, greeting)?;
        client.hello(target.helo()).await?;
        Ok(client)
    }

    /// Hands over one mail to all of its recipients, or to none.
    ///
    /// Do not put a timeout of your own around this: every step has one, and a delivery that is dropped
    /// half-way may or may not have happened. (The session is then unusable.)
    ///
    /// # Errors
    ///
    /// Any [`Error`]; the mail is certainly not delivered unless its kind is
    /// [`ErrorKind::Unknown`](crate::ErrorKind::Unknown). After a refusal the session can be used again,
    /// unless the server has ended it.
    pub async fn deliver(&mut self, delivery: &Delivery<'_>) -> Result<Outcome, Error> {
        let content = checked(delivery)?;
        if self.busy || self.wire.ended {
            return Err(Error::Ended {
                peer: self.wire.peer().to_owned(),
            });
        }
        let mail_from = self.mail_command(delivery, &content)?;
        self.busy = true;
        let result = self.transaction(&mail_from, delivery.rcpts, &content).await;
        if result.is_err() && !self.wire.ended {
            self.reset().await;
        }
        self.busy = false;
        result
    }

    /// Ends the session politely, if it is still in order. Whatever the server answers is of no interest.
    pub async fn quit(mut self) {
        if !self.busy && !self.wire.ended {
            let limit = self.timeouts.command.min(QUIT_LIMIT);
            if let Err(error) = self.wire.command(Stage::Quit, "QUIT\r\n", limit).await {
                debug!(%error, "QUIT not answered");
            }
        }
    }

    /// What `register` returned in [`Client::connect`].
    pub fn guard(&self) -> &G {
        &self.guard
    }

    async fn hello(&mut self, name: &str) -> Result<(), Error> {
        let limit = self.timeouts.command;
        let reply = self
            .wire
            .command(Stage::Hello, &format!("EHLO {name}\r\n"), limit)
            .await?;
        if reply.is_permanent() {
            let reply = self
                .wire
                .command(Stage::Hello, &format!("HELO {name}\r\n"), limit)
                .await?;
            return self.wire.accept(Stage::Hello, 2, reply).map(drop);
        }
        let reply = self.wire.accept(Stage::Hello, 2, reply)?;
        self.extensions = Extensions::from_reply(&reply);
        Ok(())
    }

    fn mail_command(
        &self,
        delivery: &Delivery<'_>,
        content: &Content<'_>,
    ) -> Result<String, Error> {
        let offered = self.extensions;
        let mut addresses =
            std::iter::once(delivery.mail_from).chain(delivery.rcpts.iter().map(String::as_str));
        let foreign = addresses.find(|address| !address.is_ascii());
        if let (Some(address), false) = (foreign, offered.smtp_utf8) {
            return Err(Error::Utf8NotOffered {
                peer: self.wire.peer().to_owned(),
                address: printable(address.as_bytes()),
            });
        }
        let mut command = format!("MAIL FROM:<{}>", delivery.mail_from);
        if offered.size {
            command.push_str(&format!(" SIZE={}", content.size()));
        }
        if offered.eight_bit_mime && !content.is_ascii() {
            command.push_str(" BODY=8BITMIME");
        }
        if offered.smtp_utf8 && (foreign.is_some() || delivery.smtp_utf8) {
            command.push_str(" SMTPUTF8");
        }
        command.push_str("\r\n");
        Ok(command)
    }

    async fn transaction(
        &mut self,
        mail_from: &str,
        rcpts: &[String],
        content: &Content<'_>,
    ) -> Result<Outcome, Error> {
        let limit = self.timeouts.command;
        let reply = self.wire.command(Stage::MailFrom, mail_from, limit).await?;
        self.wire.accept(Stage::MailFrom, 2, reply)?;
        let recipients = self.recipients(rcpts).await?;
        let reply = self.wire.command(Stage::Data, "DATA\r\n", limit).await?;
        self.wire.accept(Stage::Data, 3, reply)?;
        let reply = self.message(content).await?;
        Ok(Outcome {
            recipients,
            queue_id: reply.queue_id(),
            reply,
        })
    }

    /// Names every recipient even after a refusal, so that the caller learns about all of them at once.
    async fn recipients(&mut self, rcpts: &[String]) -> Result<Vec<Recipient>, Error> {
        let mut recipients = Vec::with_capacity(rcpts.len());
        let mut refused = false;
        for address in rcpts {
            let command = format!("RCPT TO:<{address}>\r\n");
            let reply = self
                .wire
                .command(Stage::RcptTo, &command, self.timeouts.command)
                .await?;
            refused |= match self.wire.accept(Stage::RcptTo, 2, reply.clone()) {
                Ok(_) => false,
                Err(Error::Refused { .. }) => true,
                Err(error) => return Err(error),
            };
            recipients.push(Recipient {
                address: address.clone(),
                reply,
            });
            if self.wire.ended {
                break;
            }
        }
        if refused {
            return Err(Error::RecipientsRefused {
                peer: self.wire.peer().to_owned(),
                recipients,
            });
        }
        Ok(recipients)
    }

    async fn message(&mut self, content: &Content<'_>) -> Result<Reply, Error> {
        let (mut blocks, mut block) = (content.blocks(), Vec::new());
        while blocks.fill(&mut block) {
            self.wire
                .write(Stage::Content, &block, self.timeouts.block)
                .await?;
        }
        // The last moment to notice that the server has gone or has said no already: until here
        // the mail is certainly not delivered, and from the dot on nobody knows before the reply.
        // That is why the dot is a write of its own.
        self.wire
            .expect_silence(Stage::Content, self.timeouts.block)
            .await?;
        let reply = self
            .wire
            .exchange(
                Stage::EndOfData,
                content.terminator(),
                self.timeouts.data_done,
            )
            .await;
        match reply.and_then(|reply| self.wire.accept(Stage::EndOfData, 2, reply)) {
            Err(error) if !matches!(error, Error::Refused { .. }) => Err(Error::Unknown {
                source: Box::new(error),
            }),
            result => result,
        }
    }

    /// Back to a session without transaction. One that cannot be reset is not used any more.
    async fn reset(&mut self) {
        let reply = self
            .wire
            .command(Stage::Reset, "RSET\r\n", self.timeouts.command)
            .await;
        match reply.and_then(|reply| self.wire.accept(Stage::Reset, 2, reply)) {
            Ok(_) => {}
            Err(error) => {
                debug!(%error, "RSET not accepted");
                self.wire.ended = true;
            }
        }
    }
}

impl<G> fmt::Debug for Client<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("peer", &self.wire.peer())
            .field("extensions", &self.extensions)
            .field("usable", &(!self.busy && !self.wire.ended))
            .finish_non_exhaustive()
    }
}

/// Everything that can be refused without the server, so that nothing is sent of a mail that cannot be.
fn checked<'a>(delivery: &Delivery<'a>) -> Result<Content<'a>, Error> {
    check_reverse_path(delivery.mail_from)?;
    if delivery.rcpts.is_empty() {
        return Err(Error::NoRecipients);
    }
    for address in delivery.rcpts {
        check_forward_path(address)?;
    }
    Ok(Content::new(delivery.message, delivery.bare_line_ends)?)
}

/// What the server offers of the extensions we use.
#[derive(Clone, Copy, Debug, Default)]
struct Extensions {
    /// RFC 1870.
    size: bool,
    /// RFC 6152.
    eight_bit_mime: bool,
    /// RFC 6531.
    smtp_utf8: bool,
}

impl Extensions {
    /// The first line of the reply is a greeting, the others are one extension each.
    fn from_reply(reply: &Reply) -> Self {
        let mut extensions = Self::default();
        for line in reply.lines.iter().skip(1) {
            let keyword = line.split(' ').next().unwrap_or_default();
            extensions.size |= keyword.eq_ignore_ascii_case("SIZE");
            extensions.eight_bit_mime |= keyword.eq_ignore_ascii_case("8BITMIME");
            extensions.smtp_utf8 |= keyword.eq_ignore_ascii_case("SMTPUTF8");
        }
        extensions
    }
}
