//! Every step that changes a file fails in turn: nothing is promised that is not kept, and nothing that
//! was acknowledged is lost.

use super::*;
use crate::system::Step;
use crate::{AppendError, HoldError, OpenError};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Fails the `n`-th step from the moment it is armed, and all after it if `stays`.
struct Fault {
    armed: AtomicBool,
    steps: AtomicUsize,
    nth: usize,
    stays: bool,
    error: i32,
}

/// A full disk.
const ENOSPC: i32 = 28;
/// A broken disk.
const EIO: i32 = 5;

impl Fault {
    fn new(nth: usize, stays: bool) -> Arc<Fault> {
        Fault::of(ENOSPC, nth, stays)
    }

    fn of(error: i32, nth: usize, stays: bool) -> Arc<Fault> {
        Arc::new(Fault {
            error,
            armed: AtomicBool::new(false),
            steps: AtomicUsize::new(0),
            nth,
            stays,
        })
    }

    fn system(self: &Arc<Self>) -> System {
        let fault = Arc::clone(self);
        System::with_hook(move |_| {
            if !fault.armed.load(Ordering::SeqCst) {
                return Ok(());
            }
            let step = fault.steps.fetch_add(1, Ordering::SeqCst);
            if step == fault.nth || (fault.stays && step > fault.nth) {
                Err(io::Error::from_raw_os_error(fault.error))
            } else {
                Ok(())
            }
        })
    }

    fn arm(&self) {
        self.armed.store(true, Ordering::SeqCst);
    }

    /// Whether the fault happened at all.
    fn happened(&self) -> bool {
        self.steps.load(Ordering::SeqCst) > self.nth
    }
}

#[test]
fn whichever_step_of_holding_fails_nothing_is_promised_and_nothing_is_left() {
    for stays in [false, true] {
        let mut nth = 0;
        loop {
            let fault = Fault::new(nth, stays);
            let place = Place::new();
            let (store, _) = place.open_on(fault.system());
            let safe = hold(&store, b"safe");
            let entry = store.new_id().entry(1);
            fault.arm();
            let result = store.hold(&held(&entry, b"new"), b"new");
            if !fault.happened() {
                result.expect("all steps succeeded");
                break;
            }
            let error = result.expect_err("a step failed");
            assert!(matches!(error, HoldError::Io { .. }), "{error}");
            assert!(error.to_string().starts_with(&entry.to_string()), "{error}");
            drop(store);
            // What could not be removed at once is removed, or adopted, by the next start.
            let (store, recovery) = place.open();
            assert_eq!(recovery.missing, []);
            assert_eq!(store.entry_message(&safe).expect("read"), b"safe");
            for adopted in &recovery.adopted {
                assert_eq!(store.entry_message(adopted).expect("read"), b"new");
            }
            let files = files_below(&place.var().join("quarantine"));
            assert_eq!(files.len(), 2 + 2 * recovery.adopted.len(), "{files:?}");
            nth += 1;
        }
        assert!(nth >= 8, "holding a mail takes {nth} steps");
    }
}

#[test]
fn a_hold_that_failed_can_be_tried_again() {
    for nth in 0..8 {
        let fault = Fault::new(nth, false);
        let place = Place::new();
        let (store, _) = place.open_on(fault.system());
        let entry = store.new_id().entry(1);
        fault.arm();
        store
            .hold(&held(&entry, b"new"), b"new")
            .expect_err("fails");
        store.hold(&held(&entry, b"new"), b"new").expect("succeeds");
        append(&store, Event::Held(held(&entry, b"new")));
        assert_eq!(store.entry_message(&entry).expect("read"), b"new");
    }
}

#[test]
fn a_full_disk_refuses_events_and_the_journal_goes_on_when_there_is_space() {
    let fault = Fault::of(ENOSPC, 0, false);
    let place = Place::new();
    let (store, _) = place.open_on(fault.system());
    let before = verdict(&store, 0);
    assert!(store.settle());
    fault.arm();
    let lost = store.new_id();
    let event = Event::Verdict(Box::new(record(&lost, 9)));
    let error = store.append_blocking(event).expect_err("no space");
    assert!(matches!(error, AppendError::NoSpace { .. }), "{error}");
    assert_eq!(store.status().failed, None);
    let after = verdict(&store, 1);
    assert_eq!(store.status().seq, 2);
    store.close();
    let (store, recovery) = place.open();
    assert_eq!((recovery.torn, recovery.damaged), (None, Vec::new()));
    for id in [before, after] {
        assert!(store.verdict(&id).expect("read").is_some());
    }
    assert_eq!(store.verdict(&lost).expect("read"), None);
    let verified = crate::verify(&place.var(), true, |_, _| {}).expect("whole");
    assert_eq!((verified.first, verified.last), (1, 2));
}

#[test]
fn after_a_failed_write_or_sync_the_journal_takes_nothing_until_the_next_start() {
    for (error, nth) in [(EIO, 0), (EIO, 1), (ENOSPC, 1)] {
        let fault = Fault::of(error, nth, false);
        let place = Place::new();
        let (store, _) = place.open_on(fault.system());
        let kept: Vec<_> = (0..3).map(|n| verdict(&store, n)).collect();
        // The projector's own steps do not count: it has nothing to do.
        assert!(store.settle());
        fault.arm();
        let lost = store.new_id();
        let event = || Event::Verdict(Box::new(record(&lost, 9)));
        let first = store.append_blocking(event()).expect_err("fails");
        let AppendError::Failed { what } = &first else {
            panic!("{first}");
        };
        assert!(what.contains(".jsonl"), "{what}");
        // The disk works again, and still nothing is trusted.
        assert_eq!(store.append_blocking(event()), Err(first.clone()));
        assert_eq!(
            runtime().block_on(store.append(event())),
            Err(first.clone())
        );
        assert_eq!(store.status().failed.as_ref(), Some(what));
        for id in &kept {
            assert!(store.verdict(id).expect("read").is_some());
        }
        assert_eq!(store.verdict(&lost).expect("read"), None);
        store.close();
        let (store, recovery) = place.open();
        assert_eq!((recovery.torn, recovery.damaged), (None, Vec::new()));
        assert_eq!(store.status().failed, None);
        assert_eq!(store.status().seq, 3);
        for id in &kept {
            assert!(store.verdict(id).expect("read").is_some());
        }
        append(&store, event());
    }
}

