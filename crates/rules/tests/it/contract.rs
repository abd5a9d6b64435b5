//! What the `meta` section of our own rules must say, and what is said when it does not.

use rules::{Category, FloorAction, Stage};

use crate::{ALWAYS, errors, load, rule, rule_with};

#[test]
fn a_complete_rule_is_described_as_it_describes_itself() {
    let rules = load(&[(
        "file/office/macros.yar",
        r#"rule macro_document {
    meta:
        description = "A document with macros"
        score = 60
        category = "malware"
        action = "quarantine"
        attack = "T1566.001"
        author = "Example CERT"
        date = "2026-11-24"
        reference = "https://example.org/macros"
        stage = "shadow"
    condition:
        true
}
"#,
    )]);
    let [info] = rules.rules() else {
        panic!("{:?}", rules.rules())
    };
    assert_eq!(info.name, "macro_document");
    assert_eq!(info.namespace, "file/office/macros");
    assert_eq!(info.place.to_string(), "file/office");
    assert_eq!(info.description, "A document with macros");
    assert_eq!(info.score, 60);
    assert_eq!(info.category, Category::Malware);
    assert_eq!(info.action, Some(FloorAction::Quarantine));
    assert_eq!(info.stage, Stage::Shadow);
    assert_eq!(info.attack.as_deref(), Some("T1566.001"));
    assert_eq!(info.author.as_deref(), Some("Example CERT"));
    assert_eq!(info.date.as_deref(), Some("2026-11-24"));
    assert_eq!(
        info.reference.as_deref(),
        Some("https://example.org/macros")
    );
    assert_eq!(
        (info.file.as_str(), info.line),
        ("file/office/macros.yar", 1)
    );
}

#[test]
fn a_rule_without_a_stage_is_live() {
    let rules = load(&[("mail/a.yar", &rule("plain", ALWAYS))]);
    assert_eq!(rules.rules()[0].stage, Stage::Live);
    assert_eq!(rules.rules()[0].action, None);
}

#[test]
fn a_mistyped_meta_key_is_shown_with_the_nearest_valid_key() {
    let text = errors(&[(
        "mail/a.yar",
        r#"rule lottery {
    meta:
        description = "You have won"
        scroe = 30
        category = "spam"
    condition:
        true
}
"#,
    )]);
    assert_eq!(
        text,
        "\
error: rule `lottery`: its meta section lacks score
 --> mail/a.yar:1:6
  |
1 | rule lottery {
  |      ^^^^^^^ add to `meta:`
  = help: description = \"what it finds, in plain words\", score = 0 to 1000, category = one of \
malware, phishing, spoof, spam, policy, evasion, suspicious

error: rule `lottery`: unknown meta key `scroe`
 --> mail/a.yar:4:9
  |
4 |         scroe = 30
  |         ^^^^^ did you mean `score`?
  = help: the keys are action, attack, author, category, date, description, reference, score, stage

2 errors in the rules"
    );
}

#[test]
fn a_value_that_is_not_valid_is_shown_with_what_would_be() {
    let cases = [
        ("score = 1001", "expected 0 to 1000; 0 is informational"),
        ("score = -1", "expected 0 to 1000; 0 is informational"),
        ("score = \"high\"", "expected an integer, 0 to 1000"),
        ("category = \"malwere\"", "did you mean \"malware\"?"),
        ("category = true", "expected one of malware, phishing"),
        (
            "action = \"hold\"",
            "expected one of tag, quarantine, reject, discard",
        ),
        (
            "attack = \"T12\"",
            "expected an ATT&CK technique such as \"T1566\"",
        ),
        ("stage = \"live \"", "did you mean \"live\"?"),
        ("author = 7", "expected a string"),
        (
            "description = \"  \"",
            "say in plain words what the rule finds",
        ),
    ];
    for (entry, expected) in cases {
        let key = entry.split(' ').next().unwrap_or_default();
        let mut meta = vec!["description = \"x\"", "score = 1", "category = \"spam\""];
        meta.retain(|given| !given.starts_with(key));
        meta.push(entry);
        let source = format!("rule r {{ meta: {} condition: true }}", meta.join(" "));
        let text = errors(&[("raw/r.yar", &source)]);
        assert!(text.contains(expected), "{entry}: {text}");
        assert!(text.contains("--> raw/r.yar:1:"), "{text}");
        assert!(text.contains('^'), "{text}");
        assert!(text.ends_with("1 error in the rules"), "{text}");
    }
}

