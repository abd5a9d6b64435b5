//! The program's commands, as an operator runs them.

use anyhow::{Context, Result};
use serde_json::Value;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// What a command did.
#[derive(Debug)]
pub(crate) struct Run {
    /// Exit status; `None` if a signal ended it.
    pub(crate) status: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Run {
    /// Standard output as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard output with one JSON object on each line.
    pub(crate) fn json(&self) -> Result<Vec<Value>> {
        let text = std::str::from_utf8(&self.stdout)?;
        let lines = text
            .lines()
            .map(serde_json::from_str)
            .collect::<Result<_, _>>();
        lines.with_context(|| format!("not one JSON object on each line: {text}"))
    }

    /// The only JSON object on standard output.
    pub(crate) fn object(&self) -> Result<Value> {
        let mut lines = self.json()?.into_iter();
        let first = lines
            .next()
            .with_context(|| format!("no output; {}", self.stderr))?;
        anyhow::ensure!(
            lines.next().is_none(),
            "more than one line: {}",
            self.text()
        );
        Ok(first)
    }

    /// Asserts that it went well.
    #[track_caller]
    pub(crate) fn ok(self) -> Run {
        self.exits(0)
    }

    /// Asserts an exit status.
    #[track_caller]
    pub(crate) fn exits(self, status: i32) -> Run {
        let (out, err) = (self.text(), &self.stderr);
        assert_eq!(self.status, Some(status), "stdout:\n{out}\nstderr:\n{err}");
        self
    }
}

/// Runs the program from the root of the workspace, without any environment of its own.
pub(crate) fn postern<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Result<Run> {
    postern_reading(args, Stdio::null())
}

/// The same with something to read.
pub(crate) fn postern_reading<A: AsRef<OsStr>>(
    args: impl IntoIterator<Item = A>,
    input: Stdio,
) -> Result<Run> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
    command.args(args).current_dir(workspace()).stdin(input);
    let output = command.output().with_context(|| format!("{command:?}"))?;
    Ok(Run {
        status: output.status.code(),
        stdout: output.stdout,
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// The root of the workspace.
pub(crate) fn workspace() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}
