//! Whoever follows the documentation types commands that this program knows.

use crate::harness::{postern, workspace};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// Languages of fenced blocks whose lines are commands.
const SHELL: [&str; 5] = ["sh", "bash", "shell", "console", "shell-session"];

/// Endings of a command line that belong to the shell.
const SHELL_WORDS: [&str; 9] = ["|", "||", "&&", ";", ">", ">>", "<", "2>", "&"];

#[test]
fn with_every_flag_that_is_shown() -> Result<()> {
    let mut checked = 0;
    for document in documents()? {
        let text = fs::read_to_string(&document)?;
        for (line, command) in commands(&text) {
            let place = format!("{}:{line}", document.display());
            let words = words(&command).with_context(|| format!("{place}: {command}"))?;
            if let Some(mistake) = mistake(&words)? {
                panic!("{place}: {command}\n{mistake}");
            }
            checked += 1;
        }
    }
    let has_readme = workspace().join("README.md").exists();
    assert!(checked > 0 || !has_readme, "the README shows no command");
    Ok(())
}

#[test]
fn and_this_test_finds_mistakes() -> Result<()> {
    let text = "```sh\n$ postern quarantine lst\ncargo postern scan --no-such-flag x\n\
        postern status | jq .\n```\n```toml\npostern = 1\n```\n";
    let found = commands(text);
    assert_eq!(found.len(), 3, "{found:?}");
    let verdicts: Result<Vec<bool>> = found
        .iter()
        .map(|(_, command)| Ok(mistake(&words(command)?)?.is_some()))
        .collect();
    assert_eq!(verdicts?, [true, true, false]);
    Ok(())
}

fn documents() -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let markdown = |path: &Path| path.extension().is_some_and(|e| e == "md");
    for dir in [
        workspace(),
        workspace().join("docs"),
        workspace().join("rules"),
    ] {
        let Ok(children) = fs::read_dir(&dir) else {
            continue;
        };
        for child in children {
            found.extend(Some(child?.path()).filter(|path| markdown(path)));
        }
    }
    Ok(found)
}

/// The commands of this program in a document, with their lines.
fn commands(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut block: Option<bool> = None;
    let mut lines = text.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        let line = line.trim();
        if let Some(language) = line.strip_prefix("```") {
            let language = language.split([' ', ',', '{']).next().unwrap_or_default();
            block = if block.is_some() {
                None
            } else {
                Some(SHELL.contains(&language))
            };
            continue;
        }
        if block != Some(true) {
            continue;
        }
        let mut command = line.trim_start_matches(['$', '#', ' ']).to_owned();
        while let Some(rest) = command.strip_suffix('\\') {
            let next = lines
                .next()
                .map(|(_, next)| next.trim())
                .unwrap_or_default();
            command = format!("{rest}{next}");
        }
        let command = command.trim_start_matches("sudo ").to_owned();
        if ["postern ", "cargo postern "]
            .iter()
            .any(|start| command.starts_with(start))
        {
            found.push((index + 1, command));
        }
    }
    found
}

/// The arguments of a command line, up to what the shell takes for itself.
fn words(command: &str) -> Result<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in command.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    anyhow::ensure!(quote.is_none(), "a quote is not closed");
    words.extend(word);
    let own = words
        .iter()
        .take_while(|w| !SHELL_WORDS.contains(&w.as_str()) && *w != "#");
    let own = own.skip_while(|w| ["cargo", "postern"].contains(&w.as_str()));
    Ok(own.cloned().collect())
}

/// What is wrong with the arguments, in the words of the program. `--help` behind them makes the
/// program check commands and flags, and do nothing.
fn mistake(words: &[String]) -> Result<Option<String>> {
    let run = postern(words.iter().map(String::as_str).chain(["--help"]))?;
    Ok((run.status != Some(0)).then_some(run.stderr))
}
