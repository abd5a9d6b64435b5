//! The transaction with the next hop: opened with the client's, and played again where it must be.

use std::collections::HashSet;
use std::sync::Arc;

use super::hop::{Data, Hop, Hops};
use super::replies;
use crate::error::{Error, Stage};
use crate::reply::Reply;
use crate::service::{Forwarded, MailCommand, Offer, Parameter, Peer, RcptCommand};

/// A transaction with the next hop, up to the final dot.
pub(super) struct Downstream<N: Hops> {
    hops: Arc<N>,
    /// None when it has failed: the transaction is to be played again with another.
    session: Option<N::Hop>,
    /// Whether the one other session that a transaction may have has been taken.
    revived: bool,
    forwarded: Forwarded,
    /// As the client gave it.
    mail: MailCommand,
    /// Those that the next hop has accepted.
    rcpts: Vec<RcptCommand>,
}

impl<N: Hops> Downstream<N> {
    /// Takes a session with the next hop and says MAIL to it. The reply is the next hop's.
    ///
    /// # Errors
    /// What the client is told if there is no transaction.
    pub(super) async fn open(
        hops: &Arc<N>,
        peer: &Peer,
        mail: &MailCommand,
    ) -> Result<(Self, Reply), Reply> {
        let mut downstream = Self {
            hops: Arc::clone(hops),
            session: None,
            revived: false,
            forwarded: forwarded(peer),
            mail: mail.clone(),
            rcpts: Vec::new(),
        };
        match downstream.say_mail().await {
            Ok(reply) if reply.is_positive() => Ok((downstream, replies::passed_on(reply))),
            Ok(refusal) | Err(refusal) => {
                downstream.close().await;
                Err(replies::passed_on(refusal))
            }
        }
    }

    pub(super) const fn mail(&self) -> &MailCommand {
        &self.mail
    }

    /// The recipients that the next hop has accepted.
    pub(super) fn rcpts(&self) -> impl Iterator<Item = &str> {
        self.rcpts.iter().map(|rcpt| rcpt.path.as_str())
    }

    /// Names a recipient. The reply is the next hop's, if it is there.
    pub(super) async fn rcpt(&mut self, rcpt: &RcptCommand) -> Reply {
        let Some(session) = self.session.as_mut() else {
            return replies::lost();
        };
        if session.is_lmtp() && !self.rcpts.is_empty() {
            return replies::one_at_a_time();
        }
        if !session.offered().dsn && rcpt.parameters.iter().any(is_dsn) {
            return replies::no_dsn();
        }
        match session.rcpt(rcpt).await {
            Ok(reply) => {
                if reply.is_positive() {
                    self.rcpts.push(rcpt.clone());
                }
                replies::passed_on(reply)
            }
            Err(error) => self.failed(&error),
        }
    }

    /// Sends everything but the final dot, to all recipients but the withheld.
    ///
    /// # Errors
    /// What the client is told if the message does not go on. The next hop has then not got it.
    pub(super) async fn send(
        &mut self,
        withheld: &[usize],
        content: &[&[u8]],
    ) -> Result<N::Pending, Reply> {
        let mut told = self.withhold(withheld)?;
        loop {
            if self.session.is_none() {
                self.play_on_another().await?;
            } else if !told {
                self.play_again().await?;
            }
            told = true;
            let Some(session) = self.session.take() else {
                continue;
            };
            match session.data(content).await {
                Ok(Data::Pending(pending)) => return Ok(pending),
                Ok(Data::Refused(session, reply)) => {
                    self.session = Some(session);
                    return Err(replies::passed_on(reply));
                }
                Err(error) if self.may_revive(&error) => {}
                Err(error) => return Err(self.failed(&error)),
            }
        }
    }

    /// Gives the transaction up, and the session back.
    pub(super) async fn close(self) {
        if let Some(session) = self.session {
            session.give_back().await;
        }
    }

    /// Takes recipients off the transaction. False if the next hop must hear of it.
    fn withhold(&mut self, withheld: &[usize]) -> Result<bool, Reply> {
        if withheld.is_empty() {
            return Ok(true);
        }
        let withheld: HashSet<_> = withheld.iter().copied().collect();
        let mut indices = 0..;
        self.rcpts.retain(|_| {
            indices
                .next()
                .is_some_and(|index| !withheld.contains(&index))
        });
        if self.rcpts.is_empty() {
            tracing::error!("the filter passes a message on to nobody");
            return Err(replies::internal());
        }
        Ok(false)
    }

