//! Real and odd mails of the shared corpus: no panic, no empty result, and the same parts whatever
//! the line ends are. Passes over when the corpus is not there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use mail::{Defect, Limits, Message, PartKind, PartRole, TransferEncoding};

/// Part of the test virus file. The mails under `mime-odd/ambiguous` carry it under header fields
/// that parsers read differently.
const EICAR: &[u8] = b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE";

fn corpus(folder: &str) -> Option<PathBuf> {
    let shared = std::env::var_os("POSTERN_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    let path = shared.join("corpus").join(folder);
    if path.is_dir() {
        return Some(path);
    }
    report(&format!("passed over: no {}", path.display()));
    None
}

#[expect(clippy::print_stdout, reason = "what a test measured or passed over")]
fn report(line: &str) {
    println!("{line}");
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut pending = vec![folder.to_path_buf()];
    while let Some(folder) = pending.pop() {
        for entry in std::fs::read_dir(&folder).expect("the corpus is readable") {
            let path = entry.expect("the corpus is readable").path();
            match path.is_dir() {
                true => pending.push(path),
                false => found.push(path),
            }
        }
    }
    found.sort();
    found
}

/// Whether the bytes are in the message, looking into nested messages as a scanner would.
fn contains(raw: &[u8], needle: &[u8], depth: usize) -> bool {
    let message = Message::parse(raw, &Limits::default());
    message.parts.iter().any(|part| {
        let has = |bytes: &[u8]| memchr::memmem::find(bytes, needle).is_some();
        has(&part.body)
            || part
                .alternatives
                .iter()
                .any(|alternative| has(&alternative.bytes))
            || (part.kind == PartKind::Message
                && depth > 0
                && contains(&part.body, needle, depth - 1))
    })
}

#[test]
fn hidden_content_of_ambiguous_mails_is_found() {
    let Some(folder) = corpus("mime-odd/ambiguous") else {
        return;
    };
    let mut missed = Vec::new();
    let mut unflagged = 0;
    let files = files(&folder);
    for path in &files {
        let raw = std::fs::read(path).expect("the corpus is readable");
        if !contains(&raw, EICAR, 4) {
            let message = Message::parse(&raw, &Limits::default());
            let codes: Vec<&str> = message.all_defects().map(Defect::code).collect();
            unflagged += usize::from(codes.is_empty());
            missed.push(format!("{} {codes:?}", path.display()));
        }
    }
    report(&format!(
        "found in {} of {}, missed:\n{}",
        files.len() - missed.len(),
        files.len(),
        missed.join("\n")
    ));
    assert_eq!(
        unflagged, 0,
        "every mail that hides its content from us has a defect"
    );
}

/// Every line with LF, every line with CRLF, and the two in turn.
fn line_end_variants(raw: &[u8]) -> [Vec<u8>; 3] {
    let mut variants: [Vec<u8>; 3] = Default::default();
    let [lf, crlf, mixed] = &mut variants;
    for (number, line) in raw.split_inclusive(|&byte| byte == b'\n').enumerate() {
        let Some(text) = line.strip_suffix(b"\n") else {
            for variant in [&mut *lf, &mut *crlf, &mut *mixed] {
                variant.extend_from_slice(line);
            }
            continue;
        };
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        for (variant, with_cr) in [
            (&mut *lf, false),
            (&mut *crlf, true),
            (&mut *mixed, number % 3 == 0),
        ] {
            variant.extend_from_slice(text);
            variant.extend_from_slice(if with_cr { b"\r\n" } else { b"\n" });
        }
    }
    variants
}

fn without_cr(bytes: &[u8]) -> Vec<u8> {
    bytes
        .iter()
        .filter(|&&byte| byte != b'\r')
        .copied()
        .collect()
}

/// What must not depend on line ends.
fn essence(raw: &[u8]) -> Vec<String> {
    let message = Message::parse(raw, &Limits::default());
    let part = |part: &mail::Part<'_>| {
        let body = match part.encoding {
            TransferEncoding::Base64 => part.body.to_vec(),
            _ => without_cr(&part.body),
        };
        let names: Vec<&str> = part.names.iter().map(|name| name.text.as_str()).collect();
        format!(
            "{} {:?} {:?} {} {names:?} {}",
            part.path,
            part.kind,
            part.role,
            part.declared_type,
            digest(&body)
        )
    };
    message.parts.iter().map(part).collect()
}

fn digest(bytes: &[u8]) -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    format!("{}:{:x}", bytes.len(), hasher.finish())
}

