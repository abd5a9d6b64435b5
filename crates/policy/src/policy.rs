//! The configured policy: one default and the tenants, each complete in itself.

use crate::allow::is_within;
use crate::{Action, AllowList, Category};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// From how many points on an action is taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thresholds {
    /// Tag from here on; default 40.
    pub tag: i64,
    /// Quarantine from here on; default 80.
    pub quarantine: i64,
    /// Reject from here on; off by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reject: Option<i64>,
}

impl Default for Thresholds {
    fn default() -> Self {
        Thresholds {
            tag: 40,
            quarantine: 80,
            reject: None,
        }
    }
}

/// The action that a counted hit of a category asks for at least. A category that is not named asks
/// for nothing beyond its points.
pub type CategoryActions = BTreeMap<Category, Action>;

/// What follows when something could not be seen or told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failing {
    /// A failed inspection, scan or judgement; default `tempfail`.
    pub inspection: Action,
    /// From this try on a mail that keeps failing is held instead; default 3.
    pub hold_after: u32,
    /// Coverage `over-limit`; default `quarantine`.
    pub over_limit: Action,
    /// Coverage `encrypted`; default `tag`.
    pub encrypted: Action,
    /// Coverage `damaged`; default `tag`.
    pub damaged: Action,
    /// Coverage `unsupported`; default `accept`: recorded, no more.
    pub unsupported: Action,
}

impl Default for Failing {
    fn default() -> Self {
        Failing {
            inspection: Action::Tempfail,
            hold_after: 3,
            over_limit: Action::Quarantine,
            encrypted: Action::Tag,
            damaged: Action::Tag,
            unsupported: Action::Accept,
        }
    }
}

/// What becomes of a mail that is rejected.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rejecting {
    /// Whether a copy is held that can be released; default no. The sender is told no all the same.
    pub keep_copy: bool,
}

impl Rejecting {
    fn is_default(&self) -> bool {
        *self == Rejecting::default()
    }
}

/// An institution, found by the domain of a recipient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tenant {
    /// Its name; `default` for recipients of no configured tenant.
    pub name: String,
    /// Its domains with all their sub-domains; empty for the default.
    #[serde(default)]
    pub domains: Vec<String>,
    /// Points.
    #[serde(default)]
    pub thresholds: Thresholds,
    /// Floors by category.
    #[serde(default)]
    pub category: CategoryActions,
    /// What failing means.
    #[serde(default)]
    pub failing: Failing,
    /// What becomes of rejected mail. Not written while it is the default, so that policies from before
    /// there was this setting keep their digests.
    #[serde(default, skip_serializing_if = "Rejecting::is_default")]
    pub rejecting: Rejecting,
    /// Whom it trusts.
    #[serde(default)]
    pub allow: AllowList,
}

impl Default for Tenant {
    fn default() -> Self {
        Tenant {
            name: "default".to_owned(),
            domains: Vec::new(),
            thresholds: Thresholds::default(),
            category: CategoryActions::from([(Category::Malware, Action::Quarantine)]),
            failing: Failing::default(),
            rejecting: Rejecting::default(),
            allow: AllowList::default(),
        }
    }
}

/// The recipients of one mail that share a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group<'p> {
    /// Their tenant.
    pub tenant: &'p Tenant,
    /// Forward-paths, in the order of the envelope.
    pub rcpts: Vec<String>,
}

/// A complete policy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// For recipients of no tenant.
    pub default: Tenant,
    /// The tenants.
    #[serde(default)]
    pub tenants: Vec<Tenant>,
}

impl Policy {
    /// SHA-256 over the policy's canonical JSON, in hexadecimal: two policies with one digest
    /// decide alike.
    pub fn digest(&self) -> String {
        // Maps are ordered and structures keep their field order, so the text is canonical.
        let json = serde_json::to_vec(self).unwrap_or_default();
        Sha256::digest(json)
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect()
    }

