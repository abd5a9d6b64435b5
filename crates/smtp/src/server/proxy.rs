//! The PROXY header that a load balancer puts before a connection (HAProxy, proxy-protocol.txt).

use std::net::{IpAddr, SocketAddr};

use bytes::{Buf, BytesMut};
use memchr::memmem;
use ppp::{v1, v2};

/// Longest header of version 1, in bytes, line end included.
const MAX_V1: usize = 107;
/// Longest header of version 2, in bytes. The addresses take at most 232; the rest is what a balancer adds, such as
/// names and a TLS client's certificate name.
const MAX_V2: usize = 4096;
/// Bytes of a version 2 header up to and including its length.
const V2_START: usize = 16;

/// What a header says of the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proxied {
    /// Where it comes from.
    From(SocketAddr),
    /// Nothing: the balancer itself asks, or the client is not on the internet.
    Unknown,
}

/// What stands where a header must be is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no PROXY header")]
pub(super) struct NoHeader;

/// Takes the header off a buffer; `None` if more bytes are needed. It never needs more than 4 KiB.
pub(super) fn take(buffer: &mut BytesMut) -> Result<Option<Proxied>, NoHeader> {
    let Some(length) = length(buffer)? else {
        return Ok(None);
    };
    // Only whole headers are parsed: what `ppp` says of parts of them is not always right.
    let header = buffer.get(..length).ok_or(NoHeader)?;
    let proxied = if header.starts_with(v2::PROTOCOL_PREFIX) {
        from_v2(&v2::Header::try_from(header).map_err(|_| NoHeader)?)
    } else if header.starts_with(b"PROXY UNKNOWN ") || header == b"PROXY UNKNOWN\r\n" {
        // What follows is to be ignored, whatever it is; `ppp` wants it to look like addresses.
        Proxied::Unknown
    } else {
        from_v1(&v1::Header::try_from(header).map_err(|_| NoHeader)?)
    };
    buffer.advance(length);
    Ok(Some(proxied))
}

/// The length of the header, when all of it is there.
fn length(buffer: &[u8]) -> Result<Option<usize>, NoHeader> {
    let begins = |prefix: &[u8]| buffer.iter().zip(prefix).all(|(a, b)| a == b);
    if begins(v2::PROTOCOL_PREFIX) {
        let Some(&[high, low]) = buffer.get(V2_START - 2..V2_START) else {
            return Ok(None);
        };
        let length = V2_START + usize::from(u16::from_be_bytes([high, low]));
        return match length {
            ..=MAX_V2 => Ok((buffer.len() >= length).then_some(length)),
            _ => Err(NoHeader),
        };
    }
    if !begins(b"PROXY ") {
        return Err(NoHeader);
    }
    let window = buffer.get(..MAX_V1).unwrap_or(buffer);
    match memmem::find(window, b"\r\n") {
        Some(at) => Ok(Some(at + 2)),
        None if window.len() < MAX_V1 => Ok(None),
        None => Err(NoHeader),
    }
}

fn from_v1(header: &v1::Header<'_>) -> Proxied {
    match header.addresses {
        v1::Addresses::Tcp4(ip) => from(ip.source_address.into(), ip.source_port),
        v1::Addresses::Tcp6(ip) => from(ip.source_address.into(), ip.source_port),
        v1::Addresses::Unknown => Proxied::Unknown,
    }
}

fn from_v2(header: &v2::Header<'_>) -> Proxied {
    match (header.command, header.addresses) {
        (v2::Command::Local, _) => Proxied::Unknown,
        (v2::Command::Proxy, v2::Addresses::IPv4(ip)) => {
            from(ip.source_address.into(), ip.source_port)
        }
        (v2::Command::Proxy, v2::Addresses::IPv6(ip)) => {
            from(ip.source_address.into(), ip.source_port)
        }
        (v2::Command::Proxy, v2::Addresses::Unix(_) | v2::Addresses::Unspecified) => {
            Proxied::Unknown
        }
    }
}

