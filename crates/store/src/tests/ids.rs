use crate::{Cursor, EntryId, IdSource, MailId};
use proptest::prelude::*;

proptest! {
    #[test]
    fn ids_survive_a_round_trip_and_sort_as_numbers(a: u128, b: u128, group in 1u16..) {
        let (a_id, b_id) = (MailId::from_number(a), MailId::from_number(b));
        prop_assert_eq!(a_id.as_str().parse::<MailId>(), Ok(a_id.clone()));
        prop_assert_eq!(a_id.as_str().to_uppercase().parse::<MailId>(), Ok(a_id.clone()));
        prop_assert_eq!(a_id.number(), a);
        prop_assert_eq!(a_id.cmp(&b_id), a.cmp(&b));
        let entry = a_id.entry(group);
        prop_assert_eq!(entry.to_string().parse::<EntryId>(), Ok(entry.clone()));
        let json = serde_json::to_string(&entry).expect("json");
        prop_assert_eq!(serde_json::from_str::<EntryId>(&json).expect("id"), entry);
    }

    #[test]
    fn no_text_makes_a_parser_panic_or_an_id_with_a_second_spelling(text in "\\PC{0,40}") {
        if let Ok(id) = text.parse::<MailId>() {
            prop_assert_eq!(id.to_string(), text.to_ascii_lowercase());
        }
        if let Ok(id) = text.parse::<EntryId>() {
            prop_assert_eq!(id.to_string(), text.to_ascii_lowercase());
        }
        let _ = text.parse::<Cursor>();
    }
}

#[test]
fn what_is_no_id_is_refused() {
    let good = "01jdfz3v9n8m4x2k7q5w6e0r1t";
    assert!(good.parse::<MailId>().is_ok());
    for bad in [
        "",
        "01jdfz3v9n8m4x2k7q5w6e0r1",
        "01jdfz3v9n8m4x2k7q5w6e0r1tt",
        "81jdfz3v9n8m4x2k7q5w6e0r1t",
        "01jdfz3v9n8m4x2k7q5w6e0r1u",
        "../../../../../etc/passwd.",
        "01jdfz3v9n8m4x2k7q5w6e0r1\0",
        "01jdfz3v9n8m4x2k7q5w6e0r1é",
    ] {
        assert!(bad.parse::<MailId>().is_err(), "{bad:?}");
        assert!(format!("{bad}-1").parse::<EntryId>().is_err(), "{bad:?}");
    }
    for bad in ["", "-", "-0", "-01", "-+1", "-1-1", "-65536", "-1 ", "1"] {
        assert!(
            format!("{good}{bad}").parse::<EntryId>().is_err(),
            "{bad:?}"
        );
    }
}

#[test]
fn an_error_about_an_id_shows_no_control_characters() {
    let error = "\x1b]0;x\x07"
        .repeat(100)
        .parse::<MailId>()
        .expect_err("no id");
    assert!(error.to_string().chars().all(|c| !c.is_control()));
    assert!(error.to_string().len() < 1000);
}

#[test]
fn ids_of_one_source_increase_over_all_threads() {
    let source = IdSource::new().expect("entropy");
    let ids = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| (0..2000).map(|_| source.next()).collect::<Vec<_>>()))
            .collect();
        let mut all = Vec::new();
        for thread in threads {
            let ids = thread.join().expect("a thread");
            assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
            all.extend(ids);
        }
        all
    });
    let unique: std::collections::BTreeSet<_> = ids.iter().collect();
    assert_eq!(unique.len(), ids.len());
}
