//! A recorded session of a real MTA, played again.

use bytes::BytesMut;
use milter::mta::Mta;
use milter::{Edit, HeaderName, HeaderValue, Path, Reply, ReplyText, Response, ServerOptions};

use crate::support::{Act, Seen, Server, run};

const SESSION: &str = include_str!("fixtures/postfix-3.7.11.txt");

/// One line of the recording as the bytes of a frame.
fn frame(line: &str) -> Vec<u8> {
    let (code, payload) = line.split_once(' ').unwrap_or((line, ""));
    let payload = unescape(payload.as_bytes());
    let length = u32::try_from(payload.len() + 1).unwrap();
    [&length.to_be_bytes()[..], code.as_bytes(), &payload].concat()
}

fn unescape(mut text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some((&first, mut rest)) = text.split_first() {
        let byte = match (first, rest) {
            (b'\\', [b'x', digits @ ..]) => {
                let (digits, behind) = digits.split_at(2);
                rest = behind;
                u8::from_str_radix(str::from_utf8(digits).unwrap(), 16).unwrap()
            }
            (b'\\', [letter, behind @ ..]) => {
                rest = behind;
                match letter {
                    b'r' => b'\r',
                    b'n' => b'\n',
                    b't' => b'\t',
                    other => *other,
                }
            }
            _ => first,
        };
        bytes.push(byte);
        text = rest;
    }
    bytes
}

fn filter(seen: &Seen) -> Act {
    if seen.headers.iter().any(|header| header.value == b" refuse") {
        let text = ReplyText::new(550, "5.7.1", "100% refused\nin two lines").unwrap();
        return Act::Decide(Vec::new(), Reply::Custom(text));
    }
    let id = Edit::AddHeader {
        name: HeaderName::new("X-Postern-Id").unwrap(),
        value: HeaderValue::new("0123").unwrap(),
    };
    Act::Decide(vec![id], Reply::Accept)
}

async fn check_answer(mta: &mut Mta, number: usize, expected: &str) {
    let response: Response = mta.response().await.unwrap().unwrap();
    let mut answer = BytesMut::new();
    response.encode(&mut answer);
    let expected = frame(expected);
    assert_eq!(
        answer.escape_ascii().to_string(),
        expected.escape_ascii().to_string(),
        "line {number} of the recording"
    );
}

#[test]
fn a_recorded_session_of_postfix_gets_the_same_answers_again() {
    run(async {
        let mut server = Server::start(ServerOptions::default(), Box::new(filter)).await;
        let mut mta = Mta::tcp(server.address).await.unwrap();
        for (line, number) in SESSION.lines().zip(1..) {
            match line.split_once(' ') {
                Some((">", command)) => mta.raw(&frame(command)).await.unwrap(),
                Some(("<", answer)) => check_answer(&mut mta, number, answer).await,
                _ => assert!(line.starts_with('#'), "line {number}: {line}"),
            }
        }
        assert_eq!(mta.response().await.unwrap(), None);

        let seen = server.seen().await;
        let expected = "From: a@example.org\r\nTo: b@example\r\n\
            Date: Tue, 24 Nov 2026 16:00:00 +0000\r\nMessage-Id: <1@example.org>\r\n\
            Subject: folded\r\n over two lines\r\n\tand a third\r\nX-Tab:\ttab\r\nX-None:none\r\n\
            X-Two:  spaces\r\nX-Empty:\r\n\r\nGrüße\r\n.\r\n\r\nlast line\r\n";
        assert_eq!(String::from_utf8(seen.message).unwrap(), expected);
        assert_eq!(seen.envelope.queue_id(), Some(&b"7B71D9B2101"[..]));
        let port = seen.envelope.macros.value("client_port");
        assert_eq!(port, Some(&b"46042"[..]));
        let notify = Path {
            address: b"c@example".to_vec(),
            parameters: vec![b"NOTIFY=NEVER".to_vec()],
        };
        assert_eq!(seen.envelope.recipients, [Path::new("b@example"), notify]);

        let seen = server.seen().await;
        assert_eq!(seen.envelope.sender, Path::default());
        assert_eq!(seen.envelope.recipients, [Path::new("b@example")]);
        assert!(seen.message.ends_with(b"Subject: refuse\r\n\r\n"));
    });
}
