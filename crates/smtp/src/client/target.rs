//! Where a session goes to, how it introduces itself and how long it waits.

use std::fmt;
use std::net::Ipv6Addr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

use crate::reply::printable;
use crate::tls::TlsClient;

/// Longest host name or HELO name in bytes: a domain name has at most 255 (RFC 5321, 4.5.3.1.2).
const MAX_NAME: usize = 255;

/// Longest path of a unix socket in bytes: `sun_path` has 108, of which one ends it.
const MAX_SOCKET_PATH: usize = 107;

/// A server, and how to talk to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    place: Place,
    helo: String,
    protocol: Protocol,
    tls: TlsClient,
    /// How long each step may take.
    pub timeouts: Timeouts,
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// On TCP. The host is a name or an IP address without brackets, the port is never 0.
    Tcp { host: String, port: u16 },
    /// On this path.
    Unix(PathBuf),
}

/// What a server speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// RFC 5321: one reply to a message, for all of its recipients.
    #[default]
    Smtp,
    /// RFC 2033: a reply to a message for each of its recipients.
    Lmtp,
}

impl Target {
    /// An SMTP server at `address`, written `host:port`, `192.0.2.1:port` or `[2001:db8::1]:port`, to which
    /// we say `EHLO helo`; with the default [`Timeouts`] and without TLS.
    ///
    /// # Errors
    ///
    /// [`TargetError`] when the address is none of these or the name could not stand in an EHLO command.
    pub fn new(address: &str, helo: &str) -> Result<Self, TargetError> {
        let (host, port) = split_address(address)
            .ok_or_else(|| TargetError::Address(printable(address.as_bytes())))?;
        let host = host.to_owned();
        Self::at(Place::Tcp { host, port }, helo)
    }

    /// The same for a server that listens on a unix socket, whose path is absolute.
    ///
    /// # Errors
    ///
    /// [`TargetError`] when the path is relative or too long for a socket, or the name could not stand in an EHLO command.
    pub fn unix(path: impl Into<PathBuf>, helo: &str) -> Result<Self, TargetError> {
        let path = path.into();
        let bytes = path.as_os_str().as_bytes();
        if !path.is_absolute() || bytes.len() > MAX_SOCKET_PATH || bytes.contains(&0) {
            return Err(TargetError::Path(printable(bytes)));
        }
        Self::at(Place::Unix(path), helo)
    }

    /// The same server, which speaks `protocol`.
    #[must_use]
    pub fn with_protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// The same server with other timeouts.
    #[must_use]
    pub fn with_timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// The same server, to be spoken to in TLS as far as `tls` says.
    #[must_use]
    pub fn with_tls(mut self, tls: TlsClient) -> Self {
        self.tls = tls;
        self
    }

    /// The name given in EHLO.
    #[must_use]
    pub fn helo(&self) -> &str {
        &self.helo
    }

    /// What the server speaks.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// How TLS is used.
    #[must_use]
    pub fn tls(&self) -> &TlsClient {
        &self.tls
    }

    /// Host name or address, without brackets; none on a unix socket.
    pub(crate) fn host(&self) -> Option<&str> {
        match &self.place {
            Place::Tcp { host, .. } => Some(host),
            Place::Unix(_) => None,
        }
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    fn at(place: Place, helo: &str) -> Result<Self, TargetError> {
        if !is_helo_name(helo) {
            return Err(TargetError::Helo(printable(helo.as_bytes())));
        }
        Ok(Self {
            place,
            helo: helo.to_owned(),
            protocol: Protocol::default(),
            tls: TlsClient::default(),
            timeouts: Timeouts::default(),
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Place::Tcp { host, port } => write!(f, "{host}:{port}"),
            Place::Unix(path) => write!(f, "unix:{}", printable(path.as_os_str().as_bytes())),
        }
    }
}

/// How long a session waits. A step that takes longer is [`crate::Error::Timeout`].
///
/// RFC 5321 (4.5.3.2) asks for 5 minutes at most steps, with a distant and busy server in mind. The
/// next hop here is a neighbour and somebody waits for the result, so the short steps are shorter.
/// The two limits around the message are the RFC's: cutting the last one short is what duplicates mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Resolving the host name, and connecting to each of its addresses. Default 10 s.
    pub connect: Duration,
    /// The greeting, and each command up to and including DATA. Default 30 s.
    pub command: Duration,
    /// Sending one block (64 KiB) of the message. Default 180 s.
    pub block: Duration,
    /// The reply to the final dot. Default 600 s.
    pub data_done: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            command: Duration::from_secs(30),
            block: Duration::from_secs(180),
            data_done: Duration::from_secs(600),
        }
    }
}

