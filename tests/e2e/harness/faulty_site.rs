//! A Postfix between senders and faulty milters: every fault with every `milter_default_action`, at
//! the first and at the second message of a session.

use super::faulty_milter::{BAD, Fault, FaultyMilter, GOOD, REFUSED};
use super::{Postfix, Reply, Settings, Sink, Smtp, eventually, free_port};
use anyhow::{Context, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The default actions, in the order of a table's columns.
pub(crate) const ACTIONS: [&str; 4] = ["tempfail", "accept", "quarantine", "reject"];

/// Postfix's patience, shortened: a hang costs seconds, not minutes.
const PATIENCE_OF_POSTFIX: &str = "milter_connect_timeout = 3s\n\
    milter_command_timeout = 3s\n\
    milter_content_timeout = 4s\n\
    milter_protocol = 6\n";

/// Sessions at a time; most of the time they wait.
const SESSIONS: usize = 48;

/// A field that a faulty milter may add.
pub(crate) const ADDED_FIELD: &str = "X-Half-Done";

/// The end of every message here.
const BODY: &str = "\nthe first line of the body\nthe last one\n";

/// A row: a fault, what becomes of the mail that meets it by default action (in the order of
/// [`ACTIONS`]), and what becomes of the other mails of its session.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) fault: Fault,
    pub(crate) ends: [&'static str; 4],
    pub(crate) others: Others,
}

/// The other mails of a session: one that the filter would accept before the one that meets the
/// fault, and one that it would refuse behind it.
#[derive(Clone, Copy)]
pub(crate) enum Others {
    /// Both get the filter's own answers: no answer is taken for another one's.
    Served,
    /// The one behind is not shown to the filter.
    Unseen,
    /// The fault is older than the first mail, and concerns all of them.
    Alike,
}

/// One mail, and what became of it.
#[derive(Debug)]
pub(crate) struct Seen {
    /// Which of the faults its milter has.
    pub(crate) fault: usize,
    /// Which of the [`ACTIONS`] holds.
    pub(crate) action: usize,
    /// Whether the fault met the first message of the session, or the second.
    pub(crate) position: usize,
    /// [`GOOD`], [`BAD`] or [`REFUSED`].
    pub(crate) kind: &'static str,
    /// Whether the milter has answered it with "accept".
    pub(crate) accepted: bool,
    /// The reply that settled it.
    pub(crate) reply: Reply,
    /// The SMTP command of that reply: `CONNECT`, `MAIL`, `RCPT`, `DATA`, or `end`.
    pub(crate) stage: &'static str,
    /// Where it is: `delivered`, `held`, or `corrupt` if no one can read it any more, and what was
    /// altered. Each mail should be in one place.
    pub(crate) places: Vec<String>,
}

impl Seen {
    /// The answer and the place in a few words: `451 4.7.1 at MAIL`, `delivered`, `gone`.
    pub(crate) fn ends(&self) -> String {
        let lines = match self.reply.text.lines().count() {
            0 | 1 => String::new(),
            lines => format!(", in {lines} lines"),
        };
        let status = self.reply.text.split(' ').next().unwrap_or_default();
        let status = if status.starts_with(['4', '5']) {
            format!(" {status}")
        } else {
            String::new()
        };
        let refused = format!("{}{status} at {}{lines}", self.reply.code, self.stage);
        match (self.reply.is_positive(), self.places.as_slice()) {
            (true, []) => "gone".to_owned(),
            (true, places) => places.join(" and "),
            (false, []) => refused,
            (false, places) => format!("{refused}, but {}", places.join(" and ")),
        }
    }
}

/// What becomes of a mail that the filter does not get to see, by default action.
const UNSEEN: [&str; 4] = [
    "451 4.7.1 at MAIL",
    "delivered",
    "held",
    "550 5.5.0 at MAIL",
];

impl Row {
    /// What should become of one of its mails.
    fn expected(&self, mail: &Seen) -> Option<&'static str> {
        let by_action = match (mail.kind, self.others) {
            (BAD, _) | (_, Others::Alike) => self.ends,
            (REFUSED, Others::Served) => ["554 5.6.7 at end"; 4],
            (REFUSED, Others::Unseen) => UNSEEN,
            _ => ["delivered"; 4],
        };
        by_action.get(mail.action).copied()
    }
}

