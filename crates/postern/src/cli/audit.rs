//! `postern audit verify`.

use crate::term::{Exit, Terminal, counted};
use anyhow::Result;
use control::AuditReport;

/// Shows what a check has found.
pub(crate) fn show(report: &AuditReport, terminal: &mut Terminal) -> Result<Exit> {
    let exit = if report.ok { Exit::Done } else { Exit::Found };
    if terminal.wants_json() {
        terminal.json(report)?;
        return Ok(exit);
    }
    for problem in &report.problems {
        terminal.paragraph(problem)?;
    }
    if !report.ok {
        terminal.line("the journal is not whole")?;
        return Ok(exit);
    }
    let AuditReport {
        segments,
        events,
        first_seq,
        last_seq,
        erased,
        ..
    } = report;
    terminal.line(&format!(
        "the journal is whole: {} ({first_seq} to {last_seq}) in {}, {erased} erased",
        counted(*events, "event", "events"),
        counted(*segments, "segment", "segments"),
    ))?;
    if let Some(files) = report.held_files {
        terminal.line(&format!(
            "{} the content that was journalled",
            counted(files, "held mail has", "held mails have")
        ))?;
    }
    Ok(exit)
}
