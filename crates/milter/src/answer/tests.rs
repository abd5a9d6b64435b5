use bytes::{Bytes, BytesMut};
use tokio_util::codec::Decoder;

use super::*;
use crate::command::Offer;
use crate::frame::FrameCodec;
use crate::protocol::{Actions, Events};
use crate::text::{Address, HeaderName, HeaderValue, Parameters, Reason, ReplyText};

fn agreement(events: Events) -> Agreement {
    Agreement::from(Offer {
        version: 6,
        actions: Offer::POSTFIX.actions,
        events,
    })
}

fn name(name: &str) -> HeaderName {
    HeaderName::new(name).unwrap()
}

fn value(value: &str) -> HeaderValue {
    HeaderValue::new(value).unwrap()
}

fn change(occurrence: u32) -> Edit {
    Edit::ChangeHeader {
        occurrence,
        name: name("X"),
        value: None,
    }
}

fn changed(occurrence: u32) -> Response {
    Response::ChangeHeader {
        occurrence,
        name: "X".into(),
        value: Bytes::new(),
    }
}

fn responses(edits: &[Edit], reply: &Reply, agreement: &Agreement) -> Vec<Response> {
    let mut bytes = encode_decision(edits, reply, agreement).unwrap();
    decode(&mut bytes)
}

fn decode(bytes: &mut BytesMut) -> Vec<Response> {
    let mut codec = FrameCodec::default();
    let mut responses = Vec::new();
    while let Some(frame) = codec.decode(bytes).unwrap() {
        responses.push(Response::parse(frame).unwrap());
    }
    assert!(bytes.is_empty());
    responses
}

#[test]
fn edits_come_in_the_safe_order_with_the_reply_last() {
    let edits = [
        Edit::ReplaceBody(b"new\r\n".to_vec()),
        Edit::AddHeader {
            name: name("A"),
            value: value("1"),
        },
        change(1),
        Edit::DeleteRecipient(Address::new("b@example.net").unwrap()),
        change(3),
        change(2),
        Edit::Quarantine(Reason::sanitised("held")),
    ];
    let added = Response::AddHeader {
        name: "A".into(),
        value: " 1".into(),
    };
    assert_eq!(
        responses(&edits, &Reply::Accept, &agreement(Events::LEADING_SPACE)),
        [
            changed(3),
            changed(2),
            changed(1),
            added,
            Response::DeleteRecipient("<b@example.net>".into()),
            Response::Quarantine("held".into()),
            Response::ReplaceBody("new\r\n".into()),
            Response::Accept,
        ]
    );
}

#[test]
fn the_leading_space_is_written_only_where_it_was_agreed_on() {
    let edits = [Edit::InsertHeader {
        index: 0,
        name: name("A"),
        value: value("1"),
    }];
    for (events, expected) in [(Events::LEADING_SPACE, " 1"), (Events::NONE, "1")] {
        let sent = responses(&edits, &Reply::Continue, &agreement(events));
        let inserted = Response::InsertHeader {
            index: 0,
            name: "A".into(),
            value: expected.into(),
        };
        assert_eq!(sent, [inserted, Response::Continue]);
    }
}

#[test]
fn a_long_body_goes_in_chunks_and_an_empty_one_in_an_empty_chunk() {
    let body = vec![b'x'; BODY_CHUNK + 1];
    let sent = responses(
        &[Edit::ReplaceBody(body)],
        &Reply::Accept,
        &agreement(Events::NONE),
    );
    let lengths: Vec<usize> = sent
        .iter()
        .filter_map(|response| match response {
            Response::ReplaceBody(chunk) => Some(chunk.len()),
            _ => None,
        })
        .collect();
    assert_eq!(lengths, [BODY_CHUNK, 1]);
    let sent = responses(
        &[Edit::ReplaceBody(Vec::new())],
        &Reply::Accept,
        &agreement(Events::NONE),
    );
    assert_eq!(
        sent,
        [Response::ReplaceBody(Bytes::new()), Response::Accept]
    );
}

#[test]
fn an_edit_that_was_not_granted_is_an_error_and_not_left_out() {
    let nothing = Agreement::from(Offer {
        version: 6,
        actions: Actions::ADD_HEADERS,
        events: Events::NONE,
    });
    let error = encode_decision(&[change(1)], &Reply::Accept, &nothing).unwrap_err();
    assert_eq!(error, AnswerError::NotGranted(Actions::CHANGE_HEADERS));
    let notify = Edit::AddRecipient {
        address: Address::new("b@example.net").unwrap(),
        parameters: Parameters::new("NOTIFY=NEVER").unwrap(),
    };
    let error = encode_decision(&[notify], &Reply::Accept, &nothing).unwrap_err();
    assert_eq!(
        error,
        AnswerError::NotGranted(Actions::ADD_RECIPIENT_PARAMETERS)
    );
}

#[test]
fn a_refused_message_is_not_edited() {
    let text = ReplyText::new(550, "5.7.1", "no").unwrap();
    for (reply, expected) in [
        (Reply::Reject, Response::Reject),
        (Reply::Tempfail, Response::Tempfail),
        (Reply::Discard, Response::Discard),
        (Reply::Shutdown, Response::Shutdown),
        (
            Reply::Custom(text),
            Response::ReplyCode("550 5.7.1 no".into()),
        ),
    ] {
        let sent = responses(&[change(1)], &reply, &agreement(Events::NONE));
        assert_eq!(sent, [expected]);
    }
}

#[test]
fn a_quarantine_never_goes_with_a_refusal() {
    let held = [Edit::Quarantine(Reason::sanitised("held"))];
    let error = encode_decision(&held, &Reply::Reject, &agreement(Events::NONE)).unwrap_err();
    assert_eq!(error, AnswerError::QuarantineRefused);
}

#[test]
fn the_zeroth_occurrence_is_the_first() {
    let sent = responses(&[change(0)], &Reply::Accept, &agreement(Events::NONE));
    assert_eq!(sent, [changed(1), Response::Accept]);
}
