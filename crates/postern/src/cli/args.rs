//! The grammar of the command line.

use super::filters::{FilterArgs, ListArgs, STATES};
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
    /// Configuration file [default: /etc/postern/postern.toml if it exists, else built-in defaults]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Write one JSON object per line instead of text
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
    /// Look at held mails, release and delete them
    #[command(subcommand, visible_alias = "q")]
    Quarantine(QuarantineCommand),
    /// Look at what was decided about mails, held or not
    #[command(subcommand)]
    Verdict(VerdictCommand),
    /// Check, test, list and reload rules
    #[command(subcommand)]
    Rules(RulesCommand),
    /// Repair the index of what is remembered
    #[command(subcommand)]
    Store(StoreCommand),
    /// Check the journal, which is the audit log
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Say how the daemon is
    #[command(
        after_help = "Exit status: 0 all is well, 1 it has problems, 2 it cannot be reached."
    )]
    Status,
    /// Say what is dangerous in Postfix's configuration, with Postern behind it
    #[command(after_help = DOCTOR_HELP)]
    Doctor(DoctorArgs),
    /// Check and print the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page, or write one for each command into a directory
    Man {
        /// An existing directory, such as /usr/share/man/man1
        dir: Option<PathBuf>,
    },
}

impl Command {
    /// Whether it only asks the daemon, or reads what the daemon has written: it needs no more of the
    /// configuration than where that is.
    pub(crate) fn is_of_client(&self) -> bool {
        match self {
            Command::Quarantine(_)
            | Command::Verdict(_)
            | Command::Rules(RulesCommand::List | RulesCommand::Reload)
            | Command::Store(_)
            | Command::Audit(_)
            | Command::Status => true,
            Command::Rules(RulesCommand::Check { .. } | RulesCommand::Test { .. })
            | Command::Serve
            | Command::Worker
            | Command::Scan(_)
            | Command::Doctor(_)
            | Command::Config(_)
            | Command::Completions { .. }
            | Command::Man { .. } => false,
        }
    }
}

/// `postern scan`.
#[derive(Debug, Args)]
pub(crate) struct ScanArgs {
    /// Look into directories, and into those inside them
    #[arg(short, long)]
    pub recursive: bool,
    /// Mails, one per file; - reads one from standard input
    #[arg(required = true, value_name = "FILE|DIR")]
    pub paths: Vec<PathBuf>,
}

/// `postern quarantine`.
#[derive(Debug, Subcommand)]
pub(crate) enum QuarantineCommand {
    /// List held mails, newest first
    List {
        /// Which, and how many.
        #[command(flatten)]
        list: Box<ListArgs>,
        /// State of the entries, or `any`
        #[arg(
            long,
            value_name = "STATE",
            default_value = "held",
            value_parser = states_or_any(),
            help_heading = "Conditions"
        )]
        state: String,
    },
    /// Show an entry: envelope, reasons, contents, history
    Show(ShowArgs),
    /// Deliver entries to the configured SMTP address
    #[command(after_help = BATCH_HELP)]
    Release {
        /// Which, and why.
        #[command(flatten)]
        batch: Box<BatchArgs>,
        /// Deliver to this address instead of the held recipients, which counts as the release: they
        /// cannot get it afterwards. May be repeated
        #[arg(long, value_name = "RCPT")]
        to: Vec<String>,
        /// Release even if it is not known how an earlier release ended: the mail may come twice
        #[arg(long)]
        force: bool,
    },
    /// Destroy entries
    #[command(after_help = BATCH_HELP)]
    Delete(Box<BatchArgs>),
    /// Write entries to files: the message to ID.eml, all that is known of it to ID.json
    #[command(after_help = "Exit status: 0 all were written, 1 some were not, 2 an error.")]
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
    /// State of the entries that are found [default: held]
    #[arg(long, value_name = "STATE", value_parser = STATES, help_heading = "Conditions")]
    pub state: Option<String>,
    /// All entries that are held
    #[arg(long)]
    pub all_held: bool,
    /// Do not ask before acting on what conditions have found
    #[arg(long, short)]
    pub yes: bool,
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Why, for the journal
    #[arg(long, value_name = "TEXT")]
    pub why: Option<String>,
}

const BATCH_HELP: &str = "\
Name ids or conditions. What conditions find is shown, and done after a question.

Exit status: 0 all done, 1 some were not or the answer was no, 2 an error.";

fn states_or_any() -> Vec<&'static str> {
    STATES.into_iter().chain(["any"]).collect()
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
    List {
        /// Which, and how many.
        #[command(flatten)]
        list: Box<ListArgs>,
        /// State of one of its entries
        #[arg(long, value_name = "STATE", value_parser = STATES, help_heading = "Conditions")]
        state: Option<String>,
    },
    /// Show what is remembered of a mail
    Show {
        /// Id of a mail or an entry
        id: String,
    },
    /// Decide about a mail once more, and say why
    #[command(after_help = "Exit status: 0 the same verdict, 1 another one or none, 2 an error.")]
    Explain {
        /// Id of a mail or an entry
        id: String,
    },
}

/// `postern rules`.
#[derive(Debug, Subcommand)]
pub(crate) enum RulesCommand {
    /// Compile rules and say what is wrong with them; needs no daemon
    Check {
        /// Directory of the rules [default: the configured one]
        dir: Option<PathBuf>,
    },
    /// Run the tests of rules; needs no daemon
    #[command(after_help = "Exit status: 0 all passed, 1 some failed, 2 an error.")]
    Test {
        /// Directory of the rules [default: the configured one]
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
    /// Build the index again from journal and files; the daemon may serve meanwhile
    Rebuild,
}

/// `postern audit`.
#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Check the journal's hash chain from end to end
    #[command(after_help = "Exit status: 0 the chain holds, 1 it does not, 2 an error.")]
    Verify,
}

/// `postern doctor`.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// The program that knows Postfix's configuration [default: postconf]
    #[arg(long, value_name = "PATH")]
    pub postconf: Option<PathBuf>,
    /// Directory of main.cf and master.cf [default: Postfix's own]
    #[arg(long, value_name = "DIR")]
    pub postfix_dir: Option<PathBuf>,
    /// Let warnings count as dangers
    #[arg(long)]
    pub strict: bool,
    /// Compare configurations only: connect to nothing
    #[arg(long)]
    pub offline: bool,
}

const DOCTOR_HELP: &str = "\
Exit status: 0 nothing dangerous (there may be warnings), 1 a danger, 2 an error.";

/// `postern config`.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Say all that is wrong with the configuration
    #[command(
        after_help = "Exit status: 0 nothing is wrong, 1 a danger in Postfix's, 2 something is wrong.",
        mut_arg("postconf", |arg| arg.requires("postfix")),
        mut_arg("postfix_dir", |arg| arg.requires("postfix")),
        mut_arg("strict", |arg| arg.requires("postfix")),
        mut_arg("offline", |arg| arg.requires("postfix"))
    )]
    Check {
        /// Then do what `postern doctor` does
        #[arg(long)]
        postfix: bool,
        /// How.
        #[command(flatten)]
        doctor: DoctorArgs,
    },
    /// Print the configuration in force, as a file that could be read
    Print {
        /// Print the defaults instead, with their documentation
        #[arg(long)]
        defaults: bool,
    },
}
