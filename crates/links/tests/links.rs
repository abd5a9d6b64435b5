//! What links in mails look like, and what comes of them.
#![allow(missing_docs)]

use links::{
    Flag, MAX_URL_BYTES, canonicalise, canonicalise_in, displayed, find_in_text, lookup_form,
    registrable, text_differs,
};
use proptest::prelude::*;

#[test]
fn urls_are_canonicalised_as_browsers_split_them() {
    for (raw, expected) in [
        ("http://example.com", "http://example.com/"),
        (
            "HTTPS://User:Pw@EXAMPLE.com:443/A?b#c",
            "https://example.com/A?b",
        ),
        ("http://example.com:80/", "http://example.com/"),
        ("http://example.com:8080/", "http://example.com:8080/"),
        ("http://example.com:/", "http://example.com/"),
        ("http://example.com:000080/", "http://example.com/"),
        ("http://1113515555", "http://66.94.230.35/"),
        ("http://0x7f.1/", "http://127.0.0.1/"),
        ("http://%31%32%37.1/", "http://127.0.0.1/"),
        ("http://[::ffff:1.2.3.4]/", "http://1.2.3.4/"),
        ("http://faß.de/", "http://xn--fa-hia.de/"),
        ("http:\\\\example.com\\a\\..\\b", "http://example.com/b"),
        ("http:/example.com", "http://example.com/"),
        ("http:///example.com", "http://example.com/"),
        ("//example.com/x", "http://example.com/x"),
        ("\\\\example.com\\x", "http://example.com/x"),
        ("www.example.com:8080/x", "http://www.example.com:8080/x"),
        ("example.com?x", "http://example.com/?x"),
        ("http://good.example@evil.example/", "http://evil.example/"),
        (
            "http://good.example%40evil.example/",
            "http://good.example%40evil.example/",
        ),
        (
            "http://evil.example\\@good.example/",
            "http://evil.example/@good.example/",
        ),
        ("http://evil.example#@good.example/", "http://evil.example/"),
        (
            "http://evil.example?@good.example/",
            "http://evil.example/?@good.example/",
        ),
        ("ht\ntp://exa\tmple.com/", "http://example.com/"),
        ("http://a.b/%2e%2E/c//d/./e", "http://a.b/c/d/e"),
        ("http://a.b/%252525", "http://a.b/%25"),
        (
            "hxxps://evil[.]example[.]com/a",
            "https://evil.example.com/a",
        ),
        (
            "mailto:A.User@Example.COM?subject=x",
            "mailto:A.User@example.com?subject=x",
        ),
        ("data:text/html;base64,PGI+", "data:text/html;base64,PGI+"),
        ("JavaScript:alert(1)", "javascript:alert(1)"),
        (
            "ms-word:ofe|u|https://evil.example/x.docx",
            "ms-word:ofe|u|https://evil.example/x.docx",
        ),
        ("file://server/share/x", "file://server/share/x"),
    ] {
        let got = canonicalise(raw).map(|link| link.url);
        assert_eq!(got.as_deref(), Some(expected), "{raw}");
    }
}

#[test]
fn what_leads_nowhere_is_no_link() {
    for raw in [
        "",
        " ",
        "#top",
        "/path",
        "?query",
        "login.php",
        "index",
        "cid:part1@x",
        "tel:+99412",
        "http:",
        "http://",
        "http://?x",
        "http://:80/",
        "http://user@/",
        "mailto:",
        "mailto:nobody",
        "10:30",
        "a.b.c.unknownsuffix",
    ] {
        assert_eq!(canonicalise(raw).map(|link| link.url), None, "{raw}");
    }
}

