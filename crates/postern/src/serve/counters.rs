//! What was answered since the start.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

/// The words that are counted: the answers of a door, and `lost` for those that could not be given.
const ANSWERS: [&str; 5] = ["accept", "discard", "reject", "tempfail", "lost"];

/// Counts answers; only what was really said counts, never what was intended.
#[derive(Debug, Default)]
pub(super) struct Counters {
    answered: [AtomicU64; ANSWERS.len()],
}

impl Counters {
    pub(super) fn answered(&self, answer: &str) {
        let known = ANSWERS.iter().position(|word| *word == answer);
        if let Some(counter) = known.and_then(|index| self.answered.get(index)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn by_answer(&self) -> BTreeMap<String, u64> {
        let counts = self
            .answered
            .iter()
            .map(|counter| counter.load(Ordering::Relaxed));
        ANSWERS
            .iter()
            .map(|word| (*word).to_owned())
            .zip(counts)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_has_its_own_count() {
        let counters = Counters::default();
        counters.answered("accept");
        counters.answered("accept");
        counters.answered("lost");
        counters.answered("nonsense");
        let counts = counters.by_answer();
        assert_eq!(
            (counts["accept"], counts["lost"], counts["reject"]),
            (2, 1, 0)
        );
        assert_eq!(counts.values().sum::<u64>(), 3);
    }
}
