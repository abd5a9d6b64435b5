//! `postern status`.

use super::record::{field, heading, or_none, section};
use crate::term::{Column, Exit, Terminal, counted, human_size, or_dash, rfc3339};
use anyhow::Result;
use control::{Client, Status};

/// Says how the daemon is.
pub(crate) async fn run(client: &Client, terminal: &mut Terminal) -> Result<Exit> {
    let status = client.status().await?;
    let well = status.accepting && status.problems.is_empty();
    if terminal.wants_json() {
        terminal.json(&status)?;
    } else {
        show(&status, terminal)?;
    }
    Ok(if well { Exit::Done } else { Exit::Found })
}

fn show(status: &Status, terminal: &mut Terminal) -> Result<()> {
    let accepting = if status.accepting {
        "takes mail"
    } else {
        "takes NO mail"
    };
    terminal.heading(&format!("Postern {}: {accepting}", status.program))?;
    field(
        terminal,
        "process",
        &format!("{}, since {}", status.pid, rfc3339(status.started)),
    )?;
    let answered = status
        .answered
        .iter()
        .map(|(action, count)| format!("{count} {action}"));
    let answered: Vec<String> = answered.collect();
    field(
        terminal,
        "answered",
        &or_dash(Some(answered.join(", ")).filter(|a| !a.is_empty())),
    )?;
    field(
        terminal,
        "failures",
        &format!(
            "{}, {} avoided as poison",
            status.failures,
            counted(status.poison, "mail", "mails")
        ),
    )?;
    store(status, terminal)?;
    rules(status, terminal)?;
    if !status.problems.is_empty() {
        heading(terminal, "Problems")?;
        for problem in &status.problems {
            // The compiler's words about a rule have lines.
            let lines: Vec<String> = problem.lines().map(|line| format!("  {line}")).collect();
            terminal.lines(&lines.join("\n"))?;
        }
    }
    tables(status, terminal)
}

fn store(status: &Status, terminal: &mut Terminal) -> Result<()> {
    let (store, disk) = (&status.store, &status.disk);
    field(terminal, "held", &store.held.to_string())?;
    let behind = store.journal_seq.saturating_sub(store.applied_seq);
    field(
        terminal,
        "journal",
        &format!("event {}, index {behind} behind", store.journal_seq),
    )?;
    let (free, min) = (human_size(disk.free), human_size(disk.min_free));
    field(
        terminal,
        "disk",
        &format!("{free} free in {}, at least {min} needed", disk.dir),
    )?;
    for sentence in &store.recovery {
        field(terminal, "recovery", sentence)?;
    }
    Ok(())
}

fn rules(status: &Status, terminal: &mut Terminal) -> Result<()> {
    let rules = &status.rules;
    let since = rfc3339(rules.loaded);
    field(
        terminal,
        "rules",
        &format!(
            "{} live, {} shadow, from {}, since {since}",
            rules.live, rules.shadow, rules.dir
        ),
    )?;
    field(terminal, "", &rules.digest)?;
    field(terminal, "policy", &status.policy.digest)?;
    field(terminal, "tenants", &or_none(&status.policy.tenants))?;
    Ok(())
}

fn tables(status: &Status, terminal: &mut Terminal) -> Result<()> {
    let columns = [Column::word("DOOR", 10), Column::text("ADDRESS", 60)];
    let doors = status.doors.iter();
    let doors = doors.map(|door| [door.door.clone(), door.address.clone()]);
    section(terminal, "Doors", &columns, doors)?;
    let columns = [
        Column::number("PID"),
        Column::word("STATE", 20),
        Column::number("MAILS"),
        Column::number("MEMORY"),
        Column::text("RULES", 12),
    ];
    let workers = status.workers.iter().map(|worker| {
        let memory = Some(worker.memory)
            .filter(|memory| *memory > 0)
            .map(human_size);
        [
            worker.pid.to_string(),
            worker.state.clone(),
            worker.mails.to_string(),
            or_dash(memory),
            worker.rules.clone(),
        ]
    });
    section(terminal, "Workers", &columns, workers)?;
    let columns = [
        Column::text("CONFINEMENT", 40),
        Column::word("HOLDS", 5),
        Column::text("DETAIL", 80),
    ];
    let protections = status.confinement.iter().map(|protection| {
        let holds = if protection.holds { "yes" } else { "NO" };
        [
            protection.name.clone(),
            holds.to_owned(),
            protection.detail.clone(),
        ]
    });
    section(terminal, "Workers cannot do harm", &columns, protections)
}
