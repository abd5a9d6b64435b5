use super::*;
use crate::{HoldError, ReadError};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

fn eml(place: &Place, entry: &EntryId) -> PathBuf {
    place
        .var()
        .join("quarantine")
        .join(crate::held::Quarantine::path(entry))
}

#[test]
fn a_held_mail_comes_back_byte_for_byte_and_only_its_owner_can_read_it() {
    let place = Place::new();
    let (store, _) = place.open();
    let message = b"From: a\r\n\r\n\0\xff bare\nlines\r";
    let entry = hold(&store, message);
    assert_eq!(store.entry_message(&entry).expect("read"), message);
    let path = eml(&place, &entry);
    for (path, mode) in [
        (path.clone(), 0o600),
        (path.with_extension("json"), 0o600),
        (path.parent().expect("a day").to_owned(), 0o700),
        (place.var().join("quarantine"), 0o700),
        (place.var(), 0o700),
        (place.segments().pop().expect("a segment").0, 0o600),
    ] {
        let found = fs::metadata(&path).expect("there").permissions().mode() & 0o777;
        assert_eq!(found, mode, "{}", path.display());
    }
    assert!(
        files_below(&place.var())
            .iter()
            .all(|p| !p.to_string_lossy().ends_with(".tmp"))
    );
}

#[test]
fn the_groups_of_one_mail_share_its_octets() {
    let place = Place::new();
    let (store, _) = place.open();
    let id = store.new_id();
    for group in 1..=3 {
        let entry = id.entry(group);
        store
            .hold(&held(&entry, b"message"), b"message")
            .expect("held");
        assert_eq!(fs::read(eml(&place, &entry)).expect("read"), b"message");
    }
    assert_eq!(
        fs::metadata(eml(&place, &id.entry(1)))
            .expect("there")
            .nlink(),
        3
    );
}

#[test]
fn what_is_held_is_never_overwritten() {
    let place = Place::new();
    let (store, _) = place.open();
    let entry = hold(&store, b"first");
    let error = store
        .hold(&held(&entry, b"second"), b"second")
        .expect_err("exists");
    assert!(matches!(error, HoldError::Exists { .. }), "{error}");
    assert_eq!(store.entry_message(&entry).expect("read"), b"first");
}

#[test]
fn a_message_that_is_not_the_described_one_is_not_held() {
    let place = Place::new();
    let (store, _) = place.open();
    let entry = store.new_id().entry(1);
    let error = store
        .hold(&held(&entry, b"one"), b"two")
        .expect_err("another message");
    assert!(matches!(error, HoldError::Mismatch { .. }), "{error}");
    assert!(!eml(&place, &entry).exists());
}

#[test]
fn a_message_that_changed_on_disk_is_not_handed_out() {
    let place = Place::new();
    let (store, _) = place.open();
    let entry = hold(&store, b"message");
    for wrong in [b"massage".as_slice(), b"messag", b"message!", b""] {
        fs::write(eml(&place, &entry), wrong).expect("written");
        let error = store.entry_message(&entry).expect_err("changed");
        assert!(matches!(error, ReadError::File { .. }), "{error}");
        assert!(error.to_string().starts_with(&entry.to_string()), "{error}");
    }
}

#[test]
fn nothing_but_a_regular_file_is_read_in_the_place_of_a_message() {
    let place = Place::new();
    let (store, _) = place.open();
    let entry = hold(&store, b"message");
    let path = eml(&place, &entry);
    let elsewhere = place.dir.path().join("elsewhere");
    fs::write(&elsewhere, b"message").expect("written");

    fs::remove_file(&path).expect("removed");
    assert!(store.entry_message(&entry).is_err(), "missing");
    symlink(&elsewhere, &path).expect("a link");
    assert!(store.entry_message(&entry).is_err(), "a symbolic link");
    fs::remove_file(&path).expect("removed");
    let dir = fs::File::open(path.parent().expect("a day")).expect("opened");
    let name = path.file_name().expect("a name");
    rustix::fs::mkfifoat(&dir, name, rustix::fs::Mode::RUSR).expect("a pipe");
    assert!(store.entry_message(&entry).is_err(), "a pipe");
    fs::remove_file(&path).expect("removed");
    fs::create_dir(&path).expect("a directory");
    assert!(store.entry_message(&entry).is_err(), "a directory");
    // An empty pipe is not an empty message either.
    let empty = hold(&store, b"");
    assert_eq!(store.entry_message(&empty).expect("read"), b"");
    fs::remove_file(eml(&place, &empty)).expect("removed");
    let name = format!("{empty}.eml");
    rustix::fs::mkfifoat(&dir, name, rustix::fs::Mode::RUSR).expect("a pipe");
    assert!(store.entry_message(&empty).is_err(), "a pipe of no octets");
    store.close();
    let (_, recovery) = place.open();
    assert_eq!(recovery.missing, [entry, empty]);
}

