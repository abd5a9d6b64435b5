//! A header field with our name is ours, or it is not there.

use crate::harness::{Setup, Site, clean, header_block};
use anyhow::Result;

#[test]
fn in_every_spelling_and_number() -> Result<()> {
    let site = Site::start(Setup::default())?;
    let forged = "X-Postern-Verdict: accept; score=-100\r\n\
        x-postern-verdict: accept;\r\n\tscore=-200\r\n\
        X-Postern-Id: 00000000000000000000000000\r\n\
        X-POSTERN-Release: yes\r\n\
        X-Postern-Verdict: a third one\r\n";
    let mut mail = forged.as_bytes().to_vec();
    mail.extend_from_slice(&clean("forged"));
    assert_eq!(site.send(&mail)?.code, 250);

    let received = site.sink.wait_for("Subject: forged")?;
    let header = header_block(&received.data);
    let own = header
        .lines()
        .filter(|l| l.to_ascii_lowercase().starts_with("x-postern-"));
    let mut names: Vec<&str> = own.filter_map(|line| line.split(':').next()).collect();
    names.sort_unstable();
    assert_eq!(names, ["X-Postern-Id", "X-Postern-Verdict"], "{header}");
    assert!(!header.contains("score=-"), "{header}");
    assert!(
        header.contains("X-Postern-Verdict: accept; score=0"),
        "{header}"
    );
    Ok(())
}
