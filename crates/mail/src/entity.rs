//! What the header fields of an entity say about its content, with all candidates where they
//! disagree.

use crate::defect::note;
use crate::lexical::{tokens, without_comments};
use crate::params::{MAX_PARAMETERS, Value};
use crate::section::{MIME_FIELDS, Section, field_name};
use crate::{Defect, Header, NameSource, PartName, TransferEncoding, values};

/// Candidates for the boundary of one multipart.
const MAX_BOUNDARIES: usize = 8;
/// Candidates for the media type of one part.
const MAX_TYPES: usize = 4;
/// Candidates for the file name of one part.
const MAX_NAMES: usize = 16;
/// Bytes of a file name. File systems allow 255.
const MAX_NAME_BYTES: usize = 5 << 10;
/// Bytes that are kept from the end of a longer one, because its extension is there.
const NAME_TAIL_BYTES: usize = 1024;

/// A way to decode a body that some header field names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Declared {
    Base64,
    Identity,
    QuotedPrintable,
    Uuencode,
}

/// What an entity is declared to be.
#[derive(Debug, Default)]
pub(crate) struct Entity {
    /// Media types, likeliest first; never empty.
    pub(crate) types: Vec<String>,
    /// Boundary candidates, likeliest first.
    pub(crate) boundaries: Vec<Vec<u8>>,
    /// The transfer encoding for the main reading of the body.
    pub(crate) encoding: TransferEncoding,
    /// All encodings that are named, in the order of their fields.
    pub(crate) encodings: Vec<Declared>,
    pub(crate) charset: Option<String>,
    pub(crate) disposition: Option<String>,
    pub(crate) content_id: Option<String>,
    pub(crate) names: Vec<PartName>,
    pub(crate) defects: Vec<Defect>,
}

impl Entity {
    /// Reads the fields of a section. `default_type` is the media type where none is declared.
    pub(crate) fn read(section: &Section<'_>, default_type: &str) -> Entity {
        let mut entity = Entity::default();
        let types = mime_values(section, "content-type");
        let encodings = mime_values(section, "content-transfer-encoding");
        let dispositions = mime_values(section, "content-disposition");
        entity.read_types(&types);
        entity.read_encodings(&encodings);
        entity.read_dispositions(&dispositions);
        entity.content_id = section
            .fields
            .iter()
            .find(|field| field.name == "content-id")
            .and_then(|field| values::message_id(field.raw_value));
        if entity.types.is_empty() {
            entity.types.push(default_type.to_owned());
        }
        if entity
            .names
            .iter()
            .any(|name| Some(&name.text) != entity.names.first().map(|first| &first.text))
        {
            note(&mut entity.defects, Defect::ConflictingNames);
        }
        entity
    }

    pub(crate) fn declared_type(&self) -> &str {
        self.types.first().map_or("text/plain", String::as_str)
    }

    /// Whether readers may differ about the transfer encoding.
    pub(crate) fn encoding_is_ambiguous(&self) -> bool {
        self.encodings.len() > 1 || self.encoding == TransferEncoding::Unknown
    }

    fn read_types(&mut self, raw: &[&[u8]]) {
        if raw.len() > 1 {
            note(&mut self.defects, Defect::DuplicateContentType);
        }
        let mut boundaries = 0;
        for raw in raw {
            let value = self.value(raw, "content-type");
            if !value.more_tokens.is_empty() {
                note(&mut self.defects, Defect::DuplicateContentType);
            }
            for token in std::iter::once(&value.token).chain(&value.more_tokens) {
                self.push_type(token);
            }
            boundaries += value.count("boundary");
            self.push_boundaries(&value, raw);
            if self.charset.is_none() {
                self.charset = value
                    .readings("charset")
                    .into_iter()
                    .next()
                    .map(|charset| charset.text.trim().to_ascii_lowercase());
            }
            self.push_names(&value, raw, "name");
        }
        if boundaries > 1 {
            note(&mut self.defects, Defect::DuplicateBoundary);
        }
        // A multipart reading shows more than the others, so it comes first.
        self.types.sort_by_key(|media| !is_multipart(media));
    }

    fn value(&mut self, raw: &[u8], field: &str) -> Value {
        let value = Value::parse(raw, field);
        if value.is_cut {
            let bound = MAX_PARAMETERS;
            note(&mut self.defects, Defect::ParameterLimit { bound });
        }
        value
    }

