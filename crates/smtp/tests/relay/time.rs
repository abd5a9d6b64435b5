//! What takes too long, and what is cut off: the filter hears the truth of it.

use std::sync::Arc;
use std::time::Duration;

use smtp::relay::RelayOptions;
use smtp::server::ServerOptions;
use tokio::sync::Notify;

use crate::client::Client;
use crate::next_hop::{Act, NextHop};
use crate::support::{MESSAGE, Verdict, open, relay_served, relay_with};

const SOON: Duration = Duration::from_millis(300);

#[tokio::test]
async fn a_filter_that_does_not_decide_in_time_defers_the_mail() {
    let hop = NextHop::with([]).await;
    let options = RelayOptions {
        dot_deadline: SOON,
        ..open()
    };
    let mut setting = relay_with(&hop, Verdict::Never, options).await;
    let mut client = Client::connect(setting.address).await;
    let reply = client.deliver(&["b@example.net"], MESSAGE).await;
    assert!(reply.starts_with("451 4.4.7 "), "{reply}");
    setting.dropped.recv().await.unwrap();
    assert!(setting.told.try_recv().is_err(), "there was no decision");
    assert!(hop.seen().messages.is_empty());
}

#[tokio::test]
async fn a_next_hop_that_is_slow_before_the_dot_does_not_get_it_too_late() {
    for stage in ["DATA", "RSET"] {
        let hop = NextHop::with([(stage, Act::Hang)]).await;
        let options = RelayOptions {
            dot_deadline: SOON,
            ..open()
        };
        let mut setting = relay_with(&hop, Verdict::Withhold(vec![0]), options).await;
        let mut client = Client::connect(setting.address).await;
        let reply = client
            .deliver(&["a@example.net", "b@example.net"], MESSAGE)
            .await;
        assert!(reply.starts_with("451 4.4.7 "), "{stage}: {reply}");
        assert_eq!(setting.told.recv().await.unwrap().next_hop, None);
        let seen = hop.until(|seen| seen.ended > 0).await;
        assert!(seen.messages.is_empty());
    }
}

#[tokio::test]
async fn a_next_hop_that_does_not_answer_the_dot_in_time_leaves_the_outcome_open() {
    let hop = NextHop::with([(".", Act::Hang)]).await;
    let options = RelayOptions {
        data_done: SOON,
        ..open()
    };
    let mut setting = relay_with(&hop, Verdict::Pass, options).await;
    let mut client = Client::connect(setting.address).await;
    let reply = client.deliver(&["b@example.net"], MESSAGE).await;
    assert!(reply.starts_with("451 4.4.2 "), "{reply}");
    let next = setting.told.recv().await.unwrap().next_hop.unwrap();
    assert_eq!(next.reply, None);
}

#[tokio::test]
async fn a_server_that_loses_patience_is_told_of_as_such_with_what_the_next_hop_may_have_done() {
    let hop = NextHop::with([(".", Act::Hang)]).await;
    let server = ServerOptions {
        message_deadline: SOON,
        ..ServerOptions::default()
    };
    let mut setting = relay_served(&hop, Verdict::Pass, server).await;
    let mut client = Client::connect(setting.address).await;
    let reply = client.deliver(&["b@example.net"], MESSAGE).await;
    assert!(reply.starts_with("451 "), "{reply}");
    let answered = setting.told.recv().await.unwrap();
    assert_eq!((answered.reply.code, answered.written), (451, true));
    assert_eq!(answered.next_hop.unwrap().reply, None);
}

#[tokio::test]
async fn a_shutdown_in_the_middle_of_a_delivery_is_told_of() {
    let told_to_go = Arc::new(Notify::new());
    for (stage, perhaps) in [("DATA", false), (".", true)] {
        let hop = NextHop::with([(stage, Act::When(Arc::clone(&told_to_go)))]).await;
        let server = ServerOptions {
            drain_timeout: Duration::ZERO,
            ..ServerOptions::default()
        };
        let mut setting = relay_served(&hop, Verdict::Pass, server).await;
        let mut client = Client::connect(setting.address).await;
        client.open(&["b@example.net"]).await;
        client.send(MESSAGE).await;
        client.send(b".\r\n").await;
        let reached = if perhaps { "<message>" } else { "DATA" };
        hop.until(|seen| seen.commands.iter().any(|command| command == reached))
            .await;
        setting.shut_down();
        let reply = client.reply().await;
        assert!(reply.starts_with("421 "), "{reply}");
        let answered = setting.told.recv().await.unwrap();
        assert_eq!((answered.reply.code, answered.written), (421, true));
        assert_eq!(answered.next_hop.is_some(), perhaps);
        assert!(answered.next_hop.is_none_or(|next| next.reply.is_none()));
    }
}
