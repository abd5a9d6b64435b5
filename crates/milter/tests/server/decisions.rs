//! What the MTA gets to hear.

use milter::mta::Client;
use milter::{
    Actions, Address, AnswerError, Answered, Edit, Events, HeaderName, HeaderValue, Offer, Reason,
    Reply, ReplyText, Response, ServerOptions,
};

use crate::support::{Act, Event, MESSAGE, Server, assert_accepted, mail, run};

fn edits() -> Vec<Edit> {
    let name = |name| HeaderName::new(name).unwrap();
    let value = |value| HeaderValue::new(value).unwrap();
    vec![
        Edit::AddHeader {
            name: name("X-Postern-Id"),
            value: value("0123"),
        },
        Edit::InsertHeader {
            index: 0,
            name: name("X-Spam"),
            value: value("yes\r\n folded"),
        },
        Edit::ChangeHeader {
            occurrence: 2,
            name: name("Subject"),
            value: None,
        },
        Edit::DeleteRecipient(Address::new("recipient@example.net").unwrap()),
        Edit::Quarantine(Reason::sanitised("held")),
    ]
}

#[test]
fn edits_and_reply_arrive_as_decided() {
    run(async {
        let script = Box::new(|_: &_| Act::Decide(edits(), Reply::Accept));
        let mut server = Server::start(ServerOptions::default(), script).await;
        let outcome = server.introduced().await.deliver(&mail("EDIT")).await;
        let outcome = outcome.unwrap();
        assert_accepted(&outcome);
        assert!(outcome.is_passed());
        assert_eq!(outcome.quarantine(), Some(&b"held"[..]));
        assert_eq!(outcome.added_header("x-postern-id"), Some(&b"0123"[..]));
        assert_eq!(outcome.added_header("x-spam"), Some(&b"yes\n folded"[..]));
        assert_eq!(outcome.changes.len(), 5);
        server.seen().await;
        let length = MESSAGE.len() as u64;
        assert_eq!(
            server.event().await,
            Event::Answered(length, Answered::Sent)
        );
    });
}

#[test]
fn every_reply_reaches_the_mta_in_its_form() {
    run(async {
        let script = Box::new(|seen: &crate::support::Seen| {
            let reply = match seen.envelope.queue_id() {
                Some(b"ACCEPT") => Reply::Accept,
                Some(b"CONTINUE") => Reply::Continue,
                Some(b"DISCARD") => Reply::Discard,
                Some(b"REJECT") => Reply::Reject,
                Some(b"TEMPFAIL") => Reply::Tempfail,
                Some(b"SHUTDOWN") => Reply::Shutdown,
                _ => {
                    let text = "100% sure\nand in two lines";
                    Reply::Custom(ReplyText::new(550, "5.7.1", text).unwrap())
                }
            };
            Act::Decide(Vec::new(), reply)
        });
        let server = Server::start(ServerOptions::default(), script).await;
        let mut mta = server.introduced().await;
        for (queue_id, expected) in [
            ("ACCEPT", Response::Accept),
            ("CONTINUE", Response::Continue),
            ("DISCARD", Response::Discard),
            ("REJECT", Response::Reject),
            ("TEMPFAIL", Response::Tempfail),
            (
                "SHUTDOWN",
                Response::ReplyCode("421 4.3.2 Service not available".into()),
            ),
        ] {
            let outcome = mta.deliver(&mail(queue_id)).await.unwrap();
            assert_eq!(outcome.reply, expected);
        }
        let outcome = mta.deliver(&mail("CUSTOM")).await.unwrap();
        let expected = "550-5.7.1 100% sure\r\n550 5.7.1 and in two lines";
        assert_eq!(outcome.reply_text().as_deref(), Some(expected));
        let wire = Response::ReplyCode(expected.replace('%', "%%").into());
        assert_eq!(outcome.reply, wire);
    });
}

#[test]
fn a_decision_that_was_not_granted_becomes_a_tempfail_that_the_filter_hears_of() {
    run(async {
        let script = Box::new(|_: &_| Act::Decide(edits(), Reply::Accept));
        let mut server = Server::start(ServerOptions::default(), script).await;
        let offer = Offer {
            actions: Actions::from_wire(0x1FF).difference(Actions::QUARANTINE),
            ..Offer::POSTFIX
        };
        let mut mta = server.negotiated(offer).await;
        mta.introduce(&Client::default()).await.unwrap();
        let outcome = mta.deliver(&mail("DENIED")).await.unwrap();
        assert_eq!(outcome.reply, Response::Tempfail);
        assert!(outcome.changes.is_empty(), "half a decision was sent");
        server.seen().await;
        let error = AnswerError::NotGranted(Actions::QUARANTINE);
        let expected = Event::Answered(MESSAGE.len() as u64, Answered::Replaced(error));
        assert_eq!(server.event().await, expected);
    });
}

#[test]
fn replies_at_connect_mail_and_rcpt_are_given_where_they_are_asked() {
    run(async {
        let script = || Box::new(|_: &_| Act::Decide(Vec::new(), Reply::Accept));
        let full = || ReplyText::new(452, "4.3.1", "Disk full").unwrap();
        let wire = Response::ReplyCode("452 4.3.1 Disk full".into());

        let options = ServerOptions::default;
        let server = Server::start_with(options(), script(), |filter| {
            filter.connect = |_| Reply::Reject;
        })
        .await;
        let mut mta = server.negotiated(Offer::POSTFIX).await;
        let answer = mta.introduce(&Client::default()).await.unwrap();
        assert_eq!(answer, Some(Response::Reject));

        let server = Server::start_with(options(), script(), |filter| {
            filter.mail = |envelope| {
                assert_eq!(envelope.sender.address, b"sender@example.org");
                Reply::Custom(ReplyText::new(452, "4.3.1", "Disk full").unwrap())
            };
        })
        .await;
        let outcome = server.introduced().await.deliver(&mail("FULL")).await;
        let outcome = outcome.unwrap();
        assert_eq!((outcome.stage, &outcome.reply), ("mail", &wire));
        assert_eq!(outcome.reply_text(), Some(full().to_string()));
    });
}

#[test]
fn an_mta_that_waits_for_every_answer_gets_every_answer() {
    run(async {
        let script = Box::new(|_: &_| Act::Decide(edits(), Reply::Accept));
        let server = Server::start(ServerOptions::default(), script).await;
        let offer = Offer {
            events: Events::NONE,
            ..Offer::POSTFIX
        };
        let mut mta = server.negotiated(offer).await;
        mta.introduce(&Client::default()).await.unwrap();
        for _ in 0..3 {
            let outcome = mta.deliver(&mail("STEP")).await.unwrap();
            assert_accepted(&outcome);
            // Without the agreement on leading spaces the MTA writes its own.
            let added = Response::AddHeader {
                name: "X-Postern-Id".into(),
                value: "0123".into(),
            };
            assert!(outcome.changes.contains(&added));
        }
    });
}
