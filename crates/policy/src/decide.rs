//! The decision.

use crate::{Action, Category, Check, Coverage, Evidence, Hit, Stage, Tenant};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// Why a verdict is what it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Reason {
    /// A live rule gave points, once however often it hit.
    Rule {
        /// Its name.
        rule: String,
        /// Points.
        score: i64,
        /// Its category.
        category: Category,
        /// Where it hit first.
        artifact: String,
    },
    /// The sum of the points reached a threshold.
    Score {
        /// The sum.
        score: i64,
        /// The threshold.
        threshold: i64,
        /// What it asks for.
        action: Action,
    },
    /// A rule asks for at least this action.
    RuleFloor {
        /// Its name.
        rule: String,
        /// What it asks for.
        action: Action,
    },
    /// The tenant asks for at least this action for a category.
    CategoryFloor {
        /// The category.
        category: Category,
        /// What it asks for.
        action: Action,
    },
    /// An artifact was not completely seen.
    Coverage {
        /// Its path.
        artifact: String,
        /// How far it was seen.
        coverage: Coverage,
        /// What that asks for.
        action: Action,
    },
    /// A check could not tell.
    Failure {
        /// Which.
        check: Check,
        /// Why.
        cause: String,
        /// What that asks for.
        action: Action,
    },
    /// The sender is trusted, and what its points and categories asked for was lifted.
    Allowed {
        /// The entry of the allow list.
        entry: String,
        /// The action that was lifted.
        lifted: Action,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Rule {
                rule,
                score,
                category,
                artifact,
            } => {
                write!(f, "{rule} ({category}) hit {artifact}: {score} points")
            }
            Reason::Score {
                score,
                threshold,
                action,
            } => {
                write!(f, "score {score} reaches {threshold}: {action}")
            }
            Reason::RuleFloor { rule, action } => write!(f, "{rule} asks for at least {action}"),
            Reason::CategoryFloor { category, action } => {
                write!(f, "category {category}: at least {action}")
            }
            Reason::Coverage {
                artifact,
                coverage,
                action,
            } => {
                write!(f, "artifact {artifact} is {coverage}: {action}")
            }
            Reason::Failure {
                check,
                cause,
                action,
            } => {
                write!(f, "{} failed ({cause}): {action}", check.as_str())
            }
            Reason::Allowed { entry, lifted } => {
                write!(f, "sender is on the allow list ({entry}): {lifted} lifted")
            }
        }
    }
}

/// What is to happen to a mail for one group of recipients, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// What is to happen.
    pub action: Action,
    /// Sum of the points of the live rules that hit.
    pub score: i64,
    /// The category of the live rules that hit with the most points in sum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<Category>,
    /// Why, in the order in which it was found.
    pub reasons: Vec<Reason>,
    /// The tenant whose policy decided.
    pub tenant: String,
}

/// Decides about a mail for the recipients of one tenant.
///
/// The strongest of what points, floors, coverage and failures ask for wins, with two exceptions.
/// A failure that asks for `tempfail` yields to anything that already withholds the mail, since what
/// was found is enough. And a trusted sender lifts what points and floors ask for, unless a live rule
/// of category `malware` hit.
pub fn decide(evidence: &Evidence, tenant: &Tenant) -> Verdict {
    let mut reasons = Vec::new();
    let counted = counted_rules(&evidence.hits);
    let score = counted
        .iter()
        .fold(0i64, |sum, hit| sum.saturating_add(hit.score));
    for hit in &counted {
        reasons.push(Reason::Rule {
            rule: hit.rule.clone(),
            score: hit.score,
            category: hit.category,
            artifact: hit.artifact.clone(),
        });
    }

    let mut action = opinion(&counted, score, tenant, &mut reasons);
    let malware = counted.iter().any(|hit| hit.category == Category::Malware);
    if action > Action::Accept
        && !malware
        && let Some(entry) = tenant.allow.covers(&evidence.mail_from, &evidence.from)
    {
        reasons.push(Reason::Allowed {
            entry: entry.to_owned(),
            lifted: action,
        });
        action = Action::Accept;
    }
    action = action.max(unseen(evidence, tenant, &mut reasons));
    action = failed(action, evidence, tenant, &mut reasons);

    Verdict {
        action,
        score,
        category: heaviest(&counted),
        reasons,
        tenant: tenant.name.clone(),
    }
}

