//! A message as the DATA command carries it: CRLF line ends only, dots stuffed, one terminator.

use std::borrow::Cow;

use memchr::memchr_iter;
use memchr::memmem::Finder;

/// Bytes handed to the socket at once. Each block has [`crate::Timeouts::block`] to leave.
const BLOCK: usize = 64 * 1024;

/// What happens to a message that contains a CR or LF outside a CRLF pair.
///
/// RFC 5321 (2.3.8) forbids such bytes, and servers disagree about them: to some `LF . LF` ends the
/// message, and what follows becomes commands in our name (SMTP smuggling, CVE-2023-51764 and its
/// relatives). So they are never sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BareLineEnds {
    /// The message is refused with [`MessageError`], and nothing is changed. The default: mail that came
    /// through a current Postfix has no such bytes.
    #[default]
    Refuse,
    /// A bare LF becomes CRLF and a bare CR becomes a space, as Postfix does with mail from the network
    /// and (`cleanup_replace_stray_cr_lf`) with what it stores. The message then arrives changed, and
    /// a signature may break. A CR does not become a line end because that could start a header field
    /// that no filter has seen.
    Normalise,
}

/// A message that is not sent as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// A carriage return that is not followed by a line feed.
    #[error("message, byte {offset}: a carriage return without line feed cannot be sent unchanged")]
    BareCarriageReturn {
        /// Where it stands, counted from 0.
        offset: usize,
    },
    /// A line feed that does not follow a carriage return.
    #[error("message, byte {offset}: a line feed without carriage return cannot be sent unchanged")]
    BareLineFeed {
        /// Where it stands, counted from 0.
        offset: usize,
    },
}

/// `message` as it can be sent: itself, or what [`BareLineEnds`] makes of it.
pub(crate) fn sendable(
    message: &[u8],
    bare_line_ends: BareLineEnds,
) -> Result<Cow<'_, [u8]>, MessageError> {
    match (check(&[message]), bare_line_ends) {
        (Ok(()), _) => Ok(Cow::Borrowed(message)),
        (Err(error), BareLineEnds::Refuse) => Err(error),
        (Err(_), BareLineEnds::Normalise) => Ok(Cow::Owned(normalised(message))),
    }
}

/// A message in slices, whose every CR and LF is part of a CRLF.
///
/// Where one slice ends and the next begins means nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Content<'a> {
    slices: &'a [&'a [u8]],
    length: usize,
    /// N.B. true for the empty message: the DATA command's own CRLF precedes it.
    ends_a_line: bool,
}

impl<'a> Content<'a> {
    pub(crate) fn new(slices: &'a [&'a [u8]]) -> Result<Self, MessageError> {
        check(slices)?;
        let last = slices.iter().rev().find_map(|slice| slice.last());
        Ok(Self {
            slices,
            length: slices.iter().map(|slice| slice.len()).sum(),
            ends_a_line: last.is_none_or(|&byte| byte == b'\n'),
        })
    }

    /// Bytes the server will store: before dot-stuffing, with the final CRLF (RFC 1870, section 3).
    pub(crate) fn size(&self) -> usize {
        self.length + if self.ends_a_line { 0 } else { 2 }
    }

    /// The line end that the last line needs, if it needs one.
    pub(crate) fn last_line_end(&self) -> &'static [u8] {
        if self.ends_a_line { b"" } else { b"\r\n" }
    }

    pub(crate) fn is_ascii(&self) -> bool {
        self.slices.iter().all(|slice| slice.is_ascii())
    }

    /// Memory for the blocks, of which the last is rarely full.
    pub(crate) fn block(&self) -> Vec<u8> {
        // Some room for dots: most messages fit one block, which then never grows.
        Vec::with_capacity((self.length + self.length / 64 + 64).min(BLOCK + 1))
    }

    pub(crate) fn blocks(&self) -> Blocks<'a> {
        Blocks {
            slice: &[],
            rest: self.slices,
            at_line_start: true,
            line_starts_with_dot: Finder::new(b"\n."),
        }
    }

    /// What ends the message: the dot alone where a line has just ended, else a line end before it.
    /// Always adding the CRLF would append a blank line to every message.
    pub(crate) fn terminator(&self) -> &'static [u8] {
        if self.ends_a_line {
            b".\r\n"
        } else {
            b"\r\n.\r\n"
        }
    }
}

