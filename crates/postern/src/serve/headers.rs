//! Header fields: which of those that a mail brings claim to be ours, and which we add. Both doors
//! ask here, and only here.

use policy::Verdict;
use store::MailId;

/// Names of fields that only this daemon may write begin with this.
const OWN_PREFIX: &[u8] = b"x-postern-";
/// The results of sender verification (RFC 8601).
const RESULTS: &[u8] = b"authentication-results";
/// Octets of an authserv-id that are looked at: ours is a domain name and shorter.
const MAX_ID: usize = 256;
/// Octets of a value that we write; with its name a line stays below the 998 of RFC 5322, section 2.1.1.
const MAX_VALUE: usize = 900;

/// Whether a header field claims to have been written by this daemon, or to be a result of sender
/// verification within our walls: then the mail has forged it, and it is removed.
///
/// `value` is what follows the colon, with its folds. The time is linear in its length.
///
/// `ARC-Authentication-Results` (RFC 8617) stays: the ARC seals cover it, and what it says counts for as much as
/// the sealer's signature does. Without it the chain would not verify any more.
pub(super) fn is_ours(name: &[u8], value: &[u8], authserv_id: &str) -> bool {
    let name = name.trim_ascii_end();
    let prefix = name.get(..OWN_PREFIX.len()).unwrap_or_default();
    prefix.eq_ignore_ascii_case(OWN_PREFIX)
        || (name.eq_ignore_ascii_case(RESULTS) && claims(value, authserv_id))
}

/// A header field that we add, in a form that every door can write. There is no other way to make one
/// than [`added`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    name: &'static str,
    value: String,
}

/// The fields that say what was decided: `X-Postern-Id` leads from a mail to its verdict. Rules are not
/// named: whoever can mail himself would learn them.
pub(super) fn added(id: &MailId, verdict: &Verdict) -> Vec<Field> {
    let mut shown = format!("{}; score={}", verdict.action, verdict.score);
    if let Some(category) = verdict.category {
        shown.push_str(&format!("; category={category}"));
    }
    vec![
        Field::new("X-Postern-Id", &id.to_string()),
        Field::new("X-Postern-Verdict", &shown),
    ]
}

impl Field {
    /// The one place where a field is made. Whatever `value` is, it becomes one line of printable ASCII that
    /// neither ends nor folds, so that it can begin no other field and no body.
    fn new(name: &'static str, value: &str) -> Field {
        let printable = |c: char| {
            if c == ' ' || c.is_ascii_graphic() {
                c
            } else {
                '?'
            }
        };
        let value: String = value
            .trim()
            .chars()
            .take(MAX_VALUE)
            .map(printable)
            .collect();
        // A milter deletes a field by giving it an empty value.
        let value = if value.trim().is_empty() {
            "?".to_owned()
        } else {
            value
        };
        Field { name, value }
    }

    /// Its name.
    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// Its value: one line, without the space after the colon.
    pub(super) fn value(&self) -> &str {
        &self.value
    }

    /// The field as it is transmitted, with its line end.
    pub(super) fn line(&self) -> Vec<u8> {
        format!("{}: {}\r\n", self.name, self.value).into_bytes()
    }
}

/// Whether an `Authentication-Results` value bears this authserv-id.
///
/// It is what stands before the first `;` or white space (RFC 8601, section 2.2): a word or a quoted
/// string, with comments and folds around it. Readers differ in what they make of odd forms, and the one
/// that counts is not known here. So a comment inside of a word is taken as its end and also as
/// nothing at all, a final dot is no difference, and a value whose comment or string never ends bears the id if that is
/// anywhere in it.
fn claims(value: &[u8], authserv_id: &str) -> bool {
    let id = authserv_id.as_bytes();
    let same = |found: &[u8]| {
        let found = found.strip_suffix(b".").unwrap_or(found);
        found.eq_ignore_ascii_case(id)
    };
    match Claimed::read(value) {
        Some(claimed) => same(&claimed.word) || same(&claimed.joined),
        // Our id is a few octets long: this is linear too.
        None => {
            !id.is_empty()
                && value
                    .windows(id.len())
                    .any(|at| at.eq_ignore_ascii_case(id))
        }
    }
}

/// The authserv-id of a value, unquoted, at most [`MAX_ID`] octets of it.
#[derive(Default)]
struct Claimed {
    /// Up to the first comment or white space.
    word: Vec<u8>,
    /// Everything up to the `;`, without comments and white space.
    joined: Vec<u8>,
    ended: bool,
}

impl Claimed {
    /// Nothing if a comment or a quoted string does not end.
    fn read(value: &[u8]) -> Option<Claimed> {
        let mut claimed = Claimed::default();
        // Comments nest; a number counts them without a stack, however deep.
        let (mut comments, mut quoted) = (0_usize, false);
        let mut bytes = value.iter().copied();
        while let Some(byte) = bytes.next() {
            match byte {
                b'\\' if comments > 0 => drop(bytes.next()),
                b'\\' if quoted => claimed.take(bytes.next()?),
                b'(' if !quoted => {
                    comments += 1;
                    claimed.end();
                }
                b')' if comments > 0 => comments -= 1,
                _ if comments > 0 => {}
                b'"' => quoted = !quoted,
                b';' if !quoted => return Some(claimed),
                b' ' | b'\x7f' | ..b' ' if !quoted => claimed.end(),
                byte => claimed.take(byte),
            }
        }
        (comments == 0 && !quoted).then_some(claimed)
    }

    fn take(&mut self, byte: u8) {
        // Ours has no white space, quoted or not, so there is no need to tell where it was.
        if byte <= b' ' || self.joined.len() >= MAX_ID {
            return;
        }
        self.joined.push(byte);
        if !self.ended {
            self.word.push(byte);
        }
    }

    fn end(&mut self) {
        self.ended |= !self.word.is_empty();
    }
}

#[cfg(test)]
mod tests;
