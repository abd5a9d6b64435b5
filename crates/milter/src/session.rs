//! The filter's side of a connection as a state machine: commands in, steps out, no I/O.
//!
//! ```text
//!  Negotiation --O--> Connect --C--> Ready --M--> Envelope --T,L--> Headers --N--> Body --E--+
//!                        ^            ^  ^-- H --'    | R, H, M       | L        | B         |
//!                        K            A               '------ N ------------------^          |
//!                   (from anywhere)   '------------------ (also from anywhere) <-------------'
//! ```
//!
//! A command that has no arrow ends the connection: the two sides do not agree on where they are,
//! and any guess could join one message's head with another's body.

use std::sync::Arc;

use crate::answer::response;
use crate::command::{Command, CommandError, Offer};
use crate::envelope::{Connection, Envelope, Macros, Path};
use crate::filter::{Limit, Reply};
use crate::frame::FrameError;
use crate::incoming::Incoming;
use crate::negotiation::{Agreement, NegotiationError};
use crate::options::ServerOptions;
use crate::protocol::MacroStage;
use crate::response::Response;

/// Why a connection cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum Violation {
    /// A frame is no command.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The byte stream is no sequence of frames.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// There is no agreement with the MTA.
    #[error(transparent)]
    Negotiation(#[from] NegotiationError),
    /// A command that cannot come here.
    #[error("{command} command in the phase {phase:?}")]
    OutOfOrder {
        /// The command's name.
        command: &'static str,
        /// Where the session was.
        phase: Phase,
    },
}

/// Where a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Waits for the MTA's offer.
    Negotiation,
    /// Waits for a client.
    Connect,
    /// Between messages.
    Ready,
    /// After MAIL.
    Envelope,
    /// After DATA or the first header field.
    Headers,
    /// After the end of the header section.
    Body,
}

/// What a command leads to.
#[derive(Debug)]
pub(crate) enum Step {
    /// The filter must be asked; [`Session::decide`] takes its reply.
    Ask(Question),
    /// The connection ends as it should.
    Close,
    /// A message is complete. Exactly one final response is due.
    EndOfMessage(Box<Incoming>),
    /// Nothing is due.
    Wait,
    /// This response is due.
    Write(Response),
}

/// A question for the filter.
#[derive(Debug)]
pub(crate) enum Question {
    Connect,
    Mail,
    Rcpt(Path),
}

impl Question {
    /// The stage, for a log line.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Mail => "mail",
            Self::Rcpt(_) => "rcpt",
        }
    }
}

/// One connection of an MTA.
#[derive(Debug)]
pub(crate) struct Session {
    options: Arc<ServerOptions>,
    agreement: Option<Agreement>,
    phase: Phase,
    settled: Option<Settled>,
    connection: Arc<Connection>,
    helo: Option<Vec<u8>>,
    /// Macros of the stages up to MAIL; the later ones go to the transaction's envelope.
    macros: Macros,
    /// The transaction, in the phases from Envelope on.
    incoming: Incoming,
}

/// An answer that holds beyond the command that it was given to. MTAs know and send no more of
/// what is settled; one that does all the same gets the same answer again.
#[derive(Debug)]
struct Settled {
    reply: Reply,
    scope: Scope,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    Message,
    Session,
}

impl Session {
    pub(crate) fn new(options: Arc<ServerOptions>) -> Self {
        Self {
            options,
            agreement: None,
            phase: Phase::Negotiation,
            settled: None,
            connection: Arc::default(),
            helo: None,
            macros: Macros::default(),
            incoming: Incoming::default(),
        }
    }

    /// What was agreed on, once it was.
    pub(crate) const fn agreement(&self) -> Option<&Agreement> {
        self.agreement.as_ref()
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The envelope of the running transaction.
    pub(crate) fn envelope(&self) -> Option<&Envelope> {
        self.is_in_transaction().then_some(&self.incoming.envelope)
    }

    pub(crate) const fn is_in_transaction(&self) -> bool {
        matches!(self.phase, Phase::Envelope | Phase::Headers | Phase::Body)
    }

    pub(crate) const fn is_negotiated(&self) -> bool {
        self.agreement.is_some()
    }

    /// How many bytes of the message are in memory.
    pub(crate) const fn buffered(&self) -> usize {
        self.incoming.buffered.len()
    }

    /// Takes these bytes away, to be stored elsewhere.
    pub(crate) fn take_buffered(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.incoming.buffered)
    }

