//! What XCLIENT and XFORWARD say of a client (Postfix, XCLIENT_README and XFORWARD_README).

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::replies;
use super::xtext;
use crate::reply::Reply;
use crate::service::{Forwarded, Peer};

/// Attributes of XCLIENT as EHLO lists them, in Postfix's order.
pub(super) const XCLIENT: &str =
    "XCLIENT NAME ADDR PROTO HELO REVERSE_NAME PORT LOGIN DESTADDR DESTPORT";
/// Attributes of XFORWARD as EHLO lists them, in Postfix's order.
pub(super) const XFORWARD: &str = "XFORWARD NAME ADDR PROTO HELO SOURCE PORT IDENT";

/// Longest value in bytes, decoded.
const MAX_VALUE: usize = 255;

/// Puts what XCLIENT says in the place of what is known of the client. What it does not say stays, except for
/// what the client itself has said.
///
/// A client without an address is not one of this machine: it becomes 0.0.0.0, which is in no list but one that has
/// everybody.
///
/// # Errors
/// The reply to what is no attribute; `peer` is then half changed.
pub(super) fn xclient(text: &str, peer: &mut Peer) -> Result<(), Reply> {
    let (mut address, mut port) = (
        peer.address.map(|old| old.ip()),
        peer.address.map(|old| old.port()),
    );
    each(text, |name, value| {
        match name {
            "ADDR" => {
                let said = value.map(|value| ip(&value).ok_or(())).transpose()?;
                address = Some(said.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)));
            }
            "PORT" => port = number(value)?,
            "NAME" => peer.name = value,
            "HELO" => peer.helo = value,
            "LOGIN" => peer.login = value,
            "PROTO" => peer.esmtp = protocol(value.as_deref())?,
            // What is known of our own end, and what a name server says of theirs, is of no use to anybody here.
            "DESTADDR" => drop(value.map(|value| ip(&value).ok_or(())).transpose()?),
            "DESTPORT" => drop(number(value)?),
            "REVERSE_NAME" => {}
            _ => return Err(()),
        }
        Ok(())
    })?;
    peer.address = address.map(|address| SocketAddr::new(address, port.unwrap_or_default()));
    Ok(())
}

/// Adds what XFORWARD says to what it has said before.
///
/// # Errors
/// The reply to what is no attribute; `forwarded` is then half changed.
pub(super) fn xforward(text: &str, forwarded: &mut Forwarded) -> Result<(), Reply> {
    each(text, |name, value| {
        match name {
            "NAME" => forwarded.name = value,
            "ADDR" => {
                forwarded.address = value
                    .map(|value| ip(&value).map(|ip| ip.to_string()).ok_or(()))
                    .transpose()?;
            }
            "PORT" => forwarded.port = number(value)?,
            "PROTO" => forwarded.protocol = value,
            "HELO" => forwarded.helo = value,
            "IDENT" => forwarded.ident = value,
            "SOURCE" => match value.as_deref() {
                None | Some("LOCAL" | "REMOTE") => forwarded.source = value,
                Some(_) => return Err(()),
            },
            _ => return Err(()),
        }
        Ok(())
    })
}

/// Calls `set` with the name in upper case and the value of each attribute; none stands for `[UNAVAILABLE]` and
/// `[TEMPUNAVAIL]`.
fn each(
    text: &str,
    mut set: impl FnMut(&str, Option<String>) -> Result<(), ()>,
) -> Result<(), Reply> {
    let mut words = text.split(' ').filter(|word| !word.is_empty()).peekable();
    if words.peek().is_none() {
        return Err(replies::syntax("Syntax: attribute=value..."));
    }
    for word in words {
        word.split_once('=')
            .and_then(|(name, value)| Some((name, self::value(value)?)))
            .and_then(|(name, value)| set(&name.to_ascii_uppercase(), value).ok())
            .ok_or_else(|| replies::syntax("Bad attribute"))?;
    }
    Ok(())
}

/// Decoded, printable, and not too long; `Some(None)` if it is unavailable.
#[expect(
    clippy::option_option,
    reason = "malformed is not the same as unavailable"
)]
fn value(text: &str) -> Option<Option<String>> {
    if ["[UNAVAILABLE]", "[TEMPUNAVAIL]"]
        .iter()
        .any(|none| text.eq_ignore_ascii_case(none))
    {
        return Some(None);
    }
    let value = String::from_utf8(xtext::decode(text)?).ok()?;
    let legal = (1..=MAX_VALUE).contains(&value.len()) && !value.chars().any(char::is_control);
    legal.then_some(Some(value))
}

