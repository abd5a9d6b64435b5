//! What Postern itself is told to do, as far as a mail server must fit to it.

use crate::config::{Config, Host, Listen, Network, NextHopAddress, Position, Relay};
use crate::serve::options;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// Postern's side.
#[derive(Debug, Clone)]
pub(super) struct Ours {
    /// Where the milter listens.
    pub milter: Vec<Listen>,
    /// The most milter connections.
    pub connections: u64,
    /// The longest message that the milter takes, in bytes.
    pub message_bytes: u64,
    /// How long a message may take, all in all.
    pub deadline: Duration,
    /// How often Postfix is told meanwhile to go on waiting.
    pub progress: Duration,
    /// Where released mail goes, if that is an address: a host, and a port.
    pub release: Option<(String, u16)>,
    /// The door for SMTP.
    pub relay: Option<RelayDoor>,
}

/// The door for SMTP.
#[derive(Debug, Clone)]
pub(super) struct RelayDoor {
    /// Where it listens.
    pub listen: Vec<Listen>,
    /// Where it stands in the way of a mail.
    pub position: Position,
    /// The longest message that it takes, in bytes.
    pub message_bytes: u64,
    /// The most connections of one client.
    pub connections: u64,
    /// Whether a mail server of this machine may say who its client is.
    pub xforward: bool,
    /// Where mails go that pass, if that is an address: a host, and a port.
    pub next_hop: Option<(String, u16)>,
}

impl Ours {
    /// Out of the configuration.
    pub(super) fn of(config: &Config) -> Ours {
        let milter = options::milter(config);
        Ours {
            milter: config.milter.listen.clone(),
            connections: milter.connections as u64,
            message_bytes: milter.message_bytes,
            deadline: milter.message_deadline,
            progress: milter.progress_interval,
            release: tcp(&config.release_to()),
            relay: config.relay.as_ref().map(RelayDoor::of),
        }
    }
}

impl RelayDoor {
    fn of(relay: &Relay) -> RelayDoor {
        let limits = &relay.limits;
        let connections = limits.connections.min(limits.connections_per_client);
        RelayDoor {
            listen: relay.listen.clone(),
            position: relay.position,
            message_bytes: limits.message_bytes,
            connections: u64::from(connections),
            xforward: relay.xforward_hosts.iter().any(|Network(net)| {
                [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
                    .iter()
                    .any(|ip: &IpAddr| net.contains(ip))
            }),
            next_hop: tcp(&relay.next_hop.address),
        }
    }
}

fn tcp(to: &NextHopAddress) -> Option<(String, u16)> {
    match to {
        NextHopAddress::Server {
            host: Host::Tcp(to),
            ..
        } => Some((to.host.clone(), to.port)),
        _ => None,
    }
}

/// Whether a host is this machine, as far as its name tells.
pub(super) fn is_here(host: &str) -> bool {
    let address = host.parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost")
        || address.is_ok_and(|ip| ip.is_loopback() || ip.is_unspecified())
}
