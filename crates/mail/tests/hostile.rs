//! Inputs made to exhaust time, memory or the stack. The tests assert counts and defects; a parser
//! that is quadratic on one of them would not come back at all.

use mail::{Defect, Limits, Message, PartKind, PartRole};

fn parse(raw: &[u8]) -> Message<'_> {
    Message::parse(raw, &Limits::default())
}

/// Bytes that a message holds beside the raw ones it borrows.
fn held_bytes(message: &Message<'_>) -> usize {
    let of_part = |part: &mail::Part<'_>| {
        let body = match part.body {
            std::borrow::Cow::Owned(ref bytes) => bytes.capacity(),
            std::borrow::Cow::Borrowed(_) => 0,
        };
        let alternatives: usize = part
            .alternatives
            .iter()
            .map(|alternative| alternative.bytes.capacity())
            .sum();
        let names: usize = part.names.iter().map(|name| name.text.capacity()).sum();
        let headers: usize = part
            .headers
            .iter()
            .map(|header| header.name.capacity())
            .sum();
        body + alternatives + names + headers + part.path.capacity()
    };
    message.parts.iter().map(of_part).sum()
}

fn has(message: &Message<'_>, wanted: &Defect) -> bool {
    message.all_defects().any(|defect| defect == wanted)
}

#[test]
fn thirty_thousand_nested_messages_are_one_opaque_part() {
    let raw = b"Content-Type: message/rfc822\r\n\r\n".repeat(30_000);
    let message = parse(&raw);
    assert_eq!(message.parts.len(), 1);
    assert_eq!(message.parts[0].kind, PartKind::Message);
    assert_eq!(message.parts[0].body.len(), raw.len() - 32);
}

#[test]
fn fifty_levels_of_base64_messages_cost_one_level_per_call() {
    let mut raw = b"Subject: innermost\r\n\r\nhello\r\n".to_vec();
    for _ in 0..50 {
        // An encoded message grows by a third at each level; fifty would not fit anywhere.
        let head = b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n";
        let body = base64(&raw);
        raw = [head.as_slice(), &body].concat();
        if raw.len() > 4 << 20 {
            break;
        }
    }
    let mut levels = 0;
    let mut current = raw;
    loop {
        let message = parse(&current);
        assert_eq!(message.parts.len(), 1);
        if message.parts[0].kind != PartKind::Message {
            assert_eq!(message.subject(), "innermost");
            break;
        }
        current = message.parts[0].body.to_vec();
        levels += 1;
    }
    assert!(levels > 20, "{levels}");
}

#[test]
fn multiparts_nested_beyond_the_depth_limit_stay_whole() {
    let mut raw = Vec::new();
    for level in 0..10_000 {
        raw.extend_from_slice(
            format!("Content-Type: multipart/mixed; boundary=b{level}x\r\n\r\n--b{level}x\r\n")
                .as_bytes(),
        );
    }
    let message = parse(&raw);
    assert_eq!(message.parts.len(), 33);
    assert!(has(&message, &Defect::DepthLimit { bound: 32 }));
    let innermost = message.parts.last().expect("never empty");
    assert!(innermost.body.ends_with(b"--b9999x\r\n"));
}

#[test]
fn parts_beyond_the_limit_are_one_part_with_all_their_bytes() {
    let mut raw = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n".to_vec();
    for number in 0..100_000 {
        raw.extend_from_slice(format!("--b\r\n\r\npart {number}\r\n").as_bytes());
    }
    raw.extend_from_slice(b"--b--\r\n");
    let message = parse(&raw);
    assert_eq!(message.parts.len(), 1_001);
    assert!(has(&message, &Defect::PartLimit { bound: 1_000 }));
    let rest = message.parts.last().expect("never empty");
    assert_eq!(rest.role, PartRole::Other);
    assert!(rest.body.ends_with(b"part 99999\r\n--b--\r\n"));
}

#[test]
fn a_million_header_fields_are_cut_at_the_limit_and_hide_no_attachment() {
    let mut raw = b"a: b\r\n".repeat(1_000_000);
    raw.extend_from_slice(b"Content-Type: application/zip; name=a.zip\r\nContent-Transfer-Encoding: base64\r\n\r\nUEsDBA==\r\n");
    let message = parse(&raw);
    assert!(message.headers.len() <= 1_016, "{}", message.headers.len());
    assert!(has(&message, &Defect::HeaderLimit { bound: 1_000 }));
    assert_eq!(message.parts[0].declared_type, "application/zip");
    assert_eq!(*message.parts[0].body, *b"PK\x03\x04");
}

