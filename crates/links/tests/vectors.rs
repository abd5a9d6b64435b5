//! The shared conformance vectors, one test per file. Each walks all rows, collects every mismatch and fails
//! once. Passed over, with a printed line, where the files are not there.
#![allow(missing_docs, clippy::print_stderr)]

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use links::{Flag, Hosts, canonicalise, find_in_text, lookup_form};
use sha2::{Digest, Sha256};

#[test]
fn safe_browsing_canonical_forms() {
    let Some(rows) = csv("safebrowsing_canonicalization.csv") else {
        return;
    };
    assert_eq!(rows.len(), 85);
    let mut wrong = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let [source, input, _, input_hex, expected_hex] = row.as_slice() else {
            panic!("row {index}: {row:?}")
        };
        let got = lookup_form(&unhex(input_hex))
            .map(|form| form.to_string())
            .unwrap_or_default();
        let expected = String::from_utf8(unhex(expected_hex)).unwrap();
        if got != expected {
            wrong.push(format!(
                "{index} {source} {input}: got {got:?}, expected {expected:?}"
            ));
        }
        let again = lookup_form(got.as_bytes())
            .map(|form| form.to_string())
            .unwrap_or_default();
        if again != got {
            wrong.push(format!(
                "{index} {source} {input}: {got:?} becomes {again:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn safe_browsing_expressions() {
    let Some(text) = read("safebrowsing_expressions.json") else {
        return;
    };
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let rows = json["expressions"].as_array().unwrap();
    assert_eq!(rows.len(), 18);
    let mut wrong = Vec::new();
    for row in rows {
        let url = row["url"].as_str().unwrap();
        let hosts = if row["mode"] == "v4" {
            Hosts::LastFive
        } else {
            Hosts::Registrable
        };
        let got = lookup_form(url.as_bytes()).unwrap().expressions(hosts);
        let hashes: Vec<String> = got
            .iter()
            .map(|text| to_hex(&Sha256::digest(text)))
            .collect();
        if got != strings(&row["expressions"]) || hashes != strings(&row["sha256"]) {
            wrong.push(format!(
                "{} {url}: got {got:?}, expected {:?}",
                row["mode"],
                strings(&row["expressions"])
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Rows that ask for URLs hidden inside the query of another, or for a list of mass mailers: neither is
/// pure canonicalisation.
const BEYOND: &[&str] = &[
    "URL inside query",
    "base64 (aHR0c prefix)",
    "scheme found mid-word in a query",
];

#[test]
fn obfuscated_urls_in_text() {
    let Some(rows) = csv("url_obfuscation.csv") else {
        return;
    };
    assert_eq!(rows.len(), 93);
    let mut wrong = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let [kind, raw, expected_urls, expected_flags, note] = row.as_slice() else {
            panic!("row {index}: {row:?}")
        };
        if kind == "html" || BEYOND.contains(&note.as_str()) {
            continue;
        }
        let found: Vec<_> = find_in_text(&decode(raw), 100)
            .found
            .iter()
            .filter_map(|found| canonicalise(&found.raw))
            .collect();
        let got: BTreeSet<String> = found
            .iter()
            .filter(|link| !link.has(Flag::ScriptUri))
            .map(|link| link.url.clone())
            .collect();
        let expected: BTreeSet<String> = expected_urls
            .split(" | ")
            .filter(|url| !url.is_empty())
            .map(|url| canonicalise(url).expect(url).url)
            .collect();
        if got != expected {
            wrong.push(format!("{index} {raw}: got {got:?}, expected {expected:?}"));
        }
        let flags: BTreeSet<&str> = found
            .iter()
            .flat_map(|link| &link.flags)
            .map(|flag| flag.name())
            .collect();
        for flag in expected_flags.split(',').map(|flag| flag.replace('_', "-")) {
            // Where a URL stands is the finder's caller's to say.
            let ours = Flag::ALL.iter().any(|known| known.name() == flag);
            if ours && !flags.contains(flag.as_str()) {
                wrong.push(format!("{index} {raw}: flag {flag} missing in {flags:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn strings(value: &serde_json::Value) -> Vec<String> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item.as_str().unwrap().to_owned())
        .collect()
}

fn read(name: &str) -> Option<String> {
    let shared = std::env::var_os("POSTERN_SHARED").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    let path = shared.join("vectors").join(name);
    let text = fs::read_to_string(&path).ok();
    if text.is_none() {
        eprintln!("passed over: {} is not there", path.display());
    }
    text
}

/// The rows below the heading.
fn csv(name: &str) -> Option<Vec<Vec<String>>> {
    let text = read(name)?;
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
    assert!(
        !quoted && cell.is_empty() && row.is_empty(),
        "{name} does not end in a line end"
    );
    rows.remove(0);
    Some(rows)
}

/// `\\ \r \n \t \uXXXX`.
fn decode(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, c == '\\') {
            (_, true) => match chars.next() {
                Some('r') => out.push('\r'),
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some('u') => {
                    let hex: String = chars.by_ref().take(4).collect();
                    out.extend(u32::from_str_radix(&hex, 16).ok().and_then(char::from_u32));
                }
                other => out.extend(other),
            },
            (c, false) => out.push(c),
        }
    }
    out
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
