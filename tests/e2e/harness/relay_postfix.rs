//! Postfix on both sides of the relay, with the lines that are shipped in `deploy`.

use super::relay::prepare_relay;
use super::{Daemon, Postfix, Settings, Setup, Sink, free_port, workspace};
use anyhow::{Context, Result};
use std::fs;

/// How Postfix is hooked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HookUp {
    /// `smtpd_proxy_filter`: before the queue.
    ProxyFilter,
    /// `content_filter`: after it.
    ContentFilter,
}

/// A Postfix that hands mail to the relay and gets it back at another port, and the next hop.
#[derive(Debug)]
pub(crate) struct FilteredPostfix {
    pub(crate) daemon: Daemon,
    pub(crate) postfix: Postfix,
    pub(crate) sink: Sink,
}

impl FilteredPostfix {
    /// Starts everything and waits until it serves.
    pub(crate) fn start(hook_up: HookUp, setup: Setup) -> Result<FilteredPostfix> {
        let sink = Sink::start()?;
        let (port, back) = (free_port()?, free_port()?);
        let position = match hook_up {
            HookUp::ProxyFilter => "\"before-queue\"",
            HookUp::ContentFilter => "\"after-queue\"",
        };
        let setup = setup
            .or_set("relay.position", position)
            .or_set("relay.xforward_hosts", "[\"127.0.0.1\"]")
            .or_set("relay.relay_clients", "[\"127.0.0.1\"]");
        let (mut daemon, relay) = prepare_relay(setup, &format!("smtp:127.0.0.1:{back}"))?;
        daemon.spawn()?;
        let settings = shipped(hook_up, port, relay, back)?;
        let postfix = Postfix::start_with(port, sink.port(), &settings)?;
        daemon.wait_until_it_serves()?;
        Ok(FilteredPostfix {
            daemon,
            postfix,
            sink,
        })
    }
}

/// The lines of the shipped file, with the ports of a test in the places of theirs.
fn shipped(hook_up: HookUp, port: u16, relay: u16, back: u16) -> Result<Settings> {
    let name = match hook_up {
        HookUp::ProxyFilter => "postfix-proxy-filter.cf",
        HookUp::ContentFilter => "postfix-content-filter.cf",
    };
    let text = fs::read_to_string(workspace().join("deploy").join(name))?;
    let text = text
        .replace("127.0.0.1:2525", &format!("127.0.0.1:{relay}"))
        .replace("[127.0.0.1]:2525", &format!("[127.0.0.1]:{relay}"))
        .replace("127.0.0.1:10026", &format!("127.0.0.1:{back}"))
        .replace("\nsmtp      inet", &format!("\n127.0.0.1:{port} inet"));
    let (main, master) = text
        .split_once("# master.cf")
        .with_context(|| format!("{name}: has no part for master.cf"))?;
    let lines = |text: &str| -> String {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines.map(|line| format!("{line}\n")).collect()
    };
    Ok(Settings {
        main: lines(main),
        master: lines(master),
    })
}
