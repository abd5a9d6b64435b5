//! Mails that no program should send: each is answered at once, and what was odd is on record.

use crate::harness::{Setup, Site, clean, eicar_in_zip_in_zip};
use anyhow::Result;

#[test]
fn truncated_empty_header_only_and_binary() -> Result<()> {
    let site = Site::start(Setup::default())?;
    let zipped = eicar_in_zip_in_zip("cut off");
    let cases: [(&str, Vec<u8>); 7] = [
        // In the middle of the base64 of the attachment.
        ("truncated", zipped[..zipped.len() - 120].to_vec()),
        ("empty", Vec::new()),
        ("only an empty line", b"\r\n".to_vec()),
        (
            "header only",
            b"From: alice@sender.example\r\nSubject: header only\r\n".to_vec(),
        ),
        ("body only", b"\r\nno header at all\r\n".to_vec()),
        ("binary", binary()),
        (
            "a colon storm",
            [b":\r\n".repeat(500), b"\r\n:".repeat(500)].concat(),
        ),
    ];
    for (name, message) in &cases {
        let reply = site.send(message)?;
        assert_eq!(reply.code, 250, "{name}: {reply:?}");
    }
    site.postfix.wait_until_empty()?;
    let verdicts = site
        .daemon
        .cli(["verdict", "list", "--json"])?
        .ok()
        .json()?;
    assert_eq!(verdicts.len(), cases.len());
    let status = site.daemon.status()?;
    assert_eq!(
        status["failures"], 0,
        "none of them failed a check: {status}"
    );
    // What passed has arrived, what was held is stored; nothing is neither.
    let passed = verdicts
        .iter()
        .filter(|v| v["action"] == "accept" || v["action"] == "tag")
        .count();
    assert_eq!(site.sink.mails().len(), passed, "{verdicts:?}");
    assert_eq!(site.daemon.held_files()?.len(), cases.len() - passed);
    assert_eq!(site.send(&clean("afterwards"))?.code, 250);
    Ok(())
}

#[test]
fn a_truncated_archive_is_damaged_and_not_clean() -> Result<()> {
    let site = Site::start(Setup::default())?;
    let zipped = eicar_in_zip_in_zip("half an archive");
    assert_eq!(site.send(&zipped[..zipped.len() - 120])?.code, 250);
    let verdict = site
        .daemon
        .cli(["verdict", "list", "--json"])?
        .ok()
        .object()?;
    assert_ne!(verdict["action"], "accept", "{verdict}");
    let id = verdict["id"].as_str().expect("an id");
    let shown = site
        .daemon
        .cli(["verdict", "show", id, "--json"])?
        .ok()
        .object()?;
    let artifacts = shown["record"]["artifacts"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    assert!(
        artifacts.iter().any(|a| a["coverage"] == "damaged"),
        "{shown}"
    );
    let defects = shown["record"]["defects"].as_array().map(Vec::len);
    assert!(
        defects.is_some_and(|n| n > 0),
        "the missing end is noted: {shown}"
    );
    Ok(())
}

#[test]
fn the_null_sender_and_many_recipients() -> Result<()> {
    let site = Site::start(Setup::default())?;
    let rcpts: Vec<String> = (0..200).map(|n| format!("user{n}@rcpt.example")).collect();
    let rcpts: Vec<&str> = rcpts.iter().map(String::as_str).collect();
    let port = site.postfix.port();
    let bounce = crate::harness::submit(port, "", &rcpts, &eicar_in_zip_in_zip("a bounce"))?;
    assert_eq!(bounce.code, 250, "{bounce:?}");
    let entry = site.daemon.entry("a bounce")?;
    assert_eq!(entry["mail_from"], "");
    assert_eq!(entry["rcpts"].as_array().map(Vec::len), Some(200));
    let id = entry["id"].as_str().expect("an id");
    site.daemon
        .cli(["quarantine", "release", id, "--yes"])?
        .ok();
    site.postfix.wait_until_empty()?;
    let copies = site.sink.with("a bounce");
    assert!(copies.iter().all(|copy| copy.mail_from.is_empty()));
    assert_eq!(
        copies.iter().map(|copy| copy.rcpts.len()).sum::<usize>(),
        200
    );
    Ok(())
}

/// Every octet but line ends, many times, in lines that SMTP carries.
fn binary() -> Vec<u8> {
    let line: Vec<u8> = (0..=255)
        .filter(|b| !matches!(b, b'\r' | b'\n'))
        .chain(*b"\r\n")
        .collect();
    line.repeat(200)
}
