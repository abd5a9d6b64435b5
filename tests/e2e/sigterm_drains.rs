//! The end in good order: what runs is answered, what is new goes elsewhere, nothing is half done.

use crate::harness::{Site, clean, eicar_in_zip_in_zip, eventually, is_alive, slow};
use anyhow::Result;
use rustix::process::Signal;

#[test]
fn a_running_mail_is_answered_before_the_end() -> Result<()> {
    let mut site = Site::start(slow::setup())?;
    assert_eq!(site.send(&eicar_in_zip_in_zip("held before"))?.code, 250);
    let workers = site.daemon.worker_pids()?;
    let pid = site.daemon.pid()?;
    let reply = std::thread::scope(|scope| -> Result<_> {
        let (daemon, port) = (&site.daemon, site.postfix.port());
        let mail = slow::mail("running");
        let sender = scope.spawn(move || {
            crate::harness::submit(port, "alice@sender.example", &["bob@rcpt.example"], &mail)
        });
        slow::wait_until_busy(&workers)?;
        daemon.signal(Signal::TERM)?;
        sender.join().expect("no panic")
    })?;
    let status = site.daemon.wait()?;
    assert!(status.success(), "{status}: {}", site.daemon.log());
    assert!(!is_alive(pid));
    eventually("the workers end", || {
        workers.iter().all(|&pid| !is_alive(pid)).then_some(())
    })?;

    site.postfix.wait_until_empty()?;
    let delivered = site.sink.with("running").len();
    match reply.code {
        250 => assert_eq!(delivered, 1),
        _ => assert_eq!((reply.is_transient(), delivered), (true, 0), "{reply:?}"),
    }
    assert_eq!(site.send(&clean("too late"))?.code, 451);

    site.daemon.start()?;
    let status = site.daemon.status()?;
    let recovery = &status["store"]["recovery"];
    assert_eq!(
        recovery.as_array().map(Vec::len),
        Some(0),
        "nothing to repair: {recovery}"
    );
    assert_eq!(site.daemon.entry("held before")?["state"], "held");
    Ok(())
}

#[test]
fn an_idle_daemon_ends_at_once_with_open_sessions() -> Result<()> {
    let mut site = Site::start(crate::harness::Setup::default())?;
    let mut session = crate::harness::Smtp::connect(site.postfix.port())?;
    let (from, rcpts) = ("alice@sender.example", ["bob@rcpt.example"]);
    assert_eq!(session.mail(from, &rcpts, &clean("one"))?.code, 250);
    let status = site.daemon.terminate()?;
    assert!(status.success(), "{status}");
    assert!(
        !site.daemon.state("control.sock").exists(),
        "the socket is taken away"
    );
    Ok(())
}
