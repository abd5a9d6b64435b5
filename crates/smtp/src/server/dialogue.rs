//! What may be said when, and what is remembered of it. It does no I/O.

use std::sync::Arc;

use super::arguments::{self, Path};
use super::attributes;
use super::command::{self, Verb};
use super::line::Line;
use super::options::ServerOptions;
use super::parameters;
use super::replies;
use crate::reply::Reply;
use crate::service::{Forwarded, MailCommand, Offer, Peer, RcptCommand, Tls};

/// Longest name in EHLO or HELO, in bytes; RFC 1035 allows no longer domain.
const MAX_HELO: usize = 255;

/// One client's side of the protocol, from its greeting to its last word.
#[derive(Debug)]
pub(super) struct Dialogue {
    options: Arc<ServerOptions>,
    offer: Offer,
    rights: Rights,
    pub(super) peer: Peer,
    introduced: bool,
    transaction: Option<Transaction>,
    /// Commands that brought no mail closer, since the last message.
    idle_commands: usize,
    /// Refusals for good, since the last message.
    errors: usize,
}

/// What the host at the other end of the connection may do, whoever it says it is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rights {
    pub(super) xclient: bool,
    pub(super) xforward: bool,
}

#[derive(Debug)]
struct Transaction {
    smtp_utf8: bool,
    /// Recipients that were accepted.
    recipients: usize,
    /// Recipients that were tried.
    tried: usize,
}

/// What is to be done about a line.
#[derive(Debug)]
pub(super) enum Step {
    /// Say this.
    Say(Reply),
    /// Say this now, whatever else the client has sent: it must wait for it (RFC 2920, 3.1).
    SayNow(Reply),
    /// Say this, and close.
    Close(Reply),
    /// Ask about the sender; see [`Dialogue::mail_answered`].
    Mail(MailCommand),
    /// Ask about a recipient; see [`Dialogue::rcpt_answered`].
    Rcpt(RcptCommand),
    /// Receive a message; see [`Dialogue::message_answered`].
    Data,
    /// Say that TLS may begin, and begin it; see [`Dialogue::tls_begun`].
    StartTls,
    /// The client has become another one, who is to be greeted.
    Greet,
}

impl Dialogue {
    pub(super) fn new(
        options: Arc<ServerOptions>,
        offer: Offer,
        rights: Rights,
        peer: Peer,
    ) -> Self {
        Self {
            options,
            offer,
            rights,
            peer,
            introduced: false,
            transaction: None,
            idle_commands: 0,
            errors: 0,
        }
    }

    /// Whether a sender was accepted and its message not yet answered.
    pub(super) fn is_in_transaction(&self) -> bool {
        self.transaction.is_some()
    }

    /// Takes a line. `more` says whether the client has already sent something behind it.
    pub(super) fn receive(&mut self, line: &Line, more: bool) -> Step {
        match line {
            Line::Command(line) => match command::parse(line) {
                Ok((verb, rest)) => self.command(verb, rest, more),
                Err(reply) => Step::Say(reply),
            },
            Line::BareLineFeed => Step::Say(replies::bare_line_feed()),
            Line::TooLong => Step::Say(replies::line_too_long()),
            Line::Endless => Step::Close(replies::line_too_long()),
            Line::Foreign => self.foreign(),
        }
    }

    /// The sender was accepted or not.
    pub(super) fn mail_answered(&mut self, mail: &MailCommand, reply: &Reply) {
        if reply.is_positive() {
            self.transaction = Some(Transaction {
                smtp_utf8: mail.smtp_utf8,
                recipients: 0,
                tried: 0,
            });
        }
    }

    /// A recipient was accepted or not.
    pub(super) fn rcpt_answered(&mut self, reply: &Reply) {
        if let Some(transaction) = self.transaction.as_mut().filter(|_| reply.is_positive()) {
            transaction.recipients += 1;
        }
    }

    /// The message was answered, and the transaction is over.
    pub(super) fn message_answered(&mut self, reply: &Reply) {
        self.end_transaction();
        if reply.is_positive() {
            self.idle_commands = 0;
            self.errors = 0;
        }
    }

    /// Everything the client has said before is forgotten (RFC 3207, 4.2).
    pub(super) fn tls_begun(&mut self, tls: Tls) {
        self.forget_introduction();
        self.peer.tls = Some(tls);
    }