    fn push_type(&mut self, token: &str) {
        let media: String = token.chars().filter(|c| c.is_ascii_graphic()).collect();
        let media = match media.as_str() {
            "" => return,
            "multipart" => "multipart/mixed".to_owned(),
            // RFC 2045 section 5.2: what is no type counts as text/plain.
            word if !word.contains('/') => "text/plain".to_owned(),
            _ => media,
        };
        if self.types.len() < MAX_TYPES && !self.types.contains(&media) {
            self.types.push(media);
        }
    }

    fn push_boundaries(&mut self, value: &Value, raw: &[u8]) {
        let mut spellings = value.spellings("boundary");
        spellings.extend(values::parameter(raw, "boundary").map(String::into_bytes));
        for spelling in spellings {
            if memchr::memmem::find(&spelling, b"=?").is_some() {
                note(&mut self.defects, Defect::EncodedWordInParameter);
                self.push_boundary(values::text(&spelling).into_bytes());
            }
            self.push_boundary(spelling);
        }
    }

    fn push_boundary(&mut self, boundary: Vec<u8>) {
        if boundary.is_empty() || self.boundaries.contains(&boundary) {
            return;
        }
        // The first ones and the last one: readers that take one of many take one of these.
        self.boundaries.truncate(MAX_BOUNDARIES - 1);
        self.boundaries.push(boundary);
    }

    fn push_names(&mut self, value: &Value, raw: &[u8], parameter: &str) {
        let (plain, extended) = match parameter {
            "filename" => (NameSource::Filename, NameSource::FilenameExtended),
            _ => (NameSource::Name, NameSource::NameExtended),
        };
        for reading in value.readings(parameter) {
            let source = if reading.extended { extended } else { plain };
            self.push_name(source, &reading.text);
        }
        let strict = values::parameter(raw, parameter);
        if let Some(text) = strict.filter(|text| !text.contains(char::REPLACEMENT_CHARACTER)) {
            self.push_name(plain, &text);
        }
    }

    /// Adds a candidate for the file name, unless the same text is there from the same field.
    pub(crate) fn push_name(&mut self, source: NameSource, text: &str) {
        let text = bounded_name(text).unwrap_or_else(|cut| {
            let bound = MAX_NAME_BYTES;
            note(&mut self.defects, Defect::NameLimit { bound });
            cut
        });
        let same_field = |other: NameSource| {
            let disposition =
                |source| matches!(source, NameSource::Filename | NameSource::FilenameExtended);
            disposition(other) == disposition(source)
        };
        let known = self
            .names
            .iter()
            .any(|name| same_field(name.source) && name.text == text);
        if !known && !text.is_empty() && self.names.len() < MAX_NAMES {
            self.names.push(PartName { source, text });
        }
    }

    fn read_encodings(&mut self, raw: &[&[u8]]) {
        if raw.len() > 1 {
            note(&mut self.defects, Defect::DuplicateTransferEncoding);
        }
        let mut main = None;
        for raw in raw {
            let clean: Vec<u8> = without_comments(raw)
                .into_iter()
                .filter(|&byte| byte != 0)
                .collect();
            let value = String::from_utf8_lossy(clean.trim_ascii()).to_ascii_lowercase();
            let known = known_encoding(&value).filter(|known| *known != Declared::Uuencode);
            match known {
                Some(known) => push_encoding(&mut self.encodings, known),
                None => self.read_odd_encoding(raw),
            }
            main = main.or(known);
        }
        self.encoding = match main {
            Some(Declared::Base64) => TransferEncoding::Base64,
            Some(Declared::QuotedPrintable) => TransferEncoding::QuotedPrintable,
            Some(Declared::Identity | Declared::Uuencode) => TransferEncoding::Identity,
            None if raw.is_empty() => TransferEncoding::Identity,
            None => TransferEncoding::Unknown,
        };
    }

    /// Collects every encoding that an unknown value may be taken for.
    fn read_odd_encoding(&mut self, value: &[u8]) {
        if memchr::memmem::find(value, b"=?").is_some() {
            note(&mut self.defects, Defect::EncodedWordInParameter);
        }
        let before = self.encodings.len();
        let decoded = values::text(value).into_bytes();
        let joined: Vec<u8> = value
            .iter()
            .filter(|byte| byte.is_ascii_graphic())
            .copied()
            .collect();
        let text = [value, b" ", &decoded, b" ", &joined]
            .concat()
            .to_ascii_lowercase();
        let found: Vec<Declared> = tokens(&text)
            .flat_map(|token| loose_encodings(&token))
            .collect();
        let defect = match found.is_empty() {
            true => Defect::UnknownTransferEncoding,
            false => Defect::OddTransferEncoding,
        };
        note(&mut self.defects, defect);
        for encoding in found {
            push_encoding(&mut self.encodings, encoding);
        }
        if self.encodings.len() > before + 1 {
            note(&mut self.defects, Defect::DuplicateTransferEncoding);
        }
    }