    /// The tenant of a recipient: the one with the longest domain that covers the address, so that
    /// `lab.uni.example` may be another tenant than `uni.example`.
    pub fn tenant_of(&self, rcpt: &str) -> &Tenant {
        let domain = rcpt.rsplit_once('@').map_or("", |(_, domain)| domain);
        self.tenants
            .iter()
            .flat_map(|tenant| tenant.domains.iter().map(move |d| (d, tenant)))
            .filter(|(d, _)| is_within(domain, d))
            .max_by_key(|(d, _)| d.trim_matches('.').len())
            .map_or(&self.default, |(_, tenant)| tenant)
    }

    /// A tenant by its name.
    pub fn tenant_named(&self, name: &str) -> Option<&Tenant> {
        std::iter::once(&self.default)
            .chain(&self.tenants)
            .find(|t| t.name == name)
    }

    /// Splits recipients by tenant, in the order in which the tenants first appear. A mail without
    /// recipients has one group, of the default tenant.
    pub fn groups(&self, rcpts: &[String]) -> Vec<Group<'_>> {
        let mut groups: Vec<Group<'_>> = Vec::new();
        let mut places: BTreeMap<&str, usize> = BTreeMap::new();
        for rcpt in rcpts {
            let tenant = self.tenant_of(rcpt);
            let place = *places.entry(&tenant.name).or_insert_with(|| {
                groups.push(Group {
                    tenant,
                    rcpts: Vec::new(),
                });
                groups.len() - 1
            });
            if let Some(group) = groups.get_mut(place) {
                group.rcpts.push(rcpt.clone());
            }
        }
        if groups.is_empty() {
            groups.push(Group {
                tenant: &self.default,
                rcpts: Vec::new(),
            });
        }
        groups
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(name: &str, domains: &[&str]) -> Tenant {
        Tenant {
            name: name.into(),
            domains: domains.iter().map(|d| (*d).to_owned()).collect(),
            ..Tenant::default()
        }
    }

    #[test]
    fn the_longest_domain_finds_the_tenant() {
        let policy = Policy {
            tenants: vec![
                tenant("uni", &["uni.example"]),
                tenant("lab", &["lab.uni.example"]),
            ],
            ..Policy::default()
        };
        assert_eq!(policy.tenant_of("a@uni.example").name, "uni");
        assert_eq!(policy.tenant_of("a@x.LAB.uni.example").name, "lab");
        assert_eq!(policy.tenant_of("a@other.example").name, "default");
        assert_eq!(policy.tenant_of("postmaster").name, "default");
    }

    #[test]
    fn recipients_are_grouped_by_tenant_in_order_of_appearance() {
        let policy = Policy {
            tenants: vec![tenant("a", &["a.example"]), tenant("b", &["b.example"])],
            ..Policy::default()
        };
        let rcpts: Vec<String> = ["1@b.example", "2@a.example", "3@b.example"]
            .map(String::from)
            .into();
        let groups = policy.groups(&rcpts);
        let shape: Vec<_> = groups
            .iter()
            .map(|g| (g.tenant.name.as_str(), g.rcpts.len()))
            .collect();
        assert_eq!(shape, [("b", 2), ("a", 1)]);
        assert_eq!(policy.groups(&[]).len(), 1);
    }

    #[test]
    fn the_digest_changes_with_every_setting_and_survives_a_round_trip() {
        let one = Policy::default();
        let mut two = one.clone();
        two.default.thresholds.reject = Some(200);
        assert_ne!(one.digest(), two.digest());
        let mut three = two.clone();
        three.default.rejecting.keep_copy = true;
        assert_ne!(two.digest(), three.digest());
        for policy in [two, three] {
            let json = serde_json::to_string(&policy).expect("serialises");
            let back: Policy = serde_json::from_str(&json).expect("parses");
            assert_eq!(back.digest(), policy.digest());
        }
    }

    #[test]
    fn a_policy_of_an_earlier_version_keeps_its_digest() {
        let json = serde_json::to_string(&Policy::default()).expect("serialises");
        assert!(!json.contains("rejecting"), "{json}");
    }
}
