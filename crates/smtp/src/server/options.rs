//! What a server is given: who may do what, bounds and times.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use crate::BareLineEnds;
use crate::tls::TlsServer;

/// The options of [`serve`](super::serve()). "At most n" means that n pass and one more does not.
///
/// What a connection costs at most, not counting a message that the service is working on:
/// `spill_bytes` and 256 KiB while a message comes in, `command_line_bytes` and 32 KiB otherwise, and
/// the envelope's recipients, which the service keeps.
///
/// A client on a unix socket counts as 127.0.0.1 in all lists. With PROXY, the lists are asked about
/// the address that PROXY gives, and only `proxy_hosts` about the connection's own.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// The server's own name, in its greeting and its answer to EHLO.
    pub hostname: String,
    /// The part of a message that stays in memory, in bytes; beyond it goes to a file.
    pub spill_bytes: usize,
    /// The directory of these files. They have no name and vanish with the process.
    pub spill_directory: PathBuf,

    /// Who may connect. Others get a 554 instead of a greeting. Asked again about the address that XCLIENT gives.
    pub clients: Vec<IpNet>,
    /// Who is greeted without `greet_wait` and is not bound by `connections_per_client`.
    pub trusted: Vec<IpNet>,
    /// Who may say XCLIENT, and so pass itself off as any client.
    pub xclient_hosts: Vec<IpNet>,
    /// Who may say XFORWARD.
    pub xforward_hosts: Vec<IpNet>,
    /// Who begins its connections with a PROXY header. Nobody else's is taken, and nothing else is
    /// taken from these.
    pub proxy_hosts: Vec<IpNet>,

    /// What STARTTLS uses; without it STARTTLS is not offered.
    pub tls: Option<TlsServer>,
    /// Whether mail is taken over TLS only. Without `tls` none is taken then.
    pub require_tls: bool,
    /// What becomes of CR and LF outside a CRLF, in commands and in messages.
    pub bare_line_ends: BareLineEnds,

    /// Open connections, all together; one more gets a 421.
    pub connections: usize,
    /// Open connections of one IPv4 address or one IPv6 /64; one more gets a 421.
    pub connections_per_client: usize,
    /// Commands that bring no mail closer (NOOP, RSET, VRFY, EHLO …) since the last message; one more gets
    /// a 421 and the connection is closed.
    pub idle_commands: usize,
    /// Refusals for good (5yz) since the last message; one more is a 421 and the connection is closed.
    pub errors: usize,
    /// Recipients of a message; one more gets a 452. A client that tries twice as many gets a 421.
    pub recipients: usize,
    /// A command line in bytes, with its line end. RFC 5321 (4.5.3.1.4) asks for 512 and more with each
    /// extension; Postfix takes 2048.
    pub command_line_bytes: usize,
    /// A message in bytes, as SIZE counts it.
    pub message_bytes: u64,
    /// A line of a message in bytes, without its line end. RFC 5321 (4.5.3.1.6) allows 998, and few clients
    /// keep to it.
    pub line_bytes: usize,
    /// `Received` fields of a message. More mean that the message goes round in circles (RFC 5321, 6.3).
    pub hops: usize,

    /// How long a command may take to come, from the reply before it to its line end.
    pub command_timeout: Duration,
    /// The same while more than 80 % of `connections` are open.
    pub stress_timeout: Duration,
    /// How long a client that is not trusted is watched before it is greeted; one that talks meanwhile does
    /// not speak SMTP.
    pub greet_wait: Duration,
    /// How long a message may take to come in.
    pub data_timeout: Duration,
    /// How fast a message must come in, in bytes per second, averaged over 30 s.
    pub min_data_rate: u64,
    /// When a command is answered with 451 though the service still works on it. It must stay below the
    /// patience of clients: 600 s for the end of a message (RFC 5321, 4.5.3.2.6), 100 s for
    /// Postfix as a proxy's client (`smtpd_proxy_timeout`).
    pub message_deadline: Duration,
    /// How long writing to the client may take.
    pub write_timeout: Duration,
    /// How long running transactions may go on after a shutdown was asked for.
    pub drain_timeout: Duration,
    /// How long a connection may last.
    pub session_timeout: Duration,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            hostname: "localhost".to_owned(),
            spill_bytes: 512 * 1024,
            spill_directory: std::env::temp_dir(),
            clients: loopback(),
            trusted: loopback(),
            xclient_hosts: Vec::new(),
            xforward_hosts: Vec::new(),
            proxy_hosts: Vec::new(),
            tls: None,
            require_tls: false,
            bare_line_ends: BareLineEnds::Refuse,
            connections: 500,
            connections_per_client: 50,
            idle_commands: 100,
            errors: 20,
            recipients: 1000,
            command_line_bytes: 2048,
            message_bytes: 50 << 20,
            line_bytes: 1 << 20,
            hops: 50,
            command_timeout: Duration::from_secs(300),
            stress_timeout: Duration::from_secs(10),
            greet_wait: Duration::from_secs(1),
            data_timeout: Duration::from_secs(600),
            min_data_rate: 500,
            message_deadline: Duration::from_secs(100),
            write_timeout: Duration::from_secs(60),
            drain_timeout: Duration::from_secs(60),
            session_timeout: Duration::from_secs(3600),
        }
    }
}

/// 127.0.0.0/8 and `::1`.
fn loopback() -> Vec<IpNet> {
    [
        IpNet::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8),
        IpNet::new(IpAddr::V6(Ipv6Addr::LOCALHOST), 128),
    ]
    .into_iter()
    .flatten()
    .map(|net| net.trunc())
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_but_this_machine_is_a_client_by_default_and_nobody_may_speak_for_others() {
        let options = ServerOptions::default();
        for list in [&options.clients, &options.trusted] {
            let shown: Vec<String> = list.iter().map(ToString::to_string).collect();
            assert_eq!(shown, ["127.0.0.0/8", "::1/128"]);
        }
        assert!(options.xclient_hosts.is_empty());
        assert!(options.xforward_hosts.is_empty());
        assert!(options.proxy_hosts.is_empty());
    }
}
