//! The Public Suffix List: which part of a name can be registered.

use psl::{Psl, Type};

/// What the Public Suffix List says about a host name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Registrable {
    /// One label more than the public suffix, private suffixes included (`x.pages.dev`);
    /// `None` when the host is itself a public suffix (`gov.az`).
    pub domain: Option<String>,
    /// The same by the registries' own suffixes alone (`pages.dev`).
    pub icann_domain: Option<String>,
    /// The suffix belongs to a service, not to a registry.
    pub private: bool,
}

/// Looks up a lower-case ASCII host name that is not an IP address; `None` when it does not end in a known suffix.
pub fn registrable(host: &str) -> Option<Registrable> {
    let suffix = psl::List
        .suffix(host.as_bytes())
        .filter(|suffix| suffix.is_known())?;
    let domain = owned(psl::domain_str(host));
    let private = suffix.typ() == Some(Type::Private);
    let icann_domain = if private {
        icann_domain(host)
    } else {
        domain.clone()
    };
    Some(Registrable {
        domain,
        icann_domain,
        private,
    })
}

/// Drops labels from the left until a registry's suffix is left; the answer is one label more than that.
fn icann_domain(host: &str) -> Option<String> {
    let mut previous = host;
    let mut rest = host;
    while let Some((_, parent)) = rest.split_once('.') {
        previous = rest;
        rest = parent;
        let suffix = psl::List.suffix(rest.as_bytes())?;
        if suffix.typ() == Some(Type::Icann) && suffix.as_bytes().len() == rest.len() {
            return owned(Some(previous));
        }
    }
    owned(Some(previous))
}

fn owned(text: Option<&str>) -> Option<String> {
    text.map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_suffixes_and_registries_are_both_kept() {
        for (host, domain, icann) in [
            ("www.example.com", Some("example.com"), Some("example.com")),
            ("gov.az", None, None),
            (
                "login.asan.gov.az",
                Some("asan.gov.az"),
                Some("asan.gov.az"),
            ),
            (
                "x.phish.pages.dev",
                Some("phish.pages.dev"),
                Some("pages.dev"),
            ),
            (
                "a.example.co.uk",
                Some("example.co.uk"),
                Some("example.co.uk"),
            ),
        ] {
            let found = registrable(host).expect(host);
            assert_eq!(found.domain.as_deref(), domain, "{host}");
            assert_eq!(found.icann_domain.as_deref(), icann, "{host}");
        }
        assert_eq!(registrable("host.invalid-suffix"), None);
        assert_eq!(registrable("localhost"), None);
    }
}
