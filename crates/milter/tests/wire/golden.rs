//! Single frames, and a dialogue with Postfix, byte for byte.

use bytes::{Bytes, BytesMut};
use milter::{
    Actions, Command, CommandError, Events, Frame, FrameCodec, FrameError, Offer, Path, Peer,
    Response,
};
use tokio_util::codec::Decoder;

/// The frame of `code` and `payload`, written without the codec.
fn frame(code: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len() + 1).unwrap();
    [&length.to_be_bytes()[..], &[code], payload].concat()
}

fn decode(bytes: &[u8]) -> Result<Option<Frame>, FrameError> {
    FrameCodec::default().decode(&mut BytesMut::from(bytes))
}

#[track_caller]
fn check_command(code: u8, payload: &[u8], expected: &Command) {
    let bytes = frame(code, payload);
    let parsed = Command::parse(decode(&bytes).unwrap().unwrap()).unwrap();
    assert_eq!(parsed, *expected);
    let mut encoded = BytesMut::new();
    expected.encode(&mut encoded);
    assert_eq!(
        encoded.escape_ascii().to_string(),
        bytes.escape_ascii().to_string()
    );
}

#[track_caller]
fn check_response(expected: &Response, code: u8, payload: &[u8]) {
    let mut encoded = BytesMut::new();
    expected.encode(&mut encoded);
    let bytes = frame(code, payload);
    assert_eq!(
        encoded.escape_ascii().to_string(),
        bytes.escape_ascii().to_string()
    );
    let parsed = Response::parse(decode(&bytes).unwrap().unwrap()).unwrap();
    assert_eq!(parsed, *expected);
}

#[track_caller]
fn check_malformed(code: u8, payload: &[u8], problem: &str) {
    let payload = Bytes::copy_from_slice(payload);
    match Command::parse(Frame { code, payload }) {
        Err(CommandError::Malformed { problem: found, .. }) => assert_eq!(found, problem),
        other => panic!("expected {problem:?}, found {other:?}"),
    }
}

fn text(bytes: &'static str) -> Bytes {
    Bytes::from_static(bytes.as_bytes())
}

#[test]
fn the_commands_of_a_session_read_and_write_as_postfix_sends_them() {
    check_command(
        b'O',
        b"\0\0\0\x06\0\0\x01\xff\0\x1f\xff\xff",
        &Command::Negotiate(Offer::POSTFIX),
    );
    check_command(
        b'D',
        b"Cj\0mx.example.net\0{client_addr}\x00192.0.2.1\0",
        &Command::Macros {
            letter: b'C',
            pairs: vec![
                (text("j"), text("mx.example.net")),
                (text("client_addr"), text("192.0.2.1")),
            ],
        },
    );
    check_command(
        b'C',
        b"client.example\x004\x9c\x40192.0.2.1\0",
        &Command::Connect {
            host: text("client.example"),
            peer: Peer::Ip {
                address: [192, 0, 2, 1].into(),
                port: 40_000,
            },
        },
    );
    check_command(
        b'H',
        b"client.example\0",
        &Command::Helo(text("client.example")),
    );
    check_command(
        b'M',
        b"<a@example.org>\0SIZE=1000\0BODY=8BITMIME\0",
        &Command::Mail(Path {
            address: b"a@example.org".to_vec(),
            parameters: vec![b"SIZE=1000".to_vec(), b"BODY=8BITMIME".to_vec()],
        }),
    );
    check_command(b'M', b"<>\0", &Command::Mail(Path::new("")));
    check_command(
        b'R',
        b"<b@example.net>\0",
        &Command::Rcpt(Path::new("b@example.net")),
    );
    check_command(b'T', b"", &Command::Data);
    check_command(
        b'L',
        b"Subject\0 one\n two\0",
        &Command::Header {
            name: text("Subject"),
            value: text(" one\n two"),
        },
    );
    check_command(b'N', b"", &Command::EndOfHeaders);
    check_command(b'B', b"a\0b\r\n", &Command::Body(text("a\0b\r\n")));
    check_command(b'E', b"", &Command::EndOfMessage(Bytes::new()));
    check_command(b'E', b"last\r\n", &Command::EndOfMessage(text("last\r\n")));
    check_command(b'U', b"XYZZY\0", &Command::Unknown(text("XYZZY")));
    check_command(b'A', b"", &Command::Abort);
    check_command(b'K', b"", &Command::QuitNewConnection);
    check_command(b'Q', b"", &Command::Quit);
}

