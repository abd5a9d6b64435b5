//! Whatever the server answers and wherever it breaks off: "delivered" is said only of a mail that the
//! server has taken, and "not delivered" only of one that it has not.

use crate::common::{mailbox, target};
use proptest::prelude::*;
use smtp::{Client, Delivery, Error, ErrorKind};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream};

#[derive(Clone, Debug)]
enum Answer {
    /// The reply that goes on with the dialogue.
    Right,
    /// Some other bytes.
    Other(Vec<u8>),
    Close,
    Silence,
}

/// What a server knows about one mail.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    dot: bool,
    accepted: bool,
    refused: bool,
}

proptest! {
    #[test]
    fn the_result_agrees_with_what_the_server_knows(answers in proptest::collection::vec(answer(), 10), lines in 0usize..300) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let (result, seen) = runtime.block_on(async {
            let (far, near) = tokio::io::duplex(512);
            let server = tokio::spawn(serve(far, answers));
            let message = b".a line of the message\r\n".repeat(lines);
            let result = async {
                let mut client = Client::start(near, &target(), ()).await?;
                client.deliver(&Delivery::new("a@b", &mailbox(&["c@d", "e@f"]), &message)).await
            };
            let result: Result<_, Error> = result.await;
            (result, server.await.unwrap())
        });
        match result.as_ref().map_err(Error::kind) {
            Ok(_) => prop_assert!(seen.accepted, "delivered, and the server knows of nothing: {result:?}"),
            Err(ErrorKind::Unknown) => prop_assert!(seen.dot, "unknown, and the message never ended: {result:?}"),
            Err(ErrorKind::Permanent | ErrorKind::Temporary) => {
                prop_assert!(!seen.accepted, "not delivered, and the server has it: {result:?}");
                prop_assert!(!seen.dot || seen.refused, "not delivered, and nobody said so: {result:?}");
            }
        }
    }
}

fn answer() -> impl Strategy<Value = Answer> {
    let reply = (
        (2u16..6),
        (0u16..60),
        prop_oneof![Just("\r\n"), Just(" text\r\n"), Just("-more\r\n"), Just("")],
    );
    prop_oneof![
        20 => Just(Answer::Right),
        4 => reply.prop_map(|(class, rest, end)| Answer::Other(format!("{}{end}", class * 100 + rest).into_bytes())),
        1 => Just(Answer::Other(b"250 ok\r\n250 ok\r\n".to_vec())),
        1 => Just(Answer::Other(b"354 go\r\n250 ok\r\n".to_vec())),
        1 => proptest::collection::vec(any::<u8>(), 0..30).prop_map(Answer::Other),
        1 => Just(Answer::Close),
        1 => Just(Answer::Silence),
    ]
}

/// Gives one answer to the connection, to each line and to the end of the message.
async fn serve(stream: DuplexStream, answers: Vec<Answer>) -> Seen {
    let mut stream = BufReader::new(stream);
    let (mut seen, mut line, mut in_message) = (Seen::default(), Vec::new(), false);
    for answer in answers {
        let (data, dot) = (line == b"DATA\r\n", in_message);
        let bytes = match answer {
            Answer::Right if line.is_empty() => b"220 mx\r\n".to_vec(),
            Answer::Right if data => b"354 go\r\n".to_vec(),
            Answer::Right => b"250 ok\r\n".to_vec(),
            Answer::Other(bytes) => bytes,
            Answer::Close => return seen,
            Answer::Silence => Vec::new(),
        };
        if dot {
            seen.accepted = bytes.starts_with(b"2");
            seen.refused = bytes.starts_with(b"4") || bytes.starts_with(b"5");
        }
        if stream.write_all(&bytes).await.is_err() {
            return seen;
        }
        in_message = data && bytes.starts_with(b"3");
        loop {
            line.clear();
            if !matches!(stream.read_until(b'\n', &mut line).await, Ok(1..)) {
                return seen;
            }
            if !in_message || line == b".\r\n" {
                break;
            }
        }
        seen.dot |= in_message;
    }
    seen
}
