//! The content of a part: the main decoding, and the other ones where readers differ.

use std::borrow::Cow;
use std::ops::{Range, RangeInclusive};

use memchr::memmem;

use crate::defect::note;
use crate::entity::{Declared, Entity};
use crate::transfer::{
    Padding, base64, base64_value, escapes, is_quoted_printable, quoted_printable, uuencoded,
};
use crate::{Alternative, Decoding, Defect, NameSource, PartKind, TransferEncoding, values};

/// Other decodings kept of one part.
const MAX_ALTERNATIVES: usize = 4;
/// Lines of base64 in a row that are taken for an encoded block in text that declares none.
const BLOCK_LINES: usize = 2;
/// Length of a line of such a block; encoders write 60 to 76 digits.
const BLOCK_LINE_BYTES: RangeInclusive<usize> = 56..=80;

/// Digits of the shortest text that is taken for base64 as a whole.
const MIN_BASE64_DIGITS: usize = 24;

/// A decoded body.
pub(crate) struct Content<'x> {
    /// The bound that kept an alternative out.
    pub(crate) limit: Option<usize>,
    budget: usize,
    pub(crate) encoding: TransferEncoding,
    pub(crate) body: Cow<'x, [u8]>,
    pub(crate) alternatives: Vec<Alternative>,
}

/// Decodes a body as the entity declares, and in every other way that is plausible, as long as the
/// results fit into `budget` bytes.
pub(crate) fn decode<'x>(
    entity: &mut Entity,
    kind: PartKind,
    raw: &'x [u8],
    budget: &mut usize,
) -> Content<'x> {
    let encoding = entity.encoding;
    let (body, malformed) = values::transfer_decode(encoding, raw);
    let mut content = Content {
        limit: None,
        budget: *budget,
        encoding,
        body,
        alternatives: Vec::new(),
    };
    let malformed = malformed || (encoding == TransferEncoding::Base64 && has_inner_padding(raw));
    if malformed {
        note(&mut entity.defects, Defect::MalformedTransferEncoding);
        match encoding {
            TransferEncoding::Base64 => content.push_base64(raw),
            _ => content.push(Decoding::QuotedPrintable, quoted_printable(raw)),
        }
    }
    if encoding == TransferEncoding::QuotedPrintable && kind == PartKind::Other {
        content.push_escapes(raw);
    }
    content.push_declared(entity, raw);
    if encoding != TransferEncoding::Base64 {
        content.push_undeclared(entity, kind, raw);
    }
    *budget = content.budget;
    content
}

impl Content<'_> {
    /// Adds the results of all encodings that are named, beyond the first.
    fn push_declared(&mut self, entity: &mut Entity, raw: &[u8]) {
        let is_ambiguous = entity.encoding_is_ambiguous();
        for declared in entity.encodings.clone() {
            match declared {
                Declared::Base64 if is_ambiguous => self.push_base64(raw),
                Declared::QuotedPrintable if is_ambiguous => {
                    self.push(Decoding::QuotedPrintable, quoted_printable(raw))
                }
                Declared::Identity if is_ambiguous => self.push(Decoding::Identity, raw.to_vec()),
                _ => {}
            }
        }
    }

    /// Adds what is encoded in a body that does not say so.
    fn push_undeclared(&mut self, entity: &mut Entity, kind: PartKind, raw: &[u8]) {
        self.push_uuencoded(entity, raw);
        if kind == PartKind::Message {
            return;
        }
        if entity.encoding == TransferEncoding::Identity && is_quoted_printable(raw) {
            note(&mut entity.defects, Defect::UndeclaredTransferEncoding);
            self.push(Decoding::QuotedPrintable, quoted_printable(raw));
            self.push_escapes(raw);
        }
        if !entity.encodings.contains(&Declared::Base64) {
            self.push_base64_blocks(entity, raw);
        }
    }

    fn push_base64_blocks(&mut self, entity: &mut Entity, raw: &[u8]) {
        // A PGP signature or a certificate says what it is, and no mail program decodes it.
        let is_armored = memmem::find(raw, b"-----BEGIN ").is_some();
        let mut rest = raw;
        while let Some(block) = base64_block(rest).filter(|_| self.limit.is_none()) {
            if !is_armored {
                note(&mut entity.defects, Defect::UndeclaredTransferEncoding);
            }
            self.push_base64(rest.get(block.clone()).unwrap_or_default());
            rest = rest.get(block.end..).unwrap_or_default();
        }
    }

    fn push_uuencoded(&mut self, entity: &mut Entity, raw: &[u8]) {
        let mut rest = raw;
        while let Some((block, end)) = uuencoded(rest).filter(|_| self.limit.is_none()) {
            rest = rest.get(end..).unwrap_or_default();
            if block.bytes.is_empty() {
                continue;
            }
            note(&mut entity.defects, Defect::UndeclaredTransferEncoding);
            entity.push_name(NameSource::Embedded, &String::from_utf8_lossy(&block.name));
            self.push(Decoding::Uuencode, block.bytes);
        }
    }

    /// Adds what the escapes of quoted-printable alone give. An encoder that escapes every byte
    /// leaves nothing between them that a reader has to keep.
    fn push_escapes(&mut self, raw: &[u8]) {
        let bytes = escapes(raw);
        let graphic = raw.iter().filter(|byte| byte.is_ascii_graphic()).count();
        if bytes.len() * 3 >= graphic / 4 * 3 {
            self.push(Decoding::QuotedPrintableEscapes, bytes);
        }
    }

    fn push_base64(&mut self, raw: &[u8]) {
        self.push(Decoding::Base64, base64(raw, Padding::Restarts));
        if has_inner_padding(raw) {
            self.push(Decoding::Base64UntilPadding, base64(raw, Padding::Ends));
            self.push(
                Decoding::Base64IgnoringPadding,
                base64(raw, Padding::Ignored),
            );
        }
    }

    fn push(&mut self, how: Decoding, bytes: Vec<u8>) {
        let known = *self.body == *bytes
            || self
                .alternatives
                .iter()
                .any(|alternative| alternative.bytes == bytes);
        if bytes.is_empty() || known {
            return;
        }
        if self.alternatives.len() >= MAX_ALTERNATIVES {
            self.limit = Some(MAX_ALTERNATIVES);
            return;
        }
        match self.budget.checked_sub(bytes.len()) {
            Some(left) => {
                self.budget = left;
                self.alternatives.push(Alternative { how, bytes });
            }
            None => self.limit = Some(self.budget),
        }
    }
}

