//! Whatever the next hop does, nobody hears yes for a mail that it has not taken, and what may come again is deferred.

use crate::harness::relay::{RelaySite, send, start_relay};
use crate::harness::relay_faults::{Fault, Faulty, SmtpSink};
use crate::harness::{Setup, Smtp, clean, eventually};
use anyhow::Result;
use std::time::{Duration, Instant};

/// What the sender hears, as a class of replies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hears {
    Yes,
    Later,
    No,
}

fn class(code: u16) -> Hears {
    match code / 100 {
        2 => Hears::Yes,
        4 => Hears::Later,
        _ => Hears::No,
    }
}

#[test]
fn of_the_sink_of_postfix_at_every_command() -> Result<()> {
    use Hears::{Later, No};
    let table: &[(&[&str], Hears)] = &[
        (&["-q", "CONNECT"], Later),
        (&["-q", "EHLO,HELO"], Later),
        (&["-q", "MAIL"], Later),
        (&["-q", "RCPT"], Later),
        (&["-q", "DATA"], Later),
        (&["-q", "."], Later),
        (&["-Q", "CONNECT"], Later),
        (&["-Q", "MAIL"], Later),
        (&["-Q", "RCPT"], Later),
        (&["-Q", "DATA"], Later),
        (&["-Q", "."], Later),
        (&["-r", "CONNECT"], Later),
        (&["-r", "EHLO,HELO"], Later),
        (&["-r", "MAIL"], Later),
        (&["-r", "RCPT"], Later),
        (&["-r", "DATA"], Later),
        (&["-r", "."], Later),
        // One that refuses us refuses no mail.
        (&["-f", "CONNECT"], Later),
        (&["-f", "EHLO,HELO"], Later),
        (&["-f", "MAIL"], No),
        (&["-f", "RCPT"], No),
        (&["-f", "DATA"], No),
        (&["-f", "."], No),
        (&["-r", ".", "-b", "452 4.2.2 mailbox full"], Later),
        (&["-f", ".", "-B", "552 5.2.2 mailbox full"], No),
        (&["-A", "0"], No),
    ];
    for (options, hears) in table {
        let sink = SmtpSink::start(options)?;
        let to = format!("smtp:127.0.0.1:{}", sink.port());
        let (daemon, port) = start_relay(Setup::default(), &to)?;
        for _ in 0..2 {
            let reply = send(port, &clean("a fault"))?;
            assert_eq!(class(reply.code), *hears, "{options:?}: {reply:?}");
            if options.contains(&"-b") || options.contains(&"-B") {
                assert!(
                    reply.text.contains("mailbox full"),
                    "word by word: {reply:?}"
                );
            }
        }
        assert!(daemon.entries()?.is_empty());
    }
    Ok(())
}

#[test]
fn of_servers_that_do_worse() -> Result<()> {
    use Hears::{Later, No, Yes};
    let table = [
        (Fault::ResetInData, Later, 0),
        (Fault::ResetAfterYes, Yes, 1),
        (Fault::ResetAfterDot, Later, 1),
        (Fault::OneOctetASecond, Later, 0),
        (Fault::NoGoAhead, Later, 0),
        (Fault::EndlessReply, Later, 0),
        (Fault::ManyLines, Yes, 1),
        (Fault::Defers, Later, 1),
        (Fault::Refuses, No, 1),
        (Fault::Closes, Later, 1),
        (Fault::Garbage, Later, 0),
    ];
    for (fault, hears, complete) in table {
        let server = Faulty::start(fault)?;
        let to = format!("smtp:127.0.0.1:{}", server.port());
        let setup = Setup::default().set("relay.next_hop.timeout", "\"3s\"");
        let (daemon, port) = start_relay(setup, &to)?;
        let reply = send(port, &clean("a fault"))?;
        assert_eq!(class(reply.code), hears, "{fault:?}: {reply:?}");
        assert_eq!(server.complete(), complete, "{fault:?}");
        let counted = if hears == Yes { "accept" } else { "tempfail" };
        let counted = if hears == No { "reject" } else { counted };
        if complete == 1 {
            eventually("it is counted as what was said", || {
                let status = daemon.status().ok()?;
                (status["answered"][counted] == 1).then_some(())
            })?;
        }
    }
    Ok(())
}

#[test]
fn silence_behind_the_dot_is_no_yes_and_on_record_as_unknown() -> Result<()> {
    let server = Faulty::start(Fault::SilentAfterDot)?;
    let to = format!("smtp:127.0.0.1:{}", server.port());
    let (daemon, port) = start_relay(Setup::default(), &to)?;
    let mut sender = Smtp::connect(port)?;
    sender.begin("alice@sender.example", &["bob@rcpt.example"])?;
    sender.content(&clean("unknown"))?;
    eventually("the next hop has it", || {
        (server.complete() == 1).then_some(())
    })?;
    drop(sender);
    drop(server);
    let id = eventually("there is a verdict", || {
        let listed = daemon.cli(["verdict", "list", "--json"]).ok()?;
        let listed = listed.object().ok()?;
        Some(listed["id"].as_str()?.to_owned())
    })?;
    // Whether the sender still read the answer depends on who was faster.
    let said = daemon.answered(&id)?;
    assert!(
        said == "lost" || said.starts_with("tempfail 451 4.4.2 "),
        "{said}"
    );
    let shown = daemon
        .cli(["verdict", "show", &id, "--json"])?
        .ok()
        .object()?;
    assert!(shown["next_hop"]["address"].is_string(), "{shown}");
    assert!(shown["next_hop"]["reply"].is_null(), "{shown}");
    Ok(())
}

#[test]
fn every_accepted_mail_of_a_load_with_faults_is_at_the_next_hop() -> Result<()> {
    let site = RelaySite::start(Setup::default())?;
    let faults = ["451 4.3.0 not now", "554 5.6.0 never", "421 4.3.2 closing"];
    let start = Instant::now();
    let mut accepted = Vec::new();
    for number in 0..60 {
        if let Some(fault) = faults.get(number % 5) {
            site.sink.refuse_next(fault);
        }
        let subject = format!("number {number}.");
        let reply = site.send(&clean(&subject))?;
        match reply.code / 100 {
            2 => accepted.push(subject),
            4 | 5 => {}
            _ => panic!("{reply:?}"),
        }
    }
    assert_eq!(accepted.len(), 24, "two of five");
    for subject in &accepted {
        assert_eq!(site.sink.with(subject).len(), 1, "{subject}");
    }
    assert_eq!(site.sink.mails().len(), accepted.len());
    assert!(start.elapsed() < Duration::from_secs(60));
    Ok(())
}