fn from(address: IpAddr, port: u16) -> Proxied {
    Proxied::From(SocketAddr::new(address.to_canonical(), port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(bytes: &[u8]) -> Result<Option<(Proxied, Vec<u8>)>, NoHeader> {
        let mut buffer = BytesMut::from(bytes);
        Ok(take(&mut buffer)?.map(|proxied| (proxied, buffer.to_vec())))
    }

    fn v2_header(command: u8, family: u8, payload: &[u8]) -> Vec<u8> {
        let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
        [v2::PROTOCOL_PREFIX, &[command, family], &length, payload].concat()
    }

    fn ipv4() -> Vec<u8> {
        v2_header(
            0x21,
            0x11,
            &[192, 0, 2, 1, 192, 0, 2, 2, 0x30, 0x39, 0, 25, 4, 0, 1, 42],
        )
    }

    fn good() -> Vec<(Vec<u8>, Proxied)> {
        let from = |text: &str| Proxied::From(text.parse().unwrap());
        let ipv6: Vec<u8> = [
            [0x20, 1, 0xd, 0xb8].as_slice(),
            &[0; 11],
            &[1],
            &[0; 16],
            &[0x30, 0x39, 0, 25],
        ]
        .concat();
        vec![
            (
                b"PROXY TCP4 192.0.2.1 192.0.2.2 12345 25\r\n".to_vec(),
                from("192.0.2.1:12345"),
            ),
            (
                b"PROXY TCP6 2001:db8::1 2001:db8::2 12345 25\r\n".to_vec(),
                from("[2001:db8::1]:12345"),
            ),
            (b"PROXY UNKNOWN\r\n".to_vec(), Proxied::Unknown),
            (
                b"PROXY UNKNOWN whatever it says 1 2\r\n".to_vec(),
                Proxied::Unknown,
            ),
            (ipv4(), from("192.0.2.1:12345")),
            (v2_header(0x21, 0x21, &ipv6), from("[2001:db8::1]:12345")),
            (v2_header(0x20, 0x00, b""), Proxied::Unknown),
            (v2_header(0x20, 0x11, &[9; 12]), Proxied::Unknown),
            (v2_header(0x21, 0x31, &[9; 216]), Proxied::Unknown),
            (v2_header(0x21, 0x00, b"abc"), Proxied::Unknown),
        ]
    }

    #[test]
    fn both_versions_are_understood_and_what_follows_is_left() {
        for (header, proxied) in good() {
            let whole = [header.as_slice(), b"EHLO a\r\n"].concat();
            assert_eq!(
                all(&whole),
                Ok(Some((proxied, b"EHLO a\r\n".to_vec()))),
                "{}",
                whole.escape_ascii()
            );
            for end in 0..header.len() {
                assert_eq!(
                    all(&header[..end]),
                    Ok(None),
                    "{}",
                    header[..end].escape_ascii()
                );
            }
        }
    }

    #[test]
    fn what_is_no_header_is_known_for_none_as_soon_as_possible() {
        let too_long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(92));
        let endless = "PROXY ".to_owned() + &"x".repeat(101);
        for bytes in [
            b"EHLO".as_slice(),
            b"PROXX",
            b"\r\n\r\n\0\r\nQUIX",
            b"\x16",
            b"PROXY TCP4 1.2.3.4\r\n",
            b"PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n",
            b"PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n",
            b"PROXY TCP4 ::1 ::1 1 2\r\n",
            b"PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
            b"PROXY \xff\r\n",
            b"PROXY UNIX a b\r\n",
            too_long.as_bytes(),
            endless.as_bytes(),
            &v2_header(0x31, 0x11, &[0; 12]),
            &v2_header(0x22, 0x11, &[0; 12]),
            &v2_header(0x21, 0x41, &[0; 12]),
            &v2_header(0x21, 0x11, &[0; 11]),
            &v2_header(0x21, 0x11, &[0; MAX_V2])[..16],
        ] {
            assert_eq!(all(bytes), Err(NoHeader), "{}", bytes.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn no_bytes_whatever_break_it(bytes in proptest::collection::vec(any::<u8>(), 0..60), which in 0..10usize, at in 0..60usize) {
            let _ = all(&bytes);
            let (mut header, _) = good().swap_remove(which);
            let at = at % header.len();
            header.splice(at..at + 1, bytes);
            let _ = all(&header);
        }
    }
}
