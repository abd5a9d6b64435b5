//! Large mails pass as small ones do, and what is too large is refused with a reason.

use crate::harness::{Setup, Site, sha256, with_attachment};
use anyhow::Result;

#[test]
fn thirty_megabytes_arrive_complete() -> Result<()> {
    large_mail_arrives("thirty", 30_000_000)
}

#[test]
fn nearly_fifty_megabytes_arrive_complete() -> Result<()> {
    large_mail_arrives("fifty", 50_000_000)
}

#[test]
fn more_than_the_limit_is_refused_for_good() -> Result<()> {
    let site = Site::start(Setup::default().set("milter.message_bytes", "\"1 MiB\""))?;
    let reply = site.send(&large("too much", 1_100_000))?;
    assert_eq!(reply.code, 552, "{reply:?}");
    assert!(reply.text.contains("too big"), "{reply:?}");
    let reply = site.send(&large("just right", 1_000_000))?;
    assert_eq!(reply.code, 250, "{reply:?}");
    site.sink.wait_for("just right")?;
    assert!(site.sink.with("too much").is_empty());
    Ok(())
}

fn large_mail_arrives(subject: &str, size: usize) -> Result<()> {
    let site = Site::start(Setup::default())?;
    let sent = large(subject, size);
    let reply = site.send(&sent)?;
    assert_eq!(reply.code, 250, "{reply:?}");
    let received = site.sink.wait_for(subject)?;
    let below = received.below_trace();
    // Our fields stand at the end of the header, so the body is the same length from its end.
    let body = |message: &[u8]| {
        message
            .windows(4)
            .position(|w| w == b"\r\n\r\n")
            .unwrap_or(0)
    };
    let (ours, theirs) = (body(below), body(&sent));
    assert_eq!(
        sha256(below.get(ours..).unwrap_or_default()),
        sha256(&sent[theirs..])
    );
    let verdict = site
        .daemon
        .cli(["verdict", "list", "--subject", subject, "--json"])?;
    assert_eq!(verdict.ok().object()?["size"], sent.len());
    Ok(())
}

/// A mail of about this size with an attachment that does not compress.
fn large(subject: &str, size: usize) -> Vec<u8> {
    // Four octets of base64 and a share of a line end for three octets.
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = || {
        // xorshift64, by George Marsaglia.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let count = size * 57 / 78;
    let content: Vec<u8> = std::iter::repeat_with(&mut next)
        .flatten()
        .take(count)
        .collect();
    with_attachment(subject, "measurements.dat", &content)
}
