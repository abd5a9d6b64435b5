//! What happens at the bounds.

use super::*;
use crate::text::ReplyText;

fn limited(options: ServerOptions) -> Driven {
    let mut driven = Driven::with(Offer::POSTFIX, options);
    driven.all("CH");
    driven
}

#[test]
fn one_recipient_too_many_is_told_to_come_later() {
    let mut driven = limited(ServerOptions {
        recipients: 2,
        ..ServerOptions::default()
    });
    driven.all("MRR");
    let text = ReplyText::fixed(452, "4.5.3", "Too many recipients");
    assert_eq!(
        driven.letter('R'),
        Seen::Written(Response::ReplyCode(text.wire()))
    );
    assert_eq!(driven.session.envelope().unwrap().recipients.len(), 2);
    assert_eq!(driven.all("TLNBE"), message(MESSAGE));
}

#[test]
fn one_recipient_too_many_refuses_the_message_where_rcpt_is_silent() {
    let mut driven = limited(ServerOptions {
        recipients: 2,
        asks: Asks {
            rcpt: false,
            ..Asks::default()
        },
        ..ServerOptions::default()
    });
    assert_eq!(driven.all("MRRRTLNBE"), Seen::Over(Limit::Recipients(2)));
    assert_eq!(driven.all("MRRTLNBE"), message(MESSAGE));
}

#[test]
fn long_paths_count_against_the_envelope() {
    let mut driven = limited(ServerOptions {
        envelope_bytes: 200,
        ..ServerOptions::default()
    });
    driven.letter('M');
    let long = Command::Rcpt(Path {
        address: b"b@example.net".to_vec(),
        parameters: vec![Vec::new(); 5],
    });
    assert!(matches!(
        driven.command(long),
        Seen::Written(Response::ReplyCode(_))
    ));
    assert_eq!(driven.letter('R'), Seen::Written(Response::Continue));
}

#[test]
fn a_message_at_its_limits_passes_and_one_above_does_not() {
    let bytes = MESSAGE.len() as u64;
    for (limit, expected) in [
        (bytes, message(MESSAGE)),
        (bytes - 1, Seen::Over(Limit::MessageBytes(bytes - 1))),
    ] {
        let mut driven = limited(ServerOptions {
            message_bytes: limit,
            ..ServerOptions::default()
        });
        assert_eq!(driven.all("MRTLNBE"), expected);
    }
    let header = "Subject: hi\r\n".len();
    for (limit, expected) in [
        (header, message(MESSAGE)),
        (header - 1, Seen::Over(Limit::HeaderBytes(header - 1))),
    ] {
        let mut driven = limited(ServerOptions {
            header_bytes: limit,
            ..ServerOptions::default()
        });
        assert_eq!(driven.all("MRTLNBE"), expected);
    }
    let mut driven = limited(ServerOptions {
        headers: 2,
        ..ServerOptions::default()
    });
    assert!(matches!(driven.all("MRTLLNE"), Seen::Message(_)));
    assert_eq!(driven.all("MRTLLLNBE"), Seen::Over(Limit::Headers(2)));
}

#[test]
fn a_message_over_its_limit_is_not_kept_and_its_rest_is_skipped() {
    let options = || ServerOptions {
        message_bytes: 30,
        ..ServerOptions::default()
    };
    let mut driven = limited(options());
    driven.all("MRTLNBBBBB");
    assert_eq!(driven.session.buffered(), 0);
    assert_eq!(driven.letter('E'), Seen::Over(Limit::MessageBytes(30)));
    let answering = Offer {
        events: Events::SKIP,
        ..Offer::POSTFIX
    };
    let mut driven = Driven::with(answering, options());
    driven.all("CHMRTLN");
    assert_eq!(driven.letter('B'), Seen::Written(Response::Continue));
    assert_eq!(driven.all("BB"), Seen::Written(Response::Skip));
    assert_eq!(driven.letter('E'), Seen::Over(Limit::MessageBytes(30)));
}
