//! Comparing records and entries with a filter.

use super::keys::{self, By};
use super::terms::{self, Whom};
use crate::{Filter, HeldEntry, VerdictRecord};

/// A filter in the form in which it is compared.
pub(crate) struct Wanted<'f> {
    pub(crate) filter: &'f Filter,
    sender: Option<Whom>,
    rcpt: Option<Whom>,
    subject: Option<String>,
    sha256: Option<String>,
    link_host: Option<String>,
    message_id: Option<&'f str>,
}

impl<'f> Wanted<'f> {
    pub(crate) fn new(filter: &'f Filter) -> Wanted<'f> {
        Wanted {
            filter,
            sender: filter.sender.as_deref().map(Whom::parse),
            rcpt: filter.rcpt.as_deref().map(Whom::parse),
            subject: filter.subject.as_deref().map(terms::lower),
            sha256: filter.sha256.as_deref().map(terms::lower),
            link_host: filter.link_host.as_deref().map(terms::lower),
            message_id: filter.message_id.as_deref().map(terms::bare_message_id),
        }
    }

    /// The lane to walk, from the rarest kind of key to the most common. `by_state` is the lane of
    /// entries if they are looked for.
    pub(crate) fn lane(&self, by_state: Option<Vec<u8>>) -> Vec<u8> {
        let f = self.filter;
        let whom = |whom: &Option<Whom>, whole: By, part: By, wants_whole: bool| match whom {
            Some(Whom::Address(a)) if wants_whole => Some((whole, a.clone())),
            Some(Whom::Domain(d)) if !wants_whole => Some((part, d.clone())),
            _ => None,
        };
        let action = f.action.map(|a| (By::Action, a.as_str().to_owned()));
        let term = f
            .queue_id
            .clone()
            .map(|id| (By::QueueId, id))
            .or_else(|| self.message_id.map(|id| (By::MessageId, id.to_owned())))
            .or_else(|| self.sha256.clone().map(|sha| (By::Sha256, sha)))
            .or_else(|| whom(&self.sender, By::Sender, By::SenderDomain, true))
            .or_else(|| whom(&self.rcpt, By::Rcpt, By::RcptDomain, true))
            .or_else(|| self.link_host.clone().map(|host| (By::LinkHost, host)))
            .or_else(|| whom(&self.sender, By::Sender, By::SenderDomain, false))
            .or_else(|| f.rule.clone().map(|rule| (By::Rule, rule)))
            .or_else(|| whom(&self.rcpt, By::Rcpt, By::RcptDomain, false));
        // Tenants and actions are few: entries are fewer than the mails of most of them.
        let common = || f.tenant.clone().map(|t| (By::Tenant, t)).or(action);
        match (term, by_state) {
            (Some((by, key)), _) => keys::mails_by(by, &key),
            (None, Some(by_state)) => by_state,
            (None, None) => {
                common().map_or_else(keys::all_mails, |(by, key)| keys::mails_by(by, &key))
            }
        }
    }

    /// Whether a record matches as a mail.
    pub(crate) fn mail(&self, record: &VerdictRecord) -> bool {
        let f = self.filter;
        let is_sender = |whom: &Whom| {
            whom.is(&record.mail_from) || record.from.iter().any(|from| whom.is(from))
        };
        let is_rcpt = |whom: &Whom| {
            let groups = record.groups.iter().flat_map(|g| &g.rcpts);
            record.rcpts.iter().chain(groups).any(|r| whom.is(r))
        };
        let any_group = |test: &dyn Fn(&policy::Verdict) -> bool| {
            record.groups.iter().any(|group| test(&group.verdict))
        };
        f.since.is_none_or(|since| record.received >= since)
            && f.until.is_none_or(|until| record.received < until)
            && f.id.as_ref().is_none_or(|id| record.id == *id)
            && self.sender.as_ref().is_none_or(is_sender)
            && self.rcpt.as_ref().is_none_or(is_rcpt)
            && f.tenant
                .as_ref()
                .is_none_or(|t| any_group(&|v| v.tenant == *t))
            && f.action.is_none_or(|a| any_group(&|v| v.action == a))
            && self.content(record)
    }

    /// Whether an entry matches, apart from its envelope. Without a record only what the entry says
    /// itself can match.
    pub(crate) fn entry(&self, held: &HeldEntry, record: Option<&VerdictRecord>) -> bool {
        if !self.asks_record() {
            return true;
        }
        let f = self.filter;
        let sender = self.sender.as_ref().is_none_or(|whom| {
            whom.is(&held.mail_from)
                || record.is_some_and(|r| r.from.iter().any(|from| whom.is(from)))
        });
        let Some(record) = record else {
            let own_sha = |sha: &String| held.sha256.eq_ignore_ascii_case(sha);
            return sender
                && !self.asks_more_than_held()
                && self.sha256.as_ref().is_none_or(own_sha);
        };
        let verdict = record
            .groups
            .iter()
            .find(|g| g.entry.as_ref() == Some(&held.entry))
            .map(|g| &g.verdict);
        let is_verdict = |test: &dyn Fn(&policy::Verdict) -> bool| verdict.is_some_and(test);
        sender
            && f.tenant
                .as_ref()
                .is_none_or(|t| is_verdict(&|v| v.tenant == *t))
            && f.action.is_none_or(|a| is_verdict(&|v| v.action == a))
            && self.content(record)
    }

    fn content(&self, record: &VerdictRecord) -> bool {
        let f = self.filter;
        let has_sha = |sha: &String| {
            record.sha256.eq_ignore_ascii_case(sha)
                || record
                    .artifacts
                    .iter()
                    .any(|a| a.sha256.eq_ignore_ascii_case(sha))
        };
        let message_id = record.message_id.as_deref().map(terms::bare_message_id);
        f.rule
            .as_ref()
            .is_none_or(|rule| record.evidence.hits.iter().any(|hit| hit.rule == *rule))
            && self
                .subject
                .as_ref()
                .is_none_or(|part| terms::lower(&record.subject).contains(part))
            && self.sha256.as_ref().is_none_or(has_sha)
            && self
                .link_host
                .as_ref()
                .is_none_or(|host| record.links.iter().any(|l| terms::lower(&l.host) == *host))
            && (f.queue_id.is_none() || record.queue_id == f.queue_id)
            && (self.message_id.is_none() || message_id == self.message_id)
    }

    /// Whether the envelope of an entry matches, but for its sender.
    pub(crate) fn envelope(&self, held: &HeldEntry) -> bool {
        let f = self.filter;
        f.since.is_none_or(|since| held.received >= since)
            && f.until.is_none_or(|until| held.received < until)
            && f.id.as_ref().is_none_or(|id| held.entry.mail() == id)
            && self
                .rcpt
                .as_ref()
                .is_none_or(|whom| held.rcpts.iter().any(|r| whom.is(r)))
    }

    /// Whether the record of an entry is looked at.
    pub(crate) fn asks_record(&self) -> bool {
        self.sender.is_some() || self.sha256.is_some() || self.asks_more_than_held()
    }

    /// Whether something is asked that only a record can tell.
    fn asks_more_than_held(&self) -> bool {
        let f = self.filter;
        f.rule.is_some()
            || self.subject.is_some()
            || f.tenant.is_some()
            || self.link_host.is_some()
            || f.queue_id.is_some()
            || self.message_id.is_some()
            || f.action.is_some()
    }
}
