//! What the filter decides, and what becomes of it on both sides.

use smtp::Reply;
use smtp::relay::HeaderEdits;

use crate::client::Client;
use crate::next_hop::{NextHop, say};
use crate::support::{MESSAGE, Verdict, delivered, relay};

#[tokio::test]
async fn a_passed_mail_goes_on_as_it_came_and_the_client_hears_the_next_hop() {
    let hop = NextHop::with([]).await;
    let mut setting = relay(&hop, Verdict::Pass).await;
    setting.next_hop.probe().await.unwrap();
    let mut client = Client::connect(setting.address).await;
    let mail = client
        .say("MAIL FROM:<A@Example.org> SIZE=60 BODY=8BITMIME RET=HDRS ENVID=x+2Dy")
        .await;
    assert_eq!(mail, "250 2.1.0 Ok");
    let rcpt = "RCPT TO:<\"a b\"@Example.NET> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;a@b";
    assert_eq!(client.say(rcpt).await, "250 2.1.5 Ok");
    assert!(client.say("DATA").await.starts_with("354 "));
    client.send(MESSAGE).await;
    assert_eq!(client.say(".").await, "250 2.0.0 Ok: queued as 4ABC");
    let answered = setting.told.recv().await.unwrap();
    assert!(answered.written);
    assert_eq!(
        answered.reply,
        Reply::new(250, "2.0.0", "Ok: queued as 4ABC")
    );
    let next = answered.next_hop.unwrap();
    assert_eq!(next.address, hop.address.to_string());
    assert_eq!(next.reply, Some(answered.reply));
    assert_eq!(next.queue_id.as_deref(), Some("4ABC"));
    let seen = hop.seen();
    assert_eq!(seen.messages, [MESSAGE]);
    assert!(
        seen.commands.contains(&rcpt.to_owned()),
        "{:?}",
        seen.commands
    );
    let mail = "MAIL FROM:<A@Example.org> SIZE=60 BODY=8BITMIME RET=HDRS ENVID=x+2Dy";
    assert!(
        seen.commands.contains(&mail.to_owned()),
        "{:?}",
        seen.commands
    );
}

#[tokio::test]
async fn header_fields_are_added_and_removed_and_nothing_else_is_touched() {
    let hop = NextHop::with([]).await;
    let message =
        b"X-Old: 1\r\n folded\r\nSubject: x\r\nX-Old: 2\r\n\r\n.body\r\n..\r\nX-Old: 3\r\n";
    let edits = HeaderEdits {
        removed: smtp::relay::head_fields(message)
            .filter(|field| field.is("x-old"))
            .map(|field| field.range)
            .collect(),
        prepended: b"X-New: y\r\n".to_vec(),
    };
    let setting = relay(&hop, Verdict::Changed(edits)).await;
    let mut client = Client::connect(setting.address).await;
    client.open(&["b@example.net"]).await;
    client
        .send(b"X-Old: 1\r\n folded\r\nSubject: x\r\nX-Old: 2\r\n\r\n..body\r\n...\r\nX-Old: 3\r\n")
        .await;
    assert!(client.say(".").await.starts_with("250 "));
    let expected: &[u8] = b"X-New: y\r\nSubject: x\r\n\r\n.body\r\n..\r\nX-Old: 3\r\n";
    assert_eq!(hop.seen().messages, [expected]);
}

#[tokio::test]
async fn a_taken_or_refused_mail_never_reaches_the_next_hop() {
    for reply in [
        Reply::new(250, "2.0.0", "Ok: held as 01J"),
        Reply::new(550, "5.7.1", "No\nreally not"),
        Reply::new(451, "4.7.1", "Later"),
    ] {
        let hop = NextHop::with([]).await;
        let verdict = if reply.is_positive() {
            Verdict::Take(reply.clone())
        } else {
            Verdict::Refuse(reply.clone())
        };
        let mut setting = relay(&hop, verdict).await;
        let mut client = Client::connect(setting.address).await;
        let said = client.deliver(&["b@example.net"], MESSAGE).await;
        assert!(said.starts_with(&reply.code.to_string()), "{said}");
        let answered = setting.told.recv().await.unwrap();
        assert_eq!(
            (answered.reply, answered.written, answered.next_hop),
            (reply, true, None)
        );
        let seen = hop
            .until(|seen| {
                seen.commands
                    .iter()
                    .any(|command| command == "RSET" || command == "QUIT")
                    || seen.ended > 0
            })
            .await;
        assert!(seen.messages.is_empty() && !seen.commands.iter().any(|command| command == "DATA"));
    }
}

