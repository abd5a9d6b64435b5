//! The walls between the crates: an arrow that is not in this table is a mistake, here or there.

use crate::harness::workspace;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// Which crates of ours a crate may use.
const ARROWS: [(&str, &[&str]); 12] = [
    ("control", &[]),
    (
        "filter",
        &["inspect", "mail", "policy", "rules", "store", "unpack"],
    ),
    ("inspect", &["links", "mail", "rules", "unpack"]),
    ("intake", &[]),
    ("links", &[]),
    ("mail", &[]),
    ("milter", &["intake"]),
    ("policy", &[]),
    ("rules", &[]),
    ("smtp", &["intake"]),
    ("store", &["policy"]),
    ("unpack", &["mail"]),
];

/// The crate that wires all others together.
const PROGRAM: &str = "postern";

/// External crates that one crate of ours owns: no other may name them.
const OWNERS: [(&str, &str); 10] = [
    ("axum", PROGRAM),
    ("clap", PROGRAM),
    ("mail-parser", "mail"),
    ("ppp", "smtp"),
    ("sled", "store"),
    ("tokio-rustls", "smtp"),
    ("toml", PROGRAM),
    ("url", "links"),
    ("yara-x", "rules"),
    ("zip", "unpack"),
];

#[test]
fn and_no_others() -> Result<()> {
    let crates = dependencies()?;
    let tabled = ARROWS
        .iter()
        .map(|(name, _)| *name)
        .chain([PROGRAM])
        .collect::<BTreeSet<_>>();
    assert_eq!(
        crates.keys().map(String::as_str).collect::<BTreeSet<_>>(),
        tabled
    );
    for (name, allowed) in ARROWS {
        let used = crates.get(name).into_iter().flatten();
        for other in used.filter(|used| crates.contains_key(*used)) {
            assert!(
                allowed.contains(&other.as_str()),
                "{name} must not use {other}"
            );
        }
    }
    Ok(())
}

#[test]
fn and_a_heavy_dependency_has_one_owner() -> Result<()> {
    for (name, used) in dependencies()? {
        for (external, owner) in OWNERS {
            assert!(
                name == owner || !used.contains(external),
                "{external} belongs to {owner}, not {name}"
            );
        }
    }
    Ok(())
}

/// What each crate of ours names as a dependency of its code; what only its tests use is left out.
fn dependencies() -> Result<BTreeMap<String, BTreeSet<String>>> {
    let mut command = Command::new(env!("CARGO"));
    command.args([
        "metadata",
        "--format-version",
        "1",
        "--no-deps",
        "--offline",
    ]);
    let output = command
        .current_dir(workspace())
        .output()
        .context("cargo metadata")?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let packages = metadata["packages"].as_array().context("packages")?;
    let one = |package: &Value| {
        let name = package["name"].as_str().unwrap_or_default().to_owned();
        let all = package["dependencies"].as_array().into_iter().flatten();
        // `kind` is null for dependencies of the code, "dev" and "build" for others.
        let of_code = all.filter(|dependency| dependency["kind"].is_null());
        let names = of_code.filter_map(|dependency| dependency["name"].as_str());
        (name, names.map(str::to_owned).collect())
    };
    Ok(packages.iter().map(one).collect())
}
