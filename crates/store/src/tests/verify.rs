use super::*;
use crate::verify;

#[test]
fn one_flipped_octet_anywhere_is_named_by_its_line() {
    let place = Place::new();
    let options = Options {
        segment_bytes: 4000,
        ..place.options()
    };
    let (store, _) = Store::open(options).expect("opens");
    for n in 0..9 {
        verdict(&store, n);
    }
    store.close();
    let segments = place.segments();
    assert!(segments.len() > 1);
    let verified = verify(&place.var(), true, |_, _| {}).expect("whole");
    assert_eq!((verified.lines, verified.first, verified.last), (9, 1, 9));
    for (nth, (path, text)) in segments.iter().enumerate() {
        for at in (0..text.len()).step_by(7).chain([text.len() - 1]) {
            let mut changed = text.clone();
            changed[at] ^= 1 << (at % 8);
            fs::write(path, &changed).expect("written");
            let line = text[..at].iter().filter(|b| **b == b'\n').count() as u64 + 1;
            let result = verify(&place.var(), false, |_, _| {});
            let unfinished = nth + 1 == segments.len() && at + 1 == text.len();
            if unfinished {
                // A last line without an end is one that is being written.
                assert_eq!(result.expect("whole").lines, 8);
            } else {
                let error = result.expect_err("found");
                let place = (error.file, error.line);
                assert_eq!(place, (path.clone(), Some(line)), "octet {at}");
            }
        }
        fs::write(path, text).expect("restored");
    }
}

#[test]
fn a_line_that_is_gone_doubled_or_moved_is_found() {
    let place = Place::new();
    let (store, _) = place.open();
    for n in 0..5 {
        verdict(&store, n);
    }
    store.close();
    let (path, text) = place.segments().pop().expect("a segment");
    let lines: Vec<&[u8]> = text.split_inclusive(|b| *b == b'\n').collect();
    for (order, line) in [
        (vec![0, 1, 3, 4], 3),
        (vec![0, 1, 1, 2, 3, 4], 3),
        (vec![0, 2, 1, 3, 4], 2),
        (vec![1, 2, 3, 4, 0], 5),
    ] {
        let changed: Vec<u8> = order.iter().flat_map(|n| lines[*n].to_vec()).collect();
        fs::write(&path, changed).expect("written");
        let error = verify(&place.var(), false, |_, _| {}).expect_err("found");
        assert_eq!(error.line, Some(line), "{order:?}: {error}");
    }
}

#[test]
fn a_running_store_can_be_verified() {
    let place = Place::new();
    let (store, _) = place.open();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for n in 0..300 {
                verdict(&store, n);
            }
        });
        let mut last = 0;
        while !writer.is_finished() {
            let verified = verify(&place.var(), false, |_, _| {}).expect("whole");
            assert!(verified.last >= last);
            last = verified.last;
        }
    });
    assert_eq!(
        verify(&place.var(), false, |_, _| {}).expect("whole").last,
        300
    );
}

#[test]
fn a_held_file_that_is_not_what_the_journal_says_is_named() {
    let place = Place::new();
    let (store, _) = place.open();
    let kept = hold(&store, b"kept");
    let deleted = hold(&store, b"deleted");
    runtime()
        .block_on(store.delete(&deleted, "uid 1", None))
        .expect("deleted");
    let verified = verify(&place.var(), true, |_, _| {}).expect("whole");
    assert_eq!(verified.held, Some(1));
    let path = place
        .var()
        .join("quarantine")
        .join(crate::held::Quarantine::path(&kept));
    fs::write(&path, b"kepT").expect("written");
    let error = verify(&place.var(), true, |_, _| {}).expect_err("found");
    assert_eq!((&error.file, error.line), (&path, None));
    fs::remove_file(&path).expect("removed");
    let error = verify(&place.var(), true, |_, _| {}).expect_err("found");
    assert_eq!((&error.file, error.line), (&path, None));
    assert!(verify(&place.var(), false, |_, _| {}).is_ok());
}
