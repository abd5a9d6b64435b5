//! Values of Content-Type and Content-Disposition, taken apart so leniently that every parameter a
//! reader might see is there, with all its spellings.
//!
//! mail-parser gives the one reading of the RFCs; this module gives the candidates. Ambiguity about
//! them is what most of the published bypasses of mail filters are made of.

use memchr::memchr2;

use crate::lexical::{tokens, without_comments};
use crate::values;

/// Parameters taken from one value. ClamAV allows 256, too; mail-parser's own reading goes further.
pub(crate) const MAX_PARAMETERS: usize = 256;
/// Bytes of one parameter without quotes, which may overlap the next. Above what is kept of a name.
const MAX_VALUE_BYTES: usize = 8 << 10;
/// Spellings collected of one parameter.
const MAX_SPELLINGS: usize = 64;

/// A header field value with parameters.
#[derive(Debug, Default)]
pub(crate) struct Value {
    /// What is before the first parameter, in lower case: `text/html`, `attachment`.
    pub(crate) token: String,
    /// Further values of the same kind in the same field: `text/plain, text/html`.
    pub(crate) more_tokens: Vec<String>,
    /// There are more parameters than were taken.
    pub(crate) is_cut: bool,
    params: Vec<Param>,
    /// How many of them a reader finds that knows comments; the others are what comments hid.
    usual: usize,
}

#[derive(Debug)]
struct Param {
    /// In lower case, without RFC 2231 suffixes.
    name: String,
    /// The section number of `name*1`.
    section: Option<u32>,
    /// `name*` or `name*0*`: charset, language and percent signs.
    extended: bool,
    quoted: bool,
    /// Backslashes of quoted pairs removed.
    value: Vec<u8>,
    /// As between the quotes, where that differs from `value`.
    unescaped: Option<Vec<u8>>,
}

/// One reading of a parameter.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    /// The parameter was written in a form of RFC 2231.
    pub(crate) extended: bool,
    pub(crate) text: String,
}

impl Value {
    /// Takes a value apart. `field` is the name of its field in lower case: a value that repeats it
    /// (`Content-Type: Content-Type: text/html`) is read without.
    pub(crate) fn parse(raw: &[u8], field: &str) -> Value {
        let bytes: Vec<u8> = raw
            .iter()
            .filter(|byte| !matches!(byte, b'\r' | b'\n' | 0))
            .copied()
            .collect();
        let mut bytes = bytes.as_slice();
        while let Some(rest) = strip_field_name(bytes, field) {
            bytes = rest;
        }
        let clean = without_comments(bytes);
        let mut scan = Scan {
            bytes: &clean,
            at: 0,
        };
        let mut tokens = tokens(scan.head());
        let mut value = Value {
            token: tokens.next().unwrap_or_default(),
            more_tokens: tokens.collect(),
            is_cut: false,
            params: scan.by_ref().take(MAX_PARAMETERS).collect(),
            usual: 0,
        };
        value.usual = value.params.len();
        value.is_cut = scan.next().is_some();
        if clean.len() < bytes.len() {
            // Not every reader knows comments.
            let mut scan = Scan { bytes, at: 0 };
            scan.head();
            value.params.extend(scan.take(MAX_PARAMETERS));
        }
        value
    }

    /// All readings of the parameters called `name`: each plain one, each `name*`, and the sections
    /// of RFC 2231 joined in the order of their numbers.
    pub(crate) fn readings(&self, name: &str) -> Vec<Reading> {
        let mut readings = Vec::new();
        for param in self.named(name).filter(|param| param.section.is_none()) {
            let text = match param.extended {
                true => extended_text(&param.value),
                false => plain_text(&param.value),
            };
            push_new(
                &mut readings,
                Reading {
                    extended: param.extended,
                    text,
                },
            );
        }
        if let Some(text) = self.joined(name) {
            push_new(
                &mut readings,
                Reading {
                    extended: true,
                    text,
                },
            );
        }
        readings
    }

    /// The byte strings a reader might take for the parameter called `name`, likeliest first.
    pub(crate) fn spellings(&self, name: &str) -> Vec<Vec<u8>> {
        let mut spellings = Vec::new();
        for param in self.named(name).filter(|param| param.section.is_none()) {
            if spellings.len() < MAX_SPELLINGS {
                param.spell(&mut spellings);
            }
        }
        for reading in self.readings(name) {
            push_new(&mut spellings, reading.text.into_bytes());
        }
        spellings
    }

    /// How many parameters are called `name`; sections of one value count once.
    pub(crate) fn count(&self, name: &str) -> usize {
        let usual = self.params.iter().take(self.usual);
        usual
            .filter(|param| param.name == name && matches!(param.section, None | Some(0)))
            .count()
    }

    fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Param> {
        self.params.iter().filter(move |param| param.name == name)
    }

    fn joined(&self, name: &str) -> Option<String> {
        let mut sections: Vec<&Param> = self
            .named(name)
            .filter(|param| param.section.is_some())
            .collect();
        sections.sort_by_key(|param| param.section);
        // The first of two sections with one number counts, as in most readers.
        sections.dedup_by_key(|param| param.section);
        let first = sections.first()?;
        let (charset, head) = match first.extended {
            true => split_charset(&first.value),
            false => (&b""[..], first.value.as_slice()),
        };
        let mut bytes = Vec::new();
        for (index, param) in sections.iter().enumerate() {
            let value = if index == 0 { head } else { &param.value };
            match param.extended {
                true => percent_decode(value, &mut bytes),
                false => bytes.extend_from_slice(value),
            }
        }
        Some(charset_text(charset, &bytes))
    }
}

impl Param {
    fn new(name: &[u8], quoted: bool, value: Vec<u8>, unescaped: Option<Vec<u8>>) -> Param {
        let mut name = String::from_utf8_lossy(name).into_owned();
        name.make_ascii_lowercase();
        let extended = name.len() > 1 && name.ends_with('*');
        if extended {
            name.pop();
        }
        let section = name
            .split_once('*')
            .and_then(|(_, number)| number.parse().ok());
        if section.is_some()
            && let Some(star) = name.find('*')
        {
            name.truncate(star);
        }
        Param {
            name,
            section,
            extended,
            quoted,
            value,
            unescaped,
        }
    }

    fn spell(&self, spellings: &mut Vec<Vec<u8>>) {
        push_new(spellings, self.value.clone());
        if let Some(unescaped) = &self.unescaped {
            push_new(spellings, unescaped.clone());
        }
        let trimmed = self.value.trim_ascii();
        push_new(spellings, trimmed.to_vec());
        if !self.quoted {
            // Where an unquoted value ends is anyone's guess: at a blank, comma, quote or comment.
            for stop in [&b" \t"[..], b",", b"\"", b"()"] {
                let end = trimmed.iter().position(|byte| stop.contains(byte));
                push_new(
                    spellings,
                    trimmed
                        .get(..end.unwrap_or(trimmed.len()))
                        .unwrap_or_default()
                        .to_vec(),
                );
            }
            let no_quotes: Vec<u8> = trimmed
                .iter()
                .filter(|&&byte| byte != b'"')
                .copied()
                .collect();
            push_new(spellings, no_quotes);
            push_new(spellings, without_comments(trimmed).trim_ascii().to_vec());
        } else if let Some(end) = memchr2(b';', b'"', trimmed) {
            // A quote that is never closed swallows the parameters that follow.
            push_new(spellings, trimmed.get(..end).unwrap_or_default().to_vec());
        }
    }
}

/// The parameters of a value, one after the other.
struct Scan<'v> {
    bytes: &'v [u8],
    at: usize,
}

impl<'v> Scan<'v> {
    /// Passes over what is before the first `;`, or before something that looks like a parameter.
    fn head(&mut self) -> &'v [u8] {
        let end = self.bytes.iter().position(|&byte| byte == b';');
        let head = self
            .bytes
            .get(..end.unwrap_or(self.bytes.len()))
            .unwrap_or_default();
        let head = match head.iter().position(|&byte| byte == b'=') {
            // No semicolon: the word before the `=` is the name of a parameter.
            Some(equals) => {
                let before = head.get(..equals).unwrap_or_default().trim_ascii_end();
                let name = before
                    .iter()
                    .rposition(|byte| matches!(byte, b' ' | b'\t' | b','));
                before.get(..name.unwrap_or(0)).unwrap_or_default()
            }
            None => head,
        };
        self.at = head.len();
        head
    }

    /// A value, and where to go on after it.
    fn value(&mut self) -> (bool, Vec<u8>, Option<Vec<u8>>) {
        if self.bytes.get(self.at) == Some(&b'"') {
            self.at += 1;
            let (value, raw) = self.quoted();
            return (true, value, raw);
        }
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let window = rest.get(..MAX_VALUE_BYTES).unwrap_or(rest);
        let end = window.iter().position(|&byte| byte == b';');
        let value = window
            .get(..end.unwrap_or(window.len()))
            .unwrap_or_default();
        // File names with blanks are common without quotes. But what follows the blank, or a
        // comma, may as well be the next parameter.
        self.skip(|byte| !matches!(byte, b';' | b',' | b' ' | b'\t'));
        (false, value.trim_ascii().to_vec(), None)
    }

    /// The rest of a quoted string: without quoted pairs, and as written if that is different.
    fn quoted(&mut self) -> (Vec<u8>, Option<Vec<u8>>) {
        let start = self.at;
        let mut value = Vec::new();
        let mut end = self.bytes.len();
        while let Some(&byte) = self.bytes.get(self.at) {
            self.at += 1;
            match byte {
                b'"' => {
                    end = self.at - 1;
                    break;
                }
                b'\\' => {
                    if let Some(&escaped) = self.bytes.get(self.at) {
                        value.push(escaped);
                        self.at += 1;
                    }
                }
                _ => value.push(byte),
            }
        }
        let raw = self.bytes.get(start..end).unwrap_or_default();
        let unescaped = (raw != value.as_slice()).then(|| raw.to_vec());
        (value, unescaped)
    }

    fn skip(&mut self, wanted: impl Fn(u8) -> bool) {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        self.at += rest.iter().take_while(|&&byte| wanted(byte)).count();
    }
}

