//! What rules see and what their hits say.

use rules::proto::{
    Body, Defect, Envelope, Failure, Header, Html, Link, Mail, Mailbox, MessageField, Part,
};
use rules::{Category, Externals, RuleSet, Scan, ScanOptions, Scanners, Stage};

use crate::{ALWAYS, load, rule, rule_with};

fn scanners(rules: &RuleSet) -> Scanners<'_> {
    Scanners::new(rules, &ScanOptions::default())
}

fn names(scan: &Scan) -> Vec<&str> {
    assert!(scan.failures.is_empty(), "{:?}", scan.failures);
    scan.hits.iter().map(|hit| hit.rule.as_str()).collect()
}

fn externals() -> Externals<'static> {
    Externals::default()
}

fn html() -> Html {
    Html {
        forms: 1,
        inputs: 2,
        password_fields: 3,
        scripts: 4,
        event_handlers: 5,
        smuggling_calls: 6,
        downloads: 7,
        frames: 8,
        images: 9,
        tracking_pixels: 10,
        links: 11,
        hidden_elements: 12,
        zero_font: 13,
        conditional_comments: 14,
        meta_refresh: 15,
        data_urls: 16,
        svg: 17,
        empty_coloured_cells: 18,
        duplicate_attributes: 19,
        base_href: "https://example.org/".into(),
        ..Html::default()
    }
}

/// A mail with something in every field.
fn full_mail() -> Mail {
    let mailbox = |display_name: &str, local: &str, domain: &str| Mailbox {
        display_name: display_name.into(),
        address: format!("{local}@{domain}"),
        local: local.into(),
        domain: domain.into(),
        registrable: "example.org".into(),
        ..Mailbox::default()
    };
    let header = Header {
        name: "x-mailer".into(),
        value: "Bat".into(),
        ..Header::default()
    };
    Mail {
        from: MessageField::some(mailbox("Anna", "anna", "mail.example.org")),
        from_all: vec![mailbox("Anna", "anna", "mail.example.org")],
        reply_to: MessageField::some(mailbox("", "bob", "example.net")),
        reply_to_all: vec![mailbox("", "bob", "example.net")],
        sender: MessageField::some(mailbox("", "list", "example.com")),
        to: vec![
            mailbox("", "carl", "example.org"),
            mailbox("", "dora", "example.org"),
        ],
        cc: vec![mailbox("", "emil", "example.org")],
        subject: "Rechnung fällig".into(),
        message_id: "1@example.org".into(),
        date: 1_700_000_000,
        header: [("x-mailer".to_owned(), "Bat".to_owned())].into(),
        headers: vec![header],
        envelope: MessageField::some(Envelope {
            mail_from: "bounce@example.org".into(),
            mail_from_domain: "example.org".into(),
            rcpts: vec!["carl@example.org".into()],
            client_ip: "192.0.2.7".into(),
            client_name: "mx.example.org".into(),
            helo: "mx".into(),
            tls: true,
            authenticated: true,
            auth_user: "anna".into(),
            ..Envelope::default()
        }),
        body: MessageField::some(Body {
            text_size: 42,
            hidden_text: "invisible ink".into(),
            has_html: true,
            has_text: true,
            invisible_chars: 7,
            html: MessageField::some(html()),
            ..Body::default()
        }),
        links: vec![Link {
            url: "https://login.example.net/a?b".into(),
            host: "login.example.net".into(),
            registrable: "example.net".into(),
            path: "/a?b".into(),
            text: "example.org".into(),
            context: "html-href".into(),
            artifact: "1".into(),
            flags: vec!["text-shows-other-host".into()],
            ..Link::default()
        }],
        parts: vec![Part {
            path: "2/a.zip/b.exe".into(),
            name: "b.exe".into(),
            extension: "exe".into(),
            names: vec!["b.exe".into(), "b.pdf".into()],
            declared_type: "application/pdf".into(),
            file_type: "pe32".into(),
            group: "pe".into(),
            size: 1024,
            sha256: "00".repeat(32),
            depth: 1,
            origin: "zip entry".into(),
            attachment: true,
            coverage: "encrypted".into(),
            detail: "aes-256".into(),
            encrypted: true,
            hits: vec!["executable".into()],
            ..Part::default()
        }],
        part: MessageField::some(Part {
            name: "c.doc".into(),
            html: MessageField::some(html()),
            ..Part::default()
        }),
        defects: vec![Defect {
            code: "bare-cr".into(),
            path: "1".into(),
            detail: "3 of them".into(),
            ..Defect::default()
        }],
        failures: vec![Failure {
            check: "file-rules".into(),
            cause: "timeout".into(),
            ..Failure::default()
        }],
        size: 4096,
        tenants: vec!["clinic".into()],
        ..Mail::default()
    }
}