    /// Takes one command.
    ///
    /// # Errors
    /// The connection must be closed; the session is of no use any more.
    pub(crate) fn receive(&mut self, command: Command) -> Result<Step, Violation> {
        let Some(agreement) = self.agreement else {
            return self.negotiate(&command);
        };
        let due = agreement.expects_answer(&command);
        if !self.may_come(&command) {
            return Err(Violation::OutOfOrder {
                command: command.name(),
                phase: self.phase,
            });
        }
        if let Some(step) = self.step_if_settled(&command, due) {
            return Ok(step);
        }
        match command {
            Command::Abort => self.abort(),
            Command::Body(chunk) => {
                self.incoming.append(&chunk, &self.options);
                if due && self.incoming.over_limit.is_some() && agreement.may_skip() {
                    return Ok(Step::Write(Response::Skip));
                }
            }
            Command::Connect { host, peer } => {
                self.connection = Arc::new(Connection {
                    host: host.to_vec(),
                    peer,
                    macros: self.macros.only(MacroStage::Connect),
                });
                self.phase = Phase::Ready;
                if self.options.asks.connect {
                    return Ok(Step::Ask(Question::Connect));
                }
            }
            Command::Data => self.phase = Phase::Headers,
            Command::EndOfHeaders => {
                self.incoming.append(b"\r\n", &self.options);
                self.phase = Phase::Body;
            }
            Command::EndOfMessage(chunk) => {
                self.incoming.append(&chunk, &self.options);
                self.phase = Phase::Ready;
                let incoming = std::mem::take(&mut self.incoming);
                return Ok(Step::EndOfMessage(Box::new(incoming)));
            }
            Command::Header { name, value } => {
                let space = agreement.leading_space();
                self.incoming
                    .add_header(&name, &value, space, &self.options);
                self.phase = Phase::Headers;
            }
            Command::Helo(name) => {
                // EHLO within a transaction resets it (RFC 5321, section 4.1.4).
                self.abort();
                self.helo = Some(name.to_vec());
            }
            Command::Macros { letter, pairs } => self.keep_macros(letter, &pairs),
            Command::Mail(sender) => {
                self.begin(sender);
                if self.options.asks.mail {
                    return Ok(Step::Ask(Question::Mail));
                }
            }
            // Only the first command negotiates; `may_come` has refused a second one.
            Command::Negotiate(_) | Command::Unknown(_) => (),
            Command::Quit => return Ok(Step::Close),
            Command::QuitNewConnection => self.restart(),
            Command::Rcpt(recipient) => return Ok(self.recipient(recipient, due)),
        }
        Ok(answer_if(due, &Reply::Continue))
    }

    /// Takes the filter's reply to a question, and says what is due for it.
    pub(crate) fn decide(&mut self, question: Question, reply: Reply) -> Response {
        let reply = match (&question, reply) {
            // Not allowed there (libmilter, smfi_setreply and xxfi_connect).
            (Question::Connect, Reply::Discard) => {
                tracing::error!("the filter answered CONNECT with discard; tempfail is sent");
                Reply::Tempfail
            }
            (_, reply) => reply,
        };
        let scope = match (&question, &reply) {
            (_, Reply::Continue) => None,
            (_, Reply::Shutdown) | (Question::Connect, _) => Some(Scope::Session),
            (Question::Mail, _) | (Question::Rcpt(_), Reply::Accept | Reply::Discard) => {
                Some(Scope::Message)
            }
            // Refuses this recipient alone.
            (Question::Rcpt(_), Reply::Custom(_) | Reply::Reject | Reply::Tempfail) => None,
        };
        if let (Question::Rcpt(recipient), Reply::Continue) = (question, &reply) {
            self.incoming.add_recipient(recipient);
        }
        let due = response(&reply);
        if let Some(scope) = scope {
            self.end_transaction();
            self.settled = Some(Settled { reply, scope });
        }
        due
    }

    fn negotiate(&mut self, command: &Command) -> Result<Step, Violation> {
        let Command::Negotiate(offer) = command else {
            return Err(Violation::OutOfOrder {
                command: command.name(),
                phase: self.phase,
            });
        };
        let agreement = Agreement::reach(*offer, &self.options)?;
        log_agreement(offer, &agreement);
        self.agreement = Some(agreement);
        self.phase = Phase::Connect;
        Ok(Step::Write(agreement.response()))
    }

