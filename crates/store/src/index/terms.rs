//! What a record can be found by.

use super::keys::By;
use crate::{HeldEntry, VerdictRecord};
use std::collections::BTreeSet;

/// All terms of a record, each once.
pub(crate) fn of_record(record: &VerdictRecord) -> BTreeSet<(By, String)> {
    let mut terms = BTreeSet::new();
    add_sender(&mut terms, &record.mail_from);
    for from in &record.from {
        add_sender(&mut terms, from);
    }
    for rcpt in &record.rcpts {
        add_rcpt(&mut terms, rcpt);
    }
    for group in &record.groups {
        for rcpt in &group.rcpts {
            add_rcpt(&mut terms, rcpt);
        }
        terms.insert((By::Tenant, group.verdict.tenant.clone()));
        terms.insert((By::Action, group.verdict.action.as_str().to_owned()));
    }
    for hit in &record.evidence.hits {
        terms.insert((By::Rule, hit.rule.clone()));
    }
    terms.insert((By::Sha256, lower(&record.sha256)));
    for artifact in &record.artifacts {
        terms.insert((By::Sha256, lower(&artifact.sha256)));
    }
    for link in &record.links {
        terms.insert((By::LinkHost, lower(&link.host)));
    }
    if let Some(id) = &record.queue_id {
        terms.insert((By::QueueId, id.clone()));
    }
    if let Some(id) = &record.message_id {
        terms.insert((By::MessageId, bare_message_id(id).to_owned()));
    }
    terms
}

/// The terms of a held mail of which there may be no record.
pub(crate) fn of_held(held: &HeldEntry) -> BTreeSet<(By, String)> {
    let mut terms = BTreeSet::new();
    add_sender(&mut terms, &held.mail_from);
    for rcpt in &held.rcpts {
        add_rcpt(&mut terms, rcpt);
    }
    terms.insert((By::Sha256, lower(&held.sha256)));
    terms
}

/// An address, or all of a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Whom {
    Address(String),
    Domain(String),
}

impl Whom {
    /// `a@example.org` is an address, `@example.org` and `example.org` are domains.
    pub(crate) fn parse(text: &str) -> Whom {
        let text = lower(text.trim());
        match text.rsplit_once('@') {
            Some((local, _)) if !local.is_empty() => Whom::Address(text),
            Some((_, domain)) => Whom::Domain(domain.to_owned()),
            None => Whom::Domain(text),
        }
    }

    pub(crate) fn is(&self, address: &str) -> bool {
        let address = lower(address);
        match self {
            Whom::Address(wanted) => address == *wanted,
            Whom::Domain(wanted) => domain(&address) == wanted,
        }
    }
}

pub(crate) fn bare_message_id(id: &str) -> &str {
    id.trim().trim_start_matches('<').trim_end_matches('>')
}

pub(crate) fn lower(text: &str) -> String {
    text.to_lowercase()
}

/// What is behind the last `@`; an address without one, such as `postmaster`, is found as a domain.
fn domain(address: &str) -> &str {
    address
        .rsplit_once('@')
        .map_or(address, |(_, domain)| domain)
}

fn add_sender(terms: &mut BTreeSet<(By, String)>, address: &str) {
    add(terms, By::Sender, By::SenderDomain, address);
}

fn add_rcpt(terms: &mut BTreeSet<(By, String)>, address: &str) {
    add(terms, By::Rcpt, By::RcptDomain, address);
}

fn add(terms: &mut BTreeSet<(By, String)>, whole: By, part: By, address: &str) {
    let address = lower(address);
    terms.insert((part, domain(&address).to_owned()));
    terms.insert((whole, address));
}