#[test]
fn a_symbolic_link_in_place_of_a_day_leads_nowhere() {
    let place = Place::new();
    let (store, _) = place.open();
    let entry = hold(&store, b"message");
    let day = eml(&place, &entry).parent().expect("a day").to_owned();
    let elsewhere = place.dir.path().join("elsewhere");
    fs::rename(&day, &elsewhere).expect("moved");
    symlink(&elsewhere, &day).expect("a link");
    assert!(store.entry_message(&entry).is_err());
    let other = store.new_id().entry(1);
    assert!(store.hold(&held(&other, b"x"), b"x").is_err());
    assert_eq!(files_below(&elsewhere).len(), 2);
}

#[test]
fn an_orphan_is_adopted_with_all_that_its_sidecar_knows() {
    let place = Place::new();
    let (store, _) = place.open();
    let entry = store.new_id().entry(1);
    let orphan = held(&entry, b"orphan");
    store.hold(&orphan, b"orphan").expect("held");
    store.close();
    let (store, recovery) = place.open();
    assert_eq!(recovery.adopted, std::slice::from_ref(&entry));
    let found = store.entry(&entry).expect("read").expect("there");
    assert!(found.held.recovered);
    assert_eq!(found.held.rcpts, orphan.rcpts);
    assert_eq!(store.entry_message(&entry).expect("read"), b"orphan");
    let record = store.verdict(entry.mail()).expect("read");
    assert_eq!(record, orphan.record.map(|r| *r));
    store.close();
    assert_eq!(place.open().1.adopted, []);
}

#[test]
fn an_orphan_without_its_sidecar_is_still_shown() {
    let place = Place::new();
    let (store, _) = place.open();
    let entry = store.new_id().entry(1);
    store
        .hold(&held(&entry, b"orphan"), b"orphan")
        .expect("held");
    fs::write(eml(&place, &entry).with_extension("json"), "{").expect("written");
    store.close();
    let (store, recovery) = place.open();
    assert_eq!(recovery.adopted, std::slice::from_ref(&entry));
    assert_eq!(store.entry_message(&entry).expect("read"), b"orphan");
}

#[test]
fn left_over_files_are_removed_and_foreign_ones_are_left_alone() {
    let place = Place::new();
    let (store, _) = place.open();
    let entry = hold(&store, b"message");
    let path = eml(&place, &entry);
    let day = path.parent().expect("a day");
    let lone = store.new_id().entry(1);
    let left_over = [
        day.join(format!(".{lone}.eml.tmp")),
        day.join(format!(".{lone}.json.tmp")),
        day.join(format!("{lone}.json")),
    ];
    let foreign = [
        day.join("notes.txt"),
        day.join(".profile.tmp"),
        place.var().join("quarantine/readme\x1b[31m"),
    ];
    for path in left_over.iter().chain(&foreign) {
        fs::write(path, "x").expect("written");
    }
    store.close();
    let (_, recovery) = place.open();
    assert_eq!(recovery.tmp_removed, 3);
    assert_eq!(recovery.strangers.len(), 3);
    assert!(left_over.iter().all(|p| !p.exists()));
    assert!(foreign.iter().all(|p| p.exists()));
    assert!(path.exists());
    let sentences = recovery.sentences().join("\n");
    assert!(!sentences.contains('\x1b'), "{sentences}");
}

#[test]
fn a_file_system_with_too_little_room_says_so() {
    let place = Place::new();
    let options = Options {
        min_free_bytes: u64::MAX,
        ..place.options()
    };
    let (store, _) = Store::open(options).expect("opens");
    assert!(store.space().expect("told").low());
    assert!(store.status().low);
    store.close();
    let (store, _) = place.open();
    assert!(!store.space().expect("told").low());
}
