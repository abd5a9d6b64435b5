use bytes::{Bytes, BytesMut};
use tokio_util::codec::Decoder;

use super::*;
use crate::command::Offer;
use crate::frame::FrameCodec;
use crate::parameters::{RecipientParameters, SenderParameters};
use crate::protocol::{Actions, BODY_CHUNK, Events};
use crate::text::{Address, Body, HeaderName, HeaderValue, Reason, ReplyText};

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
        Edit::ReplaceBody(Body::new("new\r\n").unwrap()),
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
    let mut body = vec![b'x'; BODY_CHUNK - 1];
    body.extend_from_slice(b"\r\n");
    let sent = responses(
        &[Edit::ReplaceBody(Body::new(body).unwrap())],
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
        &[Edit::ReplaceBody(Body::new("").unwrap())],
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
        parameters: RecipientParameters::new("NOTIFY=NEVER").unwrap(),
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
        // Not as a shutdown: Postfix would lose the message.
        (
            Reply::Shutdown,
            Response::ReplyCode("421 4.3.2 Service not available".into()),
        ),
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

#[test]
fn every_change_has_the_form_that_mtas_demand() {
    let address = || Address::new("b@example.net").unwrap();
    let recipient = |parameters| Edit::AddRecipient {
        address: address(),
        parameters: RecipientParameters::new(parameters).unwrap(),
    };
    let sender = |parameters| Edit::ChangeSender {
        address: address(),
        parameters: SenderParameters::new(parameters).unwrap(),
    };
    let change = |value| Edit::ChangeHeader {
        occurrence: 2,
        name: name("X"),
        value,
    };
    let cases: [(Edit, &[u8]); 11] = [
        (recipient(""), b"+<b@example.net>\0"),
        (
            recipient("NOTIFY=NEVER"),
            b"2<b@example.net>\0NOTIFY=NEVER\0",
        ),
        (Edit::DeleteRecipient(address()), b"-<b@example.net>\0"),
        (sender(""), b"e<b@example.net>\0"),
        (sender("RET=HDRS"), b"e<b@example.net>\0RET=HDRS\0"),
        (
            Edit::AddHeader {
                name: name("X"),
                value: value("1\r\n 2"),
            },
            b"hX\0 1\n 2\0",
        ),
        (
            Edit::InsertHeader {
                index: 258,
                name: name("X"),
                value: value("1"),
            },
            b"i\0\0\x01\x02X\0 1\0",
        ),
        (change(Some(value("1"))), b"m\0\0\0\x02X\0 1\0"),
        // Not even a space: an MTA deletes the field only if the value is empty.
        (change(None), b"m\0\0\0\x02X\0\0"),
        (Edit::Quarantine(Reason::sanitised("held")), b"qheld\0"),
        (Edit::ReplaceBody(Body::new("x\r\n").unwrap()), b"bx\r\n"),
    ];
    for (edit, expected) in cases {
        let edits = [edit.clone()];
        let agreed = agreement(Events::LEADING_SPACE);
        let sent = encode_decision(&edits, &Reply::Accept, &agreed).unwrap();
        let length = u32::try_from(expected.len()).unwrap().to_be_bytes();
        let expected = [&length[..], expected, b"\0\0\0\x01a"].concat();
        assert_eq!(
            sent.escape_ascii().to_string(),
            expected.escape_ascii().to_string(),
            "{edit:?}"
        );
    }
}
