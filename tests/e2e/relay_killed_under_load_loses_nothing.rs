//! Kill -9 of the relay at any moment: what was acknowledged is at the next hop or in quarantine. What was not is sent
//! again, and may so arrive twice; but only what was in flight at a kill.

use crate::harness::relay::RelaySite;
use crate::harness::{Setup, Smtp, clean, eicar_in_zip_in_zip, eventually};
use anyhow::Result;
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

/// Kills in one run; more with the environment variable POSTERN_KILLS.
const KILLS: u32 = 5;
/// Senders at the same time: mails in flight at a kill.
const SENDERS: u32 = 4;

/// What the senders know.
#[derive(Debug, Default)]
struct Load {
    stop: AtomicBool,
    next: AtomicU32,
    acknowledged: Mutex<BTreeSet<String>>,
    /// Not acknowledged yet; sent again in the next round.
    again: Mutex<Vec<String>>,
}

impl Load {
    /// One sender, until the daemon is gone.
    fn send(&self, port: u16) {
        while !self.stop.load(Ordering::Relaxed) {
            let again = self.again.lock().expect("no panic").pop();
            let subject = again.unwrap_or_else(|| {
                let number = self.next.fetch_add(1, Ordering::Relaxed);
                let kind = if number.is_multiple_of(5) {
                    "bad"
                } else {
                    "good"
                };
                format!("{kind} {number}.")
            });
            match one(port, &subject) {
                Ok(true) => {
                    self.acknowledged.lock().expect("no panic").insert(subject);
                }
                Ok(false) | Err(_) => self.again.lock().expect("no panic").push(subject),
            }
        }
    }
}

/// Whether a mail was acknowledged.
fn one(port: u16, subject: &str) -> Result<bool> {
    let message = match subject.starts_with("bad") {
        true => eicar_in_zip_in_zip(subject),
        false => clean(subject),
    };
    let mut session = Smtp::connect(port)?;
    let from = "alice@sender.example";
    Ok(session.mail(from, &["bob@rcpt.example"], &message)?.code == 250)
}

#[test]
fn and_repeats_only_what_was_in_flight() -> Result<()> {
    let mut site = RelaySite::start(Setup::default())?;
    let load = Load::default();
    let kills = std::env::var("POSTERN_KILLS").map_or(Ok(KILLS), |text| text.parse())?;
    for round in 0..=kills {
        load.stop.store(false, Ordering::Relaxed);
        let before = load.acknowledged.lock().expect("no panic").len();
        std::thread::scope(|scope| -> Result<()> {
            for _ in 0..SENDERS {
                scope.spawn(|| load.send(site.port));
            }
            let killed = eventually("some mails are acknowledged", || {
                let now = load.acknowledged.lock().expect("no panic").len();
                (now >= before + 8).then_some(())
            });
            // Another moment in every round.
            std::thread::sleep(Duration::from_millis(u64::from(round * 37 % 23)));
            if round < kills {
                site.daemon.kill()?;
            }
            load.stop.store(true, Ordering::Relaxed);
            killed
        })?;
        if round < kills {
            site.daemon.start()?;
        }
    }
    for subject in load.again.lock().expect("no panic").drain(..) {
        assert!(one(site.port, &subject)?, "{subject}");
        load.acknowledged.lock().expect("no panic").insert(subject);
    }

    let acknowledged = load.acknowledged.lock().expect("no panic");
    let mut repeated = 0;
    for subject in acknowledged.iter() {
        let delivered = site.sink.with(&format!("Subject: {subject}")).len();
        let held = site.daemon.entries()?;
        let held = held
            .iter()
            .filter(|entry| entry["subject"] == subject.as_str())
            .count();
        let (there, elsewhere) = match subject.starts_with("bad") {
            true => (held, delivered),
            false => (delivered, held),
        };
        assert!(there >= 1, "{subject} is lost");
        assert_eq!(elsewhere, 0, "{subject} is where it should not be");
        repeated += there - 1;
    }
    let in_flight = (kills * SENDERS) as usize;
    assert!(repeated <= in_flight, "{repeated} repetitions");
    assert!(acknowledged.len() > in_flight, "the load was no load");
    let audit = site.daemon.cli(["audit", "verify", "--json"])?.ok();
    assert_eq!(audit.object()?["ok"], true);
    Ok(())
}

#[test]
fn a_client_that_goes_away_before_the_answer_gets_nothing_delivered() -> Result<()> {
    let site = RelaySite::start(crate::harness::slow::setup())?;
    let workers = site.daemon.worker_pids()?;
    let mut session = Smtp::connect(site.port)?;
    session.begin("alice@sender.example", &["bob@rcpt.example"])?;
    session.content(&crate::harness::slow::mail("gone"))?;
    crate::harness::slow::wait_until_busy(&workers)?;
    drop(session);
    // The next one comes through behind it, so that there is nothing left to wait for.
    eventually("its client's absence is noticed", || {
        site.daemon.log().contains("client went away").then_some(())
    })?;
    assert_eq!(site.send(&clean("next"))?.code, 250);
    site.sink.wait_for("next")?;
    assert!(site.sink.with("Subject: gone").is_empty());
    Ok(())
}
