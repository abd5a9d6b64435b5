//! The index can be built again while mail flows.

use crate::harness::{Setup, Site, clean, eicar_in_zip_in_zip};
use anyhow::Result;

#[test]
fn while_the_daemon_serves() -> Result<()> {
    let mut site = Site::start(Setup::default())?;
    for number in 0..5 {
        assert_eq!(
            site.send(&eicar_in_zip_in_zip(&format!("held {number}")))?
                .code,
            250
        );
        assert_eq!(site.send(&clean(&format!("passed {number}")))?.code, 250);
    }
    site.daemon
        .cli(["quarantine", "release", "--subject", "held 1", "--yes"])?
        .ok();
    site.daemon
        .cli(["quarantine", "delete", "--subject", "held 2", "--yes"])?
        .ok();
    let verdicts = || site.daemon.cli(["verdict", "list", "--json"])?.ok().json();
    let before = (site.daemon.entries()?, verdicts()?);
    assert_eq!((before.0.len(), before.1.len()), (5, 10));

    let report = site
        .daemon
        .cli(["store", "rebuild", "--json"])?
        .ok()
        .object()?;
    assert_eq!(report["entries"], 5, "{report}");
    assert_eq!(report["records"], 10, "{report}");
    assert_eq!((site.daemon.entries()?, verdicts()?), before);

    // And without a daemon.
    site.daemon.terminate()?;
    site.daemon.cli(["store", "rebuild"])?.ok();
    site.daemon.start()?;
    let verdicts = site
        .daemon
        .cli(["verdict", "list", "--json"])?
        .ok()
        .json()?;
    assert_eq!((site.daemon.entries()?, verdicts), before);
    Ok(())
}
