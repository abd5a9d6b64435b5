//! The index may be deleted, damaged or old: what can be asked stays the same.

use super::*;
use crate::{Filter, ReadError, ReleaseRequest};
use std::time::{Duration, Instant};

/// A store with something of everything.
fn furnish(store: &Store) {
    let policy = policy::Policy::default();
    append(
        store,
        Event::PolicyLoaded {
            digest: policy.digest(),
            policy: Box::new(policy),
        },
    );
    append(
        store,
        Event::RulesLoaded {
            digest: "rules".into(),
            rules: 7,
        },
    );
    for n in 0..40 {
        verdict(store, n);
    }
    let entries: Vec<_> = (0..6)
        .map(|n| hold(store, format!("message {n}").as_bytes()))
        .collect();
    let request = ReleaseRequest {
        by: "uid 1".into(),
        why: None,
        to: "next".into(),
        rcpts: Vec::new(),
        force: false,
    };
    runtime().block_on(async {
        let begin = |n: usize| store.start_release(&entries[n], request.clone());
        let ticket = begin(1).await.expect("begun");
        ticket.released("250 ok", Some("4A")).await.expect("noted");
        let ticket = begin(2).await.expect("begun");
        ticket.failed("452", false).await.expect("noted");
        let ticket = begin(3).await.expect("begun");
        ticket.failed("lost", true).await.expect("noted");
        store
            .delete(&entries[4], "uid 1", None)
            .await
            .expect("deleted");
    });
    append(store, viewed(&entries[0], "uid 9"));
}

/// What can be asked once the index is there, however long it takes to heal.
fn healed_dump(store: &Store) -> (Vec<Judged>, Vec<Entry>) {
    let begun = Instant::now();
    while let Err(ReadError::Rebuilding { .. }) = probe(store) {
        assert!(begun.elapsed() < Duration::from_secs(60), "does not heal");
        std::thread::yield_now();
    }
    dump(store)
}

/// Reads every value that a dump reads.
fn probe(store: &Store) -> Result<(), ReadError> {
    store.verdicts(&Filter::default(), &Page::first(1000))?;
    store.entries(&Filter::default(), &Page::first(1000))?;
    store.policy("none")?;
    Ok(())
}

#[test]
fn a_deleted_index_comes_back_the_same() {
    let place = Place::new();
    let (store, _) = place.open();
    furnish(&store);
    let before = dump(&store);
    let counts = store.status().held;
    store.close();
    fs::remove_dir_all(place.var().join("index")).expect("removed");
    let (store, recovery) = place.open();
    assert!(recovery.index_rebuilt.is_some());
    assert_eq!(dump(&store), before);
    assert_eq!(store.status().held, counts);
    let digest = policy::Policy::default().digest();
    assert!(store.policy(&digest).expect("read").is_some());
    assert_eq!(
        store.rules("rules").expect("read").map(|r| r.rules),
        Some(7)
    );
    store.close();
    assert_eq!(place.open().1.index_rebuilt, None);
}

#[test]
fn an_index_damaged_anywhere_comes_back_the_same() {
    let place = Place::new();
    let (store, _) = place.open();
    furnish(&store);
    let before = dump(&store);
    store.close();
    let index = place.var().join("index");
    let saved: Vec<_> = files_below(&index)
        .into_iter()
        .map(|p| (p.clone(), fs::read(&p).expect("read")))
        .collect();
    assert!(!saved.is_empty());
    let restore = || {
        let _ = fs::remove_dir_all(&index);
        for (path, bytes) in &saved {
            fs::create_dir_all(path.parent().expect("a directory")).expect("made");
            fs::write(path, bytes).expect("written");
        }
    };
    for (path, bytes) in &saved {
        let len = bytes.len();
        let flipped = |at: usize| {
            let mut changed = bytes.clone();
            if let Some(octet) = changed.get_mut(at) {
                *octet ^= 0xff;
            }
            changed
        };
        let mut variants = vec![Vec::new(), vec![0; len], b"garbage".repeat(1 + len / 7)];
        variants.push(bytes[..len / 2].to_vec());
        variants.push([bytes.as_slice(), &[0xff; 5000]].concat());
        let used = bytes.iter().rposition(|b| *b != 0).unwrap_or(0);
        variants.extend((0..12).map(|n| flipped(n * used / 12)));
        for (nth, variant) in variants.iter().enumerate() {
            restore();
            fs::write(path, variant).expect("written");
            let (store, _) = place.open();
            assert!(
                healed_dump(&store) == before,
                "{} variant {nth}",
                path.display()
            );
            store.close();
        }
        restore();
        fs::remove_file(path).expect("removed");
        let (store, _) = place.open();
        assert!(healed_dump(&store) == before, "{} removed", path.display());
        store.close();
    }
}

