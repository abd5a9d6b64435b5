//! The sanitiser.

use unicode_width::UnicodeWidthChar;

/// Marks a text that was cut.
const CUT: char = '…';

/// Combining marks that may follow each other. Vietnamese, Hebrew and Thai need up to three; more
/// are there to smear over the lines above and below.
const MAX_MARKS: usize = 3;

/// Columns of a single line of [`safe`] and [`safe_lines`]: no line of ours is that long.
const MAX_WIDTH: usize = 4_096;

/// Lines of [`safe_lines`].
const MAX_LINES: usize = 1_000;

/// `text` as one line of visible characters, at most `width` columns wide; `…` at the end says that
/// something was cut.
///
/// What is not visible becomes a visible escape: `\n`, `\t`, `\x1b`, `\u{202e}`. That is every
/// control (C0, DEL, C1), format character (BiDi, zero-width, tags), line and paragraph separator,
/// space that is not U+0020, private and unassigned code point, and every further invisible letter
/// or mark. Takes time linear in what is shown, not in what is given.
pub(crate) fn safe_cut(text: &str, width: usize) -> String {
    let mut shown = Shown {
        text: String::new(),
        columns: 0,
        width,
    };
    let mut marks = 0;
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        let columns = visible_columns(c);
        let combining = columns == Some(0);
        marks = if combining { marks + 1 } else { 0 };
        // A mark at the very start would sit on whatever stands before the text.
        let piece = match columns {
            Some(columns) if !combining || (marks <= MAX_MARKS && !shown.text.is_empty()) => {
                Piece::Itself(c, columns)
            }
            _ => Piece::Escaped(escape(c)),
        };
        let last = characters.peek().is_none();
        if !shown.push(&piece, last) {
            break;
        }
    }
    shown.text
}

/// `text` as one line of visible characters, however long it is (within reason).
pub(crate) fn safe(text: &str) -> String {
    safe_cut(text, MAX_WIDTH)
}

/// `text` with its line ends, each line made safe: for what is meant to have lines, such as the
/// messages of a compiler.
pub(crate) fn safe_lines(text: &str) -> String {
    let mut lines: Vec<String> = text.lines().take(MAX_LINES).map(safe).collect();
    if text.lines().nth(MAX_LINES).is_some() {
        lines.push(CUT.to_string());
    }
    lines.join("\n")
}

enum Piece {
    Itself(char, usize),
    Escaped(String),
}

/// What fits so far.
struct Shown {
    text: String,
    columns: usize,
    width: usize,
}

impl Shown {
    /// Adds a piece if it fits as a whole, leaving room for the mark unless it is the last.
    fn push(&mut self, piece: &Piece, last: bool) -> bool {
        let columns = match piece {
            Piece::Itself(_, columns) => *columns,
            Piece::Escaped(text) => text.len(),
        };
        let room = self.width.saturating_sub(self.columns);
        if columns + usize::from(!last) > room {
            if room > 0 {
                self.text.push(CUT);
            }
            self.columns = self.width;
            return false;
        }
        match piece {
            Piece::Itself(c, _) => self.text.push(*c),
            Piece::Escaped(text) => self.text.push_str(text),
        }
        self.columns += columns;
        true
    }
}

/// How many columns a visible character takes, 0 for a combining mark; nothing for what is not
/// visible.
fn visible_columns(c: char) -> Option<usize> {
    if matches!(c, ' '..='~') {
        return Some(1);
    }
    if c.is_ascii() || is_blank_letter(c) || !is_printable(c) {
        return None;
    }
    c.width()
}

/// Whether nobody sees this character, or not as what it is.
pub(super) fn is_invisible(c: char) -> bool {
    visible_columns(c).is_none()
}

/// Whether the standard library takes a character for printable: that leaves out controls, format
/// characters, separators, spaces beside U+0020, private, unassigned and surrogate code points.
fn is_printable(c: char) -> bool {
    // It has no function for that, but its escapes for debugging tell. A combining mark is escaped
    // as well if it comes first, so something stands before the character.
    let mut pair = ['a', c].iter().collect::<String>();
    pair = pair.escape_debug().collect();
    !pair.starts_with("a\\u{")
}

/// Letters, marks and symbols that nobody sees: Unicode's Default_Ignorable_Code_Point beyond the
/// format characters, and the blank Braille pattern.
fn is_blank_letter(c: char) -> bool {
    matches!(
        c,
        '\u{34f}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{2800}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fff8}'
            | '\u{1d159}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

fn escape(c: char) -> String {
    match c {
        '\n' => "\\n".to_owned(),
        '\r' => "\\r".to_owned(),
        '\t' => "\\t".to_owned(),
        c if c.is_ascii() => format!("\\x{:02x}", u32::from(c)),
        c => format!("\\u{{{:x}}}", u32::from(c)),
    }
}
