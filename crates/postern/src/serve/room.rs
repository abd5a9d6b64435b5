//! Room in memory for the messages that are being looked at.
//!
//! A message waits on disk until there is room for it. Without that, as many connections as are allowed, each
//! with the largest message that is allowed, would be all the memory of the machine and more.

use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Messages in memory, all together, in units of [`UNIT`]: 512 MiB. Room for thousands of ordinary mails; what
/// does not fit waits, which the MTA is told.
const UNITS: u32 = 8192;
/// Bytes of a unit; a small message costs about this much with all that belongs to it.
const UNIT: u64 = 64 << 10;
/// How long a message may wait for room.
pub(super) const MAX_WAIT: Duration = Duration::from_secs(10);

/// The room.
#[derive(Debug)]
pub(super) struct Room {
    units: Semaphore,
}

impl Room {
    pub(super) fn new() -> Room {
        Room {
            units: Semaphore::new(UNITS as usize),
        }
    }

    /// Waits for room for a message; nothing if there is none in time. A message that is larger than all
    /// the room there is gets all of it.
    pub(super) async fn take(&self, bytes: u64) -> Option<SemaphorePermit<'_>> {
        let units = bytes.div_ceil(UNIT).clamp(1, u64::from(UNITS));
        let units = u32::try_from(units).unwrap_or(UNITS);
        let taken = tokio::time::timeout(MAX_WAIT, self.units.acquire_many(units)).await;
        // The semaphore is never closed.
        taken.ok()?.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_message_waits_until_others_have_left() {
        let room = Room::new();
        let all = room.take(u64::MAX).await.expect("it is empty");
        let waiting = room.take(1);
        tokio::pin!(waiting);
        let ready = tokio::select! {
            biased;
            _ = &mut waiting => true,
            () = tokio::task::yield_now() => false,
        };
        assert!(!ready, "there is no room");
        drop(all);
        assert!(waiting.await.is_some());
    }

    #[tokio::test]
    async fn small_messages_do_not_wait_for_each_other() {
        let room = Room::new();
        let mut taken = Vec::new();
        for _ in 0..1000 {
            taken.push(room.take(20_000).await.expect("room"));
        }
    }
}
