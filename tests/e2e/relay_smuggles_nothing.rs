//! SMTP smuggling: no sequence that some server takes for the end of a message passes the relay as one, in whatever
//! pieces it comes, and a Postfix that would take it never sees it.

use crate::harness::relay::{RelaySite, start_relay};
use crate::harness::{Postfix, Settings, Setup, Sink, Smtp, free_port};
use anyhow::Result;

/// Sequences in the place of CRLF.CRLF.
const SEQUENCES: [&[u8]; 11] = [
    b"\n.\n",
    b"\n.\r",
    b"\r.\n",
    b"\r.\r",
    b"\n.\r\n",
    b"\r.\r\n",
    b"\r\n\0.\r\n",
    b"\r\n.\r\r\n",
    b"\r\r\n.\r\r\n",
    b"\r\n.\n",
    b"\n.\r\r\n",
];

const HEAD: &[u8] = b"From: alice@sender.example\r\nSubject: the first\r\n\r\nbody";
const SECOND: &[u8] = b"mail FROM:<smuggled@sender.example>\r\nrcpt TO:<bob@rcpt.example>\r\n\
    data\r\nFrom: smuggled@sender.example\r\nSubject: the second\r\n\r\nsmuggled\r\n.\r\n";

/// Sends the attack in pieces; the reply to the message, and what comes behind it. Anything but a reply is an end.
fn attack(port: u16, sequence: &[u8], split: usize) -> Result<Option<u16>> {
    let mut session = Smtp::connect(port)?;
    session.begin("alice@sender.example", &["bob@rcpt.example"])?;
    let all = [HEAD, sequence, SECOND].concat();
    let (first, rest) = all.split_at(HEAD.len() + split);
    session.write(first)?;
    if split > 0 {
        // Long enough for a segment of its own; too short would only make this another test.
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    session.write(rest)?;
    Ok(session.reply().ok().map(|reply| reply.code))
}

/// A Postfix as it was before it knew of this, and may still be.
fn old_postfix(sink: &Sink) -> Result<Postfix> {
    let settings = Settings {
        main: "smtpd_forbid_bare_newline = no\nsmtpd_forbid_unauth_pipelining = no\n".to_owned(),
        ..Settings::default()
    };
    Postfix::start_with(free_port()?, sink.port(), &settings)
}

#[test]
fn through_the_relay_to_an_old_postfix() -> Result<()> {
    let sink = Sink::start()?;
    let postfix = old_postfix(&sink)?;
    let to = format!("smtp:127.0.0.1:{}", postfix.port());
    // Some of what was sent are bad commands.
    for bare in ["reject", "normalise"] {
        let setup = Setup::default().set("relay.bare_line_ends", &format!("{bare:?}"));
        let (daemon, port) = start_relay(setup, &to)?;
        for sequence in SEQUENCES {
            for split in 0..=sequence.len() {
                let reply = attack(port, sequence, split)?;
                let shown = String::from_utf8_lossy(sequence).escape_debug().to_string();
                if bare == "reject" && !sequence.contains(&0) {
                    assert_eq!(reply, Some(550), "{shown} split at {split}");
                }
            }
        }
        drop(daemon);
    }
    postfix.wait_until_empty()?;
    let log = postfix.log();
    assert!(!log.contains("from=<smuggled@"), "{log}");
    for mail in sink.mails() {
        assert_eq!(mail.mail_from, "alice@sender.example");
        assert!(
            !mail
                .data
                .windows(2)
                .any(|two| two[1] == b'\n' && two[0] != b'\r')
        );
        let bare_cr = mail
            .data
            .windows(2)
            .any(|two| two[0] == b'\r' && two[1] != b'\n');
        assert!(!bare_cr, "{}", mail.text());
    }
    Ok(())
}

#[test]
fn from_a_postfix_that_hands_it_on() -> Result<()> {
    let site = RelaySite::start(Setup::default())?;
    let settings = Settings {
        main: "smtpd_forbid_bare_newline = no\nsmtpd_forbid_unauth_pipelining = no\n".to_owned(),
        master: "drop unix - - n - - smtp\n".to_owned(),
    };
    // Its next hop is the relay, not the sink.
    let postfix = Postfix::start_with(free_port()?, site.port, &settings)?;
    let mut taken = 0;
    for sequence in SEQUENCES {
        // Postfix itself may see two mails here: that is its fault, not the relay's. Both are then whole.
        taken += usize::from(attack(postfix.port(), sequence, 0)? == Some(250));
    }
    postfix.wait_until_empty()?;
    for mail in site.sink.mails() {
        let text = mail.text();
        let smuggled = mail.mail_from == "smuggled@sender.example";
        assert_eq!(
            smuggled,
            text.contains("Subject: the second\r\n") && !text.contains("Subject: the first"),
            "{text}"
        );
    }
    assert!(taken > 0, "Postfix took some of it");
    Ok(())
}
