//! Lenient decoders for what mail programs decode although it is malformed or undeclared.
//!
//! The usual decoding is mail-parser's. These give the other results that a reader may see, and run
//! only over content that is already known to be odd.

use memchr::{memchr, memmem};

/// Escapes in the shortest text that is taken for quoted-printable.
const MIN_ESCAPES: usize = 4;
/// Soft line breaks in the shortest text that is taken for quoted-printable.
const MIN_SOFT_BREAKS: usize = 2;

/// Bytes of a `begin` line: a file name and a little more.
const MAX_BEGIN_LINE_BYTES: usize = 1024;

/// What base64 decoding does at padding that is not at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Padding {
    /// Ends the decoding.
    Ends,
    /// Is skipped like any foreign byte.
    Ignored,
    /// Ends the group; a new one begins.
    Restarts,
}

/// Decodes base64, skipping every byte outside of the alphabet.
pub(crate) fn base64(bytes: &[u8], padding: Padding) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() / 4 * 3 + 3);
    let mut group = Group::default();
    for &byte in bytes {
        match base64_value(byte) {
            Some(value) => group.push(value, &mut out),
            None if byte != b'=' => {}
            None => match padding {
                Padding::Ends if group.is_empty() && out.is_empty() => {}
                Padding::Ends => break,
                Padding::Ignored => {}
                Padding::Restarts => group.flush(&mut out),
            },
        }
    }
    group.flush(&mut out);
    out
}

/// Up to four base64 digits.
#[derive(Default)]
struct Group {
    bits: u32,
    digits: u32,
}

impl Group {
    fn is_empty(&self) -> bool {
        self.digits == 0
    }

    fn push(&mut self, value: u8, out: &mut Vec<u8>) {
        self.bits = self.bits << 6 | u32::from(value);
        self.digits += 1;
        if self.digits == 4 {
            let [_, a, b, c] = self.bits.to_be_bytes();
            out.extend_from_slice(&[a, b, c]);
            *self = Group::default();
        }
    }

    /// The whole bytes of an incomplete group.
    fn flush(&mut self, out: &mut Vec<u8>) {
        let [_, a, b, _] = (self.bits << (6 * (4 - self.digits.min(4)))).to_be_bytes();
        match self.digits {
            2 => out.push(a),
            3 => out.extend_from_slice(&[a, b]),
            _ => {}
        }
        *self = Group::default();
    }
}

pub(crate) fn base64_value(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

/// Decodes quoted-printable as the most lenient readers do: blanks and doubled line ends in soft
/// breaks, a bare CR as line end, lower-case digits, a digit pair that a line end splits.
pub(crate) fn quoted_printable(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(equals) = memchr(b'=', rest) {
        let (before, tail) = rest.split_at(equals);
        out.extend_from_slice(before);
        let tail = tail.get(1..).unwrap_or_default();
        rest = match soft_break(tail) {
            Some(after) => after,
            None => match split_pair(tail) {
                Some((byte, after)) => {
                    out.push(byte);
                    after
                }
                None => {
                    out.push(b'=');
                    tail
                }
            },
        };
    }
    out.extend_from_slice(rest);
    out
}

/// The bytes of the well-formed escapes of quoted-printable, without anything else; a soft line
/// break may split an escape.
pub(crate) fn escapes(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() / 3);
    let mut rest = bytes;
    while let Some(equals) = memchr(b'=', rest) {
        rest = rest.get(equals + 1..).unwrap_or_default();
        if let Some((byte, after)) = split_pair(rest) {
            out.push(byte);
            rest = after;
        }
    }
    out
}

/// Whether a text looks like quoted-printable: nearly all of its equals signs begin an escape or a
/// soft line break, and some a soft line break. Escapes alone prove nothing: `?id=42` is one.
pub(crate) fn is_quoted_printable(text: &[u8]) -> bool {
    let (mut escapes, mut breaks, mut others) = (0_usize, 0_usize, 0_usize);
    for equals in memchr::memchr_iter(b'=', text) {
        match text.get(equals + 1..).unwrap_or_default() {
            [b'\n', ..] | [b'\r', b'\n', ..] => breaks += 1,
            [high, low, ..] if hex_pair(&[*high, *low]).is_some() => escapes += 1,
            _ => others += 1,
        }
    }
    breaks >= MIN_SOFT_BREAKS && escapes >= MIN_ESCAPES && others <= (escapes + breaks) / 16
}