impl Iterator for Scan<'_> {
    type Item = Param;

    fn next(&mut self) -> Option<Param> {
        loop {
            self.skip(|byte| matches!(byte, b';' | b',' | b' ' | b'\t'));
            let start = self.at;
            self.skip(|byte| !matches!(byte, b';' | b',' | b'=' | b' ' | b'\t'));
            let name = self.bytes.get(start..self.at).unwrap_or_default();
            self.skip(|byte| matches!(byte, b' ' | b'\t'));
            match self.bytes.get(self.at) {
                Some(b'=') => {
                    self.at += 1;
                    self.skip(|byte| matches!(byte, b' ' | b'\t'));
                    let (quoted, value, unescaped) = self.value();
                    return Some(Param::new(name, quoted, value, unescaped));
                }
                Some(_) => {}
                None => return None,
            }
        }
    }
}

fn strip_field_name<'v>(value: &'v [u8], field: &str) -> Option<&'v [u8]> {
    let value = value.trim_ascii_start();
    let (name, rest) = value.split_at_checked(field.len())?;
    let rest = rest.trim_ascii_start().strip_prefix(b":")?;
    name.eq_ignore_ascii_case(field.as_bytes()).then_some(rest)
}

/// Text of a plain parameter. RFC 2047 forbids encoded words here; every mail program decodes them.
fn plain_text(value: &[u8]) -> String {
    if memchr::memmem::find(value, b"=?").is_some() {
        return values::text(value);
    }
    values::to_unicode(None, value).0.into_owned()
}

/// Text of `charset'language'percent-encoded` (RFC 2231 section 4).
fn extended_text(value: &[u8]) -> String {
    let (charset, rest) = split_charset(value);
    let mut bytes = Vec::with_capacity(rest.len());
    percent_decode(rest, &mut bytes);
    charset_text(charset, &bytes)
}

fn charset_text(charset: &[u8], bytes: &[u8]) -> String {
    values::from_charset(charset, bytes)
        .unwrap_or_else(|| values::to_unicode(None, bytes).0.into_owned())
}

/// Splits at the first two apostrophes; a third one belongs to the value.
fn split_charset(value: &[u8]) -> (&[u8], &[u8]) {
    let mut pieces = value.splitn(3, |&byte| byte == b'\'');
    match (pieces.next(), pieces.next(), pieces.next()) {
        (Some(charset), Some(_language), Some(rest)) => (charset, rest),
        _ => (b"", value),
    }
}

/// Appends the percent-decoded bytes; what is no escape stays as it is.
fn percent_decode(value: &[u8], out: &mut Vec<u8>) {
    let mut rest = value;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte == b'%'
            && let Some((digits, after)) = tail.split_at_checked(2)
            && let Some(decoded) = crate::transfer::hex_pair(digits)
        {
            out.push(decoded);
            rest = after;
        } else {
            out.push(byte);
        }
    }
}

/// Appends an item unless it is empty or there already.
fn push_new<T: PartialEq + IsBlank>(items: &mut Vec<T>, item: T) {
    if !item.is_blank() && !items.contains(&item) {
        items.push(item);
    }
}

trait IsBlank {
    fn is_blank(&self) -> bool;
}

impl IsBlank for Vec<u8> {
    fn is_blank(&self) -> bool {
        self.is_empty()
    }
}

impl IsBlank for Reading {
    fn is_blank(&self) -> bool {
        self.text.is_empty()
    }
}

#[cfg(test)]
mod tests;
