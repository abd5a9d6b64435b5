//! Moments as the store writes them: milliseconds since 1970-01-01 UTC, and RFC 3339.

use jiff::Timestamp;
use std::time::{SystemTime, UNIX_EPOCH};

/// Now, milliseconds since 1970-01-01 UTC.
pub(crate) fn now() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_millis()).ok())
        .unwrap_or(0)
}

/// RFC 3339 with milliseconds, always UTC, always the same width for the years 0 to 9999.
pub(crate) fn rfc3339(ms: i64) -> String {
    format!("{:.3}", timestamp(ms))
}

/// The moment of an RFC 3339 text.
pub(crate) fn parse(text: &str) -> Option<i64> {
    text.parse::<Timestamp>().ok().map(|t| t.as_millisecond())
}

/// `2026-11-24`.
pub(crate) fn day(ms: i64) -> String {
    timestamp(ms).strftime("%Y-%m-%d").to_string()
}

/// `20261124T161407.123Z`, for the names of what is moved aside.
pub(crate) fn compact(ms: i64) -> String {
    timestamp(ms).strftime("%Y%m%dT%H%M%S.%3fZ").to_string()
}

/// What cannot be a moment (before the year -9999 or after 9999) becomes the epoch.
fn timestamp(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH)
}
