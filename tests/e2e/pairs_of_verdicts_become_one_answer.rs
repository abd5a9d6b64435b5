//! One mail, recipients of tenants that decide differently, one answer: the table of the operator's manual,
//! row by row, with a real Postfix.

use crate::harness::{Setup, Site, clean, header_block};
use anyhow::Result;
use std::collections::BTreeSet;

/// Hits every mail of this test, without points: each tenant says what follows for the category.
const PILLS: &str = r#"import "mail"
rule about_pills {
    meta:
        description = "Offers pills"
        score = 0
        category = "spam"
    condition:
        mail.subject contains "pills"
}
"#;

/// Never ends when a mail asks for it: a check that fails, which one tenant insists on.
const FOREVER: &str = r#"
rule takes_forever {
    meta:
        description = "Keeps a worker busy for far too long"
        score = 0
        category = "suspicious"
    strings:
        $wish = "X-Wish: take forever"
    condition:
        $wish and for all i in (0..4000000) : ( for all j in (0..4000000) : ( i + j >= 0 ) )
}
"#;

/// A tenant for each verdict, at `NAME.example`.
const TENANTS: [(&str, &str); 8] = [
    ("accept", "category.spam = \"accept\""),
    ("tag", "category.spam = \"tag\""),
    ("quarantine", "category.spam = \"quarantine\""),
    ("quarantine-too", "category.spam = \"quarantine\""),
    ("reject", "category.spam = \"reject\""),
    (
        "reject-keep",
        "category.spam = \"reject\"\nreject.keep_copy = true",
    ),
    ("discard", "category.spam = \"discard\""),
    ("tempfail", "failing.inspection = \"tempfail\""),
];

/// What is to become of a mail for these tenants.
struct Row {
    tenants: &'static [&'static str],
    /// What the sender hears.
    code: u16,
    /// Who gets it, under which header.
    delivered: &'static [&'static str],
    shown: Option<&'static str>,
    /// Whose copy is held.
    held: &'static [&'static str],
}

const fn row(
    tenants: &'static [&'static str],
    code: u16,
    delivered: &'static [&'static str],
    shown: Option<&'static str>,
    held: &'static [&'static str],
) -> Row {
    Row {
        tenants,
        code,
        delivered,
        shown,
        held,
    }
}

const ROWS: &[Row] = &[
    // Everybody is to get it: in one copy, under the strongest verdict.
    row(&["accept"], 250, &["accept"], Some("accept"), &[]),
    row(&["tag"], 250, &["tag"], Some("tag"), &[]),
    row(
        &["accept", "tag"],
        250,
        &["accept", "tag"],
        Some("tag"),
        &[],
    ),
    row(
        &["tag", "accept"],
        250,
        &["tag", "accept"],
        Some("tag"),
        &[],
    ),
    // Some are: the others are taken off, and the header says what holds for those who get it.
    row(
        &["accept", "quarantine"],
        250,
        &["accept"],
        Some("accept"),
        &["quarantine"],
    ),
    row(
        &["quarantine", "tag"],
        250,
        &["tag"],
        Some("tag"),
        &["quarantine"],
    ),
    row(
        &["accept", "reject"],
        250,
        &["accept"],
        Some("accept"),
        &["reject"],
    ),
    row(&["reject", "tag"], 250, &["tag"], Some("tag"), &["reject"]),
    row(
        &["reject-keep", "tag"],
        250,
        &["tag"],
        Some("tag"),
        &["reject-keep"],
    ),
    row(
        &["accept", "discard"],
        250,
        &["accept"],
        Some("accept"),
        &[],
    ),
    row(&["discard", "tag"], 250, &["tag"], Some("tag"), &[]),
    row(
        &["accept", "quarantine", "reject", "discard", "tag"],
        250,
        &["accept", "tag"],
        Some("tag"),
        &["quarantine", "reject"],
    ),
    // Nobody is, and not all refuse it.
    row(&["quarantine"], 250, &[], None, &["quarantine"]),
    row(
        &["quarantine", "quarantine-too"],
        250,
        &[],
        None,
        &["quarantine", "quarantine-too"],
    ),
    row(
        &["quarantine", "reject"],
        250,
        &[],
        None,
        &["quarantine", "reject"],
    ),
    row(&["reject", "discard"], 250, &[], None, &["reject"]),
    row(&["quarantine", "discard"], 250, &[], None, &["quarantine"]),
    row(&["discard"], 250, &[], None, &[]),
    // All refuse it; some keep a copy.
    row(&["reject"], 550, &[], None, &[]),
    row(&["reject-keep"], 550, &[], None, &["reject-keep"]),
    row(&["reject", "reject-keep"], 550, &[], None, &["reject-keep"]),
];

