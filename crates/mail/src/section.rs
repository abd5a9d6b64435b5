//! Header sections: from bytes to fields, and where the body begins.

use memchr::{memchr, memchr2};

use crate::defect::note;
use crate::{Defect, Header, Limits};

/// MIME fields that are still taken after the limit of a section is reached, so that nobody hides an
/// attachment behind a thousand fields.
const MIME_FIELDS_BEYOND_LIMIT: usize = 16;

/// One field may have this share of the bytes of a section, so that none can crowd out the others.
const FIELD_SHARE: usize = 4;

/// A header section.
#[derive(Debug, Default)]
pub(crate) struct Section<'x> {
    pub(crate) fields: Vec<Header<'x>>,
    /// Where the body begins.
    pub(crate) body: usize,
    /// Where the body begins for a reader that ends the section at the first line without colon.
    pub(crate) early_body: Option<usize>,
    /// A carriage return without line feed: some readers end a line there.
    pub(crate) has_bare_cr: bool,
    pub(crate) defects: Vec<Defect>,
}

/// Reads the header section at the start of an entity. `root` is whether the entity is a message.
pub(crate) fn scan<'x>(entity: &'x [u8], root: bool, limits: &Limits) -> Section<'x> {
    let mut scan = Scan {
        entity,
        limits,
        section: Section::default(),
        first_invalid: None,
        trailing_invalid: None,
        has_fields: false,
        kept: 0,
        beyond: 0,
        resumed: 0,
    };
    let start = if root { scan.skip_to_fields() } else { 0 };
    scan.lines(start);
    scan.finish(root)
}

struct Scan<'x, 'l> {
    entity: &'x [u8],
    limits: &'l Limits,
    section: Section<'x>,
    /// Start of the first line that is no field.
    first_invalid: Option<usize>,
    /// Start of the first line that is no field after the last field.
    trailing_invalid: Option<usize>,
    /// There are fields, whether they were kept or not.
    has_fields: bool,
    /// Bytes of the fields that were kept.
    kept: usize,
    /// MIME fields taken beyond the limit.
    beyond: usize,
    /// How often fields went on after a blank line.
    resumed: usize,
}

/// What ended the fields of a section.
enum End {
    BlankLine { body: usize },
    EndOfEntity,
}

