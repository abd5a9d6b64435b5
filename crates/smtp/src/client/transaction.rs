//! A transaction step by step, for whoever has to pass on the server's answers one by one.

use std::fmt;
use std::time::Duration;

use tokio::time::Instant;

use crate::client::Client;
use crate::client::command::{mail_line, rcpt_line, xforward_lines};
use crate::client::content::Content;
use crate::client::target::Protocol;
use crate::error::{Error, Stage};
use crate::reply::Reply;
use crate::service::{Forwarded, MailCommand, RcptCommand};

/// The steps of a transaction.
///
/// Each gives the server's answer, whatever it is: 2yz, 4yz or 5yz. Every 421 is the last answer of its session. An
/// error means that there is no answer: the session has ended ([`Client::is_usable`] is false), or what was to be sent
/// cannot be, and nothing was.
///
/// A step that is dropped half-way ends the session, too.
impl<G> Client<G> {
    /// Says on whose behalf the next transaction is, if the server wants to know: XFORWARD with those attributes that
    /// it offered to take. The last answer, if anything was sent.
    ///
    /// # Errors
    /// The session has broken.
    pub async fn xforward(&mut self, client: &Forwarded) -> Result<Option<Reply>, Error> {
        let mut last = None;
        for line in xforward_lines(self.extensions.xforward, client) {
            let reply = answer(self.step(Stage::Xforward, 2, &line).await)?;
            let refused = !reply.is_positive();
            last = Some(reply);
            if refused {
                break;
            }
        }
        Ok(last)
    }

    /// MAIL, with the path and parameters as given. SIZE, BODY and AUTH are left out where the server does not offer
    /// them; [`Extensions::takes`](crate::Extensions::takes) tells beforehand.
    ///
    /// # Errors
    /// The session has broken. Before a byte is sent: [`Error::Address`], [`Error::Parameter`],
    /// [`Error::Utf8NotOffered`] for a path that is not ASCII, [`Error::ParameterNotOffered`] for every other
    /// parameter that the server does not offer.
    pub async fn mail(&mut self, mail: &MailCommand) -> Result<Reply, Error> {
        answer(self.mail_from(mail).await)
    }

    /// RCPT, with the path and parameters as given.
    ///
    /// # Errors
    /// As [`Client::mail`].
    pub async fn rcpt(&mut self, rcpt: &RcptCommand) -> Result<Reply, Error> {
        answer(self.rcpt_to(rcpt).await)
    }

    /// RSET: gives up the transaction.
    ///
    /// # Errors
    /// The session has broken.
    pub async fn reset(&mut self) -> Result<Reply, Error> {
        answer(self.rset().await)
    }

    /// DATA and the whole message but for the final dot. The message is what `slices` are together, with CRLF line ends
    /// and without stuffed dots; it is sent as it is, plus the CRLF that a last line without one needs.
    ///
    /// `Ok(Err(reply))` is the server's refusal: of DATA, where the transaction stays as it is, or in the middle of the
    /// message, where it ends the session.
    ///
    /// # Errors
    /// The session has broken; the message is not delivered. Before a byte is sent: [`Error::Message`],
    /// [`Error::NoRecipients`].
    pub async fn data(&mut self, slices: &[&[u8]]) -> Result<Result<Pending<'_, G>, Reply>, Error> {
        let content = Content::new(slices)?;
        match self.message(&content).await {
            Ok(pending) => Ok(Ok(pending)),
            Err(Error::Refused { reply, .. }) => Ok(Err(reply)),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn mail_from(&mut self, mail: &MailCommand) -> Result<Reply, Error> {
        let line = mail_line(self.wire.peer(), &self.extensions, mail)?;
        let reply = self.step(Stage::MailFrom, 2, &line).await?;
        self.accepted = Some(0);
        Ok(reply)
    }

    pub(super) async fn rcpt_to(&mut self, rcpt: &RcptCommand) -> Result<Reply, Error> {
        let line = rcpt_line(self.wire.peer(), &self.extensions, rcpt)?;
        let reply = self.step(Stage::RcptTo, 2, &line).await?;
        self.accepted = self.accepted.map(|accepted| accepted + 1);
        Ok(reply)
    }

    pub(super) async fn rset(&mut self) -> Result<Reply, Error> {
        let reply = self.step(Stage::Reset, 2, "RSET\r\n").await?;
        self.accepted = None;
        Ok(reply)
    }

    pub(super) async fn message(&mut self, content: &Content<'_>) -> Result<Pending<'_, G>, Error> {
        if self.accepted.unwrap_or_default() == 0 {
            return Err(Error::NoRecipients);
        }
        self.step(Stage::Data, 3, "DATA\r\n").await?;
        let pending = Pending {
            client: self,
            terminator: content.terminator(),
            dot_sent: false,
        };
        let wire = &mut pending.client.wire;
        let (mut blocks, mut block) = (content.blocks(), content.block());
        while blocks.fill(&mut block) {
            let limit = pending.client.timeouts.block;
            wire.write(Stage::Content, &block, limit).await?;
        }
        Ok(pending)
    }

    async fn step(&mut self, stage: Stage, class: u16, line: &str) -> Result<Reply, Error> {
        let reply = self
            .wire
            .command(stage, line, self.timeouts.command)
            .await?;
        self.wire.accept(stage, class, reply)
    }
}

/// A message that has been sent up to its final dot, and is not delivered yet.
///
/// Dropping it gives it up: the session has then ended, and with the [`Client`] its connection is closed. To the
/// server the message was never finished.
#[must_use = "dropping it gives the message up"]
pub struct Pending<'c, G = ()> {
    client: &'c mut Client<G>,
    terminator: &'static [u8],
    dot_sent: bool,
}

impl<G> Pending<'_, G> {
    /// Sends the final dot, and gives the server's answer to the message. After it the transaction is over, whatever
    /// it is.
    ///
    /// # Errors
    /// There is no answer. [`ErrorKind::Unknown`](crate::ErrorKind::Unknown) if the dot was sent: then the message may
    /// have been delivered. Otherwise it is not. [`Error::OneByOne`] with several recipients over LMTP: see
    /// [`Pending::finish_each`].
    pub async fn finish(self) -> Result<Reply, Error> {
        answer(self.dot().await)
    }

