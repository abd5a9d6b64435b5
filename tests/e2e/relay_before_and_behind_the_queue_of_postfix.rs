//! Postfix, Postern, Postfix, hooked up with the lines that are shipped: before the queue (`smtpd_proxy_filter`)
//! and after it (`content_filter`).

use crate::harness::relay::{below_ours, body_hashes};
use crate::harness::relay_postfix::{FilteredPostfix, HookUp};
use crate::harness::{
    Received, Reply, Setup, clean, eicar_in_zip_in_zip, eventually, header_block, submit,
};
use anyhow::{Context, Result};
use serde_json::Value;

const BOTH: [HookUp; 2] = [HookUp::ProxyFilter, HookUp::ContentFilter];

fn send(site: &FilteredPostfix, message: &[u8]) -> Result<Reply> {
    let (from, rcpts) = ("alice@sender.example", ["bob@rcpt.example"]);
    submit(site.postfix.port(), from, &rcpts, message)
}

/// The record of the mail that has arrived.
fn record_of(site: &FilteredPostfix, arrived: &Received) -> Result<Value> {
    let head = header_block(&arrived.data);
    let id = head
        .lines()
        .find_map(|line| line.strip_prefix("X-Postern-Id: "));
    let id = id.context("no X-Postern-Id")?;
    site.daemon.answered(id)?;
    let shown = site.daemon.cli(["verdict", "show", id, "--json"])?.ok();
    shown.object()
}

#[test]
fn clean_mail_passes_unchanged_with_the_queue_ids_of_both_sides_on_record() -> Result<()> {
    for hook_up in BOTH {
        let site = FilteredPostfix::start(hook_up, Setup::default())?;
        let mut message = clean("on its way");
        message.extend_from_slice(b"\r\n.\r\ntrailing  \t\r\n\r\n\r\n");
        assert_eq!(send(&site, &message)?.code, 250, "{hook_up:?}");
        let arrived = site.sink.wait_for("on its way")?;
        assert_eq!(arrived.rcpts, ["bob@rcpt.example"]);
        assert_eq!(
            body_hashes(&arrived.data),
            body_hashes(&message),
            "{hook_up:?}"
        );
        assert!(
            arrived.data.ends_with(&message),
            "{hook_up:?}: {}",
            arrived.text()
        );
        assert_ne!(below_ours(&arrived.data).len(), 0);

        let shown = record_of(&site, &arrived)?;
        let log = site.postfix.log();
        let queue_id = shown["next_hop"]["queue_id"]
            .as_str()
            .context("its id behind")?;
        assert!(log.contains(&format!("{queue_id}: from=<alice@")), "{log}");
        if hook_up == HookUp::ContentFilter {
            let queue_id = shown["record"]["queue_id"]
                .as_str()
                .context("its id before")?;
            assert!(log.contains(&format!("{queue_id}: to=<bob@")), "{log}");
        }
        let client = &shown["record"]["client"];
        assert_eq!(client["addr"], "127.0.0.1", "of the sender, by XFORWARD");
        assert_eq!(client["helo"], "client.test.example", "{hook_up:?}");
        site.postfix.wait_until_empty()?;
    }
    Ok(())
}

#[test]
fn a_rejection_reaches_the_sender_before_the_queue_and_nobody_after_it() -> Result<()> {
    for hook_up in BOTH {
        let setup = Setup::default().set("policy.category.malware", "\"reject\"");
        let site = FilteredPostfix::start(hook_up, setup)?;
        let reply = send(&site, &eicar_in_zip_in_zip("refused"))?;
        match hook_up {
            HookUp::ProxyFilter => {
                assert_eq!(reply.code, 550, "{reply:?}");
                assert!(reply.text.contains("Message refused"), "{reply:?}");
                assert!(site.daemon.entries()?.is_empty());
            }
            HookUp::ContentFilter => {
                assert_eq!(reply.code, 250, "{reply:?}");
                eventually("it is held", || {
                    site.daemon.entries().ok().filter(|held| held.len() == 1)
                })?;
            }
        }
        site.postfix.wait_until_empty()?;
        assert!(
            site.sink.mails().is_empty(),
            "neither the mail nor a bounce"
        );
        let log = site.postfix.log();
        assert!(!log.contains("non-delivery notification"), "{log}");
    }
    Ok(())
}

#[test]
fn dangerous_mail_is_held_and_released_behind_the_filter() -> Result<()> {
    for hook_up in BOTH {
        let site = FilteredPostfix::start(hook_up, Setup::default())?;
        let message = eicar_in_zip_in_zip("held");
        assert_eq!(send(&site, &message)?.code, 250, "{hook_up:?}");
        let id = eventually("it is held", || site.daemon.entry_id("held").ok())?;
        let release = ["quarantine", "release", &id, "--yes"];
        site.daemon.cli(release)?.ok();
        let arrived = site.sink.wait_for("held")?;
        assert!(arrived.data.ends_with(&message), "{}", arrived.text());
        assert_eq!(site.daemon.entries()?.len(), 1, "it was not judged again");
    }
    Ok(())
}

#[test]
fn without_the_daemon_mail_waits_with_the_sender_or_in_the_queue() -> Result<()> {
    for hook_up in BOTH {
        let mut site = FilteredPostfix::start(hook_up, Setup::default())?;
        site.daemon.kill()?;
        let reply = send(&site, &clean("patient"))?;
        match hook_up {
            HookUp::ProxyFilter => assert_eq!(reply.code, 451, "{reply:?}"),
            HookUp::ContentFilter => assert_eq!(reply.code, 250, "{reply:?}"),
        }
        assert!(site.sink.mails().is_empty());
        site.daemon.start()?;
        match hook_up {
            HookUp::ProxyFilter => {
                assert_eq!(send(&site, &clean("patient"))?.code, 250);
            }
            // Postfix takes a while before it tries a transport again that was dead.
            HookUp::ContentFilter => {}
        }
        site.sink.wait_for("patient")?;
        site.postfix.wait_until_empty()?;
        assert_eq!(site.sink.with("patient").len(), 1, "{hook_up:?}");
    }
    Ok(())
}
