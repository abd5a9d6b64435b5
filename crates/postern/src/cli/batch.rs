//! Release and delete: by ids, or by what a list finds.

use super::{BatchArgs, quarantine};
use crate::term::{Exit, Progress, Terminal, counted, progress};
use anyhow::{Result, bail};
use control::{
    BatchResult, Client, ClientError, DeleteRequest, EntrySummary, Filter, ItemResult, MAX_IDS,
    MAX_LIMIT, ReleaseRequest,
};

/// Entries that one command may touch when they were found by conditions. Whoever means more says
/// so in several commands.
const MAX_FOUND: usize = 10_000;
/// Entries that are shown before the question; the rest is counted.
const SHOWN: usize = 20;

/// What is to be done with entries.
#[derive(Debug, Clone, Copy)]
pub(super) enum Deed<'a> {
    Release { to: &'a [String], force: bool },
    Delete,
}

impl Deed<'_> {
    /// Ids in one request. The next hop may take ten minutes for a single message, and whoever
    /// interrupts a release must not leave more than one of unknown outcome; deleting is quick.
    fn ids_at_once(self) -> usize {
        match self {
            Deed::Release { .. } => 1,
            Deed::Delete => MAX_IDS,
        }
    }

    fn verb(self) -> &'static str {
        match self {
            Deed::Release { .. } => "release",
            Deed::Delete => "delete",
        }
    }

    fn done(self) -> &'static str {
        match self {
            Deed::Release { .. } => "released",
            Deed::Delete => "deleted",
        }
    }
}

/// Does it.
pub(super) async fn run(
    deed: Deed<'_>,
    args: &BatchArgs,
    client: &Client,
    terminal: &mut Terminal,
) -> Result<Exit> {
    let filter = args.filters.filter(args.state.as_deref());
    let by_conditions = args.all_held || !filter.is_empty();
    match (args.ids.is_empty(), by_conditions) {
        (false, true) => bail!("{}: name ids or conditions, not both", deed.verb()),
        (true, false) => bail!(
            "{}: name ids, or conditions such as --rule, or --all-held for all that is held",
            deed.verb()
        ),
        (false, false) => act(deed, args, &args.ids, client, terminal).await,
        (true, true) => {
            let found = find(filter, deed, client).await?;
            if found.is_empty() {
                if !terminal.wants_json() {
                    terminal.line("no held mail matches")?;
                }
                return Ok(Exit::Done);
            }
            if !args.dry_run && !args.yes && !confirmed(deed, &found, terminal)? {
                if !terminal.wants_json() {
                    terminal.line("nothing was done")?;
                }
                return Ok(Exit::Found);
            }
            let ids: Vec<String> = found.into_iter().map(|entry| entry.id).collect();
            act(deed, args, &ids, client, terminal).await
        }
    }
}

/// The entries that the conditions find; held ones unless another state is asked for. They are then
/// named one by one, so that nothing is touched that came in after the question.
async fn find(mut filter: Filter, deed: Deed<'_>, client: &Client) -> Result<Vec<EntrySummary>> {
    filter.state.get_or_insert_with(|| "held".to_owned());
    let mut found = Vec::new();
    let mut pages = client.entries(filter, MAX_LIMIT);
    while let Some(page) = pages.next().await? {
        found.extend(page.items);
        if found.len() > MAX_FOUND {
            let verb = deed.verb();
            bail!(
                "{verb}: more than {MAX_FOUND} entries match: narrow it down, \
             by --since and --until for example"
            );
        }
    }
    Ok(found)
}

fn confirmed(deed: Deed<'_>, found: &[EntrySummary], terminal: &mut Terminal) -> Result<bool> {
    let (verb, count) = (deed.verb(), found.len());
    if !terminal.wants_json() {
        terminal.table(&quarantine::table(found.get(..SHOWN).unwrap_or(found)), 0)?;
        if count > SHOWN {
            terminal.line(&format!("… and {} more", count - SHOWN))?;
        }
    }
    let entries = if count == 1 {
        "this entry".to_owned()
    } else {
        format!("these {count} entries")
    };
    let Some(answer) = terminal.confirm(&format!("{verb} {entries}?"))? else {
        bail!(
            "{verb}: {} and there is nobody to ask: \
             add --yes, or --dry-run to see what would be done",
            counted(count as u64, "entry matches,", "entries match,")
        );
    };
    Ok(answer)
}

async fn act(
    deed: Deed<'_>,
    args: &BatchArgs,
    ids: &[String],
    client: &Client,
    terminal: &mut Terminal,
) -> Result<Exit> {
    let bar = progress(ids.len() as u64, deed.verb());
    let mut results = Vec::new();
    let mut broken = None;
    for some in ids.chunks(deed.ids_at_once()) {
        match request(deed, args, some, client).await {
            Ok(done) => results.extend(done.results),
            Err(error) => {
                broken = Some(error);
                break;
            }
        }
        bar.inc(some.len() as u64);
    }
    Progress::finish_and_clear(&bar);
    // What was done is told first, even if the rest could not even be asked for.
    show(deed, args.dry_run, &results, terminal)?;
    match broken {
        Some(error) => Err(error.into()),
        None if results.iter().all(|item| item.ok) => Ok(Exit::Done),
        None => Ok(Exit::Found),
    }
}

async fn request(
    deed: Deed<'_>,
    args: &BatchArgs,
    ids: &[String],
    client: &Client,
) -> Result<BatchResult, ClientError> {
    let (ids, why, dry_run) = (ids.to_vec(), args.why.clone(), args.dry_run);
    match deed {
        Deed::Release { to, force } => {
            client
                .release(&ReleaseRequest {
                    ids,
                    why,
                    rcpts: to.to_vec(),
                    force,
                    dry_run,
                })
                .await
        }
        Deed::Delete => client.delete(&DeleteRequest { ids, why, dry_run }).await,
    }
}

/// One line for each, and never cut: it may say what is left to do.
fn show(
    deed: Deed<'_>,
    dry_run: bool,
    results: &[ItemResult],
    terminal: &mut Terminal,
) -> Result<()> {
    for item in results {
        if terminal.wants_json() {
            terminal.json(item)?;
        } else {
            terminal.paragraph(&sentence(deed, dry_run, item))?;
        }
    }
    Ok(())
}

fn sentence(deed: Deed<'_>, dry_run: bool, item: &ItemResult) -> String {
    let ItemResult {
        id, state, message, ..
    } = item;
    // Errors start with what they are about, which stands there already.
    let message = message.strip_prefix(&format!("{id}: ")).unwrap_or(message);
    let done = deed.done();
    match (item.ok, dry_run) {
        (true, true) => format!("{id}: {message}"),
        (true, false) if message == done => format!("{id}: {done}"),
        (true, false) => format!("{id}: {done}: {message}"),
        (false, true) => format!("{id}: nothing would be done: {message}"),
        (false, false) => {
            let in_doubt = matches!(deed, Deed::Release { .. }) && state == "unknown";
            let remedy = if in_doubt && !message.contains("--force") {
                "; release it with --force if it did not arrive"
            } else {
                ""
            };
            let is = if state.is_empty() || in_doubt || message.contains(state.as_str()) {
                String::new()
            } else {
                format!(" ({state})")
            };
            format!("{id}: not {done}{is}: {message}{remedy}")
        }
    }
}
