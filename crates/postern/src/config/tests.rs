//! Golden error texts, and that file, code and documentation say the same.

mod client;
mod relay;

use super::*;
use policy::{Action, Category, Stage};
use std::collections::BTreeSet;
use std::time::Duration;

fn parse(text: &str) -> Result<Config, ConfigErrors> {
    Config::parse(text, Path::new("postern.toml"))
}

fn errors(text: &str) -> String {
    parse(text).expect_err("has mistakes").to_string()
}

fn check(text: &str, expected: &str) {
    assert_eq!(
        errors(text),
        expected.trim_matches('\n'),
        "\n{}",
        errors(text)
    );
}

#[test]
fn an_empty_file_gives_the_defaults() {
    assert_eq!(parse(""), Ok(Config::default()));
    assert_eq!(
        parse("# nothing\n\n[milter]\n[policy]\n"),
        Ok(Config::default())
    );
}

#[test]
fn the_documented_file_gives_the_defaults() {
    assert_eq!(parse(DEFAULTS), Ok(Config::default()));
}

#[test]
fn the_defaults_are_printed_as_they_are_documented() {
    let printed = Config::default().to_toml().expect("prints");
    let mut compared = 0;
    for line in printed.lines().filter(|line| line.contains(['"', '0'])) {
        let (key, _) = line.split_once(" = ").expect("a key and its value");
        if DEFAULTS.contains(&format!("\n{key} = ")) {
            assert!(DEFAULTS.contains(&format!("\n{line}\n")), "{line}");
            compared += 1;
        }
    }
    assert!(compared > 20, "{compared}");
}

#[test]
fn every_key_is_documented() {
    let mut full = Config::default();
    full.rules.vendor.insert("<name>".into(), Vendor::default());
    full.relay = Some(Relay::default());
    full.release.address = Some("127.0.0.1:25".parse().expect("an address"));
    let table = toml::Table::try_from(&full).expect("serialises");
    let documented: BTreeSet<String> = documented_keys();
    for key in keys(&table, "") {
        assert!(
            documented.contains(&key),
            "{key} is missing from deploy/postern.toml"
        );
    }
    for key in ["tenant.name", "tenant.domains"] {
        assert!(documented.contains(key), "{key}");
    }
}

/// Keys of the documented file with their sections, those that are commented out included.
fn documented_keys() -> BTreeSet<String> {
    let mut section = String::new();
    let mut keys = BTreeSet::new();
    for line in DEFAULTS.lines() {
        let line = line.trim_start_matches("# ").trim();
        if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            section = format!("{}.", name.trim_matches(['[', ']']));
        } else if let Some((key, _)) = line.split_once(" = ") {
            keys.insert(format!("{section}{key}"));
        }
    }
    keys
}

fn keys(table: &toml::Table, path: &str) -> Vec<String> {
    let inner = table.iter().map(|(name, value)| match value.as_table() {
        Some(table) => keys(table, &format!("{path}{name}.")),
        None => vec![format!("{path}{name}")],
    });
    inner.flatten().filter(|key| key != "tenant").collect()
}

#[test]
fn what_is_printed_reads_back_to_the_same() {
    for text in ["", FULL] {
        let config = parse(text).expect("correct");
        let printed = config.to_toml().expect("prints");
        assert_eq!(parse(&printed), Ok(config), "{printed}");
    }
}

/// Every section, with other values than the defaults.
const FULL: &str = r#"
state_dir = "/var/lib/postern"
rules_dir = "/etc/postern/rules"
[milter]
listen = ["[::1]:0", "unix:/run/postern/milter.sock"]
socket_mode = "0600"
max_connections = 7
message_bytes = 10485760
spill_bytes = "1 MiB"
drain_timeout = 5
[workers]
count = 3
memory = "512 MiB"
deadline = "2min"
scan_timeout = "3s"
[limits.mail]
depth = 5
[limits.unpack]
ratio = 0x40
[headers]
add = false
authserv_id = "mx.example.org"
[policy]
tag = -5
quarantine = 10
reject = 20
category = { malware = "accept", spam = "tag" }
failing.encrypted = "quarantine"
allow.senders = ["boss@partner.example"]
[quarantine]
mode = "mta-hold"
[store]
min_free = 0
[release]
address = "mail.example.org:10026"
helo = "[127.0.0.1]"
[control]
uids = [1000, 1001]
[log]
format = "json"
level = "debug"
[rules.vendor.signature-base]
points = 30
stage = "live"
[[tenant]]
name = "uni"
domains = ["uni.example", "Uni.Test."]
reject = "off"
category.phishing = "reject"
allow.senders = []
[[tenant]]
name = "lab"
domains = ["lab.uni.example"]
quarantine = 15
[tenant.reject]
keep_copy = true
"#;

