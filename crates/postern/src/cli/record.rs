//! A verdict record as text: what `quarantine show` and `verdict show` have in common.

use super::reasons::sentences;
use crate::term::{Column, Table, Terminal, human_size, rfc3339};
use anyhow::{Context, Result};
use control::{HeaderField, HistoryItem};
use policy::Hit;
use serde_json::Value;
use std::io;
use store::{GroupRecord, VerdictRecord};

/// Rows of one section that are shown; `--json` has all.
const MAX_ROWS: usize = 200;
/// Matched strings that are shown of one hit.
const MAX_MATCHES: usize = 10;

/// Reads a record that the daemon has passed on.
pub(super) fn parse(value: &Value) -> Result<VerdictRecord> {
    serde_json::from_value(value.clone()).context("the verdict record cannot be understood")
}

/// One line `name  value`, with the values below each other.
pub(super) fn field(terminal: &mut Terminal, name: &str, value: &str) -> io::Result<()> {
    terminal.line(&format!("  {name:<12} {value}"))
}

/// A list in a line, or the word for none.
pub(super) fn or_none(items: &[impl AsRef<str>]) -> String {
    let items: Vec<&str> = items.iter().map(AsRef::as_ref).collect();
    if items.is_empty() {
        "none".to_owned()
    } else {
        items.join(", ")
    }
}

/// A heading, with room above it.
pub(super) fn heading(terminal: &mut Terminal, text: &str) -> io::Result<()> {
    terminal.line("")?;
    terminal.heading(text)
}

/// Who sent what to whom.
pub(super) fn envelope(terminal: &mut Terminal, record: &VerdictRecord) -> Result<()> {
    field(terminal, "received", &rfc3339(record.received))?;
    field(terminal, "client", &client(record))?;
    if let Some(queue_id) = &record.queue_id {
        field(terminal, "queue id", queue_id)?;
    }
    field(terminal, "mail from", &path(&record.mail_from))?;
    for rcpt in &record.rcpts {
        field(terminal, "rcpt to", &path(rcpt))?;
    }
    field(terminal, "from", &record.from.join(", "))?;
    field(terminal, "subject", &record.subject)?;
    if let Some(id) = &record.message_id {
        field(terminal, "message-id", &path(id))?;
    }
    field(terminal, "size", &human_size(record.size))?;
    field(terminal, "sha256", &record.sha256)?;
    Ok(())
}

/// Where a mail is that the MTA holds, and how it comes out of there.
pub(super) fn held_by_mta(terminal: &mut Terminal, record: &VerdictRecord) -> Result<()> {
    if !record.held_by_mta {
        return Ok(());
    }
    let place = "the mail server, in its hold queue";
    let text = match &record.queue_id {
        Some(id) => format!("{place} as {id}; postsuper -H {id} releases it"),
        None => format!("{place}; its log names our id, {}", record.id),
    };
    field(terminal, "held by", &text)?;
    Ok(())
}

/// What was decided for one group of recipients, and why.
pub(super) fn verdict(terminal: &mut Terminal, group: &GroupRecord) -> Result<()> {
    let verdict = &group.verdict;
    let category = verdict.category.map_or(String::new(), |c| format!(", {c}"));
    let title = format!(
        "Verdict: {}, score {}{category}",
        verdict.action, verdict.score
    );
    heading(terminal, &title)?;
    field(terminal, "tenant", &verdict.tenant)?;
    field(terminal, "for", &group.rcpts.join(", "))?;
    if let Some(entry) = &group.entry {
        field(terminal, "entry", &entry.to_string())?;
    }
    for (number, reason) in sentences(verdict).iter().enumerate() {
        terminal.line(&format!("  {:>2}. {reason}", number + 1))?;
    }
    Ok(())
}

/// What the verdicts rest on: hits, contents, links, defects, failures.
pub(super) fn findings(terminal: &mut Terminal, record: &VerdictRecord) -> Result<()> {
    hits(terminal, &record.evidence.hits)?;
    artifacts(terminal, record)?;
    links(terminal, record)?;
    let defects = record.defects.iter();
    let defects = defects.map(|d| [d.code.clone(), part(&d.path), d.detail.clone()]);
    let columns = [
        Column::text("DEFECT", 40),
        Column::text("PART", 20),
        Column::text("DETAIL", 80),
    ];
    section(terminal, "Defects", &columns, defects)?;
    let failures = record.evidence.failures.iter();
    let failures = failures.map(|f| [f.check.as_str().to_owned(), f.cause.clone()]);
    let columns = [Column::word("CHECK", 20), Column::text("CAUSE", 200)];
    section(terminal, "Failed checks", &columns, failures)
}

/// What happened to it.
pub(super) fn history(terminal: &mut Terminal, items: &[HistoryItem]) -> Result<()> {
    let columns = [
        Column::time("TIME"),
        Column::word("EVENT", 20),
        Column::text("BY", 20),
        Column::text("WHY", 60),
        Column::text("DETAIL", 200),
    ];
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let rows = items.iter().map(|item| {
        [
            rfc3339(item.at),
            item.event.clone(),
            text(&item.by),
            text(&item.why),
            text(&item.detail),
        ]
    });
    section(terminal, "History", &columns, rows)
}

