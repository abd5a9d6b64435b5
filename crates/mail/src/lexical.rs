//! Comments and tokens of structured header field values (RFC 5322 section 3.2, RFC 2045 section 5).

use std::ops::Range;

/// The lower-case tokens of a list: `"base64", 7bit` gives `base64` and `7bit`.
pub(crate) fn tokens(value: &[u8]) -> impl Iterator<Item = String> + '_ {
    value
        .split(|byte| matches!(byte, b',' | b';' | b' ' | b'\t' | b'"' | b'\''))
        .filter(|token| !token.is_empty())
        .map(|token| String::from_utf8_lossy(token).to_ascii_lowercase())
        // `multipart / mixed` is three words and one token.
        .fold(Vec::<String>::new(), |mut joined, token| {
            match joined.last_mut() {
                Some(last) if last.ends_with('/') || token.starts_with('/') => {
                    last.push_str(&token)
                }
                _ => joined.push(token),
            }
            joined
        })
        .into_iter()
}

/// A copy without comments (RFC 5322 section 3.2.2). Quoted strings are left alone, and so is a
/// parenthesis that is never closed.
pub(crate) fn without_comments(value: &[u8]) -> Vec<u8> {
    let mut clean = Vec::with_capacity(value.len());
    let mut at = 0;
    for comment in comments(value) {
        clean.extend_from_slice(value.get(at..comment.start).unwrap_or_default());
        at = comment.end;
    }
    clean.extend_from_slice(value.get(at..).unwrap_or_default());
    clean
}

/// The comments of a value, outermost ones only, in order. One pass, however they are nested.
fn comments(value: &[u8]) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut open = Vec::new();
    let mut quoted = false;
    let mut escaped = false;
    for (at, &byte) in value.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = quoted || !open.is_empty(),
            b'"' if open.is_empty() => quoted = !quoted,
            b'(' if !quoted => open.push(at),
            b')' if !quoted => {
                if let Some(start) = open.pop() {
                    // It swallows the comments inside, which are the last ones found.
                    while found.pop_if(|inner| inner.start > start).is_some() {}
                    found.push(start..at + 1);
                }
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_removed_outside_of_quotes() {
        for (value, clean) in [
            ("base64 (comment)", "base64 "),
            ("quot(a (nested) one)ed", "quoted"),
            ("\"(not a comment)\"", "\"(not a comment)\""),
            ("(a \\) b)c", "c"),
            ("open (never closed", "open (never closed"),
            ("( (a) b", "(  b"),
            (")(", ")("),
        ] {
            let found = without_comments(value.as_bytes());
            assert_eq!(String::from_utf8_lossy(&found), clean, "{value}");
        }
    }

    #[test]
    fn a_type_with_blanks_around_its_slash_is_one_token() {
        let found: Vec<String> = tokens(b" Multipart / Mixed, text/html").collect();
        assert_eq!(found, ["multipart/mixed", "text/html"]);
    }
}
