//! `postern serve`: the daemon.
//!
//! Start: lock and recover the state, compile the rules in workers, open the control socket, open the
//! doors, tell the service manager. End, in the reverse order: close the doors and let running mails
//! finish, then the control socket, then the store.

mod admin;
mod agreement;
mod certificate;
mod counters;
mod door;
mod doors;
mod headers;
mod notify;
pub(crate) mod options;
mod relay;
pub(crate) mod release;
mod room;
mod signals;

pub(crate) use admin::heaviest_rules;

use crate::config::{Config, Headers, locate};
use agreement::MtaAgreement;
use anyhow::{Context, Result};
use arc_swap::ArcSwapOption;
use certificate::Certificate;
use control::RebuildStatus;
use counters::Counters;
use doors::Doors;
use filter::{Filter, RulesDir};
use release::{Destination, OwnConnections};
use room::Room;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use store::Store;
use tokio_util::sync::CancellationToken;

/// How long requests on the control socket may go on when the daemon ends.
const ADMIN_DRAIN: Duration = Duration::from_secs(5);

/// What doors and control socket share.
pub(crate) struct Daemon {
    pub(crate) store: Store,
    filter: Filter,
    own: OwnConnections,
    room: Room,
    release_to: Destination,
    counters: Counters,
    mta: MtaAgreement,
    rebuild: Mutex<RebuildStatus>,
    /// Why the configuration on disk is not in force, after a SIGHUP that did not take it.
    config_error: ArcSwapOption<String>,
    /// What SMTP clients are shown, if TLS is spoken with them.
    certificate: Option<Certificate>,
    /// Names and addresses of the doors.
    doors: Vec<(&'static str, String)>,
    state_dir: PathBuf,
    rules_dir: PathBuf,
    min_free: u64,
    headers: Headers,
    admin_uids: BTreeSet<u32>,
    /// Milliseconds since 1970-01-01 UTC.
    started: i64,
}

/// Runs the daemon until SIGTERM or SIGINT. `config_file` is read again at SIGHUP.
pub(crate) async fn run(config: Config, config_file: Option<PathBuf>) -> Result<()> {
    let store = open_store(&config).await?;
    let configured = locate(config_file.as_deref()).is_some();
    let doors = Doors::bind(&config, configured).await?;
    let daemon = Arc::new(start(&config, store, &doors).await?);

    let others = !config.control.uids.is_empty();
    let control = admin::bind(&config.control.socket, others)
        .with_context(|| format!("{}: control socket", config.control.socket.display()))?;
    let stop_admin = CancellationToken::new();
    let admin = tokio::spawn(admin::serve(
        control,
        Arc::clone(&daemon),
        stop_admin.clone().cancelled_owned(),
    ));

    let stop_doors = CancellationToken::new();
    let mut doors = doors.serve(&daemon, &config, &stop_doors).await?;
    if !configured {
        doors::warn_of_demonstration(&config);
    }
    let named = daemon.doors.iter();
    let named: Vec<String> = named.map(|(door, at)| format!("{door} at {at}")).collect();
    tracing::info!(
        version = crate::VERSION,
        doors = named.join(", "),
        "serving"
    );
    notify::ready();
    let watchdog = tokio::spawn(notify::watchdog());

    signals::until_end(&daemon, &config, config_file.as_deref()).await;

    notify::stopping();
    tracing::info!("draining: running mails finish, no new ones are taken");
    stop_doors.cancel();
    while doors.join_next().await.is_some() {}
    stop_admin.cancel();
    if tokio::time::timeout(ADMIN_DRAIN, admin).await.is_err() {
        tracing::warn!("requests on the control socket were cut off");
    }
    watchdog.abort();
    let _ = std::fs::remove_file(&config.control.socket);
    let store = daemon.store.clone();
    drop(daemon);
    tokio::task::spawn_blocking(move || store.close()).await?;
    tracing::info!("ended");
    Ok(())
}

async fn open_store(config: &Config) -> Result<Store> {
    let options = options::store(config);
    let (store, recovery) = tokio::task::spawn_blocking(move || Store::open(options)).await??;
    let found = recovery.sentences();
    for sentence in &found {
        tracing::warn!(recovery = sentence, "found at start");
    }
    let event = store::Event::Started {
        version: crate::VERSION.to_owned(),
        recovery: found,
    };
    store.append(event).await?;
    Ok(store)
}

async fn start(config: &Config, store: Store, doors: &Doors) -> Result<Daemon> {
    let certificate = match &config.relay {
        Some(relay) => Certificate::read(&relay.tls)?,
        None => None,
    };
    let rules_dir = absolute(&config.rules_dir)?;
    let state_dir = absolute(&config.state_dir)?;
    let rules = RulesDir::new(rules_dir.clone(), state_dir.join("rules"));
    let filter = Filter::start(store.clone(), options::filter(config, rules)?).await;
    let filter = filter.with_context(|| {
        format!(
            "{}: the rules cannot be used; `postern rules check` says more",
            rules_dir.display()
        )
    })?;
    let own_uid = rustix::process::geteuid().as_raw();
    Ok(Daemon {
        store,
        filter,
        own: OwnConnections::default(),
        room: Room::new(),
        release_to: options::release_to(config)?,
        counters: Counters::default(),
        mta: MtaAgreement::default(),
        rebuild: Mutex::default(),
        config_error: ArcSwapOption::empty(),
        certificate,
        doors: doors.addresses(),
        state_dir,
        rules_dir,
        min_free: config.store.min_free,
        headers: config.headers.clone(),
        admin_uids: config
            .control
            .uids
            .iter()
            .copied()
            .chain([0, own_uid])
            .collect(),
        started: jiff::Timestamp::now().as_millisecond(),
    })
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).with_context(|| format!("{}: no such path", path.display()))
}
