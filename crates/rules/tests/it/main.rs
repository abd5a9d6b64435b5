//! The rules crate as its users see it: directories of rule files in, hits and messages out.

mod contract;
mod docs;
mod loading;
mod scanning;
mod starter;
mod vendor;

use std::fs;
use std::path::Path;

use rules::{LoadError, LoadOptions, RuleSet};

/// A rules directory with these files.
fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary directory");
    for (path, text) in files {
        write(dir.path(), path, text);
    }
    dir
}

fn write(dir: &Path, path: &str, text: &str) {
    let path = dir.join(path);
    fs::create_dir_all(path.parent().expect("a file is in a directory")).expect("directory");
    fs::write(path, text).expect("file");
}

fn try_load(files: &[(&str, &str)]) -> Result<RuleSet, LoadError> {
    RuleSet::load(directory(files).path(), &LoadOptions::default())
}

/// Loads rules that are in order.
fn load(files: &[(&str, &str)]) -> RuleSet {
    try_load(files).unwrap_or_else(|error| panic!("{error}"))
}

/// What is said about rules that are not in order.
fn errors(files: &[(&str, &str)]) -> String {
    match try_load(files) {
        Ok(rules) => panic!("loaded: {rules:?}"),
        Err(error) => error.to_string(),
    }
}

/// Always true, without the compiler's warning about constant conditions.
const ALWAYS: &str = "filesize >= 0";

/// A rule of ours with this condition.
fn rule(name: &str, condition: &str) -> String {
    rule_with(name, "", condition)
}

fn rule_with(name: &str, meta: &str, condition: &str) -> String {
    format!(
        "import \"mail\"\n\nrule {name} {{\n    meta:\n        description = \"a rule\"\n        \
         score = 10\n        category = \"suspicious\"\n        {meta}\n    condition:\n        \
         {condition}\n}}\n"
    )
}
