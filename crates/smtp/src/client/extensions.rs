//! What a server offers in its reply to EHLO or LHLO.

use crate::reply::Reply;
use crate::service::Parameter;

/// The extensions of a server, as far as a session can use them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extensions {
    /// SIZE (RFC 1870).
    pub size: bool,
    /// The largest message it takes, in bytes, if SIZE says so. It says 0 for "no fixed limit", which is `None` here.
    pub size_limit: Option<u64>,
    /// 8BITMIME (RFC 6152).
    pub eight_bit_mime: bool,
    /// SMTPUTF8 (RFC 6531).
    pub smtp_utf8: bool,
    /// DSN (RFC 3461).
    pub dsn: bool,
    /// AUTH (RFC 4954).
    pub auth: bool,
    /// STARTTLS (RFC 3207).
    pub start_tls: bool,
    /// XFORWARD, and what of it.
    pub xforward: XforwardAttributes,
}

/// The attributes that a server takes with XFORWARD (Postfix, XFORWARD_README).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct XforwardAttributes {
    /// NAME.
    pub name: bool,
    /// ADDR.
    pub address: bool,
    /// PORT.
    pub port: bool,
    /// PROTO.
    pub protocol: bool,
    /// HELO.
    pub helo: bool,
    /// IDENT.
    pub ident: bool,
    /// SOURCE.
    pub source: bool,
}

impl Extensions {
    /// The first line of the reply is a greeting, the others are one extension each.
    pub(crate) fn from_reply(reply: &Reply) -> Self {
        let mut extensions = Self::default();
        for line in reply.lines.iter().skip(1) {
            extensions.add(line);
        }
        extensions
    }

    /// Whether a parameter of MAIL or RCPT can be sent. One that belongs to no extension known here cannot.
    #[must_use]
    pub fn takes(&self, parameter: &Parameter) -> bool {
        match Owner::of(parameter) {
            Some(Owner::Size) => self.size,
            Some(Owner::EightBitMime) => self.eight_bit_mime,
            Some(Owner::SmtpUtf8) => self.smtp_utf8,
            Some(Owner::Dsn) => self.dsn,
            Some(Owner::Auth) => self.auth,
            None => false,
        }
    }

    fn add(&mut self, line: &str) {
        let mut words = line.split(' ').filter(|word| !word.is_empty());
        let keyword = words.next().unwrap_or_default().to_ascii_uppercase();
        match keyword.as_str() {
            "SIZE" => {
                self.size = true;
                self.size_limit = words
                    .next()
                    .and_then(|limit| limit.parse().ok())
                    .filter(|&limit| limit > 0);
            }
            "8BITMIME" => self.eight_bit_mime = true,
            "SMTPUTF8" => self.smtp_utf8 = true,
            "DSN" => self.dsn = true,
            "AUTH" => self.auth = true,
            "STARTTLS" => self.start_tls = true,
            "XFORWARD" => words.for_each(|name| self.xforward.add(name)),
            _ => {}
        }
    }
}

/// Whether a parameter is a hint that may be left out where the server does not know it. Without SIZE the server
/// counts itself, 8-bit content is sent with and without BODY, AUTH is for the record. Every
/// other parameter asks for something that would silently not happen.
pub(crate) fn is_a_hint(parameter: &Parameter) -> bool {
    matches!(
        Owner::of(parameter),
        Some(Owner::Size | Owner::EightBitMime | Owner::Auth)
    )
}

/// The extension that defines a parameter.
enum Owner {
    Size,
    EightBitMime,
    SmtpUtf8,
    Dsn,
    Auth,
}

impl Owner {
    fn of(parameter: &Parameter) -> Option<Self> {
        let is = |keywords: &[&str]| keywords.iter().any(|keyword| parameter.is(keyword));
        if is(&["SIZE"]) {
            Some(Self::Size)
        } else if is(&["BODY"]) {
            Some(Self::EightBitMime)
        } else if is(&["SMTPUTF8"]) {
            Some(Self::SmtpUtf8)
        } else if is(&["RET", "ENVID", "NOTIFY", "ORCPT"]) {
            Some(Self::Dsn)
        } else if is(&["AUTH"]) {
            Some(Self::Auth)
        } else {
            None
        }
    }
}

impl XforwardAttributes {
    fn add(&mut self, name: &str) {
        match name.to_ascii_uppercase().as_str() {
            "NAME" => self.name = true,
            "ADDR" => self.address = true,
            "PORT" => self.port = true,
            "PROTO" => self.protocol = true,
            "HELO" => self.helo = true,
            "IDENT" => self.ident = true,
            "SOURCE" => self.source = true,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offered(lines: &[&str]) -> Extensions {
        Extensions::from_reply(&Reply {
            code: 250,
            enhanced: None,
            lines: lines.iter().map(|&line| line.to_owned()).collect(),
        })
    }

    #[test]
    fn the_first_line_offers_nothing_and_case_does_not_matter() {
        assert_eq!(offered(&["SIZE 100"]), Extensions::default());
        let all = offered(&[
            "mx",
            "size 100",
            "8bitmime",
            "SmtpUtf8",
            "DSN",
            "STARTTLS",
            "auth PLAIN",
        ]);
        assert!(
            all.size && all.eight_bit_mime && all.smtp_utf8 && all.dsn && all.start_tls && all.auth
        );
        assert_eq!(all.size_limit, Some(100));
        assert_eq!(all.xforward, XforwardAttributes::default());
    }

    #[test]
    fn a_size_without_a_usable_limit_is_one_without_limit() {
        for line in ["SIZE", "SIZE 0", "SIZE x", "SIZE 99999999999999999999999"] {
            let offered = offered(&["mx", line]);
            assert!(offered.size);
            assert_eq!(offered.size_limit, None, "{line}");
        }
    }

    #[test]
    fn xforward_lists_its_attributes() {
        let offered = offered(&["mx", "XFORWARD NAME addr  BOGUS SOURCE"]).xforward;
        let expected = XforwardAttributes {
            name: true,
            address: true,
            source: true,
            ..XforwardAttributes::default()
        };
        assert_eq!(offered, expected);
    }

    #[test]
    fn a_parameter_is_taken_with_its_extension_only() {
        let all = offered(&["mx", "SIZE", "8BITMIME", "SMTPUTF8", "DSN", "AUTH"]);
        for (keyword, hint) in [
            ("size", true),
            ("BODY", true),
            ("auth", true),
            ("SMTPUTF8", false),
            ("RET", false),
            ("ENVID", false),
            ("Notify", false),
            ("ORCPT", false),
        ] {
            let parameter = Parameter {
                keyword: keyword.to_owned(),
                value: None,
            };
            assert!(all.takes(&parameter), "{keyword}");
            assert!(!Extensions::default().takes(&parameter), "{keyword}");
            assert_eq!(is_a_hint(&parameter), hint, "{keyword}");
        }
        let unknown = Parameter {
            keyword: "MT-PRIORITY".to_owned(),
            value: None,
        };
        assert!(!all.takes(&unknown) && !is_a_hint(&unknown));
    }
}
