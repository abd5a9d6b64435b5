//! From the configuration to the options of the SMTP door.

use super::{MAX_WAIT, room};
use crate::config::{
    BareLineEnds, Config, Host, Network, NextHop, NextHopAddress, NextHopTls, Protocol, Relay,
    RelayTlsLevel,
};
use crate::serve::certificate::pem;
use anyhow::{Context, Result};
use ipnet::IpNet;
use smtp::Target;
use smtp::next_hop::{Pool, PoolLimits};
use smtp::relay::{RelayDomains, RelayOptions};
use smtp::server::ServerOptions;
use smtp::tls::{TlsClient, TlsLevel, TlsServer};
use std::path::Path;
use std::time::Duration;

/// Beyond the filter's own deadlines, for the edits and handing the message on up to its final dot.
const HANDING_ON: Duration = Duration::from_secs(2);

/// The options of the relay between server and next hop.
pub(crate) fn service(config: &Config, relay: &Relay) -> Result<RelayOptions> {
    let domains = relay.relay_domains.iter().map(|domain| domain.as_str());
    Ok(RelayOptions {
        relay_domains: RelayDomains::new(domains)?,
        relay_clients: nets(&relay.relay_clients),
        // The filter's own deadlines come first. By default this is below the 100 s of smtpd_proxy_timeout.
        dot_deadline: room::MAX_WAIT + MAX_WAIT + config.workers.deadline + HANDING_ON,
        ..RelayOptions::default()
    })
}

/// The options of the server.
pub(crate) fn server(
    config: &Config,
    relay: &Relay,
    message_deadline: Duration,
    tls: Option<TlsServer>,
) -> ServerOptions {
    let limits = &relay.limits;
    let trusted = [
        &relay.relay_clients,
        &relay.xclient_hosts,
        &relay.xforward_hosts,
    ];
    ServerOptions {
        hostname: relay.hostname.clone(),
        spill_bytes: size(relay.spill_bytes),
        spill_directory: config.state_dir.clone(),
        clients: nets(&relay.clients),
        trusted: trusted.into_iter().flat_map(|hosts| nets(hosts)).collect(),
        xclient_hosts: nets(&relay.xclient_hosts),
        xforward_hosts: nets(&relay.xforward_hosts),
        proxy_hosts: nets(&relay.proxy_hosts),
        tls,
        require_tls: relay.tls.level == RelayTlsLevel::Encrypt,
        bare_line_ends: match relay.bare_line_ends {
            BareLineEnds::Reject => smtp::BareLineEnds::Refuse,
            BareLineEnds::Normalise => smtp::BareLineEnds::Normalise,
        },
        connections: limits.connections as usize,
        connections_per_client: limits.connections_per_client as usize,
        idle_commands: limits.commands as usize,
        errors: limits.errors as usize,
        recipients: limits.recipients as usize,
        message_bytes: limits.message_bytes,
        line_bytes: size(limits.line_bytes),
        hops: limits.hops as usize,
        command_timeout: limits.command_timeout,
        greet_wait: limits.greet_wait,
        data_timeout: limits.data_timeout,
        min_data_rate: limits.min_rate,
        message_deadline,
        drain_timeout: relay.drain_timeout,
        ..ServerOptions::default()
    }
}

/// A server that mail is handed to by this protocol, as this name.
pub(crate) fn target(protocol: Protocol, host: &Host, helo: &str) -> Result<Target> {
    let target = match host {
        Host::Tcp(address) => Target::new(&address.to_string(), helo)?,
        Host::Unix(path) => {
            let path = std::path::absolute(path)
                .with_context(|| format!("{}: no such path", path.display()))?;
            Target::unix(path, helo)?
        }
    };
    Ok(target.with_protocol(match protocol {
        Protocol::Smtp => smtp::Protocol::Smtp,
        Protocol::Lmtp => smtp::Protocol::Lmtp,
    }))
}

/// Where mail goes that passes.
pub(crate) fn next_hop(relay: &Relay) -> Result<Pool> {
    let next_hop = &relay.next_hop;
    let place = match &next_hop.address {
        NextHopAddress::Maildir(dir) => maildir(dir, &relay.hostname)?,
        NextHopAddress::Server { protocol, host } => {
            let mut target = target(*protocol, host, &relay.hostname)?;
            target.timeouts.command = next_hop.timeout;
            smtp::next_hop::NextHop::server(target.with_tls(next_hop_tls(next_hop)?))
        }
    };
    let limits = PoolLimits {
        sessions: next_hop.max_sessions as usize,
        ..PoolLimits::default()
    };
    Ok(Pool::new(place, limits))
}

/// A maildir that mail is put into. `host` is part of the names of its files.
pub(crate) fn maildir(dir: &Path, host: &str) -> Result<smtp::next_hop::NextHop> {
    let dir =
        std::path::absolute(dir).with_context(|| format!("{}: no such path", dir.display()))?;
    Ok(smtp::next_hop::NextHop::maildir(dir, host))
}

/// How TLS is used with the next hop.
pub(crate) fn next_hop_tls(next_hop: &NextHop) -> Result<TlsClient> {
    let level = match next_hop.tls {
        NextHopTls::None => TlsLevel::None,
        NextHopTls::May => TlsLevel::May,
        NextHopTls::Encrypt => TlsLevel::Encrypt,
        NextHopTls::Verify => TlsLevel::Verify,
    };
    let ca_file: &Path = &next_hop.ca_file;
    let authorities = match level {
        TlsLevel::Verify => Some(pem(ca_file)?),
        _ => None,
    };
    let tls = TlsClient::new(level, authorities.as_deref());
    tls.with_context(|| ca_file.display().to_string())
}

fn nets(networks: &[Network]) -> Vec<IpNet> {
    networks.iter().map(|network| network.0).collect()
}

fn size(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
