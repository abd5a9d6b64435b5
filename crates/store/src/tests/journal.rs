use super::*;
use crate::NextHop;
use crate::journal::line;
use crate::system::Step;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};

fn started(n: usize) -> Event {
    Event::Started {
        version: format!("v{n}"),
        recovery: Vec::new(),
    }
}

#[test]
fn events_are_numbered_and_come_back_after_a_restart() {
    let place = Place::new();
    let (store, recovery) = place.open();
    assert!(recovery.created);
    assert!(recovery.sentences().is_empty());
    let ids: Vec<_> = (0..10).map(|n| verdict(&store, n)).collect();
    assert_eq!(store.status().seq, 10);
    store.close();
    let (store, recovery) = place.open();
    assert_eq!(
        (recovery.created, recovery.sentences()),
        (false, Vec::new())
    );
    for (n, id) in (0..).zip(&ids) {
        assert_eq!(store.verdict(id).expect("read"), Some(record(id, n)));
    }
    assert_eq!(append(&store, started(0)), 11);
}

#[test]
fn waiting_events_share_one_sync() {
    // The first sync is held up until all other events wait; they must then take but one more.
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let syncs = Arc::new(AtomicUsize::new(0));
    let hook = {
        let (gate, syncs) = (Arc::clone(&gate), Arc::clone(&syncs));
        move |step| {
            if step == Step::SyncData {
                syncs.fetch_add(1, Ordering::SeqCst);
                let open = gate.0.lock().expect("gate");
                drop(gate.1.wait_while(open, |open| !*open).expect("gate"));
            }
            Ok(())
        }
    };
    let place = Place::new();
    let (store, _) = place.open_on(System::with_hook(hook));
    let runtime = runtime();
    let tasks: Vec<_> = (0..100)
        .map(|n| {
            let store = store.clone();
            runtime.spawn(async move { store.append(started(n)).await })
        })
        .collect();
    while syncs.load(Ordering::SeqCst) == 0
        || store.inner.journal.taken() + store.inner.journal.waiting() < 100
    {
        std::thread::yield_now();
    }
    let first_group = store.inner.journal.taken();
    *gate.0.lock().expect("gate") = true;
    gate.1.notify_all();
    let mut seqs: Vec<u64> = tasks
        .into_iter()
        .map(|task| runtime.block_on(task).expect("task").expect("appended"))
        .collect();
    seqs.sort_unstable();
    assert_eq!(seqs, (1..=100).collect::<Vec<_>>());
    let groups = if first_group == 100 { 1 } else { 2 };
    assert_eq!(syncs.load(Ordering::SeqCst), groups);
}

#[test]
fn a_torn_tail_of_any_length_is_moved_aside_and_the_rest_stays() {
    let place = Place::new();
    let (store, _) = place.open();
    let kept: Vec<_> = (0..3).map(|n| verdict(&store, n)).collect();
    let torn = verdict(&store, 3);
    store.close();
    let (path, whole) = place.segments().pop().expect("a segment");
    let last = whole[..whole.len() - 1]
        .iter()
        .rposition(|b| *b == b'\n')
        .expect("lines")
        + 1;
    // Every length would take minutes; every place of the head, and then some of the payload.
    let head = 420.min(whole.len() - last);
    let lengths = (last + 1..last + head)
        .step_by(9)
        .chain((last + head..whole.len()).step_by(301))
        .chain([whole.len() - 2, whole.len() - 1]);
    for length in lengths {
        fs::remove_dir_all(place.var().join("index")).expect("no index");
        let _ = fs::remove_file(place.var().join("checkpoint.json"));
        fs::write(&path, &whole[..length]).expect("torn");
        let (store, recovery) = place.open();
        let cut = recovery.torn.expect("a torn tail");
        assert_eq!((cut.line, cut.bytes), (4, (length - last) as u64));
        let aside = fs::read(place.var().join("journal").join(&cut.kept)).expect("kept");
        assert_eq!(aside, &whole[last..length]);
        assert_eq!(recovery.damaged, []);
        assert_eq!(store.verdict(&torn).expect("read"), None);
        for id in &kept {
            assert!(store.verdict(id).expect("read").is_some());
        }
        assert_eq!(append(&store, started(1)), 4);
        store.close();
        crate::verify(&place.var(), true, |_, _| {}).expect("whole again");
    }
}

#[test]
fn any_octet_of_the_last_line_that_changes_is_noticed_by_the_line_itself() {
    let mut text = Vec::new();
    let payload = serde_json::to_string(&started(1)).expect("json");
    line::write(&mut text, 7, 1_700_000_000_123, line::GENESIS, &payload);
    text.pop();
    assert!(line::parse(&text).is_ok());
    for at in 0..text.len() {
        for flip in [1, 2, 4, 8, 16, 32, 64, 128] {
            let mut changed = text.clone();
            changed[at] ^= flip;
            assert!(line::parse(&changed).is_err(), "octet {at} ^ {flip}");
        }
    }
}