/// Runs all sessions, and looks where the mails are.
pub(crate) fn observe(table: &[Row]) -> Result<Vec<Seen>> {
    let site = Site::start(table)?;
    let mut seen = site.all_sessions(table)?;
    site.look(&mut seen)?;
    Ok(seen)
}

/// That every mail has ended as the table says; all deviations are shown.
pub(crate) fn assert_as_expected(table: &[Row], seen: &[Seen]) {
    let mut deviations = String::new();
    for mail in seen {
        let (row, ends) = (&table[mail.fault], mail.ends());
        let (expected, action) = (row.expected(mail), ACTIONS[mail.action]);
        if expected != Some(&*ends) {
            deviations += &format!(
                "{}, {action}, message {}, the {} mail: {ends} instead of {expected:?}\n",
                row.name, mail.position, mail.kind
            );
        }
    }
    assert!(deviations.is_empty(), "{deviations}");
}

/// Each default action has an smtpd of its own, each fault a milter, chosen by the address that a
/// client comes from.
struct Site {
    milters: Vec<FaultyMilter>,
    ports: Vec<u16>,
    postfix: Postfix,
    sink: Sink,
}

#[derive(Clone, Copy)]
struct Case {
    fault: usize,
    action: usize,
    position: usize,
}

impl Site {
    fn start(table: &[Row]) -> Result<Site> {
        let sink = Sink::start()?;
        let mut milters = Vec::new();
        let mut by_client = String::new();
        for (index, row) in table.iter().enumerate() {
            let milter = FaultyMilter::start(row.fault.clone())?;
            write!(
                by_client,
                " {{ {} = {} }}",
                client(index)?,
                milter.address()
            )?;
            milters.push(milter);
        }
        let mut settings = Settings {
            main: format!("{PATIENCE_OF_POSTFIX}smtpd_milter_maps = inline:{{{by_client} }}\n"),
            ..Settings::default()
        };
        let mut ports = Vec::new();
        for action in ACTIONS {
            let port = free_port()?;
            write!(
                settings.master,
                "127.0.0.1:{port} inet n - n - - smtpd\n  -o milter_default_action={action}\n"
            )?;
            ports.push(port);
        }
        let postfix = Postfix::start_with(free_port()?, sink.port(), &settings)?;
        Ok(Site {
            milters,
            ports,
            postfix,
            sink,
        })
    }

