//! Public rule sets are taken as they are.

use std::collections::BTreeMap;
use std::time::Duration;

use rules::VendorOptions;
use rules::proto::Mail;
use rules::{Category, Externals, FloorAction, LoadOptions, RuleSet, ScanOptions, Scanners, Stage};

use crate::{ALWAYS, directory, load, rule};

fn hits(rules: &RuleSet, data: &[u8], externals: &Externals<'_>) -> Vec<String> {
    let mut scanners = Scanners::new(rules, &ScanOptions::default());
    let scan = scanners.scan_file(data, "text", &Mail::new(), externals);
    assert!(scan.failures.is_empty(), "{:?}", scan.failures);
    scan.hits
        .into_iter()
        .map(|hit| format!("{} {}", hit.namespace, hit.rule))
        .collect()
}

#[test]
fn rules_without_our_meta_load_in_shadow_and_count_nothing() {
    let rules = load(&[(
        "vendor/acme/apt.yar",
        "rule APT_Thing : tag { meta: description = \"Th\\x1bing\" score = 95 author = \"A\" \
         category = 5 strings: $a = \"thing\" condition: $a }",
    )]);
    let info = &rules.rules()[0];
    assert_eq!((info.score, info.stage), (0, Stage::Shadow));
    assert_eq!(info.description, "Th ing", "no control characters");
    assert_eq!(info.author.as_deref(), Some("A"));
    assert_eq!(info.namespace, "vendor/acme/apt.yar");
    let mut scanners = Scanners::new(&rules, &ScanOptions::default());
    let scan = scanners.scan_file(b"thing", "text", &Mail::new(), &Externals::default());
    assert_eq!(scan.hits[0].full_name(), "acme/APT_Thing");
}

#[test]
fn what_a_set_counts_is_configured_and_changes_the_digest() {
    let dir = directory(&[
        ("vendor/acme/a.yar", "rule a { condition: true }"),
        ("vendor/other/a.yar", "rule a { condition: true }"),
    ]);
    let counts = VendorOptions {
        score: 30,
        category: Category::Malware,
        action: Some(FloorAction::Tag),
        stage: Stage::Live,
    };
    let options = LoadOptions {
        vendor: BTreeMap::from([("acme".to_owned(), counts)]),
        ..LoadOptions::default()
    };
    let rules = RuleSet::load(dir.path(), &options).expect("two rules");
    let [acme, other] = rules.rules() else {
        panic!("{:?}", rules.rules())
    };
    assert_eq!(
        (acme.score, acme.category, acme.stage),
        (30, Category::Malware, Stage::Live)
    );
    assert_eq!(acme.action, Some(FloorAction::Tag));
    assert_eq!((other.score, other.stage), (0, Stage::Shadow));

    let plain = RuleSet::load(dir.path(), &LoadOptions::default()).expect("two rules");
    assert_ne!(plain.digest(), rules.digest());
}

#[test]
fn equal_names_do_not_clash() {
    let rules = load(&[
        ("vendor/acme/a.yar", "rule same { condition: true }"),
        ("vendor/acme/a.yara", "rule same { condition: true }"),
        (
            "vendor/acme/deep/down/a.yar",
            "rule same { condition: true }",
        ),
        ("vendor/other/a.yar", "rule same { condition: true }"),
        ("file/a.yar", &rule("same", ALWAYS)),
    ]);
    assert_eq!(hits(&rules, b"x", &Externals::default()).len(), 5);
}

#[test]
fn the_external_variables_that_public_rules_expect_are_there() {
    let rules = load(&[(
        "vendor/acme/e.yar",
        "rule by_name { condition: filename == \"a.exe\" and extension == \".exe\" and \
         filepath == \"2/a.exe\" and filetype == \"pe32\" and owner == \"\" and md5 == \"\" and \
         file_name == filename and file_type == filetype and not new_file }",
    )]);
    let named = Externals {
        filename: "a.exe",
        filepath: "2/a.exe",
        extension: "exe",
        filetype: "pe32",
    };
    assert_eq!(hits(&rules, b"x", &named), ["vendor/acme/e.yar by_name"]);
    assert!(
        hits(
            &rules,
            b"x",
            &Externals {
                filename: "b.exe",
                ..named
            }
        )
        .is_empty()
    );
}

