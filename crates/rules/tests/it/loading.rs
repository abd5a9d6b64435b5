//! What is found in a rules directory, what is ignored and what is refused.

use std::path::Path;

use rules::{LoadOptions, RuleSet};

use crate::{ALWAYS, directory, errors, load, rule, try_load, write};

fn names(rules: &RuleSet) -> Vec<&str> {
    rules
        .rules()
        .iter()
        .map(|rule| rule.name.as_str())
        .collect()
}

#[test]
fn rules_are_found_in_their_places_and_in_the_order_of_their_paths() {
    let rules = load(&[
        ("raw/r.yar", &rule("of_raw", ALWAYS)),
        ("mail/phishing/b.yara", &rule("of_mail_b", ALWAYS)),
        ("mail/a.yar", &rule("of_mail_a", ALWAYS)),
        ("file/disk-image/i.yar", &rule("of_disk_image", ALWAYS)),
        ("file/f.yar", &rule("of_file", ALWAYS)),
    ]);
    let found: Vec<String> = rules
        .rules()
        .iter()
        .map(|rule| format!("{} {}", rule.place, rule.name))
        .collect();
    assert_eq!(
        found,
        [
            "file of_file",
            "file/disk-image of_disk_image",
            "mail of_mail_a",
            "mail of_mail_b",
            "raw of_raw"
        ]
    );
    assert!(rules.warnings().is_empty(), "{:?}", rules.warnings());
}

#[test]
fn an_unknown_directory_is_refused_with_the_names_that_are_known() {
    let text = errors(&[("file/offfice/a.yar", &rule("a", ALWAYS))]);
    assert!(
        text.contains("file/offfice is not a directory of rules"),
        "{text}"
    );
    assert!(text.contains("did you mean `office`?"), "{text}");
    assert!(
        text.contains("archive, disk-image, elf, html, image, macho, mail, office"),
        "{text}"
    );

    let text = errors(&[("files/a.yar", &rule("a", ALWAYS))]);
    assert!(
        text.contains("did you mean `file`? the names are file, mail, raw, vendor"),
        "{text}"
    );
}

#[test]
fn a_rule_file_in_no_directory_is_refused() {
    let text = errors(&[("a.yar", &rule("a", ALWAYS))]);
    assert!(
        text.contains("a.yar is in none of the directories of rules"),
        "{text}"
    );
}

#[test]
fn hidden_files_backups_samples_and_documents_are_not_rules() {
    let rules = load(&[
        ("README.md", "rules"),
        ("tests/a/hit-1.eml", "Subject: x\n\n"),
        ("mail/README.md", "our rules"),
        ("mail/a.yar", &rule("a", ALWAYS)),
        ("mail/.a.yar.swp", "binary"),
        ("mail/.#a.yar", "broken"),
        ("mail/a.yar~", "broken"),
        ("mail/a.yar.bak", "broken"),
        (".git/config", "x"),
    ]);
    assert_eq!(names(&rules), ["a"]);
    assert!(rules.warnings().is_empty(), "{:?}", rules.warnings());
}

#[test]
fn a_file_with_a_mistyped_extension_is_a_warning() {
    let rules = load(&[
        ("mail/a.yar", &rule("a", ALWAYS)),
        ("mail/b.yra", &rule("b", ALWAYS)),
    ]);
    let [warning] = rules.warnings() else {
        panic!("{:?}", rules.warnings())
    };
    assert_eq!(
        warning.message,
        "mail/b.yra is not a .yar or .yara file and was left out"
    );
}

#[test]
fn a_directory_without_rules_loads_with_a_warning() {
    let rules = load(&[]);
    assert!(rules.rules().is_empty());
    assert!(
        rules.warnings()[0].message.contains("there are no rules"),
        "{:?}",
        rules.warnings()
    );
}

#[test]
fn a_directory_that_does_not_exist_is_an_error_that_names_it() {
    let error = RuleSet::load(Path::new("/nonexistent/rules"), &LoadOptions::default());
    let text = error.expect_err("nothing to load").to_string();
    assert!(text.starts_with("error: /nonexistent/rules: "), "{text}");
}

#[test]
fn a_file_that_is_not_utf8_is_refused() {
    let dir = directory(&[]);
    write(dir.path(), "mail/a.yar", "");
    std::fs::write(dir.path().join("mail/a.yar"), b"// caf\xe9\n").expect("file");
    let error = RuleSet::load(dir.path(), &LoadOptions::default()).expect_err("not UTF-8");
    assert!(
        error
            .to_string()
            .contains("mail/a.yar: byte 6 is not UTF-8"),
        "{error}"
    );
}

