//! The milter door: what the MTA says becomes a mail for the filter, what the filter decides becomes
//! edits and a reply.

use super::{Daemon, headers};
use filter::{Answer, Door, Mail, Outcome};
use mail::{Client, Envelope as MailEnvelope};
use milter::{
    Address, Answered, Connection, Decision, Edit, Envelope, Header, HeaderName, HeaderValue,
    NegotiationError, Path, Peer, Reason, Reply, ReplyText, Transaction,
};
use policy::Verdict;
use std::sync::Arc;
use store::MailId;

/// What a milter can do.
const DOOR: Door = Door {
    name: "milter",
    can_mta_hold: true,
    after_queue: false,
};

/// The milter door.
pub(super) struct MilterDoor {
    pub(super) daemon: Arc<Daemon>,
}

/// What is to be done when the MTA has the answer.
#[derive(Debug)]
pub(super) enum Ticket {
    /// There is a verdict: what was really said is journalled.
    Judged {
        id: MailId,
        queue_id: String,
        answer: Answer,
        reply: String,
    },
    /// There is none, and so no record: it is only counted.
    Unseen(Answer),
}

impl milter::Filter for MilterDoor {
    type Ticket = Ticket;

    fn not_agreed(&self, peer: &str, error: &NegotiationError) {
        self.daemon.mta.refused(peer, error);
    }

    fn connect(&self, connection: &Connection) -> Reply {
        // Asked behind the negotiation: this one has granted what is needed.
        self.daemon.mta.agreed();
        match connection.peer {
            Peer::Ip { address, port } if self.daemon.own.contains(address, port) => {
                tracing::debug!(%address, port, "our own release passes");
                Reply::Accept
            }
            _ => Reply::Continue,
        }
    }

    fn mail(&self, envelope: &Envelope) -> Reply {
        if let Err(reply) = text(&envelope.sender) {
            return reply;
        }
        // What could not be held must not be accepted: with a nearly full disk nothing is.
        match self.daemon.store.space() {
            Ok(space) if !space.low() => Reply::Continue,
            Ok(space) => {
                tracing::error!(
                    free_bytes = space.free_bytes,
                    "disk nearly full: mail is deferred"
                );
                refusal(452, "4.3.1", "Insufficient system storage")
            }
            Err(error) => {
                tracing::error!(%error, "free space cannot be told: mail is deferred");
                refusal(452, "4.3.1", "Insufficient system storage")
            }
        }
    }

    fn rcpt(&self, _envelope: &Envelope, recipient: &Path) -> Reply {
        text(recipient).err().unwrap_or(Reply::Continue)
    }

    async fn message(&self, transaction: Transaction) -> Decision<Ticket> {
        let Transaction {
            envelope,
            headers,
            message,
        } = transaction;
        let queue_id = envelope.queue_id().map(lossy);
        let shown = queue_id.as_deref().unwrap_or("-");
        // Before anything is held: what cannot be taken off now cannot be the next time either.
        let settings = &self.daemon.headers;
        let Some(forged) = forged_headers(&headers, &settings.authserv_id) else {
            tracing::warn!(
                queue_id = shown,
                "a forged header field has no name that an MTA knows: refused"
            );
            let reply = refusal(554, "5.6.0", "Header field name is not acceptable");
            return Decision::new(reply, Ticket::Unseen(Answer::Reject));
        };
        let deferred = || Decision::new(Reply::Tempfail, Ticket::Unseen(Answer::Tempfail));
        let Some(_room) = self.daemon.room.take(message.len()).await else {
            tracing::warn!(
                queue_id = shown,
                "no room for the message in time: deferred"
            );
            return deferred();
        };
        let raw: Arc<[u8]> = match message.into_bytes().await {
            Ok(bytes) => bytes.into(),
            Err(error) => {
                tracing::error!(queue_id = shown, %error, "a spilled message cannot be read: deferred");
                return deferred();
            }
        };
        let mail = Mail {
            door: DOOR,
            queue_id,
            envelope: self::envelope(&envelope),
            raw,
        };
        let outcome = self.daemon.filter.take(mail).await;
        decision(outcome, &envelope, forged, settings.add)
    }

