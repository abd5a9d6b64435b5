//! One connection of the MTA carries many mails; none of them is taken for another.

use crate::harness::{Setup, Site, Smtp, clean, eicar_in_zip_in_zip};
use anyhow::Result;
use std::collections::BTreeSet;

#[test]
fn each_gets_its_own_verdict() -> Result<()> {
    let site = Site::start(Setup::default())?;
    let mut smtp = Smtp::connect(site.postfix.port())?;
    for number in 1..=20 {
        let subject = format!("number {number} of twenty");
        let bad = number % 2 == 0;
        let message = if bad {
            eicar_in_zip_in_zip(&subject)
        } else {
            clean(&subject)
        };
        let reply = smtp.mail("alice@sender.example", &["bob@rcpt.example"], &message)?;
        assert_eq!(reply.code, 250, "{subject}: {reply:?}");
        if number % 5 == 0 {
            // A transaction that the sender gives up leaves nothing behind.
            smtp.begin("mallory@other.example", &["nobody@rcpt.example"])
                .map(drop)?;
            smtp.content(b"Subject: in between\r\n\r\n")?;
            assert_eq!(smtp.reply()?.code, 250);
            smtp.command("MAIL FROM:<given.up@sender.example>")?;
            smtp.command("RSET")?;
        }
    }
    smtp.command("QUIT")?;
    site.postfix.wait_until_empty()?;

    let delivered = site.sink.with("of twenty");
    assert_eq!(delivered.len(), 10);
    let mut ids = BTreeSet::new();
    for mail in &delivered {
        assert_eq!(mail.mail_from, "alice@sender.example");
        let header = crate::harness::header_block(&mail.data);
        let own: Vec<&str> = header
            .lines()
            .filter(|l| l.starts_with("X-Postern-Id: "))
            .collect();
        let [id] = own.as_slice() else {
            panic!("one id: {header}")
        };
        ids.insert((*id).to_owned());
    }
    assert_eq!(ids.len(), 10, "every mail has an id of its own");
    assert_eq!(site.sink.with("in between").len(), 4);
    let held = site.daemon.entries()?;
    assert_eq!(held.len(), 10);
    let subjects: BTreeSet<&str> = held.iter().filter_map(|e| e["subject"].as_str()).collect();
    let expected: Vec<String> = (1..=10)
        .map(|n| format!("number {} of twenty", 2 * n))
        .collect();
    assert_eq!(subjects, expected.iter().map(String::as_str).collect());
    Ok(())
}
