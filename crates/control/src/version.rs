//! The version of the API, and the one place that compares it.

use crate::ErrorBody;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// The header in which both sides say which version they speak, as in `postern-api: 1.0`.
pub const HEADER: &str = "postern-api";

/// The version of this crate's types.
pub const CURRENT: ApiVersion = ApiVersion { major: 1, minor: 0 };

/// A version of the API. Majors are incompatible; minors only add.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ApiVersion {
    /// Changes when a field or a request changes its meaning or goes away.
    pub major: u16,
    /// Changes when something is added.
    pub minor: u16,
}

/// Answer to `GET /v1/version`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionInfo {
    /// What the daemon speaks.
    pub api: ApiVersion,
    /// Version of the program, `0.1.0`.
    pub program: String,
}

/// What a server answers to a client that sent `header` in [`HEADER`]: nothing if they understand
/// each other, else an error to be sent with status 426. A request without the header (from curl,
/// say) is taken as being of the current version.
pub fn check(header: Option<&str>) -> Result<(), ErrorBody> {
    let Some(text) = header else { return Ok(()) };
    let clear = match text.parse::<ApiVersion>() {
        Ok(theirs) if theirs.major == CURRENT.major => return Ok(()),
        Ok(theirs) => format!("the client speaks API {theirs}, this daemon {CURRENT}"),
        Err(UnknownVersion) => {
            format!("the client's {HEADER} header is not a version; this daemon speaks {CURRENT}")
        }
    };
    Err(ErrorBody::new(clear).hint("use the `postern` program that the daemon was started from"))
}

/// A text that is not `MAJOR.MINOR`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an API version: expected MAJOR.MINOR")]
pub struct UnknownVersion;

impl FromStr for ApiVersion {
    type Err = UnknownVersion;

    fn from_str(text: &str) -> Result<Self, UnknownVersion> {
        let (major, minor) = text.trim().split_once('.').ok_or(UnknownVersion)?;
        let number = |digits: &str| {
            let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            plain
                .then(|| digits.parse().ok())
                .flatten()
                .ok_or(UnknownVersion)
        };
        Ok(ApiVersion {
            major: number(major)?,
            minor: number(minor)?,
        })
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl TryFrom<String> for ApiVersion {
    type Error = UnknownVersion;

    fn try_from(text: String) -> Result<Self, UnknownVersion> {
        text.parse()
    }
}

impl From<ApiVersion> for String {
    fn from(version: ApiVersion) -> String {
        version.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_minor_is_understood_and_another_major_is_not() {
        assert!(check(None).is_ok());
        assert!(check(Some("1.7")).is_ok());
        let refused = check(Some("2.0")).expect_err("another major");
        assert_eq!(refused.error, "the client speaks API 2.0, this daemon 1.0");
        assert!(refused.hint.is_some());
    }

    #[test]
    fn what_is_no_version_is_refused() {
        for text in [
            "",
            "1",
            "1.",
            ".1",
            "1.x",
            "+1.0",
            "1.0.0",
            "99999.0",
            "\u{1b}[2J",
        ] {
            assert!(text.parse::<ApiVersion>().is_err(), "{text:?}");
            let refused = check(Some(text)).expect_err("no version");
            assert!(!refused.error.contains('\u{1b}'));
        }
    }
}