    fn all_sessions(&self, table: &[Row]) -> Result<Vec<Seen>> {
        let mut cases = Vec::new();
        for fault in 0..table.len() {
            for action in 0..ACTIONS.len() {
                cases.extend([1, 2].map(|position| Case {
                    fault,
                    action,
                    position,
                }));
            }
        }
        // Those that wait for timeouts first, so that the others pass meanwhile.
        cases.sort_by_key(|case| !table[case.fault].fault.takes_long());
        let next = AtomicUsize::new(0);
        let work = || -> Result<Vec<Seen>> {
            let mut seen = Vec::new();
            while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                let what = || format!("fault {}, {}", case.fault, ACTIONS[case.action]);
                seen.extend(self.session(*case).with_context(what)?);
            }
            Ok(seen)
        };
        let all: Result<Vec<Vec<Seen>>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..SESSIONS).map(|_| scope.spawn(work)).collect();
            let joined = threads.into_iter().map(|thread| thread.join());
            joined
                .map(|seen| seen.expect("a session panicked"))
                .collect()
        });
        let mut all: Vec<Seen> = all?.into_iter().flatten().collect();
        all.sort_by_key(|mail| (mail.fault, mail.action, mail.position));
        Ok(all)
    }

    fn session(&self, case: Case) -> Result<Vec<Seen>> {
        let Case {
            fault,
            action,
            position,
        } = case;
        let kinds: &[&'static str] = match position {
            1 => &[BAD, REFUSED],
            _ => &[GOOD, BAD, REFUSED],
        };
        let port = self.ports.get(action).context("no such action")?;
        let (mut smtp, greeting) = Smtp::connect_from(client(fault)?, *port)?;
        let mut seen = Vec::new();
        for kind in kinds {
            let sender = sender(kind, case);
            let (stage, reply) = if greeting.is_positive() {
                send(&mut smtp, &sender).with_context(|| sender.clone())?
            } else {
                ("CONNECT", greeting.clone())
            };
            // The server ends the session behind this (RFC 5321, section 3.8).
            let ended = reply.code == 421;
            seen.push(Seen {
                fault,
                action,
                position,
                kind,
                accepted: false,
                reply,
                stage,
                places: Vec::new(),
            });
            if ended {
                break;
            }
        }
        // The server may have ended the session already.
        let _ = smtp.command("QUIT");
        Ok(seen)
    }

    /// Waits until Postfix has nothing to do any more.
    fn look(&self, seen: &mut [Seen]) -> Result<()> {
        let held = eventually("all but held mail has left Postfix", || {
            let queue = self.postfix.queue().ok()?;
            let idle = queue.iter().all(|mail| mail["queue_name"] == "hold");
            idle.then_some(queue)
        })?;
        let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for mail in self.sink.mails() {
            let place = place("delivered", &mail.data);
            places.entry(mail.mail_from).or_default().push(place);
        }
        for mail in held {
            let id = mail["queue_id"].as_str().context("no queue id")?;
            let sender = mail["sender"].as_str().context("no sender")?;
            let place = place("held", &self.postfix.content(id)?);
            places.entry(sender.to_owned()).or_default().push(place);
        }
        let corrupt = self.postfix.corrupt()?;
        let corrupt: Vec<_> = corrupt.iter().map(|c| String::from_utf8_lossy(c)).collect();
        let accepted: BTreeSet<String> = self
            .milters
            .iter()
            .flat_map(FaultyMilter::accepted)
            .collect();
        for mail in seen {
            let sender = sender(mail.kind, mail.case());
            mail.places = places.remove(&sender).unwrap_or_default();
            let copies = corrupt.iter().filter(|file| file.contains(&sender));
            mail.places.extend(copies.map(|_| "corrupt".to_owned()));
            mail.accepted = accepted.contains(&sender);
        }
        anyhow::ensure!(places.is_empty(), "mails that nobody sent: {places:?}");
        Ok(())
    }
}

impl Seen {
    fn case(&self) -> Case {
        Case {
            fault: self.fault,
            action: self.action,
            position: self.position,
        }
    }
}

/// The address by which Postfix chooses the milter.
fn client(fault: usize) -> Result<Ipv4Addr> {
    Ok(Ipv4Addr::new(127, 0, 1, u8::try_from(fault + 1)?))
}

/// No two mails have the same one.
fn sender(kind: &str, case: Case) -> String {
    let action = ACTIONS.get(case.action).copied().unwrap_or_default();
    format!(
        "{kind}.{}.{action}.{}@sender.example",
        case.fault, case.position
    )
}

/// Sends a mail; the command that settled it, and the reply.
fn send(smtp: &mut Smtp, sender: &str) -> Result<(&'static str, Reply)> {
    for (stage, line) in [
        ("MAIL", format!("MAIL FROM:<{sender}>")),
        ("RCPT", "RCPT TO:<bob@rcpt.example>".to_owned()),
        ("DATA", "DATA".to_owned()),
    ] {
        let reply = smtp.command(&line)?;
        if !reply.is_positive() {
            // It may have ended the session.
            let _ = smtp.command("RSET");
            return Ok((stage, reply));
        }
    }
    let header = format!(
        "From: <{sender}>\nTo: <bob@rcpt.example>\nSubject: {sender}\n\
         Date: Tue, 24 Nov 2026 10:00:00 +0000\nMessage-Id: <{sender}>\n"
    );
    smtp.content((header + BODY).replace('\n', "\r\n").as_bytes())?;
    Ok(("end", smtp.reply()?))
}

/// Where a mail is, and what is not as it was sent.
fn place(place: &str, content: &[u8]) -> String {
    let text = String::from_utf8_lossy(content).replace('\r', "");
    let added = text.contains(&format!("\n{ADDED_FIELD}: "));
    let added = if added { ", with the header" } else { "" };
    let lost = if text.ends_with(BODY) {
        ""
    } else {
        ", original lost"
    };
    format!("{place}{added}{lost}")
}
