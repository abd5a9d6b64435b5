//! Configuration: one TOML file, every key optional, every mistake reported at once.
//!
//! A file is read in two steps: [`read`] walks the TOML document, which knows where everything
//! stands, and [`Config`] is what comes out, complete and checked. There is no second description of
//! the keys: what the walk asks for is what is known, and all else is an unknown key.
//! `deploy/postern.toml` documents every key with its default; a test holds it to this code.

mod address;
mod mistake;
mod print;
mod read;
mod relay;
mod sections;
mod tenants;
mod units;
mod values;
mod walk;

pub(crate) use address::Listen;
pub(crate) use mistake::{ConfigErrors, Mistake};
pub(crate) use relay::{
    BareLineEnds, Host, Network, NextHop, NextHopAddress, NextHopTls, Position, Protocol, Relay,
    RelayTls, RelayTlsLevel,
};
pub(crate) use sections::{
    Config, Control, Headers, Limits, Log, LogFormat, LogLevel, MailLimits, Milter, Quarantine,
    QuarantineMode, Release, Rules, Store, UnpackLimits, Vendor, Workers,
};
pub(crate) use tenants::{PolicySection, RejectSection, TenantSection};

use std::io::Read;
use std::path::{Path, PathBuf};

/// Where a configuration is looked for if none is named.
pub(crate) const SYSTEM_FILE: &str = "/etc/postern/postern.toml";

/// The documented defaults, as they are installed.
pub(crate) const DEFAULTS: &str = include_str!("../../../../deploy/postern.toml");

/// Bytes of a configuration file. Ten thousand tenants fit; a disk image named by mistake does not.
const MAX_FILE: u64 = 8 << 20;

/// The file to read: the one that was named, else the system's if there is one.
pub(crate) fn locate(named: Option<&Path>) -> Option<PathBuf> {
    let system = || Some(PathBuf::from(SYSTEM_FILE)).filter(|file| file.exists());
    named.map(Path::to_owned).or_else(system)
}

impl Config {
    /// Reads the configuration that [`locate`] finds, or takes what holds without one.
    pub(crate) fn load(named: Option<&Path>) -> Result<Config, ConfigErrors> {
        match Config::recover(named)? {
            (config, None) => Ok(config),
            (_, Some(errors)) => Err(errors),
        }
    }

    /// The same for a command that only wants to find the daemon or its state: whoever must release a
    /// mail shall not have to repair thresholds first. Mistakes that could lead elsewhere are errors;
    /// all others come with a configuration that has defaults in their places.
    pub(crate) fn load_for_client(
        named: Option<&Path>,
    ) -> Result<(Config, Option<ConfigErrors>), ConfigErrors> {
        match Config::recover(named)? {
            (_, Some(errors)) if errors.mistakes.iter().any(Mistake::leads_elsewhere) => {
                Err(errors)
            }
            found => Ok(found),
        }
    }

    /// Reads a configuration from `text`; `file` only names it in errors.
    #[cfg(test)]
    pub(crate) fn parse(text: &str, file: &Path) -> Result<Config, ConfigErrors> {
        match parse(text, file) {
            (config, None) => Ok(config),
            (_, Some(errors)) => Err(errors),
        }
    }

    fn recover(named: Option<&Path>) -> Result<(Config, Option<ConfigErrors>), ConfigErrors> {
        let Some(file) = locate(named) else {
            return Ok((Config::without_file(), None));
        };
        let text = read_text(&file).map_err(|why| ConfigErrors::unreadable(&file, why))?;
        Ok(parse(&text, &file))
    }
}

fn parse(text: &str, file: &Path) -> (Config, Option<ConfigErrors>) {
    let (config, found) = read::config(text);
    let errors = (!found.is_empty()).then(|| ConfigErrors::new(file, text, found));
    (config, errors)
}

fn read_text(file: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    let opened = std::fs::File::open(file).map_err(|e| e.to_string())?;
    opened
        .take(MAX_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| e.to_string())?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(format!(
            "longer than {}, which no configuration is",
            units::size(MAX_FILE)
        ));
    }
    String::from_utf8(bytes).map_err(|e| {
        let line = e
            .as_bytes()
            .iter()
            .take(e.utf8_error().valid_up_to())
            .filter(|b| **b == b'\n');
        format!("line {} is not UTF-8, as TOML must be", line.count() + 1)
    })
}

#[cfg(test)]
mod tests;