    /// The arrows of the diagram above.
    fn may_come(&self, command: &Command) -> bool {
        use Phase::{Body, Connect, Envelope, Headers, Negotiation, Ready};
        // What is settled is not looked at, whatever it is; but its connection stands.
        if self.settled.is_some() {
            return !matches!(command, Command::Negotiate(_) | Command::Connect { .. });
        }
        match command {
            Command::Negotiate(_) => self.phase == Negotiation,
            Command::Abort
            | Command::Macros { .. }
            | Command::Quit
            | Command::QuitNewConnection => true,
            Command::Connect { .. } => self.phase == Connect,
            // A second MAIL without an abort: the MTA refused the first one on its own account.
            Command::Helo(_) | Command::Mail(_) | Command::Unknown(_) => {
                matches!(self.phase, Ready | Envelope)
            }
            Command::Data | Command::Rcpt(_) => self.phase == Envelope,
            // MTAs before version 4 send no DATA.
            Command::Header { .. } | Command::EndOfHeaders => {
                matches!(self.phase, Envelope | Headers)
            }
            Command::Body(_) | Command::EndOfMessage(_) => self.phase == Body,
        }
    }

    fn step_if_settled(&mut self, command: &Command, due: bool) -> Option<Step> {
        let settled = self.settled.as_ref()?;
        match command {
            Command::Abort
            | Command::Macros { .. }
            | Command::Quit
            | Command::QuitNewConnection => None,
            Command::Helo(_) | Command::Mail(_) if settled.scope == Scope::Message => {
                self.settled = None;
                None
            }
            command => {
                let step = answer_if(due, &settled.reply);
                if settled.scope == Scope::Message && matches!(command, Command::EndOfMessage(_)) {
                    self.settled = None;
                }
                Some(step)
            }
        }
    }

    fn begin(&mut self, sender: Path) {
        let envelope = Envelope {
            connection: Arc::clone(&self.connection),
            helo: self.helo.clone(),
            sender,
            recipients: Vec::new(),
            macros: self.macros.clone(),
        };
        self.macros.forget_from(MacroStage::Mail);
        self.incoming = Incoming::new(envelope);
        self.phase = Phase::Envelope;
    }

    fn recipient(&mut self, recipient: Path, due: bool) -> Step {
        // Sent for a recipient that the MTA has refused itself (libmilter: SMFIP_RCPT_REJ).
        if self.incoming.envelope.macros.value("rcpt_mailer") == Some(b"error") {
            return answer_if(due, &Reply::Continue);
        }
        if !self.incoming.has_room_for(&recipient, &self.options) {
            let limit = Limit::Recipients(self.options.recipients);
            if !due {
                self.incoming.refuse(limit);
            }
            return answer_if(due, &limit.reply());
        }
        if self.options.asks.rcpt {
            return Step::Ask(Question::Rcpt(recipient));
        }
        self.incoming.add_recipient(recipient);
        answer_if(due, &Reply::Continue)
    }

    fn keep_macros(&mut self, letter: u8, pairs: &[(bytes::Bytes, bytes::Bytes)]) {
        let Some(stage) = MacroStage::of_letter(letter) else {
            return;
        };
        let target = if stage <= MacroStage::Mail {
            &mut self.macros
        } else if self.is_in_transaction() {
            &mut self.incoming.envelope.macros
        } else {
            return;
        };
        // Copied, so that a few small values do not hold on to a whole read buffer.
        let pairs = pairs
            .iter()
            .map(|(name, value)| (name.to_vec(), value.to_vec()))
            .collect();
        target.replace(stage, pairs);
    }

    fn abort(&mut self) {
        self.end_transaction();
        self.settled
            .take_if(|settled| settled.scope == Scope::Message);
    }

    fn end_transaction(&mut self) {
        self.incoming = Incoming::default();
        if self.is_in_transaction() {
            self.phase = Phase::Ready;
        }
    }

    fn restart(&mut self) {
        let agreement = self.agreement;
        *self = Self::new(Arc::clone(&self.options));
        self.agreement = agreement;
        self.phase = Phase::Connect;
    }
}

fn answer_if(due: bool, reply: &Reply) -> Step {
    if due {
        Step::Write(response(reply))
    } else {
        Step::Wait
    }
}

fn log_agreement(offer: &Offer, agreement: &Agreement) {
    tracing::debug!(
        offered_version = offer.version,
        offered_actions = %offer.actions,
        offered_events = %offer.events,
        ?agreement,
        "agreed with an MTA"
    );
}

#[cfg(test)]
mod tests;
