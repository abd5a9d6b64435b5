//! The decoder against slow and obvious ones, in all pieces.

use proptest::prelude::*;

use super::*;
use crate::testing::unstuff;

fn options(bare_line_ends: BareLineEnds) -> ServerOptions {
    ServerOptions {
        bare_line_ends,
        ..ServerOptions::default()
    }
}

#[derive(Debug, PartialEq)]
struct Decoded {
    message: Vec<u8>,
    problem: Option<Problem>,
    rest: Vec<u8>,
}

/// Feeds the pieces until the message ends; `None` if it does not.
fn decode(options: &ServerOptions, pieces: &[&[u8]]) -> Option<Decoded> {
    let (mut decoder, mut message) = (Decoder::new(options), Vec::new());
    for (at, piece) in pieces.iter().enumerate() {
        if let Some(end) = decoder.feed(piece, &mut message) {
            let rest = [&piece[end..], &pieces[at + 1..].concat()].concat();
            return Some(Decoded {
                message,
                problem: decoder.problem(),
                rest,
            });
        }
    }
    None
}

/// By the book: the first line that is a lone dot ends it, and a line is what ends in CRLF.
fn by_the_book(wire: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let after_data = [b"\r\n", wire].concat();
    let at = after_data
        .windows(5)
        .position(|window| window == b"\r\n.\r\n")?;
    let (transmitted, rest) = wire.split_at(at + 3);
    Some((unstuff(transmitted)?, rest.to_vec()))
}

fn normalised(message: &[u8]) -> Vec<u8> {
    let text: String = message.iter().map(|&byte| char::from(byte)).collect();
    let text = text
        .replace("\r\n", "\u{100}")
        .replace('\n', "\u{100}")
        .replace('\r', " ");
    text.replace('\u{100}', "\r\n")
        .chars()
        .map(|c| u8::try_from(u32::from(c)).unwrap())
        .collect()
}

fn has_bare(message: &[u8]) -> bool {
    let text = message.escape_ascii().to_string().replace(r"\r\n", "");
    text.contains(r"\r") || text.contains(r"\n")
}

#[test]
fn dots_are_unstuffed_and_the_rest_is_left() {
    for (wire, message) in [
        (".\r\n", ""),
        ("a\r\n.\r\n", "a\r\n"),
        ("\r\n.\r\n", "\r\n"),
        ("..\r\n.\r\n", ".\r\n"),
        ("...a\r\n.b\r\n.\r\n", "..a\r\nb\r\n"),
        ("a.\r\n.\r\n", "a.\r\n"),
        ("\0\r\n.\r\n", "\0\r\n"),
    ] {
        let wire = format!("{wire}QUIT\r\n.\r\n");
        let decoded = decode(&options(BareLineEnds::Refuse), &[wire.as_bytes()]).unwrap();
        assert_eq!(decoded.message, message.as_bytes(), "{wire:?}");
        assert_eq!(
            (decoded.problem, decoded.rest.as_slice()),
            (None, b"QUIT\r\n.\r\n".as_slice())
        );
    }
}

#[test]
fn a_message_and_a_line_of_exactly_the_limit_pass() {
    for (length, problem) in [(9, None), (10, None), (11, Some(Problem::LineTooLong))] {
        let options = ServerOptions {
            line_bytes: 10,
            ..options(BareLineEnds::Refuse)
        };
        let wire = format!("..\r\n{}\r\n.\r\n", "x".repeat(length));
        let pieces: Vec<&[u8]> = wire.as_bytes().chunks(1).collect();
        assert_eq!(
            decode(&options, &pieces).unwrap().problem,
            problem,
            "{length}"
        );
    }
    for (length, problem) in [(9, None), (10, None), (11, Some(Problem::TooLarge))] {
        let options = ServerOptions {
            message_bytes: 10,
            ..options(BareLineEnds::Refuse)
        };
        let wire = format!("..{}\r\n.\r\n", "x".repeat(length - 3));
        let decoded = decode(&options, &[wire.as_bytes()]).unwrap();
        assert_eq!(decoded.problem, problem, "{length}");
        assert!(decoded.message.len() <= 10);
    }
}

