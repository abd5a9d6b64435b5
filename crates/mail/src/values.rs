//! The only place that knows mail-parser: values of header fields, transfer encodings, charsets.
//!
//! Every call is guarded: older versions of the parser panicked on corrupted input, and a panic must
//! cost no more than the value it happened in.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use mail_parser::decoders::charsets::Charset;
use mail_parser::{Encoding, HeaderForm};

use crate::{Defect, Mailbox, TransferEncoding};

/// Mailboxes taken from one header section. A mass mailing lists some hundred; each costs four
/// strings, and 256 KiB of header can hold 90,000.
pub(crate) const MAX_MAILBOXES: usize = 2_000;

/// Runs `parse`, giving `None` when it panics.
pub(crate) fn guarded<T>(parse: impl FnOnce() -> T) -> Option<T> {
    // Nothing the closures borrow is used after a panic, so it cannot be seen in a broken state.
    catch_unwind(AssertUnwindSafe(parse)).ok()
}

/// Unstructured text: unfolded, trimmed, encoded words decoded.
pub(crate) fn text(value: &[u8]) -> String {
    guarded(|| {
        HeaderForm::Text
            .parse(value)
            .value()
            .as_text()
            .map(str::to_owned)
    })
    .unwrap_or_else(|| Some(String::from_utf8_lossy(value).trim().to_owned()))
    .unwrap_or_default()
}

/// The mailboxes of an address list, groups flattened; at most `MAX_MAILBOXES`.
pub(crate) fn mailboxes(value: &[u8]) -> Vec<Mailbox> {
    guarded(|| {
        let parsed = HeaderForm::Addresses.parse(value);
        let value = parsed.value();
        let Some(list) = value.as_address() else {
            return Vec::new();
        };
        list.mailboxes()
            .take(MAX_MAILBOXES)
            .map(|mailbox| Mailbox::new(mailbox.name(), mailbox.address().unwrap_or_default()))
            .filter(|mailbox| !mailbox.address.is_empty() || mailbox.display_name.is_some())
            .collect()
    })
    .unwrap_or_default()
}

/// A date in RFC 3339 form; `None` when the value is no date or names none of the calendar.
pub(crate) fn date(value: &[u8]) -> Option<String> {
    guarded(|| {
        let date = HeaderForm::Date.parse(value).value().as_datetime()?;
        date.is_valid().then(|| date.to_rfc3339())
    })?
}

/// The first message identifier, without angle brackets.
pub(crate) fn message_id(value: &[u8]) -> Option<String> {
    guarded(|| {
        let parsed = HeaderForm::MessageIds.parse(value);
        let value = parsed.value();
        let id = match value.as_text_list() {
            Some(list) => list.first(),
            None => value.as_text(),
        };
        id.map(str::to_owned).filter(|id| !id.is_empty())
    })?
}

/// A parameter of a Content-Type or Content-Disposition value, as mail-parser reads it.
pub(crate) fn parameter(value: &[u8], name: &str) -> Option<String> {
    guarded(|| {
        let parsed = HeaderForm::ContentType.parse(value);
        let value = parsed.value();
        value.as_content_type()?.attribute(name).map(str::to_owned)
    })?
}

/// Removes a transfer encoding; `true` when the input was malformed.
pub(crate) fn transfer_decode(encoding: TransferEncoding, bytes: &[u8]) -> (Cow<'_, [u8]>, bool) {
    let encoding = match encoding {
        TransferEncoding::Base64 => Encoding::Base64,
        TransferEncoding::QuotedPrintable => Encoding::QuotedPrintable,
        TransferEncoding::Identity | TransferEncoding::Unknown => {
            return (Cow::Borrowed(bytes), false);
        }
    };
    guarded(|| encoding.decode_checked(bytes)).unwrap_or((Cow::Borrowed(bytes), true))
}

