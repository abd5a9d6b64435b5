//! Nobody changes the journal unnoticed.

use crate::harness::{Setup, Site, clean, eicar_in_zip_in_zip};
use anyhow::{Context, Result};
use std::fs;
use std::path::PathBuf;

#[test]
fn by_segment_and_line() -> Result<()> {
    let mut site = Site::start(Setup::default())?;
    assert_eq!(site.send(&eicar_in_zip_in_zip("bad"))?.code, 250);
    assert_eq!(site.send(&clean("good"))?.code, 250);
    let report = site
        .daemon
        .cli(["audit", "verify", "--json"])?
        .ok()
        .object()?;
    assert_eq!(report["ok"], true, "{report}");
    assert!(
        report["events"].as_u64().is_some_and(|n| n >= 5),
        "{report}"
    );

    site.daemon.terminate()?;
    let report = site
        .daemon
        .cli(["audit", "verify", "--json"])?
        .ok()
        .object()?;
    assert_eq!(report["ok"], true, "without a daemon as well: {report}");

    let segment = segment(&site)?;
    let original = fs::read_to_string(&segment)?;
    let line = original
        .lines()
        .position(|l| l.contains("alice@sender.example"));
    let line = line.context("the journal knows the sender")?;
    fs::write(
        &segment,
        original.replacen("alice@sender.example", "alicf@sender.example", 1),
    )?;
    let run = site.daemon.cli(["audit", "verify"])?.exits(1);
    let name = segment
        .file_name()
        .and_then(|n| n.to_str())
        .unwrap_or_default();
    let said = run.text() + &run.stderr;
    assert!(said.contains(name), "names {name}: {said}");
    assert!(
        said.contains(&format!("line {}", line + 1)),
        "names line {}: {said}",
        line + 1
    );
    Ok(())
}

#[test]
fn and_a_line_that_was_taken_out() -> Result<()> {
    let mut site = Site::start(Setup::default())?;
    assert_eq!(site.send(&eicar_in_zip_in_zip("bad"))?.code, 250);
    assert_eq!(site.send(&clean("good"))?.code, 250);
    site.daemon.terminate()?;
    let segment = segment(&site)?;
    let original = fs::read_to_string(&segment)?;
    let kept = original
        .lines()
        .enumerate()
        .filter(|(index, _)| *index != 3);
    fs::write(
        &segment,
        kept.map(|(_, line)| format!("{line}\n"))
            .collect::<String>(),
    )?;
    let run = site.daemon.cli(["audit", "verify"])?.exits(1);
    let said = run.text() + &run.stderr;
    assert!(said.contains("line 4"), "where it is missing: {said}");
    Ok(())
}

#[test]
fn and_a_held_mail_that_was_exchanged() -> Result<()> {
    let site = Site::start(Setup::default())?;
    assert_eq!(site.send(&eicar_in_zip_in_zip("evidence"))?.code, 250);
    let id = site.daemon.entry_id("evidence")?;
    let [file] = site.daemon.held_files()?.try_into().expect("one file");
    let stored = fs::read(&file)?;
    fs::write(&file, stored.to_ascii_uppercase())?;
    let run = site.daemon.cli(["audit", "verify"])?.exits(1);
    let said = run.text() + &run.stderr;
    assert!(said.contains(&id), "names {id}: {said}");

    // What is not what was held is not released in its name either.
    let run = site.daemon.cli(["quarantine", "release", &id, "--yes"])?;
    assert_ne!(run.status, Some(0), "{run:?}");
    site.postfix.wait_until_empty()?;
    assert!(site.sink.mails().is_empty());
    fs::write(&file, stored)?;
    site.daemon
        .cli(["quarantine", "release", &id, "--yes"])?
        .ok();
    site.daemon.cli(["audit", "verify"])?.ok();
    Ok(())
}

fn segment(site: &Site) -> Result<PathBuf> {
    let found = fs::read_dir(site.daemon.state("journal"))?;
    let paths = found.filter_map(|entry| Some(entry.ok()?.path()));
    let mut segments = paths.filter(|path| path.extension().is_some_and(|e| e == "jsonl"));
    segments.next().context("a segment of the journal")
}
