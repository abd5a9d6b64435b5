//! Parts: the MIME entities of a message.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::{Defect, Header, undeclared, values};

/// A MIME entity (RFC 2045), or another stretch of a message that a reader may come to see.
#[derive(Debug, Clone)]
pub struct Part<'x> {
    /// Where the part stands: `1` is the root, `1.2` its second child. A preamble is `1.preamble`,
    /// an epilogue `1.epilogue`, the second reading of an ambiguous part `1.2b`. Unique in a message.
    pub path: String,
    /// Index of the enclosing part in `Message::parts`, and for a view of the part that it reads
    /// another way. Smaller than the part's own index; `None` for the root only.
    pub parent: Option<usize>,
    /// Number of enclosing parts; 0 for the root.
    pub depth: usize,
    /// What the content is.
    pub kind: PartKind,
    /// What the part is for.
    pub role: PartRole,
    /// The header fields of the part, in order. The root shares those of the message.
    pub headers: Vec<Header<'x>>,
    /// Media type in lower case, `text/html`; where none is declared, the default of RFC 2045
    /// section 5.2 (in a digest: RFC 2046 section 5.1.5).
    pub declared_type: String,
    /// The declared charset, in lower case.
    pub charset: Option<String>,
    /// The disposition type in lower case: `attachment`, `inline`, or what else is written.
    pub disposition: Option<String>,
    /// The Content-ID without angle brackets.
    pub content_id: Option<String>,
    /// All candidates for the file name. Attacker text: decoded, never sanitised, bounded in length
    /// and number. Must not become a path, a command, markup or terminal output as it is.
    pub names: Vec<PartName>,
    /// The transfer encoding that `body` was decoded with.
    pub encoding: TransferEncoding,
    /// The decoded content; empty for a multipart, whose content is in its children.
    pub body: Cow<'x, [u8]>,
    /// The content as transmitted, without the line end before the next delimiter.
    pub raw_body: &'x [u8],
    /// Other plausible decodings of the content. At most four, each at most as long as `raw_body`.
    pub alternatives: Vec<Alternative>,
    /// What is wrong with this part.
    pub defects: Vec<Defect>,
}

/// What the content of a part is, by its declared type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PartKind {
    /// `text/html` and `application/xhtml+xml`.
    Html,
    /// A nested message, opaque here.
    Message,
    /// A container of parts.
    Multipart,
    /// Anything else.
    Other,
    /// `text/*` other than HTML.
    Text,
}

/// What a part is for in its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PartRole {
    /// A mail program would offer it to save.
    Attachment,
    /// Text that a mail program shows.
    Body,
    /// Text after the closing delimiter of a multipart.
    Epilogue,
    /// Shown inside the body: an image of a `multipart/related`, or disposition `inline`.
    Inline,
    /// A container of parts.
    Multipart,
    /// What was left when the part limit was reached.
    Other,
    /// Text before the first delimiter of a multipart.
    Preamble,
    /// Bytes of another part, read another way.
    View,
}

/// A candidate for the file name of a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartName {
    /// Where it was found.
    pub source: NameSource,
    /// The decoded text.
    pub text: String,
}

/// Where a candidate for a file name was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NameSource {
    /// `filename` of Content-Disposition.
    Filename,
    /// `filename*` or `filename*0` of Content-Disposition (RFC 2231).
    FilenameExtended,
    /// `name` of Content-Type.
    Name,
    /// `name*` or `name*0` of Content-Type (RFC 2231).
    NameExtended,
    /// The `begin` line of a uuencoded block in the content.
    Embedded,
}

/// How a body was decoded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TransferEncoding {
    /// `7bit`, `8bit`, `binary`, or nothing declared: the body is as transmitted.
    #[default]
    Identity,
    /// `quoted-printable`.
    QuotedPrintable,
    /// `base64`.
    Base64,
    /// A value that is not one of RFC 2045; the body is as transmitted.
    Unknown,
}

/// Another plausible decoding of the content of a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alternative {
    /// What was done to the transmitted bytes.
    pub how: Decoding,
    /// The result.
    pub bytes: Vec<u8>,
}

/// What was done to the transmitted bytes for an [`Alternative`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decoding {
    /// Base64 that skips foreign bytes and starts anew after padding.
    Base64,
    /// Base64 that takes padding for a foreign byte.
    Base64IgnoringPadding,
    /// Base64 that ends at the first padding.
    Base64UntilPadding,
    /// Nothing: the bytes as transmitted.
    Identity,
    /// Quoted-printable that accepts blanks and odd line ends in soft breaks.
    QuotedPrintable,
    /// The escapes of quoted-printable alone.
    QuotedPrintableEscapes,
    /// A uuencoded block.
    Uuencode,
}

impl Part<'_> {
    /// The text of a text or HTML part, converted to Unicode by its charset; HTML without one may
    /// name it in a `<meta>` element. What is not valid in the charset is replaced. `None` for other
    /// kinds.
    pub fn text(&self) -> Option<String> {
        matches!(self.kind, PartKind::Text | PartKind::Html).then(|| self.unicode().0.into_owned())
    }

    /// The body as text, and what is wrong with it.
    pub(crate) fn unicode(&self) -> (Cow<'_, str>, Option<Defect>) {
        match (&self.charset, self.kind) {
            (None, PartKind::Html) => {
                values::to_unicode(undeclared::meta_charset(&self.body).as_deref(), &self.body)
            }
            (charset, _) => values::to_unicode(charset.as_deref(), &self.body),
        }
    }

    /// The name that most mail programs would show: the extended forms before the plain ones, the
    /// disposition before the type.
    pub fn best_name(&self) -> Option<&str> {
        let of = |source| self.names.iter().find(|name| name.source == source);
        of(NameSource::FilenameExtended)
            .or_else(|| of(NameSource::Filename))
            .or_else(|| of(NameSource::NameExtended))
            .or_else(|| of(NameSource::Name))
            .or_else(|| of(NameSource::Embedded))
            .map(|name| name.text.as_str())
    }

    /// Whether a mail program would offer the part to save.
    pub fn is_attachment(&self) -> bool {
        self.role == PartRole::Attachment
            || (self.role == PartRole::Inline && !self.names.is_empty())
    }
}
