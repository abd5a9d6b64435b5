//! The grammar of the command line.

use super::filters::{FilterArgs, ListArgs};
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use std::path::PathBuf;

/// Decides for every mail and every recipient whether it passes, and holds what is dangerous.
#[derive(Debug, Parser)]
#[command(
    name = "postern",
    version,
    max_term_width = 100,
    disable_help_subcommand = true
)]
pub(crate) struct Cli {
    /// Configuration [default: /etc/postern/postern.toml if it exists, else built-in defaults]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Write one JSON object per line
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve the mail server until SIGTERM
    Serve,
    /// Look at mails; the daemon starts it
    #[command(hide = true)]
    Worker,
    /// Judge stored mails without a daemon
    #[command(
        after_help = "Exit status: 0 all passed or tagged, 1 some would be held or rejected, 2 an error."
    )]
    Scan(ScanArgs),
    /// Held mails
    #[command(subcommand, visible_alias = "q")]
    Quarantine(QuarantineCommand),
    /// What was decided about mails, held or not
    #[command(subcommand)]
    Verdict(VerdictCommand),
    /// Rules
    #[command(subcommand)]
    Rules(RulesCommand),
    /// The index of what is remembered
    #[command(subcommand)]
    Store(StoreCommand),
    /// The journal as an audit log
    #[command(subcommand)]
    Audit(AuditCommand),
    /// How the daemon is
    #[command(
        after_help = "Exit status: 0 all is well, 1 it has problems, 2 it cannot be reached."
    )]
    Status,
    /// The configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print completions for a shell
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Print the manual page, or write one for each command into a directory
    #[command(hide = true)]
    Man {
        /// The directory.
        dir: Option<PathBuf>,
    },
}

/// `postern scan`.
#[derive(Debug, Args)]
pub(crate) struct ScanArgs {
    /// Look into directories, and into those inside them
    #[arg(short, long)]
    pub recursive: bool,
    /// Mails, one per file
    #[arg(required = true, value_name = "FILE|DIR")]
    pub paths: Vec<PathBuf>,
}

/// `postern quarantine`.
#[derive(Debug, Subcommand)]
pub(crate) enum QuarantineCommand {
    /// List held mails, newest first
    List(Box<ListArgs>),
    /// Show an entry: envelope, reasons, contents, history
    Show(ShowArgs),
    /// Deliver entries to the configured SMTP address
    Release {
        /// Which, and why.
        #[command(flatten)]
        batch: Box<BatchArgs>,
        /// Deliver to this address instead of the held recipients; may be repeated
        #[arg(long, value_name = "RCPT")]
        to: Vec<String>,
        /// Release even if it is not known how an earlier release ended: it may come twice
        #[arg(long)]
        force: bool,
    },
    /// Destroy entries
    Delete(Box<BatchArgs>),
    /// Write entries to files: the message to ID.eml, all that is known of it to ID.json
    Export(ExportArgs),
}

/// `postern quarantine show`.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// Id of an entry, or of a mail for all its entries
    pub id: String,
    /// Write the message as it was transmitted, nothing else
    #[arg(long, conflicts_with = "json")]
    pub raw: bool,
    /// Write it even to a terminal, which it may command
    #[arg(long, requires = "raw")]
    pub force: bool,
}

/// Which entries: by their ids, or by what a list would find.
#[derive(Debug, Args)]
pub(crate) struct BatchArgs {
    /// Ids of entries, or of mails for all their entries
    #[arg(value_name = "ID")]
    pub ids: Vec<String>,
    /// Which entries, if no ids are given
    #[command(flatten)]
    pub filters: FilterArgs,
    /// All entries that are held
    #[arg(long)]
    pub all_held: bool,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Why, for the journal
    #[arg(long, value_name = "TEXT")]
    pub why: Option<String>,
}

/// `postern quarantine export`.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// Ids of entries, or of mails for all their entries
    #[arg(value_name = "ID", required = true)]
    pub ids: Vec<String>,
    /// An existing directory; no file in it is overwritten. Or - for a single message on standard
    /// output
    #[arg(short, long, value_name = "DIR")]
    pub output: PathBuf,
}

/// `postern verdict`.
#[derive(Debug, Subcommand)]
pub(crate) enum VerdictCommand {
    /// List mails, newest first
    List(Box<ListArgs>),
    /// Show what is remembered of a mail
    Show {
        /// Id of a mail or an entry.
        id: String,
    },
    /// Decide about a mail once more, and say why
    #[command(after_help = "Exit status: 0 the same verdict, 1 another one or none, 2 an error.")]
    Explain {
        /// Id of a mail or an entry.
        id: String,
    },
}

/// `postern rules`.
#[derive(Debug, Subcommand)]
pub(crate) enum RulesCommand {
    /// Compile rules and say what is wrong with them; needs no daemon
    Check {
        /// The rules [default: the configured directory]
        dir: Option<PathBuf>,
    },
    /// Run the tests of rules; needs no daemon
    Test {
        /// The rules [default: the configured directory]
        dir: Option<PathBuf>,
    },
    /// Put the rules on disk in force
    Reload,
    /// List the rules in force
    List,
}

/// `postern store`.
#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// Build the index again from journal and files, while the daemon serves
    Rebuild,
}

/// `postern audit`.
#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Check the journal's hash chain from end to end
    #[command(after_help = "Exit status: 0 the chain holds, 1 it does not, 2 an error.")]
    Verify,
}

/// `postern config`.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Say all that is wrong with the configuration
    Check,
    /// Print the configuration in force, as a file that could be read
    Print {
        /// Print the defaults instead, with their documentation
        #[arg(long)]
        defaults: bool,
    },
}