/// Conditions over every field and function, each true for [`full_mail`] and not for an empty one.
const CONDITIONS: &[&str] = &[
    "mail.from.display_name == \"Anna\"",
    "mail.from.address == \"anna@mail.example.org\"",
    "mail.from.local == \"anna\"",
    "mail.from.domain endswith \".example.org\"",
    "mail.from.registrable == \"example.org\"",
    "for any box in mail.from_all : ( box.local == \"anna\" )",
    "mail.reply_to.domain == \"example.net\"",
    "mail.reply_to_all[0].local == \"bob\"",
    "mail.sender.address == \"list@example.com\"",
    "mail.to.len() == 2 and mail.to[1].local == \"dora\"",
    "mail.cc.len() == 1",
    "mail.subject icontains \"rechnung\"",
    "mail.message_id matches /^1@/",
    "mail.date > 1600000000",
    "mail.header[\"x-mailer\"] == \"Bat\"",
    "for any h in mail.headers : ( h.name == \"x-mailer\" and h.value == \"Bat\" )",
    "mail.envelope.mail_from == \"bounce@example.org\"",
    "mail.envelope.mail_from_domain == mail.from.registrable and mail.from.registrable != \"\"",
    "for any r in mail.envelope.rcpts : ( r == \"carl@example.org\" )",
    "mail.envelope.client_ip startswith \"192.0.2.\"",
    "mail.envelope.client_name == \"mx.example.org\"",
    "mail.envelope.helo == \"mx\"",
    "mail.envelope.tls",
    "mail.envelope.authenticated",
    "mail.envelope.auth_user == \"anna\"",
    "mail.body.text_size == 42",
    "mail.body.hidden_text contains \"ink\"",
    "mail.body.has_html and mail.body.has_text",
    "mail.body.invisible_chars == 7",
    "mail.body.html.forms == 1 and mail.body.html.inputs == 2 and mail.body.html.password_fields == 3",
    "mail.body.html.scripts == 4 and mail.body.html.event_handlers == 5 and mail.body.html.smuggling_calls == 6",
    "mail.body.html.downloads == 7 and mail.body.html.frames == 8 and mail.body.html.images == 9",
    "mail.body.html.tracking_pixels == 10 and mail.body.html.links == 11 and mail.body.html.hidden_elements == 12",
    "mail.body.html.zero_font == 13 and mail.body.html.conditional_comments == 14 and mail.body.html.meta_refresh == 15",
    "mail.body.html.data_urls == 16 and mail.body.html.svg == 17 and mail.body.html.empty_coloured_cells == 18",
    "mail.body.html.duplicate_attributes == 19",
    "mail.body.html.base_href != \"\"",
    "mail.part.html.password_fields == 3",
    "for any l in mail.links : ( l.url startswith \"https:\" and l.path == \"/a?b\" )",
    "for any l in mail.links : ( l.host != l.registrable and l.registrable == \"example.net\" )",
    "for any l in mail.links : ( l.text == \"example.org\" and l.context == \"html-href\" )",
    "for any l in mail.links : ( l.artifact == \"1\" and l.flags.len() == 1 )",
    "for any p in mail.parts : ( p.path endswith p.name and p.extension == \"exe\" )",
    "for any p in mail.parts : ( for any n in p.names : ( n == \"b.pdf\" ) )",
    "for any p in mail.parts : ( p.declared_type == \"application/pdf\" and p.file_type == \"pe32\" )",
    "for any p in mail.parts : ( p.group == \"pe\" and p.size == 1KB and p.depth == 1 )",
    "for any p in mail.parts : ( p.sha256 startswith \"0000\" and p.origin == \"zip entry\" )",
    "for any p in mail.parts : ( p.attachment and p.encrypted )",
    "for any p in mail.parts : ( p.coverage == \"encrypted\" and p.detail == \"aes-256\" )",
    "for any p in mail.parts : ( for any h in p.hits : ( h == \"executable\" ) )",
    "mail.part.name == \"c.doc\"",
    "for any d in mail.defects : ( d.code == \"bare-cr\" and d.path == \"1\" and d.detail != \"\" )",
    "for any f in mail.failures : ( f.check == \"file-rules\" and f.cause == \"timeout\" )",
    "mail.size == 4096",
    "for any t in mail.tenants : ( t == \"clinic\" )",
    "mail.has_defect(\"bare-cr\")",
    "mail.has_failure(\"file-rules\")",
    "mail.has_flag(\"text-shows-other-host\")",
    "mail.has_hit(\"executable\")",
    "mail.has_extension(\"EXE\")",
    "mail.has_group(\"pe\")",
    "mail.coverage(\"encrypted\") == 1 and mail.coverage(\"damaged\") == 0",
    "mail.links_to(\"Example.NET\") and not mail.links_to(\"ample.net\")",
];

