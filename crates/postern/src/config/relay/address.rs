//! Who may connect, whom mail may go to, and where it goes on.

use crate::config::address::{HostPort, is_host_name, socket_path};
use ipnet::IpNet;
use serde::{Serialize, Serializer};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::str::FromStr;

/// Addresses of clients: `192.0.2.0/24`, `2001:db8::/32`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Network(pub(crate) IpNet);

/// To whom mail may go: `*`, `example.org`, or `.example.org` for its sub-domains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RelayDomain(String);

/// Where mail goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NextHopAddress {
    /// `smtp:127.0.0.1:10026`, `lmtp:unix:/run/lmtp`.
    Server { protocol: Protocol, host: Host },
    /// `maildir:var/maildir`.
    Maildir(PathBuf),
}

/// What is spoken with the next hop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// RFC 5321.
    Smtp,
    /// RFC 2033.
    Lmtp,
}

/// How the next hop is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Host {
    /// `127.0.0.1:10026`.
    Tcp(HostPort),
    /// `unix:/path`.
    Unix(PathBuf),
}

impl Network {
    /// This machine.
    pub(super) fn loopback() -> Vec<Network> {
        vec![
            Network(IpNet::new_assert(Ipv4Addr::new(127, 0, 0, 0).into(), 8)),
            Network(IpNet::new_assert(Ipv6Addr::LOCALHOST.into(), 128)),
        ]
    }

    /// Everybody.
    pub(super) fn everywhere() -> Vec<Network> {
        vec![
            Network(IpNet::new_assert(Ipv4Addr::UNSPECIFIED.into(), 0)),
            Network(IpNet::new_assert(Ipv6Addr::UNSPECIFIED.into(), 0)),
        ]
    }
}

impl RelayDomain {
    /// As it is written.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Network(address.into()));
        }
        let network = text.parse::<IpNet>().map_err(|_| {
            format!(
                "`{text}` is not a network: expected \"192.0.2.0/24\", \"2001:db8::/32\" or one \
                 address"
            )
        })?;
        if network.trunc() != network {
            return Err(format!(
                "`{text}` has bits beyond its prefix: \"{}\" was probably meant",
                network.trunc()
            ));
        }
        Ok(Network(network))
    }
}

impl FromStr for RelayDomain {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let name = text.trim_end_matches('.').to_ascii_lowercase();
        let plain = name.strip_prefix('.').unwrap_or(&name);
        if name == "*" || (plain.is_ascii() && is_host_name(plain)) {
            return Ok(RelayDomain(name));
        }
        Err(format!(
            "`{text}` is not a domain: expected \"example.org\", \".example.org\" for its \
             sub-domains, or \"*\" for all; a name of another script in its xn-- form"
        ))
    }
}

impl FromStr for NextHopAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is not a next hop: expected \"smtp:127.0.0.1:10026\", \
                 \"smtp:unix:/path/to/socket\", the same with lmtp, or \"maildir:/path/to/maildir\""
            )
        };
        let (kind, rest) = text.split_once(':').ok_or_else(wrong)?;
        let protocol = match kind {
            "smtp" => Protocol::Smtp,
            "lmtp" => Protocol::Lmtp,
            "maildir" if !rest.is_empty() && !rest.contains('\0') => {
                return Ok(NextHopAddress::Maildir(PathBuf::from(rest)));
            }
            _ => return Err(wrong()),
        };
        let host = match rest.strip_prefix("unix:") {
            Some(path) => {
                socket_path(path)?;
                Host::Unix(PathBuf::from(path))
            }
            None => Host::Tcp(rest.parse().map_err(|_| wrong())?),
        };
        Ok(NextHopAddress::Server { protocol, host })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let network = &self.0;
        if network.prefix_len() == network.max_prefix_len() {
            network.addr().fmt(f)
        } else {
            network.fmt(f)
        }
    }
}

impl fmt::Display for NextHopAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NextHopAddress::Server { protocol, host } => {
                let protocol = match protocol {
                    Protocol::Smtp => "smtp",
                    Protocol::Lmtp => "lmtp",
                };
                match host {
                    Host::Tcp(address) => write!(f, "{protocol}:{address}"),
                    Host::Unix(path) => write!(f, "{protocol}:unix:{}", path.display()),
                }
            }
            NextHopAddress::Maildir(dir) => write!(f, "maildir:{}", dir.display()),
        }
    }
}

impl Serialize for Network {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl Serialize for RelayDomain {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0)
    }
}

impl Serialize for NextHopAddress {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        for text in ["192.0.2.0/24", "2001:db8::/32", "127.0.0.1", "::1", "::/0"] {
            assert_eq!(text.parse::<Network>().expect(text).to_string(), text);
        }
        for text in [
            "smtp:127.0.0.1:10026",
            "lmtp:[::1]:24",
            "smtp:mail.example.org:25",
            "lmtp:unix:/run/dovecot/lmtp",
            "maildir:var/maildir",
        ] {
            assert_eq!(
                text.parse::<NextHopAddress>().expect(text).to_string(),
                text
            );
        }
        for (text, read) in [
            ("*", "*"),
            (".Example.ORG", ".example.org"),
            ("a.b.", "a.b"),
        ] {
            assert_eq!(text.parse::<RelayDomain>().expect(text).as_str(), read);
        }
    }

    #[test]
    fn what_could_mean_something_else_is_refused() {
        for text in ["", "localhost", "192.0.2.1/24", "10/8", "1.2.3.4/33", "*"] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
        for text in ["", ".", "**", "*.example.org", "@a.b", "a b", "..a"] {
            assert!(text.parse::<RelayDomain>().is_err(), "{text}");
        }
        for text in [
            "",
            "127.0.0.1:25",
            "smtp:",
            "smtp:127.0.0.1",
            "smtps:127.0.0.1:465",
            "lmtp:unix:",
            "maildir:",
            "SMTP:127.0.0.1:25",
        ] {
            assert!(text.parse::<NextHopAddress>().is_err(), "{text}");
        }
    }
}
