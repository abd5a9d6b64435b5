//! The closed vocabularies of a verdict. Their text forms are the same in rules, configuration,
//! journal, JSON output and documentation.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A word that is not in one of the vocabularies.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is not one of: {expected}")]
pub struct UnknownWord {
    /// The word as it was given.
    pub word: String,
    /// All valid words.
    pub expected: String,
}

macro_rules! vocabulary {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $text)] $variant,)+
        }

        impl $name {
            /// All words, in order.
            pub const ALL: &[$name] = &[$($name::$variant,)+];

            /// The text form.
            pub fn as_str(self) -> &'static str {
                match self {
                    $($name::$variant => $text,)+
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;

            fn from_str(word: &str) -> Result<Self, UnknownWord> {
                $name::ALL.iter().copied().find(|v| v.as_str() == word).ok_or_else(|| UnknownWord {
                    word: word.to_owned(),
                    expected: [$($text),+].join(", "),
                })
            }
        }
    };
}

vocabulary! {
    /// What is to happen to a mail, from mildest to strongest.
    ///
    /// `Tempfail` is ordered last, but never competes with the others: it only follows from a
    /// failure, and only if nothing already asks for at least `Quarantine` (see [`crate::decide`]).
    Action {
        /// Deliver.
        Accept = "accept",
        /// Deliver with a header that says so.
        Tag = "tag",
        /// Hold, and tell the sender that it was accepted.
        Quarantine = "quarantine",
        /// Refuse with a permanent error.
        Reject = "reject",
        /// Accept and destroy.
        Discard = "discard",
        /// Refuse with a temporary error; the sender tries again.
        Tempfail = "tempfail",
    }
}

impl Action {
    /// Whether the recipient does not get the mail (now).
    pub fn withholds(self) -> bool {
        self >= Action::Quarantine
    }
}

vocabulary! {
    /// What kind of danger a rule speaks of.
    Category {
        /// Code that harms, or a file that cannot be wanted by mail.
        Malware = "malware",
        /// Tries to make the reader give away credentials or money.
        Phishing = "phishing",
        /// Pretends to come from somebody else.
        Spoof = "spoof",
        /// Unsolicited bulk mail.
        Spam = "spam",
        /// Against the rules of the house, without being dangerous as such.
        Policy = "policy",
        /// Built so that filters do not see it.
        Evasion = "evasion",
        /// Worth a look.
        Suspicious = "suspicious",
    }
}

vocabulary! {
    /// Whether a rule's hits count.
    Stage {
        /// Counted.
        Live = "live",
        /// Recorded and shown, never counted.
        Shadow = "shadow",
    }
}

vocabulary! {
    /// How completely an artifact was looked into, from best to worst.
    Coverage {
        /// Everything in it was seen.
        Full = "full",
        /// A container of a kind that is not opened.
        Unsupported = "unsupported",
        /// Encrypted, and no key was found.
        Encrypted = "encrypted",
        /// Broken, so that a part of it could not be read.
        Damaged = "damaged",
        /// A limit was reached before the end.
        OverLimit = "over-limit",
    }
}
