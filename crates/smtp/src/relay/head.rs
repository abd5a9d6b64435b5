//! The head of a message as bytes: where its fields are, and a trace field to put before it.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

use crate::service::{MailCommand, Peer};

/// The longest word of a trace field, in bytes: a domain name has at most 255 (RFC 5321, 4.5.3.1.2).
/// Every line of the field so stays below 998 (RFC 5322, 2.1.1).
const MAX_WORD: usize = 255;

/// A field of a message's header section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeadField<'a> {
    /// What stands before the colon, without the space that some put between the two.
    pub name: &'a [u8],
    /// What stands behind the colon, folds included, without the last line end.
    pub value: &'a [u8],
    /// All of it with its line ends, as a range of the message: what
    /// [`HeaderEdits::removed`](super::HeaderEdits::removed) takes.
    pub range: Range<usize>,
}

impl HeadField<'_> {
    /// Whether it has this name, in whatever case.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }
}

/// The fields of the header section, in their order. The section ends at the first empty line. A line without
/// colon that continues nothing is skipped together with what continues it. Linear in the section's length.
pub fn head_fields(message: &[u8]) -> impl Iterator<Item = HeadField<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let start = at;
            let first = line(message, start).filter(|line| !is_empty_line(line))?;
            at += first.len();
            while let Some(folded) = line(message, at).filter(|line| is_continuation(line)) {
                at += folded.len();
            }
            // A first line that continues nothing has no name before its colon.
            if is_continuation(first) {
                continue;
            }
            let Some(colon) = memchr::memchr(b':', first) else {
                continue;
            };
            let field = message.get(start..at)?;
            let (name, value) = field.split_at_checked(colon)?;
            return Some(HeadField {
                name: name.trim_ascii_end(),
                value: without_line_end(value.get(1..).unwrap_or_default()),
                range: start..at,
            });
        }
    })
}

/// What a `Received` field says of the way a message has come here (RFC 5321, 4.4).
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    /// Who has sent the message.
    pub peer: &'a Peer,
    /// Its MAIL command.
    pub mail: &'a MailCommand,
    /// The name of this host.
    pub by: &'a str,
    /// The id of the message here.
    pub id: &'a str,
    /// When it came, as in a `Date` field (RFC 5322, 3.3).
    pub date: &'a str,
}

/// A `Received` field with its line ends, of three lines. Whatever is given, it is one field of printable ASCII:
/// other characters, and those that would open or close a comment, become `?`, and long words are cut.
///
/// There is no `for` clause: it would tell one recipient of another.
#[must_use]
pub fn received_field(received: &Received<'_>) -> Vec<u8> {
    let peer = received.peer;
    let helo = word(peer.helo.as_deref().unwrap_or("unknown"));
    let name = word(peer.name.as_deref().unwrap_or("unknown"));
    let address = peer
        .address
        .as_ref()
        .map(|address| address_literal(*address));
    let address = address.as_deref().unwrap_or("[]");
    let protocol = protocol(peer, received.mail);
    let by = word(received.by);
    let id = word(received.id);
    let date = date(received.date);
    format!(
        "Received: from {helo} ({name} {address})\r\n\tby {by} with {protocol} id {id};\r\n\t{date}\r\n"
    )
    .into_bytes()
}

/// The protocol's name as it is registered for `with` (RFC 3848, RFC 6531).
fn protocol(peer: &Peer, mail: &MailCommand) -> String {
    let base = match (mail.smtp_utf8, peer.esmtp) {
        (true, _) => "UTF8SMTP",
        (false, true) => "ESMTP",
        // S and A have no meaning without extensions.
        (false, false) => return "SMTP".to_owned(),
    };
    let secured = if peer.tls.is_some() { "S" } else { "" };
    let authenticated = if peer.login.is_some() { "A" } else { "" };
    format!("{base}{secured}{authenticated}")
}

fn address_literal(address: SocketAddr) -> String {
    match address.ip().to_canonical() {
        IpAddr::V4(address) => format!("[{address}]"),
        IpAddr::V6(address) => format!("[IPv6:{address}]"),
    }
}

fn word(text: &str) -> Cow<'_, str> {
    let allowed = |c: char| {
        c.is_ascii_alphanumeric()
            || matches!(c, '.' | '-' | '_' | ':' | '[' | ']' | '+' | '=' | '/')
    };
    sanitised(text, allowed)
}

fn date(text: &str) -> Cow<'_, str> {
    let allowed = |c: char| {
        c.is_ascii_alphanumeric() || matches!(c, ' ' | ',' | ':' | '+' | '-' | '(' | ')' | '.')
    };
    sanitised(text, allowed)
}

fn sanitised(text: &str, allowed: impl Fn(char) -> bool) -> Cow<'_, str> {
    if text.trim().is_empty() {
        return Cow::Borrowed("?");
    }
    if text.len() <= MAX_WORD && text.chars().all(&allowed) {
        return Cow::Borrowed(text);
    }
    let clean = text.chars().take(MAX_WORD);
    let clean = clean.map(|c| if allowed(c) { c } else { '?' });
    Cow::Owned(clean.collect())
}

/// The line that begins at `at`, with its line end if it has one; `None` at the end.
fn line(message: &[u8], at: usize) -> Option<&[u8]> {
    let rest = message.get(at..).filter(|rest| !rest.is_empty())?;
    let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |line_feed| line_feed + 1);
    rest.get(..end)
}

fn is_empty_line(line: &[u8]) -> bool {
    without_line_end(line).is_empty()
}

fn is_continuation(line: &[u8]) -> bool {
    line.starts_with(b" ") || line.starts_with(b"\t")
}

