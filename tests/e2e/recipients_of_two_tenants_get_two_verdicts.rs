//! One mail, two institutions with different rules of the house: one delivers it, one holds it, and
//! the sender hears 250.

use crate::harness::{Setup, Site, clean, eicar_in_zip_in_zip};
use anyhow::Result;

const SPAM: &str = r#"import "mail"
rule about_pills {
    meta:
        description = "Offers pills"
        score = 50
        category = "spam"
    condition:
        mail.subject contains "pills"
}
"#;

const TENANTS: &str = r#"
[[tenant]]
name = "lenient"
domains = ["lenient.example"]
quarantine = 90

[[tenant]]
name = "strict"
domains = ["strict.example"]
quarantine = 45

[[tenant]]
name = "trusting"
domains = ["trusting.example"]
quarantine = 45
[tenant.allow]
domains = ["sender.example"]
"#;

const RCPTS: [&str; 4] = [
    "a@lenient.example",
    "b@strict.example",
    "c@sub.strict.example",
    "d@trusting.example",
];

#[test]
fn one_delivers_and_one_holds() -> Result<()> {
    let site = Site::start(
        Setup::default()
            .rule("mail/pills.yar", SPAM)
            .tenants(TENANTS),
    )?;
    assert_eq!(site.send_to(&RCPTS, &clean("cheap pills"))?.code, 250);

    let received = site.sink.wait_for("cheap pills")?;
    assert_eq!(received.rcpts, ["a@lenient.example", "d@trusting.example"]);
    let entry = site.daemon.entry("cheap pills")?;
    assert_eq!(entry["tenant"], "strict");
    assert_eq!(
        entry["rcpts"],
        serde_json::json!(["b@strict.example", "c@sub.strict.example"])
    );
    let verdict = site
        .daemon
        .cli(["verdict", "list", "--json"])?
        .ok()
        .object()?;
    assert_eq!(verdict["action"], "quarantine", "the strongest of the four");
    assert_eq!(verdict["rcpts"], serde_json::json!(RCPTS));

    // Only those whose copy was held get it on release.
    let id = entry["id"].as_str().expect("an id");
    site.daemon
        .cli(["quarantine", "release", id, "--yes"])?
        .ok();
    site.postfix.wait_until_empty()?;
    let copies = site.sink.with("cheap pills");
    assert_eq!(copies.len(), 2);
    assert_eq!(
        copies[1].rcpts,
        ["b@strict.example", "c@sub.strict.example"]
    );
    Ok(())
}

#[test]
fn nobody_is_allowed_malware() -> Result<()> {
    let site = Site::start(
        Setup::default()
            .rule("mail/pills.yar", SPAM)
            .tenants(TENANTS),
    )?;
    assert_eq!(
        site.send_to(&RCPTS, &eicar_in_zip_in_zip("allowed sender"))?
            .code,
        250
    );
    let entries = site.daemon.entries()?;
    let mut tenants: Vec<_> = entries
        .iter()
        .filter_map(|e| e["tenant"].as_str())
        .collect();
    tenants.sort_unstable();
    assert_eq!(
        tenants,
        ["lenient", "strict", "trusting"],
        "an entry for each group"
    );
    site.postfix.wait_until_empty()?;
    assert!(site.sink.mails().is_empty());
    // All entries of a mail go by the mail's id.
    let entry = entries[0]["id"].as_str().expect("an id");
    let (mail, _) = entry.rsplit_once('-').expect("the mail's id and a number");
    let released = site
        .daemon
        .cli(["quarantine", "release", mail, "--yes", "--json"])?
        .ok();
    assert_eq!(released.json()?.len(), 3);
    Ok(())
}
