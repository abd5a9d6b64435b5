//! xtext (RFC 3461, section 4): any bytes as printable ASCII, with `+` and two upper-case hexadecimal digits for those
//! that are not.

/// Whether `text` is well-formed.
pub(super) fn is_legal(text: &str) -> bool {
    decode(text).is_some()
}

/// The bytes that `text` stands for, or `None` if it is malformed.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => digit(bytes.next()?)? << 4 | digit(bytes.next()?)?,
            b'!'..=b'~' if byte != b'=' => byte,
            _ => return None,
        });
    }
    Some(decoded)
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_well_formed_xtext_is_decoded() {
        assert_eq!(decode("a+2Bb+20+00+FF").unwrap(), b"a+b \0\xff");
        for text in ["+", "+2", "+2b", "+G0", "a b", "a=b", "\u{fc}", "+-1", "\t"] {
            assert_eq!(decode(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_byte_has_an_xtext(bytes in proptest::collection::vec(any::<u8>(), 0..50)) {
            let text: String = bytes.iter().map(|byte| format!("+{byte:02X}")).collect();
            prop_assert_eq!(decode(&text), Some(bytes));
        }
    }
}