fn without_line_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::Tls;
    use proptest::prelude::*;

    fn names(message: &str) -> Vec<String> {
        head_fields(message.as_bytes())
            .map(|field| String::from_utf8(field.name.to_vec()).unwrap())
            .collect()
    }

    #[test]
    fn fields_come_with_their_folds_and_their_place() {
        let message = b"A: 1\r\nb :\r\n two\r\n\tthree\r\nC:\r\n\r\nD: body\r\n";
        let fields: Vec<_> = head_fields(message).collect();
        let expected: [(&[u8], &[u8], &[u8]); 3] = [
            (b"A", b" 1", b"A: 1\r\n"),
            (b"b", b"\r\n two\r\n\tthree", b"b :\r\n two\r\n\tthree\r\n"),
            (b"C", b"", b"C:\r\n"),
        ];
        assert_eq!(fields.len(), expected.len());
        for (field, (name, value, bytes)) in fields.iter().zip(expected) {
            assert_eq!((field.name, field.value), (name, value));
            assert_eq!(&message[field.range.clone()], bytes);
        }
        assert!(fields[1].is("B") && !fields[1].is("A"));
    }

    #[test]
    fn what_is_no_field_is_skipped_and_ends_nothing() {
        assert_eq!(names("nothing\r\n folded: x\r\nA: 1\r\n\r\n"), ["A"]);
        assert_eq!(names(" folded: x\r\nA: 1\r\n\r\n"), ["A"]);
        assert_eq!(names("A: 1\r\n \r\nB: 2\r\n\r\n"), ["A", "B"]);
        assert_eq!(names("A: 1"), ["A"]);
        assert_eq!(names(": 1\r\n"), [""]);
        assert_eq!(names("\r\nA: 1\r\n"), Vec::<String>::new());
        assert_eq!(names("\nA: 1\n"), Vec::<String>::new());
        assert_eq!(names(""), Vec::<String>::new());
        assert_eq!(names("A: 1\n\nB: 2\n"), ["A"]);
    }

    #[test]
    fn a_trace_field_says_where_a_mail_came_from() {
        let peer = Peer {
            address: Some(([192, 0, 2, 1], 4711).into()),
            helo: Some("mx.example".to_owned()),
            esmtp: true,
            tls: Some(Tls {
                version: "TLSv1.3".to_owned(),
                cipher: "TLS13_AES_256_GCM_SHA384".to_owned(),
            }),
            ..Peer::default()
        };
        let field = |peer: &Peer, mail: &MailCommand| {
            let received = Received {
                peer,
                mail,
                by: "filter.example",
                id: "01J",
                date: "Tue, 24 Nov 2026 19:13:40 +0000",
            };
            String::from_utf8(received_field(&received)).unwrap()
        };
        assert_eq!(
            field(&peer, &MailCommand::default()),
            "Received: from mx.example (unknown [192.0.2.1])\r\n\
             \tby filter.example with ESMTPS id 01J;\r\n\
             \tTue, 24 Nov 2026 19:13:40 +0000\r\n"
        );
        let foreign = MailCommand {
            smtp_utf8: true,
            ..MailCommand::default()
        };
        assert!(field(&peer, &foreign).contains(" with UTF8SMTPS id "));
        let peer = Peer {
            address: Some("[2001:db8::1]:25".parse().unwrap()),
            login: Some("u".to_owned()),
            esmtp: true,
            ..Peer::default()
        };
        let text = field(&peer, &MailCommand::default());
        assert!(text.contains("(unknown [IPv6:2001:db8::1])"), "{text}");
        assert!(text.contains(" with ESMTPA id "), "{text}");
        let nobody = field(&Peer::default(), &MailCommand::default());
        assert!(
            nobody.starts_with("Received: from unknown (unknown [])\r\n"),
            "{nobody}"
        );
        assert!(nobody.contains(" with SMTP id "), "{nobody}");
    }

    proptest! {
        #[test]
        fn no_message_whatever_breaks_the_scan(message in proptest::collection::vec(
            prop_oneof![Just(b'\r'), Just(b'\n'), Just(b' '), Just(b':'), Just(b'a'), any::<u8>()], 0..80)) {
            let mut end = 0;
            for field in head_fields(&message) {
                prop_assert!(field.range.start >= end && field.range.end > field.range.start);
                end = field.range.end;
                let bytes = &message[field.range];
                prop_assert!(bytes.starts_with(field.name));
                // whole lines: another field, a line that is skipped or the end comes next
                prop_assert!(bytes.ends_with(b"\n") || end == message.len());
                prop_assert!(!message[end..].starts_with(b" ") && !message[end..].starts_with(b"\t"));
            }
        }

        #[test]
        fn nothing_a_client_says_breaks_out_of_the_trace_field(
            helo in any::<String>(), name in any::<String>(), id in any::<String>(), date in any::<String>()) {
            let peer = Peer { helo: Some(helo.clone()), name: Some(name), ..Peer::default() };
            let mail = MailCommand::default();
            let field = received_field(&Received { peer: &peer, mail: &mail, by: &helo, id: &id, date: &date });
            let fields: Vec<_> = head_fields(&field).collect();
            prop_assert_eq!(fields.len(), 1);
            prop_assert_eq!(fields[0].range.clone(), 0..field.len());
            prop_assert!(field.iter().all(|&byte| matches!(byte, b'\r' | b'\n' | b'\t' | b' '..=b'~')));
            prop_assert_eq!(field.iter().filter(|&&byte| byte == b'\n').count(), 3);
            prop_assert!(field.split(|&byte| byte == b'\n').all(|line| line.len() < 998));
            prop_assert!(field.ends_with(b"\r\n"));
        }
    }
}
