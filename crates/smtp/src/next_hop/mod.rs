//! Where accepted mail goes: a server that speaks SMTP or LMTP, or a maildir. All three are spoken to alike.
//!
//! A [`Pool`] gives out [`Connection`]s, one for each transaction that is running. A connection is good for any number of
//! transactions; when it is dropped in a clean state, its session waits a while for the next one to need it.

mod connection;
mod maildir;
mod pool;

pub use connection::{Connection, Pending};
pub use pool::{Pool, PoolLimits};

use std::fmt;
use std::path::{Path, PathBuf};

use crate::client::{Protocol, Target, TargetError};
use crate::reply::printable;
use maildir::Maildir;

/// A next hop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextHop(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Server(Target),
    Maildir(Maildir),
}

/// A text that names no next hop. For whoever reads the configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NextHopError {
    /// It begins with nothing that is known here.
    #[error(
        "{0}: not a next hop (expected smtp:host:port, smtp:unix:/path, lmtp:host:port, lmtp:unix:/path or maildir:/path)"
    )]
    Kind(String),
    /// A maildir without a path.
    #[error("maildir: the path of its directory is missing")]
    NoPath,
    /// A server that cannot be.
    #[error(transparent)]
    Target(#[from] TargetError),
}

impl NextHop {
    /// `smtp:host:port`, `smtp:unix:/path`, `lmtp:host:port`, `lmtp:unix:/path` or `maildir:/path`. `helo` is what we
    /// call ourselves: in EHLO and LHLO, and in the names of the files of a maildir.
    ///
    /// # Errors
    /// [`NextHopError`].
    pub fn parse(text: &str, helo: &str) -> Result<Self, NextHopError> {
        let wrong = || NextHopError::Kind(printable(text.as_bytes()));
        let (kind, place) = text.split_once(':').ok_or_else(wrong)?;
        let protocol = match kind {
            "smtp" => Protocol::Smtp,
            "lmtp" => Protocol::Lmtp,
            "maildir" if place.is_empty() => return Err(NextHopError::NoPath),
            "maildir" => return Ok(Self::maildir(place, helo)),
            _ => return Err(wrong()),
        };
        let target = match place.strip_prefix("unix:") {
            Some(path) => Target::unix(path, helo)?,
            None => Target::new(place, helo)?,
        };
        Ok(Self::server(target.with_protocol(protocol)))
    }

    /// A server.
    #[must_use]
    pub fn server(target: Target) -> Self {
        Self(Kind::Server(target))
    }

    /// The maildir `directory`, which is made when it is first needed. `host` is part of the names of its files.
    #[must_use]
    pub fn maildir(directory: impl Into<PathBuf>, host: &str) -> Self {
        Self(Kind::Maildir(Maildir::new(directory.into(), host)))
    }

    /// The server, if it is one.
    #[must_use]
    pub fn target(&self) -> Option<&Target> {
        match &self.0 {
            Kind::Server(target) => Some(target),
            Kind::Maildir(_) => None,
        }
    }

    /// The directory of the maildir, if it is one.
    #[must_use]
    pub fn directory(&self) -> Option<&Path> {
        match &self.0 {
            Kind::Server(_) => None,
            Kind::Maildir(maildir) => Some(maildir.directory()),
        }
    }
}

/// `host:port`, `unix:/path`, or the directory of the maildir.
impl fmt::Display for NextHop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Server(target) => target.fmt(f),
            Kind::Maildir(maildir) => maildir.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_next_hop_is_a_server_or_a_maildir() {
        for (text, protocol, shown) in [
            ("smtp:127.0.0.1:10026", Protocol::Smtp, "127.0.0.1:10026"),
            ("smtp:[::1]:25", Protocol::Smtp, "[::1]:25"),
            ("lmtp:mx.example:24", Protocol::Lmtp, "mx.example:24"),
            ("lmtp:unix:/run/lmtp", Protocol::Lmtp, "unix:/run/lmtp"),
            ("smtp:unix:/run/smtp", Protocol::Smtp, "unix:/run/smtp"),
        ] {
            let next_hop = NextHop::parse(text, "filter.example").unwrap();
            let target = next_hop.target().unwrap();
            assert_eq!(
                (target.protocol(), target.helo()),
                (protocol, "filter.example")
            );
            assert_eq!(next_hop.to_string(), shown);
        }
        let maildir = NextHop::parse("maildir:/var/mail dir", "filter.example").unwrap();
        assert_eq!(maildir.to_string(), "/var/mail dir");
        assert_eq!(maildir.directory(), Some(Path::new("/var/mail dir")));
    }

    #[test]
    fn everything_else_is_an_error_that_says_what_was_expected() {
        for text in [
            "",
            "smtp",
            "127.0.0.1:25",
            "SMTP:a:25",
            "esmtp:a:25",
            "smpt:a:25",
            "mbox:/var/mail",
        ] {
            let error = NextHop::parse(text, "a").unwrap_err();
            assert!(matches!(error, NextHopError::Kind(_)), "{text}");
        }
        for text in [
            "smtp:",
            "smtp:a",
            "lmtp:a:0",
            "smtp:unix:run/smtp",
            "lmtp:unix:",
            "smtp:smtp:a:25",
        ] {
            let error = NextHop::parse(text, "a").unwrap_err();
            assert!(matches!(error, NextHopError::Target(_)), "{text}");
        }
        assert_eq!(NextHop::parse("maildir:", "a"), Err(NextHopError::NoPath));
        assert_eq!(
            NextHop::parse("a\x1b[2J:25", "a").unwrap_err().to_string(),
            "a\\x1b[2J:25: not a next hop (expected smtp:host:port, smtp:unix:/path, lmtp:host:port, \
             lmtp:unix:/path or maildir:/path)"
        );
    }
}
