//! Real and odd mails of the shared corpus: no panic, no empty result, and the same parts whatever
//! the line ends are. Passes over when the corpus is not there.

use std::path::{Path, PathBuf};

use mail::{Limits, Message, PartKind};

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
            let codes: Vec<&str> = message.all_defects().map(mail::Defect::code).collect();
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
