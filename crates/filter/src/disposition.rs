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

/// A door, and what it can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Door {
    /// Its name in records: `milter` or `smtp`.
    pub name: &'static str,
    /// Whether the MTA behind it can be asked to hold a mail in its own queue.
    pub can_mta_hold: bool,
    /// Whether the MTA has told the sender yes before it asks (a content filter).
    pub after_queue: bool,
}

/// Where mail is held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum QuarantineMode {
    /// In Postern's own quarantine.
    #[default]
    Store,
    /// In the queue of the MTA, where that is possible; else as [`QuarantineMode::Store`].
    MtaHold,
}

/// A verdict with what its group's policy says of rejected mail.
#[derive(Debug, Clone, Copy)]
pub struct Decided<'v> {
    /// The verdict.
    pub verdict: &'v Verdict,
    /// Whether a copy is held of what is rejected.
    pub keep_copy: bool,
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
    /// Whether the MTA is asked to hold the mail: it is passed, and waits in the MTA's queue.
    pub mta_hold: bool,
    /// Index of the group whose verdict the passed mail shows: the strongest of those that get it.
    pub shown: Option<usize>,
}

/// Finds the one answer, by the first row that applies:
///
/// | verdicts | condition | sender hears | copies |
/// |---|---|---|---|
/// | any `tempfail` | | `tempfail` | nothing is held: the mail comes again, whole |
/// | all `reject` | before the queue | `reject` | held for groups that keep copies of rejected mail |
/// | all `reject` | after the queue | accepted | held for all |
/// | all `discard` | | accepted | none |
/// | all `quarantine` | `mta-hold`, and the door can | accepted | none: the MTA holds the mail, for all |
/// | none delivers | | accepted | held for `quarantine` and `reject` |
/// | some deliver | | accepted | those who do not get it are removed; held for `quarantine` and `reject` |
///
/// `reject` becomes a held copy as soon as one recipient is not rejected, because a sender cannot be
/// told yes and no at once, and what is refused to nobody must not be lost. After the queue the sender has been
/// told yes: a rejection would make the MTA send a bounce, to an address that is mostly forged.
///
/// A milter changes and holds a mail for all of its recipients. So the MTA holds only what nobody is to get,
/// and nobody to be refused; and header fields are those of the strongest verdict that is delivered.
pub fn dispose(groups: &[Decided<'_>], door: Door, mode: QuarantineMode) -> Disposition {
    let all = |action| groups.iter().all(|group| group.verdict.action == action);
    let chosen = |wanted: &dyn Fn(&Decided<'_>) -> bool| -> Vec<usize> {
        let numbered = groups.iter().enumerate();
        numbered
            .filter(|(_, group)| wanted(group))
            .map(|(index, _)| index)
            .collect()
    };
    let answer = |answer| Disposition {
        answer,
        hold: vec![],
        remove: vec![],
        mta_hold: false,
        shown: None,
    };
    let strongest = |of: &[usize]| {
        let rank = |&index: &usize| {
            groups
                .get(index)
                .map(|g| (g.verdict.action, g.verdict.score))
        };
        of.iter().copied().max_by_key(rank)
    };

    if groups.is_empty() || groups.iter().any(|g| g.verdict.action == Action::Tempfail) {
        return answer(Answer::Tempfail);
    }
    if all(Action::Reject) && !door.after_queue {
        return Disposition {
            hold: chosen(&|group| group.keep_copy),
            ..answer(Answer::Reject)
        };
    }
    if all(Action::Quarantine) && mode == QuarantineMode::MtaHold && door.can_mta_hold {
        return Disposition {
            mta_hold: true,
            shown: strongest(&chosen(&|_| true)),
            ..answer(Answer::Accept)
        };
    }
    let hold = chosen(&|g| matches!(g.verdict.action, Action::Quarantine | Action::Reject));
    let delivered = chosen(&|g| !g.verdict.action.withholds());
    if delivered.is_empty() {
        return Disposition {
            hold,
            ..answer(Answer::Discard)
        };
    }
    Disposition {
        hold,
        remove: chosen(&|g| g.verdict.action.withholds()),
        shown: strongest(&delivered),
        ..answer(Answer::Accept)
    }
}

#[cfg(test)]
mod tests;
