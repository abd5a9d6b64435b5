//! `postern rules test`: does every rule hit what it must hit, and leave alone what is like it?
//!
//! `rules/tests/<rule>/hit-*` must be hit by the rule, `miss-*` must not. A file that ends in `.eml` is a
//! mail; any other file is the only attachment of a mail.

use crate::config::Config;
use crate::scan;
use crate::term::{Exit, Terminal};
use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use filter::worker::Pool;
use policy::Tenant;
use rules::{Place, RuleInfo};
use serde::Serialize;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Octets of a test file.
const MAX_TEST_BYTES: u64 = 16 << 20;
/// Octets of a line of base64 before its line end (RFC 2045, 6.8).
const BASE64_LINE: usize = 76;

/// What one test found.
#[derive(Debug, Clone, Serialize)]
struct TestResult {
    /// The rule.
    rule: String,
    /// The file, relative to the tests directory; empty if the rule has no such file.
    file: String,
    /// Whether it is as it must be.
    ok: bool,
    /// What is wrong.
    problem: String,
}

/// Runs all tests of the rules directory and shows what failed.
pub(crate) async fn run(config: &Config, terminal: &mut Terminal) -> Result<Exit> {
    let results = results(config).await?;
    let failed = results.iter().filter(|result| !result.ok).count();
    if terminal.wants_json() {
        for result in &results {
            terminal.json(result)?;
        }
    } else {
        for result in results.iter().filter(|result| !result.ok) {
            let what = if result.file.is_empty() {
                &result.rule
            } else {
                &result.file
            };
            terminal.line(&format!("{what}: {}", result.problem))?;
        }
        let rules: BTreeSet<&str> = results.iter().map(|result| result.rule.as_str()).collect();
        terminal.line(&format!(
            "{} tests of {} rules: {} passed, {failed} failed",
            results.len(),
            rules.len(),
            results.len() - failed
        ))?;
    }
    Ok(if failed == 0 { Exit::Done } else { Exit::Found })
}

async fn results(config: &Config) -> Result<Vec<TestResult>> {
    let pool = scan::start_pool(config).await?;
    let ready = pool.status().ready;
    let own: Vec<&RuleInfo> = ready
        .rules
        .iter()
        .filter(|r| r.place != Place::Vendor)
        .collect();
    let known: BTreeSet<&str> = own.iter().map(|rule| rule.name.as_str()).collect();
    let dir = config.rules_dir.join("tests");
    let mut results = Vec::new();
    for rule in &known {
        results.extend(test_rule(&pool, &config.policy().default, &dir, rule).await?);
    }
    for stray in directories(&dir)?
        .into_iter()
        .filter(|name| !known.contains(name.as_str()))
    {
        let problem = "there is no rule of this name".to_owned();
        results.push(TestResult {
            rule: stray,
            file: String::new(),
            ok: false,
            problem,
        });
    }
    Ok(results)
}

async fn test_rule(
    pool: &Pool,
    tenant: &Tenant,
    dir: &Path,
    rule: &str,
) -> Result<Vec<TestResult>> {
    let mut results = Vec::new();
    let (mut hits, mut misses) = (0, 0);
    for path in files(&dir.join(rule))? {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let must_hit = match name.split_once('-') {
            Some(("hit", _)) => true,
            Some(("miss", _)) => false,
            _ => bail!(
                "{}: the name of a test begins with hit- or miss-",
                path.display()
            ),
        };
        *(if must_hit { &mut hits } else { &mut misses }) += 1;
        let scanned = scan::scan_message(pool, tenant, message(&path)?).await?;
        let found = scanned.examined.hits.iter().any(|hit| hit.rule == rule);
        let failures = &scanned.examined.failures;
        let problem = match (must_hit, found) {
            _ if !failures.is_empty() => format!("cannot be judged: {}", failures[0].cause),
            (true, false) => "the rule does not hit it".to_owned(),
            (false, true) => "the rule hits it".to_owned(),
            _ => String::new(),
        };
        let file = format!("{rule}/{name}");
        results.push(TestResult {
            rule: rule.to_owned(),
            file,
            ok: problem.is_empty(),
            problem,
        });
    }
    for (count, kind) in [(hits, "hit"), (misses, "miss")] {
        if count == 0 {
            let problem = format!("has no test: add a file tests/{rule}/{kind}-….eml");
            let rule = rule.to_owned();
            results.push(TestResult {
                rule,
                file: String::new(),
                ok: false,
                problem,
            });
        }
    }
    Ok(results)
}

/// The mail of a test file.
fn message(path: &Path) -> Result<Vec<u8>> {
    let size = fs::metadata(path)
        .with_context(|| path.display().to_string())?
        .len();
    if size > MAX_TEST_BYTES {
        bail!("{}: larger than {MAX_TEST_BYTES} bytes", path.display());
    }
    let bytes = fs::read(path).with_context(|| path.display().to_string())?;
    if path.extension().is_some_and(|extension| extension == "eml") {
        return Ok(bytes);
    }
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    Ok(with_attachment(
        &name.replace(['"', '\\', '\r', '\n'], "_"),
        &bytes,
    ))
}

fn with_attachment(name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut message = format!(
        "From: sender@example.org\r\nTo: user@example.org\r\nSubject: test\r\nMIME-Version: 1.0\r\n\
         Content-Type: application/octet-stream; name=\"{name}\"\r\n\
         Content-Disposition: attachment; filename=\"{name}\"\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n"
    );
    for line in STANDARD.encode(bytes).as_bytes().chunks(BASE64_LINE) {
        message.push_str(&String::from_utf8_lossy(line));
        message.push_str("\r\n");
    }
    message.into_bytes()
}

fn files(dir: &Path) -> Result<Vec<PathBuf>> {
    sorted(dir, |entry| {
        entry.file_type().is_ok_and(|kind| kind.is_file())
    })
}

fn directories(dir: &Path) -> Result<Vec<String>> {
    let found = sorted(dir, |entry| {
        entry.file_type().is_ok_and(|kind| kind.is_dir())
    })?;
    Ok(found
        .iter()
        .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
        .collect())
}

/// The entries of a directory by name, without hidden ones; none if there is no directory.
fn sorted(dir: &Path, wanted: impl Fn(&fs::DirEntry) -> bool) -> Result<Vec<PathBuf>> {
    if !dir.exists() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(dir).with_context(|| dir.display().to_string())?;
    let mut paths: Vec<PathBuf> = entries
        .flatten()
        .filter(|entry| !entry.file_name().to_string_lossy().starts_with('.') && wanted(entry))
        .map(|entry| entry.path())
        .collect();
    paths.sort();
    Ok(paths)
}
