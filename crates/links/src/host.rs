//! Hosts: lenient (Safe Browsing) canonicalisation, and the IP forms both readings share.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::Host;

use crate::escape::{escape, unescape};

/// Bytes that would end or split an authority if they stood there unescaped. Safe Browsing does not
/// escape them; we do, so that the canonical form means the same when it is read again.
const AUTHORITY_BYTES: &[u8] = b"/?@:\\[]";

/// Longest name that is looked at as an international one, in bytes. No name in the DNS has more than 253
/// characters, and converting is quadratic.
const MAX_NAME_BYTES: usize = 4 * 253;

/// What a host says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum HostForm {
    Ip(IpAddr),
    Name(String),
}

impl HostForm {
    /// As it stands in a URL: IPv6 in brackets.
    pub(crate) fn into_text(self) -> String {
        match self {
            HostForm::Ip(IpAddr::V6(ip)) => format!("[{ip}]"),
            HostForm::Ip(IpAddr::V4(ip)) => ip.to_string(),
            HostForm::Name(name) => name,
        }
    }
}

/// The browser's reading: percent-decoded, UTS 46, IPv4 in its legacy forms. `None` where the standard says failure.
pub(crate) fn strict(host: &str) -> Option<HostForm> {
    if host.len() > MAX_NAME_BYTES {
        return None;
    }
    Some(match Host::parse(host).ok()? {
        Host::Domain(name) => {
            let name = tidy_dots(name.as_bytes());
            if name.is_empty() {
                return None;
            }
            HostForm::Name(String::from_utf8(name).ok()?)
        }
        Host::Ipv4(ip) => HostForm::Ip(ip.into()),
        Host::Ipv6(ip) => HostForm::Ip(embedded_ipv4(ip)),
    })
}

/// The block list's reading: anything that is not empty is a host.
pub(crate) fn lenient(host: &[u8]) -> Option<HostForm> {
    let mut host = unescape(host);
    if !host.is_ascii()
        && host.len() <= MAX_NAME_BYTES
        && let Ok(text) = std::str::from_utf8(&host)
        && let Ok(Host::Domain(name)) = Host::parse(text)
    {
        host = name.into_bytes();
    }
    let mut host = tidy_dots(&host);
    host.make_ascii_lowercase();
    if host.is_empty() {
        return None;
    }
    if let Some(ip) = bracketed(&host) {
        return Some(HostForm::Ip(embedded_ipv4(ip)));
    }
    if let Some(ip) = ipv4(before_blank(&host)) {
        return Some(HostForm::Ip(ip.into()));
    }
    Some(HostForm::Name(escape(&host, AUTHORITY_BYTES)))
}

/// An IPv4 address in any notation that resolvers accept: one to four numbers, decimal, octal or hex,
/// the last of which fills the bytes that are left. Too large values are cut, not refused.
pub(crate) fn ipv4(host: &[u8]) -> Option<Ipv4Addr> {
    let parts: Vec<u32> = host
        .split(|&byte| byte == b'.')
        .take(5)
        .map(number)
        .collect::<Option<_>>()?;
    let (last, leading) = parts.split_last()?;
    let rest_bits = 8 * (4 - u32::try_from(leading.len()).ok().filter(|&n| n <= 3)?);
    let mut address = if rest_bits == 32 {
        *last
    } else {
        last & ((1 << rest_bits) - 1)
    };
    for (index, part) in (0u32..).zip(leading) {
        address |= (part & 0xff) << (24 - 8 * index);
    }
    Some(address.into())
}

/// IPv4 inside IPv6 (mapped, or NAT64) is that IPv4 address: it is where the connection goes.
fn embedded_ipv4(ip: Ipv6Addr) -> IpAddr {
    match (ip.to_ipv4_mapped(), ip.segments()) {
        (Some(v4), _) => v4.into(),
        (None, [0x64, 0xff9b, 0, 0, 0, 0, high, low]) => {
            Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)).into()
        }
        _ => ip.into(),
    }
}

fn bracketed(host: &[u8]) -> Option<Ipv6Addr> {
    let inner = host.strip_prefix(b"[")?.strip_suffix(b"]")?;
    std::str::from_utf8(inner).ok()?.parse().ok()
}

/// Leading and trailing dots go, runs become one.
fn tidy_dots(host: &[u8]) -> Vec<u8> {
    let labels = host
        .split(|&byte| byte == b'.')
        .filter(|label| !label.is_empty());
    labels.collect::<Vec<_>>().join(&b'.')
}

/// `10.192.95.89 xy` is that address: a quirk of old resolvers, which read 15 bytes at most.
fn before_blank(host: &[u8]) -> &[u8] {
    const LONGEST_DOTTED_QUAD: usize = 15;
    match host.iter().position(|&byte| byte == b' ') {
        Some(blank) if host.len() <= LONGEST_DOTTED_QUAD => host.get(..blank).unwrap_or(host),
        _ => host,
    }
}

/// Modulo 2^32, because that is all that any part can keep.
fn number(part: &[u8]) -> Option<u32> {
    let (digits, radix) = match part {
        [b'0', b'x' | b'X', digits @ ..] => (digits, 16),
        [b'0', digits @ ..] if !digits.is_empty() => (digits, 8),
        digits => (digits, 10),
    };
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u32, |value, &byte| {
        Some(
            value
                .wrapping_mul(radix)
                .wrapping_add(char::from(byte).to_digit(radix)?),
        )
    })
}

/// Not reachable from the public internet.
pub(crate) fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            ip.is_private()
                || ip.is_loopback()
                || ip.is_link_local()
                || ip.is_unspecified()
                || ip.is_broadcast()
                || matches!(ip.octets(), [100, second, ..] if second & 0xc0 == 64)
        }
        IpAddr::V6(ip) => {
            ip.is_loopback()
                || ip.is_unspecified()
                || ip.is_unique_local()
                || ip.is_unicast_link_local()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv4_is_read_in_every_notation() {
        for (input, expected) in [
            ("1.2.3.4", Some([1, 2, 3, 4])),
            ("0x7f.1", Some([127, 0, 0, 1])),
            ("017700000001", Some([127, 0, 0, 1])),
            ("276.2.3", Some([20, 2, 0, 3])),
            ("4294967296", Some([0, 0, 0, 0])),
            ("99999999999999999999999999", Some([227, 255, 255, 255])),
            ("1.2.3.4.5", None),
            ("1.2.3.08", None),
            ("1..2", None),
            ("0x", None),
            ("", None),
            ("a", None),
        ] {
            assert_eq!(
                ipv4(input.as_bytes()),
                expected.map(Ipv4Addr::from),
                "{input}"
            );
        }
    }

    #[test]
    fn carrier_grade_nat_and_loopback_are_private() {
        for (ip, private) in [
            ("100.64.0.1", true),
            ("100.128.0.1", false),
            ("127.0.0.1", true),
            ("8.8.8.8", false),
        ] {
            assert_eq!(is_private(ip.parse().unwrap()), private, "{ip}");
        }
    }
}
