use super::*;
use filter::Disposition;
use policy::Action;

fn verdict(action: Action) -> Verdict {
    Verdict {
        action,
        score: 0,
        category: None,
        reasons: Vec::new(),
        tenant: "t".to_owned(),
    }
}

/// One recipient gets the mail, the copy of the other is held.
fn outcome(gets_it: &str, held: &str) -> Outcome {
    Outcome {
        id: "0".repeat(26).parse().expect("an id"),
        disposition: Disposition {
            answer: Answer::Accept,
            hold: vec![1],
            remove: vec![1],
            mta_hold: false,
            shown: Some(0),
        },
        groups: vec![
            (vec![gets_it.to_owned()], verdict(Action::Accept)),
            (vec![held.to_owned()], verdict(Action::Quarantine)),
        ],
        text: "text".to_owned(),
    }
}

/// What is journalled as said to the MTA.
fn said(ticket: Ticket) -> String {
    match ticket {
        Ticket::Judged { reply, .. } => reply,
        Ticket::Unseen(answer) => panic!("a verdict was recorded: {answer:?}"),
    }
}

fn to(rcpts: &[&str]) -> Envelope {
    Envelope {
        recipients: rcpts.iter().map(|rcpt| Path::new(*rcpt)).collect(),
        ..Envelope::default()
    }
}

#[test]
fn a_recipient_whose_copy_is_held_is_taken_off_the_mail() {
    let (gets_it, held) = ("a@one.example", "b@two.example");
    let decision = decision(outcome(gets_it, held), &to(&[gets_it, held]), vec![], false);
    assert_eq!(decision.reply, Reply::Accept);
    let address = Address::new(held).expect("an address");
    assert_eq!(decision.edits, [Edit::DeleteRecipient(address)]);
}

#[test]
fn a_mail_is_deferred_if_a_recipient_cannot_be_taken_off() {
    let (gets_it, held) = ("a@one.example", "\"<b\"@two.example");
    let decision = decision(outcome(gets_it, held), &to(&[gets_it, held]), vec![], true);
    assert!(
        matches!(decision.reply, Reply::Custom(_)),
        "{:?}",
        decision.reply
    );
    assert!(decision.edits.is_empty());
    let said = said(decision.ticket);
    assert!(said.starts_with("tempfail"), "{said}");
}

#[test]
fn a_mail_that_the_mta_holds_is_passed_with_a_reason_and_our_header_fields() {
    let mut verdict = verdict(Action::Quarantine);
    verdict.score = i64::MIN;
    verdict.category = Some(policy::Category::Suspicious);
    let outcome = Outcome {
        id: "0".repeat(26).parse().expect("an id"),
        disposition: Disposition {
            answer: Answer::Accept,
            hold: vec![],
            remove: vec![],
            mta_hold: true,
            shown: Some(0),
        },
        groups: vec![(vec!["a@one.example".to_owned()], verdict)],
        text: "text".to_owned(),
    };
    let decision = decision(outcome, &to(&["a@one.example"]), vec![], true);
    assert_eq!(decision.reply, Reply::Accept);
    assert_eq!(decision.edits.len(), 3, "{:?}", decision.edits);
    let text = format!("Postern {} suspicious score {}", "0".repeat(26), i64::MIN);
    assert!(text.len() <= milter::REASON_BYTES, "nothing of it is cut");
    let reason = Edit::Quarantine(Reason::sanitised(text));
    assert_eq!(decision.edits.last(), Some(&reason));
    assert_eq!(said(decision.ticket), "accept, and hold it");
}

#[test]
fn an_address_that_could_not_be_handled_later_is_refused_at_once() {
    assert!(text(&Path::new("a@one.example")).is_ok());
    assert!(text(&Path::new("\"a b\"@one.example")).is_ok());
    assert!(text(&Path::new("ü@one.example")).is_ok());
    assert!(text(&Path::new("")).is_ok(), "the null sender");
    assert!(text(&Path::new("\"<b\"@two.example")).is_err());
    assert!(text(&Path::new(b"\xff@two.example".to_vec())).is_err());
}

/// What is deleted: name and occurrence.
fn deleted(fields: &[(&str, &str)]) -> Option<Vec<(String, u32)>> {
    let headers: Vec<Header> = fields
        .iter()
        .map(|(name, value)| Header {
            name: name.as_bytes().to_vec(),
            value: value.as_bytes().to_vec(),
        })
        .collect();
    let edits = forged_headers(&headers, "mx.example.org")?;
    let deletion = |edit: &Edit| match edit {
        Edit::ChangeHeader {
            occurrence,
            name,
            value: None,
        } => (format!("{name:?}"), *occurrence),
        other => panic!("{other:?}"),
    };
    Some(edits.iter().map(deletion).collect())
}

#[test]
fn every_forged_header_field_of_ours_is_removed_and_no_other() {
    let found = deleted(&[
        ("X-Postern-Id", " x"),
        ("Subject", " x"),
        ("x-postern-ID", " x"),
        ("X-Posternish", " x"),
        ("X-POSTERN-Anything", " x"),
    ]);
    let occurrences: Vec<u32> = found.expect("edits").into_iter().map(|(_, n)| n).collect();
    assert_eq!(occurrences, [1, 2, 1]);
}

#[test]
fn results_of_others_are_counted_and_stay() {
    let found = deleted(&[
        ("Authentication-Results", " other.example; spf=pass"),
        ("AUTHENTICATION-RESULTS", " mx.example.org; spf=pass"),
        ("ARC-Authentication-Results", " i=1; mx.example.org; none"),
        ("authentication-results", " third.example; none"),
        ("Authentication-Results", "\n\t(x) MX.example.org 1; none"),
    ]);
    let occurrences: Vec<u32> = found.expect("edits").into_iter().map(|(_, n)| n).collect();
    assert_eq!(occurrences, [2, 4]);
}

#[test]
fn a_forged_field_that_no_mta_could_remove_is_noticed() {
    let name = format!("X-Postern-{}", "x".repeat(100));
    assert_eq!(deleted(&[(&name, " x")]), None);
}