#[test]
fn a_file_that_does_not_compile_is_left_out_and_the_rest_is_loaded() {
    let rules = load(&[
        ("vendor/acme/a.yar", "rule a { condition: true }"),
        (
            "vendor/acme/b.yar",
            "rule b1 { condition: true }\nrule b2 { condition: nothing }",
        ),
        ("vendor/acme/c.yar", "rule c { condition: true }"),
        ("vendor/acme/index.yar", "include \"./a.yar\""),
        ("vendor/acme/LICENSE", "free"),
    ]);
    let names: Vec<&str> = rules
        .rules()
        .iter()
        .map(|rule| rule.name.as_str())
        .collect();
    assert_eq!(
        names,
        ["a", "c"],
        "half a file is not what its author wrote"
    );
    let warnings: Vec<&str> = rules
        .warnings()
        .iter()
        .map(|w| w.message.as_str())
        .collect();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(
        warnings[0].starts_with("vendor/acme/b.yar:2 left out: E009"),
        "{warnings:?}"
    );
    assert!(
        warnings[1].starts_with("vendor/acme/index.yar:1 left out"),
        "{warnings:?}"
    );
    assert!(
        rules.warnings()[0].text.contains('^'),
        "{}",
        rules.warnings()[0]
    );
}

#[test]
fn a_rule_that_needs_an_absent_module_is_left_out_and_named() {
    let rules = load(&[(
        "vendor/acme/m.yar",
        "import \"magic\"\nrule needs { condition: magic.type() == \"x\" }\n\
         rule fine { condition: true }",
    )]);
    assert_eq!(
        hits(&rules, b"x", &Externals::default()),
        ["vendor/acme/m.yar fine"]
    );
    assert!(
        rules.warnings()[0].message.contains("left out: needs"),
        "{:?}",
        rules.warnings()
    );
}

#[test]
fn old_regular_expressions_slow_patterns_global_and_private_rules_are_taken() {
    let rules = load(&[(
        "vendor/old/o.yar",
        "private global rule small { condition: filesize < 100 }\n\
         private rule helper { condition: true }\n\
         rule old { strings: $a = /foo{}bar\\R/ $slow = { 00 [1-10] 01 } condition: any of them and helper }",
    )]);
    assert_eq!(
        hits(&rules, b"foo{}barR", &Externals::default()),
        ["vendor/old/o.yar old"]
    );
    assert!(rules.warnings().is_empty(), "{:?}", rules.warnings());
}

#[test]
fn a_global_rule_of_one_public_file_does_not_silence_others() {
    let rules = load(&[
        (
            "vendor/acme/g.yar",
            "global rule never { condition: false } rule a { condition: true }",
        ),
        ("vendor/acme/h.yar", "rule b { condition: true }"),
    ]);
    assert_eq!(
        hits(&rules, b"x", &Externals::default()),
        ["vendor/acme/h.yar b"]
    );
}

#[test]
fn a_file_in_latin1_is_read() {
    let dir = directory(&[("vendor/old/l.yar", "")]);
    std::fs::write(
        dir.path().join("vendor/old/l.yar"),
        b"// \xe9\nrule l { condition: filesize >= 0 }",
    )
    .expect("file");
    let rules = RuleSet::load(dir.path(), &LoadOptions::default()).expect("loads");
    assert_eq!(rules.rules()[0].line, 2);
    let [warning] = rules.warnings() else {
        panic!("{:?}", rules.warnings())
    };
    assert!(warning.message.ends_with("read as Latin-1"), "{warning}");
}

#[test]
fn a_public_rule_file_outside_a_set_is_refused() {
    let text = crate::errors(&[("vendor/a.yar", "rule a { condition: true }")]);
    assert!(text.contains("vendor/a.yar belongs to no set"), "{text}");
}

#[test]
fn a_scan_that_is_given_up_is_a_failure_and_the_hits_of_other_sets_stand() {
    let rules = load(&[
        ("file/a.yar", &rule("ours", ALWAYS)),
        (
            "vendor/slow/s.yar",
            "rule endless { condition: for all i in (0..4000000000) : ( for all j in \
             (0..4000000000) : ( i + j >= 0 ) ) or filename == \"x\" }",
        ),
    ]);
    // Made without the warm-up of the endless rule: an empty file is scanned just the same, so
    // the shortest limit applies twice.
    let options = ScanOptions {
        timeout: Duration::ZERO,
        ..ScanOptions::default()
    };
    let mut scanners = Scanners::new(&rules, &options);
    let scan = scanners.scan_file(b"x", "text", &Mail::new(), &Externals::default());
    assert_eq!(scan.hits.len(), 1);
    assert_eq!(scan.hits[0].rule, "ours");
    let [failure] = &scan.failures[..] else {
        panic!("{:?}", scan.failures)
    };
    assert_eq!(failure.to_string(), "rules/vendor: no result within 2 s");
}
