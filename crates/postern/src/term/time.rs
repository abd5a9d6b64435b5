//! Times: RFC 3339 in UTC, to the second.

use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};

/// Milliseconds since 1970-01-01 UTC.
pub(crate) fn now_ms() -> i64 {
    Timestamp::now().as_millisecond()
}

/// Writes a time as `2026-11-24T16:13:00Z`; one that no calendar has as its number.
pub(crate) fn rfc3339(ms: i64) -> String {
    let seconds = ms.div_euclid(1_000);
    Timestamp::from_second(seconds).map_or_else(|_| format!("{ms} ms"), |t| t.to_string())
}

/// A time of [`rfc3339`] without year and seconds: `11-24 16:13`. All else stays as it is.
pub(super) fn short(time: &str) -> String {
    let dated = time.len() == 20 && time.ends_with('Z');
    match time.get(5..16).filter(|_| dated) {
        Some(short) => short.replace('T', " "),
        None => time.to_owned(),
    }
}

/// Reads the start of a span: an RFC 3339 time, a date (from its first moment in UTC on), or how
/// long ago (`30m`, `2h`, `7d`, `4w`). Milliseconds since 1970-01-01 UTC.
pub(crate) fn parse_since(text: &str, now: i64) -> Result<i64, String> {
    parse(text, now, 0)
}

/// Reads the end of a span, which itself is outside: like [`parse_since`], but a date is meant with
/// the whole of its day.
pub(crate) fn parse_until(text: &str, now: i64) -> Result<i64, String> {
    parse(text, now, 1)
}

fn parse(text: &str, now: i64, days_later: i64) -> Result<i64, String> {
    let text = text.trim();
    let wrong = || {
        format!(
            "`{text}` is not a time: expected 2026-11-24T16:00:00Z, 2026-11-24, or how long ago, \
             such as 2h or 7d"
        )
    };
    if let Some(ago) = ago(text) {
        return now.checked_sub(ago).ok_or_else(wrong);
    }
    // The parser would also take a date with a zone in brackets, or weeks; only what is documented
    // is taken.
    if text.len() == 10 {
        let date: Date = text.parse().map_err(|_| wrong())?;
        let day = date.checked_add(SignedDuration::from_hours(24 * days_later));
        let start = day
            .and_then(|day| day.to_zoned(TimeZone::UTC))
            .map_err(|_| wrong())?;
        return Ok(start.timestamp().as_millisecond());
    }
    let time: Timestamp = text.parse().map_err(|_| wrong())?;
    Ok(time.as_millisecond())
}

/// Milliseconds of a span such as `2h`.
fn ago(text: &str) -> Option<i64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let factor: i64 = match unit.trim_start() {
        "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "w" => 7 * 86_400_000,
        _ => return None,
    };
    number.parse::<i64>().ok()?.checked_mul(factor)
}
