use super::*;
use crate::{
    DeleteError, EntryState, EntryStateName, ReadError, ReleaseError, ReleaseRequest, StepKind,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

fn request(by: &str) -> ReleaseRequest {
    ReleaseRequest {
        by: by.into(),
        why: Some("asked for".into()),
        to: "127.0.0.1:10025".into(),
        rcpts: vec!["rcpt@uni.example".into()],
        force: false,
    }
}

fn forced(by: &str) -> ReleaseRequest {
    ReleaseRequest {
        force: true,
        ..request(by)
    }
}

fn state(store: &Store, entry: &EntryId) -> EntryState {
    store.entry(entry).expect("read").expect("there").state
}

#[test]
fn a_release_that_fails_leaves_the_mail_held_and_one_that_succeeds_is_the_last() {
    let place = Place::new();
    let (store, _) = place.open();
    let entry = hold(&store, b"message");
    runtime().block_on(async {
        let ticket = store
            .start_release(&entry, request("uid 1"))
            .await
            .expect("begun");
        assert_eq!(state(&store, &entry), EntryState::Releasing);
        ticket.failed("452 later", false).await.expect("noted");
        assert_eq!(state(&store, &entry), EntryState::Held);

        let ticket = store
            .start_release(&entry, request("uid 2"))
            .await
            .expect("begun");
        ticket
            .released("250 ok", Some("4ABC"))
            .await
            .expect("noted");
        let error = store.start_release(&entry, forced("uid 3")).await.err();
        let Some(ReleaseError::AlreadyReleased { by, queue_id, .. }) = error else {
            panic!("{error:?}");
        };
        assert_eq!((by.as_str(), queue_id.as_deref()), ("uid 2", Some("4ABC")));
    });
    let entry = store.entry(&entry).expect("read").expect("there");
    let steps: Vec<_> = entry.history.iter().map(|s| &s.what).collect();
    assert!(matches!(
        steps.as_slice(),
        [
            StepKind::Held { .. },
            StepKind::ReleaseStarted { .. },
            StepKind::ReleaseFailed { .. },
            StepKind::ReleaseStarted { .. },
            StepKind::Released { .. }
        ]
    ));
}

#[test]
fn a_release_with_unknown_outcome_is_repeated_only_by_force() {
    let place = Place::new();
    let (store, _) = place.open();
    let entry = hold(&store, b"message");
    runtime().block_on(async {
        let ticket = store
            .start_release(&entry, request("uid 1"))
            .await
            .expect("begun");
        ticket.failed("connection lost", true).await.expect("noted");
        let error = store.start_release(&entry, request("uid 1")).await.err();
        assert!(
            matches!(error, Some(ReleaseError::OutcomeUnknown { .. })),
            "{error:?}"
        );
        let ticket = store
            .start_release(&entry, forced("uid 1"))
            .await
            .expect("begun");
        ticket.failed("550 no", false).await.expect("noted");
        // What the first try did is still not known.
        assert_eq!(state(&store, &entry), EntryState::Unknown);
        let ticket = store
            .start_release(&entry, forced("uid 1"))
            .await
            .expect("begun");
        ticket.released("250 ok", None).await.expect("noted");
        assert_eq!(state(&store, &entry).name(), EntryStateName::Released);
    });
}

#[test]
fn a_dropped_ticket_counts_as_unknown() {
    let place = Place::new();
    let (store, _) = place.open();
    let entry = hold(&store, b"message");
    let before = store.status().seq;
    runtime().block_on(async {
        drop(
            store
                .start_release(&entry, request("uid 1"))
                .await
                .expect("begun"),
        );
        // The next one gets the entry once the drop is in the journal.
        loop {
            match store.start_release(&entry, request("uid 1")).await.err() {
                Some(ReleaseError::Busy { .. }) => tokio::task::yield_now().await,
                Some(ReleaseError::OutcomeUnknown { .. }) => break,
                other => panic!("{other:?}"),
            }
        }
    });
    assert_eq!(store.status().seq, before + 2);
}

#[test]
fn a_release_that_was_running_when_the_process_ended_is_unknown_after_the_start() {
    let place = Place::new();
    let (store, _) = place.open();
    let entry = hold(&store, b"message");
    append(
        &store,
        Event::ReleaseStarted {
            entry: entry.clone(),
            by: "uid 1".into(),
            why: None,
            to: "next".into(),
            rcpts: Vec::new(),
        },
    );
    store.close();
    let (store, recovery) = place.open();
    assert_eq!(recovery.releases_unknown, std::slice::from_ref(&entry));
    assert_eq!(state(&store, &entry), EntryState::Unknown);
    assert_eq!(store.status().held, 1);
    store.close();
    assert_eq!(place.open().1.releases_unknown, []);
}

#[test]
fn a_deleted_mail_is_gone_and_remembered() {
    let place = Place::new();
    let (store, _) = place.open();
    let entry = hold(&store, b"message");
    runtime().block_on(async {
        store
            .delete(&entry, "uid 1", Some("spam"))
            .await
            .expect("deleted");
        let again = store.delete(&entry, "uid 2", None).await.err();
        assert!(
            matches!(&again, Some(DeleteError::AlreadyDeleted { by, .. }) if by == "uid 1"),
            "{again:?}"
        );
        let error = store.start_release(&entry, forced("uid 2")).await.err();
        assert!(
            matches!(error, Some(ReleaseError::Deleted { .. })),
            "{error:?}"
        );
        let unknown = store.new_id().entry(1);
        let error = store.delete(&unknown, "uid 1", None).await.err();
        assert!(
            matches!(error, Some(DeleteError::NotFound { .. })),
            "{error:?}"
        );
        let error = store.start_release(&unknown, request("uid 1")).await.err();
        assert!(
            matches!(error, Some(ReleaseError::NotFound { .. })),
            "{error:?}"
        );
    });
    let error = store.entry_message(&entry).expect_err("gone");
    assert!(matches!(error, ReadError::NoEntry { .. }), "{error}");
    assert!(files_below(&place.var().join("quarantine")).is_empty());
    assert!(store.verdict(entry.mail()).expect("read").is_some());
    assert_eq!(store.status().held, 0);
}

#[test]
fn a_deletion_that_did_not_end_is_finished_at_the_start() {
    let place = Place::new();
    let (store, _) = place.open();
    let entry = hold(&store, b"message");
    append(
        &store,
        Event::Deleted {
            entry: entry.clone(),
            by: "uid 1".into(),
            why: None,
        },
    );
    store.close();
    let (_, recovery) = place.open();
    assert_eq!(recovery.deletions_finished, [entry]);
    assert!(files_below(&place.var().join("quarantine")).is_empty());
}

#[test]
fn of_many_who_release_or_delete_at_once_exactly_one_wins() {
    let place = Place::new();
    let (store, _) = place.open();
    let runtime = runtime();
    for round in 0..40 {
        let entry = hold(&store, b"message");
        let wins = Arc::new(AtomicUsize::new(0));
        let tasks: Vec<_> = (0..12)
            .map(|n| {
                let (store, entry, wins) = (store.clone(), entry.clone(), Arc::clone(&wins));
                runtime.spawn(async move {
                    if (n + round) % 3 == 0 {
                        if store.delete(&entry, "uid 1", None).await.is_ok() {
                            wins.fetch_add(1, Ordering::SeqCst);
                        }
                    } else if let Ok(ticket) = store.start_release(&entry, request("uid 1")).await {
                        wins.fetch_add(1, Ordering::SeqCst);
                        tokio::task::yield_now().await;
                        ticket.released("250 ok", None).await.expect("noted");
                    }
                })
            })
            .collect();
        for task in tasks {
            runtime.block_on(task).expect("a task");
        }
        // A released mail may be deleted later on, so a release and a deletion can both succeed, one
        // after the other, but never two releases, nor a release of what is deleted.
        let steps = store.entry(&entry).expect("read").expect("there").history;
        let count = |test: fn(&StepKind) -> bool| steps.iter().filter(|s| test(&s.what)).count();
        let released = count(|s| matches!(s, StepKind::Released { .. }));
        let started = count(|s| matches!(s, StepKind::ReleaseStarted { .. }));
        let deleted = count(|s| matches!(s, StepKind::Deleted { .. }));
        assert!(started == released && released <= 1 && deleted <= 1);
        assert_eq!(wins.load(Ordering::SeqCst), released + deleted);
        assert!(released + deleted >= 1);
        if deleted == 1 {
            assert!(matches!(
                steps.last().map(|s| &s.what),
                Some(StepKind::Deleted { .. })
            ));
        }
    }
}

#[test]
fn a_long_history_keeps_its_beginning_and_its_end() {
    let place = Place::new();
    let (store, _) = place.open();
    let entry = hold(&store, b"message");
    for n in 0..150 {
        append(&store, viewed(&entry, &format!("uid {n}")));
    }
    let history = store.entry(&entry).expect("read").expect("there").history;
    assert_eq!(history.len(), Entry::MAX_HISTORY);
    assert!(matches!(history[0].what, StepKind::Held { .. }));
    let last = StepKind::ContentViewed {
        by: "uid 149".into(),
    };
    assert_eq!(history.last().map(|s| &s.what), Some(&last));
}