/// What follows the soft line break that `tail` begins with.
fn soft_break(tail: &[u8]) -> Option<&[u8]> {
    let blanks = tail
        .iter()
        .take_while(|byte| matches!(byte, b' ' | b'\t'))
        .count();
    let after = tail.get(blanks..)?;
    let crs = after.iter().take_while(|&&byte| byte == b'\r').count();
    let after_crs = after.get(crs..)?;
    match after_crs.strip_prefix(b"\n") {
        Some(line) => Some(line),
        None if crs > 0 || after.is_empty() => Some(after_crs),
        None => None,
    }
}

/// A hexadecimal pair; a line end between its digits, or a soft line break, is skipped.
fn split_pair(tail: &[u8]) -> Option<(u8, &[u8])> {
    let (&high, rest) = tail.split_first()?;
    let after_break = match rest {
        [b'=', after @ ..] => soft_break(after)?,
        [b'\r' | b'\n', ..] => soft_break(rest)?,
        _ => rest,
    };
    let (&low, rest) = after_break.split_first()?;
    Some((hex_pair(&[high, low])?, rest))
}

/// The value of two hexadecimal digits.
pub(crate) fn hex_pair(digits: &[u8]) -> Option<u8> {
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|value| u8::try_from(value).ok())
    };
    match *digits {
        [high, low] => Some(digit(high)? << 4 | digit(low)?),
        _ => None,
    }
}

/// A block that an encoder put into text, with the file name it was given.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) name: Vec<u8>,
    pub(crate) bytes: Vec<u8>,
}

/// The first uuencoded block of a text: from `begin 644 name` to `end`, or to the first line that no
/// encoder writes. Gives the block and where the text goes on after it.
pub(crate) fn uuencoded(text: &[u8]) -> Option<(Block, usize)> {
    let (name, mut at) = memmem::find_iter(text, b"begin ").find_map(|at| begin_line(text, at))?;
    let mut bytes = Vec::new();
    while at < text.len() {
        let rest = text.get(at..).unwrap_or_default();
        let len = memchr(b'\n', rest).map_or(rest.len(), |pos| pos + 1);
        let line = rest.get(..len).unwrap_or_default().trim_ascii_end();
        if line == b"end" {
            at += len;
            break;
        }
        if !is_uuencoded_line(line) {
            break;
        }
        at += len;
        uuencoded_line(line, &mut bytes);
    }
    Some((Block { name, bytes }, at))
}

/// The file name of the `begin` line at `at`, and where the next line begins.
fn begin_line(text: &[u8], at: usize) -> Option<(Vec<u8>, usize)> {
    let is_line_start = text
        .get(..at)?
        .last()
        .is_none_or(|byte| matches!(byte, b'\n' | b'\r'));
    if !is_line_start {
        return None;
    }
    let rest = text.get(at..)?;
    let len = memchr(b'\n', rest.get(..MAX_BEGIN_LINE_BYTES).unwrap_or(rest))? + 1;
    let mode_and_name = rest.get(b"begin ".len()..len)?.trim_ascii();
    let space = memchr(b' ', mode_and_name)?;
    let (mode, name) = mode_and_name.split_at(space);
    let is_octal = |byte: &u8| matches!(byte, b'0'..=b'7');
    let is_mode = (3..=4).contains(&mode.len()) && mode.iter().all(is_octal);
    is_mode.then(|| (name.trim_ascii().to_vec(), at + len))
}

/// Whether an encoder may have written this line: its first digit gives the length of the rest.
/// Blanks at the end get lost in transit, and some encoders add a checksum.
fn is_uuencoded_line(line: &[u8]) -> bool {
    let Some((&count, digits)) = line.split_first() else {
        return true;
    };
    let wanted = usize::from(uuencoded_value(count)).div_ceil(3) * 4;
    line.iter().all(|byte| matches!(byte, b' '..=b'`')) && digits.len() <= wanted + 2
}

fn uuencoded_value(digit: u8) -> u8 {
    digit.wrapping_sub(b' ') & 0x3f
}

