//! `postern verdict`.

use super::args::VerdictCommand;
use super::quarantine::{first_of, sender};
use super::reasons::sentences;
use super::{ListArgs, list, record};
use crate::term::{Column, Exit, Table, Terminal, or_dash, rfc3339, rule_names};
use anyhow::{Context, Result};
use control::{Client, Explanation, NextHop, Replay, VerdictDetail, VerdictSummary};
use policy::Verdict;
use store::VerdictRecord;

/// Runs one of them.
pub(crate) async fn run(
    command: &VerdictCommand,
    client: &Client,
    terminal: &mut Terminal,
) -> Result<Exit> {
    match command {
        VerdictCommand::List { list, state } => {
            verdicts(list, state.as_deref(), client, terminal).await
        }
        VerdictCommand::Show { id } => show(&client.verdict(id).await?, terminal),
        VerdictCommand::Explain { id } => explain(&client.explain(id).await?, terminal),
    }
}

async fn verdicts(
    args: &ListArgs,
    state: Option<&str>,
    client: &Client,
    terminal: &mut Terminal,
) -> Result<Exit> {
    let pages = client.verdicts(args.filters.filter(state), args.limit);
    list::run(pages, args, table, "no mail matches", terminal).await
}

fn table(verdicts: &[VerdictSummary]) -> Table {
    let mut table = Table::new(&[
        Column::word("ID", 32),
        Column::time("RECEIVED").leaves(6),
        Column::word("ACTION", 10),
        Column::number("SCORE").leaves(3),
        Column::word("CATEGORY", 10).leaves(1),
        Column::word("HELD BY", 7).leaves_if_same(2),
        Column::word("QUEUE ID", 16).leaves(2),
        Column::text("SENDER", 28).early(),
        Column::text("RCPT", 28).leaves(5),
        Column::text("SUBJECT", 40).early(),
        Column::text("RULES", 60).leaves(4),
    ]);
    for verdict in verdicts {
        table.row([
            verdict.id.clone(),
            rfc3339(verdict.received),
            verdict.action.clone(),
            verdict.score.to_string(),
            or_dash(verdict.category.as_ref()),
            held_by(verdict).to_owned(),
            or_dash(verdict.queue_id.as_ref()),
            sender(&verdict.mail_from),
            first_of(&verdict.rcpts),
            verdict.subject.clone(),
            rule_names(&verdict.rules),
        ]);
    }
    table
}

/// Where to look for it: in our quarantine, or in the MTA's queue under its queue id.
fn held_by(verdict: &VerdictSummary) -> &'static str {
    match (verdict.held_by_mta, verdict.entries.is_empty()) {
        (true, _) => "MTA",
        (false, false) => "postern",
        (false, true) => "-",
    }
}

fn show(detail: &VerdictDetail, terminal: &mut Terminal) -> Result<Exit> {
    if terminal.wants_json() {
        terminal.json(detail)?;
        return Ok(Exit::Done);
    }
    let judged = record::parse(&detail.record)?;
    terminal.heading(&format!("Mail {}", judged.id))?;
    record::envelope(terminal, &judged)?;
    answers(detail.reply.as_deref(), detail.next_hop.as_ref(), terminal)?;
    record::held_by_mta(terminal, &judged)?;
    basis(&judged, terminal)?;
    for group in &judged.groups {
        record::verdict(terminal, group)?;
    }
    record::findings(terminal, &judged)?;
    record::history(terminal, &detail.history)?;
    Ok(Exit::Done)
}

/// What the MTA or client was told, and what the next hop had said before.
fn answers(reply: Option<&str>, hop: Option<&NextHop>, terminal: &mut Terminal) -> Result<()> {
    record::field(terminal, "answered", reply.unwrap_or("not known"))?;
    let Some(hop) = hop else {
        return Ok(());
    };
    record::field(terminal, "next hop", &hop.address)?;
    let said = hop.reply.as_deref();
    record::field(
        terminal,
        "",
        said.unwrap_or("no answer: it may have the mail"),
    )?;
    if let Some(queue_id) = &hop.queue_id {
        record::field(terminal, "", &format!("queue id {queue_id}"))?;
    }
    Ok(())
}

/// Under which rules and policy, and how long it took.
fn basis(judged: &VerdictRecord, terminal: &mut Terminal) -> Result<()> {
    let rules = if judged.rules.is_empty() {
        "no rule was asked"
    } else {
        &judged.rules
    };
    record::field(terminal, "rules", rules)?;
    record::field(terminal, "policy", &judged.policy)?;
    record::field(terminal, "took", &format!("{} ms", judged.ms))?;
    Ok(())
}

fn explain(explanation: &Explanation, terminal: &mut Terminal) -> Result<Exit> {
    let exit = if explanation.equal {
        Exit::Done
    } else {
        Exit::Found
    };
    if terminal.wants_json() {
        terminal.json(explanation)?;
        return Ok(exit);
    }
    let judged = record::parse(&explanation.record)?;
    let (id, received) = (&judged.id, rfc3339(judged.received));
    terminal.heading(&format!("Mail {id} of {received}"))?;
    record::field(terminal, "mail from", &record::path(&judged.mail_from))?;
    record::field(terminal, "subject", &judged.subject)?;
    answers(
        explanation.reply.as_deref(),
        explanation.next_hop.as_ref(),
        terminal,
    )?;
    record::held_by_mta(terminal, &judged)?;
    basis(&judged, terminal)?;
    for group in &judged.groups {
        record::verdict(terminal, group)?;
    }
    for replay in explanation.replays.iter().filter(|replay| !replay.equal) {
        other_verdict(replay, terminal)?;
    }
    terminal.line("")?;
    if let Some(note) = &explanation.note {
        terminal.line(note)?;
    }
    terminal.line(outcome(explanation))?;
    Ok(exit)
}

fn outcome(explanation: &Explanation) -> &'static str {
    match (explanation.replays.is_empty(), explanation.equal) {
        (true, _) => "It could not be decided once more.",
        (false, true) => {
            "Decided once more from the recorded evidence, under the policy of its day: \
             the same verdict."
        }
        (false, false) => {
            "Decided once more from the recorded evidence, under the policy of its day: \
             another verdict. Either the record was changed, or the program \
             decides differently now."
        }
    }
}

fn other_verdict(replay: &Replay, terminal: &mut Terminal) -> Result<()> {
    let verdict: Verdict = serde_json::from_value(replay.verdict.clone())
        .context("the verdict that was made once more cannot be understood")?;
    let (action, score) = (verdict.action, verdict.score);
    record::heading(
        terminal,
        &format!(
            "Once more, for tenant {}: {action}, score {score}",
            replay.tenant
        ),
    )?;
    for (number, reason) in sentences(&verdict).iter().enumerate() {
        terminal.line(&format!("  {:>2}. {reason}", number + 1))?;
    }
    Ok(())
}