/// Converts text to Unicode, and says what was wrong with it.
///
/// A byte order mark decides, as in browsers. Text of no known charset is UTF-8 if it is valid,
/// else windows-1252, which gives every byte a character and is what most senders of such text meant.
pub(crate) fn to_unicode<'b>(
    label: Option<&str>,
    bytes: &'b [u8],
) -> (Cow<'b, str>, Option<Defect>) {
    // 8-bit text under this label means that nobody chose it.
    let label = label.filter(|label| !label.eq_ignore_ascii_case("us-ascii"));
    let declared = label.and_then(|label| Charset::from_label(label.as_bytes()));
    let unknown = (label.is_some() && declared.is_none()).then_some(Defect::UnknownCharset);
    let charset = match marked_charset(bytes).or(declared) {
        Some(Charset::Utf8) | None => match std::str::from_utf8(bytes) {
            Ok(text) => return (Cow::Borrowed(text.trim_start_matches('\u{feff}')), unknown),
            Err(_) if declared.is_none() => Charset::Windows1252,
            Err(_) => Charset::Utf8,
        },
        Some(charset) => charset,
    };
    match guarded(|| charset.decode_checked(bytes)) {
        Some((text, malformed)) => {
            let invalid = (malformed && label.is_some()).then_some(Defect::InvalidCharset);
            (text, unknown.or(invalid))
        }
        None => (String::from_utf8_lossy(bytes), Some(Defect::ParserPanic)),
    }
}

fn marked_charset(bytes: &[u8]) -> Option<Charset> {
    match bytes {
        [0xef, 0xbb, 0xbf, ..] => Some(Charset::Utf8),
        [0xfe, 0xff, ..] | [0xff, 0xfe, ..] => Some(Charset::Utf16),
        _ => None,
    }
}

/// Converts text to Unicode under exactly this charset; `None` for a label that is not known.
pub(crate) fn from_charset(label: &[u8], bytes: &[u8]) -> Option<String> {
    guarded(|| Some(Charset::from_label(label)?.decode(bytes).into_owned()))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_costs_the_value_only() {
        let quiet = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {}));
        let value: Option<u8> = guarded(|| panic!("a parser that gives up"));
        std::panic::set_hook(quiet);
        assert_eq!(value, None);
    }

    #[test]
    fn groups_and_routes_give_their_mailboxes() {
        let found = mailboxes(b" Team: \"Q. Uoted\" <q@A.Example>, b@b.example;, =?utf-8?q?=C3=BC?= <\"x@y\"@c.example>");
        let found: Vec<(Option<&str>, &str, &str)> = found
            .iter()
            .map(|mailbox| {
                (
                    mailbox.display_name.as_deref(),
                    mailbox.local.as_str(),
                    mailbox.domain.as_str(),
                )
            })
            .collect();
        assert_eq!(
            found,
            [
                (Some("Q. Uoted"), "q", "a.example"),
                (None, "b", "b.example"),
                (Some("ü"), "\"x@y\"", "c.example")
            ]
        );
    }

    #[test]
    fn dates_keep_the_offset_that_was_written() {
        assert_eq!(
            date(b" Tue, 24 Nov 2026 10:00:00 +0100\r\n").as_deref(),
            Some("2026-11-24T10:00:00+01:00")
        );
        assert_eq!(date(b" no date"), None);
    }

    #[test]
    fn the_charset_of_text_is_its_mark_its_label_or_a_guess() {
        let text = |label, bytes| to_unicode(label, bytes).0.into_owned();
        assert_eq!(text(None, "ü".as_bytes()), "ü");
        assert_eq!(text(None, b"\xfc"), "ü");
        assert_eq!(text(Some("us-ascii"), "ü".as_bytes()), "ü");
        assert_eq!(text(Some("utf-8"), b"\xff\xfeh\0i\0"), "hi");
        assert_eq!(text(Some("utf-7"), b"+AKM."), "£.");
        assert_eq!(
            to_unicode(Some("utf-8"), b"\xc0\xaf").1,
            Some(Defect::InvalidCharset)
        );
        assert_eq!(
            to_unicode(Some("x-none"), b"a").1,
            Some(Defect::UnknownCharset)
        );
    }
}
