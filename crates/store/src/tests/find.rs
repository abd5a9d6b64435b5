//! What a filter finds is what comparing every record one by one finds.

use super::*;
use crate::{EntryStateName, PageOf};
use proptest::prelude::*;
use std::collections::HashMap;
use std::sync::OnceLock;

const MAILS: u64 = 10_000;

struct World {
    store: Store,
    all: Vec<Judged>,
    held: Vec<Entry>,
    /// Places in `all`, and states of entries, by mail.
    places: HashMap<MailId, usize>,
    states: HashMap<MailId, Vec<EntryStateName>>,
    _place: Place,
}

/// Ten thousand mails whose fields have few values each, so that filters combine, and some entries.
fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let place = Place::new();
        let (store, _) = place.open();
        let runtime = runtime();
        let ids: Vec<_> = (0..MAILS).map(|n| (n, store.new_id())).collect();
        for chunk in ids.chunks(500) {
            let tasks: Vec<_> = chunk
                .iter()
                .flat_map(|(n, id)| events(*n, id))
                .map(|event| {
                    let store = store.clone();
                    runtime.spawn(async move { store.append(event).await })
                })
                .collect();
            for task in tasks {
                runtime.block_on(task).expect("a task").expect("appended");
            }
        }
        while !store.settle() {}
        let (all, held) = dump(&store);
        assert_eq!(all.len() as u64, MAILS);
        assert_eq!(held.len() as u64, MAILS.div_ceil(5) * 2);
        let place_of = |(n, j): (usize, &Judged)| (j.record.id.clone(), n);
        let places = all.iter().enumerate().map(place_of).collect();
        let mut states: HashMap<MailId, Vec<EntryStateName>> = HashMap::new();
        for entry in &held {
            let own = states.entry(entry.held.entry.mail().clone()).or_default();
            own.push(entry.state.name());
        }
        World {
            store,
            all,
            held,
            places,
            states,
            _place: place,
        }
    })
}

fn events(n: u64, id: &MailId) -> Vec<Event> {
    let mut mail = record(id, n);
    mail.received = 1_700_000_000_000 + ((n * 7919) % 1000) as i64 * 1000;
    mail.mail_from = format!("Sender{}@Shop{}.example", n % 50, n % 20);
    mail.from = vec![format!("boss{}@uni{}.example", n % 30, n % 3)];
    mail.rcpts = vec![
        format!("r{}@uni{}.example", n % 40, n % 5),
        "all@lists.example".into(),
    ];
    mail.subject = format!("Rechnung ÄÖ {}", n % 100);
    mail.queue_id = (n.is_multiple_of(2)).then(|| format!("Q{}", n % 3000));
    mail.message_id = Some(format!("m{}@x", n % 4000));
    mail.sha256 = sha256(&(n % 900).to_be_bytes());
    if let Some(link) = mail.links.first_mut() {
        link.host = format!("host{}.example", n % 60);
    }
    let entries = [id.entry(1), id.entry(2)];
    let has_entries = n.is_multiple_of(5);
    mail.groups = (0..2)
        .map(|g: usize| {
            let mut group = mail.groups[0].clone();
            group.entry = has_entries.then(|| entries[g].clone());
            group.rcpts = vec![mail.rcpts[g].clone()];
            group.verdict.tenant = format!("tenant{}", (n + g as u64) % 4);
            group.verdict.action = if n.is_multiple_of(3) {
                Action::Tag
            } else {
                Action::Quarantine
            };
            group
        })
        .collect();
    let mut events = Vec::new();
    if has_entries {
        for (g, entry) in entries.iter().enumerate() {
            let mut held = held(entry, b"x");
            held.received = mail.received;
            held.mail_from = mail.mail_from.clone();
            held.rcpts = vec![mail.rcpts[g].clone()];
            held.sha256 = mail.sha256.clone();
            held.record = None;
            events.push(Event::Held(held));
        }
    }
    events.push(Event::Verdict(Box::new(mail)));
    if n.is_multiple_of(10) {
        events.push(Event::Deleted {
            entry: entries[0].clone(),
            by: "uid 1".into(),
            why: None,
        });
    }
    events
}