#[test]
fn line_ends_do_not_change_the_parts_of_real_mails() {
    let Some(folder) = corpus("mail") else {
        return;
    };
    let mut different = Vec::new();
    for path in files(&folder) {
        let raw = std::fs::read(&path).expect("the corpus is readable");
        let [lf, crlf, mixed] = line_end_variants(&raw);
        let expected = essence(&lf);
        assert!(!expected.is_empty(), "{}", path.display());
        for (name, variant) in [("crlf", crlf), ("mixed", mixed)] {
            let found = essence(&variant);
            if found != expected {
                let first = expected.iter().zip(&found).find(|(a, b)| a != b);
                different.push(format!("{} {name}: {first:?}", path.display()));
            }
        }
    }
    assert!(
        different.is_empty(),
        "{} differ:\n{}",
        different.len(),
        different.join("\n")
    );
}

#[test]
fn odd_mails_give_parts_and_never_panic() {
    let Some(folder) = corpus("mime-odd") else {
        return;
    };
    for path in files(&folder) {
        let raw = std::fs::read(&path).expect("the corpus is readable");
        let message = Message::parse(&raw, &Limits::default());
        assert!(!message.parts.is_empty(), "{}", path.display());
        assert!(
            !message.defects.contains(&Defect::ParserPanic),
            "{}",
            path.display()
        );
        let paths: BTreeSet<&str> = message
            .parts
            .iter()
            .map(|part| part.path.as_str())
            .collect();
        assert_eq!(
            paths.len(),
            message.parts.len(),
            "paths are unique: {}",
            path.display()
        );
    }
}

/// mail-parser reads well-formed mail as the RFCs say, so both must find the same parts there.
#[test]
fn real_mails_have_the_parts_that_mail_parser_finds() {
    let Some(folder) = corpus("mail") else {
        return;
    };
    let parser = mail_parser::MessageParser::new().max_encoded_nesting(0);
    let mut different = Vec::new();
    let mut compared = 0;
    for path in files(&folder) {
        let raw = std::fs::read(&path).expect("the corpus is readable");
        let ours = Message::parse(&raw, &Limits::default());
        let Some(theirs) = parser.parse(&raw) else {
            continue;
        };
        let is_odd = theirs.parts().any(|part| part.has_problems())
            || ours.all_defects().any(Defect::is_ambiguity)
            || ours
                .all_defects()
                .any(|defect| matches!(defect, Defect::NoBlankLine | Defect::MissingHeaders));
        if is_odd {
            continue;
        }
        compared += 1;
        let of_ours: Vec<String> = ours
            .parts
            .iter()
            .filter(|part| {
                !matches!(
                    part.role,
                    PartRole::Preamble | PartRole::Epilogue | PartRole::View
                )
            })
            .filter(|part| !part.raw_body.is_empty())
            .map(|part| digest(part.raw_body))
            .collect();
        let root = theirs.root().id();
        let of_theirs: Vec<String> = theirs
            .parts()
            .filter(|part| part.message().id() == root && !part.raw_body().is_empty())
            .map(|part| digest(part.raw_body()))
            .collect();
        if of_ours != of_theirs {
            let first = of_ours.iter().zip(&of_theirs).find(|(a, b)| a != b);
            different.push(format!(
                "{} {} {} {first:?}",
                path.display(),
                of_ours.len(),
                of_theirs.len()
            ));
        }
    }
    report(&format!(
        "compared {compared}, {} differ:\n{}",
        different.len(),
        different.join("\n")
    ));
    assert!(different.is_empty());
}

#[test]
fn clean_list_mail_is_rarely_ambiguous() {
    let Some(folder) = corpus("mail/ham") else {
        return;
    };
    let mut codes: BTreeMap<&'static str, usize> = BTreeMap::new();
    let (mut total, mut ambiguous) = (0, 0);
    for path in files(&folder) {
        if !path
            .components()
            .any(|part| part.as_os_str().to_string_lossy().starts_with("list-"))
        {
            continue;
        }
        let raw = std::fs::read(&path).expect("the corpus is readable");
        let message = Message::parse(&raw, &Limits::default());
        total += 1;
        ambiguous += usize::from(message.all_defects().any(Defect::is_ambiguity));
        let of_message: BTreeSet<&str> = message.all_defects().map(Defect::code).collect();
        for code in of_message {
            *codes.entry(code).or_default() += 1;
        }
    }
    report(&format!("{ambiguous} of {total} ambiguous; {codes:?}"));
    assert!(
        ambiguous * 1_000 <= total,
        "{ambiguous} of {total} ambiguous; {codes:?}"
    );
}
