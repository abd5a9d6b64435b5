//! From one verdict per group of recipients to the one answer that a door can give.

use policy::{Action, Verdict};

/// The final answer for a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The recipients that are left get it.
    Accept,
    /// Nobody gets it, and the sender hears that it was accepted: it is held, or destroyed on
    /// purpose.
    Discard,
    /// Refused for good.
    Reject,
    /// Refused for now; the sender tries again.
    Tempfail,
}

impl Answer {
    /// The text form.
    pub fn as_str(self) -> &'static str {
        match self {
            Answer::Accept => "accept",
            Answer::Discard => "discard",
            Answer::Reject => "reject",
            Answer::Tempfail => "tempfail",
        }
    }
}

/// What is done with a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disposition {
    /// What the sender hears.
    pub answer: Answer,
    /// Indices of the groups whose copy is held.
    pub hold: Vec<usize>,
    /// Indices of the groups whose recipients are taken off a mail that others get.
    pub remove: Vec<usize>,
    /// Index of the group whose verdict the delivered mail shows: the strongest of those that get it.
    pub shown: Option<usize>,
}

/// Finds the one answer, by the first row that applies:
///
/// | verdicts | sender hears | copies |
/// |---|---|---|
/// | any `tempfail` | `tempfail` | nothing is held: the mail comes again, whole |
/// | all `reject` | `reject` | none |
/// | all `discard` | accepted | none |
/// | none delivers | accepted | held for `quarantine` and `reject` |
/// | some deliver | accepted | those who do not get it are removed; held for `quarantine` and `reject` |
///
/// `reject` becomes a held copy as soon as one recipient is not rejected, because a sender cannot be
/// told yes and no at once, and what is refused to nobody must not be lost.
pub fn dispose(verdicts: &[&Verdict]) -> Disposition {
    let all = |action| verdicts.iter().all(|v| v.action == action);
    let groups = |wanted: fn(Action) -> bool| -> Vec<usize> {
        let numbered = verdicts.iter().enumerate();
        numbered
            .filter(|(_, v)| wanted(v.action))
            .map(|(index, _)| index)
            .collect()
    };
    let refuse = |answer| Disposition {
        answer,
        hold: vec![],
        remove: vec![],
        shown: None,
    };

    if verdicts.iter().any(|v| v.action == Action::Tempfail) || verdicts.is_empty() {
        return refuse(Answer::Tempfail);
    }
    if all(Action::Reject) {
        return refuse(Answer::Reject);
    }
    let hold = groups(|action| matches!(action, Action::Quarantine | Action::Reject));
    let delivered = groups(|action| !action.withholds());
    let shown = delivered
        .iter()
        .copied()
        .max_by_key(|&index| verdicts.get(index).map(|v| (v.action, v.score)));
    if delivered.is_empty() {
        return Disposition {
            answer: Answer::Discard,
            hold,
            remove: vec![],
            shown,
        };
    }
    Disposition {
        answer: Answer::Accept,
        hold,
        remove: groups(Action::withholds),
        shown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(action: Action) -> Verdict {
        Verdict {
            action,
            score: 0,
            category: None,
            reasons: vec![],
            tenant: "t".into(),
        }
    }

    fn of(actions: &[Action]) -> (Answer, Vec<usize>, Vec<usize>, Option<usize>) {
        let verdicts: Vec<Verdict> = actions.iter().copied().map(verdict).collect();
        let found = dispose(&verdicts.iter().collect::<Vec<_>>());
        (found.answer, found.hold, found.remove, found.shown)
    }

    #[test]
    fn the_table_of_dispositions_holds() {
        use Action::*;
        let table: &[(&[Action], _)] = &[
            (&[Accept], (Answer::Accept, vec![], vec![], Some(0))),
            (&[Tag], (Answer::Accept, vec![], vec![], Some(0))),
            (&[Quarantine], (Answer::Discard, vec![0], vec![], None)),
            (&[Reject], (Answer::Reject, vec![], vec![], None)),
            (&[Discard], (Answer::Discard, vec![], vec![], None)),
            (&[Tempfail], (Answer::Tempfail, vec![], vec![], None)),
            (&[Accept, Tag], (Answer::Accept, vec![], vec![], Some(1))),
            (
                &[Accept, Quarantine],
                (Answer::Accept, vec![1], vec![1], Some(0)),
            ),
            (
                &[Reject, Tag, Discard],
                (Answer::Accept, vec![0], vec![0, 2], Some(1)),
            ),
            (&[Reject, Reject], (Answer::Reject, vec![], vec![], None)),
            (
                &[Reject, Quarantine],
                (Answer::Discard, vec![0, 1], vec![], None),
            ),
            (&[Reject, Discard], (Answer::Discard, vec![0], vec![], None)),
            (
                &[Quarantine, Tempfail],
                (Answer::Tempfail, vec![], vec![], None),
            ),
            (&[], (Answer::Tempfail, vec![], vec![], None)),
        ];
        for (actions, expected) in table {
            assert_eq!(of(actions), *expected, "{actions:?}");
        }
    }

    #[test]
    fn nobody_loses_a_mail_that_was_neither_refused_nor_discarded_on_purpose() {
        let all = [
            Action::Accept,
            Action::Tag,
            Action::Quarantine,
            Action::Reject,
            Action::Discard,
            Action::Tempfail,
        ];
        for a in all {
            for b in all {
                let (answer, hold, remove, _) = of(&[a, b]);
                if matches!(answer, Answer::Reject | Answer::Tempfail) {
                    continue;
                }
                for (index, action) in [a, b].into_iter().enumerate() {
                    let delivered = answer == Answer::Accept && !remove.contains(&index);
                    let kept = hold.contains(&index) || action == Action::Discard;
                    assert!(delivered != kept, "{a} {b}: group {index}");
                }
            }
        }
    }
}
