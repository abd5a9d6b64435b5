use super::*;

fn value(text: &str) -> Result<String, TextError> {
    HeaderValue::new(text).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

#[test]
fn folds_become_a_bare_line_feed_whatever_they_were() {
    assert_eq!(
        value("one\r\n two\n\tthree").as_deref(),
        Ok("one\n two\n\tthree")
    );
}

#[test]
fn what_would_start_another_field_or_the_body_is_refused() {
    for (text, position) in [
        ("a\r\nBcc: b", 1),
        ("a\nBcc: b", 1),
        ("a\r\n\r\nbody", 1),
        ("a\n", 1),
        ("a\r\n", 1),
        ("a\rb", 1),
        ("a\0b", 1),
        ("a\x1b[2Jb", 1),
        ("a\x7fb", 1),
        ("fold\r\n \r\nX: y", 7),
    ] {
        match value(text) {
            Err(TextError::Character {
                position: found, ..
            }) => {
                assert_eq!(found, position, "{text:?}");
            }
            other => panic!("{text:?}: {other:?}"),
        }
    }
}

#[test]
fn a_line_of_nothing_but_space_is_refused() {
    for text in ["", " ", "a\r\n \r\n b", "a\n\t\n b", "a\n "] {
        assert_eq!(
            value(text),
            Err(TextError::Empty("header value")),
            "{text:?}"
        );
    }
}

#[test]
fn lines_and_values_are_bounded() {
    assert!(value(&"x".repeat(LINE_BYTES)).is_ok());
    assert!(value(&"x".repeat(LINE_BYTES + 1)).is_err());
    let lines = vec!["x".repeat(900); 30].join("\r\n ");
    assert!(matches!(
        value(&lines),
        Err(TextError::TooLong {
            limit: VALUE_BYTES,
            ..
        })
    ));
}

#[test]
fn bytes_above_127_stay_as_they_are() {
    assert_eq!(value("Grüße").as_deref(), Ok("Grüße"));
}

#[test]
fn a_sanitised_value_keeps_what_is_harmless() {
    let clean = |text: &str| HeaderValue::sanitised(text).as_bytes().to_vec();
    assert_eq!(clean("a\r\nBcc: b\0c\x1b[2J"), b"a Bcc: b c [2J");
    assert_eq!(clean(""), b"?");
    assert_eq!(clean("\r\n\r\n"), b"?");
    assert_eq!(clean(&"x".repeat(5_000)).len(), LINE_BYTES);
}

#[test]
fn header_names_are_tokens() {
    assert!(HeaderName::new("X-Postern-Id").is_ok());
    for name in ["", "X Y", "X:", "X\n", "X\0", "Ü", &"x".repeat(77)] {
        assert!(HeaderName::new(name).is_err(), "{name:?}");
    }
}

#[test]
fn an_address_cannot_end_its_brackets_or_its_line() {
    for address in ["", "a@example.org", "\"a b\"@example.org", "ü@example.org"] {
        assert!(Address::new(address).is_ok(), "{address:?}");
    }
    for address in ["a@b>, <c@d", "a\r\nRCPT", "a\0", "<a@b>", &"a".repeat(600)] {
        assert!(Address::new(address).is_err(), "{address:?}");
    }
    assert_eq!(Address::new("a@b").unwrap().wire(), "<a@b>");
}

#[test]
fn a_body_has_no_line_end_but_crlf() {
    for body in ["", "\r\n", "a\r\n\r\n.\r\nb\r\n"] {
        assert!(Body::new(body).is_ok(), "{body:?}");
    }
    for body in ["a", "a\r", "a\n", "\n", "a\r\r\n", "a\n.\r\n", "a\rb\r\n"] {
        assert!(Body::new(body).is_err(), "{body:?}");
    }
}

#[test]
fn a_reply_of_one_line_has_no_line_end() {
    let reply = ReplyText::new(550, "5.7.1", "Not wanted here").unwrap();
    assert_eq!(reply.wire(), "550 5.7.1 Not wanted here");
}

#[test]
fn a_reply_of_several_lines_repeats_code_and_status() {
    let reply = ReplyText::new(451, "4.7.1", "Later\nor\r\nnever").unwrap();
    assert_eq!(
        reply.wire(),
        "451-4.7.1 Later\r\n451-4.7.1 or\r\n451 4.7.1 never"
    );
}

#[test]
fn percent_signs_are_doubled_on_the_wire_only() {
    let reply = ReplyText::new(550, "5.7.1", "100% spam, %s").unwrap();
    assert_eq!(reply.wire(), "550 5.7.1 100%% spam, %%s");
    assert_eq!(reply.to_string(), "550 5.7.1 100% spam, %s");
}

#[test]
fn replies_that_an_mta_would_not_take_cannot_be_made() {
    for code in [0, 200, 250, 354, 399, 600, 5500] {
        assert_eq!(
            ReplyText::new(code, "5.7.1", "x"),
            Err(TextError::Code(code))
        );
    }
    for status in [
        "4.7.1", "5.7", "5.7.1.2", "", "5..1", "5.7.x", "5.7.1000", "5.7.1 ",
    ] {
        assert!(ReplyText::new(550, status, "x").is_err(), "{status:?}");
    }
    for text in [
        "", "\n", "a\n\nb", "a\rb", "a\0", "Grüße", "a\tb", "\x1b[2J",
    ] {
        assert!(ReplyText::new(550, "5.7.1", text).is_err(), "{text:?}");
    }
    assert!(ReplyText::new(550, "5.7.1", &"x".repeat(REPLY_LINE_BYTES + 1)).is_err());
    assert!(ReplyText::new(550, "5.7.1", &"x\n".repeat(REPLY_LINES + 1)).is_err());
}

#[test]
fn the_fixed_replies_pass_the_same_checks() {
    use crate::filter::{Limit, Reply};
    let limits = [
        Limit::HeaderBytes(1),
        Limit::Headers(1),
        Limit::MessageBytes(1),
        Limit::Recipients(1),
    ];
    for limit in limits {
        let Reply::Custom(reply) = limit.reply() else {
            panic!("{limit:?} has no text");
        };
        let again = ReplyText::new(reply.code, &reply.status, &reply.lines.join("\n"));
        assert_eq!(again, Ok(reply));
    }
}

#[test]
fn a_reason_is_cut_where_postfix_cuts_it() {
    let reason = Reason::sanitised("a\r\nb\0 ü".to_owned() + &"x".repeat(200));
    assert_eq!(reason.wire().len(), REASON_BYTES);
    assert!(
        reason.wire().starts_with(b"a b  ??xx"),
        "{:?}",
        reason.wire()
    );
    assert_eq!(Reason::sanitised("\r\n").wire(), "?");
}
