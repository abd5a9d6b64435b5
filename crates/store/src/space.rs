//! How much room there is.

use crate::{Options, Space};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How old an answer may be. At fifty mails of 100 KB a second this is 5 MB.
const MAX_AGE: Duration = Duration::from_secs(1);

/// Asks the file system how much room there is, but not for every mail.
pub(crate) struct Gauge {
    dir: OwnedFd,
    min_free_bytes: u64,
    min_free_inodes: u64,
    last: Mutex<Option<(Instant, Space)>>,
}

impl Gauge {
    pub(crate) fn new(dir: OwnedFd, options: &Options) -> Gauge {
        Gauge {
            dir,
            min_free_bytes: options.min_free_bytes,
            min_free_inodes: options.min_free_inodes,
            last: Mutex::default(),
        }
    }

    pub(crate) fn read(&self) -> io::Result<Space> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((when, space)) = *last
            && when.elapsed() < MAX_AGE
        {
            return Ok(space);
        }
        let stat = rustix::fs::fstatvfs(&self.dir)?;
        let space = Space {
            free_bytes: stat.f_bavail.saturating_mul(stat.f_frsize),
            // File systems that make inodes as they need them say 0 of 0.
            free_inodes: (stat.f_files > 0).then_some(stat.f_favail),
            min_free_bytes: self.min_free_bytes,
            min_free_inodes: self.min_free_inodes,
        };
        *last = Some((Instant::now(), space));
        Ok(space)
    }
}
