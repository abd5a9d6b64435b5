//! With a reject threshold or category the sender is told, and keeps the mail.

use crate::harness::{Setup, Site, clean, eicar_in_zip_in_zip};
use anyhow::Result;

#[test]
fn and_the_mail_is_nowhere_but_in_the_record() -> Result<()> {
    let site = Site::start(Setup::default().set("policy.category.malware", "\"reject\""))?;
    let reply = site.send(&eicar_in_zip_in_zip("refused"))?;
    assert_eq!(reply.code, 550, "{reply:?}");
    assert!(
        reply
            .text
            .starts_with("5.7.1 Message refused by content policy"),
        "{reply:?}"
    );
    // Rules are not named to senders; the reference leads the operator to them.
    assert!(!reply.text.contains("eicar"), "{reply:?}");
    let id = reply.text.rsplit(' ').next().unwrap_or_default();
    let answered = site.daemon.answered(id)?;
    assert!(answered.contains("550"), "{answered}");
    let shown = site.daemon.cli(["verdict", "show", id])?.ok().text();
    assert!(
        shown.contains("eicar_test_file") && shown.contains("550"),
        "{shown}"
    );

    assert_eq!(site.send(&clean("the next one"))?.code, 250);
    site.sink.wait_for("the next one")?;
    assert!(site.sink.with("refused").is_empty());
    assert!(site.daemon.held_files()?.is_empty());
    Ok(())
}
