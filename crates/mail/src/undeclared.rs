//! Structure that no header field declares, and bytes rewritten so that a parser can read them.

use memchr::memmem;

use crate::section::{MIME_FIELDS, field_name};

/// Where browsers look for the charset of HTML (HTML standard, "prescan a byte stream").
const META_BYTES: usize = 1024;
/// The longest boundary that is looked for. RFC 2046 allows 70 bytes.
const MAX_BOUNDARY_BYTES: usize = 256;

/// A boundary that is used in a body: that of the first line beginning with `--` which a MIME field
/// follows.
pub(crate) fn boundary(body: &[u8]) -> Option<Vec<u8>> {
    let at_start = body.starts_with(b"--").then_some(0);
    at_start
        .into_iter()
        .chain(memmem::find_iter(body, b"\n--").map(|at| at + 1))
        .find_map(|start| {
            let rest = body.get(start + 2..)?;
            let window = rest.get(..MAX_BOUNDARY_BYTES).unwrap_or(rest);
            let end = window
                .iter()
                .position(|byte| matches!(byte, b'\r' | b'\n'))?;
            let (boundary, after) = rest.split_at_checked(end)?;
            let line = after.trim_ascii_start();
            starts_with_mime_field(line).then(|| boundary.trim_ascii_end().to_vec())
        })
}

/// Where an entity begins in text around the parts of a multipart: at a line that is a MIME field.
pub(crate) fn entity_start(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    text.split_inclusive(|&byte| byte == b'\n')
        .find_map(|line| {
            let start = at;
            at += line.len();
            starts_with_mime_field(line).then_some(start)
        })
}

/// The charset that a `<meta>` element at the start of HTML names.
pub(crate) fn meta_charset(html: &[u8]) -> Option<String> {
    let head = html.get(..META_BYTES).unwrap_or(html).to_ascii_lowercase();
    let meta = memmem::find(&head, b"<meta")?;
    let head = head.get(meta..)?;
    let value = head.get(memmem::find(head, b"charset=")? + b"charset=".len()..)?;
    let label = value
        .split(|&byte| !byte.is_ascii_alphanumeric() && !b"-_.:+".contains(&byte))
        .find(|label| !label.is_empty())?;
    Some(String::from_utf8_lossy(label).into_owned())
}

/// A copy in which a carriage return without line feed is a line end, and a doubled one is single.
pub(crate) fn with_line_feeds(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 32);
    let mut rest = bytes;
    while let Some(cr) = memchr::memchr(b'\r', rest) {
        let (before, tail) = rest.split_at(cr);
        out.extend_from_slice(before);
        out.extend_from_slice(b"\r\n");
        rest = match tail {
            [b'\r', b'\r', b'\n', after @ ..] | [b'\r', b'\n', after @ ..] => after,
            _ => tail.get(1..).unwrap_or_default(),
        };
    }
    out.extend_from_slice(rest);
    out
}

/// A message whose body is this multipart.
pub(crate) fn multipart_message(boundary: &[u8], body: &[u8]) -> Vec<u8> {
    let mut message = b"Content-Type: multipart/mixed; boundary=\"".to_vec();
    for &byte in boundary {
        if matches!(byte, b'"' | b'\\') {
            message.push(b'\\');
        }
        message.push(byte);
    }
    message.extend_from_slice(b"\"\r\n\r\n");
    message.extend_from_slice(body);
    message
}

fn starts_with_mime_field(line: &[u8]) -> bool {
    let name = line.get(..64).unwrap_or(line);
    field_name(name).is_some_and(|name| {
        MIME_FIELDS
            .iter()
            .any(|mime| name.eq_ignore_ascii_case(mime.as_bytes()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_used_boundary_is_that_of_a_line_before_a_mime_field() {
        assert_eq!(
            boundary(b"text\r\n--x y\r\nContent-Type: a/b\r\n"),
            Some(b"x y".to_vec())
        );
        assert_eq!(boundary(b"--x\n\ncontent-type: a/b\n"), Some(b"x".to_vec()));
        assert_eq!(boundary(b"-- \nAda\nContent-Type: a/b\n"), None);
        assert_eq!(boundary(b"--x"), None);
    }

    #[test]
    fn bare_and_doubled_carriage_returns_become_line_ends() {
        assert_eq!(
            with_line_feeds(b"a\rb\r\nc\r\r\nd\n\r"),
            b"a\r\nb\r\nc\r\nd\n\r\n"
        );
    }

    #[test]
    fn the_charset_of_html_is_found_in_its_meta_element() {
        for html in [
            "<html><meta charset='Shift_JIS'>",
            "<META http-equiv=Content-Type content=\"text/html; charset=Shift_JIS\">",
        ] {
            assert_eq!(meta_charset(html.as_bytes()).as_deref(), Some("shift_jis"));
        }
        assert_eq!(meta_charset(b"<p>charset=utf-8"), None);
    }
}
