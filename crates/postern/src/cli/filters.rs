//! What to look for, on the command line.

use crate::term::{now_ms, parse_since, parse_until};
use clap::Args;
use clap::builder::TypedValueParser;
use control::{Filter, MAX_LIMIT};
use policy::Action;

/// Conditions; all that are given must hold.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct FilterArgs {
    /// Received at or after: 2026-11-24T16:00:00Z, 2026-11-24, or how long ago, such as 2h or 7d
    #[arg(long, value_name = "TIME", value_parser = since, help_heading = "Conditions")]
    pub since: Option<i64>,
    /// Received before; a date is meant with the whole of its day (UTC)
    #[arg(long, value_name = "TIME", value_parser = until, help_heading = "Conditions")]
    pub until: Option<i64>,
    /// Reverse-path or From: an address or a domain
    #[arg(long, value_name = "ADDRESS", help_heading = "Conditions")]
    pub sender: Option<String>,
    /// A recipient: an address or a domain
    #[arg(long, value_name = "ADDRESS", help_heading = "Conditions")]
    pub rcpt: Option<String>,
    /// A rule that hit
    #[arg(long, value_name = "NAME", help_heading = "Conditions")]
    pub rule: Option<String>,
    /// A part of the subject, in upper or lower case
    #[arg(long, value_name = "TEXT", help_heading = "Conditions")]
    pub subject: Option<String>,
    /// The tenant that decided
    #[arg(long, value_name = "NAME", help_heading = "Conditions")]
    pub tenant: Option<String>,
    /// Action of the verdict
    #[arg(long, value_name = "ACTION", value_parser = actions(), help_heading = "Conditions")]
    pub action: Option<String>,
    /// SHA-256 of the message or of an artifact
    #[arg(long, value_name = "HEX", value_parser = sha256, help_heading = "Conditions")]
    pub sha256: Option<String>,
    /// Host of a link
    #[arg(long, value_name = "HOST", help_heading = "Conditions")]
    pub link_host: Option<String>,
    /// Queue id of the mail server
    #[arg(long, value_name = "ID", help_heading = "Conditions")]
    pub queue_id: Option<String>,
    /// Message-ID
    #[arg(long, value_name = "ID", help_heading = "Conditions")]
    pub message_id: Option<String>,
}

/// What to look for, and how much of it.
#[derive(Debug, Clone, Args)]
pub(crate) struct ListArgs {
    /// Which.
    #[command(flatten)]
    pub filters: FilterArgs,
    /// At most so many of them
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = limit())]
    pub limit: u32,
    /// Go on where an earlier list has ended, with the cursor that it has named
    #[arg(long, value_name = "CURSOR")]
    pub after: Option<String>,
    /// All of them, however many
    #[arg(long, conflicts_with = "limit")]
    pub all: bool,
}

/// The states of an entry.
pub(crate) const STATES: [&str; 5] = ["held", "releasing", "unknown", "released", "deleted"];

impl FilterArgs {
    /// As the daemon is asked, for entries in `state` if one is given.
    pub(crate) fn filter(&self, state: Option<&str>) -> Filter {
        let given = self.clone();
        let unbracketed = |id: String| id.trim_matches(['<', '>']).to_owned();
        Filter {
            since: given.since,
            until: given.until,
            sender: given.sender,
            rcpt: given.rcpt,
            rule: given.rule,
            subject: given.subject,
            state: state.map(str::to_owned),
            tenant: given.tenant,
            sha256: given.sha256,
            link_host: given.link_host,
            queue_id: given.queue_id,
            message_id: given.message_id.map(unbracketed),
            action: given.action,
        }
    }
}

fn limit() -> impl TypedValueParser<Value = u32> {
    clap::value_parser!(u32).range(1..=i64::from(MAX_LIMIT))
}

fn since(text: &str) -> Result<i64, String> {
    parse_since(text, now_ms())
}

fn until(text: &str) -> Result<i64, String> {
    parse_until(text, now_ms())
}

fn actions() -> Vec<&'static str> {
    Action::ALL.iter().map(|action| action.as_str()).collect()
}

fn sha256(text: &str) -> Result<String, String> {
    if text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(text.to_ascii_lowercase());
    }
    Err("expected 64 hexadecimal digits".to_owned())
}
