//! `postern rules reload` and `postern rules list`.

use crate::term::{Column, Exit, Table, Terminal, counted, or_dash};
use anyhow::Result;
use control::{Client, ReloadResult};

/// Puts the rules on disk in force.
pub(crate) async fn reload(client: &Client, terminal: &mut Terminal) -> Result<Exit> {
    let result = client.reload_rules().await?;
    if terminal.wants_json() {
        terminal.json(&result)?;
        return Ok(Exit::Done);
    }
    for warning in &result.warnings {
        terminal.lines(warning)?;
    }
    let ReloadResult {
        before,
        digest,
        live,
        shadow,
        workers,
        ms,
        ..
    } = &result;
    let what = if before == digest {
        "the same rules are"
    } else {
        "new rules are"
    };
    terminal.line(&format!(
        "{what} in force: {live} live, {shadow} shadow, on {} after {ms} ms",
        counted(*workers, "worker", "workers"),
    ))?;
    terminal.line(&format!("digest {digest}"))?;
    Ok(Exit::Done)
}

/// Lists the rules in force.
pub(crate) async fn list(client: &Client, terminal: &mut Terminal) -> Result<Exit> {
    let list = client.rules().await?;
    if terminal.wants_json() {
        list.rules.iter().try_for_each(|rule| terminal.json(rule))?;
        return Ok(Exit::Done);
    }
    let mut table = Table::new(&[
        // Whole, since it is what `--rule` wants.
        Column::word("RULE", 60),
        Column::text("PLACE", 24).leaves(4),
        Column::number("SCORE"),
        Column::word("CATEGORY", 10).leaves(3),
        Column::word("STAGE", 6).leaves_if_same(1),
        Column::word("ACTION", 10).leaves(2),
        Column::text("DESCRIPTION", 100),
    ]);
    for rule in &list.rules {
        table.row([
            rule.rule.clone(),
            rule.place.clone(),
            rule.score.to_string(),
            rule.category.clone(),
            rule.stage.clone(),
            or_dash(rule.action.as_ref()),
            rule.description.clone(),
        ]);
    }
    if !table.is_empty() {
        terminal.table(&table, 0)?;
    }
    terminal.line(&format!(
        "{}, digest {}",
        counted(list.rules.len() as u64, "rule", "rules"),
        list.digest
    ))?;
    Ok(Exit::Done)
}