    fn read_dispositions(&mut self, raw: &[&[u8]]) {
        if raw.len() > 1 {
            note(&mut self.defects, Defect::DuplicateContentDisposition);
        }
        for raw in raw {
            let value = self.value(raw, "content-disposition");
            if self.disposition.is_none() && !value.token.is_empty() {
                self.disposition = Some(value.token.clone());
            }
            self.push_names(&value, raw, "filename");
        }
    }
}

pub(crate) fn is_multipart(media: &str) -> bool {
    media.starts_with("multipart/")
}

fn push_encoding(encodings: &mut Vec<Declared>, encoding: Declared) {
    if !encodings.contains(&encoding) {
        encodings.push(encoding);
    }
}

fn known_encoding(token: &str) -> Option<Declared> {
    match token {
        "7bit" | "8bit" | "binary" => Some(Declared::Identity),
        "base64" => Some(Declared::Base64),
        "quoted-printable" => Some(Declared::QuotedPrintable),
        "uuencode" | "uue" | "x-uuencode" | "x-uue" | "x-uu" => Some(Declared::Uuencode),
        _ => None,
    }
}

/// What a reader that compares only a piece of the value would take: `base645`, `x-base64`.
fn loose_encodings(token: &str) -> Vec<Declared> {
    let pieces = [
        ("base64", Declared::Base64),
        ("printable", Declared::QuotedPrintable),
        ("quoted", Declared::QuotedPrintable),
        ("uue", Declared::Uuencode),
    ];
    let found = pieces
        .iter()
        .filter(|(piece, _)| token.contains(piece))
        .map(|(_, encoding)| *encoding);
    known_encoding(token).into_iter().chain(found).collect()
}

/// The values of a MIME field: of the fields with exactly this name or, where there is none, of
/// what a lenient reader would take for it.
fn mime_values<'x>(section: &Section<'x>, name: &str) -> Vec<&'x [u8]> {
    let exact: Vec<&[u8]> = section
        .fields
        .iter()
        .filter(|field| field.name == name)
        .map(|field| field.raw_value)
        .collect();
    match exact.is_empty() {
        true => section
            .fields
            .iter()
            .filter_map(|field| loose_value(field, name))
            .take(MAX_TYPES)
            .collect(),
        false => exact,
    }
}

/// The value of a field called `name` if one takes blanks and controls out of field names, or
/// starts a field at a fold or at a bare CR.
fn loose_value<'x>(field: &Header<'x>, name: &str) -> Option<&'x [u8]> {
    let is_letter = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'-';
    let letters: Vec<u8> = field.raw_name.iter().filter(is_letter).copied().collect();
    if letters.eq_ignore_ascii_case(name.as_bytes()) {
        return Some(field.raw_value);
    }
    let mut rest = field.raw_value;
    while let Some(end) = memchr::memchr2(b'\r', b'\n', rest) {
        rest = rest.get(end + 1..)?;
        let line = rest.trim_ascii_start();
        if field_name(line).is_some_and(|found| found.eq_ignore_ascii_case(name.as_bytes())) {
            let colon = memchr::memchr(b':', line)?;
            let value = line.get(colon + 1..)?;
            return Some(value_until_next(value));
        }
    }
    None
}

/// Cuts a value that stands in a fold at the next MIME field in it.
fn value_until_next(value: &[u8]) -> &[u8] {
    let mut at = 0;
    while let Some(end) = memchr::memchr2(b'\r', b'\n', value.get(at..).unwrap_or_default()) {
        let line = value.get(at + end..).unwrap_or_default().trim_ascii_start();
        let is_mime = |name: &[u8]| {
            MIME_FIELDS
                .iter()
                .any(|mime| name.eq_ignore_ascii_case(mime.as_bytes()))
        };
        if field_name(line).is_some_and(is_mime) {
            return value.get(..at + end).unwrap_or_default();
        }
        at += end + 1;
    }
    value
}

/// A name of bounded length; as an error, the start and the end of a longer one.
fn bounded_name(text: &str) -> Result<String, String> {
    if text.len() <= MAX_NAME_BYTES {
        return Ok(text.to_owned());
    }
    let head = text.floor_char_boundary(MAX_NAME_BYTES - NAME_TAIL_BYTES);
    let tail = text.ceil_char_boundary(text.len() - NAME_TAIL_BYTES);
    let head = text.get(..head).unwrap_or_default();
    let tail = text.get(tail..).unwrap_or_default();
    Err(format!("{head}…{tail}"))
}
