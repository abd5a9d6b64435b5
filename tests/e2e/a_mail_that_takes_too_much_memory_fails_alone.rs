//! The memory limit of a worker is real: what goes beyond it costs that mail an answer, and nobody
//! else anything.

use crate::harness::{Setup, Site, clean, with_attachment, zip_of};
use anyhow::Result;

#[test]
fn and_the_daemon_serves_on() -> Result<()> {
    let setup = Setup::default()
        .set("workers.memory", "\"128 MiB\"")
        .set("workers.count", "1");
    let site = Site::start(setup)?;
    assert_eq!(site.send(&clean("before"))?.code, 250);
    // The mail as it came, the archive in it, and what is in the archive: together too much.
    let archive = zip_of("large.dat", &vec![b'x'; 36 << 20]);
    let large = with_attachment("too much memory", "large.zip", &archive);
    // Deferred if the worker died of it, held if it noticed; but what was not seen does not pass.
    let reply = site.send(&large)?;
    assert!(matches!(reply.code, 250 | 451), "{reply:?}");
    let held = site.daemon.held_files()?.len();
    assert_eq!(held, usize::from(reply.code == 250));
    assert_eq!(site.send(&clean("after"))?.code, 250);
    site.sink.wait_for("after")?;
    assert!(site.sink.with("too much memory").is_empty());
    Ok(())
}