/// The first block of base64 lines in a text, to its end; or the whole text, if it is nothing else.
fn base64_block(text: &[u8]) -> Option<Range<usize>> {
    if is_base64(text) {
        return Some(0..text.len());
    }
    let mut full_lines = 0;
    let mut start = 0;
    let mut at = 0;
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        let end = at + line.len();
        match base64_line(line) {
            Line::Full => {
                start = if full_lines == 0 { at } else { start };
                full_lines += 1;
            }
            Line::Padded if full_lines > 0 => return Some(start..end),
            Line::Short if full_lines >= BLOCK_LINES => return Some(start..end),
            Line::Other if full_lines >= BLOCK_LINES => return Some(start..at),
            _ => full_lines = 0,
        }
        at = end;
    }
    (full_lines >= BLOCK_LINES).then_some(start..text.len())
}

enum Line {
    /// Base64 digits, as many as encoders write.
    Full,
    Other,
    /// Base64 digits with padding.
    Padded,
    /// Base64 digits, fewer.
    Short,
}

fn base64_line(line: &[u8]) -> Line {
    let line = line.trim_ascii_end();
    let digits = line.strip_suffix(b"=").unwrap_or(line);
    let digits = digits.strip_suffix(b"=").unwrap_or(digits);
    match digits.iter().all(|&byte| base64_value(byte).is_some()) {
        false => Line::Other,
        true if digits.is_empty() => Line::Other,
        true if digits.len() < line.len() => Line::Padded,
        true if BLOCK_LINE_BYTES.contains(&line.len()) => Line::Full,
        true => Line::Short,
    }
}

/// Whether base64 goes on after padding. Readers end there, skip it, or start anew.
fn has_inner_padding(base64: &[u8]) -> bool {
    memchr::memchr(b'=', base64).is_some_and(|padding| {
        let rest = base64.get(padding..).unwrap_or_default();
        rest.iter().any(|&byte| base64_value(byte).is_some())
    })
}

/// Whether a text is base64 from start to end, padding included, and not just a word.
fn is_base64(text: &[u8]) -> bool {
    let text = text.trim_ascii();
    let padding = text.iter().rev().take_while(|&&byte| byte == b'=').count();
    let mut digits = 0;
    let digits_only = text
        .get(..text.len() - padding)
        .unwrap_or_default()
        .iter()
        .all(|&byte| {
            digits += usize::from(base64_value(byte).is_some());
            matches!(byte, b'\r' | b'\n') || base64_value(byte).is_some()
        });
    digits_only
        && digits >= MIN_BASE64_DIGITS
        && padding <= 2
        && (digits + padding).is_multiple_of(4)
}
