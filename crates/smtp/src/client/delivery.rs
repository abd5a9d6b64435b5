//! A mail handed over as a whole: to all of its recipients, or to none.

use tracing::debug;

use crate::address::{check_forward_path, check_reverse_path};
use crate::client::Client;
use crate::client::command::check_utf8;
use crate::client::content::{BareLineEnds, Content, sendable};
use crate::client::target::Protocol;
use crate::error::Error;
use crate::reply::Reply;
use crate::service::{MailCommand, Parameter, RcptCommand};

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

impl<G> Client<G> {
    /// Hands over one mail to all of its recipients, or to none.
    ///
    /// Do not put a timeout of your own around this: every step has one, and a delivery that is dropped
    /// half-way may or may not have happened. (The session is then unusable.)
    ///
    /// # Errors
    ///
    /// Any [`Error`]; the mail is certainly not delivered unless its kind is
    /// [`ErrorKind::Unknown`](crate::ErrorKind::Unknown). After a refusal the session can be used again,
    /// unless the server has ended it. Over LMTP a mail with several recipients is [`Error::OneByOne`].
    pub async fn deliver(&mut self, delivery: &Delivery<'_>) -> Result<Outcome, Error> {
        check_envelope(delivery)?;
        let message = sendable(delivery.message, delivery.bare_line_ends)?;
        let slices = [message.as_ref()];
        let content = Content::new(&slices)?;
        if self.protocol == Protocol::Lmtp && delivery.rcpts.len() > 1 {
            return Err(Error::OneByOne {
                peer: self.wire.peer().to_owned(),
            });
        }
        let mail = self.mail_command(delivery, &content)?;
        let result = self.transaction(&mail, delivery.rcpts, &content).await;
        if result.is_err() && self.is_usable() {
            self.reset_or_end().await;
        }
        result
    }

    fn mail_command(
        &self,
        delivery: &Delivery<'_>,
        content: &Content<'_>,
    ) -> Result<MailCommand, Error> {
        let offered = &self.extensions;
        let mut foreign = false;
        let addresses =
            std::iter::once(delivery.mail_from).chain(delivery.rcpts.iter().map(String::as_str));
        for address in addresses {
            check_utf8(self.wire.peer(), offered, address)?;
            foreign |= !address.is_ascii();
        }
        let parameter = |keyword: &str, value: Option<String>| Parameter {
            keyword: keyword.to_owned(),
            value,
        };
        let mut parameters = vec![parameter("SIZE", Some(content.size().to_string()))];
        if !content.is_ascii() {
            parameters.push(parameter("BODY", Some("8BITMIME".to_owned())));
        }
        if offered.smtp_utf8 && (foreign || delivery.smtp_utf8) {
            parameters.push(parameter("SMTPUTF8", None));
        }
        Ok(MailCommand {
            path: delivery.mail_from.to_owned(),
            parameters,
            ..MailCommand::default()
        })
    }

    async fn transaction(
        &mut self,
        mail: &MailCommand,
        rcpts: &[String],
        content: &Content<'_>,
    ) -> Result<Outcome, Error> {
        self.mail_from(mail).await?;
        let recipients = self.recipients(rcpts).await?;
        let reply = self.message(content).await?.dot().await?;
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
            let command = RcptCommand {
                path: address.clone(),
                parameters: Vec::new(),
            };
            let reply = self.rcpt(&command).await?;
            refused |= !reply.is_positive();
            recipients.push(Recipient {
                address: address.clone(),
                reply,
            });
            if !self.is_usable() {
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

    /// Back to a session without transaction. One that cannot be reset is not used any more.
    async fn reset_or_end(&mut self) {
        if let Err(error) = self.rset().await {
            debug!(%error, "RSET not accepted");
            self.wire.end();
        }
    }
}

/// Everything that can be refused without the server, so that nothing is sent of a mail that cannot be.
fn check_envelope(delivery: &Delivery<'_>) -> Result<(), Error> {
    check_reverse_path(delivery.mail_from)?;
    if delivery.rcpts.is_empty() {
        return Err(Error::NoRecipients);
    }
    for address in delivery.rcpts {
        check_forward_path(address)?;
    }
    Ok(())
}
