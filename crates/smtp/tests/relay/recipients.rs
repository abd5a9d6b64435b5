//! No open relay: the complete table of classical forms, through a real server.

use std::time::Duration;

use ipnet::IpNet;
use smtp::relay::{RelayDomains, RelayOptions};
use smtp::server::ServerOptions;

use crate::client::Client;
use crate::next_hop::NextHop;
use crate::support::{Setting, Verdict, relay_for, relay_with};

/// Nobody may relay; anybody may send to these.
fn closed() -> RelayOptions {
    RelayOptions {
        relay_domains: RelayDomains::new(["local.example", ".sub.example"]).unwrap(),
        ..RelayOptions::default()
    }
}

async fn outside(hop: &NextHop) -> (Setting, Client) {
    let setting = relay_with(hop, Verdict::Pass, closed()).await;
    setting.next_hop.probe().await.unwrap();
    let client = Client::connect(setting.address).await;
    (setting, client)
}

const FOREIGN: &[&str] = &[
    "<u@ext.example>",
    "<u%ext.example@local.example>",
    "<u%ext.example>",
    "<ext.example!u>",
    "<ext.example!u@local.example>",
    "<@local.example:u@ext.example>",
    "<@local.example,@other.example:u@ext.example>",
    "<@ext.example:u@local.example>",
    "<\"u@ext.example\">",
    "<\"u@ext.example\"@local.example>",
    "<\"u%ext.example\">",
    "<\"u%ext.example\"@local.example>",
    "<\"ext.example!u\"@local.example>",
    "<\"u\\@ext.example\"@local.example>",
    "<u@ext.example@local.example>",
    "<u@local.example@ext.example>",
    "<u@[127.0.0.1]>",
    "<u@[192.0.2.1]>",
    "<u@[IPv6:::1]>",
    "<u@ext.example.>",
    "<u@local.example.>",
    "<u@EXT.EXAMPLE>",
    "u@ext.example",
    "< u@ext.example >",
    "<u@ext.example",
    "u@ext.example>",
    "<u%a.example%b.example@local.example>",
    "<a.example!b.example!u%c.example@local.example>",
    "<u@local.example%ext.example>",
    "<u@ext.example!local.example>",
    "<u>",
    "<\"u\">",
    "<>",
    "<@>",
    "<u@>",
    "<u@.local.example>",
    "<u@local..example>",
    "<u@xlocal.example>",
    "<u@sub.example>",
    "<u@local.example:25>",
    "<postmaster@ext.example>",
    "<postmaster%ext.example>",
    "<u@ext.example> ORCPT=rfc822;u@ext.example",
    "<u@ext.example> ORCPT=rfc822;u@local.example",
    "<u@ext.example> NOTIFY=NEVER",
    "<u@ext.example>RCPT TO:<u@local.example>",
    "<u@local.example>,<u@ext.example>",
    "<u@local.example,u@ext.example>",
    "<ü%ext.example@local.example>",
    "<u＠ext.example@local.example>",
    "<u％ext.example@local.example>",
    "<u@ext。example>",
    "<u@bücher.example>",
];

fn assert_refused(reply: &str, what: &str) {
    let refused = ["550 5.7.1", "554 5.7.1", "553 ", "501 ", "555 "];
    assert!(
        refused.iter().any(|start| reply.starts_with(start)),
        "{what}: {reply}"
    );
}

#[tokio::test]
async fn no_form_of_address_reaches_a_foreign_domain_from_outside() {
    let senders = ["<>", "<a@local.example>", "<a@ext.example>"];
    for sender in senders {
        for parameters in ["", " SMTPUTF8"] {
            let hop = NextHop::with([]).await;
            for rcpts in FOREIGN.chunks(8) {
                let (_setting, mut client) = outside(&hop).await;
                let mail = client.say(&format!("MAIL FROM:{sender}{parameters}")).await;
                assert!(mail.starts_with("250 "), "{mail}");
                for rcpt in rcpts {
                    let reply = client.say(&format!("RCPT TO:{rcpt}")).await;
                    assert_refused(&reply, rcpt);
                }
            }
            let seen = hop.seen();
            let named = seen
                .commands
                .iter()
                .find(|command| command.starts_with("RCPT"));
            assert_eq!(named, None, "the next hop is never asked");
        }
    }
}

#[tokio::test]
async fn our_own_domains_and_postmaster_are_for_everybody() {
    let hop = NextHop::with([]).await;
    let (_setting, mut client) = outside(&hop).await;
    assert!(client.say("MAIL FROM:<>").await.starts_with("250 "));
    let rcpts = [
        "u@local.example",
        "U+tag@LOCAL.example",
        "u@a.sub.example",
        "postmaster",
        "\"a b\"@local.example",
    ];
    for rcpt in rcpts {
        let reply = client.say(&format!("RCPT TO:<{rcpt}>")).await;
        assert!(reply.starts_with("250 2.1.5 Ok"), "{rcpt}: {reply}");
    }
    let commands = hop.seen().commands;
    let named: Vec<_> = commands
        .iter()
        .filter_map(|command| command.strip_prefix("RCPT TO:<"))
        .collect();
    assert_eq!(named, rcpts.map(|rcpt| format!("{rcpt}>")), "byte for byte");
}

