//! A release that the next hop does not take changes nothing; the next one may succeed.

use crate::harness::{Setup, Sink, Site, eicar_in_zip_in_zip};
use anyhow::Result;

#[test]
fn and_the_release_can_be_repeated() -> Result<()> {
    let next_hop = Sink::start()?;
    let address = format!("\"127.0.0.1:{}\"", next_hop.port());
    let site = Site::start(Setup::default().set("release.address", &address))?;
    assert_eq!(site.send(&eicar_in_zip_in_zip("try again"))?.code, 250);
    let id = site.daemon.entry_id("try again")?;
    let release = ["quarantine", "release", id.as_str(), "--yes", "--json"];

    next_hop.refuse_next("451 4.3.0 mailbox busy");
    let first = site.daemon.cli(release)?;
    assert_ne!(first.status, Some(0), "{first:?}");
    let result = first.object()?;
    assert_eq!(result["ok"], false);
    assert_eq!(result["state"], "held");
    assert!(
        result["message"]
            .as_str()
            .is_some_and(|m| m.contains("mailbox busy")),
        "{result}"
    );
    assert_eq!(site.daemon.entry("try again")?["state"], "held");
    assert_eq!(site.daemon.held_files()?.len(), 1);

    let second = site.daemon.cli(release)?.ok().object()?;
    assert_eq!(second["state"], "released");
    assert_eq!(second["queue_id"], "SINK1");
    assert_eq!(next_hop.mails().len(), 1);
    let shown = site.daemon.cli(["quarantine", "show", &id])?.ok().text();
    assert!(
        shown.contains("mailbox busy") && shown.contains("SINK1"),
        "{shown}"
    );
    Ok(())
}

#[test]
fn and_so_does_a_next_hop_that_is_not_there() -> Result<()> {
    let address = format!("\"127.0.0.1:{}\"", crate::harness::free_port()?);
    let site = Site::start(Setup::default().set("release.address", &address))?;
    assert_eq!(site.send(&eicar_in_zip_in_zip("nobody home"))?.code, 250);
    let id = site.daemon.entry_id("nobody home")?;
    let run = site.daemon.cli(["quarantine", "release", &id, "--yes"])?;
    assert_ne!(run.status, Some(0), "{run:?}");
    let said = run.text() + &run.stderr;
    assert!(
        said.contains(address.trim_matches('"')),
        "names the next hop: {said}"
    );
    assert_eq!(site.daemon.entry("nobody home")?["state"], "held");
    Ok(())
}
