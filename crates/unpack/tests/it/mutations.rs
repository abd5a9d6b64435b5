//! Damaged containers of every kind: nothing panics, and what holds for every mail holds.

use proptest::prelude::*;
use unpack::{Limits, detect};

use crate::support::{EICAR, Seen, gzip, mail_with, zip};

/// Small bounds, so that they are reached.
fn limits() -> Limits {
    Limits {
        total_bytes: 1 << 20,
        file_bytes: 100_000,
        files: 50,
        depth: 3,
        mail_depth: 3,
        references: 20,
        ..Limits::default()
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let html = "<html><style>.a{display:none}</style><a href='x' class=a>y<form action=z><img src='data:text/html;base64,PGI+'><!--[if mso]><b>x<![endif]--><script>atob('aHR0cA==')</script>";
    let text = b"some text that repeats, some text that repeats".repeat(20);
    let inner = zip(&[("eicar.com", EICAR), ("t.txt", &text)]);
    vec![
        inner.clone(),
        zip(&[
            ("inner.zip", &inner),
            ("m.eml", &mail_with(&[("a", EICAR)])),
            ("h.html", html.as_bytes()),
        ]),
        gzip(&inner),
        [gzip(&text), gzip(b"two")].concat(),
        html.as_bytes().to_vec(),
        mail_with(&[("a.zip", &inner), ("b.html", html.as_bytes())]),
    ]
}

/// Changes that keep enough of the structure to get somewhere.
#[derive(Clone, Debug)]
enum Change {
    Byte(prop::sample::Index, u8),
    Cut(prop::sample::Index, prop::sample::Index),
    Copy(
        prop::sample::Index,
        prop::sample::Index,
        prop::sample::Index,
    ),
    Max(prop::sample::Index, usize),
}

fn change() -> impl Strategy<Value = Change> {
    use prop::sample::Index;
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Byte(at, byte)),
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Change::Cut(from, to)),
        (any::<Index>(), any::<Index>(), any::<Index>())
            .prop_map(|(from, to, at)| Change::Copy(from, to, at)),
        (any::<Index>(), prop_oneof![Just(2usize), Just(4), Just(8)])
            .prop_map(|(at, width)| Change::Max(at, width)),
    ]
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    if bytes.is_empty() {
        return;
    }
    let range = |from: &prop::sample::Index, to: &prop::sample::Index| {
        let (from, to) = (from.index(bytes.len()), to.index(bytes.len()));
        from.min(to)..from.max(to)
    };
    match change {
        Change::Byte(at, byte) => {
            let at = at.index(bytes.len());
            bytes[at] = *byte;
        }
        Change::Cut(from, to) => {
            let range = range(from, to);
            bytes.drain(range);
        }
        Change::Copy(from, to, at) => {
            let copy = bytes[range(from, to)].to_vec();
            let at = at.index(bytes.len());
            bytes.splice(at..at, copy);
        }
        Change::Max(at, width) => {
            let at = at.index(bytes.len());
            bytes
                .iter_mut()
                .skip(at)
                .take(*width)
                .for_each(|byte| *byte = 0xff);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn damaged_attachments_are_unpacked(seed in 0..6usize, changes in prop::collection::vec(change(), 1..6)) {
        let mut bytes = seeds()[seed].clone();
        changes.iter().for_each(|change| apply(&mut bytes, change));
        Seen::within("a.bin", &bytes, &limits());
    }

    #[test]
    fn damaged_mails_are_unpacked(changes in prop::collection::vec(change(), 1..6)) {
        let mut bytes = seeds()[5].clone();
        changes.iter().for_each(|change| apply(&mut bytes, change));
        Seen::of_mail(&bytes, &limits());
    }

    #[test]
    fn any_bytes_are_unpacked(bytes in prop::collection::vec(any::<u8>(), 0..2000), name in ".{0,20}") {
        detect(&bytes, std::slice::from_ref(&name));
        Seen::of_mail(&bytes, &limits());
    }

    #[test]
    fn any_markup_is_read(html in "(<[a-z!/-]{0,6}( (href|style|hidden|src|class)=['\"]?[a-z:;0{}(]{0,12}['\"]?)?>?|[ -~]{0,8}|&#?x?[0-9a-f]{0,3};?){0,40}") {
        let mail = format!("Content-Type: text/html\r\n\r\n{html}");
        Seen::of_mail(mail.as_bytes(), &limits());
    }

    #[test]
    fn the_same_mail_gives_the_same_answer(seed in 0..6usize, changes in prop::collection::vec(change(), 0..4)) {
        let mut bytes = seeds()[seed].clone();
        changes.iter().for_each(|change| apply(&mut bytes, change));
        let (first, second) = (Seen::within("a", &bytes, &limits()), Seen::within("a", &bytes, &limits()));
        prop_assert_eq!(first.unpacked, second.unpacked);
    }
}
