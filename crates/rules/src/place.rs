//! Where rules stand, which is what they are run on.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::meta::Group;

/// Which rules: the directory they are in decides what they are run on.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Place {
    /// `rules/file`: every artifact, or with a group (`rules/file/office`) those of the group.
    File(Option<Group>),
    /// `rules/mail`: once per mail, on its visible text.
    Mail,
    /// `rules/raw`: once per mail, on the message as transmitted.
    Raw,
    /// `rules/vendor`: public sets, on every artifact.
    Vendor,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File(None) => f.write_str("file"),
            Place::File(Some(group)) => write!(f, "file/{group}"),
            Place::Mail => f.write_str("mail"),
            Place::Raw => f.write_str("raw"),
            Place::Vendor => f.write_str("vendor"),
        }
    }
}

impl Serialize for Place {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Place {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = String::deserialize(deserializer)?;
        Place::parse(&word).ok_or_else(|| de::Error::custom(format!("unknown place `{word}`")))
    }
}

impl Place {
    /// The place with this name: `mail`, `raw`, `vendor`, `file`, `file/office`.
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "file" => Place::File(None),
            "mail" => Place::Mail,
            "raw" => Place::Raw,
            "vendor" => Place::Vendor,
            _ => Place::File(Some(Group::parse(word.strip_prefix("file/")?)?)),
        })
    }
}