#[test]
fn a_half_written_line_that_cannot_even_be_removed_is_cut_at_the_next_start() {
    let fault = Fault::new(0, true);
    let place = Place::new();
    let (store, _) = place.open_on(fault.system());
    let kept = verdict(&store, 1);
    assert!(store.settle());
    fault.arm();
    let lost = store.new_id();
    store
        .append_blocking(Event::Verdict(Box::new(record(&lost, 2))))
        .expect_err("fails");
    store.close();
    let (store, recovery) = place.open();
    assert_eq!(recovery.torn.expect("half a line").line, 2);
    assert!(store.verdict(&kept).expect("read").is_some());
    assert_eq!(store.verdict(&lost).expect("read"), None);
}

#[test]
fn whichever_step_of_beginning_a_segment_fails_the_event_is_refused() {
    let mut nth = 0;
    loop {
        let fault = Fault::new(nth, false);
        let place = Place::new();
        let options = Options {
            segment_bytes: 1,
            ..place.options()
        };
        let (store, _) = open::open(options, fault.system()).expect("opens");
        let kept = verdict(&store, 1);
        assert!(store.settle());
        fault.arm();
        let id = store.new_id();
        let result = store.append_blocking(Event::Verdict(Box::new(record(&id, 2))));
        if !fault.happened() {
            result.expect("all steps succeeded");
            break;
        }
        result.expect_err("a step failed");
        store.close();
        let (store, recovery) = place.open();
        assert_eq!(recovery.damaged, []);
        assert!(store.verdict(&kept).expect("read").is_some());
        verdict(&store, 3);
        store.close();
        let verified = crate::verify(&place.var(), true, |_, _| {}).expect("whole");
        assert!(verified.lines >= 2);
        nth += 1;
    }
    assert!(nth >= 4, "beginning a segment takes {nth} steps");
}

#[test]
fn whichever_step_of_recovery_fails_the_next_start_does_it_all() {
    let mut nth = 0;
    loop {
        let place = Place::new();
        let (store, _) = place.open();
        let kept = hold(&store, b"kept");
        let gone = hold(&store, b"gone");
        append(
            &store,
            Event::Deleted {
                entry: gone.clone(),
                by: "uid 1".into(),
                why: None,
            },
        );
        let orphan = store.new_id().entry(1);
        store
            .hold(&held(&orphan, b"orphan"), b"orphan")
            .expect("held");
        store.close();
        let (path, mut text) = place.segments().pop().expect("a segment");
        text.extend_from_slice(b"{\"seq\":");
        fs::write(path, text).expect("torn");
        let fault = Fault::new(nth, false);
        fault.arm();
        let result = open::open(place.options(), fault.system());
        let happened = fault.happened();
        if let Ok((store, _)) = result {
            store.close();
            if !happened {
                break;
            }
        } else if let Err(error) = result {
            assert!(
                matches!(error, OpenError::Io { .. } | OpenError::Append(_)),
                "{error}"
            );
        }
        let (store, recovery) = place.open();
        assert_eq!(recovery.missing, []);
        assert_eq!(store.entry_message(&kept).expect("read"), b"kept");
        assert_eq!(store.entry_message(&orphan).expect("read"), b"orphan");
        assert!(store.entry_message(&gone).is_err());
        assert_eq!(files_below(&place.var().join("quarantine")).len(), 4);
        store.close();
        crate::verify(&place.var(), true, |_, _| {}).expect("whole");
        nth += 1;
    }
    assert!(nth >= 12, "this recovery takes {nth} steps");
}

#[test]
fn a_checkpoint_that_cannot_be_written_leaves_the_old_one() {
    let fault = Fault::new(0, true);
    let place = Place::new();
    let (store, _) = place.open_on(fault.system());
    hold(&store, b"message");
    store.checkpoint().expect("written");
    let before = fs::read(place.var().join("checkpoint.json")).expect("there");
    fault.arm();
    store.checkpoint().expect_err("fails");
    store.close();
    assert_eq!(
        fs::read(place.var().join("checkpoint.json")).expect("there"),
        before
    );
    let (_, recovery) = place.open();
    assert_eq!(recovery.sentences(), Vec::<String>::new());
}

#[test]
fn syncs_come_before_names_and_names_before_the_promise() {
    let steps = Arc::new(std::sync::Mutex::new(Vec::new()));
    let noted = Arc::clone(&steps);
    let place = Place::new();
    let (store, _) = place.open_on(System::with_hook(move |step| {
        noted.lock().expect("steps").push(step);
        Ok(())
    }));
    hold(&store, b"first of the day");
    assert!(store.settle());
    steps.lock().expect("steps").clear();
    let entry = store.new_id().entry(1);
    store.hold(&held(&entry, b"x"), b"x").expect("held");
    let steps = steps.lock().expect("steps").clone();
    let file = [
        Step::Unlink,
        Step::Create,
        Step::Write,
        Step::SyncFile,
        Step::Rename,
    ];
    assert_eq!(steps, [file.as_slice(), &file, &[Step::SyncDir]].concat());
}