    /// The transaction from its beginning, in the same session.
    async fn play_again(&mut self) -> Result<(), Reply> {
        let Some(session) = self.session.as_mut() else {
            return Ok(());
        };
        match session.reset().await {
            Ok(()) => self.play().await,
            Err(error) if self.may_revive(&error) => {
                self.session = None;
                Ok(())
            }
            Err(error) => Err(self.failed(&error)),
        }
    }

    /// The transaction from its beginning, in another session: once.
    async fn play_on_another(&mut self) -> Result<(), Reply> {
        if self.revived {
            return Err(replies::lost());
        }
        self.revived = true;
        self.play().await
    }

    /// MAIL, and RCPT for every recipient. Whoever was accepted before must be accepted now, or it would get
    /// nothing and nobody would be told.
    async fn play(&mut self) -> Result<(), Reply> {
        let reply = self.say_mail().await?;
        if !reply.is_positive() {
            tracing::warn!(%reply, "the next hop refuses MAIL that it has accepted before");
            return Err(replies::inconsistent());
        }
        let Some(session) = self.session.as_mut() else {
            return Err(replies::lost());
        };
        for rcpt in &self.rcpts {
            match session.rcpt(rcpt).await {
                Ok(reply) if reply.is_positive() => {}
                Ok(reply) => {
                    tracing::warn!(%reply, "the next hop refuses a recipient that it has accepted before");
                    return Err(replies::inconsistent());
                }
                Err(error) => return Err(self.failed(&error)),
            }
        }
        Ok(())
    }

    /// MAIL, in the session there is or in a new one.
    async fn say_mail(&mut self) -> Result<Reply, Reply> {
        let mut session = match self.session.take() {
            Some(session) => session,
            None => self
                .hops
                .take()
                .await
                .map_err(|error| self.failed(&error))?,
        };
        let offered = session.offered();
        if let Some(refusal) = not_offered(&self.mail, offered) {
            self.session = Some(session);
            return Err(refusal);
        }
        let mail = adapted(&self.mail, offered);
        match session.mail(&self.forwarded, &mail).await {
            Ok(reply) => {
                self.session = Some(session);
                Ok(reply)
            }
            Err(error) => Err(self.failed(&error)),
        }
    }

    /// Whether the session has only died of waiting, with nothing lost yet.
    fn may_revive(&self, error: &Error) -> bool {
        let died = match error {
            Error::Io { stage, .. } | Error::Refused { stage, .. } => {
                matches!(stage, Stage::Data | Stage::Reset)
            }
            Error::Ended { .. } => true,
            _ => false,
        };
        let may = died && !self.revived;
        if may {
            tracing::info!(%error, "the next hop did not wait for the end of a message; connecting anew");
        }
        may
    }

    /// Lets go of a session that has failed. What the client is told.
    fn failed(&mut self, error: &Error) -> Reply {
        tracing::warn!(%error, "the next hop failed");
        self.session = None;
        replies::failed(error)
    }
}

/// What the next hop cannot carry.
fn not_offered(mail: &MailCommand, offered: Offer) -> Option<Reply> {
    if mail.smtp_utf8 && !offered.smtp_utf8 {
        return Some(replies::no_smtp_utf8());
    }
    let dsn = mail.parameters.iter().any(is_dsn);
    (dsn && !offered.dsn).then(replies::no_dsn)
}

/// Parameters of RFC 3461.
fn is_dsn(parameter: &Parameter) -> bool {
    ["RET", "ENVID", "NOTIFY", "ORCPT"]
        .iter()
        .any(|keyword| parameter.is(keyword))
}

/// MAIL as the next hop can take it: as the client gave it, but without what it offered no place for. Neither
/// changes what is sent: SIZE only announces, and a message with bytes above 127 goes on as it is in any
/// case, since converting it would break its signatures.
fn adapted(mail: &MailCommand, offered: Offer) -> MailCommand {
    let mut mail = mail.clone();
    if !offered.eight_bit_mime {
        mail.parameters.retain(|parameter| !parameter.is("BODY"));
    }
    mail
}

/// What the next hop is told of the client: what the server in front has said of its client, or else what we see.
fn forwarded(peer: &Peer) -> Forwarded {
    if let Some(forwarded) = &peer.forwarded {
        return forwarded.clone();
    }
    let protocol = if peer.esmtp { "ESMTP" } else { "SMTP" };
    Forwarded {
        name: peer.name.clone(),
        address: peer
            .address
            .map(|address| address.ip().to_canonical().to_string()),
        port: peer.address.map(|address| address.port()),
        protocol: Some(protocol.to_owned()),
        helo: peer.helo.clone(),
        ident: None,
        source: Some("REMOTE".to_owned()),
    }
}
