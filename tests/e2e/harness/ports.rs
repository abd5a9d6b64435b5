//! Ports for servers that cannot be told to choose one themselves.

use anyhow::{Result, bail};
use std::collections::HashSet;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Mutex, PoisonError};

/// Below the range from which the kernel takes the ports of outgoing connections, so that none of
/// those is in the way between the choice of a port and its use.
const RANGE: std::ops::Range<u16> = 11_000..32_000;

/// A TCP port that nobody listens on and that no other test of this process has been given.
pub(crate) fn free_port() -> Result<u16> {
    static GIVEN: Mutex<Option<HashSet<u16>>> = Mutex::new(None);
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    let given = given.get_or_insert_default();
    // Two test processes at the same time start at different places.
    let span = RANGE.end - RANGE.start;
    let start = (std::process::id() % u32::from(span)) as u16;
    for step in 0..span {
        let port = RANGE.start + (start + step) % span;
        if !given.contains(&port) && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            given.insert(port);
            return Ok(port);
        }
    }
    bail!("no free port between {} and {}", RANGE.start, RANGE.end);
}
