//! What works on the files alone, with or without a daemon.

use crate::audit;
use crate::cli;
use crate::config::Config;
use crate::term::{self, Exit, Terminal};
use anyhow::Result;
use control::{ClientError, RebuildStatus};
use std::time::Instant;

/// Whether an error means that there is no daemon, so that the files may be worked on.
pub(crate) fn nobody_serves(error: &ClientError) -> bool {
    matches!(
        error,
        ClientError::NoSocket { .. } | ClientError::NobodyListens { .. }
    )
}

/// Verifies the journal. It reads files only, so that it can be run beside the daemon, and by somebody
/// who does not trust it.
pub(crate) fn verify(config: &Config, terminal: &mut Terminal) -> Result<Exit> {
    let progress = term::progress(0, "journal bytes");
    let outcome = store::verify(&config.state_dir, true, |done, total| {
        progress.at(done, total)
    });
    progress.finish_and_clear();
    cli::audit::show(&audit::report(outcome), terminal)
}

/// Rebuilds the index of a daemon that does not run.
pub(crate) fn rebuild(config: &Config, terminal: &mut Terminal) -> Result<Exit> {
    let start = Instant::now();
    let progress = term::progress(0, "journal lines");
    let report = store::rebuild_offline(&config.state_dir, |done, total| progress.at(done, total));
    progress.finish_and_clear();
    let report = report?;
    let status = RebuildStatus {
        phase: "done".to_owned(),
        applied: report.lines,
        total: report.lines,
        records: report.verdicts,
        entries: report.entries,
        findings: report.damaged.iter().map(audit::damage).collect(),
        ms: u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX),
        ..RebuildStatus::default()
    };
    cli::store::show(&status, terminal)
}
