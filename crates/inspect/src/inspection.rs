//! What an inspection finds.

use rules::Hit;
use serde::{Deserialize, Serialize};
use unpack::Artifact;

/// All that was found in one mail, before anything was looked up.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Inspection {
    /// Decoded subject.
    pub subject: String,
    /// Message-ID without angle brackets.
    pub message_id: Option<String>,
    /// Addresses of the From field.
    pub from: Vec<String>,
    /// SHA-256 of the message as transmitted, hexadecimal.
    pub sha256: String,
    /// Every artifact, containers included.
    pub artifacts: Vec<Artifact>,
    /// Links, each canonical URL once.
    pub links: Vec<Link>,
    /// Departures from the grammar and limits reached.
    pub defects: Vec<Defect>,
    /// Hits of file and raw rules.
    pub hits: Vec<LocatedHit>,
    /// Scans that could not tell.
    pub failures: Vec<Failure>,
    /// What rules see of the mail, protobuf-encoded, for [`crate::Inspector::judge`].
    #[serde(skip)]
    pub facts: Vec<u8>,
    /// The visible text, which mail rules scan.
    #[serde(skip)]
    pub text: String,
}

/// What the mail rules say.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// Hits of mail rules.
    pub hits: Vec<LocatedHit>,
    /// Scans that could not tell.
    pub failures: Vec<Failure>,
}

/// A hit and where it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LocatedHit {
    /// Path of the artifact, `raw` for the message as transmitted, `mail` for the mail as a whole.
    pub artifact: String,
    /// The hit.
    pub hit: Hit,
}

/// A link, and where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Canonical URL.
    pub url: String,
    /// Host, lower case.
    pub host: String,
    /// Registrable domain of the host; empty for addresses.
    pub registrable: String,
    /// Path, from the first `/` after the host on.
    pub path: String,
    /// The text that the reader sees in its place.
    pub text: String,
    /// Where in the artifact it stands: `text`, `html-href` …
    pub context: String,
    /// Path of the artifact.
    pub artifact: String,
    /// What is remarkable about it.
    pub flags: Vec<String>,
}

/// A departure from the grammar, or a limit reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Defect {
    /// Its code, such as `duplicate-content-type`.
    pub code: String,
    /// Path of the part; empty for the message.
    pub path: String,
    /// The bound that was reached, or what was seen.
    pub detail: String,
}

/// A scan that could not tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What failed: `inspection`, `scan` or `judgement`.
    pub check: String,
    /// Why, for the operator.
    pub cause: String,
}
