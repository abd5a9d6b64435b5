//! Clients that do not wait for their answer.

use std::sync::Arc;

use tokio::sync::Notify;

use crate::client::Client;
use crate::next_hop::{Act, NextHop, Seen};
use crate::support::{MESSAGE, Verdict, relay};

fn let_go(seen: &Seen) -> bool {
    seen.ended > 0 || seen.commands.iter().any(|command| command == "RSET")
}

#[tokio::test]
async fn a_client_that_leaves_while_its_message_is_scanned_stops_the_scan_and_nothing_is_delivered()
{
    let hop = NextHop::with([]).await;
    let mut setting = relay(&hop, Verdict::Never).await;
    let mut client = Client::connect(setting.address).await;
    client.open(&["b@example.net"]).await;
    client.send(MESSAGE).await;
    client.send(b".\r\n").await;
    setting.asked.recv().await.unwrap();
    drop(client);
    setting.dropped.recv().await.unwrap();
    let seen = hop.until(let_go).await;
    assert!(seen.messages.is_empty() && !seen.commands.contains(&"DATA".to_owned()));
}

#[tokio::test]
async fn a_client_that_leaves_right_before_the_dot_gets_nothing_delivered() {
    let go_ahead = Arc::new(Notify::new());
    let hop = NextHop::with([("DATA", Act::When(Arc::clone(&go_ahead)))]).await;
    let mut setting = relay(&hop, Verdict::Pass).await;
    let mut client = Client::connect(setting.address).await;
    client.open(&["b@example.net"]).await;
    client.send(MESSAGE).await;
    client.send(b".\r\n").await;
    hop.until(|seen| seen.commands.iter().any(|command| command == "DATA"))
        .await;
    drop(client);
    go_ahead.notify_one();
    let answered = setting.told.recv().await.unwrap();
    assert_eq!((answered.written, answered.next_hop), (false, None));
    let seen = hop.until(|seen| seen.ended > 0).await;
    assert!(seen.messages.is_empty());
    let [wire] = seen.wire.as_slice() else {
        panic!("{} connections", seen.wire.len());
    };
    assert!(
        wire.ends_with(MESSAGE),
        "everything but the dot: {}",
        wire.escape_ascii()
    );
}

#[tokio::test]
async fn a_client_that_leaves_after_the_dot_does_not_change_what_was_delivered() {
    let taken = Arc::new(Notify::new());
    let hop = NextHop::with([(".", Act::When(Arc::clone(&taken)))]).await;
    let mut setting = relay(&hop, Verdict::Pass).await;
    let mut client = Client::connect(setting.address).await;
    client.open(&["b@example.net"]).await;
    client.send(MESSAGE).await;
    client.send(b".\r\n").await;
    hop.until(|seen| seen.commands.iter().any(|command| command == "<message>"))
        .await;
    drop(client);
    taken.notify_one();
    let next = setting.told.recv().await.unwrap().next_hop.unwrap();
    assert_eq!(
        next.queue_id.as_deref(),
        Some("4ABC"),
        "the truth, whoever hears it"
    );
    assert_eq!(hop.seen().messages, [MESSAGE]);
}
