//! A process that is killed at any moment loses nothing that it acknowledged.
//!
//! The test runs itself as a child that appends and holds as fast as it can, and prints what was
//! acknowledged; kills it; and looks at what is there.

#![expect(
    clippy::disallowed_methods,
    reason = "the test starts itself as the process that is killed"
)]

use policy::{Action, Evidence, Verdict};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use store::{
    ClientRecord, EntryId, EntryStateName, Event, Filter, GroupRecord, HeldEntry, Options, Page,
    Recovery, ReleaseRequest, Store, VerdictRecord, verify,
};

/// Directory of the store that a child is to load.
const DIR: &str = "POSTERN_STORE_KILL_DIR";

/// Acknowledged lines after which a round's child is killed, so that each round ends elsewhere.
const LIMITS: [usize; 14] = [0, 1, 2, 3, 5, 8, 13, 40, 77, 111, 150, 230, 300, 500];

fn options(dir: &Path) -> Options {
    Options {
        cache_bytes: 8 << 20,
        // Small, so that segments and checkpoints begin while it is killed.
        segment_bytes: 64 << 10,
        checkpoint_events: 100,
        min_free_bytes: 0,
        min_free_inodes: 0,
        ..Options::new(dir)
    }
}

#[test]
fn nothing_acknowledged_is_lost_however_often_the_process_is_killed() {
    if let Some(dir) = std::env::var_os(DIR) {
        return load(&PathBuf::from(dir));
    }
    let place = tempfile::tempdir().expect("a directory");
    let dir = place.path().join("var");
    let mut known = Known::default();
    for (round, limit) in LIMITS.into_iter().enumerate() {
        let mut child = spawn(&dir);
        let output = child.stdout.take().expect("its output");
        let mut killed = false;
        for line in BufReader::new(output).lines() {
            let line = line.expect("a line");
            known.note(&line);
            if known.lines >= limit && !killed {
                killed = true;
                child.kill().expect("killed");
            }
            // What it had printed before it died was acknowledged, too: read to the end.
        }
        child.wait().expect("waited");
        known.lines = 0;
        let (store, recovery) = Store::open(options(&dir)).expect("opens");
        known.check(&store, &recovery, round);
        store.close();
        no_orphans(&dir);
        verify(&dir, true, |_, _| {}).expect("whole");
    }
    assert!(known.verdicts.len() > 100);
    // What was asked of the index is what is true: built anew it says the same.
    let (store, _) = Store::open(options(&dir)).expect("opens");
    let before = dump(&store);
    store.rebuild(|_, _| {}).expect("rebuilt");
    assert_eq!(dump(&store), before);
}

fn spawn(dir: &Path) -> Child {
    Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "--nocapture", "--test-threads=1"])
        .arg("nothing_acknowledged_is_lost_however_often_the_process_is_killed")
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("a child")
}

/// What the child does until it is killed: several threads hold, judge, release and delete.
fn load(dir: &Path) {
    let (store, _) = Store::open(options(dir)).expect("opens");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .expect("a runtime");
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let (store, runtime) = (store.clone(), &runtime);
            scope.spawn(move || {
                for n in 0.. {
                    one_mail(&store, runtime, thread * 1_000_000 + n);
                }
            });
        }
    });
}

fn one_mail(store: &Store, runtime: &tokio::runtime::Runtime, n: u64) {
    let id = store.new_id();
    let entry = id.entry(1);
    let message = format!("Subject: {n}\r\n\r\n{entry}\r\n").repeat(1 + (n % 50) as usize);
    let mut record = record(&entry, message.as_bytes());
    let holds = n.is_multiple_of(3);
    if !holds {
        record.groups.clear();
    }
    if holds {
        let held = held(&entry, &record);
        store.hold(&held, message.as_bytes()).expect("held");
        acknowledge("file", &entry);
        let held = HeldEntry {
            record: None,
            ..held
        };
        store.append_blocking(Event::Held(held)).expect("appended");
    }
    let event = Event::Verdict(Box::new(record));
    store.append_blocking(event).expect("appended");
    acknowledge("verdict", &entry);
    let reply = format!("accept {n}");
    let answered = Event::Answered {
        id,
        reply,
        next_hop: None,
    };
    store.append_blocking(answered).expect("appended");
    if holds && n.is_multiple_of(6) {
        runtime.block_on(async {
            if n.is_multiple_of(12) {
                store.delete(&entry, "uid 1", None).await.expect("deleted");
                acknowledge("deleted", &entry);
            } else {
                let request = ReleaseRequest {
                    by: "uid 1".into(),
                    why: None,
                    to: "next".into(),
                    rcpts: Vec::new(),
                    force: false,
                };
                let ticket = store.start_release(&entry, request).await.expect("begun");
                acknowledge("begun", &entry);
                ticket.released("250 ok", None).await.expect("noted");
                acknowledge("released", &entry);
            }
        });
    }
}

/// One line in one write, which a kill does not split.
fn acknowledge(what: &str, entry: &EntryId) {
    let line = format!("ack {what} {entry}\n");
    std::io::stdout()
        .write_all(line.as_bytes())
        .expect("written");
}

#[derive(Default)]
struct Known {
    lines: usize,
    verdicts: BTreeSet<EntryId>,
    /// Files, and the last that is known of them.
    files: BTreeMap<EntryId, String>,
}

