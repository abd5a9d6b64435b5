//! The content of a part: the main decoding, and the other ones where readers differ.

use std::borrow::Cow;

use crate::defect::note;
use crate::entity::{Declared, Entity};
use crate::transfer::{Padding, base64, base64_value, quoted_printable, uuencoded};
use crate::{Alternative, Decoding, Defect, NameSource, PartKind, TransferEncoding, values};

/// Other decodings kept of one part.
const MAX_ALTERNATIVES: usize = 4;
/// Lines of base64 in a row that are taken for an encoded block in text that declares none.
const BLOCK_LINES: usize = 2;
/// Length of a line of such a block; encoders write 60 to 76 digits.
const BLOCK_LINE_BYTES: std::ops::RangeInclusive<usize> = 56..=80;

/// A decoded body.
pub(crate) struct Content<'x> {
    pub(crate) encoding: TransferEncoding,
    pub(crate) body: Cow<'x, [u8]>,
    pub(crate) alternatives: Vec<Alternative>,
}

/// Decodes a body as the entity declares, and in every other way that is plausible.
pub(crate) fn decode<'x>(entity: &mut Entity, kind: PartKind, raw: &'x [u8]) -> Content<'x> {
    let encoding = entity.encoding;
    let (body, malformed) = values::transfer_decode(encoding, raw);
    let mut content = Content {
        encoding,
        body,
        alternatives: Vec::new(),
    };
    if malformed {
        note(&mut entity.defects, Defect::MalformedTransferEncoding);
        match encoding {
            TransferEncoding::Base64 => content.push_base64(raw),
            _ => content.push(Decoding::QuotedPrintable, quoted_printable(raw)),
        }
    }
    content.push_declared(entity, raw);
    if matches!(
        encoding,
        TransferEncoding::Identity | TransferEncoding::Unknown
    ) {
        content.push_undeclared(entity, kind, raw);
    }
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
        if let Some(block) = base64_block(raw)
            && !entity.encodings.contains(&Declared::Base64)
        {
            note(&mut entity.defects, Defect::UndeclaredTransferEncoding);
            self.push_base64(block);
        }
    }

    fn push_uuencoded(&mut self, entity: &mut Entity, raw: &[u8]) {
        let mut rest = raw;
        while let Some((block, end)) =
            uuencoded(rest).filter(|_| self.alternatives.len() < MAX_ALTERNATIVES)
        {
            note(&mut entity.defects, Defect::UndeclaredTransferEncoding);
            entity.push_name(NameSource::Embedded, &String::from_utf8_lossy(&block.name));
            self.push(Decoding::Uuencode, block.bytes);
            rest = rest.get(end..).unwrap_or_default();
        }
    }

    fn push_base64(&mut self, raw: &[u8]) {
        self.push(Decoding::Base64, base64(raw, Padding::Restarts));
        if memchr::memchr(b'=', raw.trim_ascii_end().strip_suffix(b"=").unwrap_or(raw)).is_some() {
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
        if !bytes.is_empty() && !known && self.alternatives.len() < MAX_ALTERNATIVES {
            self.alternatives.push(Alternative { how, bytes });
        }
    }
}

/// The first block of base64 lines in a text, to its end.
fn base64_block(text: &[u8]) -> Option<&[u8]> {
    let mut run = 0;
    let mut start = 0;
    let mut at = 0;
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        let digits = line.trim_ascii_end();
        let is_full = BLOCK_LINE_BYTES.contains(&digits.len())
            && digits.iter().all(|&byte| base64_value(byte).is_some());
        if is_full {
            start = if run == 0 { at } else { start };
            run += 1;
        } else if run >= BLOCK_LINES {
            break;
        } else {
            run = 0;
        }
        at += line.len();
    }
    if run < BLOCK_LINES {
        return None;
    }
    // The line that breaks the run is the short last one of the block, padding included.
    let rest = text.get(at..).unwrap_or_default();
    let last = rest
        .split_inclusive(|&byte| byte == b'\n')
        .next()
        .unwrap_or_default();
    let is_last = last
        .trim_ascii_end()
        .iter()
        .all(|&byte| byte == b'=' || base64_value(byte).is_some());
    let end = if is_last { at + last.len() } else { at };
    text.get(start..end)
}
