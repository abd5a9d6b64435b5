//! What is wrong with a rule file, shown with its line and a caret.

use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};

/// Columns of a rendered problem, as far as yara-x renders it.
pub(crate) const RENDER_WIDTH: usize = 120;

/// Longest source line that is shown in full, in characters; a longer one is cut around the caret.
const MAX_SHOWN_LINE: usize = 160;

/// Something wrong in the rules directory: an error if it is in a [`LoadError`], else a warning.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Problem {
    /// The file or directory, relative to the rules directory.
    pub file: String,
    /// Line, from 1; 0 if the file as a whole is meant.
    pub line: u32,
    /// Column in characters, from 1; 0 if the file as a whole is meant.
    pub column: u32,
    /// What is wrong, in one line.
    pub message: String,
    /// Everything: message, place, source line with a caret, and the way out. Several lines.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Problem {
    /// A problem of a file or directory as a whole.
    pub(crate) fn of_file(level: Level, file: &str, message: &str, help: &str) -> Self {
        let mut text = format!("{level}: {message}\n --> {file}");
        if !help.is_empty() {
            text.push_str(&format!("\n  = help: {help}"));
        }
        Self {
            file: file.to_owned(),
            line: 0,
            column: 0,
            message: message.to_owned(),
            text,
        }
    }

    /// A problem at a place in a source file; `label` stands beside the caret.
    pub(crate) fn at(
        source: &Lines<'_>,
        file: &str,
        span: Range<usize>,
        message: &str,
        label: &str,
        help: &str,
    ) -> Self {
        let (line, column) = source.position(span.start);
        let mut text = format!("{}: {message}\n", Level::Error);
        let gutter = " ".repeat(line.to_string().len());
        let (shown, caret) = source.excerpt(line, column, span.len());
        text.push_str(&format!("{gutter}--> {file}:{line}:{column}\n"));
        text.push_str(&format!(
            "{gutter} |\n{line} | {shown}\n{gutter} | {caret} {label}"
        ));
        if !help.is_empty() {
            text.push_str(&format!("\n{gutter} = help: {help}"));
        }
        Self {
            file: file.to_owned(),
            line,
            column,
            message: message.to_owned(),
            text,
        }
    }

    /// An error of the YARA-X compiler, which renders itself.
    pub(crate) fn from_yara(
        source: &str,
        file: &str,
        error: &yara_x::errors::CompileError,
    ) -> Self {
        let lines = Lines::new(source);
        let start = error
            .labels()
            .next()
            .map_or(0, |label| label.span().start());
        let (line, column) = lines.position(start);
        let message = format!("{}: {}", error.code(), error.title());
        Self {
            file: file.to_owned(),
            line,
            column,
            message,
            text: error.to_string(),
        }
    }
}

/// How bad a problem is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Level {
    Error,
    Warning,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Level::Error => "error",
            Level::Warning => "warning",
        })
    }
}

/// Everything that is wrong with a rules directory, all at once.
///
/// Whoever reloads rules acts on it: the old rules go on serving.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub struct LoadError {
    /// What is wrong, in the order of the files. Never empty.
    pub problems: Vec<Problem>,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.problems {
            write!(f, "{problem}\n\n")?;
        }
        let many = if self.problems.len() == 1 {
            "error"
        } else {
            "errors"
        };
        write!(f, "{} {many} in the rules", self.problems.len())
    }
}

/// A source text whose offsets can be turned into lines and columns.
pub(crate) struct Lines<'s> {
    source: &'s str,
    /// Offset of each line; public files have thousands of rules on tens of thousands of lines.
    starts: Vec<usize>,
}

impl<'s> Lines<'s> {
    pub(crate) fn new(source: &'s str) -> Self {
        let ends = source
            .bytes()
            .enumerate()
            .filter(|(_, byte)| *byte == b'\n');
        let starts = std::iter::once(0)
            .chain(ends.map(|(offset, _)| offset + 1))
            .collect();
        Self { source, starts }
    }

    /// Line and column (in characters) of a byte offset, both from 1.
    pub(crate) fn position(&self, offset: usize) -> (u32, u32) {
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = self
            .starts
            .get(line.saturating_sub(1))
            .copied()
            .unwrap_or(0);
        let end = offset.min(self.source.len());
        let before = self.source.get(start..end).unwrap_or("");
        let column = before.chars().count() + 1;
        (clamp(line), clamp(column))
    }

    /// The source line and the line of carets under it.
    fn excerpt(&self, line: u32, column: u32, length: usize) -> (String, String) {
        let start = self
            .starts
            .get(line.saturating_sub(1) as usize)
            .copied()
            .unwrap_or(0);
        let text = self
            .source
            .get(start..)
            .unwrap_or("")
            .split('\n')
            .next()
            .unwrap_or("");
        let column = column.saturating_sub(1) as usize;
        let skipped = column.saturating_sub(MAX_SHOWN_LINE / 2);
        let shown: String = text
            .chars()
            .skip(skipped)
            .take(MAX_SHOWN_LINE)
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        let shown = shown.trim_end().to_owned();
        let indent = column - skipped;
        let room = shown.chars().count().saturating_sub(indent).max(1);
        let carets = "^".repeat(length.clamp(1, room));
        (shown, format!("{}{carets}", " ".repeat(indent)))
    }
}

fn clamp(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_shows_its_line_and_a_caret_under_the_span() {
        let source = "rule a {\n\tmeta:\n\t\tscroe = 4\n}\n";
        let start = source.find("scroe").unwrap_or_default();
        let problem = Problem::at(
            &Lines::new(source),
            "mail/a.yar",
            start..start + 5,
            "unknown meta key `scroe`",
            "did you mean `score`?",
            "",
        );
        assert_eq!(
            problem.text,
            "error: unknown meta key `scroe`\n --> mail/a.yar:3:3\n  |\n3 |   scroe = 4\n  |   ^^^^^ did you mean `score`?"
        );
        assert_eq!((problem.line, problem.column), (3, 3));
    }

    #[test]
    fn a_very_long_line_is_cut_around_the_caret() {
        let source = format!("{}score{}", "x".repeat(10_000), "y".repeat(10_000));
        let problem = Problem::at(&Lines::new(&source), "f", 10_000..10_005, "m", "l", "");
        assert!(problem.text.len() < 500, "{}", problem.text);
        assert!(problem.text.contains("score"));
    }

    #[test]
    fn an_offset_outside_the_source_is_its_end() {
        assert_eq!(Lines::new("a\nb").position(99), (2, 2));
        assert_eq!(Lines::new("ä").position(1), (1, 1), "inside a character");
    }
}