#[test]
fn flags_say_what_is_odd() {
    use Flag::*;
    for (raw, flags) in [
        ("http://example.com/", vec![]),
        ("https://www.example.co.uk/a?b=c", vec![]),
        ("example.com", vec![Schemaless]),
        ("http://192.168.0.1/", vec![Numeric, PrivateIp]),
        ("http://3232235521/", vec![Numeric, Obscured, PrivateIp]),
        ("http://8.8.8.8:8080/", vec![HasPort, Numeric]),
        ("http://a@b@example.com/", vec![HasUser, MultiAt, Obscured]),
        ("http://xn--80ak6aa92e.com/", vec![Idn]),
        ("https://mygоv.az/", vec![Idn, MixedScript]),
        ("https://azərbaycan.az/", vec![Idn]),
        ("http://ｅｘａｍｐｌｅ.com/", vec![Idn, Obscured]),
        ("http://ex\u{200b}ample.com/", vec![Obscured, ZwSpaces]),
        (
            "http://ex\u{202e}ample.com/",
            vec![Malformed, Obscured, Rtl],
        ),
        ("http://%65xample.com/", vec![HostEncoded, Obscured]),
        ("http://example.com/%61", vec![PathEncoded]),
        ("http://example.com/%20", vec![]),
        ("http://a b.com/", vec![Malformed, Obscured]),
        ("http://a..example.com/", vec![Malformed, Obscured]),
        ("http://example.com:99999/", vec![Malformed]),
        ("http://host.invalidsuffix/", vec![UnknownSuffix]),
        ("http://phish.pages.dev/", vec![SharedHost]),
        ("https://bit.ly/x", vec![Shortener]),
        ("http:example.com", vec![MissingSlashes]),
        ("http:\\\\example.com", vec![Backslash, Obscured]),
        ("http://example.com/#a@b.example", vec![RecipientInUrl]),
        (
            "http://example.com/?m=YUBiLmV4YW1wbGU",
            vec![RecipientInUrl],
        ),
        ("javascript:x", vec![ScriptUri]),
        ("data:,x", vec![DataUri]),
        ("search-ms:query=x", vec![OddScheme]),
        (
            "http://evil.example\\@good.example/",
            vec![Backslash, ParserDisagreement, UnknownSuffix],
        ),
        ("hxxp://example.com/", vec![Defanged]),
    ] {
        let link = canonicalise(raw).expect(raw);
        // `.example` is reserved and no public suffix.
        let got: Vec<_> = link
            .flags
            .iter()
            .copied()
            .filter(|flag| flags.contains(&UnknownSuffix) || *flag != UnknownSuffix)
            .collect();
        assert_eq!(got, flags, "{raw}");
    }
}

#[test]
fn parsers_that_disagree_are_all_heard() {
    for (raw, readings) in [
        (
            "https://www.gov.az\\@evil.example.com/",
            vec!["https://evil.example.com/"],
        ),
        (
            "http://www.gov.az%2Flogin@evil.example.com/",
            vec!["http://www.gov.az/"],
        ),
        ("http://user@evil.example.com/", vec![]),
    ] {
        assert_eq!(canonicalise(raw).expect(raw).readings, readings, "{raw}");
    }
}

#[test]
fn hosts_are_taken_apart_by_the_public_suffix_list() {
    let link = canonicalise("https://login.asan.gov.az/x").unwrap();
    assert_eq!(
        (link.host.as_str(), link.registrable.as_deref()),
        ("login.asan.gov.az", Some("asan.gov.az"))
    );
    let link = canonicalise("https://x.phish.pages.dev/").unwrap();
    assert_eq!(
        (
            link.registrable.as_deref(),
            link.icann_registrable.as_deref()
        ),
        (Some("phish.pages.dev"), Some("pages.dev"))
    );
    let link = canonicalise("https://3.4/").unwrap();
    assert_eq!((link.host.as_str(), link.registrable), ("3.0.0.4", None));
    let link = canonicalise("https://xn--mygv-75d.az/").unwrap();
    assert_eq!(link.unicode_host.as_deref(), Some("mygоv.az"));
    assert!(registrable("gov.az").unwrap().domain.is_none());
}

#[test]
fn relative_references_need_a_base() {
    for (raw, base, expected) in [
        (
            "login.php",
            Some("https://evil.example/a/b"),
            Some("https://evil.example/a/login.php"),
        ),
        (
            "/x",
            Some("https://evil.example/a/b"),
            Some("https://evil.example/x"),
        ),
        (
            "//other.example/x",
            Some("https://evil.example/"),
            Some("https://other.example/x"),
        ),
        (
            "http://example.com/",
            Some("https://evil.example/"),
            Some("http://example.com/"),
        ),
        ("#top", Some("https://evil.example/"), None),
        ("login.php", None, None),
        ("login.php", Some("nonsense"), None),
    ] {
        assert_eq!(
            canonicalise_in(raw, base).map(|link| link.url).as_deref(),
            expected,
            "{raw} in {base:?}"
        );
    }
}

