use super::*;
use policy::{Action, Category};
use proptest::prelude::*;

const ID: &str = "mx.example.org";

fn stripped(value: &str) -> bool {
    is_ours(b"Authentication-Results", value.as_bytes(), ID)
}

#[test]
fn results_with_our_id_are_ours_however_they_are_written() {
    for value in [
        " mx.example.org; spf=pass smtp.mailfrom=example.com",
        "mx.example.org;none",
        " MX.Example.ORG; none",
        " mx.example.org 1; none",
        "\r\n\tmx.example.org;\r\n\tspf=pass",
        "\n mx.example.org\n ; none",
        " (a comment) mx.example.org; none",
        " (one (two (three)) ) (four) mx.example.org(five)1; none",
        " (a \\) paren and a ; too) mx.example.org; none",
        " \"mx.example.org\"; none",
        " \"mx\\.example.org\" 1; none",
        " mx.(joined)example.org; none",
        " mx.example.org. ; none",
        " mx.example.org",
        "\0\x0bmx.example.org; none",
        // No end: a reader may see whatever it wants.
        " (for ever mx.example.org; none",
        " \"mx.example.org; none",
        " \"x\" (((((mx.example.org",
    ] {
        assert!(stripped(value), "{value:?}");
    }
}

#[test]
fn results_of_others_are_not() {
    for value in [
        " mx.example.com; spf=pass smtp.mailfrom=mx.example.org",
        " mx.example.org.evil.test; none",
        " notmx.example.org; none",
        " example.org; none",
        " (mx.example.org) other.example; none",
        " other.example (mx.example.org); none",
        " other.example; mx.example.org; none",
        " ; mx.example.org",
        "",
        " ",
        " (for ever other.example; none",
        " \"mx.example.org; none\"; none",
    ] {
        assert!(!stripped(value), "{value:?}");
    }
}

#[test]
fn our_own_names_are_ours_in_every_spelling_and_arc_is_not() {
    for name in [
        "X-Postern-Id",
        "x-POSTERN-",
        "X-Postern-Verdict \t",
        "X-PoStErN-Anything-Else",
    ] {
        assert!(is_ours(name.as_bytes(), b"", ID), "{name}");
    }
    for name in [
        "",
        "X-Postern",
        "X-Posternish",
        "Subject",
        "ARC-Authentication-Results",
        "Authentication-Results-Original",
        "X-Authentication-Results",
    ] {
        let value = format!(" {ID}; spf=pass");
        assert!(!is_ours(name.as_bytes(), value.as_bytes(), ID), "{name}");
    }
    let value = format!(" {ID}; spf=pass");
    assert!(is_ours(b"AUTHENTICATION-results ", value.as_bytes(), ID));
}

#[test]
fn comments_without_number_or_end_cost_no_stack_and_no_memory() {
    let mut value = b"(".repeat(4 << 20);
    value.extend_from_slice(ID.as_bytes());
    assert!(is_ours(RESULTS, &value, ID));
    value.extend_from_slice(&b")".repeat(4 << 20));
    assert!(!is_ours(RESULTS, &value, ID));
    assert!(!is_ours(RESULTS, &b"a".repeat(4 << 20), ID));
}

#[test]
fn the_fields_say_what_was_decided() {
    let verdict = Verdict {
        action: Action::Tag,
        score: 50,
        category: Some(Category::Spam),
        reasons: Vec::new(),
        tenant: "t".to_owned(),
    };
    let id: MailId = "0".repeat(26).parse().expect("an id");
    let lines: Vec<Vec<u8>> = added(&id, &verdict).iter().map(Field::line).collect();
    assert_eq!(
        lines.concat(),
        b"X-Postern-Id: 00000000000000000000000000\r\n\
          X-Postern-Verdict: tag; score=50; category=spam\r\n"
    );
}

#[test]
fn nothing_can_be_injected_through_a_value() {
    let line = Field::new("X-Postern-Id", "a\r\nBcc: b@c\r\n\r\nbody\0\u{2028}.").line();
    assert_eq!(line, b"X-Postern-Id: a??Bcc: b@c????body??.\r\n");
    assert_eq!(Field::new("X-Postern-Id", " \t ").value(), "?");
}

proptest! {
    #[test]
    fn any_value_becomes_one_line(value: String) {
        let line = Field::new("X-Postern-Id", &value).line();
        let inner = line.strip_suffix(b"\r\n").expect("ends like a line");
        prop_assert!(inner.iter().all(|b| *b == b' ' || b.is_ascii_graphic()));
        prop_assert!(inner.starts_with(b"X-Postern-Id: ") && line.len() <= 1_000);
        prop_assert!(inner.len() > b"X-Postern-Id: ".len());
    }

    #[test]
    fn any_field_is_looked_at_without_a_panic(name: Vec<u8>, value: Vec<u8>) {
        is_ours(&name, &value, ID);
        is_ours(RESULTS, &value, ID);
        is_ours(RESULTS, &value, "");
    }

    #[test]
    fn comments_and_folds_hide_no_claim(
        before in "[ \t]{0,3}(\\([a-z;\" ]{0,5}\\(x\\)\\))?(\r\n )?",
        after in "( |\r\n\t|\\(c\\))*;?",
    ) {
        let value = format!("{before}{ID}{after}");
        prop_assert!(stripped(&value), "{}", value);
    }
}
