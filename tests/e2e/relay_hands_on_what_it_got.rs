//! The relay in front of any server: what passes is what came, recipient by recipient, and what was said is on record.

use crate::harness::relay::{RelaySite, below_ours, body_hashes, prepare_relay, send, start_relay};
use crate::harness::{
    Setup, Sink, Smtp, clean, eicar_in_zip_in_zip, eventually, header_block, sha256, slow, submit,
    with_attachment,
};
use anyhow::{Context, Result};
use rustix::process::Signal;

#[test]
fn byte_for_byte_below_our_own_fields() -> Result<()> {
    let site = RelaySite::start(Setup::default())?;
    let fields = "From: a@sender.example\r\nSubject: ";
    let bodies: [(&str, &[u8]); 6] = [
        ("dots", b"\r\n.\r\n..\r\n...x\r\n.x\r\n\r\n.\r\n"),
        ("blank lines at the end", b"\r\nx\r\n\r\n\r\n\r\n"),
        ("blanks at the end", b"\r\nx  \t \r\n \t\r\n"),
        ("nothing", b"\r\n"),
        (
            "beyond ASCII",
            "\r\nGr\u{fc}\u{df}e \u{1f408}\r\n".as_bytes(),
        ),
        ("not UTF-8", b"\r\n\xff\xfe\x80\r\n"),
    ];
    for (subject, body) in bodies {
        let message = [fields.as_bytes(), subject.as_bytes(), b"\r\n", body].concat();
        let reply = site.send(&message)?;
        assert_eq!(reply.code, 250, "{subject}: {reply:?}");
        let arrived = site.sink.wait_for(&format!("Subject: {subject}"))?;
        assert_eq!(below_ours(&arrived.data), message, "{subject}");
        assert_eq!(body_hashes(&arrived.data), body_hashes(&message));
    }
    Ok(())
}

#[test]
fn envelope_and_answers_are_on_record() -> Result<()> {
    let site = RelaySite::start(Setup::default())?;
    let reply = site.send(&clean("on record"))?;
    assert_eq!(reply.text, "2.0.0 Ok: queued as SINK1");
    let arrived = site.sink.wait_for("on record")?;
    assert_eq!(arrived.mail_from, "alice@sender.example");
    assert_eq!(arrived.rcpts, ["bob@rcpt.example"]);
    let id = id_of(&arrived.data)?;
    assert_eq!(
        site.daemon.answered(&id)?,
        "accept 250 2.0.0 Ok: queued as SINK1"
    );
    let shown = site.daemon.cli(["verdict", "show", &id, "--json"])?.ok();
    let shown = shown.object()?;
    let next_hop = &shown["next_hop"];
    assert_eq!(
        next_hop["address"],
        format!("127.0.0.1:{}", site.sink.port())
    );
    assert_eq!(next_hop["queue_id"], "SINK1");
    assert_eq!(next_hop["reply"], "250 2.0.0 Ok: queued as SINK1");
    assert_eq!(shown["record"]["door"], "smtp");

    // What is held has not been seen by the next hop.
    let reply = site.send(&eicar_in_zip_in_zip("held"))?;
    let id = site.daemon.entry_id("held")?;
    assert_eq!(reply.code, 250);
    assert!(reply.text.contains(id.trim_end_matches("-1")), "{reply:?}");
    let said = site.daemon.answered(&id)?;
    assert!(said.starts_with("discard 250 2.0.0"), "{said}");
    assert_eq!(site.sink.mails().len(), 1);
    Ok(())
}

#[test]
fn a_rejected_mail_is_refused_with_our_text_and_a_silent_next_hop() -> Result<()> {
    let setup = Setup::default().set("policy.category.malware", "\"reject\"");
    let site = RelaySite::start(setup)?;
    let reply = site.send(&eicar_in_zip_in_zip("refused"))?;
    assert_eq!(reply.code, 550, "{reply:?}");
    assert!(reply.text.starts_with("5.7.1 Message refused"), "{reply:?}");
    assert!(site.sink.mails().is_empty());
    assert!(site.daemon.entries()?.is_empty());
    Ok(())
}

