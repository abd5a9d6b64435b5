//! A worker that dies costs the mail that it had, and no other.

use crate::harness::{Site, clean, eicar_in_zip_in_zip, signal, slow};
use anyhow::Result;
use rustix::process::Signal;

#[test]
fn and_the_next_one_passes() -> Result<()> {
    let site = Site::start(slow::setup())?;
    let workers = site.daemon.wait_for_workers(2)?;
    let reply = std::thread::scope(|scope| -> Result<_> {
        let sender = scope.spawn(|| site.send(&slow::mail("bad luck")));
        let busy = slow::wait_until_busy(&workers)?;
        // The other worker serves meanwhile.
        assert_eq!(site.send(&clean("beside it"))?.code, 250);
        signal(busy, Signal::KILL)?;
        sender.join().expect("no panic")
    })?;
    assert_eq!(reply.code, 451, "{reply:?}");
    assert!(reply.text.contains("try again later"), "{reply:?}");

    assert_eq!(site.send(&clean("the next one"))?.code, 250);
    assert_eq!(
        site.send(&eicar_in_zip_in_zip("the one after it"))?.code,
        250
    );
    // Sent again, the mail that had bad luck passes: one death is not held against it.
    assert_eq!(site.send(&slow::mail("bad luck"))?.code, 250);
    site.sink.wait_for("bad luck")?;
    assert_eq!(site.daemon.entry("the one after it")?["state"], "held");
    assert_eq!(site.daemon.status()?["failures"], 1);
    Ok(())
}

#[test]
fn and_an_idle_worker_that_dies_costs_nothing() -> Result<()> {
    let site = Site::start(crate::harness::Setup::default())?;
    for pid in site.daemon.worker_pids()? {
        signal(pid, Signal::KILL)?;
    }
    for number in 0..4 {
        let reply = site.send(&clean(&format!("after the death of all, {number}")))?;
        assert_eq!(reply.code, 250, "{reply:?}");
    }
    assert_eq!(site.daemon.status()?["failures"], 0);
    Ok(())
}
