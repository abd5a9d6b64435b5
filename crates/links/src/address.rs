//! Mail addresses inside URLs: a link that knows its victim carries the address in plain or in base64.

/// Longest piece of a URL that is tried as base64, in bytes: a mail address is at most 320 long.
const LONGEST_BASE64: usize = 512;

/// Whether the text after the host carries something like a mail address.
pub(crate) fn carries_address(text: &str) -> bool {
    text.split(['/', '?', '&', '=', '#', ';', ','])
        .any(|piece| looks_like_address(piece.as_bytes()) || base64(piece).is_some_and(|text| looks_like_address(&text)))
        // The padding of base64 is itself a separator above.
        || text.split(['/', '?', '&', '#']).filter_map(|piece| piece.split_once('=')).any(|(_, value)| {
            base64(value.trim_end_matches('=')).is_some_and(|text| looks_like_address(&text))
        })
}

/// `local@label.label`, and nothing that no address has.
fn looks_like_address(piece: &[u8]) -> bool {
    let Some(at) = piece.iter().position(|&byte| byte == b'@') else {
        return false;
    };
    let (local, domain) = (
        piece.get(..at).unwrap_or_default(),
        piece.get(at + 1..).unwrap_or_default(),
    );
    let plain =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'+');
    !local.is_empty()
        && local.iter().all(plain)
        && domain.iter().all(plain)
        && domain
            .split(|&byte| byte == b'.')
            .filter(|label| !label.is_empty())
            .count()
            >= 2
}

/// Decodes base64 in either alphabet, unpadded or padded; `None` when it is something else.
fn base64(piece: &str) -> Option<Vec<u8>> {
    let piece = piece.trim_end_matches('=');
    if !(8..=LONGEST_BASE64).contains(&piece.len()) {
        return None;
    }
    let mut out = Vec::with_capacity(piece.len());
    let (mut bits, mut have) = (0u32, 0u32);
    for byte in piece.bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = (bits << 6 | u32::from(value)) & 0xffff;
        have += 6;
        if have >= 8 {
            have -= 8;
            out.push(u8::try_from(bits >> have & 0xff).ok()?);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_plain_and_in_base64() {
        for (text, expected) in [
            ("/#user@gov.az", true),
            ("/x?e=dXNlckBnb3YuYXo=", true),
            ("/x/dXNlckBnb3YuYXo", true),
            ("/@user/status", false),
            ("/x?e=user@localhost", false),
            ("/abcdefghijklmnop", false),
            ("", false),
        ] {
            assert_eq!(carries_address(text), expected, "{text}");
        }
    }
}