fn is(wanted: &Option<String>, test: impl Fn(&str) -> bool) -> bool {
    wanted.as_deref().is_none_or(test)
}

fn whom(wanted: &str, address: &str) -> bool {
    let (wanted, address) = (wanted.to_lowercase(), address.to_lowercase());
    if wanted.starts_with('@') || !wanted.contains('@') {
        address.ends_with(&format!("@{}", wanted.trim_start_matches('@')))
    } else {
        address == wanted
    }
}

fn matches_content(f: &Filter, r: &VerdictRecord) -> bool {
    f.since.is_none_or(|t| r.received >= t)
        && f.until.is_none_or(|t| r.received < t)
        && is(&f.sender, |w| whom(w, &r.mail_from) || whom(w, &r.from[0]))
        && is(&f.rule, |w| r.evidence.hits[0].rule == w)
        && is(&f.subject, |w| {
            r.subject.to_lowercase().contains(&w.to_lowercase())
        })
        && is(&f.sha256, |w| r.sha256 == w || r.artifacts[0].sha256 == w)
        && is(&f.link_host, |w| r.links[0].host == w.to_lowercase())
        && is(&f.queue_id, |w| r.queue_id.as_deref() == Some(w))
        && is(&f.message_id, |w| {
            format!("<{}>", r.message_id.as_deref().unwrap_or("")) == w
        })
        && f.id.as_ref().is_none_or(|id| r.id == *id)
}

fn expected_mails<'w>(world: &'w World, f: &Filter) -> Vec<&'w Judged> {
    let fits = |j: &&Judged| {
        let r = &j.record;
        let group = |test: &dyn Fn(&GroupRecord) -> bool| r.groups.iter().any(test);
        matches_content(f, r)
            && is(&f.rcpt, |w| r.rcpts.iter().any(|a| whom(w, a)))
            && is(&f.tenant, |w| group(&|g| g.verdict.tenant == w))
            && f.action.is_none_or(|a| group(&|g| g.verdict.action == a))
            && f.state
                .is_none_or(|s| world.states.get(&r.id).is_some_and(|own| own.contains(&s)))
    };
    world.all.iter().filter(fits).collect()
}

fn expected_entries<'w>(world: &'w World, f: &Filter) -> Vec<&'w Entry> {
    let fits = |e: &&Entry| {
        let id = &e.held.entry;
        let Some(judged) = world.places.get(id.mail()).and_then(|n| world.all.get(*n)) else {
            return false;
        };
        let r = &judged.record;
        let group = &r.groups[usize::from(id.group()) - 1];
        f.state.is_none_or(|s| e.state.name() == s)
            && matches_content(f, r)
            && is(&f.rcpt, |w| e.held.rcpts.iter().any(|a| whom(w, a)))
            && is(&f.tenant, |w| group.verdict.tenant == w)
            && f.action.is_none_or(|a| group.verdict.action == a)
    };
    world.held.iter().filter(fits).collect()
}

fn pages<T>(mut page: Page, mut read: impl FnMut(&Page) -> PageOf<T>) -> Vec<T> {
    let mut all = Vec::new();
    loop {
        let found = read(&page);
        assert!(found.items.len() <= page.limit);
        all.extend(found.items);
        match found.next {
            // As a client would: through the text form.
            Some(next) => page = page.after(next.to_string().parse().expect("a cursor")),
            None => return all,
        }
    }
}

