//! Commands against a made-up daemon.

mod answers;
mod batch;
mod configuration;
mod daemon;
mod grammar;
mod render;

use super::{Cli, Command, audit, config, quarantine, rules, status, store, verdict};
use crate::term::{Exit, Terminal};
use anyhow::Result;
use clap::Parser;
use daemon::Daemon;
use std::io::Write;
use std::sync::{Arc, Mutex};

/// What a command has written, and how it ended.
struct Outcome {
    text: String,
    result: Result<Exit>,
}

impl Outcome {
    fn exit(&self) -> Exit {
        *self.result.as_ref().expect("ends without an error")
    }

    fn error(&self) -> String {
        crate::term::explain(self.result.as_ref().expect_err("ends with an error"))
    }
}

/// Runs a command line against the daemon.
async fn run(daemon: &Daemon, line: &[&str]) -> Outcome {
    run_answered(daemon, line, None).await
}

async fn run_answered(daemon: &Daemon, line: &[&str], answer: Option<&'static str>) -> Outcome {
    let answered = |terminal: Terminal| match answer {
        Some(answer) => terminal.answered_by(answer),
        None => terminal,
    };
    run_on(daemon, line, answered).await
}

/// The same on a terminal of so many columns.
async fn run_on_width(daemon: &Daemon, line: &[&str], columns: usize) -> Outcome {
    run_on(daemon, line, |terminal| terminal.of_width(columns)).await
}

async fn run_on(
    daemon: &Daemon,
    line: &[&str],
    prepare: impl FnOnce(Terminal) -> Terminal,
) -> Outcome {
    let cli = Cli::try_parse_from(std::iter::once(&"postern").chain(line)).expect("parses");
    let out = Shared::default();
    let mut terminal = prepare(Terminal::writing_to(out.clone(), cli.json));
    let client = daemon.client().await;
    let result = match &cli.command {
        Command::Quarantine(command) => quarantine::run(command, &client, &mut terminal).await,
        Command::Verdict(command) => verdict::run(command, &client, &mut terminal).await,
        Command::Rules(super::RulesCommand::Reload) => rules::reload(&client, &mut terminal).await,
        Command::Rules(super::RulesCommand::List) => rules::list(&client, &mut terminal).await,
        Command::Store(_) => store::rebuild(&client, &mut terminal).await,
        Command::Audit(_) => {
            let report = client.verify_audit().await.expect("a report");
            audit::show(&report, &mut terminal)
        }
        Command::Status => status::run(&client, &mut terminal).await,
        Command::Config(command) => config::run(command, cli.config.as_deref(), &mut terminal),
        other => panic!("not a command of the client: {other:?}"),
    };
    Outcome {
        text: out.text(),
        result,
    }
}

/// A place to write to that can be looked at.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Shared {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("not poisoned").clone()).expect("UTF-8")
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0
            .lock()
            .expect("not poisoned")
            .extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
