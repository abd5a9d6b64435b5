//! The canonical form of Safe Browsing (v4, v5 and Web Risk agree on it), which feeds and prefix lists use.

use std::fmt;

use crate::escape::{escape, unescape};
use crate::expressions::{Hosts, expressions};
use crate::host;

/// A URL in Safe Browsing's canonical form: pure ASCII, without user information, port and fragment.
///
/// Source: developers.google.com/safe-browsing, "URLs and Hashing".
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LookupForm {
    /// Lower-case.
    pub scheme: String,
    /// Lower-case; IPv6 in brackets.
    pub host: String,
    /// Begins with `/`.
    pub path: String,
    /// Without the `?`; an empty query is kept.
    pub query: Option<String>,
}

impl LookupForm {
    /// The host and path prefixes to look up.
    pub fn expressions(&self, hosts: Hosts) -> Vec<String> {
        expressions(&self.host, &self.path, self.query.as_deref(), hosts)
    }
}

impl fmt::Display for LookupForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.host, self.path)?;
        match &self.query {
            Some(query) => write!(f, "?{query}"),
            None => Ok(()),
        }
    }
}

/// Canonicalises bytes as Safe Browsing does; `None` when there is no host.
///
/// This is the lenient reading: it never fails on what a browser would refuse. [`crate::canonicalise`] splits
/// as a browser does and is what links in a mail want.
pub fn lookup_form(raw: &[u8]) -> Option<LookupForm> {
    let mut bytes: Vec<u8> = raw
        .trim_ascii()
        .iter()
        .copied()
        .filter(|byte| !matches!(byte, b'\t' | b'\r' | b'\n'))
        .collect();
    bytes.truncate(
        bytes
            .iter()
            .position(|&byte| byte == b'#')
            .unwrap_or(bytes.len()),
    );
    let (scheme, rest) = match split_scheme(&bytes) {
        Some(split) => split,
        None => {
            bytes = unescape(&bytes);
            match split_scheme(&bytes) {
                Some(split) => split,
                None if has_other_scheme(&bytes) => return None,
                None => ("http".to_owned(), bytes.as_slice()),
            }
        }
    };
    let end = rest
        .iter()
        .position(|byte| matches!(byte, b'/' | b'?'))
        .unwrap_or(rest.len());
    let (authority, rest) = rest.split_at_checked(end)?;
    let host = host::lenient(host_of(authority))?.into_text();
    let (path, query) = match rest.iter().position(|&byte| byte == b'?') {
        Some(mark) => (rest.get(..mark)?, rest.get(mark + 1..)),
        None => (rest, None),
    };
    let (path, query) = path_and_query(path, query);
    Some(LookupForm {
        scheme,
        host,
        path,
        query,
    })
}

/// Canonical path and query. Decoding may bring a `?` into the path: what follows it is then query, as it
/// would be when the canonical form is read again.
pub(crate) fn path_and_query(path: &[u8], query: Option<&[u8]>) -> (String, Option<String>) {
    let path = escape(&resolve(&unescape(path)), b"");
    let query = query.map(|query| escape(&unescape(query), b""));
    match path.split_once('?') {
        None => (path, query),
        Some((path, more)) => {
            let query = query.map_or_else(|| more.to_owned(), |query| format!("{more}?{query}"));
            (path.to_owned(), Some(query))
        }
    }
}

/// Resolves `.` and `..`, collapses runs of slashes, and makes sure of the leading one.
fn resolve(path: &[u8]) -> Vec<u8> {
    let mut segments: Vec<&[u8]> = Vec::new();
    let mut ends_in_slash = true;
    for segment in path.split(|&byte| byte == b'/') {
        ends_in_slash = matches!(segment, b"" | b"." | b"..");
        match segment {
            b"" | b"." => {}
            b".." => {
                segments.pop();
            }
            name => segments.push(name),
        }
    }
    let mut out = vec![b'/'];
    out.extend(segments.join(&b'/'));
    if ends_in_slash && out.len() > 1 {
        out.push(b'/');
    }
    out
}

fn split_scheme(bytes: &[u8]) -> Option<(String, &[u8])> {
    let colon = bytes.iter().position(|&byte| byte == b':')?;
    let scheme = bytes.get(..colon).filter(|name| is_scheme(name))?;
    let rest = bytes.get(colon + 1..)?.strip_prefix(b"//")?;
    Some((String::from_utf8(scheme.to_ascii_lowercase()).ok()?, rest))
}

/// `word:` before something that is neither a port nor a path.
fn has_other_scheme(bytes: &[u8]) -> bool {
    let Some(colon) = bytes.iter().position(|&byte| byte == b':') else {
        return false;
    };
    let (name, rest) = bytes.split_at(colon);
    is_scheme(name)
        && rest
            .get(1)
            .is_some_and(|byte| !byte.is_ascii_digit() && *byte != b'/')
}

/// RFC 3986, section 3.1.
pub(crate) fn is_scheme(name: &[u8]) -> bool {
    name.first().is_some_and(u8::is_ascii_alphabetic)
        && name
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}

/// What follows the last `@`, without the port.
pub(crate) fn host_of(authority: &[u8]) -> &[u8] {
    let host = authority
        .rsplit(|&byte| byte == b'@')
        .next()
        .unwrap_or(authority);
    match host.iter().rposition(|&byte| byte == b':') {
        Some(colon) if host.iter().skip(colon + 1).all(u8::is_ascii_digit) => {
            host.get(..colon).unwrap_or(host)
        }
        _ => host,
    }
}