/// The live hits, each rule once: a mail with ten copies of one attachment is not ten times as bad.
fn counted_rules(hits: &[Hit]) -> Vec<&Hit> {
    let mut seen = std::collections::BTreeSet::new();
    hits.iter()
        .filter(|h| h.stage == Stage::Live && seen.insert(h.rule.as_str()))
        .collect()
}

fn opinion(counted: &[&Hit], score: i64, tenant: &Tenant, reasons: &mut Vec<Reason>) -> Action {
    let mut action = Action::Accept;
    let steps = [
        (tenant.thresholds.reject, Action::Reject),
        (Some(tenant.thresholds.quarantine), Action::Quarantine),
        (Some(tenant.thresholds.tag), Action::Tag),
    ];
    // A mail without points is never acted on by score, even if a threshold is 0 or below.
    if !counted.is_empty() {
        let reached = steps
            .iter()
            .find(|(at, _)| at.is_some_and(|at| score >= at));
        if let Some(&(Some(threshold), asked)) = reached {
            reasons.push(Reason::Score {
                score,
                threshold,
                action: asked,
            });
            action = asked;
        }
    }
    for hit in counted {
        if let Some(asked) = hit.action.filter(|&asked| asked > Action::Accept) {
            reasons.push(Reason::RuleFloor {
                rule: hit.rule.clone(),
                action: asked,
            });
            action = action.max(asked);
        }
    }
    let categories: std::collections::BTreeSet<Category> =
        counted.iter().map(|hit| hit.category).collect();
    for category in categories {
        if let Some(&asked) = tenant.category.get(&category) {
            reasons.push(Reason::CategoryFloor {
                category,
                action: asked,
            });
            action = action.max(asked);
        }
    }
    action
}

fn unseen(evidence: &Evidence, tenant: &Tenant, reasons: &mut Vec<Reason>) -> Action {
    let failing = &tenant.failing;
    let mut action = Action::Accept;
    for unseen in &evidence.unseen {
        let asked = match unseen.coverage {
            Coverage::Full => Action::Accept,
            Coverage::Unsupported => failing.unsupported,
            Coverage::Encrypted => failing.encrypted,
            Coverage::Damaged => failing.damaged,
            Coverage::OverLimit => failing.over_limit,
        };
        if asked > Action::Accept {
            reasons.push(Reason::Coverage {
                artifact: unseen.artifact.clone(),
                coverage: unseen.coverage,
                action: asked,
            });
            action = stronger(action, asked);
        }
    }
    action
}

fn failed(
    action: Action,
    evidence: &Evidence,
    tenant: &Tenant,
    reasons: &mut Vec<Reason>,
) -> Action {
    let failing = &tenant.failing;
    let mut result = action;
    for failure in &evidence.failures {
        let asked = if failing.inspection == Action::Tempfail
            && evidence.failed_tries >= failing.hold_after.max(1)
        {
            Action::Quarantine
        } else {
            failing.inspection
        };
        reasons.push(Reason::Failure {
            check: failure.check,
            cause: failure.cause.clone(),
            action: asked,
        });
        result = stronger(result, asked);
    }
    result
}

/// The stronger of two actions; `tempfail` wins only over what would deliver the mail.
fn stronger(one: Action, other: Action) -> Action {
    match (one, other) {
        (Action::Tempfail, known) | (known, Action::Tempfail) => {
            if known.withholds() {
                known
            } else {
                Action::Tempfail
            }
        }
        _ => one.max(other),
    }
}

fn heaviest(counted: &[&Hit]) -> Option<Category> {
    let mut weights: BTreeMap<Category, i64> = BTreeMap::new();
    for hit in counted {
        let weight = weights.entry(hit.category).or_default();
        *weight = weight.saturating_add(hit.score);
    }
    // Categories are ordered from most to least grave: the graver one wins a tie.
    weights
        .into_iter()
        .max_by(|(a, x), (b, y)| x.cmp(y).then(b.cmp(a)))
        .map(|(category, _)| category)
}

#[cfg(test)]
mod tests;