    /// Counts a reply that is about to be said. What is returned is said in its place, and the connection closed.
    pub(super) fn count(&mut self, reply: &Reply) -> Option<Reply> {
        if !reply.is_permanent() {
            return None;
        }
        self.errors += 1;
        (self.errors > self.options.errors)
            .then(|| replies::closing(&self.options.hostname, "4.7.0", "Too many errors"))
    }

    fn command(&mut self, verb: Verb, rest: &str, more: bool) -> Step {
        if matches!(verb, Verb::Foreign) {
            return self.foreign();
        }
        let plain = self.options.require_tls && self.peer.tls.is_none();
        let before_tls = [
            Verb::Ehlo,
            Verb::Noop,
            Verb::Quit,
            Verb::Rset,
            Verb::StartTls,
        ];
        if plain && !before_tls.contains(&verb) {
            return Step::Say(replies::tls_first());
        }
        // Whoever says these must wait for the answer before it says more. If it does not, it may not know what it
        // says: a web browser, or a client whose words an attacker has put in its mouth.
        let alone = [Verb::Data, Verb::Ehlo, Verb::Helo, Verb::Xclient];
        if more && alone.contains(&verb) {
            return Step::Close(replies::improper_pipelining());
        }
        if let Some(step) = self.count_idle(verb) {
            return step;
        }
        let takes_none = [Verb::Data, Verb::Quit, Verb::Rset, Verb::StartTls];
        if !rest.is_empty() && takes_none.contains(&verb) {
            return Step::Say(replies::syntax("Takes no argument"));
        }
        self.act(verb, rest).unwrap_or_else(Step::Say)
    }

    fn act(&mut self, verb: Verb, rest: &str) -> Result<Step, Reply> {
        Ok(match verb {
            Verb::Mail => self.mail(rest)?,
            Verb::Rcpt => self.rcpt(rest)?,
            Verb::Data => self.data()?,
            Verb::Ehlo => self.hello(rest, true)?,
            Verb::Helo => self.hello(rest, false)?,
            Verb::Rset => {
                self.end_transaction();
                Step::Say(replies::ok())
            }
            Verb::StartTls => self.start_tls()?,
            Verb::Xclient => self.xclient(rest)?,
            Verb::Xforward => self.xforward(rest)?,
            Verb::Quit => {
                self.end_transaction();
                Step::Close(replies::bye())
            }
            Verb::Noop => Step::SayNow(replies::ok()),
            Verb::Vrfy if rest.is_empty() => return Err(replies::syntax("Syntax: VRFY address")),
            Verb::Vrfy => {
                Step::SayNow(Reply::new(252, "2.0.0", "Send some mail, it will be tried"))
            }
            Verb::Help => Step::Say(Reply::new(214, "2.0.0", "See RFC 5321")),
            Verb::Expn => return Err(replies::not_implemented()),
            Verb::Auth => return Err(replies::out_of_order("Authentication is not offered")),
            // A chunk would follow, and must not be taken for commands.
            Verb::Bdat => Step::Close(replies::not_implemented()),
            Verb::Foreign => self.foreign(),
        })
    }

    fn foreign(&self) -> Step {
        Step::Close(replies::closing(
            &self.options.hostname,
            "4.7.0",
            "speaks SMTP",
        ))
    }

    fn count_idle(&mut self, verb: Verb) -> Option<Step> {
        let brings_mail_closer = [Verb::Mail, Verb::Rcpt, Verb::Data, Verb::Quit];
        if brings_mail_closer.contains(&verb) {
            return None;
        }
        self.idle_commands += 1;
        (self.idle_commands > self.options.idle_commands).then(|| {
            let text = "Too many commands without a message";
            Step::Close(replies::closing(&self.options.hostname, "4.7.0", text))
        })
    }

    fn mail(&mut self, rest: &str) -> Result<Step, Reply> {
        if !self.introduced {
            return Err(replies::out_of_order("Send HELO or EHLO first"));
        }
        if self.is_in_transaction() {
            return Err(replies::out_of_order("Sender already given"));
        }
        let arguments = arguments::parse(rest, Path::Reverse)?;
        if !self.peer.esmtp && !arguments.parameters.is_empty() {
            return Err(Reply::new(555, "5.5.4", "Parameters need EHLO"));
        }
        parameters::mail(arguments, self.offer, self.options.message_bytes).map(Step::Mail)
    }

