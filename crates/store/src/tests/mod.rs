//! Tests of the store as a whole, and what they share.

#![expect(
    clippy::disallowed_methods,
    reason = "tests remove the index to see it come back"
)]

mod faults;
mod files;
mod find;
mod ids;
mod journal;
mod release;
mod restart;
mod verify;

use crate::journal::line::sha256;
use crate::system::System;
use crate::{
    ArtifactRecord, ClientRecord, Entry, EntryId, Event, Filter, GroupRecord, HeldEntry, Judged,
    LinkRecord, MailId, Options, Page, Recovery, Store, VerdictRecord, open,
};
use policy::{Action, Category, Coverage, Evidence, Hit, Stage, Verdict};
use std::fs;
use std::path::{Path, PathBuf};

/// A directory for a store, and how it is opened.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        Place {
            dir: tempfile::tempdir().expect("a temporary directory"),
        }
    }

    fn var(&self) -> PathBuf {
        self.dir.path().join("var")
    }

    fn options(&self) -> Options {
        Options {
            cache_bytes: 8 << 20,
            min_free_bytes: 0,
            min_free_inodes: 0,
            ..Options::new(self.var())
        }
    }

    fn open(&self) -> (Store, Recovery) {
        Store::open(self.options()).expect("the store opens")
    }

    fn open_on(&self, system: System) -> (Store, Recovery) {
        open::open(self.options(), system).expect("the store opens")
    }

    /// The text of all segments, in order of their names.
    fn segments(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut names: Vec<PathBuf> = files_below(&self.var().join("journal"));
        names.retain(|p| {
            let name = p.file_name().unwrap_or_default().to_string_lossy();
            name.ends_with(".jsonl") && !name.starts_with("torn")
        });
        names
            .into_iter()
            .map(|p| (p.clone(), fs::read(p).expect("a segment")))
            .collect()
    }
}

fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for item in fs::read_dir(dir).into_iter().flatten() {
        let path = item.expect("an item").path();
        if path.is_dir() && !path.is_symlink() {
            found.extend(files_below(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .build()
        .expect("a runtime")
}

/// A small record; `n` makes it differ from others.
fn record(id: &MailId, n: u64) -> VerdictRecord {
    let rcpts = vec![format!("rcpt{n}@uni.example")];
    VerdictRecord {
        id: id.clone(),
        received: id.ms(),
        door: "milter".into(),
        queue_id: Some(format!("4QUEUE{n}")),
        client: ClientRecord::default(),
        mail_from: format!("sender{n}@shop.example"),
        rcpts: rcpts.clone(),
        from: vec![format!("Boss{n}@uni.example")],
        subject: format!("Invoice {n}"),
        message_id: Some(format!("{n}@shop.example")),
        size: 3,
        sha256: sha256(b"abc"),
        groups: vec![GroupRecord {
            entry: None,
            rcpts,
            verdict: Verdict {
                action: Action::Quarantine,
                score: 80,
                category: Some(Category::Malware),
                reasons: Vec::new(),
                tenant: "uni".into(),
            },
        }],
        held_by_mta: false,
        evidence: Evidence {
            hits: vec![Hit {
                rule: format!("rule_{}", n % 7),
                score: 80,
                category: Category::Malware,
                action: None,
                stage: Stage::Live,
                artifact: "1".into(),
                description: String::new(),
                attack: None,
                matches: Vec::new(),
            }],
            ..Evidence::default()
        },
        artifacts: vec![ArtifactRecord {
            path: "1".into(),
            name: Some("a.exe".into()),
            file_type: "pe".into(),
            declared: None,
            size: 2,
            sha256: sha256(format!("artifact {n}").as_bytes()),
            coverage: Coverage::Full,
            detail: None,
        }],
        links: vec![LinkRecord {
            url: format!("https://host{n}.example/"),
            host: format!("host{n}.example"),
            flags: Vec::new(),
        }],
        defects: Vec::new(),
        rules: "r".into(),
        policy: "p".into(),
        ms: 1,
    }
}

fn held(entry: &EntryId, message: &[u8]) -> HeldEntry {
    let mut record = record(entry.mail(), 1);
    record.size = message.len() as u64;
    record.sha256 = sha256(message);
    if let Some(group) = record.groups.first_mut() {
        group.entry = Some(entry.clone());
    }
    HeldEntry {
        entry: entry.clone(),
        received: record.received,
        mail_from: record.mail_from.clone(),
        rcpts: record.rcpts.clone(),
        size: record.size,
        sha256: record.sha256.clone(),
        recovered: false,
        record: Some(Box::new(record)),
    }
}

/// Holds a mail with all that belongs to it, as the filter does.
fn hold(store: &Store, message: &[u8]) -> EntryId {
    let entry = store.new_id().entry(1);
    let held = held(&entry, message);
    store.hold(&held, message).expect("held");
    let record = held.record.clone().expect("a record");
    append(store, Event::Verdict(record));
    append(
        store,
        Event::Held(HeldEntry {
            record: None,
            ..held
        }),
    );
    append(
        store,
        Event::Answered {
            id: entry.mail().clone(),
            reply: "accept".into(),
            next_hop: None,
        },
    );
    entry
}

fn append(store: &Store, event: Event) -> u64 {
    store.append_blocking(event).expect("appended")
}

fn verdict(store: &Store, n: u64) -> MailId {
    let id = store.new_id();
    append(store, Event::Verdict(Box::new(record(&id, n))));
    id
}

fn viewed(entry: &EntryId, by: &str) -> Event {
    Event::ContentViewed {
        entry: entry.clone(),
        by: by.into(),
    }
}

/// Everything that can be asked for, page by page.
fn dump(store: &Store) -> (Vec<Judged>, Vec<Entry>) {
    (
        verdicts(store, &Filter::default()),
        entries(store, &Filter::default()),
    )
}

fn verdicts(store: &Store, filter: &Filter) -> Vec<Judged> {
    let mut all = Vec::new();
    let mut page = Page::first(97);
    loop {
        let found = store.verdicts(filter, &page).expect("verdicts");
        all.extend(found.items);
        match found.next {
            Some(next) => page = page.after(next),
            None => return all,
        }
    }
}

fn entries(store: &Store, filter: &Filter) -> Vec<Entry> {
    let mut all = Vec::new();
    let mut page = Page::first(97);
    loop {
        let found = store.entries(filter, &page).expect("entries");
        all.extend(found.items);
        match found.next {
            Some(next) => page = page.after(next),
            None => return all,
        }
    }
}
