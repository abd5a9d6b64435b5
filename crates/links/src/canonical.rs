use serde::{Deserialize, Serialize};
use url::Url;

use crate::address::carries_address;
use crate::authority::{authority_host, mixes_scripts, other_readings, read_authority, to_unicode};
use crate::escape::{hex, unescape};
use crate::expressions::{Hosts, expressions};
use crate::flag::{Flag, Flags};
use crate::host::{self, HostForm};
use crate::lookup::{is_scheme, path_and_query};
use crate::suffix::registrable;

/// A longer URL is cut, in bytes. Browsers take more, but no feed lists such a URL, and a bound is needed.
pub const MAX_URL_BYTES: usize = 8 * 1024;
/// From here on a URL counts as long, in bytes: more than 99 in 100 URLs in mails are shorter.
pub const LONG_URL_BYTES: usize = 1024;

/// Services whose business is to redirect: the host says nothing about where the link leads.
const SHORTENERS: &[&str] = &[
    "bit.ly",
    "bitly.com",
    "buff.ly",
    "cutt.ly",
    "goo.gl",
    "is.gd",
    "j.mp",
    "lnkd.in",
    "ow.ly",
    "qrco.de",
    "rb.gy",
    "rebrand.ly",
    "s.id",
    "short.io",
    "shorturl.at",
    "soo.gd",
    "surl.li",
    "t.co",
    "t.ly",
    "t.me",
    "tiny.cc",
    "tinyurl.com",
    "urlz.fr",
    "v.gd",
    "vk.cc",
    "clck.ru",
];

/// A URL, canonicalised, with what is noteworthy about how it was written.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Canonical {
    /// The canonical form: no user information, no fragment, no default port, percent-decoded as far as it
    /// goes. Pure ASCII for web schemes. Canonicalising it again changes nothing.
    pub url: String,
    /// Lower-case, without the colon.
    pub scheme: String,
    /// Lower-case ASCII (`xn--` labels), an IPv4 address, or an IPv6 address in brackets. Empty where a
    /// scheme has no host (`data`, `javascript`).
    pub host: String,
    /// The host in Unicode, where that differs.
    pub unicode_host: Option<String>,
    /// The registrable domain by the whole Public Suffix List; none for an IP address, an unknown suffix, or a
    /// host that is itself a public suffix.
    pub registrable: Option<String>,
    /// The registrable domain by the registries' own suffixes alone.
    pub icann_registrable: Option<String>,
    /// Only where it is not the scheme's own.
    pub port: Option<u16>,
    /// Begins with `/` for web schemes.
    pub path: String,
    /// Without the `?`.
    pub query: Option<String>,
    /// Sorted by name.
    pub flags: Vec<Flag>,
    /// The same URL as other parsers read it, where they arrive at another host. Look these up too.
    pub readings: Vec<String>,
}

impl Canonical {
    /// Whether the flag is set.
    pub fn has(&self, flag: Flag) -> bool {
        self.flags.binary_search(&flag).is_ok()
    }

    /// Sets a flag that the text around the URL gives rise to.
    pub fn set(&mut self, flag: Flag) {
        if let Err(at) = self.flags.binary_search(&flag) {
            self.flags.insert(at, flag);
        }
    }

    /// The host and path prefixes under which a block list may know this URL; see [`expressions`].
    pub fn expressions(&self, hosts: Hosts) -> Vec<String> {
        expressions(&self.host, &self.path, self.query.as_deref(), hosts)
    }
}

/// Canonicalises a URL as it stands in a mail: with or without scheme, however it is written.
///
/// `None` means that this is no URL that leads anywhere: a relative reference, an anchor, `tel:`, `cid:`, or
/// a scheme-less word that does not end in a known public suffix. A URL that browsers refuse is not `None`
/// but [`Flag::Malformed`].
pub fn canonicalise(raw: &str) -> Option<Canonical> {
    let mut flags = Flags::default();
    let text = clean(raw, &mut flags);
    let (scheme, rest) = split_scheme(&text);
    match scheme.as_deref() {
        Some("http" | "https" | "ftp" | "ws" | "wss") | None => web(scheme, rest, flags),
        Some("cid" | "mid" | "tel" | "sms" | "about" | "callto") => None,
        Some("mailto") => mailto(rest, flags),
        Some("data") => {
            flags.set(Flag::DataUri);
            Some(opaque("data", rest, flags))
        }
        Some(script @ ("javascript" | "vbscript" | "livescript")) => {
            flags.set(Flag::ScriptUri);
            Some(opaque(script, rest, flags))
        }
        Some(odd) => {
            flags.set(Flag::OddScheme);
            if rest.starts_with("//") && authority_host(rest.trim_start_matches('/')).is_some() {
                web(scheme, rest, flags)
            } else {
                Some(opaque(odd, rest, flags))
            }
        }
    }
}

