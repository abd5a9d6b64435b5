//! `postern scan`: judging stored mails without a daemon, by the same workers and the same policy.

mod files;
mod report;

use crate::cli::ScanArgs;
use crate::config::Config;
use crate::serve::options;
use crate::term::{self, Exit, Terminal};
use anyhow::{Context, Result};
use files::Input;
use filter::worker::Pool;
use filter::{Examined, examine};
use mail::{Client, Envelope, Limits, Message};
use policy::{Action, Tenant, Verdict, decide};
use report::Report;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::task::JoinHandle;

/// A scanned mail.
#[derive(Debug)]
pub(crate) struct Scanned {
    pub(crate) examined: Examined,
    pub(crate) verdict: Verdict,
}

/// Scans, and says by the exit status what was found: 0 all would pass, 1 some would be held or
/// refused, 2 something could not be read or judged.
pub(crate) async fn run(config: &Config, args: &ScanArgs, terminal: &mut Terminal) -> Result<Exit> {
    let pool = start_pool(config).await?;
    let tenant = Arc::new(config.policy().default);
    let inputs = files::find(&args.paths, args.recursive);
    let progress = term::progress(inputs.len() as u64, "mails");
    let mut report = Report::new(terminal);
    let mut running: VecDeque<(PathBuf, Running)> = VecDeque::new();
    // A few more than there are workers, so that none waits for a file to be read; no more, so that
    // memory does not grow with the number of files.
    let at_once = config.workers.count as usize * 2;
    let max_bytes = config.milter.message_bytes;
    for input in inputs {
        if running.len() >= at_once {
            finish_first(&mut running, &mut report).await?;
            progress.inc(1);
        }
        match input {
            Input::File(path) => {
                let task = scan_file(pool.clone(), Arc::clone(&tenant), path.clone(), max_bytes);
                running.push_back((path, tokio::spawn(task)));
            }
            Input::Problem(path, problem) => {
                let task = async move { Err(anyhow::anyhow!(problem)) };
                running.push_back((path, tokio::spawn(task)));
            }
        }
    }
    while !running.is_empty() {
        finish_first(&mut running, &mut report).await?;
        progress.inc(1);
    }
    progress.finish_and_clear();
    report.finish()
}

type Running = JoinHandle<Result<Scanned>>;

/// Starts workers on the rules directory itself: a scan is short, and its errors should name the files
/// that an analyst edits.
pub(crate) async fn start_pool(config: &Config) -> Result<Pool> {
    let dir = std::path::absolute(&config.rules_dir)?;
    let pool = Pool::start(options::pool(config)?, &dir).await;
    pool.with_context(|| format!("{}: the rules cannot be used", dir.display()))
}

/// Judges one message.
pub(crate) async fn scan_message(
    pool: &Pool,
    tenant: &Tenant,
    message: Vec<u8>,
) -> Result<Scanned> {
    let envelope = envelope(&message);
    let tenants = vec![tenant.name.clone()];
    let examined = examine(pool, message.into(), &envelope, tenants).await?;
    let verdict = decide(&examined.evidence(&envelope.mail_from, 1), tenant);
    Ok(Scanned { examined, verdict })
}

async fn scan_file(
    pool: Pool,
    tenant: Arc<Tenant>,
    path: PathBuf,
    max_bytes: u64,
) -> Result<Scanned> {
    let message = tokio::task::spawn_blocking(move || files::read(&path, max_bytes)).await??;
    scan_message(&pool, &tenant, message).await
}

async fn finish_first(
    running: &mut VecDeque<(PathBuf, Running)>,
    report: &mut Report<'_>,
) -> Result<()> {
    let Some((path, task)) = running.pop_front() else {
        return Ok(());
    };
    match task.await? {
        Ok(scanned) => report.mail(&path, &scanned),
        Err(error) => report.problem(&path, &error),
    }
}

/// What a stored mail still says of its envelope: the reverse-path, in the field that the delivering MTA
/// has put on top (RFC 5321, 4.4).
fn envelope(message: &[u8]) -> Envelope {
    let limits = Limits::default();
    let head = message
        .get(..message.len().min(limits.header_bytes))
        .unwrap_or_default();
    let return_path = Message::parse(head, &limits)
        .header("return-path")
        .map(|h| h.text());
    let mail_from = return_path.unwrap_or_default();
    Envelope {
        client: Client::default(),
        mail_from: mail_from
            .trim()
            .trim_start_matches('<')
            .trim_end_matches('>')
            .to_owned(),
        rcpts: Vec::new(),
    }
}

/// Whether a mail with this verdict would not be delivered.
fn is_withheld(verdict: &Verdict) -> bool {
    verdict.action.withholds()
}

/// Whether nothing can be said about a mail.
fn is_failed(verdict: &Verdict) -> bool {
    verdict.action == Action::Tempfail
}

/// A path for people and JSON.
fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
