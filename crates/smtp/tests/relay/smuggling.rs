//! What is one message to us is one message to everybody behind us.

use crate::client::Client;
use crate::next_hop::{NextHop, Seen};
use crate::support::{Setting, Verdict, relay, relay_normalising};

/// Ends of data that some server has taken for one.
const SEQUENCES: [&[u8]; 11] = [
    b"\n.\n",
    b"\n.\r",
    b"\r.\n",
    b"\r.\r",
    b"\n.\r\n",
    b"\r.\r\n",
    b"\r\n\0.\r\n",
    b"\r\n.\r\r\n",
    b"\r\r\n.\r\r\n",
    b"\r\n.\n",
    b"\n.\r\r\n",
];

const BEFORE: &[u8] = b"Subject: outer\r\n\r\nbody";
const BEHIND: &[u8] =
    b"mail FROM:<smuggled@example.org>\r\nrcpt TO:<victim@example.net>\r\ndata\r\n\
    Subject: inner\r\n\r\nsmuggled\r\n.\r\n";

/// Sends a sequence with a second mail behind it, in two segments that are cut at `cut`.
async fn attack(setting: &Setting, sequence: &[u8], cut: usize) -> String {
    let mut client = Client::connect(setting.address).await;
    client.open(&["b@example.net"]).await;
    let all = [BEFORE, sequence, BEHIND].concat();
    let (first, second) = all.split_at(cut);
    client.send(first).await;
    tokio::task::yield_now().await;
    client.send(second).await;
    let reply = client.reply().await;
    let quit = client.say("QUIT").await;
    assert!(
        quit.is_empty() || quit.starts_with("221 "),
        "one reply to one message: {quit}"
    );
    reply
}

fn assert_one_at_most(seen: &Seen, sequence: &[u8], context: &str) {
    let smuggled = seen.commands.iter().find(|command| {
        command.to_ascii_lowercase().starts_with("mail") && command.contains("smuggled")
    });
    assert_eq!(smuggled, None, "{context}");
    for wire in &seen.wire {
        // With the one end of data that there may be taken away, no other one is left.
        let ends: Vec<usize> = (0..wire.len())
            .filter(|&at| wire[at..].starts_with(b"\r\n.\r\n"))
            .collect();
        assert!(ends.len() <= seen.messages.len(), "{context}");
        let pieces = match ends.as_slice() {
            [end] => vec![&wire[..*end], &wire[end + 5..]],
            _ => vec![wire.as_slice()],
        };
        // The NUL form has CRLF at both ends and is an end to nobody: a line of two characters.
        if sequence != b"\r\n\0.\r\n" {
            let raw = |piece: &&[u8]| {
                piece
                    .windows(sequence.len())
                    .any(|window| window == sequence)
            };
            assert!(!pieces.iter().any(raw), "{context}: forwarded raw");
        }
        let bare = wire.iter().enumerate().any(|(at, &byte)| match byte {
            b'\r' => wire.get(at + 1) != Some(&b'\n'),
            b'\n' => at == 0 || wire.get(at - 1) != Some(&b'\r'),
            _ => false,
        });
        assert!(!bare, "{context}: a bare line end is forwarded");
    }
}

#[tokio::test]
async fn no_end_of_data_but_crlf_dot_crlf_ends_a_message_wherever_it_is_cut() {
    for sequence in SEQUENCES {
        for cut in 0..=sequence.len() {
            let context = format!("{} cut at {cut}", sequence.escape_ascii());
            let hop = NextHop::with([]).await;
            let setting = relay(&hop, Verdict::Pass).await;
            let reply = attack(&setting, sequence, BEFORE.len() + cut).await;
            let seen = hop.seen();
            assert_one_at_most(&seen, sequence, &context);
            if sequence == b"\r\n\0.\r\n" {
                assert!(seen.messages.len() <= 1, "{context}: {reply}");
            } else {
                assert!(
                    reply.starts_with("550 5.") || reply.starts_with("554 5."),
                    "{context}: {reply}"
                );
                assert!(seen.messages.is_empty(), "{context}");
            }
        }
    }
}

#[tokio::test]
async fn normalising_makes_one_clean_message_of_all_of_it() {
    for sequence in SEQUENCES {
        for cut in 0..=sequence.len() {
            let context = format!("{} cut at {cut}", sequence.escape_ascii());
            let hop = NextHop::with([]).await;
            let setting = relay_normalising(&hop, Verdict::Pass).await;
            let reply = attack(&setting, sequence, BEFORE.len() + cut).await;
            let seen = hop.seen();
            assert_one_at_most(&seen, sequence, &context);
            if reply.starts_with("250 ") {
                let [message] = seen.messages.as_slice() else {
                    panic!("{context}: {} messages", seen.messages.len());
                };
                assert!(
                    message.ends_with(b"\r\nsmuggled\r\n"),
                    "{context}: {}",
                    message.escape_ascii()
                );
            } else {
                assert!(reply.starts_with('5'), "{context}: {reply}");
                assert!(seen.messages.is_empty(), "{context}");
            }
        }
    }
}