#[tokio::test]
async fn a_decision_that_contradicts_itself_defers_the_mail() {
    for verdict in [
        Verdict::Take(Reply::new(550, "5.7.1", "No")),
        Verdict::Refuse(Reply::new(250, "2.0.0", "Ok")),
        Verdict::Withhold(vec![0]),
        Verdict::Changed(HeaderEdits {
            removed: std::iter::once(1000..1001).collect(),
            prepended: Vec::new(),
        }),
        Verdict::Changed(HeaderEdits {
            removed: Vec::new(),
            prepended: b"X: y".to_vec(),
        }),
    ] {
        let hop = NextHop::with([]).await;
        let mut setting = relay(&hop, verdict).await;
        let mut client = Client::connect(setting.address).await;
        assert!(
            client
                .deliver(&["b@example.net"], MESSAGE)
                .await
                .starts_with("451 4.3.0 ")
        );
        assert_eq!(setting.told.recv().await.unwrap().reply.code, 451);
        assert!(hop.seen().messages.is_empty());
    }
}

#[tokio::test]
async fn a_filter_that_panics_defers_the_mail_and_the_session_goes_on() {
    let hop = NextHop::with([]).await;
    let setting = relay(&hop, Verdict::Panic).await;
    let mut client = Client::connect(setting.address).await;
    for _ in 0..2 {
        assert!(
            client
                .deliver(&["b@example.net"], MESSAGE)
                .await
                .starts_with("451 4.3.0 ")
        );
    }
    assert!(hop.seen().messages.is_empty());
}

#[tokio::test]
async fn withheld_recipients_are_left_out_by_playing_the_transaction_again() {
    let hop = NextHop::with([]).await;
    let setting = relay(&hop, Verdict::Withhold(vec![0, 2])).await;
    let mut client = Client::connect(setting.address).await;
    let reply = client
        .deliver(
            &["a@x.example", "b@x.example", "c@x.example", "d@x.example"],
            MESSAGE,
        )
        .await;
    assert_eq!(reply, "250 2.0.0 Ok: queued as 4ABC");
    assert_eq!(hop.seen().messages, [MESSAGE]);
    let commands = delivered(&hop);
    assert_eq!(
        commands,
        [
            "MAIL FROM:<a@example.org>",
            "RCPT TO:<b@x.example>",
            "RCPT TO:<d@x.example>",
            "DATA",
            "<message>"
        ]
    );
}

#[tokio::test]
async fn a_replay_that_is_not_accepted_as_before_sends_nothing() {
    for (verb, refusal) in [
        ("RCPT", "550 5.1.1 who?"),
        ("RCPT", "450 4.2.0 busy"),
        ("MAIL", "550 5.7.1 no"),
    ] {
        let before = if verb == "RCPT" { 3 } else { 1 };
        let faults = std::iter::repeat_n((verb, crate::next_hop::Act::Behave), before);
        let hop = NextHop::with(faults.chain([(verb, say(refusal))])).await;
        let mut setting = relay(&hop, Verdict::Withhold(vec![0])).await;
        let mut client = Client::connect(setting.address).await;
        let reply = client
            .deliver(&["a@x.example", "b@x.example", "c@x.example"], MESSAGE)
            .await;
        assert!(reply.starts_with("451 4.5.1 "), "{refusal}: {reply}");
        let answered = setting.told.recv().await.unwrap();
        assert_eq!((answered.reply.code, answered.next_hop), (451, None));
        let seen = hop.seen();
        assert!(seen.messages.is_empty() && !seen.commands.contains(&"DATA".to_owned()));
    }
}

#[tokio::test]
async fn a_mail_that_goes_round_in_circles_is_refused() {
    let hop = NextHop::with([]).await;
    let setting = relay(&hop, Verdict::Pass).await;
    let mut client = Client::connect(setting.address).await;
    let hops = |count: usize| {
        format!(
            "{}Subject: x\r\n\r\nx\r\n",
            "received: from a by b\r\n".repeat(count)
        )
    };
    assert!(
        client
            .deliver(&["a@x.example"], hops(50).as_bytes())
            .await
            .starts_with("250 ")
    );
    assert!(
        client
            .deliver(&["a@x.example"], hops(51).as_bytes())
            .await
            .starts_with('5')
    );
    assert_eq!(hop.seen().messages.len(), 1);
}
