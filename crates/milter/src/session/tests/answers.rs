//! What the filter's replies lead to.

use super::*;

#[test]
fn a_refused_recipient_is_not_among_the_recipients() {
    let mut driven = Driven::ready();
    driven.replies = |question| match question {
        Question::Rcpt(path) if path.address.starts_with(b"no") => Reply::Reject,
        _ => Reply::Continue,
    };
    driven.letter('M');
    let refused = driven.command(Command::Rcpt(Path::new("no@example.net")));
    assert_eq!(refused, Seen::Written(Response::Reject));
    driven.letter('R');
    let recipients = &driven.session.envelope().unwrap().recipients;
    assert_eq!(*recipients, [Path::new("b@example.net")]);
}

#[test]
fn a_recipient_that_the_mta_refused_is_not_among_the_recipients() {
    let mut driven = Driven::ready();
    driven.letter('M');
    driven.macros(b'R', "rcpt_mailer", "error");
    assert_eq!(driven.letter('R'), Seen::Written(Response::Continue));
    driven.macros(b'R', "rcpt_mailer", "local");
    driven.command(Command::Rcpt(Path::new("c@example.net")));
    let recipients = &driven.session.envelope().unwrap().recipients;
    assert_eq!(*recipients, [Path::new("c@example.net")]);
}

#[test]
fn an_accepted_connection_passes_unseen_until_the_next_one() {
    let mut driven = Driven::new();
    driven.replies = |_| Reply::Accept;
    assert_eq!(driven.letter('C'), Seen::Written(Response::Accept));
    for letter in "HMRTLNB".chars() {
        let expected = match letter {
            'M' | 'R' => Seen::Written(Response::Accept),
            _ => Seen::Silent,
        };
        assert_eq!(driven.letter(letter), expected, "{letter}");
    }
    assert_eq!(driven.letter('E'), Seen::Written(Response::Accept));
    assert_eq!(driven.letter('A'), Seen::Silent);
    assert_eq!(driven.letter('M'), Seen::Written(Response::Accept));
    driven.replies = |_| Reply::Continue;
    assert_eq!(driven.all("KCHMRTLNBE"), message(MESSAGE));
}

#[test]
fn a_refused_connection_stays_refused() {
    let mut driven = Driven::new();
    driven.replies = |_| Reply::Reject;
    assert_eq!(driven.letter('C'), Seen::Written(Response::Reject));
    assert_eq!(driven.all("HAM"), Seen::Written(Response::Reject));
}

#[test]
fn discard_at_connect_becomes_a_tempfail() {
    let mut driven = Driven::new();
    driven.replies = |_| Reply::Discard;
    assert_eq!(driven.letter('C'), Seen::Written(Response::Tempfail));
}

#[test]
fn an_answer_at_mail_settles_that_message_alone() {
    let mut driven = Driven::ready();
    driven.replies = |_| Reply::Accept;
    assert_eq!(driven.letter('M'), Seen::Written(Response::Accept));
    assert!(driven.session.envelope().is_none());
    driven.replies = |_| Reply::Continue;
    assert_eq!(driven.all("MRTLNBE"), message(MESSAGE));
    driven.replies = |_| Reply::Tempfail;
    assert_eq!(driven.letter('M'), Seen::Written(Response::Tempfail));
    assert_eq!(driven.letter('R'), Seen::Written(Response::Tempfail));
    driven.replies = |_| Reply::Continue;
    assert_eq!(driven.all("AMRTLNBE"), message(MESSAGE));
}

#[test]
fn accept_or_discard_at_rcpt_settles_the_message() {
    for (reply, response) in [
        (
            (|_: &Question| Reply::Accept) as fn(&Question) -> Reply,
            Response::Accept,
        ),
        (|_| Reply::Discard, Response::Discard),
    ] {
        let mut driven = Driven::ready();
        driven.letter('M');
        driven.replies = reply;
        assert_eq!(driven.letter('R'), Seen::Written(response.clone()));
        assert_eq!(driven.all("TLNBE"), Seen::Written(response));
        driven.replies = |_| Reply::Continue;
        assert_eq!(driven.all("MRTLNBE"), message(MESSAGE));
    }
}
