//! The SMTP door: what the relay asks becomes a mail for the filter, what the filter decides becomes
//! what the relay does.

use super::{Daemon, headers};
use crate::config::{Headers, Position, Relay};
use filter::{Answer, Door, Mail, Outcome};
use mail::{Client, Envelope};
use smtp::relay::{
    Action, Answered, Decision, Filter, HeadField, HeaderEdits, Received, head_fields,
    received_field,
};
use smtp::{MailCommand, Peer, Reply};
use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;
use store::{MailId, NextHop};

/// The SMTP door.
pub(super) struct SmtpDoor {
    daemon: Arc<Daemon>,
    door: Door,
    /// What this host is called in `Received`; nothing if there is to be no such field.
    received_by: Option<String>,
}

/// What is to be journalled when the client has the answer.
#[derive(Debug)]
pub(super) struct Ticket {
    id: MailId,
    queue_id: String,
    /// What it is called when it is positive.
    answer: Answer,
}

impl Filter for SmtpDoor {
    type Ticket = Option<Ticket>;

    fn mail(&self, _peer: &Peer, mail: &MailCommand) -> Option<Reply> {
        // What could not be held must not be accepted: with a nearly full disk nothing is.
        let full = || Reply::new(452, "4.3.1", "Insufficient system storage");
        match self.daemon.store.space() {
            Ok(space) if !space.low() => handled_later(&mail.path).err(),
            Ok(space) => {
                let free_bytes = space.free_bytes;
                tracing::error!(free_bytes, "disk nearly full: mail is deferred");
                Some(full())
            }
            Err(error) => {
                tracing::error!(%error, "free space cannot be told: mail is deferred");
                Some(full())
            }
        }
    }

    fn rcpt(&self, _peer: &Peer, path: &str) -> Option<Reply> {
        handled_later(path).err()
    }

    async fn message(&self, mail: smtp::relay::Mail) -> Decision<Option<Ticket>> {
        let smtp::relay::Mail {
            peer,
            mail,
            rcpts,
            message,
        } = mail;
        let queue_id = peer.forwarded.as_ref().and_then(|f| f.ident.clone());
        let shown = queue_id.as_deref().unwrap_or("-");
        let Some(_room) = self.daemon.room.take(message.len()).await else {
            tracing::warn!(
                queue_id = shown,
                "no room for the message in time: deferred"
            );
            return deferred("No room for this message now, try again later");
        };
        let raw: Arc<[u8]> = match message.into_bytes().await {
            Ok(bytes) => bytes.into(),
            Err(error) => {
                tracing::error!(queue_id = shown, %error, "a spilled message cannot be read: deferred");
                return deferred("The message could not be stored, try again later");
            }
        };
        let envelope = envelope(&peer, &mail, &rcpts);
        if let Some(address) = envelope.client.addr
            && self.daemon.own.contains(address, envelope.client.port)
        {
            tracing::debug!(%address, port = envelope.client.port, "our own release passes");
            return passed_unseen(raw);
        }
        let taken = Mail {
            door: self.door,
            queue_id,
            envelope,
            raw: Arc::clone(&raw),
        };
        let queue_id = taken.queue_id.clone().unwrap_or_else(|| "-".to_owned());
        let outcome = self.daemon.filter.take(taken).await;
        let received = self.received(&peer, &mail, &outcome.id);
        let edits = edits(&outcome, &raw, &self.daemon.headers, received);
        decision(outcome, raw, edits, &rcpts, queue_id)
    }

    async fn answered(&self, ticket: Option<Ticket>, answered: Answered) {
        let word = |positive| match &answered.reply {
            _ if !answered.written => "lost",
            reply if reply.is_positive() => positive,
            reply if reply.is_permanent() => Answer::Reject.as_str(),
            _ => Answer::Tempfail.as_str(),
        };
        // Without a ticket there is no verdict: the mail was deferred unseen, or is our own release.
        let Some(ticket) = ticket else {
            return self.daemon.counters.answered(word(Answer::Accept.as_str()));
        };
        let Ticket {
            id,
            queue_id,
            answer,
        } = ticket;
        let word = word(answer.as_str());
        let said = if answered.written {
            format!("{word} {}", answered.reply)
        } else {
            tracing::warn!(%id, queue_id, reply = %answered.reply, "the answer could not be given");
            word.to_owned()
        };
        self.daemon.counters.answered(word);
        let next_hop = answered.next_hop.map(|hop| NextHop {
            address: hop.address,
            reply: hop.reply.map(|reply| reply.to_string()),
            queue_id: hop.queue_id,
        });
        let filter = &self.daemon.filter;
        filter.answered(&id, &queue_id, said, next_hop);
    }
}

impl SmtpDoor {
    pub(super) fn new(daemon: Arc<Daemon>, relay: &Relay) -> SmtpDoor {
        SmtpDoor {
            daemon,
            door: Door {
                name: "smtp",
                can_mta_hold: false,
                after_queue: relay.position == Position::AfterQueue,
            },
            received_by: relay.add_received.then(|| relay.hostname.clone()),
        }
    }

