//! Sizes and durations: how they are written and read.

use serde::Serializer;
use std::time::Duration;

/// Units of size, the largest first.
const SIZES: [(&str, u64); 5] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("B", 1),
];

/// Units of size that are meant decimally, read but never written.
const DECIMAL_SIZES: [(&str, u64); 4] = [
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
];

/// Units of time in milliseconds, the largest first.
const TIMES: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("min", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Writes a size in the largest unit that divides it.
pub(super) fn size(bytes: u64) -> String {
    let (unit, factor) = largest(&SIZES, bytes);
    format!("{} {unit}", bytes / factor)
}

/// Reads a size such as `64 MiB`, `1GiB` or `512 B`.
pub(super) fn parse_size(text: &str) -> Result<u64, String> {
    let units: Vec<_> = SIZES.into_iter().chain(DECIMAL_SIZES).collect();
    measure(text, &units).ok_or_else(|| {
        format!(
            "`{text}` is not a size: expected a number with B, KiB, MiB, GiB or TiB, \
             such as \"64 MiB\""
        )
    })
}

/// Writes a duration in the largest unit that divides it; but a single minute as `60s`, as people
/// do.
pub(super) fn duration(time: Duration) -> String {
    let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    match largest(&TIMES, ms) {
        ("min", factor) if ms == factor => format!("{}s", factor / 1_000),
        (unit, factor) => format!("{}{unit}", ms / factor),
    }
}

/// Reads a duration such as `60s`, `5 min` or `250ms`.
pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    measure(text, &TIMES)
        .map(Duration::from_millis)
        .ok_or_else(|| {
            format!(
                "`{text}` is not a duration: expected a number with ms, s, min, h or d, \
             such as \"60s\""
            )
        })
}

/// Reads permissions such as `0660`.
pub(super) fn parse_mode(text: &str) -> Result<u32, String> {
    let octal = text.len() <= 4 && !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let mode = octal.then(|| u32::from_str_radix(text, 8).ok()).flatten();
    mode.filter(|mode| *mode <= 0o777).ok_or_else(|| {
        format!("`{text}` are not permissions: expected octal digits, such as \"0660\"")
    })
}

fn largest(units: &[(&'static str, u64)], amount: u64) -> (&'static str, u64) {
    let smallest = units.iter().min_by_key(|(_, factor)| *factor).copied();
    let fits = |(_, factor): &&(&str, u64)| amount > 0 && amount.is_multiple_of(*factor);
    units
        .iter()
        .find(fits)
        .copied()
        .or(smallest)
        .unwrap_or(("", 1))
}

/// A whole number and one of the units, with or without a space between.
fn measure(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '_')?;
    let (number, unit) = text.split_at(end);
    let number: u64 = number.replace('_', "").parse().ok()?;
    let unit = unit.trim_start();
    let (_, factor) = units
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(unit))?;
    number.checked_mul(*factor)
}

pub(super) fn serialize_size<S: Serializer>(bytes: &u64, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(&size(*bytes))
}

pub(super) fn serialize_duration<S: Serializer>(time: &Duration, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(&duration(*time))
}

pub(super) fn serialize_mode<S: Serializer>(mode: &u32, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(&format!("{mode:04o}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_size_reads_back(bytes: u64) {
            prop_assert_eq!(parse_size(&size(bytes)), Ok(bytes));
        }

        #[test]
        fn every_duration_reads_back(ms: u64) {
            let time = Duration::from_millis(ms);
            prop_assert_eq!(parse_duration(&duration(time)), Ok(time));
        }

        #[test]
        fn no_text_makes_the_parsers_fail_otherwise_than_with_a_message(text: String) {
            let _ = (parse_size(&text), parse_duration(&text), parse_mode(&text));
        }
    }

    #[test]
    fn sizes_are_binary_unless_they_are_written_as_decimal() {
        assert_eq!(parse_size("64 MiB"), Ok(64 << 20));
        assert_eq!(parse_size("64mib"), Ok(64 << 20));
        assert_eq!(parse_size("1_000 kB"), Ok(1_000_000));
        assert_eq!(size(50 << 20), "50 MiB");
        assert_eq!(size((1 << 20) + 1), "1048577 B");
        assert_eq!(size(0), "0 B");
    }

    #[test]
    fn numbers_without_a_unit_are_not_guessed_at() {
        for text in [
            "",
            "64",
            "64 M",
            "MiB",
            "-1 MiB",
            "1.5 GiB",
            "99999999999 TiB",
            "_ B",
            "6 4 B",
        ] {
            assert!(parse_size(text).is_err(), "{text}");
        }
        for text in ["60", "1m", "-1s", "1h30min", "", "s"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn permissions_are_octal() {
        assert_eq!(parse_mode("0660"), Ok(0o660));
        assert_eq!(parse_mode("600"), Ok(0o600));
        for text in ["", "0680", "01777", "07777", "rw-rw----", "+660"] {
            assert!(parse_mode(text).is_err(), "{text}");
        }
    }
}