#[test]
fn a_file_in_place_of_the_index_is_moved_aside() {
    let place = Place::new();
    let (store, _) = place.open();
    let id = verdict(&store, 1);
    store.close();
    fs::remove_dir_all(place.var().join("index")).expect("removed");
    fs::write(place.var().join("index"), "x").expect("written");
    let (store, _) = place.open();
    assert!(store.verdict(&id).expect("read").is_some());
}

#[test]
fn an_index_of_another_schema_is_moved_aside_and_built_anew() {
    let place = Place::new();
    let (store, _) = place.open();
    furnish(&store);
    let before = dump(&store);
    store.close();
    let index = crate::index::Index::open(&place.var().join("index/1"), 1 << 20).expect("opens");
    index.set_schema(crate::index::keys::SCHEMA + 1);
    drop(index);
    let (store, recovery) = place.open();
    let why = recovery.index_rebuilt.expect("rebuilt");
    assert!(why.contains("schema"), "{why}");
    assert_eq!(recovery.index_moved.len(), 1);
    assert!(place.var().join(&recovery.index_moved[0]).is_dir());
    assert_eq!(dump(&store), before);
}

#[test]
fn an_index_that_knows_more_than_the_journal_is_built_anew() {
    let place = Place::new();
    let (store, _) = place.open();
    let id = verdict(&store, 1);
    let later = verdict(&store, 2);
    store.close();
    let (path, text) = place.segments().pop().expect("a segment");
    let first = text.iter().position(|b| *b == b'\n').expect("a line") + 1;
    fs::write(path, &text[..first]).expect("written");
    fs::remove_file(place.var().join("checkpoint.json")).expect("removed");
    let (store, recovery) = place.open();
    assert!(recovery.index_rebuilt.is_some());
    assert!(store.verdict(&id).expect("read").is_some());
    assert_eq!(store.verdict(&later).expect("read"), None);
}

#[test]
fn what_the_index_has_not_seen_is_read_from_the_journal_exactly_once() {
    let place = Place::new();
    let (store, _) = place.open();
    verdict(&store, 1);
    store.close();
    let index = place.var().join("index");
    let saved = place.dir.path().join("saved");
    copy_dir(&index, &saved);
    let (store, _) = place.open();
    furnish(&store);
    let before = dump(&store);
    let events = store.status().seq - 1;
    store.close();
    fs::remove_dir_all(&index).expect("removed");
    copy_dir(&saved, &index);
    let (store, recovery) = place.open();
    assert_eq!(recovery.index_rebuilt, None);
    assert_eq!(recovery.replayed, events);
    assert_eq!(dump(&store), before);
}

#[test]
fn a_rebuild_while_serving_ends_with_the_same_and_loses_nothing() {
    let place = Place::new();
    let (store, _) = place.open();
    furnish(&store);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| (100..400).map(|n| verdict(&store, n)).collect::<Vec<_>>());
        let mut rebuilds = 0;
        while !writer.is_finished() || rebuilds == 0 {
            let mut last = 0;
            let report = store
                .rebuild(|done, total| {
                    assert!(last <= done && done <= total);
                    last = done;
                })
                .expect("rebuilt");
            assert!(report.verdicts >= 46);
            rebuilds += 1;
        }
        for id in writer.join().expect("a writer") {
            assert!(store.verdict(&id).expect("read").is_some());
        }
    });
    let before = dump(&store);
    store.rebuild(|_, _| {}).expect("rebuilt");
    assert_eq!(dump(&store), before);
    store.close();
    let generations = fs::read_dir(place.var().join("index"))
        .expect("read")
        .count();
    assert_eq!(generations, 1);
    let report = crate::rebuild_offline(&place.var(), |_, _| {}).expect("rebuilt");
    assert_eq!(report.verdicts as usize, before.0.len());
    assert_eq!(report.entries as usize, before.1.len());
    let (store, recovery) = place.open();
    assert_eq!(recovery.index_rebuilt, None);
    assert_eq!(dump(&store), before);
}

