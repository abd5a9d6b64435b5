//! Addresses: where to listen, and where to connect to.

use serde::{Serialize, Serializer};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

/// Bytes of a unix socket's path that the kernel takes (`sun_path` without its NUL).
const MAX_SOCKET_PATH: usize = 107;

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Listen {
    /// `127.0.0.1:8891`, `[::1]:8891`.
    Tcp(SocketAddr),
    /// `unix:/run/postern/milter.sock`.
    Unix(PathBuf),
}

/// Where to connect to: a name or an address, and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostPort {
    /// A host name, an IPv4 address, or an IPv6 address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            socket_path(path)?;
            return Ok(Listen::Unix(PathBuf::from(path)));
        }
        text.parse().map(Listen::Tcp).map_err(|_| {
            format!(
                "`{text}` is not an address: expected \"127.0.0.1:8891\", \
             \"[::1]:8891\" or \"unix:/path/to/socket\""
            )
        })
    }
}

/// Whether a path can be bound as a unix socket.
pub(super) fn socket_path(path: &str) -> Result<(), String> {
    if path.is_empty() || path.contains('\0') {
        return Err(format!("`{path}` is not the path of a socket"));
    }
    if path.len() > MAX_SOCKET_PATH {
        return Err(format!(
            "the path of a socket is {} bytes long, and the kernel takes {MAX_SOCKET_PATH}",
            path.len()
        ));
    }
    Ok(())
}

impl FromStr for HostPort {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is not an address: expected \"127.0.0.1:25\", \
             \"[::1]:25\" or \"mail.example.org:25\""
            )
        };
        if let Ok(address) = text.parse::<SocketAddr>() {
            let port = Some(address.port()).filter(|p| *p > 0).ok_or_else(wrong)?;
            return Ok(HostPort {
                host: address.ip().to_string(),
                port,
            });
        }
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        // No plus sign, and a name that ends in a number would be read as an address elsewhere.
        let digits = port.bytes().all(|b| b.is_ascii_digit());
        let port = port
            .parse()
            .ok()
            .filter(|p| digits && *p > 0)
            .ok_or_else(wrong)?;
        if !is_host_name(host) {
            return Err(wrong());
        }
        Ok(HostPort {
            host: host.to_owned(),
            port,
        })
    }
}

/// Whether a text is a domain name in its ASCII form: labels of letters, digits, `-` and `_`, each
/// of at most 63 and together of at most 253 octets (RFC 1035, section 2.3.4), the last one not a
/// number.
pub(super) fn is_host_name(text: &str) -> bool {
    let label = |label: &str| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        (1..=63).contains(&label.len())
            && label.bytes().all(plain)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let numeric = |label: &str| label.bytes().all(|b| b.is_ascii_digit());
    text.len() <= 253 && text.split('.').all(label) && !text.rsplit('.').next().is_some_and(numeric)
}

/// Whether a text is a dot-atom (RFC 5322, section 3.2.3) of at most 253 octets: words of letters, digits
/// and some signs, with single dots between them.
pub(super) fn is_dot_atom(text: &str) -> bool {
    let atext = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b);
    let word = |word: &str| !word.is_empty() && word.bytes().all(atext);
    text.len() <= 253 && text.split('.').all(word)
}

/// The machine's host name, as the kernel has it; `localhost` if it has none that could be one.
pub(super) fn own_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if is_dot_atom(name) {
        name.to_owned()
    } else {
        "localhost".to_owned()
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Listen::Tcp(address) => address.fmt(f),
            Listen::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.parse::<IpAddr>() {
            Ok(IpAddr::V6(host)) => write!(f, "[{host}]:{}", self.port),
            _ => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl Serialize for Listen {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl Serialize for HostPort {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_back_as_they_are_written() {
        for text in [
            "127.0.0.1:8891",
            "[::1]:0",
            "unix:/run/postern/milter.sock",
            "unix:var/m",
        ] {
            assert_eq!(text.parse::<Listen>().expect(text).to_string(), text);
        }
        for text in [
            "127.0.0.1:25",
            "[::1]:25",
            "mail.example.org:10026",
            "localhost:25",
        ] {
            assert_eq!(text.parse::<HostPort>().expect(text).to_string(), text);
        }
    }

    #[test]
    fn what_cannot_be_bound_or_reached_is_refused() {
        let long = format!("unix:/{}", "x".repeat(MAX_SOCKET_PATH));
        for text in [
            "",
            "8891",
            "127.0.0.1",
            "localhost:8891",
            "inet:8891@localhost",
            "unix:",
            &long,
        ] {
            assert!(text.parse::<Listen>().is_err(), "{text}");
        }
        for text in [
            "",
            ":25",
            "mail",
            "mail:",
            "mail:0",
            "mail:+25",
            "mail:99999",
            "a b:25",
            "1.2.3:25",
            "::1:25",
        ] {
            assert!(text.parse::<HostPort>().is_err(), "{text}");
        }
    }
}
