//! What is wrong with a configuration, and how it is shown.

use super::walk::nearest;
use crate::term::{counted, safe};
use serde::Serialize;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Columns of a source line that are shown; longer ones are cut.
const LINE_WIDTH: usize = 160;

/// A mistake and where it stands, in bytes from the start of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) span: Range<usize>,
    pub(super) key: String,
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

/// All that is wrong with a configuration file; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConfigErrors {
    /// The file.
    pub file: PathBuf,
    /// The mistakes, from top to bottom.
    pub mistakes: Vec<Mistake>,
}

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Mistake {
    /// Line, from 1; 0 if the file could not be read at all.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The dotted key; empty if there is none.
    pub key: String,
    /// What is wrong.
    pub message: String,
    /// How to fix it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The line as it stands in the file, up to the mistake, and the mistake in it.
    #[serde(skip)]
    excerpt: Option<(String, String, String)>,
}

impl ConfigErrors {
    pub(super) fn unreadable(file: &Path, why: String) -> Self {
        let mistake = Mistake {
            line: 0,
            column: 0,
            key: String::new(),
            message: format!("cannot read the configuration: {why}"),
            hint: None,
            excerpt: None,
        };
        ConfigErrors {
            file: file.to_owned(),
            mistakes: vec![mistake],
        }
    }

    pub(super) fn new(file: &Path, text: &str, mut found: Vec<Found>) -> Self {
        found.sort_by_key(|f| (f.span.start, f.span.end));
        let ends = line_ends(text);
        let mistakes = found
            .into_iter()
            .map(|f| Mistake::new(text, &ends, f))
            .collect();
        ConfigErrors {
            file: file.to_owned(),
            mistakes,
        }
    }
}

impl Mistake {
    fn new(text: &str, ends: &[usize], found: Found) -> Self {
        let start = text.floor_char_boundary(found.span.start);
        let line = line_at(ends, start);
        let line_start = line
            .checked_sub(1)
            .and_then(|l| ends.get(l))
            .map_or(0, |end| end + 1);
        let line_end = ends.get(line).copied().unwrap_or(text.len());
        let head = text.get(line_start..start).unwrap_or_default();
        let rest = text
            .get(start..line_end)
            .unwrap_or_default()
            .trim_end_matches('\r');
        let length = found.span.end.saturating_sub(found.span.start);
        let (marked, tail) = rest.split_at(rest.floor_char_boundary(length.min(rest.len())));
        Mistake {
            line: line + 1,
            column: head.chars().count() + 1,
            key: found.key,
            message: found.message,
            hint: found.hint,
            excerpt: Some((head.to_owned(), marked.to_owned(), tail.to_owned())),
        }
    }
}

/// The keys that say where the daemon is, and the section of one of them.
const WHEREABOUTS: [&str; 3] = ["state_dir", "control", "socket"];

impl Mistake {
    /// Whether one who goes on in spite of it may look for the daemon in the wrong place.
    pub(super) fn leads_elsewhere(&self) -> bool {
        match self.key.split_once('.') {
            Some((section, _)) => section == "control",
            // A line that could not be read says by its text what it is about.
            None if self.key.is_empty() => {
                self.excerpt.as_ref().is_none_or(|(head, marked, tail)| {
                    let line = format!("{head}{marked}{tail}");
                    WHEREABOUTS.iter().any(|key| line.contains(key))
                })
            }
            // Mistyped, it would be an unknown key.
            None => nearest(&self.key, &WHEREABOUTS).is_some(),
        }
    }
}

impl ConfigErrors {
    /// The file and how many mistakes it has, for those who go on.
    pub(crate) fn in_short(&self) -> String {
        format!(
            "{}: {}; `postern config check` lists them",
            safe(&self.file.display().to_string()),
            counted(self.mistakes.len() as u64, "mistake", "mistakes")
        )
    }
}

/// Where each line ends.
pub(super) fn line_ends(text: &str) -> Vec<usize> {
    text.match_indices('\n').map(|(at, _)| at).collect()
}

/// The line, from 0, that a byte is in.
pub(super) fn line_at(ends: &[usize], at: usize) -> usize {
    ends.partition_point(|end| *end < at)
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = safe(&self.file.display().to_string());
        for (number, mistake) in self.mistakes.iter().enumerate() {
            if number > 0 {
                f.write_str("\n\n")?;
            }
            match &mistake.excerpt {
                None => write!(f, "{file}: {}", safe(&mistake.message))?,
                Some(excerpt) => {
                    let (line, column) = (mistake.line, mistake.column);
                    write!(f, "{file}:{line}:{column}: {}", safe(&mistake.message))?;
                    write_excerpt(f, line, excerpt)?;
                }
            }
            if let Some(hint) = &mistake.hint {
                write!(f, "\n  hint: {}", safe(hint))?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// The line with a caret under the mistake, both measured after escaping.
fn write_excerpt(
    f: &mut fmt::Formatter<'_>,
    line: usize,
    (head, marked, tail): &(String, String, String),
) -> fmt::Result {
    use unicode_width::UnicodeWidthStr;
    let number = line.to_string();
    let gutter = " ".repeat(number.len());
    let (head, marked, tail) = (safe(head), safe(marked), safe(tail));
    let shown = crate::term::safe_cut(&format!("{head}{marked}{tail}"), LINE_WIDTH);
    write!(f, "\n{gutter} |\n{number} | {shown}")?;
    let offset = head.width();
    if offset < LINE_WIDTH {
        let carets = marked.width().clamp(1, LINE_WIDTH - offset);
        write!(
            f,
            "\n{gutter} | {}{}",
            " ".repeat(offset),
            "^".repeat(carets)
        )?;
    }
    Ok(())
}
