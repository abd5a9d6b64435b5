//! `postern config`.

use super::args::ConfigCommand;
use crate::config::{Config, ConfigErrors, DEFAULTS, Mistake, locate};
use crate::term::{Exit, Terminal, counted};
use anyhow::{Context, Result};
use serde::Serialize;
use std::path::Path;

/// Runs one of them; `named` is what `--config` says.
pub(crate) fn run(
    command: &ConfigCommand,
    named: Option<&Path>,
    terminal: &mut Terminal,
) -> Result<Exit> {
    match command {
        ConfigCommand::Check { postfix, doctor } => match check(named, terminal)? {
            None => Ok(Exit::Failed),
            Some(_) if !postfix => Ok(Exit::Done),
            Some(config) => {
                if !terminal.wants_json() {
                    terminal.line("")?;
                }
                crate::doctor::run(&config, doctor, terminal)
            }
        },
        ConfigCommand::Print { defaults: true } if terminal.wants_json() => {
            terminal.json(&Config::default())?;
            Ok(Exit::Done)
        }
        ConfigCommand::Print { defaults: true } => {
            terminal.bytes().write_all(DEFAULTS.as_bytes())?;
            Ok(Exit::Done)
        }
        ConfigCommand::Print { defaults: false } => print(named, terminal),
    }
}

/// The result of a check in JSON.
#[derive(Serialize)]
struct Checked<'a> {
    /// The file, or nothing if there is none and the defaults are used.
    file: Option<String>,
    ok: bool,
    mistakes: &'a [Mistake],
}

/// Says what is wrong; the configuration if nothing is.
fn check(named: Option<&Path>, terminal: &mut Terminal) -> Result<Option<Config>> {
    let file = locate(named).map(|file| file.display().to_string());
    match Config::load(named) {
        Ok(config) if terminal.wants_json() => {
            terminal.json(&Checked {
                file,
                ok: true,
                mistakes: &[],
            })?;
            Ok(Some(config))
        }
        Ok(config) => {
            let file = file.as_deref().unwrap_or("built-in defaults");
            terminal.line(&format!("{file}: ok"))?;
            summary(&config, terminal)?;
            Ok(Some(config))
        }
        Err(ConfigErrors { mistakes, .. }) if terminal.wants_json() => {
            terminal.json(&Checked {
                file,
                ok: false,
                mistakes: &mistakes,
            })?;
            Ok(None)
        }
        Err(errors) => {
            terminal.lines(&errors.to_string())?;
            terminal.line("")?;
            let count = errors.mistakes.len() as u64;
            terminal.line(&counted(count, "mistake", "mistakes"))?;
            Ok(None)
        }
    }
}

/// What one wants to see at a glance.
fn summary(config: &Config, terminal: &mut Terminal) -> Result<()> {
    let listen: Vec<String> = config
        .milter
        .listen
        .iter()
        .map(ToString::to_string)
        .collect();
    let relay = config.relay.as_ref().map(|relay| {
        let listen: Vec<String> = relay.listen.iter().map(ToString::to_string).collect();
        format!("{} to {}", listen.join(", "), relay.next_hop.address)
    });
    let tenants: Vec<&str> = config.tenants.iter().map(|t| t.name.as_str()).collect();
    let policy = &config.policy;
    let reject = policy
        .reject
        .score
        .map_or("off".to_owned(), |score| score.to_string());
    let lines = [
        ("state", config.state_dir.display().to_string()),
        ("rules", config.rules_dir.display().to_string()),
        ("milter", listen.join(", ")),
        ("relay", relay.unwrap_or_else(|| "none".to_owned())),
        ("workers", config.workers.count.to_string()),
        ("release", config.release_to().to_string()),
        (
            "policy",
            format!(
                "tag {}, quarantine {}, reject {reject}",
                policy.tag, policy.quarantine
            ),
        ),
        ("tenants", super::record::or_none(&tenants)),
        ("digest", config.policy().digest()),
    ];
    for (name, value) in lines {
        super::record::field(terminal, name, &value)?;
    }
    Ok(())
}

fn print(named: Option<&Path>, terminal: &mut Terminal) -> Result<Exit> {
    let config = Config::load(named)?;
    if terminal.wants_json() {
        terminal.json(&config)?;
    } else {
        let text = config
            .to_toml()
            .context("the configuration cannot be written as TOML")?;
        // Not made safe: it must read back to the same, and whoever runs Postern wrote it.
        terminal.bytes().write_all(text.as_bytes())?;
    }
    Ok(Exit::Done)
}
