//! What the tests stand on: a private Postfix, the real daemon, a next hop that notes what it gets,
//! and the program's own commands.

mod cli;
mod daemon;
pub(crate) mod faulty_milter;
pub(crate) mod faulty_site;
mod mails;
mod ports;
mod postfix;
pub(crate) mod relay;
pub(crate) mod relay_faults;
pub(crate) mod relay_postfix;
mod sendmail;
mod sink;
mod site;
pub(crate) mod slow;
mod smtp;

pub(crate) use cli::{Run, postern, postern_reading, workspace};
pub(crate) use daemon::{Daemon, Setup};
pub(crate) use mails::{
    base64_lines, clean, eicar, eicar_in_zip_in_zip, header_block, sha256, with_attachment, zip_of,
};
pub(crate) use ports::free_port;
pub(crate) use postfix::{Postfix, Settings};
pub(crate) use sendmail::Sendmail;
pub(crate) use sink::{Received, Sink};
pub(crate) use site::Site;
pub(crate) use smtp::{Reply, Smtp, submit};

use anyhow::{Result, bail};
use rustix::process::{Pid, Signal};
use std::time::{Duration, Instant};

/// How long anything may take that takes moments on an idle machine. Tests share two cores with
/// compilers of rules, and a test that gives up early is worse than a slow one.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Pause between two looks at something that is waited for.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Looks until there is something to see; `what` is waited for.
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> Result<T> {
    let start = Instant::now();
    loop {
        if let Some(seen) = look() {
            return Ok(seen);
        }
        if start.elapsed() > PATIENCE {
            bail!("waited {} s in vain: {what}", PATIENCE.as_secs());
        }
        std::thread::sleep(LOOK_AGAIN);
    }
}

/// Sends a signal to a process that a test has started, or that the daemon of a test has.
pub(crate) fn signal(pid: u32, signal: Signal) -> Result<()> {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
        bail!("{pid}: no process has this number");
    };
    Ok(rustix::process::kill_process(pid, signal)?)
}

/// Whether a process is there and no zombie.
pub(crate) fn is_alive(pid: u32) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else {
        return false;
    };
    // The state follows the name, which is in parentheses and may contain anything.
    let state = stat.rsplit_once(") ").map(|(_, rest)| rest);
    !state.is_none_or(|rest| rest.starts_with(['Z', 'X']))
}
