//! Departures from the grammar of a message, and bounds that were reached.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What is wrong with a message or a part. Defects are evidence: they never stop the parser.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Defect {
    /// An address field has more mailboxes than the bound; the rest is not listed.
    AddressLimit {
        /// Mailboxes allowed.
        bound: usize,
    },
    /// A carriage return that is not part of CRLF.
    BareCr,
    /// A line feed without carriage return, in a message whose lines otherwise end with CRLF.
    BareLf,
    /// The candidates for the file name of a part differ.
    ConflictingNames,
    /// Delimiter lines that follow the closing delimiter of their multipart.
    ContentAfterClose,
    /// Multiparts are nested deeper than the bound; the innermost was not split.
    DepthLimit {
        /// Nested multiparts allowed.
        bound: usize,
    },
    /// More than one `boundary` value was declared for one multipart.
    DuplicateBoundary,
    /// More than one Content-Disposition field.
    DuplicateContentDisposition,
    /// More than one Content-Type field or value.
    DuplicateContentType,
    /// A header field that may occur once (RFC 5322 section 3.6) occurs more often.
    DuplicateSingletonHeader {
        /// The field name in lower case.
        name: String,
    },
    /// More than one Content-Transfer-Encoding field or value.
    DuplicateTransferEncoding,
    /// Bytes above 127 in a header section.
    EightBitHeader,
    /// The message has no byte at all.
    EmptyMessage,
    /// An RFC 2047 encoded word where none is allowed and programs differ: in a boundary or a
    /// transfer encoding.
    EncodedWordInParameter,
    /// A multipart with a transfer encoding other than 7bit, 8bit or binary (RFC 2045 section 6.4).
    EncodedMultipart,
    /// A `message/external-body` part: its content lies elsewhere.
    ExternalBody,
    /// No line equals a delimiter, so delimiters in the middle of lines were taken.
    FallbackDelimiter,
    /// A header section is larger than the bound; the rest of its fields is not listed.
    HeaderLimit {
        /// Header fields, or bytes, allowed.
        bound: usize,
    },
    /// Text that is not valid in its declared charset.
    InvalidCharset,
    /// A line of a header section that is not a field: no colon, or a name with blanks or controls.
    InvalidHeader,
    /// Blank lines before a header section.
    LeadingBlankLine,
    /// A line longer than 998 bytes (RFC 5322 section 2.1.1).
    LongLine,
    /// Base64 or quoted-printable with bytes that do not belong there.
    MalformedTransferEncoding,
    /// An mbox separator line (`From `) before the header section.
    MboxFromLine,
    /// A `message/partial` part: a fragment that a mail program may join with others.
    MessagePartial,
    /// A multipart without any delimiter of its own.
    MissingDelimiter,
    /// A message without any header field.
    MissingHeaders,
    /// A header section that no blank line ends.
    NoBlankLine,
    /// A file name is longer than the bound; its middle is missing.
    NameLimit {
        /// Bytes allowed.
        bound: usize,
    },
    /// A NUL byte.
    NulByte,
    /// A field has more parameters than the bound; the rest was read in the usual way only.
    ParameterLimit {
        /// Parameters allowed.
        bound: usize,
    },
    /// The parser of a header field or body panicked; the part was taken as plain bytes.
    ParserPanic,
    /// A Content-Transfer-Encoding value that is not one of RFC 2045, but that readers may take for
    /// one: `"base64"`, `base64;`.
    OddTransferEncoding,
    /// The message has more parts than the bound; the rest is one part.
    PartLimit {
        /// Parts allowed.
        bound: usize,
    },
    /// White space between a field name and its colon.
    SpaceBeforeColon,
    /// The message is larger than the bound and was cut.
    TruncatedMessage {
        /// Bytes allowed.
        bound: usize,
    },
    /// Delimiter lines of a boundary that was not declared.
    UndeclaredBoundary,
    /// Content in a transfer encoding that was not declared.
    UndeclaredTransferEncoding,
    /// A charset label that is not known.
    UnknownCharset,
    /// A Content-Transfer-Encoding value that is not one of RFC 2045, nor resembles one.
    UnknownTransferEncoding,
    /// A multipart without closing delimiter.
    Unterminated,
    /// The other readings of ambiguous parts are more, or larger, than the bound; some are missing.
    ViewLimit {
        /// Alternatives, parts, or bytes of views, allowed.
        bound: usize,
    },
}

