//! The verdict record: all that is remembered of one mail.

use crate::{EntryId, MailId};
use policy::{Coverage, Evidence, Verdict};
use serde::{Deserialize, Serialize};

/// All that is remembered of one judged mail. It is the payload of a `verdict` event, and what the
/// projection keeps under the mail's id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VerdictRecord {
    /// The mail's id.
    pub id: MailId,
    /// When the mail was complete, milliseconds since 1970-01-01 UTC.
    pub received: i64,
    /// The door it came through: `milter` or `smtp`.
    pub door: String,
    /// The MTA's id, once known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_id: Option<String>,
    /// Who delivered it.
    pub client: ClientRecord,
    /// Reverse-path without angle brackets, empty for the null sender.
    pub mail_from: String,
    /// All forward-paths.
    pub rcpts: Vec<String>,
    /// Addresses of the From field.
    pub from: Vec<String>,
    /// Decoded subject, at most 1 KiB.
    pub subject: String,
    /// Message-ID without angle brackets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// Octets of the message.
    pub size: u64,
    /// SHA-256 of the message as transmitted, hexadecimal.
    pub sha256: String,
    /// The verdicts, one per group of recipients.
    pub groups: Vec<GroupRecord>,
    /// Whether the MTA was asked to hold the mail in its own queue, for all recipients; then there is
    /// no entry.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub held_by_mta: bool,
    /// What the verdicts rest on: enough to replay them.
    pub evidence: Evidence,
    /// What was found inside, containers included.
    pub artifacts: Vec<ArtifactRecord>,
    /// Links, canonical.
    pub links: Vec<LinkRecord>,
    /// Departures from the grammar and limits reached.
    pub defects: Vec<DefectRecord>,
    /// Digest of the rules, empty if no rule was asked.
    pub rules: String,
    /// Digest of the policy.
    pub policy: String,
    /// From the moment a worker took the mail to the verdict, milliseconds.
    pub ms: u64,
}

/// The verdict for the recipients of one tenant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupRecord {
    /// The entry, if the mail is held for this group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<EntryId>,
    /// Forward-paths of this group.
    pub rcpts: Vec<String>,
    /// The verdict.
    pub verdict: Verdict,
}

/// Who delivered a mail.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClientRecord {
    /// IP address.
    pub addr: Option<String>,
    /// Name found by the MTA.
    pub name: Option<String>,
    /// HELO or EHLO argument.
    pub helo: Option<String>,
    /// Authenticated user.
    pub user: Option<String>,
}

/// One artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactRecord {
    /// Its path.
    pub path: String,
    /// Its name, if it has one; text of the sender.
    pub name: Option<String>,
    /// Its type by content.
    #[serde(rename = "type")]
    pub file_type: String,
    /// The type that was declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declared: Option<String>,
    /// Octets.
    pub size: u64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
    /// How completely it was looked into.
    pub coverage: Coverage,
    /// The bound that was reached, or what is broken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// One link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkRecord {
    /// Canonical URL, at most 2 KiB.
    pub url: String,
    /// Host in lower case.
    pub host: String,
    /// Features of the link, in the words of `links`.
    pub flags: Vec<String>,
}

/// One defect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DefectRecord {
    /// Its code, such as `duplicate-content-type`.
    pub code: String,
    /// Path of the part, empty for the message.
    pub path: String,
    /// The bound that was reached, or what was seen.
    pub detail: String,
}
