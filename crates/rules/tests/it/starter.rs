//! The rules that Postern comes with. Here they get content as it comes out of a mail; the samples
//! beside them, which are whole mails, are run by `postern rules test`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;
use rules::proto::{Mail, MessageField, Part};
use rules::{Externals, LoadOptions, RuleSet, ScanOptions, Scanners};

fn project(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path)
}

/// Compiled once: every test looks at them.
fn starter_rules() -> &'static RuleSet {
    static RULES: LazyLock<RuleSet> = LazyLock::new(|| {
        let rules = RuleSet::load(&project("rules"), &LoadOptions::default());
        rules.unwrap_or_else(|error| panic!("{error}"))
    });
    &RULES
}

fn names_in(dir: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
    entries
        .map(|entry| {
            entry
                .expect("entry")
                .file_name()
                .into_string()
                .expect("UTF-8")
        })
        .filter(|name| !name.starts_with('.'))
        .collect()
}

/// The file rules that hit an attachment with this name, group, type and content.
fn hits(name: &str, group: &str, file_type: &str, data: &[u8]) -> Vec<String> {
    let part = Part {
        name: name.into(),
        names: vec![name.into()],
        extension: name.rsplit_once('.').map_or("", |(_, e)| e).to_lowercase(),
        group: group.into(),
        file_type: file_type.into(),
        attachment: true,
        ..Part::default()
    };
    let facts = Mail {
        part: MessageField::some(part),
        ..Mail::default()
    };
    let mut scanners = Scanners::new(starter_rules(), &ScanOptions::default());
    let scan = scanners.scan_file(data, group, &facts, &Externals::default());
    assert!(scan.failures.is_empty(), "{:?}", scan.failures);
    scan.hits.into_iter().map(|hit| hit.rule).collect()
}

#[test]
fn the_starter_rules_load_without_a_warning() {
    let rules = starter_rules();
    let warnings: Vec<String> = rules.warnings().iter().map(ToString::to_string).collect();
    assert!(warnings.is_empty(), "{}", warnings.join("\n"));
    assert!(rules.rules().len() > 20);
}

#[test]
fn every_starter_rule_has_samples_that_must_hit_and_that_must_not() {
    let rules = starter_rules();
    let rules: BTreeSet<String> = rules.rules().iter().map(|rule| rule.name.clone()).collect();
    let tests = project("rules/tests");
    assert_eq!(
        names_in(&tests),
        rules,
        "a directory for each rule, and no other"
    );
    for rule in rules {
        let samples = names_in(&tests.join(&rule));
        for kind in ["hit-", "miss-"] {
            assert!(
                samples.iter().any(|name| name.starts_with(kind)),
                "{rule} has no {kind}*"
            );
        }
        let stray = samples
            .iter()
            .find(|n| !n.starts_with("hit-") && !n.starts_with("miss-"));
        assert_eq!(stray, None, "in {rule}");
    }
}

#[test]
fn samples_name_nobody_but_examples() {
    let host = Regex::new(r"(?:@|://)((?:[A-Za-z0-9-]+\.)+[A-Za-z]+)\b").expect("valid");
    let example = Regex::new(r"^([a-z0-9-]+\.)*example\.(org|com|net)$").expect("valid");
    let address = Regex::new(r"\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b").expect("valid");
    let mut dirs: Vec<PathBuf> = vec![project("fixtures/mail")];
    dirs.extend(
        names_in(&project("rules/tests"))
            .iter()
            .map(|n| project("rules/tests").join(n)),
    );
    for dir in dirs {
        for name in names_in(&dir) {
            let bytes = fs::read(dir.join(&name)).expect("sample");
            let text = String::from_utf8_lossy(&bytes);
            for found in address.find_iter(&text) {
                assert!(
                    found.as_str().starts_with("192.0.2."),
                    "{name}: {}",
                    found.as_str()
                );
            }
            // Namespaces of XML look like addresses.
            let known = ["www.w3.org", "schemas.openxmlformats.org"];
            for found in host.captures_iter(&text) {
                let fine = example.is_match(&found[1]) || known.contains(&&found[1]);
                assert!(fine, "{}/{name}: {}", dir.display(), &found[1]);
            }
        }
    }
}

