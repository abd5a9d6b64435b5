use super::Action::{Accept, Discard, Quarantine, Reject, Tag, Tempfail};
use super::QuarantineMode::{MtaHold, Store};
use super::*;

/// Everything that a disposition depends on beside the actions.
#[derive(Debug, Clone, Copy)]
struct Terms {
    keep_copy: bool,
    after_queue: bool,
    can_mta_hold: bool,
    mode: QuarantineMode,
}

/// A milter as it is without any configuration.
const PLAIN: Terms = Terms {
    keep_copy: false,
    after_queue: false,
    can_mta_hold: true,
    mode: Store,
};
const KEEPING: Terms = Terms {
    keep_copy: true,
    ..PLAIN
};
const AFTER_QUEUE: Terms = Terms {
    after_queue: true,
    can_mta_hold: false,
    ..PLAIN
};
const MTA_HOLD: Terms = Terms {
    mode: MtaHold,
    ..PLAIN
};
/// `mta-hold` is configured, and the door is one of those that cannot.
const CANNOT_HOLD: Terms = Terms {
    can_mta_hold: false,
    ..MTA_HOLD
};

fn of(actions: &[Action], terms: Terms) -> Disposition {
    let verdict = |&action| Verdict {
        action,
        score: 0,
        category: None,
        reasons: vec![],
        tenant: "t".into(),
    };
    let verdicts: Vec<Verdict> = actions.iter().map(verdict).collect();
    let decided = |verdict| Decided {
        verdict,
        keep_copy: terms.keep_copy,
    };
    let groups: Vec<Decided<'_>> = verdicts.iter().map(decided).collect();
    let door = Door {
        name: "test",
        can_mta_hold: terms.can_mta_hold,
        after_queue: terms.after_queue,
    };
    dispose(&groups, door, terms.mode)
}

/// One row: what was decided, and the answer with the groups that are held and removed, and the one shown.
type Row<'a> = (
    &'a [Action],
    (Answer, &'a [usize], &'a [usize], Option<usize>),
);

