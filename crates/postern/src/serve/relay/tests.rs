use super::*;
use filter::Disposition;
use policy::{Action as Does, Verdict};

fn verdict(action: Does) -> Verdict {
    Verdict {
        action,
        score: 0,
        category: None,
        reasons: Vec::new(),
        tenant: "t".to_owned(),
    }
}

/// Some recipients get the mail, the copies of others are held.
fn outcome(get_it: &[&str], held: &[&str]) -> Outcome {
    let owned = |rcpts: &[&str]| rcpts.iter().map(|rcpt| (*rcpt).to_owned()).collect();
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
            (owned(get_it), verdict(Does::Accept)),
            (owned(held), verdict(Does::Quarantine)),
        ],
        text: "text; reference 0".to_owned(),
    }
}

fn settings() -> Headers {
    Headers {
        add: true,
        authserv_id: "mx.example.org".to_owned(),
    }
}

/// The message as the next hop gets it.
fn written(raw: &[u8], edits: &HeaderEdits) -> String {
    let mut message = edits.prepended.clone();
    let mut at = 0;
    for removed in &edits.removed {
        message.extend_from_slice(&raw[at..removed.start]);
        at = removed.end;
    }
    message.extend_from_slice(&raw[at..]);
    String::from_utf8(message).expect("text")
}

#[test]
fn recipients_are_withheld_as_often_as_they_were_given_and_however_they_were_spelt() {
    let rcpts = [
        "a@one.example",
        "b@two.example",
        "B@Two.Example",
        "a@one.example",
        "b@two.example",
    ]
    .map(str::to_owned);
    // The groups have each recipient in the spelling in which it was given.
    let outcome = outcome(
        &["a@one.example", "a@one.example"],
        &["b@two.example", "B@Two.Example", "b@two.example"],
    );
    assert_eq!(withheld(&outcome, &rcpts), [1, 2, 4]);
}

#[test]
fn forged_fields_go_and_ours_come_below_the_trace() {
    let raw = b"X-Postern-Id: forged\r\n\
        Subject: a\r\n\
        x-postern-verdict : accept;\r\n\tscore=0\r\n\
        Authentication-Results: mx.example.org; spf=pass\r\n\
        Authentication-Results: elsewhere.example; spf=pass\r\n\
        \r\n\
        X-Postern-Id: part of the body\r\n";
    let trace = b"Received: from here\r\n".to_vec();
    let edits = edits(&outcome(&["a@b.example"], &[]), raw, &settings(), trace);
    let zeros = "0".repeat(26);
    assert_eq!(
        written(raw, &edits),
        format!(
            "Received: from here\r\n\
             X-Postern-Id: {zeros}\r\n\
             X-Postern-Verdict: accept; score=0\r\n\
             Subject: a\r\n\
             Authentication-Results: elsewhere.example; spf=pass\r\n\
             \r\n\
             X-Postern-Id: part of the body\r\n"
        )
    );
}

#[test]
fn a_message_without_header_keeps_its_body() {
    let raw = b"\r\nX-Postern-Id: part of the body\r\n";
    let edits = edits(&outcome(&["a@b.example"], &[]), raw, &settings(), vec![]);
    assert!(edits.removed.is_empty(), "{edits:?}");
    assert!(edits.prepended.ends_with(b"\r\n"));
}

#[test]
fn every_answer_is_an_action_of_its_class() {
    let acted = |answer| {
        let mut outcome = outcome(&["a@b.example"], &[]);
        outcome.disposition.answer = answer;
        let raw = Arc::from(b"\r\n".as_slice());
        let edits = HeaderEdits::default();
        let decision = decision(outcome, raw, edits, &[], "Q".to_owned());
        assert!(decision.ticket.is_some());
        match decision.action {
            Action::Pass { .. } => "pass".to_owned(),
            Action::Take(reply) => format!("take {reply}"),
            Action::Refuse(reply) => format!("refuse {reply}"),
        }
    };
    assert_eq!(acted(Answer::Accept), "pass");
    assert_eq!(acted(Answer::Discard), "take 250 2.0.0 text; reference 0");
    assert_eq!(acted(Answer::Reject), "refuse 550 5.7.1 text; reference 0");
    assert_eq!(
        acted(Answer::Tempfail),
        "refuse 451 4.7.1 text; reference 0"
    );
}

#[test]
fn the_client_is_the_one_that_the_server_in_front_names() {
    let mut peer = Peer {
        address: Some("127.0.0.1:4711".parse().expect("an address")),
        helo: Some("mx.example.org".to_owned()),
        ..Peer::default()
    };
    let seen = envelope(&peer, &MailCommand::default(), &[]).client;
    assert_eq!((seen.addr, seen.port), (address("127.0.0.1"), 4711));
    peer.forwarded = Some(smtp::Forwarded {
        address: Some("2001:db8::7".to_owned()),
        port: Some(25),
        helo: Some("sender.example".to_owned()),
        ..smtp::Forwarded::default()
    });
    let forwarded = envelope(&peer, &MailCommand::default(), &[]).client;
    assert_eq!(forwarded.addr, address("2001:db8::7"));
    assert_eq!(forwarded.helo.as_deref(), Some("sender.example"));
    peer.forwarded = Some(smtp::Forwarded::default());
    let unknown = envelope(&peer, &MailCommand::default(), &[]).client;
    assert_eq!(unknown.addr, None, "not that of the server in front");
}

#[test]
fn an_address_that_could_not_be_released_is_refused_at_once() {
    for path in ["", "a@b.example", "\"a b\"@c", "@a,@b:c@d", "postmaster"] {
        assert_eq!(handled_later(path), Ok(()), "{path}");
    }
    for path in ["a>b@c", "\"a<b\"@c", "a\u{85}b@c"] {
        assert!(handled_later(path).is_err(), "{path}");
    }
}
