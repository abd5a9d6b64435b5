//! Where a session goes to, how it introduces itself and how long it waits.

use std::fmt;
use std::net::Ipv6Addr;
use std::time::Duration;

use crate::reply::printable;

/// Longest host name or HELO name in bytes: a domain name has at most 255 (RFC 5321, 4.5.3.1.2).
const MAX_NAME: usize = 255;

/// An SMTP server, and how to talk to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    host: String,
    port: u16,
    helo: String,
    /// How long each step may take.
    pub timeouts: Timeouts,
}

impl Target {
    /// A server at `address`, written `host:port`, `192.0.2.1:port` or `[2001:db8::1]:port`, to which
    /// we say `EHLO helo`; with the default [`Timeouts`].
    ///
    /// # Errors
    ///
    /// [`TargetError`] when the address is none of these or the name could not stand in an EHLO command.
    pub fn new(address: &str, helo: &str) -> Result<Self, TargetError> {
        let (host, port) = split_address(address)
            .ok_or_else(|| TargetError::Address(printable(address.as_bytes())))?;
        if !is_helo_name(helo) {
            return Err(TargetError::Helo(printable(helo.as_bytes())));
        }
        Ok(Self {
            host: host.to_owned(),
            port,
            helo: helo.to_owned(),
            timeouts: Timeouts::default(),
        })
    }

    /// The same server with other timeouts.
    #[must_use]
    pub fn with_timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// Host name or IP address, without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// TCP port, never 0.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The name given in EHLO.
    #[must_use]
    pub fn helo(&self) -> &str {
        &self.helo
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
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
