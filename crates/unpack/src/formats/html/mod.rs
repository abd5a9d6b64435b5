//! HTML, as far as it matters to what a reader sees and where it leads. A tokenizer and a stack of open
//! elements; no tree, so that nesting costs nothing.

mod attributes;
mod css;
mod data_url;
mod elements;
mod extract;
mod script;

use std::borrow::Cow;

use crate::artifact::{Coverage, Origin};
use crate::opened::{Opened, Source};
use extract::Extract;

pub(crate) fn open(source: Source<'_>, opened: &mut Opened<'_, '_>) {
    let text = source
        .text
        .map_or_else(|| decode(source.bytes), Cow::Borrowed);
    let limits = opened.limits();
    let read = text
        .get(..text.floor_char_boundary(limits.html_bytes))
        .unwrap_or_default();
    if read.len() < text.len() {
        opened.note(
            Coverage::OverLimit,
            &format!("html-bytes {}", limits.html_bytes),
        );
    }
    let mut found = Extract::new(opened.index(), limits.text_bytes);
    found.read(read);
    let found = found.finish();
    let shown = source
        .shown
        .then_some((found.visible.as_str(), found.hidden.as_str()));
    opened.document(found.features, found.references, shown, found.invisible);
    for url in found.data_urls {
        if !opened.content(url.media_type, Origin::DataUrl, &url.bytes) {
            break;
        }
    }
}

/// UTF-16 by its mark, else UTF-8 with what is not valid replaced: markup is ASCII in every charset that mails
/// use.
fn decode(bytes: &[u8]) -> Cow<'_, str> {
    let wide = |rest: &[u8], decode: fn([u8; 2]) -> u16| {
        let units = rest
            .chunks_exact(2)
            .filter_map(|pair| pair.try_into().ok())
            .map(decode);
        Cow::Owned(
            char::decode_utf16(units)
                .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
                .collect(),
        )
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => wide(rest, u16::from_be_bytes),
        _ => String::from_utf8_lossy(bytes),
    }
}

#[cfg(test)]
mod tests;