#[test]
fn every_section_is_read() {
    let config = parse(FULL).expect("correct");
    assert_eq!(
        config.control.socket,
        Path::new("/var/lib/postern/control.sock")
    );
    assert_eq!(config.milter.message_bytes, 10 << 20);
    assert_eq!(config.milter.drain_timeout, Duration::from_secs(5));
    assert_eq!(config.workers.deadline, Duration::from_secs(120));
    assert_eq!(config.limits.unpack.ratio, 64);
    assert_eq!(config.log.level, LogLevel::Debug);
    let vendor = &config.rules.vendor["signature-base"];
    assert_eq!((vendor.points, vendor.stage), (30, Stage::Live));
}

#[test]
fn a_tenant_takes_from_the_policy_what_it_does_not_say() {
    let policy = parse(FULL).expect("correct").policy();
    assert_eq!(policy.default.name, "default");
    assert_eq!(policy.default.thresholds.reject, Some(20));
    assert_eq!(
        policy.default.category.get(&Category::Malware),
        None,
        "accept asks for nothing"
    );

    let uni = policy.tenant_of("a@uni.test");
    assert_eq!(
        (uni.name.as_str(), uni.thresholds.tag, uni.thresholds.reject),
        ("uni", -5, None)
    );
    assert_eq!(uni.category.get(&Category::Phishing), Some(&Action::Reject));
    assert_eq!(uni.category.get(&Category::Spam), Some(&Action::Tag));
    assert_eq!(uni.failing.encrypted, Action::Quarantine);
    assert!(uni.allow.senders.is_empty(), "its own empty list");

    let lab = policy.tenant_of("a@lab.uni.example");
    assert_eq!(
        (lab.thresholds.quarantine, lab.thresholds.reject),
        (15, Some(20))
    );
    assert_eq!(lab.allow.senders, ["boss@partner.example"]);
    assert!(lab.rejecting.keep_copy, "and the score is inherited");
    assert!(!uni.rejecting.keep_copy && !policy.default.rejecting.keep_copy);
}

#[test]
fn the_default_policy_is_the_policy_of_the_crate() {
    assert_eq!(Config::default().policy(), policy::Policy::default());
}

#[test]
fn three_mistakes_are_told_at_once() {
    check(
        "[milter]\nlisten = [\"127.0.0.1:8891\", \"localhost\"]\nmax_conections = 10\n\n[policy]\ntag = \"forty\"\n",
        r#"
postern.toml:2:29: `localhost` is not an address: expected "127.0.0.1:8891", "[::1]:8891" or "unix:/path/to/socket"
  |
2 | listen = ["127.0.0.1:8891", "localhost"]
  |                             ^^^^^^^^^^^

postern.toml:3:1: unknown key `max_conections`
  |
3 | max_conections = 10
  | ^^^^^^^^^^^^^^
  hint: did you mean `max_connections`?

postern.toml:6:7: expected an integer, found a string
  |
6 | tag = "forty"
  |       ^^^^^^^
"#,
    );
}

#[test]
fn a_key_in_the_wrong_section_is_sent_home() {
    check(
        "tag = 90\n",
        r#"
postern.toml:1:1: unknown key `tag`
  |
1 | tag = 90
  | ^^^
  hint: it belongs in [policy]
"#,
    );
    assert!(errors("[store]\nstate_dir = \"x\"").contains("it belongs in the top of the file"));
}

#[test]
fn a_key_that_resembles_nothing_is_answered_with_what_is_known() {
    let text = errors("[headers]\ncompletely_else = 1");
    assert!(
        text.ends_with("hint: known here: add, authserv_id"),
        "{text}"
    );
}

#[test]
fn an_authserv_id_is_a_dot_atom() {
    check(
        "[headers]\nauthserv_id = \"mx.example.org; spf=pass\"\n",
        r#"
postern.toml:2:15: `mx.example.org; spf=pass` is not a dot-atom: expected a name such as "mx.example.org"
  |
2 | authserv_id = "mx.example.org; spf=pass"
  |               ^^^^^^^^^^^^^^^^^^^^^^^^^^
"#,
    );
    for id in [
        "",
        ".",
        "mx..example",
        "mx.example.",
        "m\u{fc}.example",
        "a b",
    ] {
        assert!(!errors(&format!("headers.authserv_id = {id:?}")).is_empty());
    }
    assert!(parse("headers.authserv_id = \"mx_1\"").is_ok());
}

