//! What an inspection finds in whole mails, with rules of its own.

use inspect::{Inspection, Inspector};
use mail::Envelope;
use rules::{LoadOptions, RuleSet, ScanOptions, Scanners};
use std::fs;

/// Runs `check` on the inspection of a mail under these rules, given as (path, text).
fn with_rules(files: &[(&str, &str)], check: impl FnOnce(&mut Inspector<'_>)) {
    let dir = tempfile::tempdir().expect("temporary directory");
    for (path, text) in files {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().expect("a directory")).expect("directory");
        fs::write(path, text).expect("file");
    }
    let rules = RuleSet::load(dir.path(), &LoadOptions::default()).expect("the rules compile");
    let scanners = Scanners::new(&rules, &ScanOptions::default());
    check(&mut Inspector::new(scanners, unpack::Limits::default()));
}

fn rule(name: &str, condition: &str) -> String {
    format!(
        "import \"mail\"\nrule {name} {{\n  meta:\n    description = \"test\"\n    score = 10\n    \
         category = \"suspicious\"\n  strings:\n    $marker = \"MARKER\"\n  condition:\n    {condition}\n}}\n"
    )
}

fn hits(inspection: &Inspection) -> Vec<(&str, &str)> {
    inspection
        .hits
        .iter()
        .map(|h| (h.hit.rule.as_str(), h.artifact.as_str()))
        .collect()
}

const MULTIPART: &str = "From: \"Anna\" <anna@sender.example>\r\nTo: b@rcpt.example\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\
    Message-ID: <1@sender.example>\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
    --b\r\nContent-Type: text/html\r\n\r\n<a href=\"http://evil.example/login\">http://bank.example/</a>\r\n\
    --b\r\nContent-Type: application/octet-stream; name=\"x.bin\"\r\nContent-Transfer-Encoding: base64\r\n\r\nTUFSS0VS\r\n--b--\r\n";

#[test]
fn a_hit_names_the_artifact_in_which_the_decoded_content_matched() {
    let files = [
        ("file/a.yar", rule("found", "$marker")),
        ("raw/a.yar", rule("raw_found", "$marker")),
    ];
    let files: Vec<(&str, &str)> = files.iter().map(|(p, t)| (*p, t.as_str())).collect();
    with_rules(&files, |inspector| {
        let inspection = inspector.inspect(MULTIPART.as_bytes(), &Envelope::default());
        assert_eq!(
            hits(&inspection),
            [("found", "1.2")],
            "base64 hides it from the raw message"
        );
        assert_eq!(inspection.subject, "Grüße");
        assert_eq!(inspection.from, ["anna@sender.example"]);
        assert_eq!(inspection.message_id.as_deref(), Some("1@sender.example"));
    });
}

#[test]
fn mail_rules_see_links_parts_and_the_hits_of_file_rules() {
    let condition = "mail.has_flag(\"text-differs\") and mail.has_hit(\"found\") and \
        for any l in mail.links : ( l.host == \"evil.example\" ) and \
        for any t in mail.tenants : ( t == \"uni\" ) and not $marker";
    let files = [
        ("file/a.yar", rule("found", "$marker")),
        ("mail/a.yar", rule("together", condition)),
    ];
    let files: Vec<(&str, &str)> = files.iter().map(|(p, t)| (*p, t.as_str())).collect();
    with_rules(&files, |inspector| {
        let inspection = inspector.inspect(MULTIPART.as_bytes(), &Envelope::default());
        let judge = |inspector: &mut Inspector<'_>, tenant: &str| {
            let tenants = [tenant.to_owned()];
            inspector.judge(&inspection.facts, inspection.text.as_bytes(), &tenants, &[])
        };
        let judgement = judge(inspector, "uni");
        let names: Vec<&str> = judgement.hits.iter().map(|h| h.hit.rule.as_str()).collect();
        assert_eq!(names, ["together"]);
        assert!(
            judge(inspector, "other").hits.is_empty(),
            "nothing is remembered between two mails"
        );
    });
}

#[test]
fn facts_that_cannot_be_read_are_a_failure_and_not_a_clean_mail() {
    with_rules(
        &[("mail/a.yar", &rule("always", "true or $marker"))],
        |inspector| {
            let judgement = inspector.judge(&[0xff; 9], b"", &[], &[]);
            assert!(judgement.hits.is_empty());
            assert_eq!(judgement.failures.len(), 1);
        },
    );
}

#[test]
fn every_kind_of_broken_message_is_inspected() {
    with_rules(&[("file/a.yar", &rule("found", "$marker"))], |inspector| {
        let endless = [b"Subject: x\r\n\r\n".as_slice(), &[0xff; 100_000]].concat();
        let messages: [&[u8]; 6] = [
            b"",
            b"\r\n",
            b"Subject: only a header",
            b"\0\xff\xfe",
            b"\r\r\r",
            &endless,
        ];
        for message in messages {
            let inspection = inspector.inspect(message, &Envelope::default());
            assert!(!inspection.artifacts.is_empty(), "{message:?}");
            assert_eq!(inspection.sha256.len(), 64);
        }
    });
}

#[test]
fn more_links_than_are_kept_is_a_defect() {
    with_rules(&[("file/a.yar", &rule("found", "$marker"))], |inspector| {
        let mut message = "Subject: x\r\n\r\n".to_owned();
        for n in 0..1100 {
            message.push_str(&format!("http://host{n}.example/\r\n"));
        }
        let inspection = inspector.inspect(message.as_bytes(), &Envelope::default());
        assert_eq!(inspection.links.len(), 1000);
        assert!(
            inspection
                .defects
                .iter()
                .any(|defect| defect.code == "link-limit")
        );
    });
}

#[test]
fn a_rule_that_hits_everything_does_not_make_an_endless_list() {
    with_rules(
        &[("file/a.yar", &rule("everything", "true or $marker"))],
        |inspector| {
            let mut message = "Content-Type: multipart/mixed; boundary=b\r\n\r\n".to_owned();
            for n in 0..300 {
                message.push_str(&format!("--b\r\n\r\npart {n}\r\n"));
            }
            message.push_str("--b--\r\n");
            let inspection = inspector.inspect(message.as_bytes(), &Envelope::default());
            assert!(inspection.artifacts.len() >= 300);
            assert_eq!(inspection.hits.len(), 50);
        },
    );
}