/// Canonicalises a reference from a document that has a base URL.
pub fn canonicalise_in(raw: &str, base: Option<&str>) -> Option<Canonical> {
    let relative = base.filter(|_| {
        let text = clean(raw, &mut Flags::default());
        split_scheme(&text).0.is_none() && !text.is_empty() && !text.starts_with('#')
    });
    let joined = relative
        .and_then(canonicalise)
        .and_then(|base| Url::parse(&base.url).ok())
        .and_then(|base| base.join(&clean(raw, &mut Flags::default())).ok());
    match joined {
        Some(url) => canonicalise(url.as_str()),
        None => canonicalise(raw),
    }
}

/// What the standard strips before it looks (spaces and controls around, tabs and line ends inside), the
/// bound on length, and the analysts' notation undone.
fn clean(raw: &str, flags: &mut Flags) -> String {
    let raw = raw.trim_matches(|c: char| c <= ' ' || c.is_whitespace());
    let end = if raw.len() > MAX_URL_BYTES {
        flags.set(Flag::Truncated);
        raw.floor_char_boundary(MAX_URL_BYTES)
    } else {
        raw.len()
    };
    flags.set_if(raw.len() > LONG_URL_BYTES, Flag::Long);
    let raw = raw.get(..end).unwrap_or(raw);
    let mut text: String = raw
        .chars()
        .filter(|c| !matches!(c, '\t' | '\r' | '\n'))
        .collect();
    flags.set_if(text.len() != raw.len(), Flag::Obscured);
    let hxxp = text
        .get(..4)
        .is_some_and(|start| start.eq_ignore_ascii_case("hxxp"));
    if hxxp || text.contains("[.]") || text.contains("(.)") || text.contains("[:]") {
        flags.set(Flag::Defanged);
        text = text
            .replace("[.]", ".")
            .replace("(.)", ".")
            .replace("[:]", ":");
        if hxxp {
            text.replace_range(..4, "http");
        }
    }
    text
}

/// The scheme in lower case, and what follows the colon. `host:port` has none.
fn split_scheme(text: &str) -> (Option<String>, &str) {
    match text.split_once(':') {
        Some((name, rest)) if is_scheme(name.as_bytes()) => {
            let port = rest.bytes().take_while(u8::is_ascii_digit).count();
            let is_port = port > 0
                && matches!(
                    rest.as_bytes().get(port),
                    None | Some(b'/' | b'?' | b'#' | b'\\')
                );
            if is_port && (name.contains('.') || name.eq_ignore_ascii_case("localhost")) {
                (None, text)
            } else {
                (Some(name.to_ascii_lowercase()), rest)
            }
        }
        _ => (None, text),
    }
}

