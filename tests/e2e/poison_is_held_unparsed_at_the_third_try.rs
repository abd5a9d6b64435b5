//! One mail cannot keep the service in a crash loop: after two dead workers it is held unopened.

use crate::harness::{Site, clean, signal, slow};
use anyhow::Result;
use rustix::process::Signal;

#[test]
fn and_costs_no_third_worker() -> Result<()> {
    let site = Site::start(slow::setup())?;
    let poison = slow::mail("poison");
    for attempt in 1..=2 {
        let workers = site.daemon.wait_for_workers(2)?;
        let reply = std::thread::scope(|scope| -> Result<_> {
            let sender = scope.spawn(|| site.send(&poison));
            signal(slow::wait_until_busy(&workers)?, Signal::KILL)?;
            sender.join().expect("no panic")
        })?;
        assert_eq!(reply.code, 451, "try {attempt}: {reply:?}");
    }
    assert_eq!(site.send(&clean("meanwhile"))?.code, 250);
    assert_eq!(site.send(&clean("meanwhile, too"))?.code, 250);
    let workers = site.daemon.wait_for_workers(2)?;
    let mails = |status: &serde_json::Value| -> u64 {
        let workers = status["workers"].as_array().cloned().unwrap_or_default();
        workers
            .iter()
            .filter_map(|worker| worker["mails"].as_u64())
            .sum()
    };
    let before = mails(&site.daemon.status()?);

    assert_eq!(site.send(&poison)?.code, 250);
    let status = site.daemon.status()?;
    assert_eq!(mails(&status), before, "no worker has seen it");
    assert_eq!(site.daemon.wait_for_workers(2)?, workers);
    assert_eq!(status["poison"], 1);

    let entry = site.daemon.entries()?;
    let [entry] = entry.as_slice() else {
        panic!("one entry: {entry:?}")
    };
    let id = entry["id"].as_str().expect("an id");
    let shown = site.daemon.cli(["quarantine", "show", id])?.ok().text();
    assert!(shown.contains("poison"), "says why: {shown}");
    let raw = site.daemon.cli(["quarantine", "show", id, "--raw"])?.ok();
    assert_eq!(raw.stdout, poison, "held as it came");
    // A person may still release it.
    site.daemon
        .cli(["quarantine", "release", id, "--yes"])?
        .ok();
    site.sink.wait_for("poison")?;
    Ok(())
}
