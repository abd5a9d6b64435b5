//! From the configuration to the options of the parts.

pub(super) mod relay;

use super::release::Destination;
use super::room;
use crate::config::{Config, Host, NextHopAddress, QuarantineMode, Vendor};
use anyhow::{Result, bail};
use filter::worker::PoolOptions;
use filter::{FilterOptions, RulesDir};
use milter::{Actions, ServerOptions};
use rules::{LoadOptions, VendorOptions};
use smtp::next_hop::{Pool, PoolLimits};
use std::time::Duration;

/// How long a mail may wait for a worker. With the wait for room in memory (10 s) and the deadline of a worker
/// (60 s) it stays below the 100 s that Postfix gives a proxy filter, and far below the 300 s of a milter.
const MAX_WAIT: Duration = Duration::from_secs(20);
/// Requests that may wait for each worker. At 5 ms a mail, sixty-four are a third of a second.
const QUEUE_PER_WORKER: usize = 64;

/// The options of the store.
pub(super) fn store(config: &Config) -> store::Options {
    let mut options = store::Options::new(&config.state_dir);
    options.cache_bytes = config.store.cache;
    options.segment_bytes = config.store.segment;
    options.min_free_bytes = config.store.min_free;
    options
}

/// The options of the filter.
pub(super) fn filter(config: &Config, rules: RulesDir) -> Result<FilterOptions> {
    Ok(FilterOptions {
        pool: pool(config)?,
        rules,
        policy: config.policy(),
        quarantine: match config.quarantine.mode {
            QuarantineMode::Store => filter::QuarantineMode::Store,
            QuarantineMode::MtaHold => filter::QuarantineMode::MtaHold,
        },
    })
}

/// The options of the workers.
pub(crate) fn pool(config: &Config) -> Result<PoolOptions> {
    let workers = &config.workers;
    // The running program, even if its file has been replaced since.
    let program = vec!["/proc/self/exe".to_owned(), "worker".to_owned()];
    if !std::path::Path::new("/proc/self/exe").exists() {
        bail!("/proc: not mounted; workers are started from /proc/self/exe");
    }
    let count = workers.count as usize;
    Ok(PoolOptions {
        program,
        workers: count,
        queue: count * QUEUE_PER_WORKER,
        max_wait: MAX_WAIT,
        deadline: workers.deadline,
        load: load(config),
        limits: limits(config),
        memory: workers.memory,
        scan_timeout: workers.scan_timeout,
    })
}

/// The options of loading rules.
pub(crate) fn load(config: &Config) -> LoadOptions {
    let vendor = config.rules.vendor.iter();
    let vendor = vendor.map(|(name, set)| (name.clone(), vendor_options(set)));
    LoadOptions {
        vendor: vendor.collect(),
        ..LoadOptions::default()
    }
}

/// Where released mail goes.
pub(super) fn release_to(config: &Config) -> Result<Destination> {
    let release = &config.release;
    let (protocol, host) = match config.release_to() {
        NextHopAddress::Maildir(dir) => {
            let place = relay::maildir(&dir, &release.helo)?;
            let pool = Pool::new(place, PoolLimits::default());
            return Ok(Destination::Maildir(pool));
        }
        NextHopAddress::Server { protocol, host } => (protocol, host),
    };
    let mut target = relay::target(protocol, &host, &release.helo)?;
    target.timeouts.command = release.timeout;
    // The relay's next hop is spoken to in the same way, whatever for.
    if let (None, Some(door)) = (&release.address, &config.relay) {
        target = target.with_tls(relay::next_hop_tls(&door.next_hop)?);
    }
    Ok(match host {
        Host::Tcp(_) => Destination::Network(target),
        Host::Unix(_) => Destination::Socket(target),
    })
}

/// The options of the milter door.
pub(crate) fn milter(config: &Config) -> ServerOptions {
    let door = &config.milter;
    // Without them a verdict could not be carried out.
    let needed = Actions::ADD_HEADERS | Actions::CHANGE_HEADERS | Actions::DELETE_RECIPIENT;
    ServerOptions {
        needed: match config.quarantine.mode {
            QuarantineMode::Store => needed,
            QuarantineMode::MtaHold => needed | Actions::QUARANTINE,
        },
        wanted: Actions::NONE,
        connections: door.max_connections as usize,
        message_bytes: door.message_bytes,
        spill_bytes: usize::try_from(door.spill_bytes).unwrap_or(usize::MAX),
        spill_directory: config.state_dir.clone(),
        drain_timeout: door.drain_timeout,
        // The filter's own deadlines come first; this one only catches what they do not.
        message_deadline: room::MAX_WAIT
            + MAX_WAIT
            + config.workers.deadline
            + Duration::from_secs(5),
        ..ServerOptions::default()
    }
}

fn vendor_options(set: &Vendor) -> VendorOptions {
    VendorOptions {
        score: u32::try_from(set.points).unwrap_or(0),
        stage: rules::Stage::parse(set.stage.as_str()).unwrap_or(rules::Stage::Shadow),
        ..VendorOptions::default()
    }
}

fn limits(config: &Config) -> unpack::Limits {
    let (mail, unpack) = (&config.limits.mail, &config.limits.unpack);
    let size = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    let mut limits = unpack::Limits {
        total_bytes: unpack.total_bytes,
        file_bytes: unpack.file_bytes,
        files: size(unpack.files),
        depth: size(unpack.depth),
        mail_depth: size(unpack.mail_depth),
        ratio: unpack.ratio,
        ..unpack::Limits::default()
    };
    limits.mail.message_bytes = size(config.message_bytes());
    limits.mail.headers = size(mail.headers);
    limits.mail.header_bytes = size(mail.header_bytes);
    limits.mail.parts = size(mail.parts);
    limits.mail.depth = size(mail.depth);
    limits
}