fn check(rows: &[Row<'_>], terms: Terms, mta_hold: bool) {
    for (actions, (answer, hold, remove, shown)) in rows {
        let expected = Disposition {
            answer: *answer,
            hold: hold.to_vec(),
            remove: remove.to_vec(),
            mta_hold,
            shown: *shown,
        };
        assert_eq!(of(actions, terms), expected, "{actions:?} {terms:?}");
    }
}

#[test]
fn the_table_of_dispositions_holds() {
    let rows: &[Row<'_>] = &[
        (&[Accept], (Answer::Accept, &[], &[], Some(0))),
        (&[Tag], (Answer::Accept, &[], &[], Some(0))),
        (&[Discard], (Answer::Discard, &[], &[], None)),
        (&[Tempfail], (Answer::Tempfail, &[], &[], None)),
        (&[Accept, Tag], (Answer::Accept, &[], &[], Some(1))),
        (&[Accept, Quarantine], (Answer::Accept, &[1], &[1], Some(0))),
        (&[Reject, Accept], (Answer::Accept, &[0], &[0], Some(1))),
        (
            &[Reject, Tag, Discard],
            (Answer::Accept, &[0], &[0, 2], Some(1)),
        ),
        (&[Reject, Quarantine], (Answer::Discard, &[0, 1], &[], None)),
        (&[Reject, Discard], (Answer::Discard, &[0], &[], None)),
        (&[Quarantine, Discard], (Answer::Discard, &[0], &[], None)),
        (&[Quarantine, Tempfail], (Answer::Tempfail, &[], &[], None)),
        (&[Reject, Tempfail], (Answer::Tempfail, &[], &[], None)),
        (&[], (Answer::Tempfail, &[], &[], None)),
    ];
    for terms in [PLAIN, KEEPING, AFTER_QUEUE, MTA_HOLD, CANNOT_HOLD] {
        check(rows, terms, false);
    }
}

#[test]
fn only_a_rejection_before_the_queue_is_one() {
    let refused: &[Row<'_>] = &[
        (&[Reject], (Answer::Reject, &[], &[], None)),
        (&[Reject, Reject], (Answer::Reject, &[], &[], None)),
    ];
    for terms in [PLAIN, MTA_HOLD, CANNOT_HOLD] {
        check(refused, terms, false);
    }
    let kept: &[Row<'_>] = &[
        (&[Reject], (Answer::Reject, &[0], &[], None)),
        (&[Reject, Reject], (Answer::Reject, &[0, 1], &[], None)),
    ];
    check(kept, KEEPING, false);
    let held: &[Row<'_>] = &[
        (&[Reject], (Answer::Discard, &[0], &[], None)),
        (&[Reject, Reject], (Answer::Discard, &[0, 1], &[], None)),
    ];
    check(held, AFTER_QUEUE, false);
}

#[test]
fn the_mta_holds_what_nobody_gets_and_nobody_is_refused() {
    let by_mta: &[Row<'_>] = &[
        (&[Quarantine], (Answer::Accept, &[], &[], Some(0))),
        (
            &[Quarantine, Quarantine],
            (Answer::Accept, &[], &[], Some(1)),
        ),
    ];
    check(by_mta, MTA_HOLD, true);
    let by_us: &[Row<'_>] = &[
        (&[Quarantine], (Answer::Discard, &[0], &[], None)),
        (
            &[Quarantine, Quarantine],
            (Answer::Discard, &[0, 1], &[], None),
        ),
    ];
    for terms in [PLAIN, KEEPING, AFTER_QUEUE, CANNOT_HOLD] {
        check(by_us, terms, false);
    }
}

#[test]
fn each_group_keeps_copies_or_not() {
    let verdict = Verdict {
        action: Reject,
        score: 0,
        category: None,
        reasons: vec![],
        tenant: "t".into(),
    };
    let groups = [false, true, false].map(|keep_copy| Decided {
        verdict: &verdict,
        keep_copy,
    });
    let door = Door {
        name: "test",
        can_mta_hold: true,
        after_queue: false,
    };
    let found = dispose(&groups, door, Store);
    assert_eq!((found.answer, found.hold), (Answer::Reject, vec![1]));
}

/// All terms, and all sequences of up to three actions.
fn everything() -> Vec<(Vec<Action>, Terms)> {
    let flags = [false, true];
    let mut terms = Vec::new();
    for (keep_copy, after_queue) in flags.iter().flat_map(|&a| flags.map(|b| (a, b))) {
        for (can_mta_hold, mode) in flags.iter().flat_map(|&a| [(a, Store), (a, MtaHold)]) {
            terms.push(Terms {
                keep_copy,
                after_queue,
                can_mta_hold,
                mode,
            });
        }
    }
    let mut sequences = vec![Vec::new()];
    let mut last = sequences.clone();
    for _ in 0..3 {
        let longer = |start: &Vec<Action>| {
            let start = start.clone();
            Action::ALL
                .iter()
                .map(move |&next| [start.as_slice(), &[next]].concat())
        };
        last = last.iter().flat_map(longer).collect();
        sequences.extend(last.clone());
    }
    sequences
        .iter()
        .flat_map(|actions| terms.iter().map(|&terms| (actions.clone(), terms)))
        .collect()
}

#[test]
fn nobody_loses_a_mail_that_was_neither_refused_nor_discarded_on_purpose() {
    let cases = everything();
    assert_eq!(cases.len(), (1 + 6 + 36 + 216) * 16);
    for (actions, terms) in cases {
        let case = format!("{actions:?} {terms:?}");
        let found = of(&actions, terms);
        if matches!(found.answer, Answer::Reject | Answer::Tempfail) {
            assert!(!found.mta_hold && found.remove.is_empty(), "{case}");
            continue;
        }
        for (index, &action) in actions.iter().enumerate() {
            let passed = found.answer == Answer::Accept && !found.remove.contains(&index);
            let held = found.hold.contains(&index);
            let destroyed = !passed && !held;
            assert!(!(passed && held), "twice: {case}");
            assert_eq!(destroyed, action == Discard, "{case}");
            // Nobody gets what was to be withheld, unless it waits in the MTA's queue.
            let waits = held || found.mta_hold;
            let withheld = matches!(action, Quarantine | Reject);
            assert_eq!(waits, withheld, "{case}");
        }
    }
}

#[test]
fn whatever_else_is_decided_these_hold() {
    for (actions, terms) in everything() {
        let case = format!("{actions:?} {terms:?}");
        let found = of(&actions, terms);
        let deferred = actions.is_empty() || actions.contains(&Tempfail);
        assert_eq!(found.answer == Answer::Tempfail, deferred, "{case}");
        if deferred {
            assert!(found.hold.is_empty(), "held before it comes again: {case}");
        }
        let refused = found.answer == Answer::Reject;
        assert!(!refused || actions.iter().all(|a| *a == Reject), "{case}");
        assert!(
            !refused || !terms.after_queue,
            "a bounce to a stranger: {case}"
        );
        if refused {
            assert_eq!(!found.hold.is_empty(), terms.keep_copy, "{case}");
        }
        let may = terms.can_mta_hold && terms.mode == MtaHold;
        assert!(!found.mta_hold || may, "{case}");
        // The header shows the strongest verdict of those that get the mail.
        let gets = |index: &usize| found.mta_hold || !found.remove.contains(index);
        let strongest = (0..actions.len()).filter(gets).map(|i| actions[i]).max();
        let shown = found.shown.map(|index| actions[index]);
        let expected = strongest.filter(|_| found.answer == Answer::Accept);
        assert_eq!(shown, expected, "{case}");
    }
}