#[test]
fn recipients_of_two_tenants_get_two_verdicts_also_if_they_are_named_twice() -> Result<()> {
    let tenants = "[[tenant]]\nname = \"easy\"\ndomains = [\"easy.rcpt.example\"]\n\
        category.malware = \"accept\"\nquarantine = 1000\ntag = 1000\n";
    let setup = Setup::default()
        .tenants(tenants)
        .rule(
            "raw/word.yar",
            "rule a_word { meta: description = \"a test\" score = 100 \
            category = \"policy\" strings: $a = \"X-Test: points\" condition: $a }",
        )
        .set(
            "relay.relay_domains",
            "[\"rcpt.example\", \".rcpt.example\"]",
        );
    let site = RelaySite::start(setup)?;
    let mut message = b"X-Test: points\r\n".to_vec();
    message.extend(clean("to both"));
    let rcpts = [
        "Bob@rcpt.example",
        "carol@easy.rcpt.example",
        "bob@RCPT.example",
        "Bob@rcpt.example",
        "carol@easy.rcpt.example",
    ];
    assert_eq!(site.send_to(&rcpts, &message)?.code, 250);
    let arrived = site.sink.wait_for("to both")?;
    assert_eq!(
        arrived.rcpts,
        ["carol@easy.rcpt.example", "carol@easy.rcpt.example"]
    );
    assert_eq!(site.daemon.entry("to both")?["state"], "held");
    Ok(())
}

#[test]
fn a_large_message_goes_to_disk_and_on() -> Result<()> {
    let site = RelaySite::start(Setup::default().set("relay.spill_bytes", "\"16 KiB\""))?;
    let content: Vec<u8> = (0..20_u32 << 20)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let message = with_attachment("large", "noise.bin", &content);
    assert_eq!(site.send(&message)?.code, 250);
    let arrived = site.sink.wait_for("large")?;
    assert_eq!(sha256(below_ours(&arrived.data)), sha256(&message));

    let too_long = [message.as_slice(), &vec![b'x'; 40 << 20]].concat();
    let mut session = Smtp::connect(site.port)?;
    let said = session.command("MAIL FROM:<a@b.example> SIZE=99999999")?;
    assert_eq!(said.code, 552, "{said:?}");
    drop(session);
    let reply = site.send(&with_line_ends(&too_long))?;
    assert_eq!(reply.code, 552, "{reply:?}");
    assert_eq!(site.sink.mails().len(), 1);
    Ok(())
}

#[test]
fn a_next_hop_that_is_down_defers_and_one_that_is_up_again_gets_the_mail() -> Result<()> {
    let port = crate::harness::free_port()?;
    let (daemon, relay) = start_relay(Setup::default(), &format!("smtp:127.0.0.1:{port}"))?;
    let reply = send(relay, &clean("again"))?;
    assert_eq!(reply.code, 451, "{reply:?}");
    let sink = Sink::start_at(port)?;
    assert_eq!(send(relay, &clean("again"))?.code, 250);
    sink.wait_for("again")?;
    drop(daemon);
    Ok(())
}

#[test]
fn both_doors_finish_what_they_have_at_the_end() -> Result<()> {
    let mut site = RelaySite::start(slow::setup())?;
    let workers = site.daemon.worker_pids()?;
    let mut idle = Smtp::connect(site.port)?;
    let reply = std::thread::scope(|scope| -> Result<_> {
        let (daemon, port) = (&site.daemon, site.port);
        let mail = slow::mail("running");
        let sender =
            scope.spawn(move || submit(port, "alice@sender.example", &["bob@rcpt.example"], &mail));
        slow::wait_until_busy(&workers)?;
        daemon.signal(Signal::TERM)?;
        sender.join().expect("no panic")
    });
    let status = site.daemon.wait()?;
    assert!(status.success(), "{status}: {}", site.daemon.log());
    let delivered = site.sink.with("running").len();
    match reply {
        Ok(reply) if reply.is_positive() => assert_eq!(delivered, 1),
        // The answer came; only QUIT was not answered any more.
        other => assert!(delivered <= 1, "{other:?}"),
    }
    assert!(idle.command("NOOP").is_err() || idle.command("NOOP").is_err());
    assert!(Smtp::connect(site.port).is_err(), "nobody listens");
    Ok(())
}

