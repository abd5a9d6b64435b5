//! The one question asked of an address: can it stand between `<` and `>` without ending the command?
//!
//! It is not the question whether the address is a good one. Mail arrives from `postmaster`, from
//! `a..b@example.org` and from local parts of 200 characters, and whoever accepted it may have it back.

use crate::reply::printable;

/// Longest address in bytes. RFC 5321 (4.5.3.1.3) promises 256 only; Postfix takes command lines of
/// 2048. Longer ones could not have been accepted in the first place.
const MAX_ADDRESS: usize = 1024;

/// How much of an address an error message repeats, in bytes.
const SHOWN: usize = 120;

/// An address that is not sent to the server. The mail cannot be delivered with this envelope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("<{address}>: {problem}")]
pub struct AddressError {
    /// The address as printable ASCII, cut when long.
    pub address: String,
    /// What is wrong with it.
    pub problem: AddressProblem,
}

/// What is wrong with an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressProblem {
    /// A control character: CR, LF, NUL, TAB, DEL, or one of U+0080–U+009F.
    #[error("contains a control character")]
    Control,
    /// A recipient without a single character.
    #[error("an empty recipient")]
    Empty,
    /// A quoted local part that is not closed, or closed before the end of the local part.
    #[error("the quoted local part does not end where the local part ends")]
    Quoting,
    /// A character that is only legal inside a quoted local part: space, `<`, `>`, `"` or `\`.
    #[error("contains {0:?} outside a quoted local part")]
    Special(char),
    /// More than 1024 bytes.
    #[error("longer than 1024 bytes")]
    TooLong,
}

/// Checks a reverse-path without its brackets; the empty one is legal.
pub(crate) fn check_reverse_path(address: &str) -> Result<(), AddressError> {
    check(address).map_err(|problem| error(address, problem))
}

/// Checks a forward-path without its brackets.
pub(crate) fn check_forward_path(address: &str) -> Result<(), AddressError> {
    let result = if address.is_empty() {
        Err(AddressProblem::Empty)
    } else {
        check(address)
    };
    result.map_err(|problem| error(address, problem))
}

fn check(address: &str) -> Result<(), AddressProblem> {
    if address.len() > MAX_ADDRESS {
        return Err(AddressProblem::TooLong);
    }
    if address.chars().any(char::is_control) {
        return Err(AddressProblem::Control);
    }
    let unquoted = match address.strip_prefix('"') {
        Some(rest) => after_quoted_string(rest).ok_or(AddressProblem::Quoting)?,
        None => address,
    };
    // A backslash outside quotes is refused although RFC 821 knew it: one parser reads `\"` as
    // a plain character and the next as the start of a quoted string, and they would disagree about
    // where the path ends.
    match unquoted
        .chars()
        .find(|c| matches!(c, ' ' | '<' | '>' | '"' | '\\'))
    {
        Some(special) => Err(AddressProblem::Special(special)),
        None => Ok(()),
    }
}

/// What follows a quoted string whose opening quote has been read: nothing, or `@` and the domain.
fn after_quoted_string(quoted: &str) -> Option<&str> {
    let mut escaped = false;
    for (at, c) in quoted.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => {
                return quoted
                    .get(at + 1..)
                    .filter(|rest| rest.is_empty() || rest.starts_with('@'));
            }
            _ => {}
        }
    }
    None
}

fn error(address: &str, problem: AddressProblem) -> AddressError {
    let bytes = address.as_bytes();
    let mut shown = printable(bytes.get(..SHOWN).unwrap_or(bytes));
    if bytes.len() > SHOWN {
        shown.push_str("[...]");
    }
    AddressError {
        address: shown,
        problem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn odd_but_legal_addresses_pass() {
        let long = format!("{}@example.org", "a".repeat(200));
        let odd = [
            "postmaster",
            "a..b@example.org",
            "x.",
            "a@[192.0.2.1]",
            "a@[IPv6:2001:db8::1]",
            "\"a b\"@example.org",
            "\"a>b\\\"<c\\\\\"@example.org",
            "\"\"@example.org",
            "\"u@ext\"",
            "u%ext@example.org",
            "ext!u",
            "@a.example,@b.example:c@d.example",
            "SRS0=x=y=z@example.org",
            "köln@exämple.org",
            "a@b@c",
            long.as_str(),
        ];
        for address in odd {
            assert_eq!(check_forward_path(address), Ok(()), "{address}");
            assert_eq!(check_reverse_path(address), Ok(()), "{address}");
        }
        assert_eq!(check_reverse_path(""), Ok(()));
    }

    #[test]
    fn an_address_that_could_end_its_command_is_refused() {
        use AddressProblem::{Control, Quoting, Special, TooLong};
        let cases = [
            ("a@b>\r\nRCPT TO:<victim@c", Control),
            ("a@b\nDATA", Control),
            ("a@b\r", Control),
            ("a\0@b", Control),
            ("a\t@b", Control),
            ("a\x7f@b", Control),
            ("a\u{85}@b", Control),
            ("\"a\r\nDATA\"@b", Control),
            ("a@b> SIZE=1", Special('>')),
            ("<a@b>", Special('<')),
            ("a b@c", Special(' ')),
            ("a@b ", Special(' ')),
            ("a\\\"@b> NOTIFY=NEVER", Special('\\')),
            ("a\"b c\"@d", Special('"')),
            ("a@\"b> c\"", Special('"')),
            ("\"a\"@b> x", Special('>')),
            ("\"a\"b\"@c", Quoting),
            ("\"a@b", Quoting),
            ("\"a\\\"@b", Quoting),
            ("\"", Quoting),
        ];
        for (address, problem) in cases {
            assert_eq!(
                check_forward_path(address).unwrap_err().problem,
                problem,
                "{address}"
            );
            assert_eq!(
                check_reverse_path(address).unwrap_err().problem,
                problem,
                "{address}"
            );
        }
        assert_eq!(
            check_reverse_path(&"a".repeat(1025)).unwrap_err().problem,
            TooLong
        );
        assert_eq!(
            check_forward_path("").unwrap_err().problem,
            AddressProblem::Empty
        );
    }

    #[test]
    fn the_error_names_the_address_and_is_printable_and_short() {
        let error = check_forward_path(&format!("a\x1b[2J\r\n{}", "b".repeat(900)))
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("<a\\x1b[2J\\x0d\\x0abb"), "{error}");
        assert!(
            error.ends_with("[...]>: contains a control character"),
            "{error}"
        );
        assert!(error.len() < 250);
    }

    proptest! {
        /// A server reads a path up to the first `>` that is not inside a quoted local part.
        #[test]
        fn what_passes_is_read_back_whole(address in r#"[a-c"\\<> @\.\r\n]{0,12}"#) {
            if check_forward_path(&address).is_ok() {
                prop_assert_eq!(path_as_a_server_reads_it(&format!("{address}> SIZE=1")), Some(address.as_str().to_owned()));
            }
        }
    }

    fn path_as_a_server_reads_it(line: &str) -> Option<String> {
        let mut path = String::new();
        let (mut quoted, mut escaped) = (false, false);
        for c in line.chars() {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => quoted = !quoted,
                '\r' | '\n' => return None,
                '>' if !quoted => return Some(path),
                _ => {}
            }
            path.push(c);
        }
        None
    }
}