impl Known {
    fn note(&mut self, line: &str) {
        let mut words = line.split(' ').skip_while(|w| *w != "ack").skip(1);
        let (Some(what), Some(Ok(entry))) = (words.next(), words.next().map(str::parse)) else {
            return;
        };
        self.lines += 1;
        match what {
            "verdict" => drop(self.verdicts.insert(entry)),
            what => drop(self.files.insert(entry, what.to_owned())),
        }
    }

    fn check(&self, store: &Store, recovery: &Recovery, round: usize) {
        assert_eq!(recovery.missing, [], "round {round}");
        assert_eq!(recovery.damaged, [], "round {round}");
        assert_eq!(recovery.strangers, Vec::<String>::new());
        let (verdicts, entries) = dump(store);
        let ids: BTreeSet<String> = verdicts.iter().map(|v| v.0.clone()).collect();
        assert_eq!(ids.len(), verdicts.len(), "a record twice");
        for entry in &self.verdicts {
            assert!(
                ids.contains(entry.mail().as_str()),
                "{entry} in round {round}"
            );
        }
        let states: BTreeMap<EntryId, EntryStateName> = entries.iter().cloned().collect();
        assert_eq!(states.len(), entries.len(), "an entry twice");
        for (entry, what) in &self.files {
            let state = *states.get(entry).expect("the entry is there");
            use EntryStateName::{Deleted, Held, Released, Unknown};
            // What was acknowledged last, or what followed and was not.
            let possible: &[EntryStateName] = match what.as_str() {
                "deleted" => &[Deleted],
                "released" => &[Released],
                "begun" => &[Unknown, Released],
                _ => &[Held, Unknown, Deleted],
            };
            assert!(possible.contains(&state), "{entry} {what}: {state}");
            if state != Deleted {
                let message = store.entry_message(entry).expect("intact");
                let text = String::from_utf8(message).expect("text");
                assert!(text.contains(&entry.to_string()));
            }
        }
    }
}

type Dump = (Vec<(String, String)>, Vec<(EntryId, EntryStateName)>);

fn dump(store: &Store) -> Dump {
    let filter = Filter::default();
    let (mut verdicts, mut entries) = (Vec::new(), Vec::new());
    let mut page = Page::first(500);
    loop {
        let found = store.verdicts(&filter, &page).expect("read");
        for judged in found.items {
            let text = serde_json::to_string(&judged).expect("json");
            verdicts.push((judged.record.id.to_string(), text));
        }
        match found.next {
            Some(next) => page = page.after(next),
            None => break,
        }
    }
    let mut page = Page::first(500);
    loop {
        let found = store.entries(&filter, &page).expect("read");
        for entry in found.items {
            entries.push((entry.held.entry.clone(), entry.state.name()));
        }
        match found.next {
            Some(next) => page = page.after(next),
            None => return (verdicts, entries),
        }
    }
}

/// No temporary file, no sidecar without a message, no message without a sidecar.
fn no_orphans(dir: &Path) {
    let mut names = BTreeSet::new();
    let mut todo = vec![dir.join("quarantine")];
    while let Some(dir) = todo.pop() {
        for item in std::fs::read_dir(dir).expect("read") {
            let item = item.expect("an item");
            if item.file_type().expect("a type").is_dir() {
                todo.push(item.path());
            } else {
                names.insert(item.file_name().to_string_lossy().into_owned());
            }
        }
    }
    for name in &names {
        let (stem, suffix) = name.rsplit_once('.').expect("a suffix");
        let other = match suffix {
            "eml" => format!("{stem}.json"),
            "json" => format!("{stem}.eml"),
            _ => panic!("{name} was left"),
        };
        assert!(names.contains(&other), "{name} is alone");
    }
}

fn record(entry: &EntryId, message: &[u8]) -> VerdictRecord {
    let rcpts = vec!["rcpt@uni.example".to_owned()];
    VerdictRecord {
        id: entry.mail().clone(),
        received: entry.mail().ms(),
        door: "milter".into(),
        queue_id: None,
        client: ClientRecord::default(),
        mail_from: "sender@shop.example".into(),
        rcpts: rcpts.clone(),
        from: Vec::new(),
        subject: "subject".into(),
        message_id: None,
        size: message.len() as u64,
        sha256: Sha256::digest(message)
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect(),
        groups: vec![GroupRecord {
            entry: Some(entry.clone()),
            rcpts,
            verdict: Verdict {
                action: Action::Quarantine,
                score: 80,
                category: None,
                reasons: Vec::new(),
                tenant: "default".into(),
            },
        }],
        held_by_mta: false,
        evidence: Evidence::default(),
        artifacts: Vec::new(),
        links: Vec::new(),
        defects: Vec::new(),
        rules: String::new(),
        policy: String::new(),
        ms: 1,
    }
}

fn held(entry: &EntryId, record: &VerdictRecord) -> HeldEntry {
    HeldEntry {
        entry: entry.clone(),
        received: record.received,
        mail_from: record.mail_from.clone(),
        rcpts: record.rcpts.clone(),
        size: record.size,
        sha256: record.sha256.clone(),
        recovered: false,
        record: Some(Box::new(record.clone())),
    }
}
