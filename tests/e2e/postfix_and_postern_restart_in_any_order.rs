//! Neither needs the other in order to start, and each goes on when the other comes back.

use crate::harness::{Setup, Site, Smtp, clean};
use anyhow::Result;

#[test]
fn and_every_mail_is_delivered_or_deferred() -> Result<()> {
    let mut site = Site::start(Setup::default())?;
    delivered(&site, "both run")?;

    site.postfix.stop()?;
    site.postfix.resume()?;
    delivered(&site, "Postfix came back")?;

    site.daemon.terminate()?;
    deferred(&site, "Postern is away")?;
    site.daemon.start()?;
    delivered(&site, "Postern came back")?;

    site.daemon.terminate()?;
    site.postfix.stop()?;
    site.postfix.resume()?;
    deferred(&site, "only Postfix runs")?;
    site.daemon.start()?;
    delivered(&site, "Postern came second")?;

    site.postfix.stop()?;
    site.daemon.terminate()?;
    site.daemon.start()?;
    site.postfix.resume()?;
    delivered(&site, "Postfix came second")?;
    Ok(())
}

#[test]
fn a_session_that_outlives_the_daemon_is_deferred_and_the_next_one_is_not() -> Result<()> {
    let mut site = Site::start(Setup::default())?;
    let mut session = Smtp::connect(site.postfix.port())?;
    let (from, rcpts) = ("alice@sender.example", ["bob@rcpt.example"]);
    assert_eq!(session.mail(from, &rcpts, &clean("before"))?.code, 250);
    site.daemon.terminate()?;
    site.daemon.start()?;
    // Postfix has lost its filter for the rest of this session.
    let reply = session.mail(from, &rcpts, &clean("after"))?;
    assert!(reply.is_transient(), "{reply:?}");
    delivered(&site, "in a new session")
}

fn delivered(site: &Site, subject: &str) -> Result<()> {
    let reply = site.send(&clean(subject))?;
    assert_eq!(reply.code, 250, "{subject}: {reply:?}");
    assert!(
        site.sink
            .wait_for(subject)?
            .header_contains("X-Postern-Verdict: accept")
    );
    Ok(())
}

fn deferred(site: &Site, subject: &str) -> Result<()> {
    let reply = site.send(&clean(subject))?;
    assert_eq!(reply.code, 451, "{subject}: {reply:?}");
    assert!(site.postfix.queue()?.is_empty());
    assert!(site.sink.with(subject).is_empty());
    Ok(())
}