/// The message in dot-stuffed blocks (RFC 5321, 4.5.2).
pub(crate) struct Blocks<'a> {
    slice: &'a [u8],
    rest: &'a [&'a [u8]],
    at_line_start: bool,
    line_starts_with_dot: Finder<'static>,
}

impl Blocks<'_> {
    /// Replaces `block` by the next block, of [`BLOCK`] bytes or one more; false when there is none.
    pub(crate) fn fill(&mut self, block: &mut Vec<u8>) -> bool {
        block.clear();
        while block.len() < BLOCK {
            if self.slice.is_empty() {
                let Some((slice, rest)) = self.rest.split_first() else {
                    break;
                };
                (self.slice, self.rest) = (slice, rest);
                continue;
            }
            if self.at_line_start && self.slice.starts_with(b".") {
                block.push(b'.');
            }
            // Every LF ends a CRLF here: `Content::new` saw to it.
            let room = (BLOCK + 1 - block.len()).min(self.slice.len());
            let (window, _) = self.slice.split_at(room);
            let stop = self.line_starts_with_dot.find(window);
            let (taken, rest) = self.slice.split_at(stop.map_or(room, |at| at + 1));
            block.extend_from_slice(taken);
            self.slice = rest;
            self.at_line_start = taken.ends_with(b"\n");
        }
        !block.is_empty()
    }
}

