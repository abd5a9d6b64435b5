//! Long lines on a narrow terminal.

use unicode_width::UnicodeWidthChar;

/// Columns by which a line that goes on is indented.
const INDENT: usize = 2;
/// Columns of the narrowest terminal that is taken seriously.
const MIN_WIDTH: usize = 20;

/// `text`, which must be safe, in lines of at most `width` columns: broken at spaces, and inside of
/// words that are longer than a line. Nothing is lost.
pub(super) fn wrap(text: &str, width: usize) -> String {
    let mut lines = Lines {
        text: String::with_capacity(text.len()),
        used: 0,
        width: width.max(MIN_WIDTH),
    };
    for (number, word) in text.split(' ').enumerate() {
        let columns: usize = word.chars().map(columns).sum();
        if number > 0 {
            if lines.used + 1 + columns > lines.width {
                lines.next();
            } else {
                lines.push(' ');
            }
        }
        word.chars().for_each(|c| lines.push(c));
    }
    lines.text
}

struct Lines {
    text: String,
    /// Columns of the last line.
    used: usize,
    width: usize,
}

impl Lines {
    fn push(&mut self, c: char) {
        let columns = columns(c);
        if self.used + columns > self.width {
            self.next();
        }
        self.text.push(c);
        self.used += columns;
    }

    fn next(&mut self) {
        self.text.push('\n');
        self.text.extend(std::iter::repeat_n(' ', INDENT));
        self.used = INDENT;
    }
}

fn columns(c: char) -> usize {
    c.width().unwrap_or(0)
}