#[test]
fn a_header_field_of_fifty_megabytes_is_cut_and_hides_no_other() {
    let mut raw = b"Subject: ".to_vec();
    raw.resize(49 << 20, b'x');
    raw.extend_from_slice(b"\r\nFrom: a@example.com\r\n\r\nbody");
    let message = parse(&raw);
    assert!(has(&message, &Defect::HeaderLimit { bound: 64 << 10 }));
    assert_eq!(message.subject().len(), (64 << 10) - 1);
    assert_eq!(message.from()[0].address, "a@example.com");
    assert_eq!(*message.parts[0].body, *b"body");
}

#[test]
fn a_million_folds_are_one_field() {
    let mut raw = b"Subject: x".to_vec();
    raw.extend(b"\r\n x".repeat(1_000_000));
    raw.extend_from_slice(b"\r\n\r\nbody");
    let message = parse(&raw);
    assert!(has(&message, &Defect::HeaderLimit { bound: 64 << 10 }));
    assert_eq!(*message.parts[0].body, *b"body");
}

#[test]
fn a_hundred_thousand_parameters_give_few_names_and_boundaries() {
    for parameter in [
        "name*{}=x;",
        "name={};",
        "boundary=b{};",
        " name = \"{}\" ",
        "name*{}*=%41;",
        "name=a b=c{} ",
    ] {
        let mut raw = b"Content-Type: multipart/mixed; ".to_vec();
        for number in 0..100_000 {
            raw.extend_from_slice(parameter.replace("{}", &number.to_string()).as_bytes());
        }
        raw.extend_from_slice(b"\r\n\r\n--b7\r\n\r\nbody\r\n--b7--\r\n");
        let message = Message::parse(
            &raw,
            &Limits {
                header_bytes: 4 << 20,
                ..Limits::default()
            },
        );
        assert!(message.parts[0].names.len() <= 16);
        assert!(
            held_bytes(&message) < 1 << 20,
            "{parameter}: {}",
            held_bytes(&message)
        );
    }
}

#[test]
fn the_extension_of_an_overlong_name_is_kept() {
    let raw = format!(
        "Content-Disposition: attachment; filename=\"{}.exe\"\r\n\r\nx",
        "ü".repeat(20_000)
    );
    let message = parse(raw.as_bytes());
    let name = message.parts[0].best_name().expect("a name");
    assert!(name.len() < 6_000 && name.ends_with(".exe"));
    assert!(has(&message, &Defect::NameLimit { bound: 5_120 }));
}

#[test]
fn a_name_behind_many_parameters_is_found_or_missed_with_a_defect() {
    for count in [100, 900, 5_000] {
        let dummies = "a=b; ".repeat(count);
        let raw = format!("Content-Disposition: attachment; {dummies} filename=x.exe\r\n\r\nx");
        let message = parse(raw.as_bytes());
        let is_found = message.parts[0].best_name() == Some("x.exe");
        assert_eq!(is_found, count < 1_000);
        assert_eq!(
            has(&message, &Defect::ParameterLimit { bound: 256 }),
            count > 256
        );
    }
}

#[test]
fn nested_comments_take_no_quadratic_time() {
    for comment in [b"(".as_slice(), b"()", b"(\\", b"(\"", b")("] {
        let mut raw = b"Content-Type: multipart/mixed; boundary=a".to_vec();
        raw.extend(comment.repeat(100_000));
        raw.extend_from_slice(b"\r\nContent-Transfer-Encoding: 7bit ");
        raw.extend(comment.repeat(20_000));
        raw.extend_from_slice(b"\r\n\r\n--a\r\n\r\nbody\r\n--a--\r\n");
        let message = Message::parse(
            &raw,
            &Limits {
                header_bytes: 1 << 20,
                ..Limits::default()
            },
        );
        assert!(message.parts.len() > 1, "{:?}", message.parts);
    }
}

#[test]
fn near_misses_of_a_boundary_split_nothing() {
    let mut raw =
        b"Content-Type: multipart/mixed; boundary=boundary\r\n\r\n--boundary\r\n\r\n".to_vec();
    raw.extend(b"--bounda\r\n".repeat(1_000_000));
    raw.extend(b"--boundaryx\r\n".repeat(1_000_000));
    raw.extend_from_slice(b"--boundary--\r\n");
    let message = parse(&raw);
    assert_eq!(message.parts.len(), 2);
}

#[test]
fn a_line_of_a_million_delimiters_takes_no_quadratic_time() {
    let mut raw = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n".to_vec();
    raw.extend(b"x --b ".repeat(1_000_000));
    let message = parse(&raw);
    assert!(message.parts.len() < 10);
    assert!(has(&message, &Defect::FallbackDelimiter));
}

