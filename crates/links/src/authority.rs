//! The part of a URL that names a host, and how it can be dressed up.

use std::net::IpAddr;

use url::quirks;

use crate::canonical::assemble;
use crate::escape::unescape;
use crate::flag::{Flag, Flags};
use crate::host::{self, HostForm};
use crate::lookup::host_of;

/// `user:password@host:port`, as browsers split it.
pub(crate) fn read_authority(
    authority: &str,
    scheme: &str,
    flags: &mut Flags,
) -> Option<(HostForm, Option<u16>)> {
    let host_port = match authority.rsplit_once('@') {
        Some((user, host_port)) => {
            flags.set(Flag::HasUser);
            flags.set(Flag::Obscured);
            flags.set_if(user.contains('@'), Flag::MultiAt);
            host_port
        }
        None => authority,
    };
    let host_end = if host_port.starts_with('[') {
        host_port.find(']').map(|end| end + 1)
    } else {
        host_port.rfind(':')
    };
    let (written, port) = host_port.split_at_checked(host_end.unwrap_or(host_port.len()))?;
    let port = match port.strip_prefix(':') {
        None | Some("") => None,
        Some(digits) => {
            let port = digits
                .parse::<u16>()
                .ok()
                .filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()));
            flags.set_if(port.is_none(), Flag::Malformed);
            port.filter(|&port| Some(port) != default_port(scheme))
        }
    };
    flags.set_if(port.is_some(), Flag::HasPort);
    Some((read_host(written, flags)?, port))
}

fn read_host(written: &str, flags: &mut Flags) -> Option<HostForm> {
    let visible: String = written.chars().filter(|&c| !is_invisible(c)).collect();
    if visible.len() != written.len() {
        flags.set(Flag::Obscured);
        flags.set_if(written.contains(is_zero_width), Flag::ZwSpaces);
        if written.contains(is_direction) {
            flags.set(Flag::Rtl);
            flags.set(Flag::Malformed);
        }
    }
    flags.set_if(visible.contains('%'), Flag::HostEncoded);
    flags.set_if(visible.contains(".."), Flag::Malformed);
    let host = match host::strict(&visible) {
        Some(host) => host,
        None => {
            let host = host::lenient(visible.as_bytes())?;
            flags.set(Flag::Malformed);
            host
        }
    };
    let punycode = matches!(&host, HostForm::Name(name) if name.split('.').any(|label| label.starts_with("xn--")));
    flags.set_if(punycode || !visible.is_ascii(), Flag::Idn);
    let plain = visible.trim_end_matches('.').to_lowercase();
    let same = match &host {
        HostForm::Ip(IpAddr::V6(_)) => true,
        HostForm::Ip(IpAddr::V4(ip)) => plain == ip.to_string(),
        // A name with national letters is not hidden; letters that only look different are.
        HostForm::Name(name) => {
            plain == *name || to_unicode(name).is_some_and(|unicode| unicode == plain)
        }
    };
    flags.set_if(!same, Flag::Obscured);
    Some(host)
}

/// Other parsers end the authority elsewhere: RFC 3986 does not know `\`, and some decode before they split.
pub(crate) fn other_readings(after_slashes: &str, scheme: &str, host: &str) -> Vec<String> {
    let mut readings = Vec::new();
    let mut note = |text: &[u8]| {
        let Some(other) = authority_host(&String::from_utf8_lossy(text)) else {
            return;
        };
        if other != host {
            let reading = assemble(scheme, &other, None, "/", None);
            if !readings.contains(&reading) {
                readings.push(reading);
            }
        }
    };
    let authority_end = after_slashes
        .find(['/', '?', '#'])
        .unwrap_or(after_slashes.len());
    let authority = after_slashes.get(..authority_end).unwrap_or(after_slashes);
    if authority.contains('\\') {
        note(authority.as_bytes());
    }
    if authority.contains('%') {
        note(&unescape(authority.as_bytes()));
    }
    readings
}

/// The host of what follows `//`, leniently.
pub(crate) fn authority_host(text: &str) -> Option<String> {
    let end = text.find(['/', '?', '#']).unwrap_or(text.len());
    let authority = text.get(..end)?;
    let host: String = std::str::from_utf8(host_of(authority.as_bytes()))
        .ok()?
        .chars()
        .filter(|&c| !is_invisible(c))
        .collect();
    host::strict(&host)
        .or_else(|| host::lenient(host.as_bytes()))
        .map(HostForm::into_text)
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        "ftp" => Some(21),
        _ => None,
    }
}

pub(crate) fn to_unicode(host: &str) -> Option<String> {
    host.contains("xn--")
        .then(|| quirks::domain_to_unicode(host))
        .filter(|unicode| !unicode.is_empty() && unicode != host)
}

/// Whether one label has letters of the Latin alphabet and of one that is easily taken for it.
pub(crate) fn mixes_scripts(unicode_host: &str) -> bool {
    unicode_host.split('.').any(|label| {
        let latin = label.chars().any(|c| c.is_ascii_alphabetic() || matches!(c, '\u{c0}'..='\u{24f}'));
        let other = label.chars().any(|c| {
            matches!(c, '\u{370}'..='\u{3ff}' | '\u{400}'..='\u{52f}' | '\u{530}'..='\u{58f}' | '\u{10a0}'..='\u{10ff}' | '\u{13a0}'..='\u{13ff}')
        });
        latin && other
    })
}

fn is_zero_width(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2064}' | '\u{feff}' | '\u{180e}')
}

fn is_direction(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn is_invisible(c: char) -> bool {
    is_zero_width(c) || is_direction(c) || c == '\u{ad}'
}
