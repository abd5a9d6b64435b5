//! Completions and manual pages, made from the grammar.

use super::Cli;
use crate::term::{Exit, Terminal};
use anyhow::{Context, Result};
use clap::CommandFactory;
use clap_complete::Shell;
use std::path::Path;

/// Prints completions.
pub(crate) fn completions(shell: Shell, terminal: &mut Terminal) -> Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "postern", &mut script);
    terminal.bytes().write_all(&script)?;
    Ok(Exit::Done)
}

/// Prints the manual page of the program, or writes the pages of all commands into a directory.
pub(crate) fn man(dir: Option<&Path>, terminal: &mut Terminal) -> Result<Exit> {
    let Some(dir) = dir else {
        let mut page = Vec::new();
        clap_mangen::Man::new(Cli::command()).render(&mut page)?;
        terminal.bytes().write_all(&page)?;
        return Ok(Exit::Done);
    };
    clap_mangen::generate_to(Cli::command(), dir).with_context(|| dir.display().to_string())?;
    Ok(Exit::Done)
}
