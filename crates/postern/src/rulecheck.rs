//! `postern rules check`: compiles the rules where they are edited, and says all that is wrong.

use crate::config::Config;
use crate::serve::options;
use crate::term::{Exit, Terminal};
use anyhow::Result;
use rules::{LoadError, RuleSet};
use serde::Serialize;

/// The result in JSON.
#[derive(Debug, Serialize)]
struct Line<'a> {
    ok: bool,
    digest: &'a str,
    rules: usize,
    warnings: Vec<String>,
    errors: Vec<String>,
}

/// Checks the configured rules directory.
pub(crate) fn run(config: &Config, terminal: &mut Terminal) -> Result<Exit> {
    let dir = &config.rules_dir;
    match RuleSet::load(dir, &options::load(config)) {
        Ok(rules) => passed(&rules, terminal),
        Err(error) => failed(&error, terminal),
    }
}

fn passed(rules: &RuleSet, terminal: &mut Terminal) -> Result<Exit> {
    let warnings: Vec<String> = rules.warnings().iter().map(ToString::to_string).collect();
    if terminal.wants_json() {
        let (digest, count) = (rules.digest(), rules.rules().len());
        terminal.json(&Line {
            ok: true,
            digest,
            rules: count,
            warnings,
            errors: vec![],
        })?;
        return Ok(Exit::Done);
    }
    for warning in &warnings {
        terminal.lines(warning)?;
    }
    let (count, digest) = (rules.rules().len(), rules.digest());
    terminal.line(&format!(
        "ok: {count} rules, {} warnings, digest {digest}",
        warnings.len()
    ))?;
    Ok(Exit::Done)
}

fn failed(error: &LoadError, terminal: &mut Terminal) -> Result<Exit> {
    if terminal.wants_json() {
        let errors = error.problems.iter().map(ToString::to_string).collect();
        terminal.json(&Line {
            ok: false,
            digest: "",
            rules: 0,
            warnings: vec![],
            errors,
        })?;
        return Ok(Exit::Failed);
    }
    terminal.flush()?;
    Err(anyhow::anyhow!("{error}"))
}