impl Defect {
    /// The stable name of the kind of defect, in kebab case, as rules and reports show it.
    pub fn code(&self) -> &'static str {
        match self {
            Defect::AddressLimit { .. } => "address-limit",
            Defect::BareCr => "bare-cr",
            Defect::BareLf => "bare-lf",
            Defect::ConflictingNames => "conflicting-names",
            Defect::ContentAfterClose => "content-after-close",
            Defect::DepthLimit { .. } => "depth-limit",
            Defect::DuplicateBoundary => "duplicate-boundary",
            Defect::DuplicateContentDisposition => "duplicate-content-disposition",
            Defect::DuplicateContentType => "duplicate-content-type",
            Defect::DuplicateSingletonHeader { .. } => "duplicate-singleton-header",
            Defect::DuplicateTransferEncoding => "duplicate-transfer-encoding",
            Defect::EightBitHeader => "eight-bit-header",
            Defect::EmptyMessage => "empty-message",
            Defect::EncodedMultipart => "encoded-multipart",
            Defect::EncodedWordInParameter => "encoded-word-in-parameter",
            Defect::ExternalBody => "external-body",
            Defect::FallbackDelimiter => "fallback-delimiter",
            Defect::HeaderLimit { .. } => "header-limit",
            Defect::InvalidCharset => "invalid-charset",
            Defect::InvalidHeader => "invalid-header",
            Defect::LeadingBlankLine => "leading-blank-line",
            Defect::LongLine => "long-line",
            Defect::MalformedTransferEncoding => "malformed-transfer-encoding",
            Defect::MboxFromLine => "mbox-from-line",
            Defect::MessagePartial => "message-partial",
            Defect::MissingDelimiter => "missing-delimiter",
            Defect::MissingHeaders => "missing-headers",
            Defect::NoBlankLine => "no-blank-line",
            Defect::NameLimit { .. } => "name-limit",
            Defect::NulByte => "nul-byte",
            Defect::OddTransferEncoding => "odd-transfer-encoding",
            Defect::ParameterLimit { .. } => "parameter-limit",
            Defect::ParserPanic => "parser-panic",
            Defect::PartLimit { .. } => "part-limit",
            Defect::SpaceBeforeColon => "space-before-colon",
            Defect::TruncatedMessage { .. } => "truncated-message",
            Defect::UndeclaredBoundary => "undeclared-boundary",
            Defect::UndeclaredTransferEncoding => "undeclared-transfer-encoding",
            Defect::UnknownCharset => "unknown-charset",
            Defect::UnknownTransferEncoding => "unknown-transfer-encoding",
            Defect::Unterminated => "unterminated",
            Defect::ViewLimit { .. } => "view-limit",
        }
    }

    /// The bound that was reached, for the defects that are limits.
    pub fn bound(&self) -> Option<usize> {
        match self {
            Defect::AddressLimit { bound }
            | Defect::DepthLimit { bound }
            | Defect::HeaderLimit { bound }
            | Defect::NameLimit { bound }
            | Defect::ParameterLimit { bound }
            | Defect::PartLimit { bound }
            | Defect::TruncatedMessage { bound }
            | Defect::ViewLimit { bound } => Some(*bound),
            _ => None,
        }
    }

    /// Whether mail programs may read the message in more than one way because of this defect.
    pub fn is_ambiguity(&self) -> bool {
        matches!(
            self,
            Defect::ContentAfterClose
                | Defect::DuplicateBoundary
                | Defect::DuplicateContentDisposition
                | Defect::DuplicateContentType
                | Defect::DuplicateTransferEncoding
                | Defect::EncodedMultipart
                | Defect::EncodedWordInParameter
                | Defect::FallbackDelimiter
                | Defect::LeadingBlankLine
                | Defect::MissingDelimiter
                | Defect::OddTransferEncoding
                | Defect::UndeclaredBoundary
        )
    }
}

impl fmt::Display for Defect {
    /// The code, followed by the bound or the field name where there is one: `part-limit (1000)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())?;
        match (self, self.bound()) {
            (Defect::DuplicateSingletonHeader { name }, _) => write!(f, " ({name})"),
            (_, Some(bound)) => write!(f, " ({bound})"),
            _ => Ok(()),
        }
    }
}

/// Adds a defect unless the list has it already, so that a list never grows with the input.
pub(crate) fn note(defects: &mut Vec<Defect>, defect: Defect) {
    if !defects.contains(&defect) {
        defects.push(defect);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reached_bound_is_in_the_text() {
        assert_eq!(Defect::PartLimit { bound: 7 }.to_string(), "part-limit (7)");
        assert_eq!(Defect::BareCr.to_string(), "bare-cr");
    }
}
