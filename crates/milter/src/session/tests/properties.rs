//! What holds for every sequence of commands.

use proptest::prelude::{Strategy, any};
use proptest::{prop_assert, prop_assert_eq, proptest};

use super::*;

/// Letters as MTAs send them often enough, so that messages come about.
fn letters() -> impl Strategy<Value = String> {
    let piece = "[ABCDEHKLMNRTU]|MR|MRT|MRTLN|MRTLLNBB|MRTLNBE|NBE|C|K?CH";
    proptest::collection::vec(piece, 0..20).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn a_message_is_what_came_since_its_mail_and_nothing_else(letters in letters()) {
        let mut driven = Driven::new();
        let mut expected = String::new();
        let mut recipients = 0;
        for (number, letter) in letters.chars().enumerate() {
            let seen = match letter {
                'M' => {
                    expected.clear();
                    recipients = 0;
                    driven.letter(letter)
                }
                'R' => {
                    recipients += 1;
                    driven.letter(letter)
                }
                'L' => {
                    expected += &format!("N{number}: v\r\n");
                    let name = format!("N{number}").into();
                    driven.command(Command::Header { name, value: " v".into() })
                }
                'N' => {
                    expected += "\r\n";
                    driven.letter(letter)
                }
                'B' => {
                    expected += &format!("b{number}\r\n");
                    driven.command(Command::Body(format!("b{number}\r\n").into()))
                }
                other => driven.letter(other),
            };
            match seen {
                Seen::Message(text) => prop_assert_eq!(text, expected.clone()),
                Seen::Refused(_) | Seen::Closed => break,
                _ => prop_assert!(letter != 'E', "an end without a message"),
            }
            if let Some(envelope) = driven.session.envelope() {
                prop_assert_eq!(envelope.recipients.len(), recipients);
            }
        }
    }

    #[test]
    fn whatever_the_filter_replies_each_awaited_command_gets_one_answer(
        letters in letters(),
        events in any::<u32>(),
        reply in 0..7_usize,
    ) {
        const REPLIES: [fn(&Question) -> Reply; 7] = [
            |_| Reply::Accept,
            |_| Reply::Continue,
            |_| Reply::Custom(crate::text::ReplyText::fixed(450, "4.7.1", "no")),
            |_| Reply::Discard,
            |_| Reply::Reject,
            |_| Reply::Shutdown,
            |_| Reply::Tempfail,
        ];
        let offer = Offer { events: Events::from_wire(events), ..Offer::POSTFIX };
        let mut driven = Driven::with(offer, ServerOptions::default());
        driven.replies = REPLIES[reply];
        let agreement = *driven.session.agreement().unwrap();
        for letter in letters.chars() {
            let due = agreement.expects_answer(&command(letter));
            match driven.letter(letter) {
                Seen::Refused(_) | Seen::Closed => break,
                Seen::Silent => prop_assert!(!due, "{letter} of {letters} got no answer"),
                seen => prop_assert!(due, "{letter} of {letters} got {seen:?}"),
            }
        }
    }
}
