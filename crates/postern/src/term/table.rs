//! Tables.

use super::safe_cut;
use comfy_table::{CellAlignment, ContentArrangement, presets};
use std::fmt;

/// One column of a table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    title: &'static str,
    width: usize,
    right: bool,
}

impl Column {
    /// A column of text, cut at `width` columns of the terminal.
    pub(crate) const fn text(title: &'static str, width: usize) -> Self {
        Column {
            title,
            width,
            right: false,
        }
    }

    /// A column of numbers, aligned to the right.
    pub(crate) const fn number(title: &'static str) -> Self {
        Column {
            title,
            width: 24,
            right: true,
        }
    }
}

/// A table without lines: a title row, and one line for each row. Every cell is made safe here, so
/// that nothing can be forgotten.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<Column>,
    table: comfy_table::Table,
    rows: usize,
}

impl Table {
    /// An empty table.
    pub(crate) fn new(columns: &[Column]) -> Self {
        let mut table = comfy_table::Table::new();
        table
            .load_style(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(columns.iter().map(|c| c.title));
        for (number, column) in columns.iter().enumerate() {
            let right = if number + 1 == columns.len() { 0 } else { 2 };
            if let Some(laid) = table.column_mut(number) {
                laid.set_padding((0, right));
                if column.right {
                    laid.set_cell_alignment(CellAlignment::Right);
                }
            }
        }
        Table {
            columns: columns.to_vec(),
            table,
            rows: 0,
        }
    }

    /// Adds a row.
    pub(crate) fn row<S: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = S>) {
        let cells = cells.into_iter().zip(&self.columns);
        self.table
            .add_row(cells.map(|(cell, column)| safe_cut(cell.as_ref(), column.width)));
        self.rows += 1;
    }

    /// Whether there is no row.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The lines: the titles, then the rows.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.table
            .lines()
            .map(|line| line.trim_end().to_owned())
            .collect()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines()
            .iter()
            .try_for_each(|line| writeln!(f, "{line}"))
    }
}
