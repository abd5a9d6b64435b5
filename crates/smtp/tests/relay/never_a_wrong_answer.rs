//! Whatever a next hop does and a filter decides, the client's answers agree with what was delivered.

use proptest::prelude::*;
use smtp::Reply;

use crate::client::Client;
use crate::next_hop::{Act, NextHop, say};
use crate::support::{MESSAGE, Verdict, relay};

const MAILS: usize = 3;

fn endings() -> impl Strategy<Value = Act> {
    prop_oneof![
        Just(Act::Close),
        Just(Act::Reset),
        Just(Act::SayAndClose("421 4.4.2 timeout".to_owned())),
    ]
}

fn acts() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => Just(Act::Behave),
        3 => endings(),
        1 => Just(say("450 4.2.0 busy")),
        1 => Just(say("550 5.1.1 no")),
        1 => Just(say("421 4.3.2 bye")),
        1 => Just(say("354 go ahead")),
        1 => Just(say("250-a\r\n250 b")),
        1 => Just(say("250-a\r\n550 b")),
        1 => Just(say("nonsense")),
        1 => Just(say("250 one\r\n250 two")),
    ]
}

/// In the middle of a message the next hop only breaks off: one that answers there and then once more at the end
/// has said both, and nobody can know which it meant.
fn faults() -> impl Strategy<Value = Vec<(&'static str, Act)>> {
    let stages = ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA", ".", "RSET"];
    let fault = prop_oneof![
        7 => (prop::sample::select(stages.to_vec()), acts()),
        1 => endings().prop_map(|ending| ("BODY", ending)),
    ];
    proptest::collection::vec(fault, 0..8)
}

fn verdicts() -> impl Strategy<Value = Verdict> {
    prop_oneof![
        4 => Just(Verdict::Pass),
        2 => Just(Verdict::Withhold(vec![0])),
        1 => Just(Verdict::Take(Reply::new(250, "2.0.0", "Ok: held"))),
        1 => Just(Verdict::Refuse(Reply::new(550, "5.7.1", "No"))),
    ]
}

/// Tries to hand over some mails in one connection. The answers to those that came to their final dot.
async fn answers(client: &mut Client) -> Vec<String> {
    let mut answers = Vec::new();
    for _ in 0..MAILS {
        let mut accepted = client
            .say("MAIL FROM:<a@example.org>")
            .await
            .starts_with('2');
        if accepted {
            client.say("RCPT TO:<b@example.net>").await;
            client.say("RCPT TO:<c@example.net>").await;
            accepted = client.say("DATA").await.starts_with("354");
        }
        if accepted {
            client.send(MESSAGE).await;
            answers.push(client.say(".").await);
        } else {
            client.say("RSET").await;
        }
    }
    answers
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn a_yes_is_a_delivery_and_a_delivery_is_a_yes_or_known_to_be_open(faults in faults(), verdict in verdicts()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (answers, told, seen) = runtime.block_on(async {
            let hop = NextHop::with(faults).await;
            let mut setting = relay(&hop, verdict).await;
            let mut client = Client::connect(setting.address).await;
            let answers = answers(&mut client).await;
            client.say("QUIT").await;
            let mut told = Vec::new();
            while let Ok(answered) = setting.told.try_recv() {
                told.push(answered);
            }
            (answers, told, hop.seen())
        });
        let held = "250 2.0.0 Ok: held";
        let yes = answers.iter().filter(|answer| answer.starts_with('2') && *answer != held).count();
        let open = told.iter().filter_map(|answered| answered.next_hop.as_ref());
        let open = open.filter(|next| next.reply.is_none()).count();
        prop_assert!(yes <= seen.messages.len(), "{:?} {:?}", answers, seen);
        prop_assert!(seen.messages.len() <= yes + open, "{:?} {:?} {:?}", answers, told, seen);
        // every decision is told of, with the reply that the client got
        let decided = answers.iter().filter(|answer| !answer.starts_with("451 4.3.0"));
        prop_assert!(told.len() <= answers.len() && told.len() >= decided.count());
        let said: Vec<_> = answers.iter().map(|answer| answer.get(..3).unwrap_or_default().to_owned()).collect();
        for answered in &told {
            prop_assert!(answered.written && said.contains(&answered.reply.code.to_string()));
        }
        prop_assert!(answers.iter().all(|answer| answer.starts_with(['2', '4', '5'])), "{:?}", answers);
    }
}
