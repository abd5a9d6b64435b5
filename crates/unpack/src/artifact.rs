use std::fmt;

use serde::{Deserialize, Serialize};

use crate::filetype::FileType;
use crate::unpacked::HtmlFeatures;

/// Longest name kept of an artifact, in bytes. No file system takes more than 255 or so; what is longer is an
/// attack on whoever shows it.
pub(crate) const MAX_NAME_BYTES: usize = 1024;
/// Names kept of one artifact.
pub(crate) const MAX_NAMES: usize = 16;
/// Longest detail, in bytes.
const MAX_DETAIL_BYTES: usize = 512;

/// A piece of content to scan: a part of the mail, or something found inside one.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Artifact {
    /// Where it was found. `1.2` is a part; `1.2/3` the third member inside it; `1.2/3/1.1` a part of the mail
    /// that member is; `1.2~1` the first alternative decoding of the part. Made by us from ASCII letters,
    /// digits and `. / ~`, so that it is safe to print. Unique in a mail.
    pub path: String,
    /// Index of the artifact it was found in; `None` for a part of the mail itself.
    pub parent: Option<usize>,
    /// The name most programs would show. Attacker text: decoded, **not sanitised**, at most 1 KiB. Must
    /// not become a path, a command, markup or terminal output as it is.
    pub name: Option<String>,
    /// All candidates for the name, the best one first; at most 16.
    pub names: Vec<String>,
    /// The media type that the mail declares for a part.
    pub declared_type: Option<String>,
    /// What the content is, by the content.
    pub file_type: FileType,
    /// Bytes of the content as given to the sink.
    pub size: u64,
    /// SHA-256 of those bytes, in lower-case hex.
    pub sha256: String,
    /// Number of artifacts around it; 0 for a part of the mail itself.
    pub depth: u32,
    /// How it was come by.
    pub origin: Origin,
    /// A mail program would offer it to save. What is found inside an attachment is one too.
    pub attachment: bool,
    /// How completely it was looked into. Its own content only: what was found inside has its own coverage.
    pub coverage: Coverage,
    /// What stands behind a coverage other than full, and what is odd about the container. Fixed words and
    /// numbers, no attacker text.
    pub detail: Option<String>,
    /// The content, or some of the content inside, is encrypted.
    pub encrypted: bool,
    /// What an HTML document consists of.
    pub html: Option<Box<HtmlFeatures>>,
}

impl Artifact {
    /// Records how completely the artifact was looked into. The worst coverage stays; all details do, up to
    /// a bound.
    pub(crate) fn note(&mut self, coverage: Coverage, detail: &str) {
        self.coverage = self.coverage.max(coverage);
        self.encrypted |= coverage == Coverage::Encrypted;
        let known = self.detail.as_deref().unwrap_or_default();
        if detail.is_empty() || known.split("; ").any(|part| part == detail) {
            return;
        }
        if known.len() + detail.len() <= MAX_DETAIL_BYTES {
            let separator = if known.is_empty() { "" } else { "; " };
            self.detail = Some(format!("{known}{separator}{detail}"));
        }
    }
}

/// How completely an artifact was looked into. In order of severity.
#[derive(
    Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Coverage {
    /// Completely.
    #[default]
    Full,
    /// It is a container of a kind, or compressed in a way, that is not opened.
    Unsupported,
    /// Part of it could not be read, or contradicts itself. What could be read was.
    Damaged,
    /// It needs a password.
    Encrypted,
    /// A bound was reached.
    OverLimit,
}

impl Coverage {
    /// The word used in rules and output.
    pub fn name(self) -> &'static str {
        match self {
            Coverage::Full => "full",
            Coverage::Unsupported => "unsupported",
            Coverage::Damaged => "damaged",
            Coverage::Encrypted => "encrypted",
            Coverage::OverLimit => "over-limit",
        }
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How an artifact was come by.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// Another plausible decoding of a part.
    Alternative,
    /// The content of a `data:` URL in a document.
    DataUrl,
    /// What a compressed stream decompresses to.
    Decompressed,
    /// A member of an archive.
    Member,
    /// A part of the mail, or of a mail inside it.
    Part,
}

impl Origin {
    /// The word used in rules and output.
    pub fn name(self) -> &'static str {
        match self {
            Origin::Alternative => "alternative",
            Origin::DataUrl => "data-url",
            Origin::Decompressed => "decompressed",
            Origin::Member => "member",
            Origin::Part => "part",
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Who scans the artifacts.
pub trait Sink {
    /// Is given every artifact exactly once, after what is inside it, so that its coverage is known. The bytes
    /// are gone when this returns.
    ///
    /// The bytes are empty where the content could not be read at all (an encrypted member), and a prefix
    /// where a bound was reached.
    fn artifact(&mut self, artifact: &Artifact, bytes: &[u8]);
}