#[test]
fn with_old_segments_gone_the_checkpoint_and_the_sidecars_tell_the_rest() {
    let place = Place::new();
    let options = Options {
        segment_bytes: 1,
        ..place.options()
    };
    let (store, _) = Store::open(options.clone()).expect("opens");
    furnish(&store);
    store.checkpoint().expect("written");
    let kept = store.status().seq;
    let waiting = store.status().held;
    let later = hold(&store, b"later");
    let mut before = dump(&store).1;
    let digest = policy::Policy::default().digest();
    store.close();
    for (path, text) in place.segments() {
        let line = crate::journal::line::parse(&text[..text.len() - 1]).expect("a line");
        if line.seq <= kept {
            fs::remove_file(path).expect("expired");
        }
    }
    fs::remove_dir_all(place.var().join("index")).expect("removed");
    let (store, recovery) = Store::open(options).expect("opens");
    assert_eq!(recovery.adopted, []);
    assert_eq!(recovery.damaged, []);
    // What is deleted and expired is forgotten; the rest is as it was, but that the time of holding is
    // the time received for what only a sidecar knows.
    let mut after = dump(&store).1;
    before.retain(|e| e.state.name() != crate::EntryStateName::Deleted);
    for entry in before.iter_mut().chain(&mut after) {
        entry.held.record = None;
        if let Some(step) = entry.history.first_mut() {
            step.when = 0;
        }
    }
    assert_eq!(after, before);
    assert_eq!(store.status().held, waiting + 1);
    assert!(store.policy(&digest).expect("read").is_some());
    assert!(store.entry_message(&later).is_ok());
    assert_eq!(
        crate::verify(&place.var(), true, |_, _| {})
            .expect("whole")
            .first,
        kept + 1
    );
    let next = verdict(&store, 1);
    assert!(store.verdict(&next).expect("read").is_some());
}

#[test]
fn with_all_segments_gone_numbers_go_on_behind_the_checkpoint() {
    let place = Place::new();
    let (store, _) = place.open();
    furnish(&store);
    let seq = store.status().seq;
    store.close();
    for (path, _) in place.segments() {
        fs::remove_file(path).expect("removed");
    }
    let (store, _) = place.open();
    assert_eq!(store.status().applied, seq);
    assert!(store.settle());
    let id = verdict(&store, 1);
    assert_eq!(store.status().seq, seq + 1);
    assert!(store.verdict(&id).expect("read").is_some());
    store.close();
    let (store, _) = place.open();
    assert_eq!(store.status().seq, seq + 1);
}

#[test]
fn a_broken_checkpoint_is_reported_and_written_anew() {
    let place = Place::new();
    let (store, _) = place.open();
    furnish(&store);
    let before = dump(&store);
    store.close();
    fs::write(place.var().join("checkpoint.json"), "{\"format\":1").expect("written");
    let (store, recovery) = place.open();
    assert!(
        recovery
            .sentences()
            .iter()
            .any(|s| s.contains("checkpoint.json"))
    );
    assert_eq!(dump(&store), before);
    store.close();
    assert_eq!(place.open().1.sentences(), Vec::<String>::new());
}

#[test]
fn a_checkpoint_is_written_after_so_many_events() {
    let place = Place::new();
    let options = Options {
        checkpoint_events: 50,
        ..place.options()
    };
    let (store, _) = Store::open(options).expect("opens");
    for n in 0..60 {
        verdict(&store, n);
    }
    assert!(store.settle());
    // It follows what it is due after; when one more event is in the index, it is there.
    verdict(&store, 60);
    assert!(store.settle());
    assert!(store.status().checkpoint >= 50);
    assert!(place.var().join("checkpoint.json").exists());
}

fn copy_dir(from: &Path, to: &Path) {
    for path in files_below(from) {
        let target = to.join(path.strip_prefix(from).expect("below"));
        fs::create_dir_all(target.parent().expect("a directory")).expect("made");
        fs::copy(&path, target).expect("copied");
    }
}