#[test]
fn a_key_given_twice_is_refused() {
    let text = errors(&[("mail/a.yar", &rule_with("r", "score = 20", ALWAYS))]);
    assert!(
        text.contains("rule `r`: meta key `score` is given twice"),
        "{text}"
    );
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let text = errors(&[
        (
            "mail/a.yar",
            &rule_with("first", "actoin = \"tag\"", "mail.subjekt == \"x\""),
        ),
        ("mail/b.yar", "rule second { condition: }"),
        ("file/c.yar", "rule third { condition: nothing }"),
        ("file/pee/d.yar", &rule("fourth", ALWAYS)),
    ]);
    assert!(text.contains("did you mean `action`?"), "{text}");
    assert!(text.contains("unknown field or method `subjekt`"), "{text}");
    assert!(text.contains("--> mail/b.yar:1:26"), "{text}");
    assert!(text.contains("unknown identifier `nothing`"), "{text}");
    assert!(
        text.contains("rule `third`: its meta section lacks description, score"),
        "{text}"
    );
    assert!(text.contains("did you mean `pe`?"), "{text}");
    assert!(text.ends_with("6 errors in the rules"), "{text}");
}

#[test]
fn an_error_of_the_compiler_shows_file_line_and_caret() {
    let text = errors(&[("mail/a.yar", &rule("typo", "mail.subjekt contains \"x\""))]);
    assert_eq!(
        text,
        "\
error[E008]: unknown field or method `subjekt`
  --> mail/a.yar:10:14
   |
10 |         mail.subjekt contains \"x\"
   |              ^^^^^^^ this field or method doesn't exist

1 error in the rules"
    );
}

#[test]
fn a_slow_pattern_is_refused() {
    let source = "rule slow { meta: description = \"x\" score = 1 category = \"spam\" \
                  strings: $a = { 00 [1-10] 01 } condition: $a }";
    let text = errors(&[("raw/slow.yar", source)]);
    assert!(text.contains("slow pattern"), "{text}");
}

#[test]
fn a_slow_loop_is_refused() {
    let condition = "for all i in (0..filesize) : ( uint8(i) == 0 )";
    let text = errors(&[("raw/slow.yar", &rule("slow", condition))]);
    assert!(text.contains("potentially slow loop"), "{text}");
}

#[test]
fn a_file_cannot_include_another() {
    let source = format!("include \"b.yar\"\n{}", rule("a", ALWAYS));
    let text = errors(&[("mail/a.yar", &source), ("mail/b.yar", &rule("b", ALWAYS))]);
    assert!(text.contains("include statements not allowed"), "{text}");
}

#[test]
fn a_module_that_makes_no_sense_is_refused_with_the_reason() {
    let source = format!("import \"time\"\n{}", rule("a", "time.now() > 0"));
    let text = errors(&[("mail/a.yar", &source)]);
    assert!(text.contains("module `time` is not for mail"), "{text}");
    assert!(text.contains("the same answer tomorrow"), "{text}");
}

#[test]
fn a_global_rule_is_refused() {
    let source = rule("everything", ALWAYS).replace("rule everything", "global rule everything");
    let text = errors(&[("mail/a.yar", &source)]);
    assert!(text.contains("rule `everything` is global"), "{text}");
    assert!(text.contains("write a private rule"), "{text}");
}

#[test]
fn a_private_rule_needs_no_meta_and_is_not_listed() {
    let source = format!(
        "private rule helper {{ condition: filesize > 0 }}\n{}",
        rule("user", "helper")
    );
    let rules = load(&[("mail/a.yar", &source)]);
    let names: Vec<&str> = rules
        .rules()
        .iter()
        .map(|rule| rule.name.as_str())
        .collect();
    assert_eq!(names, ["user"]);
}

#[test]
fn a_score_of_a_private_rule_is_refused_because_it_would_never_count() {
    let source = "private rule helper { meta: score = 5 condition: true }";
    let text = errors(&[("mail/a.yar", source)]);
    assert!(
        text.contains("rule `helper` is private, so its `score` has no effect"),
        "{text}"
    );
}

#[test]
fn equal_names_in_two_files_are_refused_and_both_places_are_named() {
    let text = errors(&[
        ("file/a.yar", &rule("same", ALWAYS)),
        ("mail/b.yar", &rule("same", "false")),
    ]);
    assert!(text.contains("there are two rules `same`"), "{text}");
    assert!(text.contains("--> mail/b.yar:3:6"), "{text}");
    assert!(text.contains("the other is in file/a.yar:3"), "{text}");
}

#[test]
fn equal_names_in_one_file_are_reported_once() {
    let source = format!("{}{}", rule("same", ALWAYS), rule("same", "false"));
    let text = errors(&[("mail/a.yar", &source)]);
    assert!(text.contains("duplicate rule `same`"), "{text}");
    assert!(text.ends_with("1 error in the rules"), "{text}");
}

#[test]
fn a_condition_that_is_one_field_is_no_constant() {
    let rules = load(&[("file/a.yar", &rule("attached", "mail.part.attachment"))]);
    assert!(rules.warnings().is_empty(), "{:?}", rules.warnings());
    let rules = load(&[("file/a.yar", &rule("always", "true"))]);
    assert_eq!(rules.warnings()[0].message, "invariant boolean expression");
    assert!(
        rules.warnings()[0].text.contains("--> file/a.yar:10:9"),
        "{:?}",
        rules.warnings()
    );
}
