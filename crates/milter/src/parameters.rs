//! The ESMTP parameters that go with an address a filter gives to the MTA (RFC 3461).
//!
//! Postfix warns of every other parameter and leaves it out, which would be a decision carried out
//! by half. So no other can be made.

use bytes::Bytes;

use crate::text::{ADDRESS_BYTES, TextError};

/// The longest value of ENVID, in bytes (RFC 3461, section 4.4).
const ENVID_BYTES: usize = 100;

/// Parameters of a recipient.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecipientParameters(Bytes);

/// Parameters of a sender.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SenderParameters(Bytes);

impl RecipientParameters {
    /// `NOTIFY=` and `ORCPT=`, each at most once, separated by one space.
    ///
    /// # Errors
    /// Another parameter, a value that RFC 3461 does not allow, or more than [`ADDRESS_BYTES`].
    pub fn new(parameters: &str) -> Result<Self, TextError> {
        check(parameters, |name, value| match name {
            "NOTIFY" => is_notify(value),
            "ORCPT" => is_original_recipient(value),
            _ => false,
        })
        .map(Self)
    }

    pub(crate) fn wire(&self) -> Bytes {
        self.0.clone()
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl SenderParameters {
    /// `RET=` and `ENVID=`, each at most once, separated by one space.
    ///
    /// # Errors
    /// Another parameter, a value that RFC 3461 does not allow, or more than [`ADDRESS_BYTES`].
    pub fn new(parameters: &str) -> Result<Self, TextError> {
        check(parameters, |name, value| match name {
            "RET" => ["FULL", "HDRS"].contains(&&*value.to_ascii_uppercase()),
            "ENVID" => value.len() <= ENVID_BYTES && is_xtext(value),
            _ => false,
        })
        .map(Self)
    }

    pub(crate) fn wire(&self) -> Bytes {
        self.0.clone()
    }
}

fn check(text: &str, allowed: impl Fn(&str, &str) -> bool) -> Result<Bytes, TextError> {
    const WHAT: &str = "ESMTP parameters";
    if text.len() > ADDRESS_BYTES {
        return Err(TextError::TooLong {
            what: WHAT,
            limit: ADDRESS_BYTES,
        });
    }
    let mut seen = Vec::new();
    for parameter in text.split_terminator(' ') {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let name = name.to_ascii_uppercase();
        if seen.contains(&name) || !allowed(&name, value) {
            return Err(TextError::Parameter(parameter.to_owned()));
        }
        seen.push(name);
    }
    Ok(Bytes::copy_from_slice(text.as_bytes()))
}

/// RFC 3461, section 4.1.
fn is_notify(value: &str) -> bool {
    let value = value.to_ascii_uppercase();
    let when = |word: &str| ["SUCCESS", "FAILURE", "DELAY"].contains(&word);
    value == "NEVER" || value.split(',').all(when)
}

/// RFC 3461, section 4.2: the type of an address, and the address in xtext.
fn is_original_recipient(value: &str) -> bool {
    value.split_once(';').is_some_and(|(kind, address)| {
        let in_type = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        !kind.is_empty() && kind.bytes().all(in_type) && is_xtext(address)
    })
}

/// RFC 3461, section 4: printable ASCII, in which `+` begins the two hexadecimal digits of an octet
/// and `=` does not occur.
fn is_xtext(value: &str) -> bool {
    let digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'A'..=b'F');
    let mut rest = value.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        rest = match (first, behind) {
            (b'+', [high, low, behind @ ..]) if digit(high) && digit(low) => behind,
            (b'+' | b'=', _) => return false,
            (byte, behind) if byte.is_ascii_graphic() => behind,
            _ => return false,
        };
    }
    !value.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipient_has_notify_and_orcpt_and_nothing_else() {
        for good in [
            "",
            "NOTIFY=NEVER",
            "notify=success,Delay",
            "NOTIFY=FAILURE ORCPT=rfc822;a+2Bb@example.org",
        ] {
            assert_eq!(RecipientParameters::new(good).unwrap().wire(), good);
        }
        for bad in [
            "NOTIFY",
            "NOTIFY=",
            "NOTIFY=NEVER,DELAY",
            "NOTIFY=NEVER NOTIFY=NEVER",
            "NOTIFY=NEVER  ORCPT=rfc822;a",
            " NOTIFY=NEVER",
            "ORCPT=a@example.org",
            "ORCPT=;a",
            "ORCPT=rfc822;",
            "ORCPT=rfc822;a+b",
            "ORCPT=rfc822;a=b",
            "RET=FULL",
            "SIZE=1",
            "NOTIFY=NEVER\r\nRCPT",
            "ORCPT=rfc822;a\0",
            "ORCPT=rfc822;\u{fc}",
        ] {
            assert!(RecipientParameters::new(bad).is_err(), "{bad:?}");
        }
        let long = format!("ORCPT=rfc822;{}", "a".repeat(ADDRESS_BYTES));
        assert!(RecipientParameters::new(&long).is_err());
    }

    #[test]
    fn a_sender_has_ret_and_envid_and_nothing_else() {
        for good in ["", "RET=HDRS", "ENVID=QQ314159 ret=full"] {
            assert_eq!(SenderParameters::new(good).unwrap().wire(), good);
        }
        let long = format!("ENVID={}", "a".repeat(ENVID_BYTES + 1));
        for bad in ["RET=NONE", "ENVID=", "BODY=8BITMIME", "NOTIFY=NEVER", &long] {
            assert!(SenderParameters::new(bad).is_err(), "{bad:?}");
        }
    }
}
