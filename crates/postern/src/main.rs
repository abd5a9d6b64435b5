//! Postern stands in front of a mail server and keeps dangerous mail out.
//!
//! This crate wires the others together: configuration, daemon, command line. What happens to a mail is in
//! `filter`, what an operator can say is in [`cli`], what the daemon answers to it in [`serve`].

mod audit;
mod cli;
mod config;
mod doctor;
mod logging;
mod offline;
mod rulecheck;
mod ruletest;
mod scan;
mod serve;
mod term;

use anyhow::Result;
use clap::Parser;
use cli::{AuditCommand, Cli, Command, ConfigCommand, RulesCommand, StoreCommand};
use config::Config;
use control::Client;
use std::path::Path;
use std::process::ExitCode;
use term::{Exit, Terminal};

/// The version of the program.
const VERSION: &str = env!("CARGO_PKG_VERSION");

fn main() -> ExitCode {
    let cli = Cli::parse();
    // Before anything else exists: a worker has one thread and no runtime, and reads no configuration.
    if matches!(cli.command, Command::Worker) {
        return match filter::worker::run() {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        };
    }
    let mut terminal = Terminal::standard(cli.json);
    let result = run(&cli, &mut terminal);
    term::finish(result.and_then(|exit| Ok(terminal.flush().map(|()| exit)?)))
}

fn run(cli: &Cli, terminal: &mut Terminal) -> Result<Exit> {
    let named = cli.config.as_deref();
    match &cli.command {
        Command::Completions { shell } => return cli::docs::completions(*shell, terminal),
        Command::Man { dir } => return cli::docs::man(dir.as_deref(), terminal),
        Command::Config(command) => return configuration(command, named, terminal),
        _ => {}
    }
    let mut config = match &cli.command {
        command if command.is_of_client() => {
            let (config, errors) = Config::load_for_client(named)?;
            if let Some(errors) = errors {
                term::warn(&errors.in_short());
            }
            config
        }
        _ => Config::load(named)?,
    };
    if let Command::Rules(
        RulesCommand::Check { dir: Some(dir) } | RulesCommand::Test { dir: Some(dir) },
    ) = &cli.command
    {
        config.rules_dir.clone_from(dir);
    }
    if let Command::Rules(RulesCommand::Check { .. }) = &cli.command {
        return rulecheck::run(&config, terminal);
    }
    if let Command::Doctor(args) = &cli.command {
        return doctor::run(&config, args, terminal);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(run_async(cli, config, terminal))
}

fn configuration(
    command: &ConfigCommand,
    named: Option<&Path>,
    terminal: &mut Terminal,
) -> Result<Exit> {
    cli::config::run(command, named, terminal)
}

async fn run_async(cli: &Cli, config: Config, terminal: &mut Terminal) -> Result<Exit> {
    match &cli.command {
        Command::Serve => {
            logging::start(&config.log);
            serve::run(config, cli.config.clone()).await?;
            Ok(Exit::Done)
        }
        Command::Scan(args) => scan::run(&config, args, terminal).await,
        Command::Rules(RulesCommand::Test { .. }) => ruletest::run(&config, terminal).await,
        Command::Store(StoreCommand::Rebuild) => match client(&config).await {
            Ok(client) => cli::store::rebuild(&client, terminal).await,
            Err(error) if offline::nobody_serves(&error) => offline::rebuild(&config, terminal),
            Err(error) => Err(error.into()),
        },
        Command::Audit(AuditCommand::Verify) => offline::verify(&config, terminal),
        Command::Quarantine(command) => {
            cli::quarantine::run(command, &client(&config).await?, terminal).await
        }
        Command::Verdict(command) => {
            cli::verdict::run(command, &client(&config).await?, terminal).await
        }
        Command::Rules(RulesCommand::Reload) => {
            cli::rules::reload(&client(&config).await?, terminal).await
        }
        Command::Rules(RulesCommand::List) => {
            cli::rules::list(&client(&config).await?, terminal).await
        }
        Command::Status => cli::status::run(&client(&config).await?, terminal).await,
        // Each of these has been run before.
        Command::Rules(RulesCommand::Check { .. })
        | Command::Doctor(_)
        | Command::Worker
        | Command::Completions { .. }
        | Command::Man { .. }
        | Command::Config(_) => Ok(Exit::Done),
    }
}

async fn client(config: &Config) -> Result<Client, control::ClientError> {
    Client::connect(&config.control.socket).await
}
