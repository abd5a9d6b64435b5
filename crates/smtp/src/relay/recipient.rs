//! Whose mail goes on: no open relay, by no trick of addressing.

use std::collections::HashSet;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::reply::printable;
use crate::service::Peer;

/// The longest domain in bytes (RFC 5321, 4.5.3.1.2).
const MAX_DOMAIN: usize = 255;

/// Domains that mail from anybody is passed on to.
///
/// Names are compared without regard to case. A name outside ASCII is compared as it is written: list
/// both `bücher.example` and `xn--bcher-kva.example` if clients may use both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RelayDomains {
    any: bool,
    names: HashSet<String>,
    /// Names whose sub-domains are meant, without the dot before them.
    parents: HashSet<String>,
}

/// An entry of the relay domains that means nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}: not a relay domain (expected example.org, .example.org for its sub-domains, or *)")]
pub struct RelayDomainError(String);

impl RelayDomains {
    /// `example.org` is that domain alone, `.example.org` all of its sub-domains, `*` any domain.
    ///
    /// # Errors
    /// The first entry that is none of these.
    pub fn new<I>(entries: I) -> Result<Self, RelayDomainError>
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        let mut domains = Self::default();
        for entry in entries {
            let entry = entry.as_ref();
            let (set, name) = match entry.strip_prefix('.') {
                _ if entry == "*" => {
                    domains.any = true;
                    continue;
                }
                Some(parent) => (&mut domains.parents, parent),
                None => (&mut domains.names, entry),
            };
            if !is_domain(name) {
                return Err(RelayDomainError(printable(entry.as_bytes())));
            }
            set.insert(name.to_lowercase());
        }
        Ok(domains)
    }

    /// Every domain.
    #[must_use]
    pub fn any() -> Self {
        Self {
            any: true,
            ..Self::default()
        }
    }

    /// Whether no domain is one of these.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.any && self.names.is_empty() && self.parents.is_empty()
    }

    /// Whether `domain` is one of these. What is no domain name, such as an address literal or a name with
    /// a dot at its end, never is.
    #[must_use]
    pub fn contains(&self, domain: &str) -> bool {
        if !is_domain(domain) {
            return false;
        }
        let domain = domain.to_lowercase();
        let mut parents = domain.match_indices('.');
        self.any
            || self.names.contains(&domain)
            || parents.any(|(dot, _)| {
                let parent = domain.get(dot + 1..);
                parent.is_some_and(|parent| self.parents.contains(parent))
            })
    }
}

/// Why a recipient is not passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It is no address.
    Syntax,
    /// Its domain is not one of the relay domains, or it asks in whatever way to be sent elsewhere.
    NotRelayed,
}

/// Whether a recipient may go on for a client without rights: `postmaster` (RFC 5321, 4.5.1) or a plain mailbox in one
/// of the relay domains.
///
/// A local part is the next hop's business, but not where some server has ever read a second address in it: it
/// would accept from us, whom it trusts, what it refuses to the world. So none of `@`, `%` and `!`, quoted or
/// not, and no source route, even if the domain is ours.
pub(super) fn check(path: &str, domains: &RelayDomains) -> Result<(), Refusal> {
    if path.eq_ignore_ascii_case("postmaster") {
        return Ok(());
    }
    let (local, domain) = match path.strip_prefix('"') {
        Some(_) => split_quoted(path)?,
        // A source route begins with `@`; its local part is empty here.
        None => path.split_once('@').unwrap_or((path, "")),
    };
    let routed = local.is_empty() || local.contains(is_routing) || domain.contains(is_routing);
    // Without a domain it is one of the next hop's own: which is not for us to say.
    if routed || !domains.contains(domain) {
        return Err(Refusal::NotRelayed);
    }
    Ok(())
}

/// Whether a client may send to anybody: by its address, as the connection or a trusted server in front says.
/// One without address, such as on a unix socket, has no rights.
pub(super) fn is_relay_client(peer: &Peer, networks: &[IpNet]) -> bool {
    let canonical = |address: IpAddr| address.to_canonical();
    peer.address.is_some_and(|address| {
        let address = canonical(address.ip());
        networks.iter().any(|network| network.contains(&address))
    })
}

/// A quoted local part with its quotes, and the domain behind it.
fn split_quoted(path: &str) -> Result<(&str, &str), Refusal> {
    let mut escaped = false;
    for (at, c) in path.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => {
                let (local, rest) = path.split_at_checked(at + 1).ok_or(Refusal::Syntax)?;
                return match rest.strip_prefix('@') {
                    Some(domain) => Ok((local, domain)),
                    None if rest.is_empty() => Ok((local, "")),
                    None => Err(Refusal::Syntax),
                };
            }
            _ => {}
        }
    }
    Err(Refusal::Syntax)
}

/// Characters that have made one address of two, and those that Unicode's compatibility normalisation, which a next
/// hop may apply under SMTPUTF8, turns into them.
fn is_routing(c: char) -> bool {
    matches!(
        c,
        '@' | '%' | '!' | '＠' | '﹫' | '％' | '﹪' | '！' | '︕' | '﹗' | '‼' | '⁈' | '⁉'
    )
}

