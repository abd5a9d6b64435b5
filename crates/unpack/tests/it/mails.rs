use unpack::{Context, Coverage, Limits, Origin};

use crate::support::{EICAR, Seen, mail_with, zip};

#[test]
fn a_mail_in_a_zip_in_a_mail_is_opened() {
    let inner = mail_with(&[("eicar.com", EICAR)]);
    let seen = Seen::of("a.zip", &zip(&[("inner.eml", &inner)]));
    assert_eq!(seen.artifact("1.2/1").file_type.name(), "eml");
    let found = seen.artifact("1.2/1/1.2");
    assert_eq!(
        (found.origin, found.name.as_deref(), found.depth),
        (Origin::Part, Some("eicar.com"), 2),
        "{seen}"
    );
    assert_eq!(seen.bytes("1.2/1/1.2"), EICAR);
    assert_eq!(seen.unpacked.nested.len(), 1);
    assert_eq!(
        (
            seen.unpacked.nested[0].subject.as_str(),
            seen.unpacked.nested[0].from.as_slice()
        ),
        ("files", ["a@example.com".to_owned()].as_slice())
    );
    assert_eq!(
        seen.unpacked.text, "See attached.",
        "the text of an attached mail is not a body"
    );
}

/// `count` mails, one inside the other.
fn nested(count: usize) -> Vec<u8> {
    (0..count).fold(mail_with(&[("eicar.com", EICAR)]), |inner, _| {
        let mut mail = b"From: a@example.com\r\nSubject: fwd\r\nMIME-Version: 1.0\r\nContent-Type: message/rfc822\r\n\r\n".to_vec();
        mail.extend(inner);
        mail
    })
}

#[test]
fn nested_mails_are_opened_up_to_the_bound() {
    let limits = Limits::default();
    let seen = Seen::of_mail(&nested(30), &limits);
    assert!(seen.has(EICAR), "{seen}");
    let seen = Seen::of_mail(&nested(40), &limits);
    assert!(!seen.has(EICAR));
    let over: Vec<_> = seen
        .unpacked
        .artifacts
        .iter()
        .filter(|artifact| artifact.coverage == Coverage::OverLimit)
        .collect();
    assert_eq!(
        over.last().unwrap().detail.as_deref(),
        Some("mail-depth 32"),
        "{seen}"
    );
}

#[test]
fn mails_and_archives_in_turns_are_bounded_by_both() {
    let mut inner = EICAR.to_vec();
    for level in 0..60 {
        inner = if level % 5 == 4 {
            zip(&[("m.eml", &inner)])
        } else {
            mail_with(&[("a.bin", &inner)])
        };
    }
    let seen = Seen::of("a.bin", &inner);
    assert!(!seen.has(EICAR));
    assert_eq!(
        seen.unpacked.artifacts.last().unwrap().coverage,
        Coverage::OverLimit,
        "{seen}"
    );
}

#[test]
fn a_mail_shown_inside_a_mail_is_part_of_the_text() {
    let mail = b"From: a@example.com\r\nSubject: fwd\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
        --b\r\nContent-Type: text/plain\r\n\r\nouter text\r\n--b\r\nContent-Type: message/rfc822\r\nContent-Disposition: inline\r\n\r\n\
        From: c@example.com\r\nSubject: inner\r\n\r\ninner text\r\n--b--\r\n";
    let seen = Seen::of_mail(mail, &Limits::default());
    assert!(
        seen.unpacked.text.contains("outer text"),
        "{}",
        seen.unpacked.text
    );
    assert!(
        seen.has(b"inner text\r\n") || seen.has(b"inner text"),
        "{seen}"
    );
}

#[test]
fn bodies_give_text_references_and_features() {
    let mail = "From: a@example.com\r\nSubject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n\
        --b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nplain  text\r\n\r\n--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n\
        <p>Log in at <a href=\"https://evil.example/\">gov.az</a><span style=\"display:none\">secret</span><form action=f></form>\r\n--b--\r\n";
    let seen = Seen::of_mail(mail.as_bytes(), &Limits::default());
    assert_eq!(seen.unpacked.text, "plain text\n\nLog in at gov.az");
    assert_eq!(seen.unpacked.hidden_text, "secret");
    assert_eq!(seen.unpacked.html.forms, 1);
    let link = &seen.unpacked.references[0];
    assert_eq!(
        (link.raw.as_str(), link.context, link.text.as_deref()),
        ("https://evil.example/", Context::Href, Some("gov.az"))
    );
    assert_eq!(seen.unpacked.artifacts[link.artifact].path, "1.2");
}

#[test]
fn markup_in_a_plain_body_is_text() {
    let mail = b"From: a@example.com\r\nSubject: x\r\n\r\n<html><p>not rendered</p>\r\n";
    let seen = Seen::of_mail(mail, &Limits::default());
    assert_eq!(seen.unpacked.text, "<html><p>not rendered</p>");
    assert_eq!(seen.unpacked.html, unpack::HtmlFeatures::default());
}

#[test]
fn a_forwarded_mail_quoted_in_a_body_is_no_mail() {
    let mail = b"From: a@example.com\r\nSubject: x\r\n\r\nFrom: b@example.com\r\nTo: c@example.com\r\nSubject: y\r\n\r\nquoted\r\n";
    let seen = Seen::of_mail(mail, &Limits::default());
    assert_eq!(seen.artifact("1").file_type.name(), "text");
    assert_eq!(seen.unpacked.artifacts.len(), 1);
}

#[test]
fn defects_say_where_they_are() {
    let inner = b"From: a@example.com\r\nSubject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nunterminated\r\n";
    let seen = Seen::of("inner.eml", inner);
    let found = seen
        .unpacked
        .defects
        .iter()
        .find(|defect| defect.code == "unterminated")
        .expect("a defect");
    assert!(found.path.starts_with("1.2"), "{found:?}");
}

#[test]
fn every_byte_string_is_a_mail() {
    for raw in [
        b"".as_slice(),
        b"\0",
        b"\r\n",
        b"PK\x03\x04",
        b"From: \xff\xfe",
        b"Content-Type: message/rfc822\r\n\r\n",
    ] {
        let seen = Seen::of_mail(raw, &Limits::default());
        assert!(!seen.unpacked.artifacts.is_empty());
    }
}
