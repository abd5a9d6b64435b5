//! What people see: text that is safe on a terminal, tables, times, progress.
//!
//! Subjects, names, addresses, URLs, what a peer said: nearly every text that Postern shows was
//! written by somebody who may want to deceive the reader or to command his terminal. All of it goes
//! through [`safe`] and its siblings, and all JSON through [`print_json_line`].

mod json;
mod progress;
mod safe;
mod scan;
mod table;
mod terminal;
mod time;
mod wrap;

pub(crate) use json::print_json_line;
pub(crate) use progress::{Progress, progress};
pub(crate) use safe::{safe, safe_cut, safe_lines};
pub(crate) use scan::{ScanRow, scan_table};
pub(crate) use scan::{or_dash, rule_names};
pub(crate) use table::{Column, Table};
#[cfg(test)]
pub(crate) use terminal::explain;
pub(crate) use terminal::{Exit, Terminal, finish, warn};
pub(crate) use time::{now_ms, parse_since, parse_until, rfc3339};

/// Writes a size for people: `512 B`, `1.4 MiB`.
pub(crate) fn human_size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut tenths = bytes.saturating_mul(10) / 1024;
    let mut units = UNITS.iter();
    let mut unit = units.next();
    while tenths >= 10_240 {
        let Some(larger) = units.next() else { break };
        unit = Some(larger);
        tenths /= 1024;
    }
    format!(
        "{}.{} {}",
        tenths / 10,
        tenths % 10,
        unit.copied().unwrap_or_default()
    )
}

/// A number with what is counted: `1 entry`, `2 entries`.
pub(crate) fn counted(number: u64, one: &str, more: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { more })
}

#[cfg(test)]
mod tests;
