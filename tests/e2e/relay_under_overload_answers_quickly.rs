//! More than is allowed hears 421 at once, and the others are served; memory stays bounded.

use crate::harness::relay::RelaySite;
use crate::harness::{Setup, Smtp, clean, eventually};
use anyhow::{Context, Result};
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// What a server greets with.
fn greeting(port: u16) -> Result<String> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    Ok(line)
}

#[test]
fn connections_of_one_client_and_all_together() -> Result<()> {
    for (setup, allowed) in [
        (
            Setup::default().set("relay.limits.connections_per_client", "5"),
            5,
        ),
        (Setup::default().set("relay.limits.connections", "7"), 7),
    ] {
        let site = RelaySite::start(setup)?;
        let mut open: Vec<Smtp> = (0..allowed)
            .map(|_| Smtp::connect(site.port))
            .collect::<Result<_>>()?;
        let start = Instant::now();
        for _ in 0..20 {
            let greeting = greeting(site.port)?;
            assert!(greeting.starts_with("421 "), "{greeting:?}");
        }
        assert!(start.elapsed() < Duration::from_secs(10), "at once");
        for session in &mut open {
            let (from, rcpts) = ("a@b.example", ["bob@rcpt.example"]);
            let reply = session.mail(from, &rcpts, &clean("served"))?;
            assert_eq!(reply.code, 250, "{reply:?}");
        }
        assert_eq!(site.sink.mails().len(), allowed);
        open.pop();
        eventually("there is room again", || Smtp::connect(site.port).ok())?;
    }
    Ok(())
}

#[test]
fn memory_with_large_messages_in_the_making() -> Result<()> {
    let site = RelaySite::start(Setup::default())?;
    let before = resident(site.daemon.pid()?)?;
    let line = [[b'x'; 70].as_slice(), b"\r\n"].concat();
    let block = line.repeat((1 << 20) / line.len());
    let mut sessions = Vec::new();
    for _ in 0..30 {
        let mut session = Smtp::connect(site.port)?;
        session.begin("a@b.example", &["bob@rcpt.example"])?;
        session.write(b"Subject: large\r\n\r\n")?;
        for _ in 0..16 {
            session.write(&block)?;
        }
        sessions.push(session);
    }
    // 480 MiB are on the way; what is in memory is the beginning of each.
    let grown = resident(site.daemon.pid()?)?.saturating_sub(before);
    assert!(grown < 120 << 20, "{} MiB more", grown >> 20);
    drop(sessions);
    assert_eq!(site.send(&clean("afterwards"))?.code, 250);
    Ok(())
}

#[test]
fn commands_errors_and_recipients() -> Result<()> {
    let setup = Setup::default()
        .set("relay.limits.recipients", "100")
        .set("relay.limits.errors", "5");
    let site = RelaySite::start(setup)?;
    let mut session = Smtp::connect(site.port)?;
    assert_eq!(session.command("MAIL FROM:<a@b.example>")?.code, 250);
    for number in 0..100 {
        let said = session.command(&format!("RCPT TO:<r{number}@rcpt.example>"))?;
        assert_eq!(said.code, 250, "{said:?}");
    }
    let said = session.command("RCPT TO:<one-more@rcpt.example>")?;
    assert_eq!(said.code, 452, "{said:?}");
    let mut noise = Smtp::connect(site.port)?;
    let mut last = 0;
    for _ in 0..20 {
        match noise.command("WIZARD") {
            Ok(said) => last = said.code,
            Err(_) => break,
        }
    }
    assert_eq!(last, 421);
    Ok(())
}

/// Bytes of memory that a process has.
fn resident(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|rest| rest.trim().strip_suffix(" kB"));
    let kib: u64 = kib.context("VmRSS")?.trim().parse()?;
    Ok(kib << 10)
}
