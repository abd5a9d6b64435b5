//! `postern store rebuild`.

use crate::term::{Exit, Terminal, counted, progress};
use anyhow::{Result, bail};
use control::{Client, RebuildStatus};
use std::time::Duration;

/// How often the daemon is asked how far it is.
const POLL: Duration = Duration::from_millis(200);

/// Starts a rebuild, or joins the one that runs, and waits for its end.
pub(crate) async fn rebuild(client: &Client, terminal: &mut Terminal) -> Result<Exit> {
    let mut status = client.start_rebuild().await?;
    let bar = progress(status.total, "rebuild");
    while status.running {
        bar.at(status.applied, status.total);
        bar.say(&status.phase);
        tokio::time::sleep(POLL).await;
        status = client.rebuild_status().await?;
    }
    bar.finish_and_clear();
    show(&status, terminal)
}

/// Shows how a rebuild ended, whoever did it.
pub(crate) fn show(status: &RebuildStatus, terminal: &mut Terminal) -> Result<Exit> {
    if terminal.wants_json() {
        terminal.json(status)?;
        return Ok(if status.error.is_some() {
            Exit::Failed
        } else {
            Exit::Done
        });
    }
    for finding in &status.findings {
        terminal.paragraph(finding)?;
    }
    if let Some(error) = &status.error {
        bail!("the index was not rebuilt: {error}");
    }
    let RebuildStatus {
        applied,
        records,
        entries,
        ms,
        ..
    } = status;
    terminal.line(&format!(
        "index rebuilt from {} in {ms} ms: {}, {}",
        counted(*applied, "event", "events"),
        counted(*records, "verdict", "verdicts"),
        counted(*entries, "entry", "entries"),
    ))?;
    Ok(Exit::Done)
}
