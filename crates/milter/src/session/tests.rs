mod answers;
mod limits;
mod properties;

use bytes::Bytes;

use super::*;
use crate::envelope::Peer;
use crate::options::Asks;
use crate::protocol::{Actions, Events};

/// A session driven by single letters, as on the wire.
struct Driven {
    session: Session,
    replies: fn(&Question) -> Reply,
}

/// What a letter led to, in short.
#[derive(Debug, PartialEq)]
enum Seen {
    Closed,
    Message(String),
    Over(Limit),
    Refused(Phase),
    Silent,
    Written(Response),
}

impl Driven {
    fn with(offer: Offer, options: ServerOptions) -> Self {
        let mut session = Session::new(Arc::new(options));
        let step = session.receive(Command::Negotiate(offer)).unwrap();
        assert!(matches!(step, Step::Write(Response::Negotiated { .. })));
        Self {
            session,
            replies: |_| Reply::Continue,
        }
    }

    fn new() -> Self {
        Self::with(Offer::POSTFIX, ServerOptions::default())
    }

    /// After CONNECT and HELO.
    fn ready() -> Self {
        let mut driven = Self::new();
        driven.all("CH");
        driven
    }

    fn command(&mut self, command: Command) -> Seen {
        match self.session.receive(command) {
            Ok(Step::Ask(question)) => {
                let reply = (self.replies)(&question);
                Seen::Written(self.session.decide(question, reply))
            }
            Ok(Step::Close) => Seen::Closed,
            Ok(Step::EndOfMessage(incoming)) => match incoming.over_limit {
                Some(limit) => Seen::Over(limit),
                None => Seen::Message(String::from_utf8(incoming.buffered).unwrap()),
            },
            Ok(Step::Wait) => Seen::Silent,
            Ok(Step::Write(response)) => Seen::Written(response),
            Err(Violation::OutOfOrder { phase, .. }) => Seen::Refused(phase),
            Err(error) => panic!("{error}"),
        }
    }

    fn letter(&mut self, letter: char) -> Seen {
        self.command(command(letter))
    }

    /// What the last of these led to.
    fn all(&mut self, letters: &str) -> Seen {
        letters
            .chars()
            .map(|letter| self.letter(letter))
            .last()
            .unwrap()
    }

    fn macros(&mut self, letter: u8, name: &str, value: &str) {
        let pair = (
            Bytes::copy_from_slice(name.as_bytes()),
            Bytes::copy_from_slice(value.as_bytes()),
        );
        let pairs = vec![pair];
        assert_eq!(
            self.command(Command::Macros { letter, pairs }),
            Seen::Silent
        );
    }
}

fn command(letter: char) -> Command {
    match letter {
        'A' => Command::Abort,
        'B' => Command::Body("body\r\n".into()),
        'C' => Command::Connect {
            host: "client.example".into(),
            peer: Peer::Unknown,
        },
        'D' => Command::Macros {
            letter: b'M',
            pairs: Vec::new(),
        },
        'E' => Command::EndOfMessage(Bytes::new()),
        'H' => Command::Helo("client.example".into()),
        'K' => Command::QuitNewConnection,
        'L' => Command::Header {
            name: "Subject".into(),
            value: " hi".into(),
        },
        'M' => Command::Mail(Path::new("a@example.org")),
        'N' => Command::EndOfHeaders,
        'O' => Command::Negotiate(Offer::POSTFIX),
        'Q' => Command::Quit,
        'R' => Command::Rcpt(Path::new("b@example.net")),
        'T' => Command::Data,
        'U' => Command::Unknown("XYZZY".into()),
        other => panic!("no command {other}"),
    }
}

const MESSAGE: &str = "Subject: hi\r\n\r\nbody\r\n";

fn message(text: &str) -> Seen {
    Seen::Message(text.into())
}

#[test]
fn a_message_is_rebuilt_from_its_events() {
    assert_eq!(Driven::new().all("CHMRTLNBE"), message(MESSAGE));
}

#[test]
fn an_mta_without_data_events_is_understood() {
    assert_eq!(Driven::new().all("CHMRLNBE"), message(MESSAGE));
}

#[test]
fn a_message_may_have_no_fields_or_no_body() {
    assert_eq!(Driven::new().all("CHMRTNBE"), message("\r\nbody\r\n"));
    assert_eq!(
        Driven::new().all("CHMRTLNE"),
        message("Subject: hi\r\n\r\n")
    );
    assert_eq!(Driven::new().all("CHMRTNE"), message("\r\n"));
}

