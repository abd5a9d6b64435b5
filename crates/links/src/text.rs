use std::collections::HashSet;

use crate::canonical::MAX_URL_BYTES;
use crate::host::{self, HostForm};
use crate::suffix::registrable;

/// Unique URLs taken from one text, unless told otherwise. Real mails have fewer than a hundred.
pub const DEFAULT_BOUND: usize = 1000;

/// Bytes examined closely per URL that is asked for: bounds the work on text made of nothing but near misses of
/// URLs, or of URLs glued together. Ordinary text takes a hundredth of it.
const FUEL_PER_URL: usize = 16 * 1024;
/// Longest scheme-less host tried, in bytes of UTF-8: a host name has at most 253 characters.
const LONGEST_HOST_BYTES: usize = 4 * 253;

/// Schemes that make a link wherever they stand.
const SCHEMES: &[&str] = &[
    "https",
    "http",
    "hxxps",
    "hxxp",
    "ftp",
    "file",
    "data",
    "javascript",
    "vbscript",
    "mailto",
    "ms-appinstaller",
    "search-ms",
    "smb",
    "ws",
    "wss",
];

/// Top-level domains that are file extensions as well: `notes.md` is a file until something else is said.
const EXTENSION_SUFFIXES: &[&str] = &[
    "ai", "app", "cc", "com", "md", "mov", "pl", "ps", "py", "rs", "sh", "so", "zip",
];

/// A URL or host as it stands in a text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Found {
    /// As written, without the punctuation around it; at most [`MAX_URL_BYTES`] long. A bare mail address
    /// gets `mailto:` put before it.
    pub raw: String,
    /// Where it begins, in bytes.
    pub offset: usize,
}

/// What [`find_in_text`] found.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct InText {
    /// In order of appearance, each spelling once.
    pub found: Vec<Found>,
    /// The bound was reached and the rest of the text was not looked at.
    pub truncated: bool,
}

/// Finds what a mail program would make a link of, and a little more: URLs with a scheme (also in the
/// middle of a word, and inside other URLs), hosts with a known public suffix, mail addresses.
///
/// At most `bound` different URLs are returned. Linear in the text.
pub fn find_in_text(text: &str, bound: usize) -> InText {
    let mut finder = Finder {
        text,
        bound,
        fuel: bound.saturating_mul(FUEL_PER_URL),
        seen: HashSet::new(),
        out: InText::default(),
    };
    let mut start = 0;
    for (offset, c) in text.char_indices() {
        if is_separator(c) {
            finder.word(start, offset);
            start = offset + c.len_utf8();
        }
        if finder.out.truncated {
            return finder.out;
        }
    }
    finder.word(start, text.len());
    finder.out
}

struct Finder<'a> {
    text: &'a str,
    bound: usize,
    /// Bytes that may still be examined closely.
    fuel: usize,
    seen: HashSet<&'a str>,
    out: InText,
}

impl<'a> Finder<'a> {
    /// One run of text without blanks, from `start` to `end`.
    fn word(&mut self, start: usize, end: usize) {
        let Some(word) = self.text.get(start..end) else {
            return;
        };
        if !word.contains(['.', ':', '\u{3002}', '\u{ff0e}', '\u{ff61}']) {
            return;
        }
        let mut first_scheme = None;
        for (colon, _) in word.match_indices(':') {
            let Some(begin) = scheme_before(word, colon) else {
                continue;
            };
            first_scheme.get_or_insert(begin);
            let scheme = word.get(begin..colon).unwrap_or_default();
            let rest = bounded(word.get(colon + 1..).unwrap_or_default());
            self.spend(rest.len());
            if self.out.truncated {
                return;
            }
            if has_target(scheme, rest) {
                self.take(start + begin, end);
            }
        }
        self.bare_hosts(start, start + first_scheme.unwrap_or(word.len()), end);
    }

    /// Hosts without a scheme between `start` and `limit`; what follows one reaches up to `end`.
    fn bare_hosts(&mut self, start: usize, limit: usize, end: usize) {
        let mut at = start;
        while at < limit && !self.out.truncated {
            let Some(rest) = self.text.get(at..limit) else {
                return;
            };
            let Some(skip) = rest.find(is_host_char) else {
                return;
            };
            let begin = at + skip;
            let run = self.text.get(begin..limit).unwrap_or_default();
            let length = run.find(|c| !is_host_char(c)).unwrap_or(run.len());
            at = begin + length;
            if let Some(taken_until) = self.bare_host(begin, begin + length, end) {
                at = at.max(taken_until);
            }
        }
    }