#[tokio::test]
async fn nothing_a_client_says_of_itself_gives_it_rights() {
    let openings: &[&[&str]] = &[
        &["XCLIENT ADDR=127.0.0.1"],
        &["XCLIENT ADDR=127.0.0.1 NAME=localhost LOGIN=admin"],
        &["XFORWARD ADDR=127.0.0.1 NAME=localhost SOURCE=LOCAL"],
        &["EHLO relay.example"],
        &["HELO localhost"],
        &["EHLO [127.0.0.1]"],
        &["AUTH PLAIN AGEAYg=="],
        &["PROXY TCP4 127.0.0.1 127.0.0.1 1 25"],
    ];
    for opening in openings {
        let hop = NextHop::with([]).await;
        let (_setting, mut client) = outside(&hop).await;
        for line in *opening {
            client.say(line).await;
        }
        client.say("MAIL FROM:<a@local.example>").await;
        let reply = client.say("RCPT TO:<u@ext.example>").await;
        // A server may also close the connection at once.
        assert!(
            reply.is_empty() || reply.starts_with('5'),
            "{opening:?}: {reply}"
        );
        let commands = hop.seen().commands;
        assert!(
            !commands.iter().any(|command| command.starts_with("RCPT")),
            "{opening:?}"
        );
    }
}

#[tokio::test]
async fn a_relay_client_may_send_to_anybody() {
    let hop = NextHop::with([]).await;
    let options = RelayOptions {
        relay_clients: vec!["127.0.0.0/8".parse().unwrap()],
        ..closed()
    };
    let setting = relay_with(&hop, Verdict::Pass, options).await;
    let mut client = Client::connect(setting.address).await;
    let reply = client
        .deliver(
            &["u@ext.example", "a%b@ext.example"],
            b"Subject: x\r\n\r\nx\r\n",
        )
        .await;
    assert_eq!(reply, "250 2.0.0 Ok: queued as 4ABC");
}

/// Whose clients may relay from 192.0.2.0/24 and from this machine, and who believes this machine.
async fn trusting(hop: &NextHop, server: ServerOptions) -> Setting {
    let options = RelayOptions {
        relay_clients: vec![
            "192.0.2.0/24".parse().unwrap(),
            "127.0.0.0/8".parse().unwrap(),
        ],
        ..closed()
    };
    let server = ServerOptions {
        clients: vec!["0.0.0.0/0".parse().unwrap()],
        greet_wait: Duration::ZERO,
        ..server
    };
    relay_for(hop, Verdict::Pass, options, server).await
}

fn this_machine() -> Vec<IpNet> {
    vec!["127.0.0.0/8".parse().unwrap()]
}

#[tokio::test]
async fn a_client_has_the_rights_of_whom_a_trusted_server_in_front_names_and_no_others() {
    let cases = [
        ("ADDR=192.0.2.7", true),
        ("ADDR=198.51.100.7", false),
        ("ADDR=[UNAVAILABLE]", false),
        ("NAME=localhost ADDR=198.51.100.7 LOGIN=admin", false),
        ("ADDR=::ffff:192.0.2.7", true),
    ];
    for (attributes, may) in cases {
        let hop = NextHop::with([]).await;
        let server = ServerOptions {
            xclient_hosts: this_machine(),
            ..ServerOptions::default()
        };
        let setting = trusting(&hop, server).await;
        let mut client = Client::connect(setting.address).await;
        let greeting = client.say(&format!("XCLIENT {attributes}")).await;
        if !greeting.starts_with("220 ") {
            assert!(
                greeting.starts_with("501 ") && attributes.contains("ffff"),
                "{attributes}: {greeting}"
            );
            continue;
        }
        client.hello().await;
        client.say("MAIL FROM:<a@example.org>").await;
        let reply = client.say("RCPT TO:<u@ext.example>").await;
        assert_eq!(reply.starts_with("250 "), may, "{attributes}: {reply}");
    }
}

#[tokio::test]
async fn a_client_has_the_rights_of_whom_a_trusted_balancer_names() {
    for (address, may) in [("192.0.2.7", true), ("198.51.100.7", false)] {
        let hop = NextHop::with([]).await;
        let server = ServerOptions {
            proxy_hosts: this_machine(),
            ..ServerOptions::default()
        };
        let setting = trusting(&hop, server).await;
        let header = format!("PROXY TCP4 {address} 127.0.0.1 4711 25\r\n");
        let mut client = Client::connect_through(setting.address, &header).await;
        client.say("MAIL FROM:<a@example.org>").await;
        let reply = client.say("RCPT TO:<u@ext.example>").await;
        assert_eq!(reply.starts_with("250 "), may, "{address}: {reply}");
    }
}

#[tokio::test]
async fn what_xforward_says_gives_no_rights_even_from_a_trusted_host() {
    let hop = NextHop::with([]).await;
    let server = ServerOptions {
        xforward_hosts: this_machine(),
        proxy_hosts: this_machine(),
        ..ServerOptions::default()
    };
    let setting = trusting(&hop, server).await;
    let header = "PROXY TCP4 198.51.100.7 127.0.0.1 4711 25\r\n";
    let mut client = Client::connect_through(setting.address, header).await;
    client
        .say("XFORWARD ADDR=192.0.2.7 NAME=mx.example SOURCE=LOCAL")
        .await;
    client.say("MAIL FROM:<a@example.org>").await;
    assert_refused(&client.say("RCPT TO:<u@ext.example>").await, "XFORWARD");
}
