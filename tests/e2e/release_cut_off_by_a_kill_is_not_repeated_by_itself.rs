//! When nobody can know whether the next hop has a mail, a person decides, not a retry.

use crate::harness::{Setup, Sink, Site, eicar_in_zip_in_zip};
use anyhow::Result;

#[test]
fn but_on_demand() -> Result<()> {
    let next_hop = Sink::start()?;
    let address = format!("\"127.0.0.1:{}\"", next_hop.port());
    let mut site = Site::start(Setup::default().set("release.address", &address))?;
    assert_eq!(site.send(&eicar_in_zip_in_zip("in doubt"))?.code, 250);
    let id = site.daemon.entry_id("in doubt")?;

    // The next hop has taken the mail, and the daemon dies before it hears so.
    next_hop.be_silent_next();
    let config = site.daemon.config().into_os_string();
    let arguments = ["quarantine", "release", &id, "--yes", "--config"].map(Into::into);
    let command =
        std::thread::spawn(move || crate::harness::postern(arguments.into_iter().chain([config])));
    next_hop.wait_for("in doubt")?;
    site.daemon.kill()?;
    let command = command.join().expect("no panic")?;
    assert_eq!(command.status, Some(2), "{command:?}");

    site.daemon.start()?;
    let state = site.daemon.entry("in doubt")?["state"].clone();
    assert_eq!(state, "unknown");
    assert_eq!(site.daemon.held_files()?.len(), 1);
    let again = site.daemon.cli(["quarantine", "release", &id, "--yes"])?;
    assert_ne!(again.status, Some(0));
    let said = again.text() + &again.stderr;
    assert!(said.contains("the recipients may have it"), "{said}");
    assert_eq!(next_hop.with("in doubt").len(), 1);

    let forced = ["quarantine", "release", &id, "--yes", "--force", "--json"];
    assert_eq!(site.daemon.cli(forced)?.ok().object()?["state"], "released");
    assert_eq!(next_hop.with("in doubt").len(), 2);
    Ok(())
}

#[test]
fn and_a_release_that_never_reached_the_next_hop_is() -> Result<()> {
    // Nobody listens there: the release was started and journalled, and no octet was sent.
    let port = crate::harness::free_port()?;
    let mut site =
        Site::start(Setup::default().set("release.address", &format!("\"127.0.0.1:{port}\"")))?;
    assert_eq!(site.send(&eicar_in_zip_in_zip("no doubt"))?.code, 250);
    let id = site.daemon.entry_id("no doubt")?;
    let run = site.daemon.cli(["quarantine", "release", &id, "--yes"])?;
    assert_ne!(run.status, Some(0));
    site.daemon.kill()?;
    site.daemon.start()?;
    assert_eq!(site.daemon.entry("no doubt")?["state"], "held");
    Ok(())
}
