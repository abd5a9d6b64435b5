//! The message.

use memchr::memchr_iter;

use crate::defect::note;
use crate::{Defect, Header, Limits, Mailbox, Part, structure, values};

/// The longest line of RFC 5322 section 2.1.1, without its end.
const MAX_LINE_BYTES: usize = 998;
/// Fields whose mailboxes a message gives out.
const ADDRESS_FIELDS: [&str; 5] = ["cc", "from", "reply-to", "sender", "to"];
/// Fields that may occur once (RFC 5322 section 3.6).
const SINGLETONS: [&str; 10] = [
    "bcc",
    "cc",
    "date",
    "from",
    "in-reply-to",
    "message-id",
    "reply-to",
    "sender",
    "subject",
    "to",
];

/// A message: header fields and body as transmitted, taken apart.
#[derive(Debug, Clone)]
pub struct Message<'x> {
    /// The bytes that were parsed: the input, cut at the limit.
    pub raw: &'x [u8],
    /// The header fields, in order.
    pub headers: Vec<Header<'x>>,
    /// The parts in document order, then the views of ambiguous ones. The first is the root; there
    /// is always one.
    pub parts: Vec<Part<'x>>,
    /// What is wrong with the message as a whole. Parts have their own.
    pub defects: Vec<Defect>,
}

impl<'x> Message<'x> {
    /// Takes a message apart. Never fails: whatever the bytes are, there is at least one part.
    pub fn parse(raw: &'x [u8], limits: &Limits) -> Message<'x> {
        let whole = raw;
        let raw = whole.get(..limits.message_bytes).unwrap_or(whole);
        let mut message =
            values::guarded(|| Message::parsed(raw, limits)).unwrap_or_else(|| Message {
                raw,
                headers: Vec::new(),
                parts: vec![structure::whole(raw)],
                defects: vec![Defect::ParserPanic],
            });
        if raw.len() < whole.len() {
            note(
                &mut message.defects,
                Defect::TruncatedMessage {
                    bound: limits.message_bytes,
                },
            );
        }
        message
    }

    fn parsed(raw: &'x [u8], limits: &Limits) -> Message<'x> {
        let structure = structure::take_apart(raw, limits);
        let headers = structure
            .parts
            .first()
            .map(|root| root.headers.clone())
            .unwrap_or_default();
        let mut defects = structure.defects;
        note_bytes(raw, &mut defects);
        note_duplicates(&headers, &mut defects);
        note_many_addresses(&headers, &mut defects);
        Message {
            raw,
            headers,
            parts: structure.parts,
            defects,
        }
    }

    /// The text of the first Subject field; empty when there is none.
    pub fn subject(&self) -> String {
        self.header("subject").map(Header::text).unwrap_or_default()
    }

    /// The first identifier of the Message-ID field, without angle brackets.
    pub fn message_id(&self) -> Option<String> {
        values::message_id(self.header("message-id")?.raw_value)
    }

    /// The Date field in RFC 3339 form, with the offset that was written. `None` when there is none,
    /// or no such date.
    pub fn date(&self) -> Option<String> {
        values::date(self.header("date")?.raw_value)
    }

    /// The mailboxes of all From fields, groups flattened; at most 2,000, as for the other fields.
    pub fn from(&self) -> Vec<Mailbox> {
        self.mailboxes("from")
    }

    /// The mailboxes of all Reply-To fields.
    pub fn reply_to(&self) -> Vec<Mailbox> {
        self.mailboxes("reply-to")
    }

    /// The mailboxes of all Sender fields.
    pub fn sender(&self) -> Vec<Mailbox> {
        self.mailboxes("sender")
    }

    /// The mailboxes of all To fields.
    pub fn to(&self) -> Vec<Mailbox> {
        self.mailboxes("to")
    }

    /// The mailboxes of all Cc fields.
    pub fn cc(&self) -> Vec<Mailbox> {
        self.mailboxes("cc")
    }

    /// The first header field of this name; the case of ASCII letters does not matter.
    pub fn header(&self, name: &str) -> Option<&Header<'x>> {
        self.headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case(name))
    }

    /// All header fields of this name, in order.
    pub fn headers_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Header<'x>> + 'a {
        self.headers
            .iter()
            .filter(move |header| header.name.eq_ignore_ascii_case(name))
    }

    /// The defects of the message and of all its parts, in document order.
    pub fn all_defects(&self) -> impl Iterator<Item = &Defect> {
        self.defects
            .iter()
            .chain(self.parts.iter().flat_map(|part| &part.defects))
    }

    fn mailboxes(&self, name: &str) -> Vec<Mailbox> {
        let fields = self.headers_named(name);
        fields
            .flat_map(|field| values::mailboxes(field.raw_value))
            .take(values::MAX_MAILBOXES)
            .collect()
    }
}

/// Notes what is odd about the bytes themselves.
fn note_bytes(raw: &[u8], defects: &mut Vec<Defect>) {
    if raw.is_empty() {
        note(defects, Defect::EmptyMessage);
    }
    if memchr::memchr(0, raw).is_some() {
        note(defects, Defect::NulByte);
    }
    let (mut crlf, mut bare_lf, mut start) = (false, false, 0);
    let mut is_long = false;
    for lf in memchr_iter(b'\n', raw) {
        let has_cr = lf > start && raw.get(lf - 1) == Some(&b'\r');
        crlf |= has_cr;
        bare_lf |= !has_cr;
        is_long |= lf - usize::from(has_cr) - start > MAX_LINE_BYTES;
        start = lf + 1;
    }
    if crlf && bare_lf {
        note(defects, Defect::BareLf);
    }
    if is_long || raw.len() - start > MAX_LINE_BYTES {
        note(defects, Defect::LongLine);
    }
    if memchr_iter(b'\r', raw).any(|cr| raw.get(cr + 1) != Some(&b'\n')) {
        note(defects, Defect::BareCr);
    }
}

fn note_duplicates(headers: &[Header<'_>], defects: &mut Vec<Defect>) {
    for name in SINGLETONS {
        if headers
            .iter()
            .filter(|header| header.name == name)
            .nth(1)
            .is_some()
        {
            note(
                defects,
                Defect::DuplicateSingletonHeader {
                    name: name.to_owned(),
                },
            );
        }
    }
}

/// Notes address fields that list more mailboxes than are given out.
fn note_many_addresses(headers: &[Header<'_>], defects: &mut Vec<Defect>) {
    let bound = values::MAX_MAILBOXES;
    for name in ADDRESS_FIELDS {
        let fields = headers.iter().filter(|header| header.name == name);
        let commas = fields.map(|field| memchr_iter(b',', field.raw_value).count() + 1);
        if commas.sum::<usize>() > bound {
            note(defects, Defect::AddressLimit { bound });
        }
    }
}