#[test]
fn every_field_and_function_can_be_used_in_a_condition() {
    let source: String = CONDITIONS
        .iter()
        .enumerate()
        .map(|(index, condition)| rule(&format!("condition_{index}"), condition))
        .collect();
    let rules = load(&[("mail/all.yar", &source)]);
    let mut scanners = scanners(&rules);

    let full = scanners.scan_mail("text", &full_mail());
    for (index, condition) in CONDITIONS.iter().enumerate() {
        let name = format!("condition_{index}");
        assert!(
            names(&full).contains(&name.as_str()),
            "not true: {condition}"
        );
    }
    let empty = scanners.scan_mail("text", &Mail::new());
    assert!(
        names(&empty).is_empty(),
        "true for an empty mail: {:?}",
        names(&empty)
    );
}

#[test]
fn facts_survive_the_way_through_bytes() {
    let mail = full_mail();
    assert_eq!(
        rules::proto::decode(&rules::proto::encode(&mail)),
        Some(mail)
    );
    assert_eq!(rules::proto::decode(b"\xff\xff\xff"), None);
}

#[test]
fn facts_of_one_mail_do_not_answer_for_the_next() {
    let rules = load(&[
        (
            "mail/a.yar",
            &rule(
                "subject",
                "mail.subject != \"\" or mail.has_defect(\"bare-cr\")",
            ),
        ),
        (
            "file/b.yar",
            &rule(
                "named",
                "mail.part.name != \"\" or mail.has_extension(\"exe\")",
            ),
        ),
    ]);
    let mut scanners = scanners(&rules);
    assert_eq!(names(&scanners.scan_mail("x", &full_mail())), ["subject"]);
    assert!(names(&scanners.scan_mail("x", &Mail::new())).is_empty());
    assert_eq!(
        names(&scanners.scan_file(b"x", "other", &full_mail(), &externals())),
        ["named"]
    );
    assert!(names(&scanners.scan_file(b"x", "other", &Mail::new(), &externals())).is_empty());
}

#[test]
fn a_header_that_is_absent_makes_a_condition_false() {
    let rules = load(&[
        (
            "mail/a.yar",
            &rule("equal", "mail.header[\"x-absent\"] == \"\""),
        ),
        (
            "mail/b.yar",
            &rule("absent", "not defined mail.header[\"x-absent\"]"),
        ),
    ]);
    assert_eq!(
        names(&scanners(&rules).scan_mail("x", &full_mail())),
        ["absent"]
    );
}

#[test]
fn a_subdirectory_limits_its_rules_to_artifacts_of_the_group() {
    let rules = load(&[
        ("file/every.yar", &rule("every", ALWAYS)),
        ("file/office/o.yar", &rule("office_only", ALWAYS)),
        ("file/pe/p.yar", &rule("pe_only", ALWAYS)),
        ("mail/m.yar", &rule("mail_only", ALWAYS)),
        ("raw/r.yar", &rule("raw_only", ALWAYS)),
    ]);
    let mut scanners = scanners(&rules);
    let mail = Mail::new();
    let mut file = |group: &str| {
        let scan = scanners.scan_file(b"x", group, &mail, &externals());
        names(&scan)
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(file("office"), ["every", "office_only"]);
    assert_eq!(file("pe"), ["every", "pe_only"]);
    assert_eq!(file("text"), ["every"]);
    assert_eq!(file("a group nobody knows"), ["every"]);
    assert_eq!(names(&scanners.scan_mail("x", &mail)), ["mail_only"]);
    assert_eq!(names(&scanners.scan_raw(b"x", &mail)), ["raw_only"]);
}

#[test]
fn a_hit_says_where_and_shows_bytes_that_are_safe_on_a_terminal() {
    let source = r#"rule bell {
    meta:
        description = "Rings"
        score = 7
        category = "policy"
        action = "tag"
        attack = "T1204"
    strings:
        $bell = { 07 1b 5b 3? }
        $word = "word" nocase
        $secret = "hush" private
    condition:
        any of them
}
"#;
    let rules = load(&[("file/bell.yar", source)]);
    let data = b"..\x07\x1b[3.. WORD hush word";
    let scan = scanners(&rules).scan_file(data, "other", &Mail::new(), &externals());
    let [hit] = &scan.hits[..] else {
        panic!("{scan:?}")
    };
    assert_eq!(
        (hit.score, hit.category, hit.stage),
        (7, Category::Policy, Stage::Live)
    );
    assert_eq!(
        (hit.namespace.as_str(), hit.description.as_str()),
        ("file/bell", "Rings")
    );
    assert_eq!(hit.attack.as_deref(), Some("T1204"));
    let matches: Vec<(&str, u64, u64, &str)> = hit
        .matches
        .iter()
        .map(|found| {
            (
                found.pattern.as_str(),
                found.offset,
                found.length,
                found.text.as_str(),
            )
        })
        .collect();
    assert_eq!(
        matches,
        [
            ("$bell", 2, 4, "\\x07\\x1b[3"),
            ("$word", 9, 4, "WORD"),
            ("$word", 19, 4, "word"),
        ],
        "private patterns are not shown"
    );
}