#[test]
fn every_address_family_is_understood() {
    let connect = |peer| Command::Connect {
        host: text("h"),
        peer,
    };
    let ipv6 = Peer::Ip {
        address: "2001:db8::1".parse().unwrap(),
        port: 25,
    };
    check_command(b'C', b"h\x006\0\x192001:db8::1\0", &connect(ipv6.clone()));
    check_command(
        b'C',
        b"h\0L\0\0/run/x\0",
        &connect(Peer::Unix(b"/run/x".to_vec())),
    );
    check_command(b'C', b"h\0U", &connect(Peer::Unknown));
    for spelling in [
        &b"h\x006\0\x19IPv6:2001:db8::1\0"[..],
        b"h\x006\0\x192001:db8::1%eth0\0",
    ] {
        let frame = decode(&frame(b'C', spelling)).unwrap().unwrap();
        assert_eq!(Command::parse(frame), Ok(connect(ipv6.clone())));
    }
}

#[test]
fn macro_names_lose_their_braces_and_addresses_theirs() {
    let macros = decode(&frame(b'D', b"M{i}\0QUEUE\0i}\0x\0"))
        .unwrap()
        .unwrap();
    let expected = Command::Macros {
        letter: b'M',
        pairs: vec![(text("i"), text("QUEUE")), (text("i}"), text("x"))],
    };
    assert_eq!(Command::parse(macros), Ok(expected));
    let bare = decode(&frame(b'R', b"b@example.net\0")).unwrap().unwrap();
    assert_eq!(
        Command::parse(bare),
        Ok(Command::Rcpt(Path::new("b@example.net")))
    );
}

#[test]
fn the_responses_have_the_form_that_mtas_demand() {
    for (response, code) in [
        (Response::Accept, b'a'),
        (Response::Continue, b'c'),
        (Response::Discard, b'd'),
        (Response::ConnectionFailure, b'f'),
        (Response::Progress, b'p'),
        (Response::Reject, b'r'),
        (Response::Skip, b's'),
        (Response::Tempfail, b't'),
        (Response::Shutdown, b'4'),
    ] {
        check_response(&response, code, b"");
    }
    let (name, value) = (text("X-A"), text(" b"));
    let added = Response::AddHeader {
        name: name.clone(),
        value: value.clone(),
    };
    check_response(&added, b'h', b"X-A\0 b\0");
    let inserted = Response::InsertHeader {
        index: 1,
        name: name.clone(),
        value: value.clone(),
    };
    check_response(&inserted, b'i', b"\0\0\0\x01X-A\0 b\0");
    let deleted = Response::ChangeHeader {
        occurrence: 2,
        name,
        value: Bytes::new(),
    };
    check_response(&deleted, b'm', b"\0\0\0\x02X-A\0\0");
    check_response(&Response::AddRecipient(text("<a@b>")), b'+', b"<a@b>\0");
    check_response(&Response::DeleteRecipient(text("<a@b>")), b'-', b"<a@b>\0");
    let notify = Response::AddRecipientParameters {
        address: text("<a@b>"),
        parameters: text("NOTIFY=NEVER"),
    };
    check_response(&notify, b'2', b"<a@b>\0NOTIFY=NEVER\0");
    let sender = Response::ChangeSender {
        address: text("<>"),
        parameters: Bytes::new(),
    };
    check_response(&sender, b'e', b"<>\0");
    check_response(&Response::Quarantine(text("held")), b'q', b"held\0");
    check_response(&Response::ReplaceBody(text("x\r\n")), b'b', b"x\r\n");
    check_response(
        &Response::ReplyCode(text("550 5.7.1 no")),
        b'y',
        b"550 5.7.1 no\0",
    );
}

#[test]
fn macro_lists_follow_the_twelve_bytes_of_a_negotiation_answer() {
    let answer = Response::Negotiated {
        taken: Offer {
            version: 6,
            actions: Actions::ADD_HEADERS | Actions::SET_MACROS,
            events: Events::SKIP,
        },
        macros: vec![(0, text("j {client_addr}")), (5, text("i"))],
    };
    check_response(
        &answer,
        b'O',
        b"\0\0\0\x06\0\0\x01\x01\0\0\x04\0\0\0\0\0j {client_addr}\0\0\0\0\x05i\0",
    );
}

