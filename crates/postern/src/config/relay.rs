//! `[relay]`: the door for SMTP.

mod address;
mod read;

pub(crate) use address::{Host, Network, NextHopAddress, Protocol, RelayDomain};
pub(super) use read::relay;

use super::address::{self as addresses, Listen};
use super::units;
use serde::Serialize;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// `[relay]`: the door for SMTP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Relay {
    /// Where to listen; default `127.0.0.1:2525`.
    pub listen: Vec<Listen>,
    /// Permissions of unix sockets, octal; default `0660`.
    #[serde(serialize_with = "units::serialize_mode")]
    pub socket_mode: u32,
    /// What the relay calls itself: in its greeting, in EHLO, in `Received`; default the machine's
    /// host name.
    pub hostname: String,
    /// Where it stands in the way of a mail; default `before-queue`.
    pub position: Position,
    /// Domains to whose recipients everybody may send; default none.
    pub relay_domains: Vec<RelayDomain>,
    /// Clients that may send to any recipient; default none.
    pub relay_clients: Vec<Network>,
    /// Clients that may connect; default all.
    pub clients: Vec<Network>,
    /// Servers that may say with XCLIENT who their client is; default none.
    pub xclient_hosts: Vec<Network>,
    /// Servers that may say with XFORWARD who their client is; default none.
    pub xforward_hosts: Vec<Network>,
    /// Load balancers that begin each connection with a PROXY header; default none.
    pub proxy_hosts: Vec<Network>,
    /// What becomes of a message with a CR or LF that is not part of a CRLF; default `reject`.
    pub bare_line_ends: BareLineEnds,
    /// Whether a `Received` field is added; default true.
    pub add_received: bool,
    /// The part of a message that stays in memory while it comes in, in bytes; default 512 KiB.
    #[serde(serialize_with = "units::serialize_size")]
    pub spill_bytes: u64,
    /// How long running transactions may go on after SIGTERM; default 30 s.
    #[serde(serialize_with = "units::serialize_duration")]
    pub drain_timeout: Duration,
    /// Where mails go that pass.
    pub next_hop: NextHop,
    /// TLS with clients.
    pub tls: RelayTls,
    /// Bounds on what a client may do.
    pub limits: RelayLimits,
}

/// Where a relay stands in the way of a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Position {
    /// The sender is still there when it answers: a rejection reaches him.
    BeforeQueue,
    /// The mail comes out of a queue: a rejection would become a bounce to a sender who may be forged, so
    /// that mail is held instead.
    AfterQueue,
}

/// What becomes of a message with a CR or LF that is not part of a CRLF.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum BareLineEnds {
    /// It is refused.
    Reject,
    /// A bare LF becomes CRLF, a bare CR a space.
    Normalise,
}

/// `[relay.next_hop]`: where mails go that pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct NextHop {
    /// A server, or a maildir.
    pub address: NextHopAddress,
    /// TLS with it; default `none`.
    pub tls: NextHopTls,
    /// Certificates of the authorities that `verify` trusts, a PEM file; empty: none.
    pub ca_file: PathBuf,
    /// How long to wait for its greeting and for each reply but the one to the message; default 30 s.
    #[serde(serialize_with = "units::serialize_duration")]
    pub timeout: Duration,
    /// Sessions with it, all together; default 100. Mail beyond it waits, or is deferred.
    pub max_sessions: u32,
}

/// TLS with the next hop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum NextHopTls {
    /// Never.
    None,
    /// If it offers it, with whatever certificate.
    May,
    /// Always, with whatever certificate.
    Encrypt,
    /// Always, with a certificate for its name from an authority that is trusted.
    Verify,
}

/// `[relay.tls]`: TLS with clients.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct RelayTls {
    /// Default `none`.
    pub level: RelayTlsLevel,
    /// The certificate and those between it and its authority, a PEM file; empty: none.
    pub certificate: PathBuf,
    /// Its private key, a PEM file; empty: none.
    pub key: PathBuf,
}

/// TLS with clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RelayTlsLevel {
    /// STARTTLS is not offered.
    None,
    /// STARTTLS is offered.
    May,
    /// No mail without it.
    Encrypt,
}

