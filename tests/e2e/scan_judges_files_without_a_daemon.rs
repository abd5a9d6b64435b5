//! `postern scan`: what newcomers run first, and what other programs read.

use crate::harness::{clean, eicar_in_zip_in_zip, postern, postern_reading, workspace};
use anyhow::{Context, Result};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;

#[test]
fn the_fixtures_give_a_table_and_status_1() -> Result<()> {
    let run = postern(["scan", "-r", "fixtures/mail"])?.exits(1);
    let table = run.text();
    for word in ["fixtures/mail/", "eicar_test_file", "quarantine", "accept"] {
        assert!(table.contains(word), "`{word}` in: {table}");
    }
    assert!(
        !table.contains('\u{1b}'),
        "no escapes when nobody looks: {table}"
    );
    Ok(())
}

#[test]
fn clean_mail_gives_status_0_and_nonsense_2() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let path = |name: &str| dir.path().join(name).display().to_string();
    fs::write(path("clean.eml"), clean("harmless"))?;
    fs::write(
        path("lf.eml"),
        String::from_utf8_lossy(&clean("harmless")).replace("\r\n", "\n"),
    )?;
    let run = postern(["scan", &path("clean.eml"), &path("lf.eml"), "--json"])?.ok();
    let mails = run.json()?;
    assert_eq!(mails.len(), 2);
    assert!(
        mails.iter().all(|mail| mail["action"] == "accept"),
        "{mails:?}"
    );

    let run = postern(["scan", &path("no-such-file.eml")])?.exits(2);
    assert!(run.stderr.contains("no-such-file.eml"), "{}", run.stderr);
    // What can be judged is judged although something else cannot be.
    let run = postern([
        "scan",
        &path("clean.eml"),
        &path("no-such-file.eml"),
        "--json",
    ])?
    .exits(2);
    assert!(run.text().contains("clean.eml"), "{}", run.text());
    Ok(())
}

#[test]
fn a_mail_can_come_from_standard_input() -> Result<()> {
    let fixture = fs::File::open(workspace().join("fixtures/mail/eicar-zip-in-zip.eml"))?;
    let run = postern_reading(["scan", "--json", "-"], fixture.into())?.exits(1);
    let mails = run.json()?;
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0]["action"], "quarantine", "{mails:?}");
    assert_eq!(mails[0]["file"], "-");
    Ok(())
}

#[test]
fn json_has_exactly_the_documented_shape() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut bad = eicar_in_zip_in_zip("shape");
    let link = b"As promised: https://sender.example/page?q=1\r\n";
    let text = b"As promised.\r\n";
    let at = bad
        .windows(text.len())
        .position(|w| w == text)
        .context("the text")?;
    bad.splice(at..at + text.len(), link.iter().copied());
    fs::write(dir.path().join("bad.eml"), bad)?;
    let dir = dir.path().display().to_string();
    let run = postern(["scan", "-r", &dir, "fixtures/mail", "--json"])?.exits(1);
    let mails = run.json()?;
    assert!(mails.len() > 5, "{}", run.text());
    for mail in &mails {
        shape_of_mail(mail);
    }

    let mail = mails.iter().find(|mail| {
        mail["file"]
            .as_str()
            .is_some_and(|f| f.ends_with("bad.eml"))
    });
    let mail = mail.context("the mail of this test")?;
    assert_eq!(mail["action"], "quarantine");
    assert_eq!(mail["category"], "malware");
    assert_eq!(mail["links"][0]["host"], "sender.example");
    let hit = &mail["hits"][0];
    assert_eq!(
        (&hit["rule"], &hit["stage"]),
        (&"eicar_test_file".into(), &"live".into())
    );
    // The hit leads to the artifact.
    let artifacts = mail["artifacts"].as_array().context("artifacts")?;
    let artifact = artifacts
        .iter()
        .find(|artifact| artifact["path"] == hit["artifact"]);
    assert_eq!(
        artifact.context("the artifact that was hit")?["name"],
        "eicar.com"
    );
    Ok(())
}

fn shape_of_mail(mail: &Value) {
    let keys = [
        "file",
        "action",
        "score",
        "category",
        "hits",
        "artifacts",
        "links",
        "defects",
        "failures",
        "ms",
    ];
    has_keys(mail, &keys);
    assert!(
        mail["file"].is_string() && mail["action"].is_string(),
        "{mail}"
    );
    assert!(mail["score"].is_i64() && mail["ms"].is_u64(), "{mail}");
    assert!(
        mail["category"].is_string() || mail["category"].is_null(),
        "{mail}"
    );
    for hit in items(mail, "hits") {
        has_keys(hit, &["rule", "score", "category", "artifact", "stage"]);
        assert!(
            hit["score"].is_i64() && hit["artifact"].is_string(),
            "{hit}"
        );
    }
    for artifact in items(mail, "artifacts") {
        has_keys(
            artifact,
            &["path", "name", "type", "size", "sha256", "coverage"],
        );
        assert!(
            artifact["size"].is_u64() && artifact["path"].is_string(),
            "{artifact}"
        );
        assert_eq!(
            artifact["sha256"].as_str().map(str::len),
            Some(64),
            "{artifact}"
        );
        let coverages = ["full", "encrypted", "unsupported", "damaged", "over-limit"];
        assert!(
            coverages.iter().any(|known| artifact["coverage"] == *known),
            "{artifact}"
        );
    }
    for link in items(mail, "links") {
        has_keys(link, &["url", "host", "listed", "flags"]);
        assert!(
            link["listed"].is_array() && link["flags"].is_array(),
            "{link}"
        );
    }
    for list in ["defects", "failures"] {
        assert!(items(mail, list).iter().all(Value::is_string), "{mail}");
    }
}

#[track_caller]
fn has_keys(value: &Value, keys: &[&str]) {
    let object = value.as_object().expect("an object");
    let found: BTreeSet<&str> = object.keys().map(String::as_str).collect();
    assert_eq!(found, keys.iter().copied().collect(), "{value}");
}

#[track_caller]
fn items<'a>(value: &'a Value, key: &str) -> &'a Vec<Value> {
    value[key]
        .as_array()
        .unwrap_or_else(|| panic!("{key} is no list: {value}"))
}
