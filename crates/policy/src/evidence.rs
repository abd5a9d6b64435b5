//! What is known about a mail when it is judged.

use crate::{Action, Category, Coverage, Stage};
use serde::{Deserialize, Serialize};

/// A rule that matched, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hit {
    /// The rule's name, with its name space in front if it belongs to a public rule set.
    pub rule: String,
    /// Points.
    pub score: i64,
    /// The kind of danger.
    pub category: Category,
    /// At least this action, if the rule asks for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<Action>,
    /// Whether it counts.
    pub stage: Stage,
    /// Path of the artifact (`1.2/1`), `raw` for the message as transmitted, `mail` for the mail as
    /// a whole.
    pub artifact: String,
    /// The rule's description, in plain words.
    #[serde(default)]
    pub description: String,
    /// ATT&CK technique id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attack: Option<String>,
    /// What matched; a bounded number of places.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub matches: Vec<PatternMatch>,
}

/// One place where a pattern of a rule matched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatternMatch {
    /// The pattern's identifier, such as `$mz`.
    pub pattern: String,
    /// Octets from the start of the artifact.
    pub offset: u64,
    /// Octets.
    pub length: u64,
    /// The start of what matched, with everything unprintable escaped.
    pub text: String,
}

/// The checks that can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// Taking the mail apart: the worker died, or ran out of time or memory.
    Inspection,
    /// One scan: it ran out of time.
    Scan,
    /// Running the mail rules.
    Judgement,
}

impl Check {
    /// The text form.
    pub fn as_str(self) -> &'static str {
        match self {
            Check::Inspection => "inspection",
            Check::Scan => "scan",
            Check::Judgement => "judgement",
        }
    }
}

/// A check that could not tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Which check.
    pub check: Check,
    /// Why, for the operator.
    pub cause: String,
}

/// An artifact that was not completely looked into.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unseen {
    /// Its path.
    pub artifact: String,
    /// How far it was seen.
    pub coverage: Coverage,
    /// The bound that was reached, or what is broken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// All that a verdict depends on, beside the policy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Rules that matched, live and shadow.
    pub hits: Vec<Hit>,
    /// Artifacts whose coverage is not full.
    pub unseen: Vec<Unseen>,
    /// Checks that could not tell.
    pub failures: Vec<Failure>,
    /// How often this mail has failed inspection, this time included; 0 if it did not fail.
    pub failed_tries: u32,
    /// Reverse-path, without angle brackets; empty for the null sender.
    pub mail_from: String,
    /// Addresses of the From field.
    pub from: Vec<String>,
}
