//! The index is a projection of the journal: it can be deleted, damaged, or lost.

use crate::harness::{Setup, Site, clean, eicar_in_zip_in_zip};
use anyhow::Result;
use serde_json::Value;
use std::fs;

#[test]
fn with_all_entries_verdicts_and_states() -> Result<()> {
    let mut site = Site::start(Setup::default())?;
    let before = fill(&site)?;
    site.daemon.terminate()?;
    fs::remove_dir_all(site.daemon.state("index"))?;
    site.daemon.start()?;
    assert_eq!(all_that_is_remembered(&site)?, before);
    still_works(&site)
}

#[test]
fn even_when_it_is_gone_after_a_kill_or_full_of_rubbish() -> Result<()> {
    let mut site = Site::start(Setup::default())?;
    let before = fill(&site)?;
    site.daemon.kill()?;
    fs::remove_dir_all(site.daemon.state("index"))?;
    site.daemon.start()?;
    assert_eq!(all_that_is_remembered(&site)?, before);

    site.daemon.kill()?;
    let damaged = overwrite_files(&site.daemon.state("index"))?;
    assert!(damaged > 0);
    site.daemon.start()?;
    assert_eq!(all_that_is_remembered(&site)?, before);
    still_works(&site)
}

/// One mail in each state.
fn fill(site: &Site) -> Result<Value> {
    for subject in ["is held", "is released", "is deleted"] {
        assert_eq!(site.send(&eicar_in_zip_in_zip(subject))?.code, 250);
    }
    assert_eq!(site.send(&clean("is delivered"))?.code, 250);
    let release = [
        "quarantine",
        "release",
        "--subject",
        "is released",
        "--yes",
        "--why",
        "asked",
    ];
    site.daemon.cli(release)?.ok();
    site.daemon
        .cli(["quarantine", "delete", "--subject", "is deleted", "--yes"])?
        .ok();
    for verdict in site
        .daemon
        .cli(["verdict", "list", "--json"])?
        .ok()
        .json()?
    {
        site.daemon
            .answered(verdict["id"].as_str().expect("an id"))?;
    }
    all_that_is_remembered(site)
}

fn all_that_is_remembered(site: &Site) -> Result<Value> {
    let mut all = Vec::new();
    for entry in site.daemon.entries()? {
        let id = entry["id"].as_str().expect("an id").to_owned();
        all.push(entry);
        all.push(
            site.daemon
                .cli(["quarantine", "show", &id, "--json"])?
                .ok()
                .object()?,
        );
    }
    for verdict in site
        .daemon
        .cli(["verdict", "list", "--json"])?
        .ok()
        .json()?
    {
        let id = verdict["id"].as_str().expect("an id").to_owned();
        all.push(verdict);
        all.push(
            site.daemon
                .cli(["verdict", "show", &id, "--json"])?
                .ok()
                .object()?,
        );
    }
    assert_eq!(all.len(), 2 * 3 + 2 * 4, "{all:?}");
    Ok(all.into())
}

fn still_works(site: &Site) -> Result<()> {
    assert_eq!(site.send(&eicar_in_zip_in_zip("is new"))?.code, 250);
    assert_eq!(site.daemon.entry("is new")?["state"], "held");
    site.daemon
        .cli(["quarantine", "release", "--subject", "is held", "--yes"])?
        .ok();
    site.sink.wait_for("is held")?;
    assert_eq!(
        site.daemon
            .cli(["audit", "verify", "--json"])?
            .ok()
            .object()?["ok"],
        true
    );
    Ok(())
}

/// Overwrites the middle of every file; how many there were.
fn overwrite_files(dir: &std::path::Path) -> Result<usize> {
    let mut count = 0;
    for found in fs::read_dir(dir)? {
        let path = found?.path();
        if path.is_dir() {
            count += overwrite_files(&path)?;
            continue;
        }
        let mut content = fs::read(&path)?;
        let (start, end) = (content.len() / 8, content.len() * 7 / 8);
        content
            .get_mut(start..end)
            .into_iter()
            .flatten()
            .for_each(|byte| *byte ^= 0x5a);
        fs::write(&path, content)?;
        count += 1;
    }
    Ok(count)
}
