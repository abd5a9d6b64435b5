//! What a scan prints.

use super::{Scanned, is_failed, is_withheld, shown};
use crate::serve::heaviest_rules;
use crate::term::{self, Exit, Terminal};
use anyhow::Result;
use policy::Coverage;
use serde::Serialize;
use std::io::{self, Write};
use std::path::Path;

/// Collects the results: JSON is printed at once, the table at the end, when its widths are known.
#[derive(Debug)]
pub(super) struct Report<'t> {
    terminal: &'t mut Terminal,
    rows: Vec<term::ScanRow>,
    withheld: bool,
    problems: bool,
}

/// One mail in JSON.
#[derive(Debug, Serialize)]
struct MailLine<'a> {
    file: String,
    action: &'a str,
    score: i64,
    category: Option<&'a str>,
    hits: Vec<HitLine<'a>>,
    artifacts: Vec<ArtifactLine<'a>>,
    links: Vec<LinkLine<'a>>,
    defects: Vec<&'a str>,
    failures: Vec<String>,
    ms: u64,
}

#[derive(Debug, Serialize)]
struct HitLine<'a> {
    rule: &'a str,
    score: i64,
    category: &'a str,
    artifact: &'a str,
    stage: &'a str,
}

#[derive(Debug, Serialize)]
struct ArtifactLine<'a> {
    path: &'a str,
    name: Option<&'a str>,
    #[serde(rename = "type")]
    file_type: &'a str,
    size: u64,
    sha256: &'a str,
    coverage: Coverage,
}

#[derive(Debug, Serialize)]
struct LinkLine<'a> {
    url: &'a str,
    host: &'a str,
    listed: [(); 0],
    flags: &'a [String],
}

#[derive(Debug, Serialize)]
struct ProblemLine<'a> {
    file: &'a str,
    error: String,
}

impl<'t> Report<'t> {
    pub(super) fn new(terminal: &'t mut Terminal) -> Report<'t> {
        Report {
            terminal,
            rows: Vec::new(),
            withheld: false,
            problems: false,
        }
    }

    pub(super) fn mail(&mut self, path: &Path, scanned: &Scanned) -> Result<()> {
        self.withheld |= is_withheld(&scanned.verdict);
        self.problems |= is_failed(&scanned.verdict);
        if self.terminal.wants_json() {
            return Ok(self.terminal.json(&mail_line(path, scanned))?);
        }
        let Scanned { examined, verdict } = scanned;
        self.rows.push(term::ScanRow {
            file: shown(path),
            action: verdict.action.to_string(),
            score: Some(verdict.score),
            category: verdict.category.map(|c| c.to_string()).unwrap_or_default(),
            rules: heaviest_rules(&examined.hits),
            ms: Some(millis(scanned)),
        });
        Ok(())
    }

    pub(super) fn problem(&mut self, path: &Path, error: &anyhow::Error) -> Result<()> {
        self.problems = true;
        let (file, error) = (shown(path), format!("{error:#}"));
        if self.terminal.wants_json() {
            return Ok(self.terminal.json(&ProblemLine { file: &file, error })?);
        }
        let line = format!("postern: {}: {}", term::safe(&file), term::safe(&error));
        writeln!(io::stderr(), "{line}")?;
        Ok(())
    }

    pub(super) fn finish(self) -> Result<Exit> {
        if !self.terminal.wants_json() && !self.rows.is_empty() {
            self.terminal.table(&term::scan_table(&self.rows), 0)?;
        }
        Ok(match (self.problems, self.withheld) {
            (true, _) => Exit::Failed,
            (false, true) => Exit::Found,
            (false, false) => Exit::Done,
        })
    }
}

fn mail_line<'a>(path: &Path, scanned: &'a Scanned) -> MailLine<'a> {
    let Scanned { examined, verdict } = scanned;
    let inspection = &examined.inspection;
    MailLine {
        file: shown(path),
        action: verdict.action.as_str(),
        score: verdict.score,
        category: verdict.category.map(policy::Category::as_str),
        hits: examined
            .hits
            .iter()
            .map(|hit| HitLine {
                rule: &hit.rule,
                score: hit.score,
                category: hit.category.as_str(),
                artifact: &hit.artifact,
                stage: hit.stage.as_str(),
            })
            .collect(),
        artifacts: inspection
            .artifacts
            .iter()
            .map(|artifact| ArtifactLine {
                path: &artifact.path,
                name: artifact.name.as_deref(),
                file_type: artifact.file_type.name(),
                size: artifact.size,
                sha256: &artifact.sha256,
                coverage: filter::coverage(artifact.coverage),
            })
            .collect(),
        links: inspection
            .links
            .iter()
            .map(|link| LinkLine {
                url: &link.url,
                host: &link.host,
                listed: [],
                flags: &link.flags,
            })
            .collect(),
        defects: inspection
            .defects
            .iter()
            .map(|defect| defect.code.as_str())
            .collect(),
        failures: examined
            .failures
            .iter()
            .map(|failure| format!("{}: {}", failure.check.as_str(), failure.cause))
            .collect(),
        ms: millis(scanned),
    }
}

fn millis(scanned: &Scanned) -> u64 {
    u64::try_from(scanned.examined.spent.as_millis()).unwrap_or(u64::MAX)
}
