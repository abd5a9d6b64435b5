//! Text as a reader sees it: white space collapsed, invisible characters gone.

/// Collects text up to a bound.
pub(crate) struct TextBuffer {
    text: String,
    bound: usize,
    gap: Gap,
    pub(crate) truncated: bool,
    pub(crate) invisible: u32,
}

/// White space that is due before the next character.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Gap {
    None,
    Space,
    Line,
    Paragraph,
}

impl TextBuffer {
    pub(crate) fn new(bound: usize) -> Self {
        TextBuffer {
            text: String::new(),
            bound,
            gap: Gap::None,
            truncated: false,
            invisible: 0,
        }
    }

    /// Asks for white space before what comes next. The widest gap asked for is the one that is made.
    pub(crate) fn gap(&mut self, gap: Gap) {
        self.gap = self.gap.max(gap);
    }

    /// Adds text in which white space is only a gap, as HTML has it.
    pub(crate) fn flow(&mut self, text: &str) {
        for c in text.chars() {
            if c.is_whitespace() || c.is_control() {
                self.gap(Gap::Space);
            } else {
                self.char(c);
            }
            if self.truncated {
                return;
            }
        }
    }

    /// Adds text whose line ends count.
    pub(crate) fn lines(&mut self, text: &str) {
        for line in text.lines() {
            if line.trim().is_empty() {
                self.gap(Gap::Paragraph);
            } else {
                self.gap(Gap::Line);
                self.flow(line);
            }
            if self.truncated {
                return;
            }
        }
    }

    pub(crate) fn into_text(self) -> String {
        self.text
    }

    fn char(&mut self, c: char) {
        if is_invisible(c) {
            self.invisible = self.invisible.saturating_add(1);
            return;
        }
        let gap = match std::mem::replace(&mut self.gap, Gap::None) {
            _ if self.text.is_empty() => "",
            Gap::None => "",
            Gap::Space => " ",
            Gap::Line => "\n",
            Gap::Paragraph => "\n\n",
        };
        if self.text.len() + gap.len() + c.len_utf8() > self.bound {
            self.truncated = true;
            return;
        }
        self.text.push_str(gap);
        self.text.push(c);
    }
}

/// Characters without width that words are split with: zero-width spaces and joiners, soft hyphens, marks that
/// change the writing direction, variation selectors, fillers.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180e}'
            | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}' | '\u{ffa0}' | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_collapses_and_invisible_characters_go() {
        let mut buffer = TextBuffer::new(100);
        buffer.lines("pass\u{200b}word:  x \r\n\r\n\r\nse\u{ad}cond\tline\r\nthird");
        assert_eq!(
            (buffer.text.as_str(), buffer.invisible),
            ("password: x\n\nsecond line\nthird", 2)
        );
    }

    #[test]
    fn the_bound_holds_and_is_reported() {
        let mut buffer = TextBuffer::new(5);
        buffer.flow("ab cdé");
        assert_eq!((buffer.text.as_str(), buffer.truncated), ("ab cd", true));
    }
}