/// `[relay.limits]`: bounds on what a client may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct RelayLimits {
    /// Open connections, all together; default 500. One more hears 421.
    pub connections: u32,
    /// Open connections of one client; default 50. Not for relay clients and listed hosts.
    pub connections_per_client: u32,
    /// Recipients of one mail; default 1,000.
    pub recipients: u32,
    /// A message, in bytes; default 50 MiB.
    #[serde(serialize_with = "units::serialize_size")]
    pub message_bytes: u64,
    /// A line of a message, in bytes; default 1 MiB.
    #[serde(serialize_with = "units::serialize_size")]
    pub line_bytes: u64,
    /// Commands since the last message that bring no mail closer; default 100.
    pub commands: u32,
    /// Commands since the last message that were refused for good; default 20.
    pub errors: u32,
    /// How long a client may take for one command; default 5 min.
    #[serde(serialize_with = "units::serialize_duration")]
    pub command_timeout: Duration,
    /// How long a message may take to come in; default 10 min.
    #[serde(serialize_with = "units::serialize_duration")]
    pub data_timeout: Duration,
    /// Bytes a second that a message must come with, on average; default 500 B.
    #[serde(serialize_with = "units::serialize_size")]
    pub min_rate: u64,
    /// How long the greeting waits for clients that talk before it; default 1 s. Not for relay clients
    /// and listed hosts.
    #[serde(serialize_with = "units::serialize_duration")]
    pub greet_wait: Duration,
    /// `Received` fields from which on a mail is taken to go in circles; default 50.
    pub hops: u32,
}

impl Relay {
    /// The relay that there is without any configuration: for clients on this machine, into a maildir below
    /// the state directory. It shows what Postern does.
    pub(super) fn demonstration(state_dir: &Path) -> Relay {
        Relay {
            relay_clients: Network::loopback(),
            clients: Network::loopback(),
            next_hop: NextHop {
                address: NextHopAddress::Maildir(state_dir.join("maildir")),
                ..NextHop::default()
            },
            ..Relay::default()
        }
    }
}

impl Default for Relay {
    fn default() -> Self {
        Relay {
            listen: vec![Listen::Tcp((Ipv4Addr::LOCALHOST, 2525).into())],
            socket_mode: 0o660,
            hostname: addresses::own_name(),
            position: Position::BeforeQueue,
            relay_domains: Vec::new(),
            relay_clients: Vec::new(),
            clients: Network::everywhere(),
            xclient_hosts: Vec::new(),
            xforward_hosts: Vec::new(),
            proxy_hosts: Vec::new(),
            bare_line_ends: BareLineEnds::Reject,
            add_received: true,
            spill_bytes: 512 << 10,
            drain_timeout: Duration::from_secs(30),
            next_hop: NextHop::default(),
            tls: RelayTls::default(),
            limits: RelayLimits::default(),
        }
    }
}

impl Default for NextHop {
    fn default() -> Self {
        NextHop {
            address: NextHopAddress::Server {
                protocol: Protocol::Smtp,
                host: Host::Tcp(addresses::HostPort {
                    host: "127.0.0.1".to_owned(),
                    port: 10026,
                }),
            },
            tls: NextHopTls::None,
            ca_file: PathBuf::new(),
            timeout: Duration::from_secs(30),
            max_sessions: 100,
        }
    }
}

impl Default for RelayTls {
    fn default() -> Self {
        RelayTls {
            level: RelayTlsLevel::None,
            certificate: PathBuf::new(),
            key: PathBuf::new(),
        }
    }
}

impl Default for RelayLimits {
    fn default() -> Self {
        RelayLimits {
            connections: 500,
            connections_per_client: 50,
            recipients: 1_000,
            message_bytes: 50 << 20,
            line_bytes: 1 << 20,
            commands: 100,
            errors: 20,
            command_timeout: Duration::from_secs(300),
            data_timeout: Duration::from_secs(600),
            min_rate: 500,
            greet_wait: Duration::from_secs(1),
            hops: 50,
        }
    }
}
