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
    let reply = site.send(&large)?;
    assert_eq!(reply.code, 451, "{reply:?}");
    assert_eq!(site.daemon.status()?["failures"], 1);
    assert_eq!(site.send(&clean("after"))?.code, 250);
    site.sink.wait_for("after")?;
    assert!(site.sink.with("too much memory").is_empty());
    Ok(())
}
