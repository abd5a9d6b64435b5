//! The table of `postern scan`.

use super::{Column, Table};

/// Rules that are named in a row; the rest is counted.
const RULES_SHOWN: usize = 3;

/// One judged mail.
#[derive(Debug, Clone, Default)]
pub(crate) struct ScanRow {
    /// The file as it was named.
    pub file: String,
    /// Its action, or `error`.
    pub action: String,
    /// Its score, if it has one.
    pub score: Option<i64>,
    /// Its category; empty if it has none.
    pub category: String,
    /// Live rules that hit, the heaviest first; for an error, what went wrong.
    pub rules: Vec<String>,
    /// How long it took, milliseconds, if it was judged.
    pub ms: Option<u64>,
}

/// One line for each mail.
pub(crate) fn scan_table(rows: &[ScanRow]) -> Table {
    let mut table = Table::new(&[
        Column::text("FILE", 60),
        Column::word("ACTION", 10),
        Column::number("SCORE"),
        Column::word("CATEGORY", 10),
        Column::number("MS"),
        Column::text("RULES", 80),
    ]);
    for row in rows {
        table.row([
            row.file.clone(),
            row.action.clone(),
            or_dash(row.score),
            or_dash(Some(&row.category).filter(|c| !c.is_empty())),
            or_dash(row.ms),
            rule_names(&row.rules),
        ]);
    }
    table
}

/// A value, or the sign for none.
pub(crate) fn or_dash(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

/// The first few names, and how many more there are.
pub(crate) fn rule_names(rules: &[String]) -> String {
    let shown: Vec<&str> = rules.iter().take(RULES_SHOWN).map(String::as_str).collect();
    match rules.len().saturating_sub(RULES_SHOWN) {
        0 => shown.join(", "),
        more => format!("{} +{more}", shown.join(", ")),
    }
}
