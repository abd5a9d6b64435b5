//! A check that could not be finished is a failure and not a clean result: the sender tries again,
//! and at the third try the mail is held, so that a person sees it.

use crate::harness::{Site, clean, slow};
use anyhow::Result;

#[test]
fn when_a_scan_is_not_finished_in_time() -> Result<()> {
    // The shortest time that can be set, below what the slow rule needs.
    let setup = slow::setup().set("workers.scan_timeout", "\"2s\"");
    held_at_the_third_try(&Site::start(setup)?, 0)
}

#[test]
fn and_when_the_worker_has_to_be_stopped() -> Result<()> {
    let setup = slow::setup()
        .set("workers.scan_timeout", "\"2s\"")
        .set("workers.deadline", "\"2s\"");
    // What stops first, scan or worker, is not the same every time; that something does is.
    held_at_the_third_try(&Site::start(setup)?, 1)
}

fn held_at_the_third_try(site: &Site, poison: u64) -> Result<()> {
    let mail = slow::very_slow_mail("too long");
    for attempt in 1..=2 {
        let reply = site.send(&mail)?;
        assert_eq!(reply.code, 451, "try {attempt}: {reply:?}");
        assert!(site.daemon.held_files()?.is_empty());
    }
    let reply = site.send(&mail)?;
    assert_eq!(reply.code, 250, "{reply:?}");
    let entry = site.daemon.entry("too long")?;
    assert_eq!(entry["action"], "quarantine");
    let id = entry["id"].as_str().expect("an id");
    let shown = site.daemon.cli(["quarantine", "show", id])?.ok().text();
    assert!(shown.contains("failed"), "says why: {shown}");
    assert!(site.daemon.status()?["poison"].as_u64() <= Some(poison));
    assert_eq!(site.send(&clean("the next one"))?.code, 250);
    assert!(site.sink.with("too long").is_empty());
    Ok(())
}