#[test]
fn a_line_ends_at_a_bare_line_feed_when_it_is_measured() {
    let options = ServerOptions {
        line_bytes: 4,
        ..options(BareLineEnds::Normalise)
    };
    assert_eq!(
        decode(&options, &[b"xxxx\nxxxx\r\n.\r\n"]).unwrap().problem,
        None
    );
}

#[test]
fn received_fields_are_counted_in_the_header_alone() {
    let field = "rEceived: by x\r\n";
    for (count, problem) in [(2, None), (3, None), (4, Some(Problem::TooManyHops))] {
        let options = ServerOptions {
            hops: 3,
            ..options(BareLineEnds::Normalise)
        };
        let header = format!(
            "X-Received: a\n received: folded\r\n{}A: b\r\n",
            field.repeat(count)
        );
        for (body, pieces) in [("", 1), ("\r\n", 1), ("\r\n", 1000), ("\n", 2)] {
            let wire = format!(
                "{header}{body}{}.\r\n",
                if body.is_empty() {
                    ""
                } else {
                    "Received: x\r\n"
                }
            );
            let pieces: Vec<&[u8]> = wire.as_bytes().chunks(pieces).collect();
            assert_eq!(
                decode(&options, &pieces).unwrap().problem,
                problem,
                "{wire:?}"
            );
        }
    }
}

#[test]
fn what_smugglers_take_for_an_end_is_none() {
    for end in [
        "\n.\n",
        "\n.\r",
        "\r.\n",
        "\r.\r",
        "\n.\r\n",
        "\r.\r\n",
        "\r\n\0.\r\n",
        "\r\n.\r\r\n",
        "\r\r\n.\r\r\n",
        "\r\n.\n",
        "\n.\r\r\n",
    ] {
        let wire = format!("body{end}MAIL FROM:<smuggled@example.org>\r\n.\r\n");
        for split in 0..wire.len() {
            let (a, b) = wire.as_bytes().split_at(split);
            let refused = decode(&options(BareLineEnds::Refuse), &[a, b]).unwrap();
            assert_eq!(refused.rest, b"", "{end:?}");
            let clean = end == "\r\n\0.\r\n";
            assert_eq!(
                refused.problem,
                (!clean).then_some(Problem::BareLineEnd),
                "{end:?}"
            );
            let taken = decode(&options(BareLineEnds::Normalise), &[a, b]).unwrap();
            assert_eq!(
                (taken.problem, taken.rest.as_slice()),
                (None, b"".as_slice())
            );
            assert!(!has_bare(&taken.message));
        }
    }
}

proptest! {
    #[test]
    fn it_agrees_with_the_book_however_the_bytes_come(
        wire in proptest::collection::vec(prop_oneof![
            4 => Just(b"\r\n".to_vec()), 2 => Just(b".".to_vec()), 2 => Just(b"\r\n.\r\n".to_vec()), 1 => Just(b"\r".to_vec()),
            1 => Just(b"\n".to_vec()), 2 => Just(b"a".to_vec()), 1 => proptest::collection::vec(any::<u8>(), 0..4)], 0..30),
        size in 1usize..8,
    ) {
        let wire = wire.concat();
        let book = by_the_book(&wire);
        for pieces in [1, size, wire.len().max(1)] {
            let pieces: Vec<&[u8]> = wire.chunks(pieces).collect();
            let taken = decode(&options(BareLineEnds::Normalise), &pieces);
            let refused = decode(&options(BareLineEnds::Refuse), &pieces);
            let Some((message, rest)) = &book else {
                prop_assert_eq!((taken, refused), (None, None));
                continue;
            };
            let taken = taken.unwrap();
            prop_assert_eq!(&taken.message, &normalised(message));
            prop_assert_eq!(&taken.rest, rest);
            let refused = refused.unwrap();
            prop_assert_eq!(&refused.rest, rest);
            prop_assert_eq!(refused.problem.is_some(), has_bare(message));
            if refused.problem.is_none() {
                prop_assert_eq!(&refused.message, message);
            }
        }
    }
}