#[cfg(unix)]
#[test]
fn a_link_that_leaves_the_directory_is_refused() {
    let outside = directory(&[("secret.yar", &rule("secret", ALWAYS))]);
    let dir = directory(&[("mail/a.yar", &rule("a", ALWAYS))]);
    let link = |target: &str, name: &str| {
        std::os::unix::fs::symlink(outside.path().join(target), dir.path().join(name))
            .expect("link");
    };
    link("secret.yar", "mail/b.yar");
    link("", "mail/elsewhere");
    let error = RuleSet::load(dir.path(), &LoadOptions::default()).expect_err("links");
    let text = error.to_string();
    assert!(
        text.contains("mail/b.yar is a link out of the rules directory"),
        "{text}"
    );
    assert!(
        text.contains("mail/elsewhere is a link out of the rules directory"),
        "{text}"
    );
}

#[cfg(unix)]
#[test]
fn a_link_that_leads_round_comes_to_an_end() {
    let dir = directory(&[("mail/a.yar", &rule("a", ALWAYS))]);
    std::os::unix::fs::symlink("..", dir.path().join("mail/up")).expect("link");
    std::os::unix::fs::symlink(".", dir.path().join("mail/self")).expect("link");
    let rules = RuleSet::load(dir.path(), &LoadOptions::default()).expect("one rule");
    assert_eq!(names(&rules), ["a"]);
}

#[test]
fn files_beyond_the_limits_are_refused() {
    let dir = directory(&[
        ("mail/a.yar", &rule("a", ALWAYS)),
        (
            "mail/b.yar",
            &format!("{}//{}", rule("b", ALWAYS), "x".repeat(2000)),
        ),
        ("mail/c.yar", &rule("c", ALWAYS)),
    ]);
    let load = |options: LoadOptions| {
        RuleSet::load(dir.path(), &options)
            .expect_err("a limit is reached")
            .to_string()
    };
    let text = load(LoadOptions {
        max_file_bytes: 1000,
        ..LoadOptions::default()
    });
    assert!(
        text.contains("mail/b.yar: larger than 1000 bytes"),
        "{text}"
    );
    let text = load(LoadOptions {
        max_files: 2,
        ..LoadOptions::default()
    });
    assert!(
        text.contains("mail/c.yar: more than 2 rule files"),
        "{text}"
    );
    let text = load(LoadOptions {
        max_total_bytes: 1000,
        ..LoadOptions::default()
    });
    assert!(
        text.contains("all rules together exceed 1000 bytes"),
        "{text}"
    );
}

#[test]
fn the_digest_depends_on_paths_and_contents_alone() {
    let files = [
        ("mail/a.yar", rule("a", ALWAYS)),
        ("raw/b.yar", rule("b", ALWAYS)),
    ];
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(path, text)| (*path, text.as_str()))
        .collect();
    let digest = load(&files).digest().to_owned();
    assert_eq!(digest.len(), 64);
    assert!(digest.bytes().all(|byte| byte.is_ascii_hexdigit()));

    let reversed: Vec<_> = files.iter().rev().copied().collect();
    assert_eq!(
        load(&reversed).digest(),
        digest,
        "the order of creation does not matter"
    );

    let changed = [
        ("mail/a.yar", rule("a", "false")),
        ("raw/b.yar", rule("b", ALWAYS)),
    ];
    let changed: Vec<(&str, &str)> = changed
        .iter()
        .map(|(path, text)| (*path, text.as_str()))
        .collect();
    assert_ne!(load(&changed).digest(), digest);

    let moved = [("mail/a.yar", files[0].1), ("raw/c.yar", files[1].1)];
    assert_ne!(load(&moved).digest(), digest);
}

#[test]
fn a_broken_directory_is_an_error_even_if_some_rules_are_fine() {
    let result = try_load(&[("mail/a.yar", &rule("a", ALWAYS)), ("mail/b.yar", "rule {")]);
    assert!(result.is_err());
}

#[test]
fn what_is_known_of_rules_survives_the_way_through_json() {
    let rules = load(&[
        ("file/disk-image/i.yar", &rule("of_disk_image", ALWAYS)),
        ("mail/m.yar", &rule("of_mail", ALWAYS)),
        ("vendor/acme/v.yar", "rule v { condition: filesize >= 0 }"),
    ]);
    let json = serde_json::to_value(rules.rules()).expect("plain data");
    assert_eq!(json[0]["place"], "file/disk-image");
    let back: Vec<rules::RuleInfo> = serde_json::from_value(json).expect("the same shape");
    assert_eq!(back, rules.rules());
}
