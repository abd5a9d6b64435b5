//! `smtpd_milters`: a list of milters, each with settings of its own if it stands in braces.

use super::model::{Postfix, Service};
use crate::config::Listen;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Component, Path, PathBuf};

/// Milters of one list; more than twenty nobody can wait for.
const MAX_MILTERS: usize = 1_000;

/// One milter as Postfix knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Milter {
    /// `inet:127.0.0.1:8891`, `unix:postern/milter.sock`.
    pub address: String,
    /// Settings for this one, without the `milter_` that they have in main.cf: `default_action`.
    pub options: Vec<(String, String)>,
}

impl Milter {
    /// A milter without settings of its own.
    pub(super) fn at(address: String) -> Milter {
        Milter {
            address,
            options: Vec::new(),
        }
    }

    /// One of its own settings; the last one counts.
    pub(super) fn option(&self, name: &str) -> Option<&str> {
        let found = self.options.iter().rfind(|(own, _)| own == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Gives one of its own settings another value.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        for (own, old) in &mut self.options {
            if own == name {
                value.clone_into(old);
            }
        }
    }
}

/// Reads a list; commas and spaces separate, braces hold together.
///
/// # Errors
/// Why Postfix would not take it.
pub(super) fn parse(list: &str) -> Result<Vec<Milter>, String> {
    let words = words(list)?;
    if words.len() > MAX_MILTERS {
        return Err(format!("more than {MAX_MILTERS} milters"));
    }
    words.into_iter().map(milter).collect()
}

/// Writes a list. Without spaces, since `postconf -P` of many versions takes no value that has some.
pub(super) fn write(milters: &[Milter]) -> String {
    let written = milters.iter().map(|milter| {
        let mut words = vec![milter.address.clone()];
        words.extend(milter.options.iter().map(|(name, value)| {
            if value.contains([',', ' ', '\t']) {
                format!("{{{name}={value}}}")
            } else {
                format!("{name}={value}")
            }
        }));
        match words.as_slice() {
            [address] => address.clone(),
            words => format!("{{{}}}", words.join(",")),
        }
    });
    written.collect::<Vec<_>>().join(",")
}

fn milter(word: &str) -> Result<Milter, String> {
    let Some(inside) = braced(word) else {
        return Ok(Milter::at(word.to_owned()));
    };
    let mut inside = words(inside)?.into_iter();
    let address = inside.next().ok_or("braces without an address")?;
    let mut milter = Milter::at(address.to_owned());
    for option in inside {
        let option = braced(option).unwrap_or(option);
        let (name, value) = option
            .split_once('=')
            .ok_or_else(|| format!("`{option}` is no setting of a milter: expected name=value"))?;
        let (name, value) = (name.trim(), value.trim());
        milter.options.push((name.to_owned(), value.to_owned()));
    }
    Ok(milter)
}

fn braced(word: &str) -> Option<&str> {
    word.strip_prefix('{')?.strip_suffix('}').map(str::trim)
}

/// Words between commas and spaces outside of braces.
fn words(text: &str) -> Result<Vec<&str>, String> {
    let (mut words, mut start, mut level) = (Vec::new(), None, 0_usize);
    for (at, c) in text.char_indices() {
        let separates = level == 0 && (c == ',' || c.is_ascii_whitespace());
        match (separates, start) {
            (true, Some(from)) => {
                words.extend(text.get(from..at));
                start = None;
            }
            (true, None) => {}
            (false, from) => start = from.or(Some(at)),
        }
        match c {
            '{' => level += 1,
            '}' => {
                level = level
                    .checked_sub(1)
                    .ok_or("a brace is closed that was not opened")?
            }
            _ => {}
        }
    }
    if level > 0 {
        return Err("a brace is not closed".to_owned());
    }
    words.extend(start.and_then(|from| text.get(from..)));
    Ok(words)
}

/// Whether a service that calls this address reaches that listener.
pub(super) fn reaches(address: &str, service: &Service, postfix: &Postfix, ours: &Listen) -> bool {
    match (Door::of(address), ours) {
        (Some(Door::Inet(host, port)), Listen::Tcp(listen)) => inet_reaches(host, port, *listen),
        (Some(Door::Unix(path)), Listen::Unix(listen)) => {
            let path = on_disk(path, service.chrooted, postfix);
            normal(&path) == normal(listen)
        }
        _ => false,
    }
}

/// Why an address that looks like ours is not; nothing if it does not look so.
pub(super) fn near_miss(
    address: &str,
    service: &Service,
    postfix: &Postfix,
    ours: &Listen,
) -> Option<String> {
    let here = || format!("Postern listens on {ours}");
    match (Door::of(address), ours) {
        (Some(Door::Inet(host, port)), Listen::Tcp(listen)) => {
            let same = port.parse() == Ok(listen.port());
            same.then(|| format!("{address} leads to {host}, and {}", here()))
        }
        (Some(Door::Unix(path)), Listen::Unix(listen)) if service.chrooted => {
            let same = normal(Path::new(path)) == normal(listen);
            same.then(|| {
                format!(
                    "{} is chrooted, so that {address} means {} there",
                    service.id,
                    on_disk(path, true, postfix).display()
                )
            })
        }
        (None, _) => Some(format!(
            "{address} is no address for Postfix: it wants inet:HOST:PORT or unix:PATH"
        )),
        _ => None,
    }
}

/// How a service has to call that listener; nothing if it cannot, because the socket is outside of its
/// root.
pub(super) fn address_for(chrooted: bool, postfix: &Postfix, ours: &Listen) -> Option<String> {
    match ours {
        Listen::Tcp(listen) => {
            let ip = match listen.ip() {
                ip if !ip.is_unspecified() => ip,
                IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
                IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
            };
            Some(format!("inet:{}", SocketAddr::new(ip, listen.port())))
        }
        Listen::Unix(listen) => {
            let (queue, path) = (normal(&postfix.queue_directory()), normal(listen));
            match path.strip_prefix(&queue) {
                Ok(inside) => Some(format!("unix:{}", inside.display())),
                Err(_) if chrooted => None,
                Err(_) => Some(format!("unix:{}", path.display())),
            }
        }
    }
}

/// What an address of Postfix names.
enum Door<'a> {
    Inet(&'a str, &'a str),
    Unix(&'a str),
}

impl<'a> Door<'a> {
    fn of(address: &'a str) -> Option<Door<'a>> {
        let (transport, rest) = address.split_once(':')?;
        match transport {
            "unix" | "local" => Some(Door::Unix(rest)),
            "inet" => {
                let (host, port) = rest.rsplit_once(':')?;
                Some(Door::Inet(host.trim_matches(['[', ']']), port))
            }
            _ => None,
        }
    }
}

fn inet_reaches(host: &str, port: &str, listen: SocketAddr) -> bool {
    if port.parse() != Ok(listen.port()) {
        return false;
    }
    let ours = listen.ip();
    match host.parse::<IpAddr>() {
        // What listens on [::] takes IPv4 as well, what listens on 0.0.0.0 takes that alone.
        Ok(ip) if ours.is_unspecified() => ours.is_ipv6() || ip.is_ipv4(),
        Ok(ip) => ip == ours || (ip.is_unspecified() && ours.is_loopback()),
        Err(_) if host.eq_ignore_ascii_case("localhost") => {
            ours.is_loopback() || ours.is_unspecified()
        }
        // Names are not looked up: the port is ours, and that is taken as enough, unless we are for
        // this machine alone.
        Err(_) => !ours.is_loopback(),
    }
}

/// Where a path of a service is in the file system: relative ones start at the queue directory, which is the
/// root of what is chrooted.
fn on_disk(path: &str, chrooted: bool, postfix: &Postfix) -> PathBuf {
    let inside = if chrooted {
        path.trim_start_matches('/')
    } else {
        path
    };
    postfix.queue_directory().join(inside)
}

/// Without `.` and `..`, and absolute.
fn normal(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut normal = PathBuf::new();
    for component in absolute.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                normal.pop();
            }
            component => normal.push(component),
        }
    }
    normal
}
