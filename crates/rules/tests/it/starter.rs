//! The rules that Postern comes with.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use rules::{LoadOptions, RuleSet};

fn rules_directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../rules")
}

fn starter_rules() -> RuleSet {
    RuleSet::load(&rules_directory(), &LoadOptions::default()).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn the_starter_rules_load_without_a_warning() {
    let rules = starter_rules();
    for warning in rules.warnings() {
        eprintln!("{warning}");
    }
    assert!(rules.warnings().is_empty());
    assert!(rules.rules().len() > 20);
}
