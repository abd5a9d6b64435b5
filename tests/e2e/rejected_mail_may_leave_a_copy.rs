//! A tenant that keeps copies of what it refuses can still release them; the sender hears no.

use crate::harness::{Setup, Site, eicar_in_zip_in_zip, sha256};
use anyhow::Result;
use std::fs;

#[test]
fn that_is_held_before_the_sender_hears_of_it_and_released_as_it_was() -> Result<()> {
    let setup = Setup::default()
        .set("policy.category.malware", "\"reject\"")
        .set("policy.reject.keep_copy", "true");
    let mut site = Site::start(setup)?;
    let sent = eicar_in_zip_in_zip("refused and kept");
    let reply = site.send(&sent)?;
    assert_eq!(reply.code, 550, "{reply:?}");
    let reference = reply.text.rsplit(' ').next().unwrap_or_default();

    // The copy was promised to nobody, and still it survives a power cut right behind the answer.
    site.daemon.kill()?;
    let files = site.daemon.held_files()?;
    assert_eq!(files.len(), 1, "{files:?}");
    assert_eq!(sha256(&fs::read(&files[0])?), sha256(&sent));
    site.daemon.start()?;

    let entry = site.daemon.entry("refused and kept")?;
    assert_eq!(entry["state"], "held");
    assert_eq!(entry["action"], "reject");
    let id = entry["id"].as_str().expect("an id");
    assert_eq!(
        id,
        format!("{reference}-1"),
        "the sender's reference leads to it"
    );

    site.daemon
        .cli(["quarantine", "release", id, "--yes"])?
        .ok();
    let delivered = site.sink.wait_for("refused and kept")?;
    assert_eq!(sha256(delivered.below_trace()), sha256(&sent));
    assert_eq!(delivered.rcpts, ["bob@rcpt.example"]);
    let report = site
        .daemon
        .cli(["audit", "verify", "--json"])?
        .ok()
        .object()?;
    assert_eq!(report["ok"], true, "{report}");
    Ok(())
}

#[test]
fn unless_it_says_a_refused_mail_is_gone() -> Result<()> {
    let setup = Setup::default()
        .set("policy.category.malware", "\"reject\"")
        .tenants(
            "[[tenant]]\nname = \"keeps\"\ndomains = [\"keeps.example\"]\n\
             [tenant.reject]\nkeep_copy = true\n",
        );
    let site = Site::start(setup)?;
    let message = eicar_in_zip_in_zip("for two of them");
    let reply = site.send_to(&["a@gone.example", "b@keeps.example"], &message)?;
    assert_eq!(reply.code, 550, "{reply:?}");
    let entry = site.daemon.entry("for two of them")?;
    assert_eq!(entry["rcpts"], serde_json::json!(["b@keeps.example"]));
    assert_eq!(site.daemon.held_files()?.len(), 1);
    Ok(())
}