fn check(filter: &Filter, limit: usize, oldest_first: bool) {
    let world = world();
    let page = Page {
        limit,
        after: None,
        oldest_first,
    };
    let mut mails = expected_mails(world, filter);
    let mut entries = expected_entries(world, filter);
    if oldest_first {
        mails.reverse();
        entries.reverse();
    }
    // Small pages of many are tried on their beginning.
    let most = limit * 12;
    let found = pages_up_to(most, page.clone(), |p| {
        world.store.verdicts(filter, p).expect("read")
    });
    assert!(
        found
            .iter()
            .eq(mails.into_iter().take(found.len().max(most))),
        "{filter:?}"
    );
    let found = pages_up_to(most, page, |p| {
        world.store.entries(filter, p).expect("read")
    });
    assert!(
        found
            .iter()
            .eq(entries.into_iter().take(found.len().max(most))),
        "{filter:?}"
    );
}

fn pages_up_to<T>(most: usize, page: Page, mut read: impl FnMut(&Page) -> PageOf<T>) -> Vec<T> {
    let mut count = 0;
    let mut found = pages(page, |page| {
        let mut found = read(page);
        count += found.items.len();
        if count >= most {
            found.next = None;
        }
        found
    });
    found.truncate(most);
    found
}

fn some<T: Clone + std::fmt::Debug + 'static>(
    one_in: u32,
    value: impl Strategy<Value = T> + 'static,
) -> impl Strategy<Value = Option<T>> {
    prop_oneof![one_in - 1 => Just(None), 1 => value.prop_map(Some)]
}