#[test]
fn the_matches_of_a_hit_are_bounded() {
    let strings: String = (0..40)
        .map(|n| format!("$s{n} = \"needle{}\"\n", n % 10))
        .collect();
    let source = format!(
        "rule many {{ meta: description = \"x\" score = 1 category = \"spam\" strings: \
         $long = /n[a-z0-9 ]{{300}}/ {strings} condition: any of them }}"
    );
    let rules = load(&[("file/many.yar", &source)]);
    let data = "needle0 needle1 needle2 needle3 needle4 needle5 needle6 needle7 ".repeat(1000);
    let scan = scanners(&rules).scan_file(data.as_bytes(), "text", &Mail::new(), &externals());
    let hit = &scan.hits[0];
    assert_eq!(hit.matches.len(), rules::MAX_MATCHES_PER_HIT);
    for pattern in ["$long", "$s0"] {
        let count = hit
            .matches
            .iter()
            .filter(|found| found.pattern == pattern)
            .count();
        assert_eq!(count, rules::MAX_MATCHES_PER_PATTERN, "{pattern}");
    }
    assert_eq!(hit.matches[0].length, 301);
    assert_eq!(hit.matches[0].text.len(), rules::EXCERPT_BYTES);
}

#[test]
fn a_rule_in_shadow_says_so() {
    let rules = load(&[(
        "raw/s.yar",
        &rule_with("quiet", "stage = \"shadow\"", ALWAYS),
    )]);
    let scan = scanners(&rules).scan_raw(b"x", &Mail::new());
    assert_eq!(scan.hits[0].stage, Stage::Shadow);
    assert_eq!(scan.hits[0].score, 10, "the score it would have");
}

#[test]
fn a_private_rule_never_hits() {
    let source = format!("private rule p {{ condition: true }}\n{}", rule("r", "p"));
    let rules = load(&[("raw/s.yar", &source)]);
    assert_eq!(names(&scanners(&rules).scan_raw(b"x", &Mail::new())), ["r"]);
}

#[test]
fn a_hit_survives_the_way_through_json() {
    let rules = load(&[("raw/s.yar", &rule_with("r", "action = \"reject\"", ALWAYS))]);
    let scan = scanners(&rules).scan_raw(b"x", &Mail::new());
    let json = serde_json::to_value(&scan.hits[0]).expect("a hit is plain data");
    assert_eq!(json["category"], "suspicious");
    assert_eq!(json["action"], "reject");
    assert_eq!(json["stage"], "live");
    let back: rules::Hit = serde_json::from_value(json).expect("the same shape");
    assert_eq!(back, scan.hits[0]);
}

#[test]
fn data_of_one_scan_does_not_hit_in_the_next() {
    let source = "rule eicar { meta: description = \"x\" score = 1 category = \"spam\" \
                  strings: $a = \"needle\" condition: $a }";
    let rules = load(&[("file/a.yar", source)]);
    let mut scanners = scanners(&rules);
    for _ in 0..3 {
        let hit = scanners.scan_file(b"a needle", "text", &Mail::new(), &externals());
        assert_eq!(names(&hit), ["eicar"]);
        let miss = scanners.scan_file(b"a noodle", "text", &Mail::new(), &externals());
        assert!(names(&miss).is_empty());
    }
}

#[test]
fn no_rules_means_no_hits_and_no_failures() {
    let rules = load(&[]);
    assert_eq!(
        scanners(&rules).scan_mail("x", &Mail::new()),
        Scan::default()
    );
}
