//! Fixtures with the parts they must give. Each is read with LF, with CRLF and with both mixed, and
//! must give the same text every time. `UPDATE=1` rewrites the expected text.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use mail::{Defect, Limits, Message, Part};

/// Bytes of a body that are shown.
const SHOWN_BYTES: usize = 160;

fn fixtures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the fixtures are part of the crate")
        .map(|entry| entry.expect("the fixtures are readable").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "eml"))
        .collect();
    paths.sort();
    paths
}

fn render(raw: &[u8]) -> String {
    let message = Message::parse(raw, &Limits::default());
    let mut text = String::new();
    for header in &message.headers {
        let _ = writeln!(text, "{}: {}", header.name, header.text());
    }
    for (field, mailboxes) in [("from", message.from()), ("to", message.to())] {
        for mailbox in mailboxes {
            let name = mailbox.display_name.unwrap_or_default();
            let _ = writeln!(
                text,
                "{field} {name:?} {:?} {:?}",
                mailbox.local, mailbox.domain
            );
        }
    }
    let _ = writeln!(text, "defects{}", render_defects(&message.defects));
    for part in &message.parts {
        render_part(&mut text, part);
    }
    text
}

fn render_part(text: &mut String, part: &Part<'_>) {
    let _ = write!(
        text,
        "\n{} {:?} {:?} {}",
        part.path, part.kind, part.role, part.declared_type
    );
    for (label, value) in [
        ("charset", &part.charset),
        ("disposition", &part.disposition),
        ("id", &part.content_id),
    ] {
        if let Some(value) = value {
            let _ = write!(text, " {label}={value:?}");
        }
    }
    let _ = writeln!(text, " {:?}", part.encoding);
    for name in &part.names {
        let _ = writeln!(text, "  name {:?} {:?}", name.source, name.text);
    }
    if !part.defects.is_empty() {
        let _ = writeln!(text, "  defects{}", render_defects(&part.defects));
    }
    match part.text() {
        Some(shown) => {
            let _ = writeln!(text, "  text {}", shorten(&shown.replace('\r', "")));
        }
        None if !part.body.is_empty() => {
            let _ = writeln!(text, "  body {}", escape(&part.body));
        }
        None => {}
    }
    for alternative in &part.alternatives {
        let _ = writeln!(
            text,
            "  or {:?} {}",
            alternative.how,
            escape(&alternative.bytes)
        );
    }
}

/// Line ends that were mixed on purpose are not what a fixture is about.
fn render_defects(defects: &[Defect]) -> String {
    let codes = defects.iter().filter(|defect| **defect != Defect::BareLf);
    codes.map(|defect| format!(" {defect}")).collect()
}

fn escape(bytes: &[u8]) -> String {
    let bytes: Vec<u8> = bytes
        .iter()
        .filter(|&&byte| byte != b'\r')
        .copied()
        .collect();
    shorten(&bytes.escape_ascii().to_string())
}

fn shorten(text: &str) -> String {
    let end = text.floor_char_boundary(SHOWN_BYTES);
    format!("{:?}", text.get(..end).unwrap_or_default())
}

/// The fixture with LF, with CRLF, and with CRLF at every third line.
fn line_end_variants(raw: &[u8]) -> [Vec<u8>; 3] {
    let ended = |cr_every: usize| {
        let mut out = Vec::new();
        for (number, line) in raw.split_inclusive(|&byte| byte == b'\n').enumerate() {
            match line.strip_suffix(b"\n") {
                Some(text) if cr_every > 0 && number % cr_every == 0 => {
                    out.extend([text, b"\r\n"].concat())
                }
                _ => out.extend_from_slice(line),
            }
        }
        out
    };
    [ended(0), ended(1), ended(3)]
}

#[test]
fn fixtures_give_the_expected_parts_with_any_line_ends() {
    let mut wrong = Vec::new();
    for path in fixtures() {
        let raw = std::fs::read(&path).expect("the fixtures are readable");
        let expected_path = path.with_extension("txt");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&expected_path, render(&raw)).expect("the fixtures are writable");
        }
        let expected = std::fs::read_to_string(&expected_path).unwrap_or_default();
        for (variant, line_ends) in line_end_variants(&raw).iter().zip(["LF", "CRLF", "mixed"]) {
            let found = render(variant);
            if found != expected {
                wrong.push(format!(
                    "{} with {line_ends} gives\n{found}",
                    path.display()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn fixtures_cut_anywhere_or_with_a_flipped_byte_still_give_parts() {
    for path in fixtures() {
        let raw = std::fs::read(&path).expect("the fixtures are readable");
        for end in 0..raw.len() {
            check(&raw[..end]);
        }
        for at in 0..raw.len() {
            for flip in [0x01, 0x20, 0x80, raw[at], raw[at] ^ b'\r', raw[at] ^ b'"'] {
                let mut changed = raw.clone();
                changed[at] ^= flip;
                check(&changed);
            }
        }
    }
}

fn check(raw: &[u8]) {
    let message = Message::parse(raw, &Limits::default());
    assert!(!message.parts.is_empty());
    assert!(
        !message.defects.contains(&Defect::ParserPanic),
        "{}",
        raw.escape_ascii()
    );
    for (index, part) in message.parts.iter().enumerate() {
        assert!(
            part.parent
                .is_none_or(|parent| parent != index && parent < message.parts.len())
        );
        assert!(part.alternatives.len() <= 4);
        assert!(
            part.alternatives
                .iter()
                .all(|alternative| alternative.bytes.len() <= part.raw_body.len())
        );
        let _ = part.text();
    }
}