/// A server address or name that cannot be used. For whoever reads the configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Not `host:port`.
    #[error("{0}: not a server address (expected host:port, 192.0.2.1:port or [2001:db8::1]:port)")]
    Address(String),
    /// Not a domain name or address literal.
    #[error(
        "{0}: not a name to say in EHLO (expected a domain name or an address literal such as [192.0.2.1])"
    )]
    Helo(String),
    /// Not the path of a unix socket.
    #[error("{0}: not the path of a unix socket (expected an absolute path of at most 107 bytes)")]
    Path(String),
}

fn split_address(address: &str) -> Option<(&str, u16)> {
    let (host, port) = address.rsplit_once(':')?;
    if !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let port = port.parse().ok().filter(|&port| port != 0)?;
    match host.strip_prefix('[') {
        Some(bracketed) => {
            let host = bracketed.strip_suffix(']')?;
            host.parse::<Ipv6Addr>().ok()?;
            Some((host, port))
        }
        None => is_domain(host).then_some((host, port)),
    }
}

fn is_helo_name(name: &str) -> bool {
    match name
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        Some(literal) => {
            let fits = (1..=MAX_NAME).contains(&literal.len());
            fits && literal
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b':' | b'-'))
        }
        None => is_domain(name),
    }
}

/// Letters, digits, `.`, `-` and `_`: wider than the RFC (an underscore is common in container host
/// names), and nothing that could end a command.
fn is_domain(name: &str) -> bool {
    let fits = (1..=MAX_NAME).contains(&name.len());
    fits && name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_host_and_port() {
        for address in [
            "127.0.0.1:25",
            "[::1]:10025",
            "mx.example:25",
            "post_fix:2525",
        ] {
            assert_eq!(
                Target::new(address, "filter.example").unwrap().to_string(),
                address
            );
        }
        let bad = [
            "",
            ":25",
            "mx.example",
            "mx.example:",
            "mx.example:0",
            "mx.example:70000",
            "mx.example:+25",
            "::1:25",
            "[::1]",
            "[mx]:25",
        ];
        for address in bad.into_iter().chain([
            "mx example:25",
            "mx\r\nexample:25",
            "a@b:25",
            "unix:/run/smtp",
        ]) {
            assert!(
                matches!(
                    Target::new(address, "filter.example"),
                    Err(TargetError::Address(_))
                ),
                "{address}"
            );
        }
    }

    #[test]
    fn a_helo_name_cannot_carry_a_second_command() {
        for helo in [
            "localhost",
            "filter.example",
            "[192.0.2.1]",
            "[IPv6:2001:db8::1]",
        ] {
            assert_eq!(Target::new("mx:25", helo).unwrap().helo(), helo);
        }
        for helo in [
            "",
            "[]",
            "a b",
            "a\r\nMAIL FROM:<x>",
            "a\n",
            "a\0",
            "[a b]",
            "é.example",
        ] {
            assert!(
                matches!(Target::new("mx:25", helo), Err(TargetError::Helo(_))),
                "{helo}"
            );
        }
    }

    #[test]
    fn a_unix_socket_has_an_absolute_path_that_fits() {
        let longest = format!("/{}", "x".repeat(106));
        for path in ["/run/smtp", longest.as_str()] {
            let target = Target::unix(path, "filter.example").unwrap();
            assert_eq!(target.to_string(), format!("unix:{path}"));
        }
        for path in ["", "run/smtp", "/a\0b", &format!("{longest}x")] {
            assert!(
                matches!(Target::unix(path, "a"), Err(TargetError::Path(_))),
                "{path}"
            );
        }
    }

    #[test]
    fn an_error_about_the_address_is_printable() {
        let error = Target::new("m\x1b[31m:25", "a").unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("m\\x1b[31m:25: not a server address"),
            "{error}"
        );
    }
}
