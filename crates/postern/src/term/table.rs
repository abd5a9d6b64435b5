//! Tables.

use super::safe_cut;
use comfy_table::{CellAlignment, ContentArrangement, presets};
use unicode_width::UnicodeWidthStr;

/// Columns of the terminal that a column of text keeps even if there is too little room.
const MIN_WIDTH: usize = 8;
/// Columns of the terminal between two columns.
const GAP: usize = 2;
/// Characters that may share a column of the terminal: one and its combining marks (see
/// [`safe_cut`]).
const CHARACTERS_PER_COLUMN: usize = 4;

/// One column of a table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    title: &'static str,
    /// At most so wide.
    width: usize,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Is narrowed where there is too little room.
    Text,
    /// Is worth nothing if it is cut.
    Word,
    /// The same, aligned to the right.
    Number,
}

impl Column {
    /// A column of text of at most `width` columns, fewer on a narrow terminal.
    pub(crate) const fn text(title: &'static str, width: usize) -> Self {
        Column {
            title,
            width,
            kind: Kind::Text,
        }
    }

    /// A column of ids, times or words of at most `width` columns, on every terminal.
    pub(crate) const fn word(title: &'static str, width: usize) -> Self {
        Column {
            title,
            width,
            kind: Kind::Word,
        }
    }

    /// A column of numbers, aligned to the right.
    pub(crate) const fn number(title: &'static str) -> Self {
        Column {
            title,
            width: 24,
            kind: Kind::Number,
        }
    }
}

/// A table without lines: a title row, and one line for each row. Every cell is made safe here, so
/// that nothing can be forgotten.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table.
    pub(crate) fn new(columns: &[Column]) -> Self {
        Table {
            columns: columns.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Adds a row.
    pub(crate) fn row<S: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = S>) {
        // No more is kept than could be shown: a cell may be a subject of megabytes.
        let kept = |cell: &str, column: &Column| {
            cell.chars()
                .take(column.width * CHARACTERS_PER_COLUMN + 1)
                .collect()
        };
        let cells = cells.into_iter().zip(&self.columns);
        self.rows.push(
            cells
                .map(|(cell, column)| kept(cell.as_ref(), column))
                .collect(),
        );
    }

    /// Whether there is no row.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The lines: the titles, then the rows. With `room`, columns of text are narrowed to fit into
    /// so many columns of the terminal, as far as that is reasonable.
    pub(crate) fn lines(&self, room: Option<usize>) -> Vec<String> {
        let widths = self.widths(room);
        let mut table = comfy_table::Table::new();
        table
            .load_style(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Disabled)
            .set_header(self.columns.iter().map(|c| c.title));
        for row in &self.rows {
            table.add_row(
                row.iter()
                    .zip(&widths)
                    .map(|(cell, width)| safe_cut(cell, *width)),
            );
        }
        for (number, column) in self.columns.iter().enumerate() {
            let Some(laid) = table.column_mut(number) else {
                continue;
            };
            laid.set_padding((
                0,
                if number + 1 == self.columns.len() {
                    0
                } else {
                    GAP as u16
                },
            ));
            if column.kind == Kind::Number {
                laid.set_cell_alignment(CellAlignment::Right);
            }
        }
        table
            .lines()
            .map(|line| line.trim_end().to_owned())
            .collect()
    }

    /// How wide each column may be.
    fn widths(&self, room: Option<usize>) -> Vec<usize> {
        let wanted = |(number, column): (usize, &Column)| {
            let cells = self.rows.iter().filter_map(|row| row.get(number));
            let widest = cells.map(|cell| safe_cut(cell, column.width).width()).max();
            widest.unwrap_or(0).max(column.title.width())
        };
        let mut widths: Vec<usize> = self.columns.iter().enumerate().map(wanted).collect();
        let Some(room) = room else { return widths };
        let room = room.saturating_sub(GAP * widths.len().saturating_sub(1));
        while widths.iter().sum::<usize>() > room {
            let text = widths
                .iter_mut()
                .zip(&self.columns)
                .filter(|(_, c)| c.kind == Kind::Text);
            let widest = text.map(|(width, _)| width).max_by_key(|width| **width);
            match widest {
                Some(width) if *width > MIN_WIDTH => *width -= 1,
                _ => break,
            }
        }
        widths
    }
}