#[test]
fn the_test_file_is_found_and_held() {
    // In two halves, so that a scanner does not hold this source file.
    let eicar = [
        r"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-",
        "ANTIVIRUS-TEST-FILE!$H+H*",
    ]
    .concat();
    assert_eq!(
        hits("eicar.txt", "text", "text", eicar.as_bytes()),
        ["eicar_test_file"]
    );
    let with_line_end = format!("{eicar}\r\n");
    assert_eq!(
        hits("a", "text", "text", with_line_end.as_bytes()),
        ["eicar_test_file"]
    );
    let quoted = format!(
        "{eicar} is the test file that every scanner must find. {}",
        "x".repeat(99)
    );
    assert!(hits("a.txt", "text", "text", quoted.as_bytes()).is_empty());

    let rules = starter_rules();
    let rule = rules
        .rules()
        .iter()
        .find(|rule| rule.name == "eicar_test_file")
        .expect("rule");
    assert_eq!(
        (rule.score, rule.action),
        (100, Some(rules::FloorAction::Quarantine))
    );
}

#[test]
fn names_are_judged_by_what_windows_makes_of_them() {
    let cases: &[(&str, &[&str])] = &[
        ("invoice.exe", &["executable_name"]),
        ("INVOICE.EXE", &["executable_name"]),
        ("invoice.exe. .", &["executable_name"]),
        ("invoice.pdf.exe", &["double_extension", "executable_name"]),
        (
            "invoice.pdf  _  .scr",
            &["double_extension", "executable_name"],
        ),
        ("scan.jpg.js", &["double_extension", "script_name"]),
        ("order.lnk", &["shortcut_name"]),
        (
            "a\u{202e}fdp.exe",
            &["direction_override_name", "executable_name"],
        ),
        ("a.pdf                    .zip", &["padded_name"]),
        ("report.pdf", &[]),
        ("report.v1.2.docx", &[]),
        ("exe.txt", &[]),
        ("package.json", &[]),
        ("photo.jpg.zip", &[]),
        ("invitation.ics", &[]),
        ("smime.p7s", &[]),
        ("", &[]),
        ("....", &[]),
    ];
    for (name, expected) in cases {
        let mut found = hits(name, "other", "data", b"x");
        found.sort();
        assert_eq!(&found, expected, "{name:?}");
    }
}

#[test]
fn a_domain_is_no_program_unless_its_content_could_be_one() {
    assert!(hits("www.example.com", "html", "html", b"<html>").is_empty());
    assert_eq!(
        hits("command.com", "other", "data", b"\xeb\x3c\x90"),
        ["executable_name"]
    );
}

#[test]
fn programs_are_known_by_content() {
    let mut pe = vec![0; 0x40];
    pe[..2].copy_from_slice(b"MZ");
    pe[0x3c] = 0x40;
    pe.extend_from_slice(b"PE\0\0");
    assert_eq!(hits("photo.jpg", "pe", "pe", &pe), ["windows_program"]);
    assert_eq!(hits("a", "pe", "mz", b"MZ\0\0stub"), ["dos_program"]);
    assert!(hits("a", "pe", "mz", b"MZ-1000 manual").is_empty());
    assert_eq!(hits("a", "elf", "elf", b"\x7fELF"), ["linux_program"]);
    assert_eq!(
        hits("a", "macho", "macho", b"\xcf\xfa\xed\xfe"),
        ["macos_program"]
    );
}

#[test]
fn the_score_of_every_rule_is_one_that_the_default_thresholds_mean_something_to() {
    let rules = starter_rules();
    for rule in rules.rules() {
        assert!(
            rule.score <= 100,
            "{} alone outweighs everything",
            rule.name
        );
        assert!(
            rule.description.len() >= 20,
            "{} does not explain itself",
            rule.name
        );
    }
}
