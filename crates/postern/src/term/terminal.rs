//! Where output goes and answers come from.

use super::wrap::wrap;
use super::{Table, print_json_line, safe, safe_cut, safe_lines};
use serde::Serialize;
use std::fmt;
use std::io::{self, BufRead, BufWriter, IsTerminal, Write};
use std::process::ExitCode;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All is well.
    Done,
    /// The answer is bad news: a mail would be held, an entry was not released.
    Found,
    /// It could not be done.
    Failed,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(match exit {
            Exit::Done => 0,
            Exit::Found => 1,
            Exit::Failed => 2,
        })
    }
}

/// Standard input and output of a command, and how it is to use them.
pub(crate) struct Terminal {
    out: Box<dyn Write + Send>,
    questions: Box<dyn Write + Send>,
    input: Box<dyn BufRead + Send>,
    json: bool,
    bold: bool,
    out_is_terminal: bool,
    in_is_terminal: bool,
    /// Columns of a real terminal: longer lines of tables are cut, as `ps` does.
    width: Option<usize>,
}

impl Terminal {
    /// The real one. With `json`, commands write JSON lines instead of text.
    pub(crate) fn standard(json: bool) -> Self {
        let (out, input) = (io::stdout(), io::stdin());
        let out_is_terminal = out.is_terminal();
        // https://no-color.org: set and not empty means none, whatever its value.
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Terminal {
            json,
            bold: out_is_terminal && !json && !no_color,
            width: rustix::termios::tcgetwinsize(&out)
                .ok()
                .map(|size| size.ws_col.into()),
            out_is_terminal,
            in_is_terminal: input.is_terminal() && io::stderr().is_terminal(),
            out: Box::new(BufWriter::new(out)),
            questions: Box::new(io::stderr()),
            input: Box::new(io::BufReader::new(input)),
        }
    }

    /// One that writes to `out`, is no terminal, and has nobody to ask.
    #[cfg(test)]
    pub(crate) fn writing_to(out: impl Write + Send + 'static, json: bool) -> Self {
        Terminal {
            out: Box::new(out),
            questions: Box::new(io::sink()),
            input: Box::new(io::empty()),
            json,
            bold: false,
            out_is_terminal: false,
            in_is_terminal: false,
            width: None,
        }
    }

    /// The same with somebody who answers with `lines`, and an output that is a terminal.
    #[cfg(test)]
    #[must_use]
    pub(crate) fn answered_by(mut self, lines: &'static str) -> Self {
        self.input = Box::new(lines.as_bytes());
        self.in_is_terminal = true;
        self.out_is_terminal = true;
        self
    }

    /// The same on a terminal of so many columns.
    #[cfg(test)]
    #[must_use]
    pub(crate) fn of_width(mut self, columns: usize) -> Self {
        self.width = Some(columns);
        self
    }

    /// Whether commands are to write JSON lines.
    pub(crate) fn wants_json(&self) -> bool {
        self.json
    }

    /// Whether what is written is seen on a terminal.
    pub(crate) fn is_terminal(&self) -> bool {
        self.out_is_terminal
    }

    /// The place for bytes as they are.
    pub(crate) fn bytes(&mut self) -> &mut (dyn Write + Send) {
        &mut *self.out
    }

    /// Writes one line of JSON.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> io::Result<()> {
        print_json_line(&mut *self.out, value)
    }

    /// Writes one line, made safe.
    pub(crate) fn line(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "{}", safe(text))
    }

    /// Writes lines, made safe.
    pub(crate) fn lines(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "{}", safe_lines(text))
    }

    /// Writes a line, made safe, that goes on in further, indented ones where the terminal is too
    /// narrow: for what must be read to its end.
    pub(crate) fn paragraph(&mut self, text: &str) -> io::Result<()> {
        let text = safe(text);
        match self.width.filter(|width| *width > 0) {
            Some(width) => writeln!(self.out, "{}", wrap(&text, width)),
            None => writeln!(self.out, "{text}"),
        }
    }

    /// Writes a heading, made safe.
    pub(crate) fn heading(&mut self, text: &str) -> io::Result<()> {
        let text = safe(text);
        if self.bold {
            writeln!(self.out, "\x1b[1m{text}\x1b[0m")
        } else {
            writeln!(self.out, "{text}")
        }
    }

    /// Writes a table, indented by `indent` columns.
    pub(crate) fn table(&mut self, table: &Table, indent: usize) -> io::Result<()> {
        let width = self.width.filter(|width| *width > 0);
        let room = width.map(|width| width.saturating_sub(indent));
        for (number, line) in table.lines(room).iter().enumerate() {
            let mut text = format!("{:indent$}{line}", "");
            if let Some(width) = width {
                text = safe_cut(&text, width);
            }
            if number == 0 {
                self.heading(&text)?;
            } else {
                self.line(&text)?;
            }
        }
        Ok(())
    }

    /// Asks a question on standard error; yes only if the answer is `y` or `yes`. Nothing if there
    /// is nobody to ask.
    pub(crate) fn confirm(&mut self, question: &str) -> io::Result<Option<bool>> {
        if !self.in_is_terminal {
            return Ok(None);
        }
        self.out.flush()?;
        write!(self.questions, "{} [y/N] ", safe(question))?;
        self.questions.flush()?;
        let mut answer = String::new();
        // Nobody answers with more; a file would be no terminal.
        io::Read::take(&mut self.input, 64).read_line(&mut answer)?;
        Ok(Some(matches!(answer.trim(), "y" | "Y" | "yes")))
    }

    /// Writes out what is still buffered.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl fmt::Debug for Terminal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Terminal")
            .field("json", &self.json)
            .finish_non_exhaustive()
    }
}

/// Ends a command: what went wrong goes to standard error, with the hint of the daemon if it gave
/// one. A reader that has gone away (`postern verdict list | head`) is no error.
pub(crate) fn finish(result: anyhow::Result<Exit>) -> ExitCode {
    match result {
        Ok(exit) => exit.into(),
        Err(error) if is_broken_pipe(&error) => Exit::Done.into(),
        Err(error) => {
            // Nobody is left to be told if this fails.
            let _ = writeln!(io::stderr().lock(), "{}", explain(&error));
            Exit::Failed.into()
        }
    }
}

/// Says on standard error what a command goes on in spite of.
pub(crate) fn warn(text: &str) {
    // Nobody is left to be told if this fails.
    let _ = writeln!(io::stderr().lock(), "postern: {}", safe(text));
}

/// An error in full: the causes, and what the daemon adds.
pub(crate) fn explain(error: &anyhow::Error) -> String {
    let mut text = safe_lines(&format!("postern: {error:#}"));
    if let Some(control::ClientError::Refused { body, .. }) = error.downcast_ref() {
        for detail in &body.details {
            text.push('\n');
            text.push_str(&safe_lines(detail));
        }
        if let Some(hint) = &body.hint {
            text.push_str("\n  hint: ");
            text.push_str(&safe(hint));
        }
    }
    text
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let broken = |e: &io::Error| e.kind() == io::ErrorKind::BrokenPipe;
        let direct = cause.downcast_ref::<io::Error>().is_some_and(broken);
        let sink = |e: &control::ClientError| {
            matches!(e, control::ClientError::Sink(inner) if broken(inner))
        };
        direct || cause.downcast_ref::<control::ClientError>().is_some_and(sink)
    })
}
