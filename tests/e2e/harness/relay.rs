//! The whole with the SMTP door: a sender, the daemon as a relay, and the next hop.

use super::{Daemon, Reply, Setup, Sink, Smtp, free_port, header_block, submit};
use anyhow::Result;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

/// The recipients' domain, the only one that the relay takes mail for.
pub(crate) const DOMAIN: &str = "rcpt.example";

/// Mail comes in at the daemon, which hands it to the sink.
#[derive(Debug)]
pub(crate) struct RelaySite {
    pub(crate) daemon: Daemon,
    pub(crate) port: u16,
    pub(crate) sink: Sink,
}

impl RelaySite {
    /// Starts everything and waits until it serves.
    pub(crate) fn start(setup: Setup) -> Result<RelaySite> {
        let sink = Sink::start()?;
        let next_hop = format!("smtp:127.0.0.1:{}", sink.port());
        let (daemon, port) = start_relay(setup, &next_hop)?;
        Ok(RelaySite { daemon, port, sink })
    }

    /// Sends a mail from and to the usual people.
    pub(crate) fn send(&self, message: &[u8]) -> Result<Reply> {
        send(self.port, message)
    }

    /// Sends a mail to these recipients.
    pub(crate) fn send_to(&self, rcpts: &[&str], message: &[u8]) -> Result<Reply> {
        submit(self.port, "alice@sender.example", rcpts, message)
    }
}

/// Sends a mail from and to the usual people.
pub(crate) fn send(port: u16, message: &[u8]) -> Result<Reply> {
    submit(port, "alice@sender.example", &["bob@rcpt.example"], message)
}

/// Starts a daemon with a relay to `next_hop`, written as in the configuration. The daemon, and the relay's port.
pub(crate) fn start_relay(setup: Setup, next_hop: &str) -> Result<(Daemon, u16)> {
    let (mut daemon, port) = prepare_relay(setup, next_hop)?;
    daemon.start()?;
    Ok((daemon, port))
}

/// The same, but starts nothing. Settings of the test come first.
pub(crate) fn prepare_relay(setup: Setup, next_hop: &str) -> Result<(Daemon, u16)> {
    let port = free_port()?;
    let setup = setup
        .or_set("relay.relay_domains", &format!("[{DOMAIN:?}]"))
        .or_set("relay.next_hop.address", &format!("{next_hop:?}"))
        // Tests come from this machine as anybody else.
        .or_set("relay.limits.greet_wait", "0")
        .set("relay.listen", &format!("[\"127.0.0.1:{port}\"]"));
    Ok((Daemon::prepare_without_release(setup)?, port))
}

/// The message below what the relay has put on top: a trace field, and what was decided.
pub(crate) fn below_ours(message: &[u8]) -> &[u8] {
    let mut length = 0;
    let mut ours = false;
    for line in message.split_inclusive(|&byte| byte == b'\n') {
        let begins = |name: &str| line.starts_with(name.as_bytes());
        ours = match begins("\t") || begins(" ") {
            true => ours,
            // The first two are those of a maildir.
            false => [
                "Return-Path: ",
                "Delivered-To: ",
                "Received: ",
                "X-Postern-",
            ]
            .into_iter()
            .any(begins),
        };
        if !ours {
            break;
        }
        length += line.len();
    }
    message.get(length..).unwrap_or_default()
}

/// The hashes of a message's body that a DKIM signature has (RFC 6376, section 3.7), under the canonical forms
/// `simple` and `relaxed`.
pub(crate) fn body_hashes(message: &[u8]) -> [String; 2] {
    let body = message.get(header_block(message).len()..);
    // Behind the last line of the header and the empty line.
    let body = body.and_then(|rest| rest.get(4..)).unwrap_or_default();
    [simple(body), relaxed(body)].map(|form| STANDARD.encode(Sha256::digest(form)))
}

/// Empty lines at the end are one line end.
fn simple(body: &[u8]) -> Vec<u8> {
    let mut form = body.to_vec();
    while form.ends_with(b"\r\n") {
        form.truncate(form.len() - 2);
    }
    form.extend_from_slice(b"\r\n");
    form
}

/// White space within a line is one space, at its end nothing; empty lines at the end are nothing.
fn relaxed(body: &[u8]) -> Vec<u8> {
    let mut form = Vec::new();
    for line in body.split_inclusive(|&byte| byte == b'\n') {
        let text = line.strip_suffix(b"\r\n").unwrap_or(line);
        let mut words = text.split(|&byte| byte == b' ' || byte == b'\t').peekable();
        if words.peek().is_some_and(|first| first.is_empty()) && !text.trim_ascii().is_empty() {
            form.push(b' ');
        }
        let words: Vec<&[u8]> = words.filter(|word| !word.is_empty()).collect();
        form.extend(words.join(&b' '));
        form.extend_from_slice(b"\r\n");
    }
    while form.ends_with(b"\r\n") {
        form.truncate(form.len() - 2);
    }
    if !form.is_empty() {
        form.extend_from_slice(b"\r\n");
    }
    form
}

/// A session in which the relay believes to talk to an outside client: the test is listed in `xclient_hosts` and says so.
pub(crate) fn from_outside(port: u16) -> Result<Smtp> {
    let mut smtp = Smtp::connect(port)?;
    let said = smtp.command("XCLIENT ADDR=192.0.2.7 NAME=outside.example")?;
    anyhow::ensure!(said.code == 220, "XCLIENT answered with {said:?}");
    smtp.command("EHLO outside.example")?;
    Ok(smtp)
}

#[test]
fn the_hash_of_an_empty_body_is_that_of_the_standard() {
    // RFC 6376, section 3.4.3 and 3.4.4.
    let [simple, relaxed] = body_hashes(b"Subject: nothing\r\n\r\n");
    assert_eq!(simple, "frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=");
    assert_eq!(relaxed, "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
}