    fn rcpt(&mut self, rest: &str) -> Result<Step, Reply> {
        let Some(transaction) = &mut self.transaction else {
            return Err(replies::out_of_order("Need MAIL before RCPT"));
        };
        transaction.tried += 1;
        if transaction.tried > self.options.recipients.saturating_mul(2) {
            let text = "Too many recipients tried";
            return Ok(Step::Close(replies::closing(
                &self.options.hostname,
                "4.5.3",
                text,
            )));
        }
        let smtp_utf8 = transaction.smtp_utf8;
        let is_full = transaction.recipients >= self.options.recipients;
        let arguments = arguments::parse(rest, Path::Forward)?;
        if !self.peer.esmtp && !arguments.parameters.is_empty() {
            return Err(Reply::new(555, "5.5.4", "Parameters need EHLO"));
        }
        let rcpt = parameters::rcpt(arguments, self.offer, smtp_utf8)?;
        if is_full {
            return Err(replies::too_many_recipients());
        }
        Ok(Step::Rcpt(rcpt))
    }

    fn data(&self) -> Result<Step, Reply> {
        match &self.transaction {
            None => Err(replies::out_of_order("Need MAIL before DATA")),
            Some(transaction) if transaction.recipients == 0 => {
                Err(Reply::new(554, "5.5.1", "No valid recipients"))
            }
            Some(_) => Ok(Step::Data),
        }
    }

    fn hello(&mut self, name: &str, esmtp: bool) -> Result<Step, Reply> {
        let legal = (1..=MAX_HELO).contains(&name.len())
            && !name.chars().any(|c| c == ' ' || c.is_control());
        if !legal {
            return Err(replies::syntax("Needs the name of the client"));
        }
        self.forget_introduction();
        self.peer.helo = Some(name.to_owned());
        self.peer.esmtp = esmtp;
        self.introduced = true;
        Ok(Step::SayNow(if esmtp {
            Reply::new(250, "", &self.extensions())
        } else {
            Reply::new(250, "", &self.options.hostname)
        }))
    }

    /// The lines of the answer to EHLO.
    fn extensions(&self) -> String {
        let size = format!("SIZE {}", self.options.message_bytes);
        let lines = [
            (true, self.options.hostname.as_str()),
            (true, "PIPELINING"),
            (true, &size),
            (
                self.options.tls.is_some() && self.peer.tls.is_none(),
                "STARTTLS",
            ),
            (self.rights.xclient, attributes::XCLIENT),
            (self.rights.xforward, attributes::XFORWARD),
            (true, "ENHANCEDSTATUSCODES"),
            (self.offer.eight_bit_mime, "8BITMIME"),
            (self.offer.dsn, "DSN"),
            (self.offer.smtp_utf8, "SMTPUTF8"),
        ];
        let offered: Vec<&str> = lines
            .iter()
            .filter(|(is, _)| *is)
            .map(|&(_, line)| line)
            .collect();
        offered.join("\n")
    }

    fn start_tls(&mut self) -> Result<Step, Reply> {
        if self.peer.tls.is_some() {
            return Err(replies::out_of_order("TLS already active"));
        }
        if self.options.tls.is_none() {
            return Err(replies::not_implemented());
        }
        if !(self.introduced && self.peer.esmtp) {
            return Err(replies::out_of_order("Send EHLO first"));
        }
        self.end_transaction();
        Ok(Step::StartTls)
    }

    fn xclient(&mut self, rest: &str) -> Result<Step, Reply> {
        self.may(self.rights.xclient)?;
        // What was said in EHLO and XFORWARD was said of another client.
        let mut peer = Peer {
            helo: None,
            esmtp: false,
            forwarded: None,
            ..self.peer.clone()
        };
        attributes::xclient(rest, &mut peer)?;
        self.peer = peer;
        self.introduced = false;
        Ok(Step::Greet)
    }

    fn xforward(&mut self, rest: &str) -> Result<Step, Reply> {
        self.may(self.rights.xforward)?;
        let mut forwarded = self.peer.forwarded.clone().unwrap_or_default();
        attributes::xforward(rest, &mut forwarded)?;
        self.peer.forwarded = Some(forwarded);
        Ok(Step::Say(replies::ok()))
    }

    fn may(&self, right: bool) -> Result<(), Reply> {
        if !right {
            return Err(replies::not_authorized());
        }
        if self.is_in_transaction() {
            return Err(replies::out_of_order("Mail transaction in progress"));
        }
        Ok(())
    }

    /// What XFORWARD says is said of one transaction (Postfix, XFORWARD_README).
    fn end_transaction(&mut self) {
        self.transaction = None;
        self.peer.forwarded = None::<Forwarded>;
    }

    fn forget_introduction(&mut self) {
        self.end_transaction();
        self.introduced = false;
        self.peer.helo = None;
        self.peer.esmtp = false;
    }
}
