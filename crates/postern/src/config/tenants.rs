//! `[policy]` and `[[tenant]]`, and the policy that they make.

use super::Config;
use policy::{Action, AllowList, CategoryActions, Failing, Policy, Rejecting, Tenant, Thresholds};
use serde::{Serialize, Serializer};

/// `[policy]`: what follows from the opinions of rules, for recipients of no tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct PolicySection {
    /// Tag from this score on; default 40.
    pub tag: i64,
    /// Quarantine from this score on; default 80.
    pub quarantine: i64,
    /// From when on mail is rejected, and what becomes of it. A score or `off` in place of the table is
    /// its `score`.
    pub reject: RejectSection,
    /// At least this action for mails in which a rule of a category hit; default quarantine for
    /// malware. `accept` asks for nothing.
    pub category: CategoryActions,
    /// What follows when something could not be seen or told.
    pub failing: Failing,
    /// Senders that are trusted.
    pub allow: AllowList,
}

/// `[policy.reject]`: rejecting mail.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct RejectSection {
    /// From this score on; default `off`.
    #[serde(serialize_with = "serialize_reject")]
    pub score: Option<i64>,
    /// Whether a copy is held that can be released; default false.
    pub keep_copy: bool,
}

/// `[[tenant]]`: an institution. What it does not say it takes from `[policy]`, key by key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct TenantSection {
    /// Its name, shown in lists and kept in verdicts.
    pub name: String,
    /// Its domains with all their sub-domains.
    pub domains: Vec<String>,
    /// What it does, complete.
    #[serde(flatten)]
    pub policy: PolicySection,
}

impl Default for PolicySection {
    fn default() -> Self {
        let Tenant {
            thresholds,
            category,
            failing,
            rejecting,
            allow,
            ..
        } = Tenant::default();
        let Thresholds {
            tag,
            quarantine,
            reject,
        } = thresholds;
        PolicySection {
            tag,
            quarantine,
            reject: RejectSection {
                score: reject,
                keep_copy: rejecting.keep_copy,
            },
            category,
            failing,
            allow,
        }
    }
}

impl Config {
    /// The policy for `policy::decide`.
    pub(crate) fn policy(&self) -> Policy {
        let tenants = self.tenants.iter();
        Policy {
            default: self.policy.tenant(&Tenant::default().name, &[]),
            tenants: tenants
                .map(|t| t.policy.tenant(&t.name, &t.domains))
                .collect(),
        }
    }
}

impl PolicySection {
    fn tenant(&self, name: &str, domains: &[String]) -> Tenant {
        let asks = |(_, action): &(_, Action)| *action > Action::Accept;
        Tenant {
            name: name.to_owned(),
            domains: domains.to_vec(),
            thresholds: Thresholds {
                tag: self.tag,
                quarantine: self.quarantine,
                reject: self.reject.score,
            },
            // A floor of `accept` only lifts one that would be inherited.
            category: self.category.clone().into_iter().filter(asks).collect(),
            failing: self.failing.clone(),
            rejecting: Rejecting {
                keep_copy: self.reject.keep_copy,
            },
            allow: self.allow.clone(),
        }
    }
}

fn serialize_reject<S: Serializer>(reject: &Option<i64>, s: S) -> Result<S::Ok, S::Error> {
    match reject {
        Some(score) => s.serialize_i64(*score),
        None => s.serialize_str("off"),
    }
}