fn filters() -> impl Strategy<Value = Filter> {
    let ms = 1_699_999_990_000i64..1_700_001_010_000;
    let sender = (0..52u64, 0..21u64, 0..3u8).prop_map(|(n, d, kind)| match kind {
        0 => format!("sender{n}@SHOP{d}.example"),
        1 => format!("@shop{d}.example"),
        _ => format!("uni{}.example", d % 4),
    });
    let rcpt = (0..42u64, 0..6u64, 0..3u8).prop_map(|(n, d, kind)| match kind {
        0 => format!("R{n}@uni{d}.example"),
        1 => format!("uni{d}.example"),
        _ => "all@lists.example".to_owned(),
    });
    let first = (
        some(4, ms.clone()),
        some(4, ms),
        some(3, sender),
        some(3, rcpt),
        some(5, (0..8u64).prop_map(|n| format!("rule_{n}"))),
        some(5, (0..101u64).prop_map(|n| format!("äö {n}"))),
        some(4, prop::sample::select(EntryStateName::ALL)),
    );
    let second = (
        some(6, (0..5u64).prop_map(|n| format!("tenant{n}"))),
        some(8, (0..901u64).prop_map(|n| sha256(&n.to_be_bytes()))),
        some(8, (0..61u64).prop_map(|n| format!("HOST{n}.example"))),
        some(12, (0..3000u64).prop_map(|n| format!("Q{n}"))),
        some(12, (0..4000u64).prop_map(|n| format!("<m{n}@x>"))),
        some(6, prop::sample::select(Action::ALL)),
        some(
            20,
            (0..MAILS as usize).prop_map(|n| world().all[n].record.id.clone()),
        ),
    );
    (first, second).prop_map(|(a, b)| Filter {
        since: a.0,
        until: a.1,
        sender: a.2,
        rcpt: a.3,
        rule: a.4,
        subject: a.5,
        state: a.6,
        tenant: b.0,
        sha256: b.1,
        link_host: b.2,
        queue_id: b.3,
        message_id: b.4,
        action: b.5,
        id: b.6,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn any_combination_finds_what_brute_force_finds(
        filter in filters(),
        limit in prop_oneof![1usize..10, 10usize..1000],
        oldest_first: bool,
    ) {
        check(&filter, limit, oldest_first);
    }
}

#[test]
fn every_single_filter_finds_what_brute_force_finds() {
    let one = &world().all[1234].record;
    let base = Filter::default;
    for filter in [
        base(),
        Filter {
            since: Some(one.received),
            ..base()
        },
        Filter {
            until: Some(one.received),
            ..base()
        },
        Filter {
            since: Some(one.received),
            until: Some(one.received),
            ..base()
        },
        Filter {
            since: Some(i64::MAX),
            until: Some(i64::MIN),
            ..base()
        },
        Filter {
            sender: Some(one.mail_from.clone()),
            ..base()
        },
        Filter {
            sender: Some(one.from[0].clone()),
            ..base()
        },
        Filter {
            rcpt: Some(one.rcpts[0].clone()),
            ..base()
        },
        Filter {
            rcpt: Some("lists.example".into()),
            ..base()
        },
        Filter {
            rule: Some("rule_3".into()),
            ..base()
        },
        Filter {
            rule: Some("no_such_rule".into()),
            ..base()
        },
        Filter {
            subject: Some("RECHNUNG äö 7".into()),
            ..base()
        },
        Filter {
            tenant: Some("tenant2".into()),
            ..base()
        },
        Filter {
            sha256: Some(one.sha256.clone()),
            ..base()
        },
        Filter {
            sha256: Some(one.artifacts[0].sha256.clone()),
            ..base()
        },
        Filter {
            link_host: Some("Host7.example".into()),
            ..base()
        },
        Filter {
            queue_id: Some("Q42".into()),
            ..base()
        },
        Filter {
            message_id: Some("<m42@x>".into()),
            ..base()
        },
        Filter {
            action: Some(Action::Tag),
            ..base()
        },
        Filter {
            id: Some(one.id.clone()),
            ..base()
        },
        Filter {
            state: Some(EntryStateName::Held),
            ..base()
        },
        Filter {
            state: Some(EntryStateName::Deleted),
            ..base()
        },
    ] {
        for (limit, oldest_first) in [(1000, false), (300, true), (7, false), (1, true)] {
            check(&filter, limit, oldest_first);
        }
    }
}

#[test]
fn limits_outside_the_bounds_count_as_the_nearest() {
    let world = world();
    for (limit, found) in [(0, 1), (usize::MAX, Page::MAX_LIMIT)] {
        let page = world
            .store
            .verdicts(&Filter::default(), &Page::first(limit));
        assert_eq!(page.expect("read").items.len(), found);
    }
}

#[test]
fn a_mail_with_thousands_of_links_and_files_is_found_by_each_that_is_kept() {
    let place = Place::new();
    let (store, _) = place.open();
    let id = store.new_id();
    let mut mail = record(&id, 1);
    let (link, artifact) = (mail.links[0].clone(), mail.artifacts[0].clone());
    mail.links = (0..5000)
        .map(|n| LinkRecord {
            host: format!("{}{n}.example", "x".repeat(5000)),
            ..link.clone()
        })
        .collect();
    mail.artifacts = (0..5000_u32)
        .map(|n| ArtifactRecord {
            sha256: sha256(&n.to_be_bytes()),
            ..artifact.clone()
        })
        .collect();
    append(&store, Event::Verdict(Box::new(mail)));
    while !store.settle() {}
    let find = |filter: Filter| verdicts(&store, &filter).len();
    let sha = |n: u32| Filter {
        sha256: Some(sha256(&n.to_be_bytes())),
        ..Filter::default()
    };
    assert_eq!((find(sha(0)), find(sha(4095)), find(sha(4096))), (1, 1, 0));
    let host = "x".repeat(1024);
    let by_host = Filter {
        link_host: Some(host),
        ..Filter::default()
    };
    assert_eq!(find(by_host), 1);
    let kept = store.verdict(&id).expect("read").expect("there");
    assert_eq!((kept.links.len(), kept.artifacts.len()), (4096, 4096));
    let cuts: Vec<_> = kept.defects.iter().map(|d| d.detail.as_str()).collect();
    assert!(cuts.contains(&"links: 5000 cut to 4096"), "{cuts:?}");
    assert!(cuts.contains(&"artifacts: 5000 cut to 4096"), "{cuts:?}");
    assert!(cuts.len() <= 16);
}
