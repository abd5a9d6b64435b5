//! The command line: what can be said, and the commands that talk to the daemon.
//!
//! [`Cli`] is the whole grammar. `serve`, `worker`, `scan`, `rules check` and `rules test` are run
//! elsewhere; every other command has its function here, which is given a connected client and a
//! [`Terminal`](crate::term::Terminal), so that a test can give it a made-up daemon and read what is
//! shown.

mod args;
pub(crate) mod audit;
mod batch;
pub(crate) mod config;
pub(crate) mod docs;
mod export;
mod filters;
mod list;
pub(crate) mod quarantine;
mod reasons;
mod record;
pub(crate) mod rules;
pub(crate) mod status;
pub(crate) mod store;
pub(crate) mod verdict;

pub(crate) use args::{
    AuditCommand, BatchArgs, Cli, Command, ConfigCommand, DoctorArgs, ExportArgs, RulesCommand,
    ScanArgs, StoreCommand,
};
pub(crate) use filters::ListArgs;

#[cfg(test)]
mod tests;