impl<'x> Scan<'x, '_> {
    /// Skips what may stand before the first field of a message: an mbox separator, blank lines.
    fn skip_to_fields(&mut self) -> usize {
        let mut at = 0;
        if self.entity.starts_with(b"From ") || self.entity.starts_with(b">From ") {
            note(&mut self.section.defects, Defect::MboxFromLine);
            at = self.line_end(0);
        }
        let start = skip_blank_lines(self.entity, at);
        if start > at && field_name(self.line(start)).is_some() {
            note(&mut self.section.defects, Defect::LeadingBlankLine);
            return start;
        }
        at
    }

    fn lines(&mut self, start: usize) {
        let mut at = start;
        let end = loop {
            if at >= self.entity.len() {
                break End::EndOfEntity;
            }
            let next = self.line_end(at);
            let line = self.entity.get(at..next).unwrap_or_default();
            if is_blank_line(line) || (line.trim_ascii().is_empty() && !self.folds_on(next)) {
                match self.resumes_after_blank(next) {
                    Some(resumed) => {
                        at = resumed;
                        continue;
                    }
                    None => break End::BlankLine { body: next },
                }
            }
            at = self.field(at, next);
        };
        self.section.body = match end {
            End::BlankLine { body } => body,
            End::EndOfEntity => {
                note(&mut self.section.defects, Defect::NoBlankLine);
                self.trailing_invalid.unwrap_or(self.entity.len())
            }
        };
    }

    /// After a blank line the section is over. But where it is about to end without the field that
    /// says what the content is, and exactly this field comes next, the blank line was put there
    /// for a reader to stumble over.
    fn resumes_after_blank(&mut self, after: usize) -> Option<usize> {
        let start = skip_blank_lines(self.entity, after);
        let name = field_name(self.line(start).trim_ascii_start())?;
        let missing = |wanted: &str| {
            name.eq_ignore_ascii_case(wanted.as_bytes())
                && !self.section.fields.iter().any(|field| field.name == wanted)
        };
        if self.resumed >= MIME_FIELDS.len() || !MIME_FIELDS.iter().any(|wanted| missing(wanted)) {
            return None;
        }
        self.resumed += 1;
        note(&mut self.section.defects, Defect::LeadingBlankLine);
        Some(start)
    }

    /// Takes the field whose first line is `at..next`, with its folds. Gives where the next begins.
    fn field(&mut self, at: usize, next: usize) -> usize {
        let mut end = next;
        while matches!(self.entity.get(end), Some(b' ' | b'\t')) {
            let fold_end = self.line_end(end);
            // By the letter a line of white space goes on with the field; readers end the section.
            let fold = self.entity.get(end..fold_end).unwrap_or_default();
            if fold.trim_ascii().is_empty() && !self.folds_on(fold_end) {
                break;
            }
            end = fold_end;
        }
        let field = strip_line_end(self.entity.get(at..end).unwrap_or_default());
        self.note_bytes(field);
        let first_line = self.entity.get(at..next).unwrap_or_default();
        match memchr(b':', first_line) {
            Some(colon) => {
                self.has_fields = true;
                self.trailing_invalid = None;
                self.push(field, colon);
            }
            None => {
                note(&mut self.section.defects, Defect::InvalidHeader);
                self.first_invalid.get_or_insert(at);
                self.trailing_invalid.get_or_insert(at);
            }
        }
        end
    }

    /// Whether fields or folds go on after a line of white space.
    fn folds_on(&self, at: usize) -> bool {
        matches!(self.entity.get(at), Some(b' ' | b'\t')) || field_name(self.line(at)).is_some()
    }

    fn push(&mut self, field: &'x [u8], colon: usize) {
        let (name, value) = field.split_at(colon.min(field.len()));
        let value = value.get(1..).unwrap_or_default();
        let trimmed = name.trim_ascii_end();
        if trimmed.len() < name.len() {
            note(&mut self.section.defects, Defect::SpaceBeforeColon);
        }
        if !is_field_name(trimmed) {
            note(&mut self.section.defects, Defect::InvalidHeader);
        }
        let Some((value, is_over)) = self.within_limit(trimmed, value) else {
            return;
        };
        self.kept = self.kept.saturating_add(trimmed.len() + value.len());
        self.section.fields.push(Header::new(trimmed, value));
        self.beyond += usize::from(is_over);
    }

    /// Cuts a value at the limits of a section; `None` drops the field. The flag is set for a MIME
    /// field that was taken although the limit is reached.
    fn within_limit(&mut self, name: &[u8], value: &'x [u8]) -> Option<(&'x [u8], bool)> {
        let field_bytes = self.limits.header_bytes / FIELD_SHARE;
        let cut = value.get(..field_bytes).unwrap_or(value);
        if cut.len() < value.len() {
            self.note_limit(field_bytes);
        }
        let left = self.limits.header_bytes.saturating_sub(self.kept);
        if self.section.fields.len() >= self.limits.headers {
            self.note_limit(self.limits.headers);
        } else if name.len().saturating_add(cut.len()) > left {
            self.note_limit(self.limits.header_bytes);
        } else {
            return Some((cut, false));
        }
        let is_mime = MIME_FIELDS
            .iter()
            .any(|mime| name.eq_ignore_ascii_case(mime.as_bytes()));
        if !is_mime || self.beyond >= MIME_FIELDS_BEYOND_LIMIT {
            return None;
        }
        let field_bytes = self.limits.header_bytes / MIME_FIELDS_BEYOND_LIMIT;
        Some((value.get(..field_bytes).unwrap_or(value), true))
    }

    fn note_limit(&mut self, bound: usize) {
        note(&mut self.section.defects, Defect::HeaderLimit { bound });
    }

    fn note_bytes(&mut self, field: &[u8]) {
        if !field.is_ascii() {
            note(&mut self.section.defects, Defect::EightBitHeader);
        }
        let mut rest = field;
        while let Some(cr) = memchr(b'\r', rest) {
            if rest.get(cr + 1) != Some(&b'\n') {
                self.section.has_bare_cr = true;
                break;
            }
            rest = rest.get(cr + 1..).unwrap_or_default();
        }
    }

    fn finish(mut self, root: bool) -> Section<'x> {
        let blank_body = self
            .entity
            .get(self.section.body..)
            .unwrap_or_default()
            .trim_ascii()
            .is_empty();
        if !self.has_fields {
            // Text before the blank line, if any, is no header, so it is content.
            self.section.body = self.first_invalid.unwrap_or(self.section.body);
            if root {
                note(&mut self.section.defects, Defect::MissingHeaders);
                self.section.body = 0;
            }
        } else {
            if let Some(at) = self.trailing_invalid.filter(|_| blank_body) {
                self.section.body = at;
            }
            self.section.early_body = self.first_invalid.filter(|&at| at < self.section.body);
        }
        self.section
    }

    fn line_end(&self, at: usize) -> usize {
        memchr(b'\n', self.entity.get(at..).unwrap_or_default())
            .map_or(self.entity.len(), |pos| at + pos + 1)
    }

    fn line(&self, at: usize) -> &'x [u8] {
        self.entity.get(at..self.line_end(at)).unwrap_or_default()
    }
}

/// The fields that say what the content of an entity is.
pub(crate) const MIME_FIELDS: [&str; 3] = [
    "content-type",
    "content-transfer-encoding",
    "content-disposition",
];

/// The name of the field that a line begins, if it is one by the letter of RFC 5322.
pub(crate) fn field_name(line: &[u8]) -> Option<&[u8]> {
    let colon = memchr2(b':', b'\n', line).filter(|&at| line.get(at) == Some(&b':'))?;
    let name = line.get(..colon)?.trim_ascii_end();
    is_field_name(name).then_some(name)
}

fn is_field_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(u8::is_ascii_graphic)
}

/// A line of nothing but its end. `CR CR LF` is one, too: a line end that was converted twice.
fn is_blank_line(line: &[u8]) -> bool {
    line.iter().all(|byte| matches!(byte, b'\r' | b'\n'))
}

fn skip_blank_lines(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    let blank = rest
        .iter()
        .take_while(|byte| matches!(byte, b'\r' | b'\n'))
        .count();
    at + blank
}

fn strip_line_end(field: &[u8]) -> &[u8] {
    let field = field.strip_suffix(b"\n").unwrap_or(field);
    let end = field
        .iter()
        .rposition(|&byte| byte != b'\r')
        .map_or(0, |last| last + 1);
    field.get(..end).unwrap_or_default()
}
