//! Ids: the only thing that ever becomes the name of a file.

use crate::time;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::io::Read;
use std::sync::{Mutex, PoisonError};
use std::{fmt, fs, io, str::FromStr};

/// Characters of a mail id.
const MAIL_ID_LEN: usize = 26;

/// Crockford's base32 in lower case: no i, l, o, u.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Most bits of time: 48 bits of milliseconds, which last until the year 10889.
const MAX_MS: u64 = (1 << 48) - 1;

/// A mail's id: 26 characters of Crockford base32, in order of time.
///
/// 48 bits of milliseconds, then 80 bits that are random but for a counter, as in a ULID.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MailId(String);

/// An entry's id: the mail's id, and the number of the recipient group from 1.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EntryId {
    mail: MailId,
    group: u16,
}

/// A text that is no id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not an id: expected 26 characters of 0-9 and a-z without i, l, o, u, and -1, -2 … for an entry"
)]
pub struct UnknownId(pub String);

impl UnknownId {
    /// What was given, shortened and with everything unprintable escaped, since it may come from
    /// anywhere.
    pub(crate) fn new(text: &str) -> Self {
        UnknownId(text.chars().take(64).flat_map(char::escape_debug).collect())
    }
}

impl MailId {
    /// The entry of this mail for a recipient group, which counts from 1.
    pub fn entry(&self, group: u16) -> EntryId {
        EntryId {
            mail: self.clone(),
            group: group.max(1),
        }
    }

    /// The text form: 26 characters of lower-case letters and digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// When the id was made, milliseconds since 1970-01-01 UTC.
    pub fn ms(&self) -> i64 {
        // 48 bits fit.
        (self.number() >> 80) as i64
    }

    /// The id as a number of 128 bits, in the same order as the text.
    pub(crate) fn number(&self) -> u128 {
        self.0
            .bytes()
            .filter_map(digit)
            .fold(0, |number, d| (number << 5) | u128::from(d))
    }

    pub(crate) fn from_number(number: u128) -> MailId {
        MailId(
            (0..MAIL_ID_LEN)
                .rev()
                .map(|place| {
                    let index = (number >> (5 * place)) as usize & 31;
                    char::from(ALPHABET[index])
                })
                .collect(),
        )
    }
}

impl EntryId {
    /// The mail.
    pub fn mail(&self) -> &MailId {
        &self.mail
    }

    /// The number of the recipient group, from 1.
    pub fn group(&self) -> u16 {
        self.group
    }
}

impl FromStr for MailId {
    type Err = UnknownId;

    /// Upper case is accepted, since people type ids; nothing else is forgiven.
    fn from_str(text: &str) -> Result<Self, UnknownId> {
        let lower = text.to_ascii_lowercase();
        let number = lower.len() == MAIL_ID_LEN
            && lower.bytes().all(|b| digit(b).is_some())
            // 26 digits are 130 bits: the first one has only three.
            && lower.as_bytes() <= b"7zzzzzzzzzzzzzzzzzzzzzzzzz".as_slice();
        if number {
            Ok(MailId(lower))
        } else {
            Err(UnknownId::new(text))
        }
    }
}

impl FromStr for EntryId {
    type Err = UnknownId;

    fn from_str(text: &str) -> Result<Self, UnknownId> {
        let unknown = || UnknownId::new(text);
        let (mail, group) = text.split_once('-').ok_or_else(unknown)?;
        // One spelling only: no sign, no leading zero.
        let plain = group.bytes().all(|b| b.is_ascii_digit()) && !group.starts_with('0');
        match (mail.parse(), group.parse()) {
            (Ok(mail), Ok(group)) if plain => Ok(EntryId { mail, group }),
            _ => Err(unknown()),
        }
    }
}

impl fmt::Display for MailId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}-{}", self.mail, self.group))
    }
}

macro_rules! text_form {
    ($($id:ty),+) => {$(
        impl TryFrom<String> for $id {
            type Error = UnknownId;

            fn try_from(text: String) -> Result<Self, UnknownId> {
                text.parse()
            }
        }

        impl From<$id> for String {
            fn from(id: $id) -> String {
                id.to_string()
            }
        }
    )+};
}

text_form!(MailId, EntryId);

/// Makes mail ids that are unique and, within one source, strictly increasing.
///
/// The random bits come from SHA-256 over a secret seed and a counter, so that making an id cannot
/// fail once the source exists. Two ids of the same millisecond differ by one.
#[derive(Debug)]
pub struct IdSource {
    seed: [u8; 32],
    last: Mutex<(u64, u128)>,
}

impl IdSource {
    /// Takes the seed from the kernel.
    ///
    /// # Errors
    ///
    /// `/dev/urandom` cannot be read.
    pub fn new() -> io::Result<IdSource> {
        let mut seed = [0; 32];
        fs::File::open("/dev/urandom")?.read_exact(&mut seed)?;
        Ok(IdSource {
            seed,
            last: Mutex::default(),
        })
    }

    /// The next id. If the clock goes back, ids go on from the last one.
    pub fn next(&self) -> MailId {
        self.next_at(time::now())
    }

    fn next_at(&self, now: i64) -> MailId {
        let now = u64::try_from(now).unwrap_or(0).min(MAX_MS);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, number) = &mut *last;
        let fresh = (u128::from(now) << 80) | self.random(*count);
        *count += 1;
        *number = fresh.max(*number + 1);
        MailId::from_number(*number)
    }

    /// 79 random bits: with the highest left free, counting up does not reach the time.
    fn random(&self, count: u64) -> u128 {
        let digest = Sha256::new()
            .chain_update(self.seed)
            .chain_update(count.to_be_bytes())
            .finalize();
        digest
            .iter()
            .take(10)
            .fold(0, |number, b| (number << 8) | u128::from(*b))
            & ((1 << 79) - 1)
    }
}

fn digit(b: u8) -> Option<u8> {
    ALPHABET
        .iter()
        .position(|a| *a == b)
        .and_then(|at| u8::try_from(at).ok())
}