#[test]
fn unused_boundaries_take_no_quadratic_time() {
    let mut raw = b"Content-Type: multipart/mixed; boundary=outer\r\n\r\n".to_vec();
    for number in 0..20_000 {
        raw.extend_from_slice(
            format!("--outer\r\nContent-Type: multipart/mixed; boundary=unused{number}\r\n\r\n")
                .as_bytes(),
        );
    }
    let message = parse(&raw);
    assert_eq!(message.parts.len(), 1_001);
    assert!(has(&message, &Defect::MissingDelimiter));
}

#[test]
fn ambiguous_multiparts_inside_each_other_multiply_no_views() {
    let mut raw = [b"\r\n".to_vec(), b"x".repeat(1 << 20)].concat();
    for level in 0..30 {
        let head = format!(
            "Content-Type: multipart/mixed; boundary=a{level}z; boundary=b{level}z\r\n\r\n--a{level}z\r\n"
        );
        let tail = format!("\r\n--b{level}z\r\n\r\ntext\r\n--a{level}z--\r\n");
        raw = [head.as_bytes(), &raw, tail.as_bytes()].concat();
    }
    let message = parse(&raw);
    assert!(message.parts.iter().any(|part| part.depth == 30));
    assert!(
        message
            .all_defects()
            .any(|defect| matches!(defect, Defect::ViewLimit { .. }))
    );
    let views = message
        .parts
        .iter()
        .filter(|part| part.role == PartRole::View);
    assert!(views.count() < 10);
    assert!(held_bytes(&message) < 8 * raw.len());
}

#[test]
fn a_million_recipients_are_bounded() {
    let mut raw = b"To: ".to_vec();
    raw.extend(b"a@b, ".repeat(1_000_000));
    raw.extend_from_slice(b"\r\n\r\n");
    let message = Message::parse(
        &raw,
        &Limits {
            header_bytes: 8 << 20,
            ..Limits::default()
        },
    );
    assert_eq!(message.to().len(), 2_000);
    assert!(has(&message, &Defect::AddressLimit { bound: 2_000 }));
}

#[test]
fn encoded_words_without_end_are_text() {
    for word in ["=?utf-8?q?a?= ", "=?utf-8?b?", "=?", "=?utf-8?q?=41"] {
        let raw = format!("Subject: {}\r\n\r\n", word.repeat(10_000));
        let message = parse(raw.as_bytes());
        assert!(!message.subject().is_empty(), "{word}");
    }
}

#[test]
fn fifty_megabytes_of_equals_signs_decode_to_no_more() {
    let mut raw = b"Content-Transfer-Encoding: quoted-printable\r\n\r\n".to_vec();
    raw.resize(40 << 20, b'=');
    let message = parse(&raw);
    assert!(message.parts[0].body.len() <= raw.len());
    assert!(held_bytes(&message) <= 6 * raw.len());
}

#[test]
fn a_message_above_the_size_limit_is_cut_with_a_defect() {
    let limits = Limits {
        message_bytes: 64,
        ..Limits::default()
    };
    let raw = [b"Subject: x\r\n\r\n".to_vec(), vec![b'a'; 1000]].concat();
    let message = Message::parse(&raw, &limits);
    assert_eq!(message.raw.len(), 64);
    assert_eq!(message.parts[0].body.len(), 50);
    assert!(has(&message, &Defect::TruncatedMessage { bound: 64 }));
    assert_eq!(
        Defect::TruncatedMessage { bound: 64 }.to_string(),
        "truncated-message (64)"
    );
}

#[test]
fn limits_of_zero_still_give_a_part() {
    let limits = Limits {
        message_bytes: 0,
        headers: 0,
        header_bytes: 0,
        parts: 0,
        depth: 0,
    };
    let raw = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--";
    assert_eq!(Message::parse(raw, &limits).parts.len(), 1);
    let limits = Limits {
        message_bytes: 1000,
        ..limits
    };
    let message = Message::parse(raw, &limits);
    assert!(!message.parts.is_empty());
}

fn base64(bytes: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = Vec::new();
    for (number, group) in bytes.chunks(3).enumerate() {
        if number % 19 == 0 && number > 0 {
            out.extend_from_slice(b"\r\n");
        }
        let at = |index: usize| group.get(index).copied().unwrap_or(0) as usize;
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for digit in 0..4 {
            out.push(match digit <= group.len() {
                true => DIGITS[bits >> (18 - 6 * digit) & 63],
                false => b'=',
            });
        }
    }
    out
}