#[test]
fn an_erased_payload_leaves_the_chain_intact() {
    let place = Place::new();
    let (store, _) = place.open();
    let erased = verdict(&store, 1);
    let other = verdict(&store, 2);
    store.close();
    let (path, text) = place.segments().pop().expect("a segment");
    let text = String::from_utf8(text).expect("text");
    let (first, rest) = text.split_once('\n').expect("lines");
    let head = first.split_once(r#""payload":"#).expect("a payload").0;
    fs::write(&path, format!("{head}\"payload\":null}}\n{rest}")).expect("written");
    let verified = crate::verify(&place.var(), false, |_, _| {}).expect("whole");
    assert_eq!((verified.lines, verified.erased), (2, 1));
    fs::remove_dir_all(place.var().join("index")).expect("no index");
    let (store, _) = place.open();
    assert_eq!(store.verdict(&erased).expect("read"), None);
    assert!(store.verdict(&other).expect("read").is_some());
}

#[test]
fn a_new_segment_begins_with_the_day_and_with_its_size_and_never_goes_back() {
    let day = 86_400_000;
    let now = Arc::new(AtomicI64::new(1_700_000_000_000));
    let clock = Arc::clone(&now);
    let place = Place::new();
    let options = Options {
        segment_bytes: 1000,
        ..place.options()
    };
    let system = System::with_clock(move || clock.load(Ordering::SeqCst));
    let (store, _) = open::open(options, system).expect("opens");
    append(&store, started(0));
    now.fetch_add(day, Ordering::SeqCst);
    append(&store, started(1));
    // Back by a year: what follows stays in the newest segment until it is full.
    now.fetch_sub(365 * day, Ordering::SeqCst);
    for n in 2..8 {
        append(&store, started(n));
    }
    store.close();
    let names: Vec<String> = place
        .segments()
        .iter()
        .map(|(p, _)| {
            p.file_name()
                .expect("a name")
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    assert_eq!(
        names,
        [
            "2023-11-14-1.jsonl",
            "2023-11-15-1.jsonl",
            "2023-11-15-2.jsonl"
        ]
    );
    let verified = crate::verify(&place.var(), false, |_, _| {}).expect("whole");
    assert_eq!((verified.lines, verified.segments), (8, 3));
}

#[test]
fn segments_sort_by_number_not_by_text() {
    let place = Place::new();
    let options = Options {
        segment_bytes: 1,
        ..place.options()
    };
    let (store, _) = Store::open(options.clone()).expect("opens");
    let ids: Vec<_> = (0..12).map(|n| verdict(&store, n)).collect();
    store.close();
    fs::remove_dir_all(place.var().join("index")).expect("no index");
    let (store, recovery) = Store::open(options).expect("opens");
    assert_eq!(recovery.damaged, []);
    assert!(
        ids.iter()
            .all(|id| store.verdict(id).expect("read").is_some())
    );
    assert_eq!(store.status().segments, 12);
}

#[test]
fn an_event_of_an_unknown_kind_is_passed_over() {
    let place = Place::new();
    let (store, _) = place.open();
    store
        .inner
        .journal
        .append_blocking(r#"{"event":"moon-phase","phase":"full"}"#.into())
        .expect("appended");
    let id = verdict(&store, 1);
    assert!(store.verdict(&id).expect("read").is_some());
    assert_eq!(store.status().applied, 2);
}

#[test]
fn a_damaged_line_in_the_middle_is_reported_and_left_and_serving_goes_on() {
    let place = Place::new();
    let (store, _) = place.open();
    let ids: Vec<_> = (0..5).map(|n| verdict(&store, n)).collect();
    store.close();
    let (path, mut text) = place.segments().pop().expect("a segment");
    let at = String::from_utf8_lossy(&text)
        .find("Invoice 2")
        .expect("line 3");
    text[at] ^= 1;
    fs::write(&path, &text).expect("written");
    fs::remove_dir_all(place.var().join("index")).expect("no index");
    let (store, recovery) = place.open();
    assert_eq!(recovery.torn, None);
    assert_eq!(recovery.damaged.len(), 1);
    assert_eq!(recovery.damaged[0].line, 3);
    let found: Vec<bool> = ids
        .iter()
        .map(|id| store.verdict(id).expect("read").is_some())
        .collect();
    assert_eq!(found, [true, true, false, true, true]);
    assert_eq!(append(&store, started(1)), 6);
    assert_eq!(fs::read(&path).expect("text")[..text.len()], text);
}

#[test]
fn a_newer_format_is_refused_and_nothing_is_touched() {
    let place = Place::new();
    let (store, _) = place.open();
    verdict(&store, 1);
    store.close();
    let format = place.var().join("journal/format");
    fs::write(&format, "postern-journal 2\n").expect("written");
    let before = place.segments();
    let error = Store::open(place.options()).expect_err("refused");
    assert!(error.to_string().contains("journal/format"), "{error}");
    assert!(error.to_string().contains("up to 1"), "{error}");
    assert_eq!(place.segments(), before);
}

#[test]
fn a_huge_subject_is_cut_and_the_record_says_so() {
    let place = Place::new();
    let (store, _) = place.open();
    let id = store.new_id();
    let mut huge = record(&id, 1);
    huge.subject = "é".repeat(2 << 20);
    append(&store, Event::Verdict(Box::new(huge)));
    let kept = store.verdict(&id).expect("read").expect("there");
    assert_eq!(kept.subject.len(), 1024);
    assert_eq!(kept.defects[0].code, "record-cut");
    assert!(kept.defects[0].detail.contains("subject"));
    assert!(store.status().journal_bytes < 10_000);
}

#[test]
fn an_event_beyond_the_bound_is_refused_and_the_journal_goes_on() {
    let place = Place::new();
    let (store, _) = place.open();
    let id = store.new_id();
    let mut huge = record(&id, 1);
    huge.rcpts = vec!["x".repeat(17 << 20)];
    let error = store
        .append_blocking(Event::Verdict(Box::new(huge)))
        .expect_err("too large");
    assert!(matches!(error, crate::AppendError::TooLarge { .. }));
    assert_eq!(append(&store, started(1)), 1);
}

#[test]
fn a_second_process_is_told_who_has_the_store() {
    let place = Place::new();
    let (store, _) = place.open();
    let error = Store::open(place.options())
        .expect_err("in use")
        .to_string();
    assert!(error.contains("var/lock"), "{error}");
    assert!(
        error.contains(&format!("process {}", std::process::id())),
        "{error}"
    );
    let error = crate::rebuild_offline(&place.var(), |_, _| {}).expect_err("in use");
    assert!(error.to_string().contains("var/lock"), "{error}");
    store.close();
    place.open();
}

#[test]
fn a_closed_store_takes_nothing_and_says_so() {
    let place = Place::new();
    let (store, _) = place.open();
    let clone = store.clone();
    store.close();
    assert_eq!(
        clone.append_blocking(started(1)),
        Err(crate::AppendError::Closed)
    );
    assert!(
        clone
            .verdicts(&Filter::default(), &Page::default())
            .is_err()
    );
    assert!(clone.rebuild(|_, _| {}).is_err());
    assert!(clone.checkpoint().is_err());
    place.open();
}

#[test]
fn an_event_for_which_nobody_waits_is_journalled_soon_and_in_order() {
    let place = Place::new();
    let (store, _) = place.open();
    let id = store.new_id();
    let answered = |reply: &str| Event::Answered {
        id: id.clone(),
        reply: reply.to_owned(),
        next_hop: None,
    };
    store.append_soon(answered("first")).expect("queued");
    let seq = store.append_blocking(answered("second")).expect("appended");
    assert!(seq >= 2, "the one that waited goes first");
    store.append_soon(answered("third")).expect("queued");
    store.close();
    let (store, _) = place.open();
    let last = store.answered(&id).expect("read").expect("answered");
    assert_eq!(last.reply, "third");
}

#[test]
fn what_the_next_hop_said_is_remembered_within_bounds() {
    let place = Place::new();
    let (store, _) = place.open();
    let id = store.new_id();
    let answered = Event::Answered {
        id: id.clone(),
        reply: "accept".to_owned(),
        next_hop: Some(NextHop {
            address: "mail.example.org:25".to_owned(),
            reply: Some("250 2.0.0 Ok: queued as 4ABC".to_owned() + &"x".repeat(1 << 20)),
            queue_id: Some("4ABC".to_owned()),
        }),
    };
    append(&store, answered);
    store.settle();
    let found = store.answered(&id).expect("read").expect("answered");
    let hop = found.next_hop.expect("a next hop");
    assert_eq!(hop.address, "mail.example.org:25");
    assert_eq!(hop.queue_id.as_deref(), Some("4ABC"));
    let reply = hop.reply.expect("a reply");
    assert!(reply.starts_with("250 2.0.0 Ok") && reply.len() < 2_000);
}

#[test]
fn events_of_an_earlier_version_are_read() {
    let line = r#"{"event":"answered","id":"00000000000000000000000000","reply":"accept"}"#;
    let event: Event = serde_json::from_str(line).expect("reads");
    assert!(matches!(&event, Event::Answered { next_hop: None, .. }));
    // And written as that version did, so that it can read what does not concern it.
    assert_eq!(serde_json::to_string(&event).expect("writes"), line);

    let place = Place::new();
    let (store, _) = place.open();
    let id = store.new_id();
    let mut value = serde_json::to_value(record(&id, 1)).expect("writes");
    assert!(value.get("held_by_mta").is_none(), "{value}");
    let read: VerdictRecord = serde_json::from_value(value.clone()).expect("reads");
    assert!(!read.held_by_mta);
    value["held_by_mta"] = true.into();
    let read: VerdictRecord = serde_json::from_value(value).expect("reads");
    assert!(read.held_by_mta);
}