#[test]
fn reject_is_a_score_or_a_table() {
    let read = |text: &str| parse(text).expect("correct").policy.reject;
    let reject = |score, keep_copy| RejectSection { score, keep_copy };
    assert_eq!(read("policy.reject = 200"), reject(Some(200), false));
    assert_eq!(read("policy.reject = \"off\""), reject(None, false));
    let table = "[policy.reject]\nscore = 200\nkeep_copy = true";
    assert_eq!(read(table), reject(Some(200), true));
    assert_eq!(read("policy.reject.keep_copy = true"), reject(None, true));
    // A tenant that only says a score keeps what is said of copies.
    let tenant = "[[tenant]]\nname = \"a\"\ndomains = [\"a.example\"]\nreject = 300";
    let config = parse(&format!("{table}\n{tenant}")).expect("correct");
    assert_eq!(config.tenants[0].policy.reject, reject(Some(300), true));

    check(
        "[policy.reject]\nscore = 50\nkeep_copies = true\n",
        r#"
postern.toml:1:1: quarantine 80 is above reject 50
  |
1 | [policy.reject]
  | ^^^^^^^^^^^^^^^
  hint: thresholds must rise: tag ≤ quarantine ≤ reject

postern.toml:3:1: unknown key `keep_copies`
  |
3 | keep_copies = true
  | ^^^^^^^^^^^
  hint: did you mean `keep_copy`?
"#,
    );
    assert!(errors("policy.reject = true").contains("expected an integer, found a boolean"));
}

#[test]
fn thresholds_must_rise() {
    check(
        "[policy]\nquarantine = 30\n",
        r#"
postern.toml:2:14: tag 40 is above quarantine 30
  |
2 | quarantine = 30
  |              ^^
  hint: thresholds must rise: tag ≤ quarantine ≤ reject
"#,
    );
    let text = errors("[[tenant]]\nname = \"a\"\ndomains = [\"a.example\"]\nreject = 79");
    assert!(
        text.contains("postern.toml:4:10: quarantine 80 is above reject 79"),
        "{text}"
    );
}

#[test]
fn unknown_words_are_answered_with_the_known_ones() {
    check(
        "[policy.category]\nmalware = \"quarantaine\"\n[policy.failing]\nencrypted = \"discard\"\n",
        r#"
postern.toml:2:11: `quarantaine` is not one of: accept, tag, quarantine, reject, discard; did you mean "quarantine"?
  |
2 | malware = "quarantaine"
  |           ^^^^^^^^^^^^^

postern.toml:4:13: `discard` is not one of: accept, tag, quarantine, reject
  |
4 | encrypted = "discard"
  |             ^^^^^^^^^
"#,
    );
    let text = errors("[policy.category]\nmalwar = \"tag\"");
    assert!(text.contains("did you mean `malware`?"), "{text}");
}

#[test]
fn two_tenants_share_neither_name_nor_domain() {
    check(
        r#"
[[tenant]]
name = "a"
domains = ["x.example"]
[[tenant]]
name = "a"
domains = ["y.example", "X.Example."]
[[tenant]]
"#,
        r#"
postern.toml:6:8: there are two tenants `a`
  |
6 | name = "a"
  |        ^^^

postern.toml:7:25: `x.example` is already a domain of tenant `a`
  |
7 | domains = ["y.example", "X.Example."]
  |                         ^^^^^^^^^^^^

postern.toml:8:1: a tenant has no name
  |
8 | [[tenant]]
  | ^^^^^^^^^^
  hint: write name = "…"

postern.toml:8:1: a tenant has no domains, so no recipient belongs to it
  |
8 | [[tenant]]
  | ^^^^^^^^^^
"#,
    );
}

#[test]
fn sizes_and_durations_have_bounds() {
    check(
        "[workers]\nmemory = \"1 MiB\"\ndeadline = \"1 week\"\nscan_timeout = 0\ncount = 0\n",
        r#"
postern.toml:2:10: 1 MiB is out of range: expected 128 MiB to 1 TiB
  |
2 | memory = "1 MiB"
  |          ^^^^^^^

postern.toml:3:12: `1 week` is not a duration: expected a number with ms, s, min, h or d, such as "60s"
  |
3 | deadline = "1 week"
  |            ^^^^^^^^

postern.toml:4:16: 0ms is out of range: expected 2s to 1h
  |
4 | scan_timeout = 0
  |                ^

postern.toml:5:9: 0 is out of range: expected 1 to 512
  |
5 | count = 0
  |         ^
"#,
    );
    assert!(errors("[workers]\ncount = 99999999999999999999").contains("a number that large"));
    assert!(errors("[store]\ncache = -1").contains("expected a size of 0 or more"));
}

