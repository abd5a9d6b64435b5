//! Real files, where they are there: nothing panics, nothing runs away.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use unpack::{Coverage, Limits};

use crate::support::{Seen, shared};

#[test]
fn attachments_are_unpacked_within_bounds() {
    let Some(root) = shared("corpus/attach") else {
        return;
    };
    let limits = Limits {
        total_bytes: 64 << 20,
        ..Limits::default()
    };
    let mut coverages: BTreeMap<Coverage, usize> = BTreeMap::new();
    for path in files(&root) {
        let name = path
            .file_name()
            .unwrap()
            .to_string_lossy()
            .replace(['"', '\\'], "_");
        let seen = Seen::within(&name, &fs::read(&path).unwrap(), &limits);
        *coverages.entry(seen.worst()).or_default() += 1;
        let total: u64 = seen
            .unpacked
            .artifacts
            .iter()
            .map(|artifact| artifact.size)
            .sum();
        assert!(
            total < limits.total_bytes + (50 << 20),
            "{}: {total}",
            path.display()
        );
    }
    eprintln!("attachments by worst coverage: {coverages:?}");
}

#[test]
fn odd_mails_are_unpacked_within_bounds() {
    let Some(root) = shared("corpus/mime-odd") else {
        return;
    };
    let mut artifacts = 0;
    for path in files(&root) {
        artifacts += Seen::of_mail(&fs::read(&path).unwrap(), &Limits::default())
            .unpacked
            .artifacts
            .len();
    }
    eprintln!("artifacts in odd mails: {artifacts}");
}

fn files(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path)
            } else {
                found.push(path)
            }
        }
    }
    found.sort();
    found
}
