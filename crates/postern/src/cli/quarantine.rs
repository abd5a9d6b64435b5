//! `postern quarantine`.

use super::args::{QuarantineCommand, ShowArgs};
use super::batch::{self, Deed};
use super::{ListArgs, export, list, record};
use crate::term::{Column, Exit, Table, Terminal, or_dash, rfc3339, rule_names};
use anyhow::{Result, bail};
use control::{Client, EntryDetail, EntrySummary};

/// Runs one of them.
pub(crate) async fn run(
    command: &QuarantineCommand,
    client: &Client,
    terminal: &mut Terminal,
) -> Result<Exit> {
    match command {
        QuarantineCommand::List { list, state } => entries(list, state, client, terminal).await,
        QuarantineCommand::Show(args) if args.raw => raw(args, client, terminal).await,
        QuarantineCommand::Show(args) => show(args, client, terminal).await,
        QuarantineCommand::Release { batch, to, force } => {
            batch::run(Deed::Release { to, force: *force }, batch, client, terminal).await
        }
        QuarantineCommand::Delete(batch) => batch::run(Deed::Delete, batch, client, terminal).await,
        QuarantineCommand::Export(args) => export::run(args, client, terminal).await,
    }
}

async fn entries(
    args: &ListArgs,
    state: &str,
    client: &Client,
    terminal: &mut Terminal,
) -> Result<Exit> {
    let (state, nothing) = match state {
        "any" => (None, "no entry matches".to_owned()),
        "held" => (
            Some("held"),
            "no held mail matches; --state any has those that are released or deleted, too"
                .to_owned(),
        ),
        other => (Some(other), format!("no entry matches that is `{other}`")),
    };
    let pages = client.entries(args.filters.filter(state), args.limit);
    list::run(pages, args, table, &nothing, terminal).await
}

/// Entries as a table.
pub(super) fn table(entries: &[EntrySummary]) -> Table {
    let mut table = Table::new(&[
        Column::word("ID", 32),
        Column::time("RECEIVED").leaves(6),
        Column::word("STATE", 9).leaves_if_same(2),
        Column::number("SCORE").leaves(3),
        Column::word("CATEGORY", 10).leaves(1),
        Column::text("SENDER", 28).early(),
        Column::text("RCPT", 28).leaves(5),
        Column::text("SUBJECT", 40).early(),
        Column::text("RULES", 60).leaves(4),
    ]);
    for entry in entries {
        table.row([
            entry.id.clone(),
            rfc3339(entry.received),
            entry.state.clone(),
            entry.score.to_string(),
            or_dash(entry.category.as_ref()),
            sender(&entry.mail_from),
            first_of(&entry.rcpts),
            entry.subject.clone(),
            rule_names(&entry.rules),
        ]);
    }
    table
}

async fn show(args: &ShowArgs, client: &Client, terminal: &mut Terminal) -> Result<Exit> {
    for (number, entry) in client.entry(&args.id).await?.entries.iter().enumerate() {
        if terminal.wants_json() {
            terminal.json(entry)?;
        } else {
            if number > 0 {
                terminal.line("")?;
            }
            entry_text(entry, terminal)?;
        }
    }
    Ok(Exit::Done)
}

fn entry_text(entry: &EntryDetail, terminal: &mut Terminal) -> Result<()> {
    let EntrySummary { id, state, .. } = &entry.summary;
    let gone = if entry.stored {
        ""
    } else {
        "; the message is not stored any more"
    };
    terminal.heading(&format!("Entry {id}: {state}{gone}"))?;
    if entry.record.is_null() {
        what_is_left(entry, terminal)?;
        record::headers(terminal, &entry.headers, entry.headers_cut)?;
    } else {
        let judged = record::parse(&entry.record)?;
        record::envelope(terminal, &judged)?;
        let is_own = |e: &store::EntryId| e.to_string() == *id;
        for group in judged
            .groups
            .iter()
            .filter(|g| g.entry.as_ref().is_some_and(is_own))
        {
            record::verdict(terminal, group)?;
        }
        record::findings(terminal, &judged)?;
        record::headers(terminal, &entry.headers, entry.headers_cut)?;
    }
    record::history(terminal, &entry.history)
}

/// The verdict record is lost; the entry itself still says a little.
fn what_is_left(entry: &EntryDetail, terminal: &mut Terminal) -> Result<()> {
    record::field(terminal, "received", &rfc3339(entry.summary.received))?;
    record::field(
        terminal,
        "mail from",
        &record::path(&entry.summary.mail_from),
    )?;
    record::field(terminal, "rcpt to", &entry.summary.rcpts.join(", "))?;
    record::field(terminal, "sha256", &entry.sha256)?;
    terminal.line("  The verdict record is lost: why it is held is not known.")?;
    Ok(())
}

async fn raw(args: &ShowArgs, client: &Client, terminal: &mut Terminal) -> Result<Exit> {
    refuse_terminal(&args.id, args.force, terminal)?;
    client.raw(&args.id, terminal.bytes()).await?;
    Ok(Exit::Done)
}

/// A message is the sender's, and on a terminal it could do what he likes.
pub(super) fn refuse_terminal(id: &str, force: bool, terminal: &Terminal) -> Result<()> {
    if terminal.is_terminal() && !force {
        bail!(
            "{id}: a raw message may command a terminal: \
             send it to a file or a pager such as `less`"
        );
    }
    Ok(())
}

/// A reverse-path as it is written.
pub(super) fn sender(mail_from: &str) -> String {
    if mail_from.is_empty() {
        "<>".to_owned()
    } else {
        mail_from.to_owned()
    }
}

/// The first, and how many more there are.
pub(super) fn first_of(all: &[String]) -> String {
    match all {
        [] => "-".to_owned(),
        [only] => only.clone(),
        [first, rest @ ..] => format!("{first} +{}", rest.len()),
    }
}