    /// Sends the final dot, and gives the server's answers: over LMTP one for each recipient that it accepted, in their
    /// order; over SMTP just one.
    ///
    /// # Errors
    /// The dot was not sent and the message is not delivered. An error within means that one answer
    /// has not come, and the message may have been delivered to that recipient.
    pub async fn finish_each(mut self) -> Result<Vec<Result<Reply, Error>>, Error> {
        let expected = self.answers();
        match self.expect_silence().await {
            Ok(()) => {}
            Err(Error::Refused { reply, .. }) => {
                return Ok((0..expected).map(|_| Ok(reply.clone())).collect());
            }
            Err(error) => return Err(error),
        }
        let limit = self.client.timeouts.data_done;
        let deadline = Instant::now() + limit;
        let mut answers = Vec::with_capacity(expected);
        answers.push(answer(self.send_dot(limit).await));
        while answers.len() < expected {
            let left = deadline.saturating_duration_since(Instant::now());
            answers.push(answer(self.next_answer(left).await));
        }
        Ok(answers)
    }

    /// Gives the message up, as dropping does.
    pub fn abandon(self) {}

    /// [`Pending::finish`] with a refusal as an error.
    pub(super) async fn dot(mut self) -> Result<Reply, Error> {
        if self.answers() > 1 {
            return Err(Error::OneByOne {
                peer: self.client.wire.peer().to_owned(),
            });
        }
        self.expect_silence().await?;
        self.send_dot(self.client.timeouts.data_done).await
    }

    fn answers(&self) -> usize {
        match self.client.protocol {
            Protocol::Smtp => 1,
            Protocol::Lmtp => self.client.accepted.unwrap_or_default(),
        }
    }

    /// The last moment to notice that the server has gone or has said no already: until here
    /// the mail is certainly not delivered, and from the dot on nobody knows before the reply.
    /// That is why the dot is a write of its own.
    async fn expect_silence(&mut self) -> Result<(), Error> {
        let limit = self.client.timeouts.block;
        self.client.wire.expect_silence(Stage::Content, limit).await
    }

    async fn send_dot(&mut self, limit: Duration) -> Result<Reply, Error> {
        self.dot_sent = true;
        self.client.accepted = None;
        let wire = &mut self.client.wire;
        let reply = wire.exchange(Stage::EndOfData, self.terminator, limit);
        let reply = reply.await;
        self.after_dot(reply)
    }

    async fn next_answer(&mut self, limit: Duration) -> Result<Reply, Error> {
        let reply = self.client.wire.another_reply(Stage::EndOfData, limit);
        let reply = reply.await;
        self.after_dot(reply)
    }

    fn after_dot(&mut self, reply: Result<Reply, Error>) -> Result<Reply, Error> {
        let wire = &mut self.client.wire;
        match reply.and_then(|reply| wire.accept(Stage::EndOfData, 2, reply)) {
            Err(error) if !matches!(error, Error::Refused { .. }) => Err(Error::Unknown {
                source: Box::new(error),
            }),
            result => result,
        }
    }
}

impl<G> Drop for Pending<'_, G> {
    fn drop(&mut self) {
        if !self.dot_sent {
            self.client.wire.end();
        }
    }
}

impl<G> fmt::Debug for Pending<'_, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pending").field(&self.client).finish()
    }
}

/// A refusal is an answer, too.
fn answer(result: Result<Reply, Error>) -> Result<Reply, Error> {
    match result {
        Err(Error::Refused { reply, .. }) => Ok(reply),
        other => other,
    }
}