    /// The trace field, if there is to be one.
    fn received(&self, peer: &Peer, mail: &MailCommand, id: &MailId) -> Vec<u8> {
        let Some(by) = &self.received_by else {
            return Vec::new();
        };
        let now = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC);
        let date = jiff::fmt::rfc2822::to_string(&now).unwrap_or_default();
        let id = id.to_string();
        received_field(&Received {
            peer,
            mail,
            by,
            id: &id,
            date: &date,
        })
    }
}

/// Turns an outcome into what the relay does.
fn decision(
    outcome: Outcome,
    raw: Arc<[u8]>,
    edits: HeaderEdits,
    rcpts: &[String],
    queue_id: String,
) -> Decision<Option<Ticket>> {
    let text = outcome.text.as_str();
    let answer = outcome.disposition.answer;
    let action = match answer {
        Answer::Accept => Action::Pass {
            withheld: withheld(&outcome, rcpts),
            message: raw,
            edits,
        },
        Answer::Discard => Action::Take(Reply::new(250, "2.0.0", text)),
        Answer::Reject => Action::Refuse(Reply::new(550, "5.7.1", text)),
        Answer::Tempfail => Action::Refuse(Reply::new(451, "4.7.1", text)),
    };
    // A tempfail without verdicts leaves no record, so there is nothing to say it was answered.
    let recorded = !outcome.groups.is_empty();
    let ticket = Ticket {
        id: outcome.id,
        queue_id,
        answer,
    };
    Decision {
        action,
        ticket: recorded.then_some(ticket),
    }
}

/// A message that is not looked at now; the sender tries again.
fn deferred(text: &str) -> Decision<Option<Ticket>> {
    Decision {
        action: Action::Refuse(Reply::new(451, "4.3.1", text)),
        ticket: None,
    }
}

/// A message that was looked at before.
fn passed_unseen(message: Arc<[u8]>) -> Decision<Option<Ticket>> {
    Decision {
        action: Action::Pass {
            message,
            edits: HeaderEdits::default(),
            withheld: Vec::new(),
        },
        ticket: None,
    }
}

/// What is changed on a mail that passes: fields that claim to be ours go, ours come, on top the trace.
fn edits(outcome: &Outcome, raw: &[u8], settings: &Headers, received: Vec<u8>) -> HeaderEdits {
    let forged =
        |field: &HeadField<'_>| headers::is_ours(field.name, field.value, &settings.authserv_id);
    let removed = head_fields(raw).filter(forged).map(|field| field.range);
    let shown = outcome.disposition.shown;
    let shown = shown.and_then(|index| outcome.groups.get(index));
    let mut prepended = received;
    if let Some((_, verdict)) = shown.filter(|_| settings.add) {
        for field in headers::added(&outcome.id, verdict) {
            prepended.extend(field.line());
        }
    }
    HeaderEdits {
        removed: removed.collect(),
        prepended,
    }
}

/// Which recipients do not get the mail that others get. By their places: an address that was given twice, or
/// in two spellings, is withheld as often.
fn withheld(outcome: &Outcome, rcpts: &[String]) -> Vec<usize> {
    let groups = outcome.disposition.remove.iter();
    let removed: HashSet<&str> = groups
        .filter_map(|&group| outcome.groups.get(group))
        .flat_map(|(rcpts, _)| rcpts.iter().map(String::as_str))
        .collect();
    let numbered = rcpts.iter().enumerate();
    numbered
        .filter(|(_, rcpt)| removed.contains(rcpt.as_str()))
        .map(|(index, _)| index)
        .collect()
}

/// Who sends what to whom. Where the server in front says whose mail it is, that is who sends it.
fn envelope(peer: &Peer, mail: &MailCommand, rcpts: &[String]) -> Envelope {
    let seen = Client {
        addr: peer.address.map(|address| address.ip().to_canonical()),
        port: peer.address.map_or(0, |address| address.port()),
        name: peer.name.clone(),
        helo: peer.helo.clone(),
        tls: peer.tls.as_ref().map(|tls| tls.version.clone()),
        authenticated: peer.login.clone(),
    };
    let client = match &peer.forwarded {
        // What the server in front has said of the connection to itself is not what we see of its own.
        Some(forwarded) => Client {
            addr: forwarded.address.as_deref().and_then(address),
            port: forwarded.port.unwrap_or(0),
            name: forwarded.name.clone(),
            helo: forwarded.helo.clone(),
            tls: None,
            authenticated: seen.authenticated,
        },
        None => seen,
    };
    Envelope {
        client,
        mail_from: mail.path.clone(),
        rcpts: rcpts.to_vec(),
    }
}

fn address(text: &str) -> Option<IpAddr> {
    text.parse()
        .ok()
        .map(|address: IpAddr| address.to_canonical())
}

/// Refuses an address that could not be released later.
fn handled_later(path: &str) -> Result<(), Reply> {
    if path.contains(|c: char| c.is_control() || c == '<' || c == '>') {
        let text = "Address contains angle brackets or controls";
        return Err(Reply::new(553, "5.1.3", text));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