    /// Takes the run of host characters from `begin` to `stop` if it is a host or the domain of an address.
    fn bare_host(&mut self, begin: usize, stop: usize, end: usize) -> Option<usize> {
        let run = self.text.get(begin..stop)?;
        let trimmed = run.trim_start_matches(['.', '-', '_']);
        let begin = stop - trimmed.len();
        if trimmed.len() > LONGEST_HOST_BYTES || !may_be_host(trimmed) {
            return None;
        }
        self.spend(trimmed.len());
        let host = known_host(trimmed)?;
        let after = begin + host.len();
        let before = self.text.get(..begin)?;
        if let Some(before) = before.strip_suffix('@') {
            return self.address(before, after);
        }
        let follows = self.text.get(after..end)?.chars().next();
        // The local part of an address, or user information, which the next run deals with.
        if follows == Some('@') {
            return None;
        }
        let has_path = matches!(follows, Some('/' | '?' | '#' | '\\'))
            || (follows == Some(':') && self.port_at(after + 1));
        if !has_path && is_file_name(host) {
            return None;
        }
        if has_path && after == stop {
            return Some(self.take(begin, end));
        }
        self.add(begin, host);
        Some(after)
    }

    fn port_at(&self, at: usize) -> bool {
        self.text.as_bytes().get(at).is_some_and(u8::is_ascii_digit)
    }

    /// An address whose domain ends at `after`; `before` is the text up to the `@`.
    fn address(&mut self, before: &str, after: usize) -> Option<usize> {
        const LONGEST_LOCAL_PART: usize = 64;
        let local: usize = before
            .bytes()
            .rev()
            .take(LONGEST_LOCAL_PART)
            .take_while(|&byte| {
                byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&byte)
            })
            .count();
        let begin = before.len() - local;
        let address = self.text.get(begin..after)?;
        if local > 0 && self.seen.insert(address) {
            self.push(begin, format!("mailto:{address}"));
        }
        Some(after)
    }

    /// Takes a URL that begins at `begin` and may reach up to `end`; answers where it ends.
    fn take(&mut self, begin: usize, end: usize) -> usize {
        let rest = self.text.get(begin..end).unwrap_or_default();
        let raw = trim_end(bounded(rest));
        self.add(begin, raw);
        begin + raw.len()
    }

    fn add(&mut self, offset: usize, raw: &'a str) {
        if !self.out.truncated && !raw.is_empty() && self.seen.insert(raw) {
            self.push(offset, raw.to_owned());
        }
    }

    fn push(&mut self, offset: usize, raw: String) {
        if self.out.found.len() == self.bound {
            self.out.truncated = true;
        } else {
            self.out.found.push(Found { raw, offset });
        }
    }

    fn spend(&mut self, bytes: usize) {
        match self.fuel.checked_sub(bytes) {
            Some(left) => self.fuel = left,
            None => self.out.truncated = true,
        }
    }
}

/// What ends a URL in running text. `|` does too: it separates links in footers far more often than it
/// stands in one.
fn is_separator(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || matches!(c, '<' | '>' | '"' | '|' | '`' | '«' | '»' | '“' | '”' | '„')
}

fn is_dot(c: char) -> bool {
    matches!(c, '.' | '\u{3002}' | '\u{ff0e}' | '\u{ff61}')
}

fn is_host_char(c: char) -> bool {
    c.is_alphanumeric()
        || is_dot(c)
        || matches!(
            c,
            '-' | '_' | '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}'
        )
}

/// Where the known scheme that ends at this colon begins.
fn scheme_before(word: &str, colon: usize) -> Option<usize> {
    let before = word.as_bytes().get(..colon)?;
    let ends_in = |scheme: &&&str| {
        before
            .len()
            .checked_sub(scheme.len())
            .and_then(|at| before.get(at..))
            .is_some_and(|tail| tail.eq_ignore_ascii_case(scheme.as_bytes()))
    };
    let scheme = SCHEMES
        .iter()
        .filter(ends_in)
        .max_by_key(|scheme| scheme.len())?;
    let begin = colon - scheme.len();
    // `metadata:` is no `data:` URL; `seehttp://` is a link all the same.
    let inside_word = begin
        .checked_sub(1)
        .and_then(|at| before.get(at))
        .is_some_and(u8::is_ascii_alphanumeric);
    let strong = matches!(
        *scheme,
        "http" | "https" | "hxxp" | "hxxps" | "javascript" | "mailto"
    );
    (strong || !inside_word).then_some(begin)
}

