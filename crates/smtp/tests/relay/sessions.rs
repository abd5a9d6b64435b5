//! More than one mail, and less than one, in a connection.

use crate::client::Client;
use crate::next_hop::NextHop;
use crate::support::{MESSAGE, Verdict, relay};

#[tokio::test]
async fn many_mails_go_through_one_connection() {
    let hop = NextHop::with([]).await;
    let mut setting = relay(&hop, Verdict::Pass).await;
    let mut client = Client::connect(setting.address).await;
    for number in 0..5 {
        let message = format!("Subject: {number}\r\n\r\n.\r\n");
        client.open(&["b@example.net"]).await;
        client
            .send(format!("Subject: {number}\r\n\r\n..\r\n.\r\n").as_bytes())
            .await;
        assert!(client.reply().await.starts_with("250 "));
        assert!(setting.told.recv().await.unwrap().written);
        assert_eq!(hop.seen().messages.last().unwrap(), message.as_bytes());
    }
}

#[tokio::test]
async fn a_client_may_send_its_commands_together() {
    let hop = NextHop::with([]).await;
    let setting = relay(&hop, Verdict::Pass).await;
    let mut client = Client::connect(setting.address).await;
    client
        .send(b"MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\nRCPT TO:<c@example.net>\r\nDATA\r\n")
        .await;
    for code in ["250 2.1.0", "250 2.1.5", "250 2.1.5", "354 "] {
        let reply = client.reply().await;
        assert!(reply.starts_with(code), "{reply}");
    }
    client.send(MESSAGE).await;
    client.send(b".\r\nQUIT\r\n").await;
    assert_eq!(client.reply().await, "250 2.0.0 Ok: queued as 4ABC");
    assert!(client.reply().await.starts_with("221 "));
    assert_eq!(hop.seen().messages, [MESSAGE]);
}

#[tokio::test]
async fn a_transaction_that_is_given_up_leaves_nothing_behind() {
    for end in ["RSET", "EHLO again.example"] {
        let hop = NextHop::with([]).await;
        let setting = relay(&hop, Verdict::Pass).await;
        let mut client = Client::connect(setting.address).await;
        client.say("MAIL FROM:<old@example.org>").await;
        client.say("RCPT TO:<old@example.net>").await;
        assert!(client.say(end).await.starts_with("250"));
        assert!(
            client
                .deliver(&["b@example.net"], MESSAGE)
                .await
                .starts_with("250 ")
        );
        let commands = crate::support::delivered(&hop);
        assert_eq!(
            commands,
            [
                "MAIL FROM:<a@example.org>",
                "RCPT TO:<b@example.net>",
                "DATA",
                "<message>"
            ]
        );
    }
}

#[tokio::test]
async fn a_client_that_leaves_within_a_transaction_or_a_message_gets_nothing_delivered() {
    let hop = NextHop::with([]).await;
    let mut setting = relay(&hop, Verdict::Pass).await;
    let mut client = Client::connect(setting.address).await;
    client.say("MAIL FROM:<a@example.org>").await;
    drop(client);
    let mut client = Client::connect(setting.address).await;
    client.open(&["b@example.net"]).await;
    client.send(MESSAGE).await;
    drop(client);
    let over = |seen: &crate::next_hop::Seen| {
        let resets = seen.commands.iter().filter(|command| *command == "RSET");
        seen.ended + resets.count() >= 2
    };
    let seen = hop.until(over).await;
    assert!(seen.messages.is_empty() && !seen.commands.contains(&"DATA".to_owned()));
    assert!(setting.told.try_recv().is_err());
}
