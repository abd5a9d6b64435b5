//! Reading `[relay]`.

use super::{
    BareLineEnds, NextHop, NextHopTls, Position, Relay, RelayLimits, RelayTls, RelayTlsLevel,
};
use crate::config::values::{self, file, flag, helo, mode, parsed, seconds, size, small, word};
use crate::config::walk::Section;
use std::path::Path;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// Reads the section; nothing if it is not there.
pub(in crate::config) fn relay(s: &mut Section<'_>) -> Option<Relay> {
    let there = s.has("relay");
    let relay = s.section("relay", |s| section(s, there));
    there.then_some(relay)
}

fn section(s: &mut Section<'_>, there: bool) -> Relay {
    let d = Relay::default();
    let positions = [
        ("before-queue", Position::BeforeQueue),
        ("after-queue", Position::AfterQueue),
    ];
    let bare = [
        ("reject", BareLineEnds::Reject),
        ("normalise", BareLineEnds::Normalise),
    ];
    let relay = Relay {
        listen: s.list("listen", d.listen, parsed),
        socket_mode: s.value("socket_mode", d.socket_mode, mode),
        hostname: s.value("hostname", d.hostname, helo),
        position: s.value("position", d.position, |v| word(v, &positions)),
        relay_domains: s.list("relay_domains", d.relay_domains, parsed),
        relay_clients: s.list("relay_clients", d.relay_clients, parsed),
        clients: s.list("clients", d.clients, parsed),
        xclient_hosts: s.list("xclient_hosts", d.xclient_hosts, parsed),
        xforward_hosts: s.list("xforward_hosts", d.xforward_hosts, parsed),
        proxy_hosts: s.list("proxy_hosts", d.proxy_hosts, parsed),
        bare_line_ends: s.value("bare_line_ends", d.bare_line_ends, |v| word(v, &bare)),
        add_received: s.value("add_received", d.add_received, flag),
        spill_bytes: s.value("spill_bytes", d.spill_bytes, size(0..=GIB)),
        drain_timeout: s.value("drain_timeout", d.drain_timeout, seconds(0..=3_600)),
        next_hop: s.section("next_hop", |s| next_hop(s, there)),
        tls: s.section("tls", tls),
        limits: s.section("limits", limits),
    };
    values::no_doubles(s, "listen", &relay.listen);
    if there && !s.has("relay_domains") && !s.has("relay_clients") {
        let message = "the relay takes mail for nobody: it has neither relay_domains nor \
                       relay_clients"
            .to_owned();
        let hint = "write relay_domains = [\"example.org\"] with your own domains".to_owned();
        s.wrong(
            "relay_domains",
            s.place("relay_domains"),
            message,
            Some(hint),
        );
    }
    relay
}

fn next_hop(s: &mut Section<'_>, there: bool) -> NextHop {
    use NextHopTls::{Encrypt, May, None, Verify};
    let d = NextHop::default();
    let levels = [
        ("none", None),
        ("may", May),
        ("encrypt", Encrypt),
        ("verify", Verify),
    ];
    let next_hop = NextHop {
        address: s.value("address", d.address, parsed),
        tls: s.value("tls", d.tls, |v| word(v, &levels)),
        ca_file: s.value("ca_file", d.ca_file, file),
        timeout: s.value("timeout", d.timeout, seconds(1..=300)),
        max_sessions: s.value("max_sessions", d.max_sessions, small(1..=10_000)),
    };
    if there && !s.has("address") {
        let hint =
            "write [relay.next_hop] and below it address = \"smtp:127.0.0.1:10026\", with the \
                    server that mail goes to"
                .to_owned();
        let message = "the relay has no next hop".to_owned();
        s.wrong("address", s.place("address"), message, Some(hint));
    }
    let named = !next_hop.ca_file.as_os_str().is_empty();
    if !named && next_hop.tls == Verify {
        let message = "TLS cannot be verified without authorities that are trusted".to_owned();
        let hint = "write ca_file = \"/etc/ssl/certs/ca-certificates.crt\", or name a PEM file of \
                    your own"
            .to_owned();
        s.wrong("ca_file", s.place("tls"), message, Some(hint));
    }
    if named && next_hop.tls != Verify {
        let message = "ca_file is not used: tls is not \"verify\"".to_owned();
        let hint = "write tls = \"verify\", or leave ca_file out".to_owned();
        s.wrong("ca_file", s.place("ca_file"), message, Some(hint));
    }
    next_hop
}

fn tls(s: &mut Section<'_>) -> RelayTls {
    use RelayTlsLevel::{Encrypt, May, None};
    let d = RelayTls::default();
    let levels = [("none", None), ("may", May), ("encrypt", Encrypt)];
    let tls = RelayTls {
        level: s.value("level", d.level, |v| word(v, &levels)),
        certificate: s.value("certificate", d.certificate, file),
        key: s.value("key", d.key, file),
    };
    let missing = |path: &Path| path.as_os_str().is_empty();
    for (key, path) in [("certificate", &tls.certificate), ("key", &tls.key)] {
        if tls.level != None && missing(path) && !s.has(key) {
            let level = s.place("level");
            let message = format!("TLS with clients needs a {key}");
            let hint = format!("write {key} = \"/etc/postern/{key}.pem\"");
            s.wrong(key, level, message, Some(hint));
        }
    }
    tls
}

fn limits(s: &mut Section<'_>) -> RelayLimits {
    let d = RelayLimits::default();
    RelayLimits {
        connections: s.value("connections", d.connections, small(1..=100_000)),
        connections_per_client: s.value(
            "connections_per_client",
            d.connections_per_client,
            small(1..=100_000),
        ),
        // RFC 5321, section 4.5.3.1.8: no fewer than a hundred.
        recipients: s.value("recipients", d.recipients, small(100..=50_000)),
        message_bytes: s.value("message_bytes", d.message_bytes, size(KIB..=GIB)),
        // RFC 5321, section 4.5.3.1.6: no fewer than a thousand.
        line_bytes: s.value("line_bytes", d.line_bytes, size(1_000..=64 * MIB)),
        commands: s.value("commands", d.commands, small(10..=1_000_000)),
        errors: s.value("errors", d.errors, small(1..=10_000)),
        command_timeout: s.value("command_timeout", d.command_timeout, seconds(1..=3_600)),
        data_timeout: s.value("data_timeout", d.data_timeout, seconds(1..=3_600)),
        min_rate: s.value("min_rate", d.min_rate, size(0..=MIB)),
        greet_wait: s.value("greet_wait", d.greet_wait, seconds(0..=30)),
        hops: s.value("hops", d.hops, small(1..=1_000)),
    }
}
