//! Whatever a message is and however it comes, it goes on byte for byte.

use proptest::prelude::*;
use smtp::relay::{HeaderEdits, head_fields};

use crate::client::Client;
use crate::next_hop::NextHop;
use crate::support::{Verdict, relay};

fn messages() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => Just(b"\r\n".to_vec()),
        3 => Just(b".".to_vec()),
        2 => Just(b"A: b\r\n".to_vec()),
        1 => Just(b"\r\n \t".to_vec()),
        1 => Just(b"\r\n.\r\n".to_vec()),
        1 => Just(vec![b'x'; 900]),
        2 => proptest::collection::vec(text(), 0..9),
    ];
    proptest::collection::vec(piece, 0..60).prop_map(|pieces| {
        let mut message = pieces.concat();
        message.extend_from_slice(b"\r\n");
        message
    })
}

fn text() -> impl Strategy<Value = u8> {
    any::<u8>().prop_filter("no line ends or NUL", |byte| {
        !matches!(byte, 0 | b'\r' | b'\n')
    })
}

fn stuffed(message: &[u8]) -> Vec<u8> {
    let mut wire = Vec::new();
    for line in message.split_inclusive(|&byte| byte == b'\n') {
        if line.starts_with(b".") {
            wire.push(b'.');
        }
        wire.extend_from_slice(line);
    }
    wire.extend_from_slice(b".\r\n");
    wire
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn what_arrives_is_the_message_with_its_edits(
        message in messages(),
        prepended in prop_oneof![Just(Vec::new()), Just(b"X-A: 1\r\nX-B: 2\r\n".to_vec())],
        removal in any::<u64>(),
        cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..8),
    ) {
        let removed: Vec<_> = head_fields(&message)
            .enumerate()
            .filter(|(index, _)| removal >> (index % 64) & 1 == 1)
            .map(|(_, field)| field.range)
            .collect();
        let mut expected = prepended.clone();
        let kept = |at: &usize| !removed.iter().any(|range| range.contains(at));
        expected.extend((0..message.len()).filter(kept).map(|at| message[at]));
        let wire = stuffed(&message);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(wire.len())).collect();
        cuts.extend([0, wire.len()]);
        cuts.sort_unstable();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let received = runtime.block_on(async {
            let hop = NextHop::with([]).await;
            let setting = relay(&hop, Verdict::Changed(HeaderEdits { removed, prepended })).await;
            let mut client = Client::connect(setting.address).await;
            client.open(&["b@example.net"]).await;
            for pair in cuts.windows(2) {
                client.send(&wire[pair[0]..pair[1]]).await;
                tokio::task::yield_now().await;
            }
            let reply = client.reply().await;
            assert_eq!(reply, "250 2.0.0 Ok: queued as 4ABC");
            hop.seen().messages
        });
        prop_assert_eq!(received.len(), 1);
        prop_assert_eq!(received[0].escape_ascii().to_string(), expected.escape_ascii().to_string());
    }
}
