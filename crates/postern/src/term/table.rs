//! Tables.

use super::safe_cut;
use super::time::short;
use comfy_table::{CellAlignment, ContentArrangement, presets};
use std::borrow::Cow;
use unicode_width::UnicodeWidthStr;

/// Columns of the terminal that a column of text keeps even if there is too little room. With it an
/// id, a time and three texts fit into the 80 columns of a terminal that nobody has made wider.
const MIN_WIDTH: usize = 11;
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
    /// When it is left out, the lowest first; never if it is nothing.
    leaves: Option<u8>,
    /// Whether it is left out only if all its cells say the same.
    leaves_if_same: bool,
    /// Whether it follows the first column where there is too little room.
    early: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Is narrowed where there is too little room.
    Text,
    /// Is worth nothing if it is cut.
    Word,
    /// The same, without year and seconds where there is too little room.
    Time,
    /// A word that is aligned to the right.
    Number,
}

impl Column {
    /// A column of text of at most `width` columns, fewer on a narrow terminal.
    pub(crate) const fn text(title: &'static str, width: usize) -> Self {
        Column::of(title, width, Kind::Text)
    }

    /// A column of ids or words of at most `width` columns, on every terminal.
    pub(crate) const fn word(title: &'static str, width: usize) -> Self {
        Column::of(title, width, Kind::Word)
    }

    /// A column of times as [`rfc3339`](super::rfc3339) writes them.
    pub(crate) const fn time(title: &'static str) -> Self {
        Column::of(title, 20, Kind::Time)
    }

    /// A column of numbers, aligned to the right.
    pub(crate) const fn number(title: &'static str) -> Self {
        Column::of(title, 24, Kind::Number)
    }

    /// Is left out of a narrow terminal, those of a lower `order` before it.
    pub(crate) const fn leaves(mut self, order: u8) -> Self {
        self.leaves = Some(order);
        self
    }

    /// The same, but only if it says the same in all rows.
    pub(crate) const fn leaves_if_same(mut self, order: u8) -> Self {
        self.leaves_if_same = true;
        self.leaves(order)
    }

    /// Follows the first column on a narrow terminal, whose end may cut a line.
    pub(crate) const fn early(mut self) -> Self {
        self.early = true;
        self
    }

    const fn of(title: &'static str, width: usize, kind: Kind) -> Self {
        Column {
            title,
            width,
            kind,
            leaves: None,
            leaves_if_same: false,
            early: false,
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

    /// The lines: the titles, then the rows. With `room`, the table is made to fit into so many
    /// columns of the terminal, as far as that is reasonable: columns of text are narrowed; if that
    /// is not enough, times are shortened, columns are left out, and the telling ones come first.
    pub(crate) fn lines(&self, room: Option<usize>) -> Vec<String> {
        let layout = self.layout(room);
        let mut table = comfy_table::Table::new();
        table
            .load_style(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Disabled)
            .set_header(layout.columns.iter().map(|shown| shown.column.title));
        for row in &self.rows {
            let cells = layout.columns.iter();
            table.add_row(
                cells.map(|shown| safe_cut(&shown.cell(row, layout.short_times), shown.width)),
            );
        }
        for (number, shown) in layout.columns.iter().enumerate() {
            let Some(laid) = table.column_mut(number) else {
                continue;
            };
            let last = number + 1 == layout.columns.len();
            laid.set_padding((0, if last { 0 } else { GAP as u16 }));
            if shown.column.kind == Kind::Number {
                laid.set_cell_alignment(CellAlignment::Right);
            }
        }
        table
            .lines()
            .map(|line| line.trim_end().to_owned())
            .collect()
    }

    /// Which columns are shown, in which order, and how wide.
    fn layout(&self, room: Option<usize>) -> Layout {
        let full = self.all(false);
        let Some(room) = room else { return full };
        if full.least() <= room {
            return full.narrowed(room);
        }
        let mut short = self.all(true);
        // The first one, usually an id, stays where it is. Stable: the others keep their order.
        if let Some((_, others)) = short.columns.split_first_mut() {
            others.sort_by_key(|shown| !shown.column.early);
        }
        while short.least() > room {
            let leaving = short.columns.iter().enumerate().filter(|(_, shown)| {
                let column = &shown.column;
                column.leaves.is_some() && (!column.leaves_if_same || self.is_same(shown.number))
            });
            match leaving.min_by_key(|(_, shown)| shown.column.leaves) {
                Some((place, _)) => short.columns.remove(place),
                None => break,
            };
        }
        short.narrowed(room)
    }

    /// All columns, as wide as their cells.
    fn all(&self, short_times: bool) -> Layout {
        let shown = |(number, column): (usize, &Column)| {
            let mut shown = Shown {
                number,
                column: *column,
                width: 0,
            };
            let cells = self.rows.iter().map(|row| shown.cell(row, short_times));
            let widest = cells
                .map(|cell| safe_cut(&cell, column.width).width())
                .max();
            shown.width = widest.unwrap_or(0).max(column.title.width());
            shown
        };
        Layout {
            columns: self.columns.iter().enumerate().map(shown).collect(),
            short_times,
        }
    }

    /// Whether a column says the same in all rows.
    fn is_same(&self, number: usize) -> bool {
        let mut cells = self.rows.iter().map(|row| row.get(number));
        let first = cells.next();
        cells.all(|cell| Some(cell) == first)
    }
}

/// How a table is laid out.
struct Layout {
    columns: Vec<Shown>,
    short_times: bool,
}

/// A column that is shown.
struct Shown {
    /// Which of the table's.
    number: usize,
    column: Column,
    /// Its cells and its title are at most so wide.
    width: usize,
}

impl Shown {
    fn cell<'r>(&self, row: &'r [String], short_times: bool) -> Cow<'r, str> {
        let cell = row.get(self.number).map(String::as_str).unwrap_or_default();
        if short_times && self.column.kind == Kind::Time {
            Cow::Owned(short(cell))
        } else {
            Cow::Borrowed(cell)
        }
    }
}

impl Layout {
    /// The columns of the terminal that it takes if texts are as narrow as they may be.
    fn least(&self) -> usize {
        let least = |shown: &Shown| match shown.column.kind {
            Kind::Text => shown.width.min(MIN_WIDTH),
            Kind::Word | Kind::Time | Kind::Number => shown.width,
        };
        self.columns.iter().map(least).sum::<usize>() + self.gaps()
    }

    fn gaps(&self) -> usize {
        GAP * self.columns.len().saturating_sub(1)
    }

    /// With texts as narrow as `room` asks for: the widest give way first.
    fn narrowed(mut self, room: usize) -> Layout {
        let room = room.saturating_sub(self.gaps());
        while self.columns.iter().map(|shown| shown.width).sum::<usize>() > room {
            let text = self.columns.iter_mut();
            let text = text.filter(|shown| shown.column.kind == Kind::Text);
            match text.max_by_key(|shown| shown.width) {
                Some(shown) if shown.width > MIN_WIDTH => shown.width -= 1,
                _ => break,
            }
        }
        self
    }
}
