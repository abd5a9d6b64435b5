//! What holds for all bytes.

use bytes::{Bytes, BytesMut};
use milter::{
    Actions, Command, Events, Frame, FrameCodec, HeaderName, HeaderValue, Offer, Path, Peer,
    ReplyText, Response,
};
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::{prop_assert, prop_assert_eq, proptest};
use tokio_util::codec::{Decoder, Encoder};

/// Bytes without NUL.
fn text() -> impl Strategy<Value = Bytes> {
    vec(1..=255_u8, 0..60).prop_map(Bytes::from)
}

fn field_name() -> impl Strategy<Value = Bytes> {
    "[!-9;-~]{1,20}".prop_map(Bytes::from)
}

/// Without the brackets that the wire puts around it.
fn path() -> impl Strategy<Value = Path> {
    (text(), vec(text(), 0..4)).prop_map(|(address, parameters)| Path {
        address: address.to_vec(),
        parameters: parameters.iter().map(|text| text.to_vec()).collect(),
    })
}

fn peer() -> impl Strategy<Value = Peer> {
    prop_oneof![
        (any::<std::net::IpAddr>(), any::<u16>())
            .prop_map(|(address, port)| Peer::Ip { address, port }),
        text().prop_map(|path| Peer::Unix(path.to_vec())),
        Just(Peer::Unknown),
    ]
}

fn offer() -> impl Strategy<Value = Offer> {
    any::<(u32, u32, u32)>().prop_map(|(version, actions, events)| Offer {
        version,
        actions: Actions::from_wire(actions),
        events: Events::from_wire(events),
    })
}

fn command() -> impl Strategy<Value = Command> {
    let bytes = || vec(any::<u8>(), 0..80).prop_map(Bytes::from);
    prop_oneof![
        Just(Command::Abort),
        bytes().prop_map(Command::Body),
        (text(), peer()).prop_map(|(host, peer)| Command::Connect { host, peer }),
        Just(Command::Data),
        Just(Command::EndOfHeaders),
        bytes().prop_map(Command::EndOfMessage),
        (field_name(), text()).prop_map(|(name, value)| Command::Header { name, value }),
        text().prop_map(Command::Helo),
        (
            any::<u8>(),
            vec(("[a-z_]{1,12}".prop_map(Bytes::from), text()), 0..5)
        )
            .prop_map(|(letter, pairs)| Command::Macros { letter, pairs }),
        path().prop_map(Command::Mail),
        offer().prop_map(Command::Negotiate),
        Just(Command::Quit),
        Just(Command::QuitNewConnection),
        path().prop_map(Command::Rcpt),
        text().prop_map(Command::Unknown),
    ]
}

fn frames(codec: &mut FrameCodec, buffer: &mut BytesMut) -> Result<Vec<Frame>, String> {
    let mut frames = Vec::new();
    loop {
        match codec.decode(buffer) {
            Ok(Some(frame)) => frames.push(frame),
            Ok(None) => return Ok(frames),
            Err(error) => return Err(format!("{error} after {frames:?}")),
        }
    }
}

proptest! {
    #[test]
    fn a_command_survives_the_wire(command in command()) {
        let mut bytes = BytesMut::new();
        command.encode(&mut bytes);
        let frame = FrameCodec::default().decode(&mut bytes).unwrap().unwrap();
        prop_assert!(bytes.is_empty());
        prop_assert_eq!(Command::parse(frame), Ok(command));
    }

    #[test]
    fn any_bytes_are_frames_or_an_error_but_never_a_panic(bytes in vec(any::<u8>(), 0..200)) {
        let mut codec = FrameCodec::new(64);
        if let Ok(frames) = frames(&mut codec, &mut BytesMut::from(&*bytes)) {
            for frame in frames {
                let _ = Command::parse(frame.clone());
                let _ = Response::parse(frame);
            }
        }
    }

    #[test]
    fn any_payload_of_any_code_is_a_command_or_an_error(code in any::<u8>(), payload in vec(any::<u8>(), 0..100)) {
        let frame = Frame { code, payload: payload.into() };
        if let Ok(command) = Command::parse(frame.clone()) {
            // What was understood can be said again, and means the same.
            let mut bytes = BytesMut::new();
            command.encode(&mut bytes);
            let again = FrameCodec::default().decode(&mut bytes).unwrap().unwrap();
            prop_assert_eq!(Command::parse(again), Ok(command));
        }
        if let Ok(response) = Response::parse(frame) {
            let mut bytes = BytesMut::new();
            response.encode(&mut bytes);
            let again = FrameCodec::default().decode(&mut bytes).unwrap().unwrap();
            prop_assert_eq!(Response::parse(again), Ok(response));
        }
    }

    #[test]
    fn a_stream_gives_the_same_frames_however_it_is_split(
        payloads in vec((any::<u8>(), vec(any::<u8>(), 0..50)), 0..8),
        cuts in vec(any::<proptest::sample::Index>(), 0..12),
    ) {
        let mut stream = BytesMut::new();
        let mut whole = Vec::new();
        for (code, payload) in payloads {
            let frame = Frame { code, payload: payload.into() };
            FrameCodec::default().encode(frame.clone(), &mut stream).unwrap();
            whole.push(frame);
        }
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let mut codec = FrameCodec::default();
        let mut buffer = BytesMut::new();
        let mut found = Vec::new();
        for ends in cuts.windows(2) {
            buffer.extend_from_slice(&stream[ends[0]..ends[1]]);
            found.extend(frames(&mut codec, &mut buffer).unwrap());
        }
        prop_assert_eq!(found, whole);
        prop_assert!(buffer.is_empty());
    }

    #[test]
    fn no_header_value_can_end_its_field(value in vec(any::<u8>(), 0..200)) {
        let strict = HeaderValue::new(&value).ok();
        for value in strict.into_iter().chain([HeaderValue::sanitised(&value)]) {
            let shown = format!("{value:?}");
            let wire = value.as_bytes();
            prop_assert!(!wire.contains(&0) && !wire.contains(&b'\r'), "{}", shown);
            for (position, _) in wire.iter().enumerate().filter(|(_, byte)| **byte == b'\n') {
                prop_assert!(matches!(wire.get(position + 1), Some(b' ' | b'\t')), "{}", shown);
            }
        }
    }

    #[test]
    fn no_header_name_has_a_colon_space_or_control(name in vec(any::<u8>(), 0..20)) {
        if HeaderName::new(&name).is_ok() {
            prop_assert!(name.iter().all(|byte| byte.is_ascii_graphic() && *byte != b':'));
        }
    }

    #[test]
    fn no_reply_text_can_begin_another_reply(text in vec(any::<u8>(), 0..600)) {
        let reply = ReplyText::sanitised(550, "5.7.1", &text).unwrap().to_string();
        prop_assert!(reply.starts_with("550 5.7.1 "));
        prop_assert!(reply.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
        prop_assert!(reply.len() <= 510);
    }
}