#[test]
fn visible_text_that_names_another_host_differs() {
    for (text, link, expected) in [
        ("http://www.gov.az/", "https://evil.example.com/", true),
        ("gov.az", "https://evil.example.com/", true),
        (
            "Log in at www.example.org now",
            "https://example.com/",
            true,
        ),
        ("www.example.com", "https://login.example.com/", false),
        ("gov.az", "https://www.gov.az/", false),
        ("Click here", "https://example.com/", false),
        ("file.exe", "https://example.com/", false),
        ("a@example.org", "mailto:b@example.com", false),
        ("support@example.org", "https://example.com/", false),
        ("example.com", "javascript:x", false),
    ] {
        assert_eq!(
            text_differs(text, &canonicalise(link).unwrap()),
            expected,
            "{text} -> {link}"
        );
    }
    assert_eq!(
        displayed("see gov.az").map(|shown| shown.host).as_deref(),
        Some("gov.az")
    );
}

fn found(text: &str) -> Vec<String> {
    find_in_text(text, 1000)
        .found
        .into_iter()
        .map(|found| found.raw)
        .collect()
}

#[test]
fn urls_are_found_in_running_text() {
    for (text, expected) in [
        ("Visit http://example.com/a.", vec!["http://example.com/a"]),
        (
            "(see http://example.com/a_(b))",
            vec!["http://example.com/a_(b)"],
        ),
        (
            "[text](https://example.com/x)",
            vec!["https://example.com/x"],
        ),
        ("<https://example.com/x>", vec!["https://example.com/x"]),
        ("http://[::1]:8080/x]", vec!["http://[::1]:8080/x"]),
        ("seehttps://example.com", vec!["https://example.com"]),
        (
            "www.example.com, example.org; and example.net/x?y!",
            vec!["www.example.com", "example.org", "example.net/x?y"],
        ),
        ("mail a.b@example.com now", vec!["mailto:a.b@example.com"]),
        ("http://user@example.com/", vec!["http://user@example.com/"]),
        ("end of sentence.Then one", vec![]),
        ("main.rs script.sh README.md notes.zip", vec![]),
        (
            "www.script.sh script.sh/x",
            vec!["www.script.sh", "script.sh/x"],
        ),
        ("version 1.2.3, 10.50 AZN, 10.1.1.1, a.b", vec![]),
        (
            "-example.com- _x.example.com",
            vec!["example.com", "x.example.com"],
        ),
        ("a_b.com", vec![]),
        ("metadata:x note:y http: https:// javascript:", vec![]),
        ("javascript:alert(1)", vec!["javascript:alert(1)"]),
        ("http://xyz..example.com", vec![]),
        ("mygov.az-da", vec!["mygov.az"]),
        ("почта.рф и example.com", vec!["почта.рф", "example.com"]),
        ("例え。テスト", vec![]),
        (
            "http://example.com/a http://example.com/a",
            vec!["http://example.com/a"],
        ),
        ("", vec![]),
    ] {
        assert_eq!(found(text), expected, "{text}");
    }
}

#[test]
fn offsets_lead_to_the_place() {
    let text = "ə www.example.com və http://example.org/x.";
    for found in find_in_text(text, 10).found {
        assert!(text[found.offset..].starts_with(&found.raw), "{found:?}");
    }
}

#[test]
fn the_bound_holds_and_is_reported() {
    let text: String = (0..50)
        .map(|n| format!("http://example.com/{n} "))
        .collect();
    let in_text = find_in_text(&text, 20);
    assert_eq!((in_text.found.len(), in_text.truncated), (20, true));
    let in_text = find_in_text(&text, 50);
    assert_eq!((in_text.found.len(), in_text.truncated), (50, false));
}

/// Each of these is quadratic for a finder that is not careful. None is timed: a careless one takes hours.
#[test]
fn no_text_is_expensive() {
    for (name, text) in [
        ("schemes without end", "http:".repeat(400_000)),
        ("glued urls", "http://a.com".repeat(200_000)),
        (
            "one long url",
            format!("http://example.com/{}", "a".repeat(4_000_000)),
        ),
        ("dots", ".".repeat(4_000_000)),
        ("labels", "a.".repeat(2_000_000)),
        ("near misses", "a.comx ".repeat(500_000)),
        (
            "brackets",
            format!("http://a.com/{}", "]".repeat(1_000_000)),
        ),
        (
            "many brackets",
            "http://a.com/]]]]]]]]]]]]]]]]]]]]]]]] ".repeat(100_000),
        ),
        ("addresses", "a@".repeat(1_000_000)),
        ("slashes", format!("http:{}", "/".repeat(4_000_000))),
        (
            "international",
            "http://äöüßéèêëñçøåæœ.com/ ".repeat(100_000),
        ),
    ] {
        let in_text = find_in_text(&text, 1000);
        assert!(
            in_text
                .found
                .iter()
                .all(|found| found.raw.len() <= MAX_URL_BYTES),
            "{name}"
        );
        for found in in_text.found {
            canonicalise(&found.raw);
        }
    }
}