fn check(slices: &[&[u8]]) -> Result<(), MessageError> {
    if line_ends_are_whole(slices) {
        return Ok(());
    }
    match first_bare_line_end(slices.iter().flat_map(|slice| slice.iter().copied())) {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

/// Every LF follows a CR, and there are no more CRs than LFs: hence no bare ones. Quick, which matters because
/// every message passes here and few fail.
fn line_ends_are_whole(slices: &[&[u8]]) -> bool {
    let (mut line_feeds, mut carriage_returns, mut previous) = (0_usize, 0_usize, None);
    for slice in slices {
        for at in memchr_iter(b'\n', slice) {
            let before = match at.checked_sub(1) {
                Some(before) => slice.get(before).copied(),
                None => previous,
            };
            if before != Some(b'\r') {
                return false;
            }
            line_feeds += 1;
        }
        carriage_returns += memchr_iter(b'\r', slice).count();
        previous = slice.last().copied().or(previous);
    }
    line_feeds == carriage_returns
}

fn first_bare_line_end(message: impl Iterator<Item = u8>) -> Option<MessageError> {
    let mut previous = 0;
    let mut length = 0;
    for (offset, byte) in message.enumerate() {
        match (previous, byte) {
            (b'\r', b'\n') => {}
            (b'\r', _) => return Some(MessageError::BareCarriageReturn { offset: offset - 1 }),
            (_, b'\n') => return Some(MessageError::BareLineFeed { offset }),
            _ => {}
        }
        previous = byte;
        length = offset + 1;
    }
    (previous == b'\r').then(|| MessageError::BareCarriageReturn { offset: length - 1 })
}

fn normalised(message: &[u8]) -> Vec<u8> {
    let mut clean = Vec::with_capacity(message.len() + message.len() / 16);
    let mut bytes = message.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\r' if bytes.next_if_eq(&b'\n').is_some() => clean.extend_from_slice(b"\r\n"),
            b'\r' => clean.push(b' '),
            b'\n' => clean.extend_from_slice(b"\r\n"),
            other => clean.push(other),
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::unstuff;
    use proptest::prelude::*;

    fn wire_bytes(message: &[u8], bare_line_ends: BareLineEnds) -> Result<Vec<u8>, MessageError> {
        wire_bytes_of(&[&sendable(message, bare_line_ends)?])
    }

    fn wire_bytes_of(slices: &[&[u8]]) -> Result<Vec<u8>, MessageError> {
        let content = Content::new(slices)?;
        let (mut wire, mut block, mut blocks) = (Vec::new(), content.block(), content.blocks());
        while blocks.fill(&mut block) {
            assert!(block.len() <= BLOCK + 1, "a block is bounded");
            wire.extend_from_slice(&block);
        }
        wire.extend_from_slice(content.terminator());
        Ok(wire)
    }

    fn is_sent_as(message: &str, expected: &str) {
        let wire = wire_bytes(message.as_bytes(), BareLineEnds::Refuse).unwrap();
        assert_eq!(String::from_utf8(wire).unwrap(), expected, "{message:?}");
    }

    #[test]
    fn dots_are_stuffed_at_line_starts_only_and_no_blank_line_is_added() {
        is_sent_as("a\r\n", "a\r\n.\r\n");
        is_sent_as("a", "a\r\n.\r\n");
        is_sent_as("", ".\r\n");
        is_sent_as(".", "..\r\n.\r\n");
        is_sent_as(".\r\n", "..\r\n.\r\n");
        is_sent_as("\r\n", "\r\n.\r\n");
        is_sent_as("..a\r\n.\r\nb.c\r\n.", "...a\r\n..\r\nb.c\r\n..\r\n.\r\n");
        is_sent_as("a\r\n\r\n", "a\r\n\r\n.\r\n");
    }

    #[test]
    fn bare_line_ends_are_refused_and_named_by_their_place() {
        use MessageError::{BareCarriageReturn, BareLineFeed};
        let cases: [(&[u8], MessageError); 9] = [
            (b"a\nb", BareLineFeed { offset: 1 }),
            (b"\n", BareLineFeed { offset: 0 }),
            (b"a\r\n\n", BareLineFeed { offset: 3 }),
            (b"a\rb\r\n", BareCarriageReturn { offset: 1 }),
            (b"a\r", BareCarriageReturn { offset: 1 }),
            (b"a\r\r\n", BareCarriageReturn { offset: 1 }),
            (b"a\r\n.\r\r\n", BareCarriageReturn { offset: 4 }),
            (b"a\n.\nMAIL FROM:<x>\r\n", BareLineFeed { offset: 1 }),
            (b"a\r\n\0.\n", BareLineFeed { offset: 5 }),
        ];
        for (message, error) in cases {
            assert_eq!(
                wire_bytes(message, BareLineEnds::Refuse),
                Err(error),
                "{}",
                message.escape_ascii()
            );
        }
    }

    #[test]
    fn normalising_makes_lines_of_line_feeds_and_spaces_of_carriage_returns() {
        let cases: [(&[u8], &[u8]); 6] = [
            (b"a\nb\n", b"a\r\nb\r\n.\r\n"),
            (b"a\n.\nb", b"a\r\n..\r\nb\r\n.\r\n"),
            (b"Subject: a\rBcc: b\r\n", b"Subject: a Bcc: b\r\n.\r\n"),
            (b"a\r\n.\r\r\n", b"a\r\n.. \r\n.\r\n"),
            (b"a\r", b"a \r\n.\r\n"),
            (b"\n\r\n", b"\r\n\r\n.\r\n"),
        ];
        for (message, expected) in cases {
            let wire = wire_bytes(message, BareLineEnds::Normalise).unwrap();
            assert_eq!(
                wire.escape_ascii().to_string(),
                expected.escape_ascii().to_string(),
                "{}",
                message.escape_ascii()
            );
        }
    }

    #[test]
    fn a_dot_after_a_line_end_on_a_block_border_is_stuffed() {
        for border in BLOCK - 3..BLOCK + 3 {
            let message = [vec![b'x'; border], b"\r\n.\r\n.y".to_vec()].concat();
            let wire = wire_bytes(&message, BareLineEnds::Refuse).unwrap();
            assert!(
                wire.ends_with(b"x\r\n..\r\n..y\r\n.\r\n"),
                "border {border}"
            );
            // the same without any line end before the border: a dot there starts no line
            let message = [vec![b'x'; border], b"..\r\n".to_vec()].concat();
            let wire = wire_bytes(&message, BareLineEnds::Refuse).unwrap();
            assert_eq!(
                wire,
                [message.as_slice(), b".\r\n"].concat(),
                "border {border}"
            );
        }
    }

    proptest! {
        #[test]
        fn what_arrives_is_what_was_given(message in lines()) {
            let wire = wire_bytes(&message, BareLineEnds::Refuse).unwrap();
            let mut expected = message.clone();
            if !message.is_empty() && !message.ends_with(b"\r\n") {
                expected.extend_from_slice(b"\r\n");
            }
            prop_assert_eq!(Content::new(&[&message]).unwrap().size(), expected.len());
            prop_assert_eq!(unstuff(&wire), Some(expected));
            prop_assert!(only_ends_at_the_end(&wire));
        }

        #[test]
        fn no_message_whatever_ends_early_under_any_reading(message in proptest::collection::vec(prop_oneof![
            Just(b'\r'), Just(b'\n'), Just(b'.'), Just(b'a'), Just(0), any::<u8>()], 0..60)) {
            let wire = wire_bytes(&message, BareLineEnds::Normalise).unwrap();
            prop_assert!(only_ends_at_the_end(&wire));
            prop_assert!(first_bare_line_end(wire.iter().copied()).is_none());
            let exact = wire_bytes(&message, BareLineEnds::Refuse);
            prop_assert_eq!(exact.as_ref().err().copied(), first_bare_line_end(message.iter().copied()));
            if let Ok(exact) = exact {
                prop_assert_eq!(exact, wire);
            }
        }

        #[test]
        fn slices_mean_nothing(
            message in prop_oneof![lines(), proptest::collection::vec(prop_oneof![
                Just(b'\r'), Just(b'\n'), Just(b'.'), Just(b'a')], 0..30)],
            cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..6),
        ) {
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(message.len() + 1)).collect();
            cuts.sort_unstable();
            let (mut slices, mut from) = (Vec::new(), 0);
            for cut in cuts {
                slices.push(&message[from..cut]);
                from = cut;
            }
            slices.push(&message[from..]);
            prop_assert_eq!(wire_bytes_of(&slices), wire_bytes_of(&[&message]));
        }
    }

    #[test]
    fn a_message_may_have_no_slice_at_all() {
        assert_eq!(wire_bytes_of(&[]).unwrap(), b".\r\n");
        assert_eq!(wire_bytes_of(&[b"", b""]).unwrap(), b".\r\n");
    }

    fn lines() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            3 => Just(b"\r\n".to_vec()),
            2 => Just(b".".to_vec()),
            1 => Just(b"\0".to_vec()),
            1 => proptest::collection::vec(any::<u8>().prop_filter("no line ends", |b| !matches!(b, b'\r' | b'\n')), 0..5),
        ];
        proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
    }

    /// A lone dot between any two line ends, in the loosest reading a server ever had, is the last one.
    fn only_ends_at_the_end(wire: &[u8]) -> bool {
        let after_data = [b"\r\n".as_slice(), wire].concat();
        let line_end = |byte: u8| byte == b'\r' || byte == b'\n';
        let lone_dots = after_data
            .windows(3)
            .enumerate()
            .filter(|(_, w)| line_end(w[0]) && w[1] == b'.' && line_end(w[2]));
        lone_dots.map(|(at, _)| at).eq([after_data.len() - 4])
    }
}
