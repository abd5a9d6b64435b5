//! `postern doctor`: what is dangerous in Postfix's configuration, with Postern behind it.
//!
//! Three steps: [`postconf`] is asked, [`model`] makes sense of what it says, and [`checks`] compare that with
//! Postern's own configuration. The last two are pure. A good configuration has no findings at all:
//! `deploy/postfix-main.cf` is held to that by a test.

mod checks;
mod expand;
mod finding;
mod live;
mod milters;
mod model;
mod ours;
mod postconf;
mod show;
mod values;

use crate::cli::DoctorArgs;
use crate::config::Config;
use crate::term::{Exit, Terminal};
use anyhow::Result;
use finding::{Finding, Level};
use model::Postfix;
use ours::Ours;
use postconf::Postconf;

/// Looks, and shows what was found.
pub(crate) fn run(config: &Config, args: &DoctorArgs, terminal: &mut Terminal) -> Result<Exit> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (findings, postfix) = runtime.block_on(look(config, args))?;
    if terminal.wants_json() {
        findings
            .iter()
            .try_for_each(|finding| terminal.json(finding))?;
    } else {
        findings
            .iter()
            .try_for_each(|finding| show::finding(terminal, finding))?;
        show::summary(terminal, &findings, &postfix)?;
    }
    let enough = if args.strict {
        Level::Warning
    } else {
        Level::Danger
    };
    let bad = findings.iter().any(|finding| finding.level <= enough);
    Ok(if bad { Exit::Found } else { Exit::Done })
}

/// What was found, and at which Postfix.
async fn look(config: &Config, args: &DoctorArgs) -> Result<(Vec<Finding>, String)> {
    let postconf = Postconf::find(args.postconf.as_deref(), args.postfix_dir.as_deref())?;
    let postfix = Postfix::parse(&postconf.read().await?)?;
    let mut findings = checks::run(&postfix, &Ours::of(config), &postconf.command());
    if !args.offline {
        findings.extend(live::run(config).await);
        findings.sort_by_key(|finding| finding.level);
    }
    let directory = postfix.main("config_directory").unwrap_or_default();
    let name = format!("Postfix {} in {directory}", postfix.version());
    Ok((findings, name))
}

#[cfg(test)]
mod tests;