#[test]
fn no_url_is_expensive() {
    for url in [
        format!("http://{}/", "a.".repeat(1_000_000)),
        format!("http://{}.com/", "ä".repeat(6_000)),
        format!("http://{}", "%25".repeat(1_000_000)),
        format!("http://a.com/{}", "../".repeat(1_000_000)),
        format!("http://{}a.com/", "@".repeat(1_000_000)),
        "[.]".repeat(1_000_000),
    ] {
        if let Some(link) = canonicalise(&url) {
            assert!(link.has(Flag::Truncated) && link.has(Flag::Long));
            assert!(link.raw_is_bounded());
        }
    }
}

trait Bounded {
    fn raw_is_bounded(&self) -> bool;
}

impl Bounded for links::Canonical {
    fn raw_is_bounded(&self) -> bool {
        self.url.len() <= 3 * MAX_URL_BYTES
    }
}

#[test]
fn flags_and_links_survive_serialisation() {
    let link = canonicalise("http://user@bit.ly:81/a?b").unwrap();
    let json = serde_json::to_string(&link).unwrap();
    assert_eq!(
        serde_json::from_str::<links::Canonical>(&json).unwrap(),
        link
    );
    for flag in Flag::ALL {
        assert_eq!(serde_json::to_value(flag).unwrap(), flag.name());
    }
    assert!(
        Flag::ALL
            .windows(2)
            .all(|pair| pair[0].name() < pair[1].name())
    );
}

/// Text in which URLs are likely, whole and broken.
fn texts() -> impl Strategy<Value = String> {
    prop::collection::vec(
        prop_oneof![
            Just("http://".to_owned()),
            Just("https:".to_owned()),
            Just("www.example.com".to_owned()),
            Just("@".to_owned()),
            Just("%2F".to_owned()),
            Just("%25".to_owned()),
            Just("\\".to_owned()),
            Just("/..".to_owned()),
            Just("[::1]".to_owned()),
            Just("xn--".to_owned()),
            Just("\u{200b}".to_owned()),
            Just(":80".to_owned()),
            Just("0x7f".to_owned()),
            "[a-zəç.:/?#%@ -]{1,6}",
            any::<char>().prop_map(String::from),
        ],
        0..16,
    )
    .prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn canonicalising_again_changes_nothing(raw in texts()) {
        if let Some(link) = canonicalise(&raw) {
            let again = canonicalise(&link.url).map(|link| link.url);
            prop_assert_eq!(again.as_deref(), Some(link.url.as_str()), "from {:?}", raw);
        }
    }

    #[test]
    fn canonical_web_urls_are_plain_ascii(raw in texts()) {
        if let Some(link) = canonicalise(&raw)
            && matches!(link.scheme.as_str(), "http" | "https")
        {
            prop_assert!(link.url.bytes().all(|byte| byte.is_ascii_graphic()), "{:?} from {:?}", link.url, raw);
            prop_assert!(link.path.starts_with('/') && !link.host.is_empty());
        }
    }

    #[test]
    fn lookup_forms_are_stable(raw in prop::collection::vec(any::<u8>(), 0..60)) {
        if let Some(form) = lookup_form(&raw) {
            let text = form.to_string();
            let again = lookup_form(text.as_bytes()).map(|form| form.to_string());
            prop_assert_eq!(again.as_deref(), Some(text.as_str()));
            prop_assert!(form.expressions(links::Hosts::LastFive).len() <= 30);
            prop_assert!(form.expressions(links::Hosts::Registrable).len() <= 30);
        }
    }

    #[test]
    fn what_is_found_stands_in_the_text(text in texts()) {
        let in_text = find_in_text(&text, 5);
        prop_assert!(in_text.found.len() <= 5);
        for found in in_text.found {
            let raw = found.raw.strip_prefix("mailto:").unwrap_or(&found.raw);
            prop_assert!(text[found.offset..].starts_with(&found.raw) || text[found.offset..].starts_with(raw));
            canonicalise(&found.raw);
        }
    }
}