/// In each phase, which letters are refused; all others go on.
#[test]
fn commands_out_of_order_are_refused_in_every_phase() {
    let table = [
        ("", Phase::Connect, "BEHLMNORTU"),
        ("C", Phase::Ready, "BCELNORT"),
        ("CM", Phase::Envelope, "BCEO"),
        ("CMR", Phase::Envelope, "BCEO"),
        ("CMRT", Phase::Headers, "BCEHMORTU"),
        ("CMRTL", Phase::Headers, "BCEHMORTU"),
        ("CMRTN", Phase::Body, "CHLMNORTU"),
        ("CMRTNB", Phase::Body, "CHLMNORTU"),
        ("CMRTNBE", Phase::Ready, "BCELNORT"),
        ("CMRTNBA", Phase::Ready, "BCELNORT"),
        ("CMRTNBK", Phase::Connect, "BEHLMNORTU"),
    ];
    for (before, phase, refused) in table {
        for letter in "ABCDEHKLMNOQRTU".chars() {
            let mut driven = Driven::new();
            if !before.is_empty() {
                driven.all(before);
            }
            let seen = driven.letter(letter);
            let is_refused = seen == Seen::Refused(phase);
            assert_eq!(
                is_refused,
                refused.contains(letter),
                "{before} {letter}: {seen:?}"
            );
        }
    }
}

#[test]
fn nothing_comes_before_the_negotiation() {
    for letter in "ABCDEHKLMNQRTU".chars() {
        let mut session = Session::new(Arc::default());
        let refused = session.receive(command(letter));
        assert!(
            matches!(
                refused,
                Err(Violation::OutOfOrder {
                    phase: Phase::Negotiation,
                    ..
                })
            ),
            "{letter}: {refused:?}"
        );
    }
}

#[test]
fn only_what_the_mta_waits_for_is_answered() {
    let go = || Seen::Written(Response::Continue);
    let postfix = [
        ('C', go()),
        ('H', Seen::Silent),
        ('D', Seen::Silent),
        ('U', Seen::Silent),
        ('M', go()),
        ('R', go()),
        ('T', Seen::Silent),
        ('L', Seen::Silent),
        ('N', Seen::Silent),
        ('B', Seen::Silent),
        ('E', message(MESSAGE)),
        ('A', Seen::Silent),
        ('K', Seen::Silent),
        ('Q', Seen::Closed),
    ];
    let mut driven = Driven::new();
    for (letter, expected) in postfix {
        assert_eq!(driven.letter(letter), expected, "{letter}");
    }
    let old = Offer {
        version: 2,
        actions: Actions::from_wire(0x3F),
        events: Events::from_wire(0x7F),
    };
    let mut driven = Driven::with(old, ServerOptions::default());
    for letter in "CHUMRTLNB".chars() {
        assert_eq!(driven.letter(letter), go(), "{letter}");
    }
}

#[test]
fn what_is_not_asked_is_silent_if_the_mta_can_and_continued_if_not() {
    let options = || ServerOptions {
        asks: Asks {
            connect: false,
            mail: false,
            rcpt: false,
        },
        ..ServerOptions::default()
    };
    let mut silent = Driven::with(Offer::POSTFIX, options());
    silent.replies = |question| panic!("asked {question:?}");
    for letter in "CHMRTLNB".chars() {
        assert_eq!(silent.letter(letter), Seen::Silent, "{letter}");
    }
    assert_eq!(silent.letter('E'), message(MESSAGE));
    let bare = Offer {
        events: Events::NONE,
        ..Offer::POSTFIX
    };
    let mut answering = Driven::with(bare, options());
    answering.replies = |question| panic!("asked {question:?}");
    for letter in "CHMRTLNB".chars() {
        assert_eq!(
            answering.letter(letter),
            Seen::Written(Response::Continue),
            "{letter}"
        );
    }
}