/// Whether what follows the colon can be the rest of such a URL: cheap, and no more than that.
fn has_target(scheme: &str, rest: &str) -> bool {
    if scheme.eq_ignore_ascii_case("data") {
        return rest.contains(',');
    }
    if matches!(
        scheme.to_ascii_lowercase().as_str(),
        "javascript" | "vbscript" | "search-ms" | "ms-appinstaller"
    ) {
        return !rest.is_empty();
    }
    let after = rest.trim_start_matches(['/', '\\']);
    if scheme.eq_ignore_ascii_case("mailto") {
        return rest.contains('@');
    }
    // `http:` needs no slashes for a browser, but in running text `note http:then` is no link.
    let slashes = rest.len() - after.len();
    let end = after.find(['/', '\\', '?', '#']).unwrap_or(after.len());
    let authority = after.get(..end).unwrap_or(after);
    let host = authority.rsplit('@').next().unwrap_or(authority);
    let name = host.trim_end_matches(is_dot);
    !name.is_empty()
        && !name.contains("..")
        && (slashes > 0 || name.contains(is_dot))
        && name.contains(|c: char| c.is_alphanumeric())
}

/// Trailing punctuation belongs to the sentence; a closing bracket does when nothing opens it.
fn trim_end(raw: &str) -> &str {
    let count = |bracket| raw.bytes().filter(|&byte| byte == bracket).count();
    let (mut round, mut square) = ((count(b'('), count(b')')), (count(b'['), count(b']')));
    let mut raw = raw;
    while let Some(c) = raw.chars().next_back() {
        match c {
            ')' if round.1 <= round.0 => break,
            ']' if square.1 <= square.0 => break,
            ')' => round.1 -= 1,
            ']' => square.1 -= 1,
            '(' => round.0 -= 1,
            '[' => square.0 -= 1,
            '.' | ',' | ';' | ':' | '\'' | '!' | '?' | '}' | '*' | '…' | '。' | '，' | '、'
            | '’' | '‘' => {}
            _ => break,
        }
        raw = raw.get(..raw.len() - c.len_utf8()).unwrap_or_default();
    }
    raw
}

/// What can still be part of one URL.
fn bounded(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MAX_URL_BYTES))
        .unwrap_or_default()
}

/// Whether a word can be a host, before that is looked up: a dot inside, and an end that is no number. Most
/// words with a dot are the last of a sentence, or a price.
fn may_be_host(word: &str) -> bool {
    let word = word.trim_end_matches(is_dot);
    match word.rfind(is_dot) {
        Some(dot) => word
            .get(dot..)
            .is_some_and(|end| end.contains(char::is_alphabetic)),
        None => false,
    }
}

/// The longest beginning of `run` that is a host with a known public suffix. In many languages an ending
/// follows a name after a hyphen (`mygov.az-da`), so that the last label may have to be cut.
fn known_host(run: &str) -> Option<&str> {
    let run = run.trim_end_matches(|c| is_dot(c) || c == '-' || c == '_');
    let whole = is_known_host(run).then_some(run);
    whole.or_else(|| {
        let last_dot = run.rfind(is_dot)?;
        let hyphen = last_dot + run.get(last_dot..)?.find('-')?;
        run.get(..hyphen).filter(|cut| is_known_host(cut))
    })
}

fn is_known_host(name: &str) -> bool {
    let Some(HostForm::Name(host)) = host::strict(name) else {
        return false;
    };
    let labels_are_valid = host.split('.').all(|label| {
        (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
    });
    let Some(known) =
        registrable(&host).filter(|_| labels_are_valid && host.contains('.') && host.len() <= 253)
    else {
        return false;
    };
    if name.contains("..") {
        return false;
    }
    // An underscore is allowed in names below the registrable domain, never in that.
    known.domain.is_none_or(|domain| !domain.contains('_'))
}

/// Two labels, of which the last is better known as a file extension.
fn is_file_name(host: &str) -> bool {
    let mut labels = host.rsplit(is_dot);
    let (last, _, third) = (
        labels.next().unwrap_or_default(),
        labels.next(),
        labels.next(),
    );
    third.is_none()
        && last != "com"
        && EXTENSION_SUFFIXES
            .iter()
            .any(|suffix| suffix.eq_ignore_ascii_case(last))
}