/// Labels of letters, digits, `-` and `_`. Letters are those of any script; a character that could be another form of a
/// dot, slash or bracket is none.
fn is_domain(name: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label
                .chars()
                .all(|c| c.is_alphanumeric() || matches!(c, '-' | '_'))
    };
    name.len() <= MAX_DOMAIN && name.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_are_exact_or_sub_domains_or_any() {
        let domains = RelayDomains::new(["Example.ORG", ".example.net", "Bücher.example"]).unwrap();
        for domain in [
            "example.org",
            "EXAMPLE.org",
            "a.example.net",
            "a.B.example.net",
            "BÜCHER.example",
        ] {
            assert!(domains.contains(domain), "{domain}");
        }
        for domain in [
            "",
            ".",
            "org",
            "a.example.org",
            "example.net",
            ".example.net",
            "notexample.net",
            "example.org.",
            "example.org..",
            "[192.0.2.1]",
            "xn--bcher-kva.example",
            "example.org/x",
            "example。org",
            "example.org\0",
        ] {
            assert!(!domains.contains(domain), "{domain}");
        }
        let any = RelayDomains::any();
        assert!(
            any.contains("x.example")
                && !any.contains("[192.0.2.1]")
                && !any.contains("x.example.")
        );
        assert_eq!(RelayDomains::new(["*"]).unwrap(), any);
        assert!(RelayDomains::default().is_empty() && !any.is_empty() && !domains.is_empty());
        for entry in [
            "",
            ".",
            "..a",
            "a.",
            "*.example.org",
            "a b",
            "[192.0.2.1]",
            "u@example.org",
        ] {
            assert!(RelayDomains::new([entry]).is_err(), "{entry}");
        }
        let error = RelayDomains::new(["a\x1b"]).unwrap_err().to_string();
        assert!(error.starts_with("a\\x1b: not a relay domain"), "{error}");
    }

    #[test]
    fn a_relay_client_is_known_by_its_address_alone() {
        let networks: Vec<IpNet> = ["192.0.2.0/24", "2001:db8::/32"]
            .map(|net| net.parse().unwrap())
            .into();
        let with = |address: &str| Peer {
            address: Some(address.parse().unwrap()),
            ..Peer::default()
        };
        for address in ["192.0.2.7:1", "[::ffff:192.0.2.7]:1", "[2001:db8::7]:1"] {
            assert!(is_relay_client(&with(address), &networks), "{address}");
        }
        for address in ["198.51.100.1:1", "[::ffff:198.51.100.1]:1", "[::1]:1"] {
            assert!(!is_relay_client(&with(address), &networks), "{address}");
        }
        let behind = Peer {
            connected: Some("192.0.2.7:1".parse().unwrap()),
            ..Peer::default()
        };
        assert!(
            !is_relay_client(&behind, &networks),
            "known to the server in front, not to us"
        );
    }

    #[test]
    fn plain_mailboxes_of_our_domains_go_on() {
        let domains = RelayDomains::new(["local.example", ".sub.example"]).unwrap();
        for path in [
            "u@local.example",
            "U@LOCAL.example",
            "u+tag@a.sub.example",
            "\"a b\"@local.example",
            "a..b@local.example",
            "\"\"@local.example",
            "ü@local.example",
            "a/b=c@local.example",
            "postmaster",
            "PostMaster",
            "postmaster@local.example",
            "\"a\\\"b\"@local.example",
        ] {
            assert_eq!(check(path, &domains), Ok(()), "{path}");
        }
    }

    #[test]
    fn no_form_of_address_reaches_a_foreign_domain() {
        let domains = RelayDomains::new(["local.example", ".sub.example"]).unwrap();
        let refused = [
            "u@ext.example",
            "u@EXT.example",
            "u@ext.example.",
            "u@local.example.",
            "u@[127.0.0.1]",
            "u@[192.0.2.1]",
            "u@[IPv6:::1]",
            "u%ext.example@local.example",
            "u%ext.example",
            "ext.example!u",
            "ext.example!u@local.example",
            "@local.example:u@ext.example",
            "@local.example,@other.example:u@ext.example",
            "@ext.example:u@local.example",
            "\"u@ext.example\"",
            "\"u@ext.example\"@local.example",
            "\"u%ext.example\"",
            "\"u%ext.example\"@local.example",
            "\"ext.example!u\"@local.example",
            "\"u\\@ext.example\"@local.example",
            "u@ext.example@local.example",
            "u@local.example@ext.example",
            "a!b!u%c@local.example",
            "u%a%b@local.example",
            "u@local.example%ext.example",
            "u@ext.example!local.example",
            "u",
            "\"u\"",
            "u@",
            "@",
            "@local.example",
            "u@.local.example",
            "u@local..example",
            "u@xlocal.example",
            "u@sub.example",
            "u@local.example:25",
            "u@local.example/x",
            "u@ local.example",
            "ü%ext.example@local.example",
            "u＠ext.example@local.example",
            "u％ext.example@local.example",
            "ext.example！u@local.example",
            "u@ext。example",
            "u@local。example",
            "u@bücher.example",
            "u@ext.example\0.sub.example",
            "u@ext.example／.sub.example",
            "\"postmaster\"",
            "postmaster%ext.example",
            "postmaster@ext.example",
        ];
        for path in refused {
            assert_eq!(check(path, &domains), Err(Refusal::NotRelayed), "{path}");
        }
        for path in ["\"u", "\"u\\\"", "\"u\"x@local.example", "\""] {
            assert_eq!(check(path, &domains), Err(Refusal::Syntax), "{path}");
        }
    }

    #[test]
    fn any_domain_does_not_mean_any_trick() {
        let any = RelayDomains::any();
        assert_eq!(check("u@ext.example", &any), Ok(()));
        for path in [
            "u%ext.example@local.example",
            "@a:u@b",
            "u@[192.0.2.1]",
            "u@a@b",
            "a!u@b",
            "u",
        ] {
            assert_eq!(check(path, &any), Err(Refusal::NotRelayed), "{path}");
        }
    }
}
