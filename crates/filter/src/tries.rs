//! Mails that failed before, so that one mail cannot keep the service in a crash loop.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

/// Mails remembered; the oldest is forgotten first. At 50 failures a second (a flood of hostile
/// mail) that is still more than three minutes, longer than a first retry takes.
const REMEMBERED: usize = 10_000;
/// A mail that has killed this many workers is not given to another one.
const POISON: u32 = 2;

/// What is remembered of a mail that failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tries {
    /// How often it failed.
    pub(crate) failed: u32,
    /// How many workers it killed.
    pub(crate) killed: u32,
}

impl Tries {
    /// Whether it must not be given to a worker any more.
    pub(crate) fn is_poison(self) -> bool {
        self.killed >= POISON
    }
}

/// Memory of failed mails by the SHA-256 of the message. It lives in memory only: after a restart
/// a mail has its tries again.
#[derive(Debug, Default)]
pub(crate) struct FailedMails {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    tries: HashMap<[u8; 32], Tries>,
    order: VecDeque<[u8; 32]>,
}

impl FailedMails {
    /// Whether nothing is remembered: then no hash needs to be computed to ask.
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().tries.is_empty()
    }

    /// What is remembered of a mail.
    pub(crate) fn of(&self, message: &[u8; 32]) -> Tries {
        self.lock().tries.get(message).copied().unwrap_or_default()
    }

    /// Remembers one more failure.
    pub(crate) fn failed(&self, message: [u8; 32], killed: bool) -> Tries {
        let mut inner = self.lock();
        if !inner.tries.contains_key(&message) {
            if inner.order.len() >= REMEMBERED
                && let Some(oldest) = inner.order.pop_front()
            {
                inner.tries.remove(&oldest);
            }
            inner.order.push_back(message);
        }
        let tries = inner.tries.entry(message).or_default();
        tries.failed = tries.failed.saturating_add(1);
        tries.killed = tries.killed.saturating_add(u32::from(killed));
        *tries
    }

    /// Forgets a mail that went through, or is held.
    pub(crate) fn forget(&self, message: &[u8; 32]) {
        let mut inner = self.lock();
        if inner.tries.remove(message).is_some() {
            inner.order.retain(|other| other != message);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        // Every update leaves the map usable, so a panic elsewhere does not spoil it.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_is_poison_after_it_killed_two_workers() {
        let mails = FailedMails::default();
        assert!(!mails.failed([1; 32], true).is_poison());
        assert!(!mails.failed([1; 32], false).is_poison());
        let tries = mails.failed([1; 32], true);
        assert!(tries.is_poison());
        assert_eq!(tries.failed, 3);
        assert_eq!(mails.of(&[2; 32]), Tries::default());
    }

    #[test]
    fn memory_is_bounded_and_the_oldest_is_forgotten_first() {
        let mails = FailedMails::default();
        let key = |n: usize| {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&n.to_be_bytes());
            key
        };
        for n in 0..=REMEMBERED {
            mails.failed(key(n), true);
        }
        assert_eq!(mails.of(&key(0)), Tries::default());
        assert_eq!(mails.of(&key(1)).failed, 1);
        mails.forget(&key(1));
        assert_eq!(mails.of(&key(1)), Tries::default());
        let inner = mails.lock();
        assert_eq!(inner.tries.len(), inner.order.len());
    }
}