#[test]
fn an_lmtp_server_a_unix_socket_and_a_maildir_are_next_hops() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let maildir = dir.path().join("maildir");
    let (daemon, port) = start_relay(Setup::default(), &format!("maildir:{}", maildir.display()))?;
    let message = clean("in a file");
    assert_eq!(send(port, &message)?.code, 250);
    let file = std::fs::read_dir(maildir.join("new"))?
        .next()
        .context("a mail")??;
    assert_eq!(below_ours(&std::fs::read(file.path())?), message);
    drop(daemon);

    let sink = crate::harness::relay_faults::SmtpSink::start(&["-L"])?;
    let (daemon, port) = start_relay(Setup::default(), &format!("lmtp:127.0.0.1:{}", sink.port()))?;
    let mut session = Smtp::connect(port)?;
    let from = "alice@sender.example";
    assert_eq!(
        session.mail(from, &["a@rcpt.example"], &clean("one"))?.code,
        250
    );
    // It answers for each recipient, SMTP once for all: one at a time.
    assert_eq!(session.command("MAIL FROM:<a@b.example>")?.code, 250);
    assert_eq!(session.command("RCPT TO:<a@rcpt.example>")?.code, 250);
    assert_eq!(session.command("RCPT TO:<b@rcpt.example>")?.code, 452);
    drop(daemon);
    Ok(())
}

#[test]
fn a_held_mail_is_released_to_the_next_hop_without_being_judged_again() -> Result<()> {
    let site = RelaySite::start(Setup::default())?;
    let message = eicar_in_zip_in_zip("wanted");
    assert_eq!(site.send(&message)?.code, 250);
    let id = site.daemon.entry_id("wanted")?;
    let release = ["quarantine", "release", &id, "--yes"];
    site.daemon.cli(release)?.ok();
    let arrived = site.sink.wait_for("wanted")?;
    assert_eq!(arrived.data, message);
    drop(site);

    // Also if it comes through the relay, as where that is the way to the server.
    let sink = Sink::start()?;
    let (mut daemon, port) =
        prepare_relay(Setup::default(), &format!("smtp:127.0.0.1:{}", sink.port()))?;
    let config = std::fs::read_to_string(daemon.config())?;
    std::fs::write(
        daemon.config(),
        format!("release.address = \"127.0.0.1:{port}\"\n{config}"),
    )?;
    daemon.start()?;
    assert_eq!(send(port, &message)?.code, 250);
    let id = daemon.entry_id("wanted")?;
    daemon.cli(["quarantine", "release", &id, "--yes"])?.ok();
    let arrived = sink.wait_for("wanted")?;
    assert_eq!(arrived.data, message, "unchanged, without a second verdict");
    assert_eq!(daemon.entries()?.len(), 1);
    eventually("it counts", || {
        let status = daemon.status().ok()?;
        (status["answered"]["accept"].as_u64()? >= 1).then_some(())
    })
}

fn id_of(message: &[u8]) -> Result<String> {
    let head = header_block(message);
    let id = head
        .lines()
        .find_map(|line| line.strip_prefix("X-Postern-Id: "));
    Ok(id.context("no X-Postern-Id")?.to_owned())
}

/// The same in lines of a thousand octets.
fn with_line_ends(octets: &[u8]) -> Vec<u8> {
    let mut lines = Vec::new();
    for line in octets.split_inclusive(|&byte| byte == b'\n') {
        let mut pieces = line.chunks(900).peekable();
        while let Some(piece) = pieces.next() {
            lines.extend_from_slice(piece);
            if pieces.peek().is_some() || !piece.ends_with(b"\n") {
                lines.extend_from_slice(b"\r\n");
            }
        }
    }
    lines
}
