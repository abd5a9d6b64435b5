//! Structure that no header field declares, and bytes rewritten so that a parser can read them.

use memchr::memmem;

use crate::section::{MIME_FIELDS, field_name};

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
