//! What a scan says: hits, and scans that could not tell.

use serde::{Deserialize, Serialize};

use crate::meta::{Category, FloorAction, Stage};

/// Occurrences of one pattern that a hit lists; further ones are left out.
pub const MAX_MATCHES_PER_PATTERN: usize = 8;

/// Occurrences that a hit lists altogether. Rules with lists of hundreds of strings exist, and a
/// hit is written to the journal.
pub const MAX_MATCHES_PER_HIT: usize = 64;

/// Bytes of the scanned data that a match shows.
pub const EXCERPT_BYTES: usize = 64;

/// A rule that matched, and where.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Hit {
    /// Name of the rule.
    pub rule: String,
    /// The file the rule is in, relative to the rules directory; without its extension for our
    /// own rules (`file/office/macros`), with it for public ones (`vendor/acme/a.yar`).
    pub namespace: String,
    /// Points, 0 to 1000; 0 is informational.
    pub score: u32,
    /// What kind of danger the rule speaks of.
    pub category: Category,
    /// The least that must be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<FloorAction>,
    /// Whether the hit counts.
    pub stage: Stage,
    /// What the rule says about itself, in plain words; may be empty for public rules.
    pub description: String,
    /// ATT&CK technique: `T1566.001`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attack: Option<String>,
    /// Where its patterns were found: at most [`MAX_MATCHES_PER_PATTERN`] for each pattern and
    /// [`MAX_MATCHES_PER_HIT`] altogether, in the order of the rule.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub matches: Vec<PatternMatch>,
}

impl Hit {
    /// The name that is unique among all rules: that of the rule, and for a public rule with its
    /// set and a slash before it (`acme/APT_Thing`; within a set the first of equal names).
    pub fn full_name(&self) -> String {
        full_name(&self.namespace, &self.rule)
    }
}

pub(crate) fn full_name(namespace: &str, rule: &str) -> String {
    let mut path = namespace.split('/');
    match (path.next(), path.next()) {
        (Some("vendor"), Some(set)) => format!("{set}/{rule}"),
        _ => rule.to_owned(),
    }
}

/// One place where a pattern was found.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct PatternMatch {
    /// Identifier of the pattern: `$a`.
    pub pattern: String,
    /// Offset in the scanned data, in bytes.
    pub offset: u64,
    /// Length in bytes.
    pub length: u64,
    /// The first [`EXCERPT_BYTES`] bytes: printable ASCII as it is, everything else as `\xNN`,
    /// a backslash as `\\`. Safe on any terminal.
    pub text: String,
}

/// What one scan found, and what it could not tell. Hits stand even where another set failed.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Scan {
    /// The rules that matched, in the order of their sets, files and names.
    pub hits: Vec<Hit>,
    /// Sets of rules that did not come to an end.
    pub failures: Vec<ScanFailure>,
}

/// A set of rules that did not come to an end: its rules have said nothing, neither yes nor no.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, thiserror::Error)]
#[error("rules/{set}: {cause}")]
pub struct ScanFailure {
    /// Which rules: `file`, `file/office`, `raw`, `mail`, `vendor`.
    pub set: String,
    /// What happened: `no result within 10 s`.
    pub cause: String,
}

/// Shows bytes of a mail on a terminal without letting them act on it.
pub(crate) fn excerpt(data: &[u8]) -> String {
    let mut text = String::new();
    for &byte in data.iter().take(EXCERPT_BYTES) {
        match byte {
            b'\\' => text.push_str("\\\\"),
            b' '..=b'~' => text.push(char::from(byte)),
            _ => text.push_str(&format!("\\x{byte:02x}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_never_contains_control_characters_and_is_bounded() {
        let all: Vec<u8> = (0..=255).collect();
        for chunk in all.chunks(16) {
            assert!(excerpt(chunk).bytes().all(|b| (b' '..=b'~').contains(&b)));
        }
        assert_eq!(excerpt(b"\x1b[2J\\ok"), "\\x1b[2J\\\\ok");
        assert_eq!(excerpt(&[b'a'; 1000]).len(), EXCERPT_BYTES);
    }
}
