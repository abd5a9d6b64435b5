//! Senders that a tenant trusts.

use serde::{Deserialize, Serialize};

/// Senders and domains whose mail is delivered in spite of a high score.
///
/// Sender addresses can be forged, so an entry never lifts a hit of category `malware`, a failure,
/// or what follows from coverage.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AllowList {
    /// Whole addresses, `name@example.org`.
    pub senders: Vec<String>,
    /// Domains with all their sub-domains, `example.org`.
    pub domains: Vec<String>,
}

impl AllowList {
    /// The entry that covers this sender: the reverse-path, or the From field if it names exactly
    /// one address (a second address could be smuggled beside a trusted one).
    pub fn covers(&self, mail_from: &str, from: &[String]) -> Option<&str> {
        self.entry_for(mail_from).or_else(|| match from {
            [only] => self.entry_for(only),
            _ => None,
        })
    }

    fn entry_for(&self, address: &str) -> Option<&str> {
        let (_, domain) = address.rsplit_once('@')?;
        let sender = self
            .senders
            .iter()
            .find(|s| s.eq_ignore_ascii_case(address));
        let by_domain = || self.domains.iter().find(|d| is_within(domain, d));
        sender.or_else(by_domain).map(String::as_str)
    }
}

/// Whether `domain` is `parent` or below it, without regard to case or a trailing dot.
pub(crate) fn is_within(domain: &str, parent: &str) -> bool {
    let domain = domain.trim_end_matches('.').as_bytes();
    let parent = parent
        .trim_end_matches('.')
        .trim_start_matches('.')
        .as_bytes();
    if parent.is_empty() || domain.len() < parent.len() {
        return false;
    }
    let (head, tail) = domain.split_at(domain.len() - parent.len());
    tail.eq_ignore_ascii_case(parent) && (head.is_empty() || head.ends_with(b"."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list() -> AllowList {
        AllowList {
            senders: vec!["Boss@partner.example".into()],
            domains: vec!["trusted.example".into()],
        }
    }

    #[test]
    fn a_listed_domain_covers_its_sub_domains_but_not_its_neighbours() {
        let list = list();
        assert_eq!(
            list.covers("a@trusted.example", &[]),
            Some("trusted.example")
        );
        assert_eq!(
            list.covers("a@Mail.Trusted.Example.", &[]),
            Some("trusted.example")
        );
        assert_eq!(list.covers("a@untrusted.example", &[]), None);
        assert_eq!(list.covers("a@trusted.example.evil.test", &[]), None);
    }

    #[test]
    fn a_listed_sender_is_found_in_the_from_field_only_when_it_stands_alone() {
        let list = list();
        let boss = "boss@partner.example".to_owned();
        assert!(
            list.covers("bounce@esp.test", std::slice::from_ref(&boss))
                .is_some()
        );
        assert!(
            list.covers("bounce@esp.test", &[boss, "x@evil.test".into()])
                .is_none()
        );
    }

    #[test]
    fn an_address_without_a_domain_is_never_covered() {
        let list = AllowList {
            senders: vec!["".into()],
            domains: vec!["".into(), ".".into()],
        };
        assert!(list.covers("", &[String::new()]).is_none());
        assert!(list.covers("postmaster", &[]).is_none());
        assert!(list.covers("a@b", &[]).is_none());
    }
}
