//! Whatever the bytes are, there is a message with a part, and its parts hold together.

use std::collections::BTreeSet;

use mail::{Defect, Limits, Message};
use proptest::prelude::*;

/// Pieces that mails are made of, so that random sequences of them reach every branch.
const PIECES: &[&str] = &[
    "\r\n",
    "\n",
    "\r",
    " ",
    "\t",
    "\0",
    ":",
    ";",
    "=",
    "\"",
    "(",
    ")",
    "\\",
    "--",
    "--b",
    "--b--",
    "--c",
    "--c--",
    "=?utf-8?q?=41?=",
    "=?utf-8?b?QQ==?=",
    "Content-Type: ",
    "content-type:",
    "Content-Transfer-Encoding: ",
    "Content-Disposition: attachment; ",
    "multipart/mixed; ",
    "multipart/digest;",
    "boundary=b",
    "boundary=\"c\"",
    "boundary*0=b",
    "filename=a.exe",
    "filename*=utf-8''%41",
    "name*1*=%FF",
    "text/plain",
    "text/html; charset=utf-7",
    "message/rfc822",
    "base64",
    "quoted-printable",
    "x-uuencode",
    "UEsDBA==",
    "=41=4",
    "=\n",
    "begin 644 a\n",
    "#0V%T\n",
    "end\n",
    "From: a@b",
    "Subject: x",
    "From ",
    "\u{e9}",
    "\u{202e}",
];

fn pieces() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop::sample::select(PIECES), 0..60)
        .prop_map(|pieces| pieces.concat().into_bytes())
}

fn holds_together(raw: &[u8]) {
    let limits = Limits {
        parts: 20,
        depth: 4,
        headers: 10,
        header_bytes: 4096,
        ..Limits::default()
    };
    let message = Message::parse(raw, &limits);
    assert!(!message.parts.is_empty());
    assert!(message.parts.len() <= 21);
    assert!(!message.defects.contains(&Defect::ParserPanic));
    let paths: BTreeSet<&str> = message
        .parts
        .iter()
        .map(|part| part.path.as_str())
        .collect();
    assert_eq!(paths.len(), message.parts.len(), "paths are unique");
    for (index, part) in message.parts.iter().enumerate() {
        assert_eq!(part.parent.is_none(), index == 0);
        assert!(part.parent.is_none_or(|parent| parent < index));
        assert!(part.depth <= 5);
        assert!(part.alternatives.len() <= 4);
        assert!(
            part.alternatives
                .iter()
                .all(|alternative| alternative.bytes.len() <= part.raw_body.len())
        );
        let _ = (part.text(), part.best_name());
    }
    let _ = (
        message.subject(),
        message.date(),
        message.message_id(),
        message.from(),
        message.to(),
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_give_a_message(raw in prop::collection::vec(any::<u8>(), 0..2000)) {
        holds_together(&raw);
    }

    #[test]
    fn any_sequence_of_mail_pieces_gives_a_message(raw in pieces()) {
        holds_together(&raw);
    }

    #[test]
    fn line_ends_change_no_structure(raw in pieces()) {
        // A carriage return of its own is content or an ambiguity, not a line end to vary.
        let lf: Vec<u8> = raw.into_iter().filter(|&byte| byte != b'\r').collect();
        let crlf = String::from_utf8_lossy(&lf).replace('\n', "\r\n").into_bytes();
        let essence = |raw: &[u8]| -> Vec<String> {
            let message = Message::parse(raw, &Limits::default());
            message.parts.iter().map(|part| {
                let body: Vec<u8> = part.body.iter().filter(|&&byte| byte != b'\r').copied().collect();
                format!("{} {:?} {:?} {} {:?} {}", part.path, part.kind, part.role, part.declared_type, part.names, body.escape_ascii())
            }).collect()
        };
        prop_assert_eq!(essence(&lf), essence(&crlf));
    }
}