fn web(scheme: Option<String>, rest: &str, mut flags: Flags) -> Option<Canonical> {
    let after = rest.trim_start_matches(['/', '\\']);
    let slashes = rest.get(..rest.len() - after.len()).unwrap_or_default();
    match scheme {
        // One slash is a path on this host, whichever that is.
        None if !matches!(slashes.len(), 0 | 2) => return None,
        None => flags.set(Flag::Schemaless),
        Some(_) => {
            flags.set_if(slashes.len() < 2, Flag::MissingSlashes);
            flags.set_if(slashes.len() != 2 && !slashes.is_empty(), Flag::Obscured);
        }
    }
    flags.set_if(slashes.contains('\\'), Flag::Obscured);
    let schemaless_word = scheme.is_none() && slashes.is_empty();
    let scheme = scheme.unwrap_or_else(|| "http".to_owned());

    let end = after.find(['/', '\\', '?', '#']).unwrap_or(after.len());
    let (authority, rest) = after.split_at_checked(end)?;
    // The fragment never reaches a server; everything else does.
    let (before_fragment, _) = rest.split_once('#').unwrap_or((rest, ""));
    let (path, query) = match before_fragment.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (before_fragment, None),
    };
    flags.set_if(
        slashes.contains('\\') || path.contains('\\'),
        Flag::Backslash,
    );
    flags.set_if(path_encoded(path), Flag::PathEncoded);
    flags.set_if(
        carries_address(&String::from_utf8_lossy(&unescape(rest.as_bytes()))),
        Flag::RecipientInUrl,
    );

    let (host, port) = read_authority(authority, &scheme, &mut flags)?;
    let name = match &host {
        HostForm::Name(name) => Some(name.clone()),
        HostForm::Ip(ip) => {
            flags.set(Flag::Numeric);
            flags.set_if(host::is_private(*ip), Flag::PrivateIp);
            None
        }
    };
    let known = name.as_deref().and_then(registrable);
    // Without a scheme, a word has to look like a host: `10:30` and `file.txt` do not.
    let looks_like_host = match name {
        Some(_) => known.is_some() && authority.contains(['.', '\u{3002}', '\u{ff0e}', '\u{ff61}']),
        None => authority.starts_with('[') || authority.matches('.').count() >= 3,
    };
    if schemaless_word && !looks_like_host {
        return None;
    }
    flags.set_if(name.is_some() && known.is_none(), Flag::UnknownSuffix);
    flags.set_if(
        known.as_ref().is_some_and(|known| known.private),
        Flag::SharedHost,
    );
    let unicode_host = name.as_deref().and_then(to_unicode);
    flags.set_if(
        unicode_host.as_deref().is_some_and(mixes_scripts),
        Flag::MixedScript,
    );

    let host = host.into_text();
    flags.set_if(
        SHORTENERS.contains(&host.trim_start_matches("www.")),
        Flag::Shortener,
    );
    let readings = other_readings(after, &scheme, &host);
    flags.set_if(!readings.is_empty(), Flag::ParserDisagreement);
    let (path, query) =
        path_and_query(path.replace('\\', "/").as_bytes(), query.map(str::as_bytes));
    let (registrable, icann_registrable) =
        known.map_or((None, None), |known| (known.domain, known.icann_domain));
    Some(Canonical {
        url: assemble(&scheme, &host, port, &path, query.as_deref()),
        scheme,
        host,
        unicode_host,
        registrable,
        icann_registrable,
        port,
        path,
        query,
        flags: flags.into_vec(),
        readings,
    })
}

fn mailto(rest: &str, flags: Flags) -> Option<Canonical> {
    let (address, query) = match rest.split_once('?') {
        Some((address, query)) => (address, Some(query.to_owned())),
        None => (rest, None),
    };
    let (local, domain) = address.rsplit_once('@')?;
    let host = host::strict(domain.trim())?.into_text();
    let known = registrable(&host);
    let url = match &query {
        Some(query) => format!("mailto:{local}@{host}?{query}"),
        None => format!("mailto:{local}@{host}"),
    };
    Some(Canonical {
        url,
        scheme: "mailto".to_owned(),
        unicode_host: to_unicode(&host),
        host,
        icann_registrable: known.as_ref().and_then(|known| known.icann_domain.clone()),
        registrable: known.and_then(|known| known.domain),
        port: None,
        path: format!("{local}@{domain}"),
        query,
        flags: flags.into_vec(),
        readings: Vec::new(),
    })
}

fn opaque(scheme: &str, rest: &str, flags: Flags) -> Canonical {
    Canonical {
        url: format!("{scheme}:{rest}"),
        scheme: scheme.to_owned(),
        host: String::new(),
        unicode_host: None,
        registrable: None,
        icann_registrable: None,
        port: None,
        path: rest.to_owned(),
        query: None,
        flags: flags.into_vec(),
        readings: Vec::new(),
    }
}

pub(crate) fn assemble(
    scheme: &str,
    host: &str,
    port: Option<u16>,
    path: &str,
    query: Option<&str>,
) -> String {
    let mut url = format!("{scheme}://{host}");
    if let Some(port) = port {
        url.push(':');
        url.push_str(&port.to_string());
    }
    url.push_str(path);
    if let Some(query) = query {
        url.push('?');
        url.push_str(query);
    }
    url
}

fn path_encoded(path: &str) -> bool {
    path.as_bytes().windows(3).any(|window| match window {
        [b'%', high, low] => match (hex(*high), hex(*low)) {
            (Some(high), Some(low)) => {
                let byte = high << 4 | low;
                byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
            }
            _ => false,
        },
        _ => false,
    })
}