/// A check failed, and one tenant wants to know: nobody gets it, and nothing is held before it comes again.
const DEFERRED: &[Row] = &[
    row(&["tempfail"], 451, &[], None, &[]),
    row(&["tempfail", "accept"], 451, &[], None, &[]),
    row(&["quarantine", "tempfail"], 451, &[], None, &[]),
    row(&["reject-keep", "tempfail"], 451, &[], None, &[]),
    row(&["discard", "tag", "tempfail"], 451, &[], None, &[]),
];

fn start(mode: &str) -> Result<Site> {
    let tenant = |(name, policy): &(&str, &str)| {
        format!("[[tenant]]\nname = \"{name}\"\ndomains = [\"{name}.example\"]\n{policy}\n")
    };
    let setup = Setup::default()
        .rule("mail/pills.yar", PILLS)
        .rule("raw/forever.yar", FOREVER)
        .set("quarantine.mode", mode)
        .set("workers.scan_timeout", "\"2s\"")
        // Whoever does not insist lets a failed check pass.
        .set("policy.failing.inspection", "\"accept\"")
        .set("policy.failing.hold_after", "1000")
        .tenants(&TENANTS.iter().map(tenant).collect::<String>());
    Site::start(setup)
}

/// Sends the mail of a row and looks at everything that becomes of it.
fn check(site: &Site, number: usize, row: &Row, wish: &str) -> Result<()> {
    let subject = format!("pills {number:03}");
    let address = |tenant: &&str| format!("someone@{tenant}.example");
    let rcpts: Vec<String> = row.tenants.iter().map(address).collect();
    let rcpts: Vec<&str> = rcpts.iter().map(String::as_str).collect();
    let message = [wish.as_bytes(), &clean(&subject)].concat();
    let reply = site.send_to(&rcpts, &message)?;
    let case = format!("{:?}: {reply:?}", row.tenants);
    assert_eq!(reply.code, row.code, "{case}");
    site.postfix.wait_until_empty()?;

    let delivered = site.sink.with(&subject);
    match row.shown {
        None => assert!(delivered.is_empty(), "{case}: {delivered:?}"),
        Some(shown) => {
            assert_eq!(delivered.len(), 1, "{case}");
            // Postfix puts recipients into an order of its own.
            let got: BTreeSet<String> = delivered[0].rcpts.iter().cloned().collect();
            assert_eq!(got, row.delivered.iter().map(address).collect(), "{case}");
            let header = header_block(&delivered[0].data);
            let verdict = format!("X-Postern-Verdict: {shown}; score=0; category=spam");
            assert_eq!(header.matches("X-Postern-Verdict").count(), 1, "{header}");
            assert!(header.contains(&verdict), "{case}: {header}");
        }
    }
    let held: Vec<_> = site
        .daemon
        .entries()?
        .into_iter()
        .filter(|entry| entry["subject"] == subject.as_str())
        .collect();
    let tenants: BTreeSet<&str> = held.iter().filter_map(|e| e["tenant"].as_str()).collect();
    assert_eq!(tenants, row.held.iter().copied().collect(), "{case}");
    assert_eq!(held.len(), row.held.len(), "{case}");
    for entry in &held {
        // Each tenant has its own copy with its own verdict, for its own recipients.
        let tenant = entry["tenant"].as_str().unwrap_or_default();
        let action = tenant.split('-').next().unwrap_or_default();
        assert_eq!(entry["action"], action, "{case}");
        assert_eq!(
            entry["rcpts"],
            serde_json::json!([address(&tenant)]),
            "{case}"
        );
        assert_eq!(entry["state"], "held", "{case}");
    }
    Ok(())
}

#[test]
fn as_the_table_says() -> Result<()> {
    let site = start("\"store\"")?;
    for (number, row) in ROWS.iter().enumerate() {
        check(&site, number, row, "")?;
    }
    Ok(())
}

#[test]
fn and_one_that_cannot_be_told_defers_all() -> Result<()> {
    let site = start("\"store\"")?;
    for (number, row) in DEFERRED.iter().enumerate() {
        check(&site, number, row, "X-Wish: take forever\r\n")?;
    }
    // Without the one who insists the same failure passes for all others.
    let passes = row(
        &["accept", "tag"],
        250,
        &["accept", "tag"],
        Some("tag"),
        &[],
    );
    check(&site, 900, &passes, "X-Wish: take forever\r\n")
}

#[test]
fn the_mail_server_holds_nothing_that_some_get_or_refuse() -> Result<()> {
    let site = start("\"mta-hold\"")?;
    let by_all = |row: &&Row| row.tenants.iter().all(|t| t.starts_with("quarantine"));
    for (number, row) in ROWS.iter().enumerate().filter(|(_, row)| !by_all(row)) {
        check(&site, number, row, "")?;
    }
    Ok(())
}
