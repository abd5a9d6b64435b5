use std::fmt;

use serde::{Deserialize, Serialize};

/// Something noteworthy about how a URL is written. A fact, not a judgement: rules decide what it is worth.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Flag {
    /// `\` where a `/` belongs. Browsers read it as `/`, RFC 3986 does not.
    Backslash,
    /// A `data:` URL: the content is in the link itself.
    DataUri,
    /// Written `hxxp` or `[.]`, as analysts do; the canonical form is refanged.
    Defanged,
    /// A port other than the scheme's own.
    HasPort,
    /// User information before an `@`.
    HasUser,
    /// Percent-encoding in the host.
    HostEncoded,
    /// A host with non-ASCII characters or an `xn--` label.
    Idn,
    /// Longer than [`crate::LONG_URL_BYTES`].
    Long,
    /// Not a valid URL by the WHATWG standard; the canonical form is a lenient reading.
    Malformed,
    /// A web scheme followed by fewer than two slashes.
    MissingSlashes,
    /// One label of the host mixes Latin letters with another alphabet.
    MixedScript,
    /// More than one `@` in the authority.
    MultiAt,
    /// The host is an IP address.
    Numeric,
    /// The authority is written in a way that hides the host: legacy IPv4 notation, invisible
    /// characters, full-width letters, user information, surplus slashes.
    Obscured,
    /// A scheme other than http, https, ftp, mailto, data and the script schemes.
    OddScheme,
    /// Parsers disagree about the host: see [`crate::Canonical::readings`].
    ParserDisagreement,
    /// Letters, digits or `-._~` percent-encoded in the path, where there is no need to.
    PathEncoded,
    /// An IP address that is not globally reachable (private, loopback, link-local, …).
    PrivateIp,
    /// A mail address, plain or in base64, after the host.
    RecipientInUrl,
    /// Characters that change the writing direction.
    Rtl,
    /// No scheme: a mail program makes a link of it all the same.
    Schemaless,
    /// `javascript:` or `vbscript:`.
    ScriptUri,
    /// The registrable domain belongs to a customer of a hosting service (a private suffix).
    SharedHost,
    /// A public URL shortener.
    Shortener,
    /// The visible text of the link names another host than the link.
    TextDiffers,
    /// Cut at [`crate::MAX_URL_BYTES`].
    Truncated,
    /// The host does not end in a known public suffix.
    UnknownSuffix,
    /// Zero-width characters in the host.
    ZwSpaces,
}

impl Flag {
    /// Every flag, in the order of their names.
    pub const ALL: [Flag; 28] = [
        Flag::Backslash,
        Flag::DataUri,
        Flag::Defanged,
        Flag::HasPort,
        Flag::HasUser,
        Flag::HostEncoded,
        Flag::Idn,
        Flag::Long,
        Flag::Malformed,
        Flag::MissingSlashes,
        Flag::MixedScript,
        Flag::MultiAt,
        Flag::Numeric,
        Flag::Obscured,
        Flag::OddScheme,
        Flag::ParserDisagreement,
        Flag::PathEncoded,
        Flag::PrivateIp,
        Flag::RecipientInUrl,
        Flag::Rtl,
        Flag::Schemaless,
        Flag::ScriptUri,
        Flag::SharedHost,
        Flag::Shortener,
        Flag::TextDiffers,
        Flag::Truncated,
        Flag::UnknownSuffix,
        Flag::ZwSpaces,
    ];

    /// The name rules and output use, the same as in serialised form.
    pub fn name(self) -> &'static str {
        match self {
            Flag::Backslash => "backslash",
            Flag::DataUri => "data-uri",
            Flag::Defanged => "defanged",
            Flag::HasPort => "has-port",
            Flag::HasUser => "has-user",
            Flag::HostEncoded => "host-encoded",
            Flag::Idn => "idn",
            Flag::Long => "long",
            Flag::Malformed => "malformed",
            Flag::MissingSlashes => "missing-slashes",
            Flag::MixedScript => "mixed-script",
            Flag::MultiAt => "multi-at",
            Flag::Numeric => "numeric",
            Flag::Obscured => "obscured",
            Flag::OddScheme => "odd-scheme",
            Flag::ParserDisagreement => "parser-disagreement",
            Flag::PathEncoded => "path-encoded",
            Flag::PrivateIp => "private-ip",
            Flag::RecipientInUrl => "recipient-in-url",
            Flag::Rtl => "rtl",
            Flag::Schemaless => "schemaless",
            Flag::ScriptUri => "script-uri",
            Flag::SharedHost => "shared-host",
            Flag::Shortener => "shortener",
            Flag::TextDiffers => "text-differs",
            Flag::Truncated => "truncated",
            Flag::UnknownSuffix => "unknown-suffix",
            Flag::ZwSpaces => "zw-spaces",
        }
    }
}

impl fmt::Display for Flag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A small ordered set of flags.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flags(Vec<Flag>);

impl Flags {
    pub(crate) fn set(&mut self, flag: Flag) {
        if let Err(at) = self.0.binary_search(&flag) {
            self.0.insert(at, flag);
        }
    }

    pub(crate) fn set_if(&mut self, condition: bool, flag: Flag) {
        if condition {
            self.set(flag);
        }
    }

    pub(crate) fn into_vec(self) -> Vec<Flag> {
        self.0
    }
}