#[test]
fn a_malformed_payload_is_refused_with_what_is_wrong() {
    for code in *b"HMRLUD" {
        let payload: &[u8] = if code == b'D' { b"Mname" } else { b"name" };
        check_malformed(code, payload, "unterminated string");
    }
    check_malformed(b'C', b"", "unterminated string");
    check_malformed(b'C', b"h\0", "no address family");
    check_malformed(b'C', b"h\x004", "no port");
    check_malformed(b'C', b"h\x004\0\x19", "unterminated string");
    check_malformed(
        b'C',
        b"h\x004\0\x192001:db8::1\0",
        "address is not of its family",
    );
    check_malformed(
        b'C',
        b"h\x004\0\x19999.0.2.1\0",
        "address is not of its family",
    );
    check_malformed(b'C', b"h\0X\0\x19192.0.2.1\0", "unknown address family");
    check_malformed(b'C', b"h\0Umore", "more than was expected");
    check_malformed(b'D', b"", "no command letter");
    check_malformed(b'D', b"Mi\0value\0odd\0", "unterminated string");
    check_malformed(b'H', b"a\0b\0", "more than was expected");
    check_malformed(b'L', b"a\0b\0c\0", "more than was expected");
    check_malformed(b'L', b"\0value\0", "not a field name");
    check_malformed(b'L', b"a:b\0value\0", "not a field name");
    check_malformed(b'L', b"a\r\nB\0value\0", "not a field name");
    check_malformed(b'M', b"", "unterminated string");
    check_malformed(b'M', b"<a>\0SIZE=1", "unterminated string");
    check_malformed(b'O', b"\0\0\0\x06\0\0\0\0\0\0\0", "shorter than 12 bytes");
    for code in *b"ATNQK" {
        check_malformed(code, b"x", "more than was expected");
    }
    check_malformed(b'H', &[b'a'; 20_000], "unterminated string");
    check_malformed(
        b'H',
        &[&[b'a'; 20_000][..], b"\0"].concat(),
        "string too long",
    );
    check_malformed(
        b'D',
        &[&b"M"[..], &[0; 70_000]].concat(),
        "too many or too long strings",
    );
    check_malformed(b'R', &[0; 70_000], "too many or too long strings");
}

#[test]
fn a_payload_cut_anywhere_is_malformed_or_a_shorter_list() {
    let whole: [(u8, &[u8]); 10] = [
        (b'C', b"client.example\x004\x9c\x40192.0.2.1\0"),
        (b'C', b"client.example\x006\x9c\x40IPv6:2001:db8::1\0"),
        (b'C', b"client.example\0L\0\0/run/client\0"),
        (b'C', b"client.example\0U"),
        (b'D', b"Mi\x004BX\0{auth_type}\0PLAIN\0"),
        (b'H', b"client.example\0"),
        (b'L', b"Subject\0 hi\n there\0"),
        (b'M', b"<a@example.org>\0SIZE=1\0BODY=8BITMIME\0"),
        (b'O', b"\0\0\0\x06\0\0\x01\xff\0\x1f\xff\xff"),
        (b'U', b"XYZZY\0"),
    ];
    for (code, payload) in whole {
        let parse = |payload: &[u8]| {
            let payload = Bytes::copy_from_slice(payload);
            Command::parse(Frame { code, payload })
        };
        assert!(parse(payload).is_ok());
        for end in 0..payload.len() {
            let cut = &payload[..end];
            let is_list = match code {
                b'D' => cut == b"M" || cut == b"Mi\x004BX\0",
                b'M' => cut.ends_with(b"\0"),
                _ => false,
            };
            assert_eq!(parse(cut).is_ok(), is_list, "{}", cut.escape_ascii());
        }
        if code != b'O' {
            let longer = [payload, b"x"].concat();
            assert!(parse(&longer).is_err(), "{}", longer.escape_ascii());
        }
    }
}

#[test]
fn an_unknown_code_is_named() {
    let frame = Frame {
        code: b'z',
        payload: Bytes::new(),
    };
    let error = Command::parse(frame).unwrap_err();
    assert_eq!(error.to_string(), "unknown command 'z'");
}

#[test]
fn lengths_that_no_frame_may_have_are_refused_before_the_payload_is_there() {
    assert!(matches!(decode(b"\0\0\0\0"), Err(FrameError::Empty)));
    for length in [0xFFFF_FFFF_u32, 0x8000_0000, 0x7FFF_FFFF, 0x0020_0000] {
        match decode(&length.to_be_bytes()) {
            Err(FrameError::TooLong { length: found, .. }) => assert_eq!(found, length as usize),
            other => panic!("length {length:#x}: {other:?}"),
        }
    }
}

#[test]
fn a_stream_that_ends_within_a_frame_says_so() {
    let mut codec = FrameCodec::default();
    for half in [&b"\0"[..], b"\0\0\0\x05L", b"\0\0\0\x05Labc"] {
        let end = codec.decode_eof(&mut BytesMut::from(half));
        assert!(matches!(end, Err(FrameError::Incomplete)), "{half:?}");
    }
    assert!(codec.decode_eof(&mut BytesMut::new()).unwrap().is_none());
}

#[test]
fn bits_show_their_names_and_unknown_bits_as_a_number() {
    let actions = Actions::ADD_HEADERS | Actions::QUARANTINE | Actions::from_wire(0x1_0000);
    assert_eq!(actions.to_string(), "ADD_HEADERS|QUARANTINE|0x10000");
    assert_eq!(Events::NONE.to_string(), "0x0");
}
