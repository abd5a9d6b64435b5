//! Lists: as much as was asked for, in one table if it fits.

use super::ListArgs;
use crate::term::{Exit, Table, Terminal};
use anyhow::Result;
use control::{MAX_LIMIT, Pages};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Rows of one table: its widths need all of them, and a list may have millions.
const TABLE_ROWS: usize = MAX_LIMIT as usize;

/// Where the next list would start; the last line of a JSON list that goes on.
#[derive(Serialize)]
struct Next<'a> {
    next: &'a str,
}

/// Shows a list. Pages may be short, even empty, before the last: it goes on until there is as much
/// as was asked for, or no more.
pub(super) async fn run<T: DeserializeOwned + Serialize>(
    pages: Pages<'_, T>,
    args: &ListArgs,
    table: impl Fn(&[T]) -> Table,
    nothing: &str,
    terminal: &mut Terminal,
) -> Result<Exit> {
    let mut pages = pages.after(args.after.clone());
    let mut left = if args.all {
        usize::MAX
    } else {
        args.limit as usize
    };
    let (mut shown, mut next) = (0, None);
    let mut rows = Vec::new();
    while left > 0 {
        pages.limit(u32::try_from(left).unwrap_or(MAX_LIMIT));
        let Some(page) = pages.next().await? else {
            break;
        };
        left = left.saturating_sub(page.items.len());
        shown += page.items.len();
        next = page.next;
        if terminal.wants_json() {
            page.items.iter().try_for_each(|item| terminal.json(item))?;
            continue;
        }
        rows.extend(page.items);
        if rows.len() >= TABLE_ROWS {
            terminal.table(&table(&rows), 0)?;
            rows.clear();
        }
    }
    if !rows.is_empty() {
        terminal.table(&table(&rows), 0)?;
    }
    match next {
        Some(next) if terminal.wants_json() => terminal.json(&Next { next: &next })?,
        Some(next) => {
            terminal.line(&format!(
                "{shown} shown; more with --after {next}, or --all"
            ))?;
        }
        None if shown == 0 && !terminal.wants_json() => terminal.line(nothing)?,
        None => {}
    }
    Ok(Exit::Done)
}