    async fn answered(&self, ticket: Ticket, answered: Answered) {
        let (id, queue_id, answer, reply) = match ticket {
            Ticket::Judged {
                id,
                queue_id,
                answer,
                reply,
            } => (id, queue_id, answer, reply),
            Ticket::Unseen(answer) => return self.daemon.counters.answered(answer.as_str()),
        };
        let (counted, said) = match answered {
            Answered::Sent => (answer.as_str(), reply),
            Answered::Replaced(why) => {
                tracing::error!(%id, queue_id, %why, "the decision cannot be expressed: deferred");
                ("tempfail", format!("tempfail ({why})"))
            }
            Answered::Lost(why) => {
                tracing::warn!(%id, queue_id, why, "the answer could not be given");
                ("lost", "lost".to_owned())
            }
        };
        self.daemon.counters.answered(counted);
        self.daemon.filter.answered(&id, &queue_id, said, None);
    }
}

/// Turns an outcome into what the MTA is told.
fn decision(
    outcome: Outcome,
    envelope: &Envelope,
    forged: Vec<Edit>,
    add_headers: bool,
) -> Decision<Ticket> {
    let edits = edits(&outcome, envelope, forged, add_headers);
    let answer = match &edits {
        Some(_) => outcome.disposition.answer,
        // Delivering without the edit would hand the mail to somebody whose copy is held.
        None => {
            let queue_id = envelope.queue_id().map_or_else(|| "-".to_owned(), lossy);
            tracing::error!(id = %outcome.id, queue_id, "a recipient cannot be taken off: deferred");
            Answer::Tempfail
        }
    };
    let (reply, said) = match answer {
        Answer::Accept if outcome.disposition.mta_hold => {
            (Reply::Accept, "accept, and hold it".to_owned())
        }
        Answer::Accept => (Reply::Accept, "accept".to_owned()),
        Answer::Discard => (Reply::Discard, "discard".to_owned()),
        Answer::Reject => refused(550, "5.7.1", &outcome.text, Reply::Reject, "reject"),
        Answer::Tempfail => refused(451, "4.7.1", &outcome.text, Reply::Tempfail, "tempfail"),
    };
    let ticket = if outcome.groups.is_empty() {
        Ticket::Unseen(answer)
    } else {
        Ticket::Judged {
            id: outcome.id,
            queue_id: envelope.queue_id().map_or_else(|| "-".to_owned(), lossy),
            answer,
            reply: said,
        }
    };
    Decision {
        edits: edits.unwrap_or_default(),
        reply,
        ticket,
    }
}

/// What is changed on a mail that is delivered; nothing if a change that must be made cannot be expressed.
fn edits(
    outcome: &Outcome,
    envelope: &Envelope,
    forged: Vec<Edit>,
    add_headers: bool,
) -> Option<Vec<Edit>> {
    let disposition = &outcome.disposition;
    if disposition.answer != Answer::Accept {
        return Some(Vec::new());
    }
    let mut edits = removed_recipients(outcome, envelope)?;
    edits.extend(forged);
    let shown = disposition
        .shown
        .and_then(|index| outcome.groups.get(index));
    if let Some((_, verdict)) = shown.filter(|_| add_headers) {
        edits.extend(own_headers(&outcome.id, verdict)?);
    }
    if disposition.mta_hold {
        let (_, verdict) = shown?;
        edits.push(Edit::Quarantine(hold_reason(&outcome.id, verdict)));
    }
    Some(edits)
}

/// Why the MTA is to hold a mail, for its log; with the id it leads to the verdict.
fn hold_reason(id: &MailId, verdict: &Verdict) -> Reason {
    let what = verdict
        .category
        .map_or(verdict.action.as_str(), |category| category.as_str());
    Reason::sanitised(format!("Postern {id} {what} score {}", verdict.score))
}