/// An address; an IPv6 one has a prefix (RFC 5321, 4.1.3). An IPv4 one is one even when it is written as IPv6.
fn ip(text: &str) -> Option<IpAddr> {
    let ip: IpAddr = match text.split_at_checked("IPV6:".len()) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case("IPV6:") => {
            IpAddr::V6(rest.parse().ok()?)
        }
        _ => text.parse().ok()?,
    };
    Some(ip.to_canonical())
}

fn number(value: Option<String>) -> Result<Option<u16>, ()> {
    value.map(|value| value.parse().map_err(drop)).transpose()
}

/// Whether it is ESMTP.
fn protocol(value: Option<&str>) -> Result<bool, ()> {
    match value {
        None => Ok(false),
        Some(value) if value.eq_ignore_ascii_case("SMTP") => Ok(false),
        Some(value) if value.eq_ignore_ascii_case("ESMTP") => Ok(true),
        Some(_) => Err(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xclient_puts_another_client_in_the_place_of_this_one() {
        let mut peer = Peer {
            address: Some("127.0.0.1:4321".parse().unwrap()),
            ..Peer::default()
        };
        xclient(
            "NAME=spike.example ADDR=168.100.189.2 PORT=25 PROTO=ESMTP",
            &mut peer,
        )
        .unwrap();
        xclient(
            "login=a+40b helo=[UNAVAILABLE] DESTADDR=IPv6:::1 DESTPORT=25 REVERSE_NAME=x",
            &mut peer,
        )
        .unwrap();
        assert_eq!(peer.address.unwrap().to_string(), "168.100.189.2:25");
        assert_eq!(
            (peer.name.as_deref(), peer.login.as_deref()),
            (Some("spike.example"), Some("a@b"))
        );
        assert!(peer.esmtp && peer.helo.is_none());
        xclient(
            "NAME=[TEMPUNAVAIL] ADDR=IPV6:2001:db8::1 PORT=[UNAVAILABLE]",
            &mut peer,
        )
        .unwrap();
        assert_eq!(
            (peer.name.as_deref(), peer.address.unwrap().to_string()),
            (None, "[2001:db8::1]:0".to_owned())
        );
        xclient("ADDR=IPV6:::ffff:192.0.2.1", &mut peer).unwrap();
        assert_eq!(peer.address.unwrap().to_string(), "192.0.2.1:0");
        xclient("ADDR=[UNAVAILABLE]", &mut peer).unwrap();
        assert_eq!(
            peer.address.unwrap().to_string(),
            "0.0.0.0:0",
            "which is not this machine"
        );
    }

    #[test]
    fn a_client_on_a_unix_socket_stays_one_until_it_has_an_address() {
        let mut peer = Peer::default();
        xclient("NAME=a PORT=1", &mut peer).unwrap();
        assert_eq!(peer.address, None);
        xclient("ADDR=192.0.2.1", &mut peer).unwrap();
        assert_eq!(peer.address.unwrap().to_string(), "192.0.2.1:0");
    }

    #[test]
    fn xforward_is_collected() {
        let mut forwarded = Forwarded::default();
        xforward(
            "NAME=a.example ADDR=IPV6:2001:db8::1 PORT=1 PROTO=ESMTP",
            &mut forwarded,
        )
        .unwrap();
        xforward("HELO=b+20c SOURCE=REMOTE IDENT=4ZkQ1y", &mut forwarded).unwrap();
        let expected = Forwarded {
            name: Some("a.example".into()),
            address: Some("2001:db8::1".into()),
            port: Some(1),
            protocol: Some("ESMTP".into()),
            helo: Some("b c".into()),
            ident: Some("4ZkQ1y".into()),
            source: Some("REMOTE".into()),
        };
        assert_eq!(forwarded, expected);
        xforward("NAME=[UNAVAILABLE]", &mut forwarded).unwrap();
        assert_eq!(forwarded.name, None);
    }

    #[test]
    fn what_is_no_attribute_is_refused() {
        let long = format!("NAME={}", "a".repeat(256));
        for text in [
            "",
            "NAME",
            "NAME=",
            "=a",
            "FOO=a",
            "ADDR=1.2.3",
            "ADDR=IPV6:1.2.3.4",
            "PORT=65536",
            "PORT=-1",
            "NAME=+0A",
            "NAME=a+C2+85",
            "NAME=+FF",
            "NAME=a=b",
            "NAME=a NAME",
            &long,
        ] {
            assert_eq!(
                xclient(text, &mut Peer::default()).unwrap_err().code,
                501,
                "{text}"
            );
            assert_eq!(
                xforward(text, &mut Forwarded::default()).unwrap_err().code,
                501,
                "{text}"
            );
        }
        assert!(xclient("PROTO=LMTP", &mut Peer::default()).is_err());
        assert!(xforward("SOURCE=MARS", &mut Forwarded::default()).is_err());
        assert!(xforward("LOGIN=a", &mut Forwarded::default()).is_err());
    }
}