#[test]
fn the_space_after_a_colon_is_given_back_where_the_mta_ate_it() {
    let without = Offer {
        events: Events::NONE,
        ..Offer::POSTFIX
    };
    let header = |value: &'static str| Command::Header {
        name: "A".into(),
        value: value.into(),
    };
    for (offer, eaten) in [(Offer::POSTFIX, false), (without, true)] {
        let mut driven = Driven::with(offer, ServerOptions::default());
        driven.all("CHMRT");
        for value in [" plain", "", "\ttab", " two\n folds\n\tof it", "\n late"] {
            let sent = if eaten { value.strip_prefix(' ') } else { None };
            driven.command(header(sent.unwrap_or(value)));
        }
        let expected = if eaten {
            "A: plain\r\nA: \r\nA: \ttab\r\nA: two\r\n folds\r\n\tof it\r\nA: \r\n late\r\n\r\n"
        } else {
            "A: plain\r\nA:\r\nA:\ttab\r\nA: two\r\n folds\r\n\tof it\r\nA:\r\n late\r\n\r\n"
        };
        assert_eq!(driven.all("NE"), message(expected));
    }
}

#[test]
fn body_bytes_in_the_end_of_the_message_belong_to_the_body() {
    let mut driven = Driven::new();
    driven.all("CHMRTLNB");
    let seen = driven.command(Command::EndOfMessage("tail\r\n".into()));
    assert_eq!(seen, message("Subject: hi\r\n\r\nbody\r\ntail\r\n"));
}

#[test]
fn an_abort_at_any_stage_leaves_nothing_behind() {
    for before in ["", "M", "MR", "MRT", "MRTL", "MRTLN", "MRTLNB"] {
        let mut driven = Driven::ready();
        driven.macros(b'M', "i", "OLD");
        for letter in before.chars() {
            driven.letter(letter);
        }
        assert_eq!(driven.letter('A'), Seen::Silent);
        assert!(driven.session.envelope().is_none());
        driven.all("MR");
        let envelope = driven.session.envelope().unwrap();
        assert_eq!(envelope.recipients, [Path::new("b@example.net")]);
        if !before.is_empty() {
            assert_eq!(envelope.queue_id(), None, "{before}");
        }
        assert_eq!(driven.all("TLNBE"), message(MESSAGE), "{before}");
    }
}

#[test]
fn a_new_mail_or_helo_in_the_envelope_begins_again() {
    for restart in ["M", "HM"] {
        let mut driven = Driven::ready();
        driven.all("MRR");
        driven.all(restart);
        assert!(driven.session.envelope().unwrap().recipients.is_empty());
    }
}

#[test]
fn a_new_connection_forgets_the_old_client() {
    let mut driven = Driven::new();
    driven.macros(b'C', "client_addr", "192.0.2.1");
    driven.all("CHMRTLNBEK");
    driven.all("CM");
    let envelope = driven.session.envelope().unwrap();
    assert_eq!(envelope.helo, None);
    assert_eq!(envelope.macros.value("client_addr"), None);
    assert_eq!(envelope.connection.macros, Macros::default());
}

#[test]
fn macros_are_found_by_stage_the_latest_first() {
    let mut driven = Driven::new();
    driven.macros(b'C', "client_addr", "192.0.2.1");
    driven.macros(b'C', "j", "mx.example.net");
    driven.all("CH");
    driven.macros(b'M', "i", "EARLY");
    driven.all("M");
    driven.macros(b'R', "rcpt_addr", "b@example.net");
    driven.all("RT");
    driven.macros(b'E', "i", "LATE");
    let envelope = driven.session.envelope().unwrap();
    assert_eq!(envelope.queue_id(), Some(&b"LATE"[..]));
    assert_eq!(envelope.macros.value("j"), Some(&b"mx.example.net"[..]));
    // A second list of a stage replaces the first one, as each CONNECT has one list.
    assert_eq!(envelope.macros.value("client_addr"), None);
    assert_eq!(envelope.macros.value("{i}"), None);
}

#[test]
fn macros_of_a_message_do_not_reach_the_next_one() {
    let mut driven = Driven::ready();
    driven.macros(b'M', "i", "FIRST");
    driven.all("MRTLN");
    driven.macros(b'E', "auth_authen", "alice");
    driven.all("E");
    // Macros of a later stage before their transaction belong to nothing.
    driven.macros(b'R', "i", "STRAY");
    driven.all("MR");
    let envelope = driven.session.envelope().unwrap();
    assert_eq!(envelope.queue_id(), None);
    assert_eq!(envelope.macros.value("auth_authen"), None);
}

#[test]
fn twenty_messages_pass_on_one_connection() {
    let mut driven = Driven::ready();
    for _ in 0..20 {
        assert_eq!(driven.all("MRTLNBE"), message(MESSAGE));
    }
}
