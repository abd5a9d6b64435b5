//! Command lines, out of bytes that come in any pieces.

use bytes::{Buf, BytesMut};
use memchr::memchr;

use super::command::is_foreign;
use crate::BareLineEnds;

/// How many lengths of a command line a client may go on without a line end, before it is taken for one that
/// will never send any.
const ENDLESS: usize = 16;

/// The first byte of a TLS record that holds a handshake message (RFC 8446, 5.1).
const TLS_HANDSHAKE: u8 = 0x16;

/// What comes in a place where a command is expected.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A line, without its line end.
    Command(BytesMut),
    /// A line that ends in LF alone, where that is refused.
    BareLineFeed,
    /// A line over the limit.
    TooLong,
    /// So much without a line end that there is no point in waiting for one.
    Endless,
    /// The beginning of TLS or HTTP.
    Foreign,
}

/// Takes lines off a buffer. It remembers how far it has looked, so that a line that comes byte by byte costs no
/// more than one that comes at once.
#[derive(Debug)]
pub(super) struct LineReader {
    limit: usize,
    bare_line_ends: BareLineEnds,
    /// How much of the buffer has no line end.
    searched: usize,
    /// How much of a line over the limit was dropped.
    dropped: usize,
}

impl LineReader {
    /// Lines of at most `limit` bytes, line end included.
    pub(super) fn new(limit: usize, bare_line_ends: BareLineEnds) -> Self {
        Self {
            limit,
            bare_line_ends,
            searched: 0,
            dropped: 0,
        }
    }

    /// The next line, or `None` if more bytes are needed. The buffer then has at most the limit left in it.
    pub(super) fn next(&mut self, buffer: &mut BytesMut) -> Option<Line> {
        if self.dropped == 0 && buffer.first() == Some(&TLS_HANDSHAKE) {
            return Some(Line::Foreign);
        }
        let unsearched = buffer.get(self.searched..).unwrap_or_default();
        let Some(at) = memchr(b'\n', unsearched) else {
            self.searched = buffer.len();
            return self.drop_excess(buffer);
        };
        let mut line = buffer.split_to(self.searched + at + 1);
        self.searched = 0;
        if std::mem::take(&mut self.dropped) > 0 || line.len() > self.limit {
            return Some(if is_foreign(&line) {
                Line::Foreign
            } else {
                Line::TooLong
            });
        }
        line.truncate(line.len() - 1);
        Some(match line.strip_suffix(b"\r") {
            Some(stripped) => {
                line.truncate(stripped.len());
                Line::Command(line)
            }
            None if self.bare_line_ends == BareLineEnds::Normalise => Line::Command(line),
            None => Line::BareLineFeed,
        })
    }

    /// Drops what can only be a part of a line over the limit.
    fn drop_excess(&mut self, buffer: &mut BytesMut) -> Option<Line> {
        if self.dropped == 0 && buffer.len() <= self.limit {
            return None;
        }
        if self.dropped == 0 && is_foreign(buffer) {
            return Some(Line::Foreign);
        }
        self.dropped = self.dropped.saturating_add(buffer.len());
        buffer.advance(buffer.len());
        self.searched = 0;
        (self.dropped > self.limit.saturating_mul(ENDLESS)).then_some(Line::Endless)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(limit: usize, bare: BareLineEnds, pieces: &[&[u8]]) -> Vec<String> {
        let (mut reader, mut buffer) = (LineReader::new(limit, bare), BytesMut::new());
        let mut lines = Vec::new();
        for piece in pieces {
            buffer.extend_from_slice(piece);
            while let Some(line) = reader.next(&mut buffer) {
                let last = matches!(line, Line::Endless | Line::Foreign);
                lines.push(match line {
                    Line::Command(line) => line.escape_ascii().to_string(),
                    other => format!("{other:?}"),
                });
                if last {
                    return lines;
                }
            }
            assert!(buffer.len() <= limit, "the buffer is bounded");
        }
        lines
    }

    #[test]
    fn a_line_ends_with_cr_lf_and_lf_alone_only_where_it_is_normalised() {
        let bytes: &[&[u8]] = &[b"a\r\nb\nc\rd\r\n\r\n\ne\r\r\n"];
        assert_eq!(
            lines(100, BareLineEnds::Refuse, bytes),
            ["a", "BareLineFeed", r"c\rd", "", "BareLineFeed", r"e\r"]
        );
        assert_eq!(
            lines(100, BareLineEnds::Normalise, bytes),
            ["a", "b", r"c\rd", "", "", r"e\r"]
        );
    }

    #[test]
    fn a_line_of_exactly_the_limit_passes() {
        for (length, expected) in [
            (7, "x".repeat(7)),
            (8, "x".repeat(8)),
            (9, "TooLong".to_owned()),
        ] {
            let line = format!("{}\r\nnext\r\n", "x".repeat(length));
            assert_eq!(
                lines(10, BareLineEnds::Refuse, &[line.as_bytes()]),
                [&expected, "next"]
            );
            let bytes: Vec<&[u8]> = line.as_bytes().chunks(1).collect();
            assert_eq!(lines(10, BareLineEnds::Refuse, &bytes), [&expected, "next"]);
        }
    }

    #[test]
    fn a_line_without_end_is_given_up() {
        let endless = [b'x'; 1000];
        let pieces: Vec<&[u8]> = endless.chunks(7).collect();
        assert_eq!(lines(10, BareLineEnds::Refuse, &pieces), ["Endless"]);
    }

    #[test]
    fn other_protocols_are_recognised_without_a_line_end() {
        assert_eq!(
            lines(10, BareLineEnds::Refuse, &[b"\x16\x03\x01\x02"]),
            ["Foreign"]
        );
        assert_eq!(
            lines(10, BareLineEnds::Refuse, &[b"GET /aaaaaaaaaaaaaa"]),
            ["Foreign"]
        );
        assert_eq!(
            lines(
                10,
                BareLineEnds::Refuse,
                &[b"POST /aaaaaaaaaaaaaa HTTP/1.1\r\n"]
            ),
            ["Foreign"]
        );
    }

    proptest! {
        #[test]
        fn the_pieces_do_not_matter(
            bytes in proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'a'), any::<u8>()], 0..200),
            size in 1usize..20,
        ) {
            let whole: Vec<&[u8]> = bytes.chunks(1).collect();
            let pieces: Vec<&[u8]> = bytes.chunks(size).collect();
            for bare in [BareLineEnds::Refuse, BareLineEnds::Normalise] {
                prop_assert_eq!(lines(20, bare, &whole), lines(20, bare, &pieces));
            }
        }
    }
}