#[test]
fn a_scan_may_not_outlast_its_mail() {
    let text = errors("[workers]\ndeadline = \"5s\"");
    assert!(
        text.contains("postern.toml:2:12: scan_timeout 10s is longer than deadline 5s"),
        "{text}"
    );
}

#[test]
fn a_socket_that_the_kernel_would_refuse_is_a_mistake() {
    let deep = format!("state_dir = \"/{}\"\n", "x".repeat(100));
    let text = errors(&deep);
    assert!(
        text.starts_with("postern.toml:1:13: the path of a socket is 114 bytes long"),
        "{text}"
    );
    assert!(!errors(&format!("{deep}[control]\nsocket = \"\"")).contains("114"));
    assert!(parse(&format!("{deep}[control]\nsocket = \"/run/c.sock\"")).is_ok());
}

#[test]
fn a_value_in_place_of_a_table_is_a_mistake() {
    let text = errors("milter = 3\ntenant = { name = \"a\" }\n[rules]\nvendor.x = 1\n");
    for part in [
        "1:10: expected a table, found an integer",
        "hint: write [milter]",
        "2:10: expected tables, found a table",
        "hint: write [[tenant]]",
        "4:12: expected a table, found an integer",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn syntax_errors_stand_beside_the_other_mistakes() {
    check(
        "state_dir = var\n[policy]\ntag == 40\nquarantin = 90\n",
        r#"
postern.toml:1:13: string values must be quoted, expected literal string
  |
1 | state_dir = var
  |             ^^^

postern.toml:3:6: extra `=`, expected nothing
  |
3 | tag == 40
  |      ^

postern.toml:4:1: unknown key `quarantin`
  |
4 | quarantin = 90
  | ^^^^^^^^^
  hint: did you mean `quarantine`?
"#,
    );
}

#[test]
fn hostile_configurations_are_shown_safely() {
    let text = errors("# x\n\"\u{202e}evil\\u001b\" = \"\t\" # \u{1f600}\n");
    assert!(
        !text.chars().any(|c| c.is_control() && c != '\n'),
        "{text:?}"
    );
    assert!(text.contains("unknown key `\\u{202e}evil\\x1b`"), "{text}");
}

#[test]
fn deep_nesting_is_an_error_and_not_a_stack_overflow() {
    for text in [
        "[".repeat(100_000),
        format!("a = {}", "[".repeat(100_000)),
        format!("a = {}", "{b=".repeat(100_000)),
        format!("a{} = 1", ".a".repeat(100_000)),
    ] {
        assert!(parse(&text).is_err());
    }
}

#[test]
fn every_one_of_many_mistakes_is_told() {
    let text: String = (0..20_000)
        .map(|n| format!("unknown_{n} = {n}\n"))
        .collect();
    let mistakes = parse(&text).expect_err("mistakes").mistakes;
    assert!(mistakes.iter().map(|m| m.line).eq(1..=20_000));
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let absent = dir.path().join("absent.toml");
    let error = Config::load(Some(&absent)).expect_err("absent").to_string();
    assert!(
        error.starts_with(&format!(
            "{}: cannot read the configuration: No such file",
            absent.display()
        )),
        "{error}"
    );

    let binary = dir.path().join("binary.toml");
    std::fs::write(&binary, b"# fine\nlog = \"\xff\"\n").expect("writes");
    let error = Config::load(Some(&binary)).expect_err("binary").to_string();
    assert!(
        error.ends_with("line 2 is not UTF-8, as TOML must be"),
        "{error}"
    );

    let error = Config::load(Some(dir.path()))
        .expect_err("a directory")
        .to_string();
    assert!(error.contains("Is a directory"), "{error}");
}

proptest::proptest! {
    #[test]
    fn any_text_is_read_or_explained(text: String) {
        if let Err(errors) = parse(&text) {
            let shown = errors.to_string();
            assert!(!shown.chars().any(|c| c.is_control() && c != '\n'));
        }
    }

    #[test]
    fn any_damage_to_a_correct_file_is_read_or_explained(at in 0usize..6_000, with: char) {
        let mut text: Vec<char> = DEFAULTS.chars().collect();
        let at = at % text.len();
        text[at] = with;
        let text: String = text.into_iter().collect();
        if let Err(errors) = parse(&text) {
            let shown = errors.to_string();
            assert!(!errors.mistakes.is_empty());
            assert!(shown.starts_with("postern.toml:"));
        }
    }
}
