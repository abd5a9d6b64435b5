//! Real files, where they are there: nothing panics, nothing runs away.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use unpack::{Coverage, Limits};

use crate::support::{Seen, shared};

#[test]
fn attachments_are_unpacked_within_bounds() {
    let Some(root) = shared("corpus/attach") else {
        return;
    };
    let limits = Limits {
        total_bytes: 64 << 20,
        ..Limits::default()
    };
    let mut coverages: BTreeMap<Coverage, usize> = BTreeMap::new();
    for path in files(&root) {
        let name = path
            .file_name()
            .unwrap()
            .to_string_lossy()
            .replace(['"', '\\'], "_");
        let seen = Seen::within(&name, &fs::read(&path).unwrap(), &limits);
        *coverages.entry(seen.worst()).or_default() += 1;
        let total: u64 = seen
            .unpacked
            .artifacts
            .iter()
            .map(|artifact| artifact.size)
            .sum();
        assert!(
            total < limits.total_bytes + (50 << 20),
            "{}: {total}",
            path.display()
        );
    }
    eprintln!("attachments by worst coverage: {coverages:?}");
}

#[test]
fn odd_mails_are_unpacked_within_bounds() {
    let Some(root) = shared("corpus/mime-odd") else {
        return;
    };
    let mut artifacts = 0;
    for path in files(&root) {
        artifacts += Seen::of_mail(&fs::read(&path).unwrap(), &Limits::default())
            .unpacked
            .artifacts
            .len();
    }
    eprintln!("artifacts in odd mails: {artifacts}");
}

fn files(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path)
            } else {
                found.push(path)
            }
        }
    }
    found.sort();
    found
}

/// Every URL that the vectors expect in a piece of HTML stands among its references or in its text. Comparing
/// canonical forms is not this crate's business, so that only host and path are looked for.
#[test]
fn references_of_the_shared_vectors_are_found() {
    let Some(path) = shared("vectors/url_obfuscation.csv") else {
        return;
    };
    let text = fs::read_to_string(path).unwrap();
    let mut missing = Vec::new();
    let mut seen_rows = 0;
    for row in csv(&text).iter().filter(|row| row[0] == "html") {
        seen_rows += 1;
        let html = row[1].replace("\\n", "\n").replace("\\\\", "\\");
        let mail = format!("Content-Type: text/html; charset=utf-8\r\n\r\n{html}");
        let seen = Seen::of_mail(mail.as_bytes(), &Limits::default());
        let mut haystack: String = seen
            .unpacked
            .references
            .iter()
            .map(|reference| format!("{} ", reference.raw))
            .collect();
        haystack.push_str(&seen.unpacked.text);
        haystack.retain(|c| !matches!(c, '\n' | '\u{200b}'));
        for url in row[2].split(" | ").filter(|url| !url.is_empty()) {
            let wanted = url
                .split_once("//")
                .map_or(url, |(_, rest)| rest)
                .trim_end_matches('/');
            let relative = wanted.rsplit('/').next().unwrap_or(wanted);
            if !haystack.contains(wanted) && !haystack.contains(relative) {
                missing.push(format!("{html}: no {url} in {haystack}"));
            }
        }
    }
    assert_eq!(seen_rows, 34);
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

/// The rows below the heading.
fn csv(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => cell.extend(chars.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut cell)),
            '\n' if !quoted => {
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            '\r' if !quoted => {}
            c => cell.push(c),
        }
    }
    rows.remove(0);
    rows
}
