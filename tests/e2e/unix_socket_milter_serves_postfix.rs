//! The milter's socket may be a file.

use crate::harness::{Setup, Site, clean, eicar_in_zip_in_zip};
use anyhow::Result;

#[test]
fn as_a_port_does() -> Result<()> {
    let mut site = Site::start(Setup::default().milter_socket())?;
    assert_eq!(site.send(&clean("over a file"))?.code, 250);
    assert_eq!(
        site.send(&eicar_in_zip_in_zip("bad over a file"))?.code,
        250
    );
    site.sink.wait_for("over a file")?;
    assert_eq!(site.daemon.entry("bad over a file")?["state"], "held");

    // A socket that a killed daemon left behind is not in the way of the next one.
    site.daemon.kill()?;
    assert!(site.send(&clean("in between"))?.is_transient());
    site.daemon.start()?;
    assert_eq!(site.send(&clean("afterwards"))?.code, 250);
    site.sink.wait_for("afterwards")?;
    Ok(())
}