fn uuencoded_line(line: &[u8], out: &mut Vec<u8>) {
    let value = |byte: u8| u32::from(uuencoded_value(byte));
    let Some((&count, digits)) = line.split_first() else {
        return;
    };
    let mut left = value(count) as usize;
    for group in digits.chunks(4) {
        let digit = |index: usize| group.get(index).map_or(0, |&byte| value(byte));
        let bits = digit(0) << 18 | digit(1) << 12 | digit(2) << 6 | digit(3);
        let [_, bytes @ ..] = bits.to_be_bytes();
        let take = left.min(bytes.len());
        out.extend(bytes.iter().take(take));
        left -= take;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> String {
        String::from_utf8_lossy(bytes).into_owned()
    }

    #[test]
    fn base64_at_inner_padding_has_three_readings() {
        let split = b"SGVs bG8=IHdv!cmxk";
        assert_eq!(text(&base64(split, Padding::Restarts)), "Hello world");
        assert_eq!(text(&base64(split, Padding::Ends)), "Hello");
        assert_eq!(base64(b"SGVs=bG8=", Padding::Ignored), b"Hello");
    }

    #[test]
    fn base64_cut_inside_a_group_gives_the_whole_bytes() {
        for (digits, bytes) in [("TVqQ", 3), ("TVq", 2), ("TV", 1), ("T", 0), ("", 0)] {
            assert_eq!(
                base64(digits.as_bytes(), Padding::Restarts).len(),
                bytes,
                "{digits}"
            );
        }
    }

    #[test]
    fn lenient_quoted_printable_takes_odd_soft_breaks_and_digits() {
        for (encoded, decoded) in [
            ("a=3Db", "a=b"),
            ("a=3db", "a=b"),
            ("a= \t\r\nb", "ab"),
            ("a=\r\r\nb", "ab"),
            ("a=\rb", "ab"),
            ("a=4\r\n1", "aA"),
            ("a=4=\r\n1", "aA"),
            ("a=", "a"),
            ("a=zz", "a=zz"),
            ("=", ""),
        ] {
            assert_eq!(
                text(&quoted_printable(encoded.as_bytes())),
                decoded,
                "{encoded:?}"
            );
        }
    }

    #[test]
    fn escapes_alone_skip_all_that_is_between() {
        assert_eq!(escapes(b"=4D \t=@=5A=\r\n=9=\r\n0\x12=00"), b"MZ\x90\x00");
    }

    #[test]
    fn urls_are_not_taken_for_quoted_printable() {
        assert!(!is_quoted_printable(
            b"https://a.example/?id=42&b=aa&c=11&d=22&e=33\n"
        ));
        assert!(is_quoted_printable(
            b"<p class=3D\"a\">=C3=BC=\n=20=\nx</p>"
        ));
    }

    #[test]
    fn a_uuencoded_block_is_found_with_its_name() {
        let mail = b"text\nbegin 644 a b.exe\r\n#0V%T\r\n`\r\nend\r\nmore";
        let (block, end) = uuencoded(mail).expect("a block");
        assert_eq!(text(&block.name), "a b.exe");
        assert_eq!(block.bytes, b"Cat");
        assert_eq!(mail.get(end..), Some(b"more".as_slice()));
    }

    #[test]
    fn a_uuencoded_block_without_end_is_taken_to_the_end() {
        let (block, _) = uuencoded(b"begin 0755 x\n#0V%T\n#0V%T").expect("a block");
        assert_eq!(block.bytes, b"CatCat");
    }

    #[test]
    fn words_that_begin_a_sentence_begin_no_block() {
        for sentence in [
            "begin now\n#0V%T\n",
            "we begin 644 times\n#0V%T\n",
            "begin 999 x\n#0V%T\n",
            "begin 644 x",
        ] {
            assert_eq!(uuencoded(sentence.as_bytes()), None, "{sentence:?}");
        }
    }

    #[test]
    fn a_block_ends_at_the_first_line_that_no_encoder_writes() {
        let mail = b"begin 644 decoy\nNot encoded at all.\nbegin 644 x.exe\n#0V%T\nBest regards";
        let (decoy, end) = uuencoded(mail).expect("a block");
        assert!(decoy.bytes.is_empty());
        let (block, _) = uuencoded(mail.get(end..).unwrap_or_default()).expect("a block");
        assert_eq!(
            (text(&block.name).as_str(), block.bytes.as_slice()),
            ("x.exe", b"Cat".as_slice())
        );
    }
}