fn refused(code: u16, status: &str, text: &str, plain: Reply, word: &str) -> (Reply, String) {
    match ReplyText::sanitised(code, status, text) {
        Ok(reply) => (
            Reply::Custom(reply),
            format!("{word} {code} {status} {text}"),
        ),
        Err(_) => (plain, word.to_owned()),
    }
}

fn refusal(code: u16, status: &str, text: &str) -> Reply {
    ReplyText::sanitised(code, status, text).map_or(Reply::Tempfail, Reply::Custom)
}

/// Takes the recipients off the mail whose copies are held or refused.
fn removed_recipients(outcome: &Outcome, envelope: &Envelope) -> Option<Vec<Edit>> {
    let removed: std::collections::HashSet<&str> = outcome
        .disposition
        .remove
        .iter()
        .filter_map(|&group| outcome.groups.get(group))
        .flat_map(|(rcpts, _)| rcpts.iter().map(String::as_str))
        .collect();
    envelope
        .recipients
        .iter()
        .filter(|path| removed.contains(lossy(&path.address).as_str()))
        .map(|path| Some(Edit::DeleteRecipient(Address::new(&path.address).ok()?)))
        .collect()
}

/// Removes the header fields that claim to be ours; nothing if one of them cannot be named to the MTA.
///
/// An MTA counts the fields of one name in the order in which they were received, whatever its case, those
/// that stay included.
fn forged_headers(headers: &[Header], authserv_id: &str) -> Option<Vec<Edit>> {
    let mut seen: std::collections::HashMap<Vec<u8>, u32> = std::collections::HashMap::new();
    let mut edits = Vec::new();
    for header in headers {
        let name = header.name.trim_ascii_end();
        let occurrence = seen.entry(name.to_ascii_lowercase()).or_default();
        *occurrence += 1;
        if headers::is_ours(name, &header.value, authserv_id) {
            edits.push(Edit::ChangeHeader {
                occurrence: *occurrence,
                name: HeaderName::new(name).ok()?,
                value: None,
            });
        }
    }
    Some(edits)
}

fn own_headers(id: &MailId, verdict: &Verdict) -> Option<Vec<Edit>> {
    let edit = |field: &headers::Field| {
        Some(Edit::AddHeader {
            name: HeaderName::new(field.name()).ok()?,
            value: HeaderValue::new(field.value()).ok()?,
        })
    };
    headers::added(id, verdict).iter().map(edit).collect()
}

fn envelope(envelope: &Envelope) -> MailEnvelope {
    let connection = &envelope.connection;
    let (addr, port) = match connection.peer {
        Peer::Ip { address, port } => (Some(address), port),
        Peer::Unix(_) | Peer::Unknown => (None, 0),
    };
    let value = |name| {
        envelope
            .macros
            .value(name)
            .filter(|v| !v.is_empty())
            .map(lossy)
    };
    // An MTA sends `[address]` for a client without a verified name.
    let name = Some(lossy(&connection.host)).filter(|n| !n.is_empty() && !n.starts_with('['));
    MailEnvelope {
        client: Client {
            addr,
            port,
            name,
            helo: envelope.helo.as_deref().map(lossy),
            tls: value("tls_version"),
            authenticated: value("auth_authen"),
        },
        mail_from: lossy(&envelope.sender.address),
        rcpts: envelope
            .recipients
            .iter()
            .map(|path| lossy(&path.address))
            .collect(),
    }
}

/// Refuses an address that could not be handled later: one that is neither ASCII nor UTF-8 (RFC 6531) could not
/// be journalled and released as it is, one that the milter protocol has no words for could not be taken off
/// a mail.
fn text(path: &Path) -> Result<(), Reply> {
    if std::str::from_utf8(&path.address).is_err() {
        return Err(refusal(553, "5.6.7", "Address is neither ASCII nor UTF-8"));
    }
    if Address::new(&path.address).is_err() {
        return Err(refusal(
            553,
            "5.1.3",
            "Address contains angle brackets or controls",
        ));
    }
    Ok(())
}

fn lossy(bytes: impl AsRef<[u8]>) -> String {
    String::from_utf8_lossy(bytes.as_ref()).into_owned()
}

#[cfg(test)]
mod tests;
