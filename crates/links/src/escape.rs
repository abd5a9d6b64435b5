//! Percent-encoding, the Safe Browsing way: decode until nothing is left to decode, encode little.

/// Decodes `%XX` until no escape is left, in one pass.
///
/// Decoding again and again is quadratic on `%2525252525…`. A stack is not: whenever its last three
/// bytes are an escape they are replaced by the byte they stand for. Two escapes can never overlap
/// (`%` is no hex digit), so the order of replacement does not matter and the result is the fixpoint.
pub(crate) fn unescape(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    for &byte in bytes {
        out.push(byte);
        while let [.., b'%', high, low] = out.as_slice() {
            let (Some(high), Some(low)) = (hex(*high), hex(*low)) else {
                break;
            };
            out.truncate(out.len() - 3);
            out.push(high << 4 | low);
        }
    }
    out
}

/// Encodes what Safe Browsing wants encoded (bytes up to 0x20 and from 0x7f, `#`, `%`) and what `also` names.
pub(crate) fn escape(bytes: &[u8], also: &[u8]) -> String {
    const HEX: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F',
    ];
    let mut out = String::with_capacity(bytes.len());
    for &byte in bytes {
        if byte <= 0x20 || byte >= 0x7f || byte == b'#' || byte == b'%' || also.contains(&byte) {
            out.push('%');
            out.push(HEX[usize::from(byte >> 4)]);
            out.push(HEX[usize::from(byte & 15)]);
        } else {
            out.push(char::from(byte));
        }
    }
    out
}

pub(crate) fn hex(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoding_reaches_the_fixpoint_in_one_pass() {
        for (input, expected) in [
            ("%25%32%35", "%"),
            ("%2525252525252525", "%"),
            ("%%%25%32%35asd%%", "%%%asd%%"),
            ("%%341", "A"),
            ("%4%31", "A"),
            ("%zz%4", "%zz%4"),
            ("", ""),
        ] {
            assert_eq!(unescape(input.as_bytes()), expected.as_bytes(), "{input}");
        }
    }

    #[test]
    fn a_long_tower_of_escapes_is_decoded_at_once() {
        let tower = format!("%{}41", "25".repeat(2_000_000));
        assert_eq!(unescape(tower.as_bytes()), b"A");
    }
}