/// The header fields.
pub(super) fn headers(terminal: &mut Terminal, fields: &[HeaderField], cut: bool) -> Result<()> {
    if fields.is_empty() {
        return Ok(());
    }
    heading(terminal, "Header")?;
    for HeaderField { name, value } in fields {
        terminal.line(&format!("  {name}: {value}"))?;
    }
    if cut {
        terminal.line("  … more fields; show --raw has all")?;
    }
    Ok(())
}

fn hits(terminal: &mut Terminal, hits: &[Hit]) -> Result<()> {
    if hits.is_empty() {
        return Ok(());
    }
    heading(terminal, "Rules that hit")?;
    for hit in hits.iter().take(MAX_ROWS) {
        let Hit {
            rule,
            score,
            category,
            stage,
            artifact,
            ..
        } = hit;
        terminal.line(&format!(
            "  {rule}: {score} points, {category}, {stage}, in {artifact}"
        ))?;
        let attack = hit
            .attack
            .as_ref()
            .map_or(String::new(), |id| format!(" (ATT&CK {id})"));
        if !hit.description.is_empty() || !attack.is_empty() {
            terminal.line(&format!("      {}{attack}", hit.description))?;
        }
        for found in hit.matches.iter().take(MAX_MATCHES) {
            let (offset, length) = (found.offset, found.length);
            terminal.line(&format!(
                "      {} at {offset}, {length} bytes: {}",
                found.pattern, found.text
            ))?;
        }
        more(terminal, "      ", hit.matches.len(), MAX_MATCHES)?;
    }
    more(terminal, "  ", hits.len(), MAX_ROWS)?;
    Ok(())
}

fn artifacts(terminal: &mut Terminal, record: &VerdictRecord) -> Result<()> {
    let columns = [
        Column::word("PATH", 20),
        Column::text("TYPE", 20),
        Column::number("SIZE"),
        Column::word("COVERAGE", 12),
        Column::text("NAME", 40),
        Column::text("SHA256", 64).leaves(1),
        Column::text("DETAIL", 80),
    ];
    let rows = record.artifacts.iter().map(|artifact| {
        let declared = artifact
            .declared
            .as_ref()
            .filter(|d| **d != artifact.file_type);
        let declared = declared.map_or(String::new(), |d| format!("declared as {d}"));
        let detail = artifact.detail.clone().unwrap_or(declared);
        [
            artifact.path.clone(),
            artifact.file_type.clone(),
            human_size(artifact.size),
            artifact.coverage.to_string(),
            artifact.name.clone().unwrap_or_default(),
            artifact.sha256.clone(),
            detail,
        ]
    });
    section(terminal, "Artifacts", &columns, rows)
}

fn links(terminal: &mut Terminal, record: &VerdictRecord) -> Result<()> {
    let columns = [
        Column::text("HOST", 40),
        Column::text("URL", 120),
        Column::text("FLAGS", 80),
    ];
    let rows = record.links.iter();
    let rows = rows.map(|link| [link.host.clone(), link.url.clone(), link.flags.join(", ")]);
    section(terminal, "Links", &columns, rows)
}

/// A heading and a table below it; nothing if there are no rows.
pub(super) fn section<const N: usize>(
    terminal: &mut Terminal,
    title: &str,
    columns: &[Column; N],
    rows: impl ExactSizeIterator<Item = [String; N]>,
) -> Result<()> {
    let total = rows.len();
    if total == 0 {
        return Ok(());
    }
    heading(terminal, title)?;
    let mut table = Table::new(columns);
    rows.take(MAX_ROWS).for_each(|row| table.row(row));
    terminal.table(&table, 2)?;
    more(terminal, "  ", total, MAX_ROWS)?;
    Ok(())
}

fn more(terminal: &mut Terminal, indent: &str, total: usize, shown: usize) -> io::Result<()> {
    match total.saturating_sub(shown) {
        0 => Ok(()),
        hidden => terminal.line(&format!("{indent}… {hidden} more; --json has all")),
    }
}

fn client(record: &VerdictRecord) -> String {
    let client = &record.client;
    let mut text = client.name.clone().unwrap_or_else(|| "unknown".to_owned());
    if let Some(addr) = &client.addr {
        text.push_str(&format!(" [{addr}]"));
    }
    if let Some(helo) = &client.helo {
        text.push_str(&format!(", HELO {helo}"));
    }
    if let Some(user) = &client.user {
        text.push_str(&format!(", logged in as {user}"));
    }
    text
}

/// An address as it stands in an envelope.
pub(super) fn path(address: &str) -> String {
    format!("<{address}>")
}

fn part(path: &str) -> String {
    if path.is_empty() {
        "message".to_owned()
    } else {
        path.to_owned()
    }
}
