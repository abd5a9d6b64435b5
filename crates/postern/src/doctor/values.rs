//! Values of parameters as Postfix reads them.

use std::net::IpAddr;
use std::time::Duration;

/// A time: a number with `s`, `m`, `h`, `d`, `w`, or seconds without.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let seconds: u64 = match unit {
        "" | "s" | "S" => 1,
        "m" | "M" => 60,
        "h" | "H" => 3_600,
        "d" | "D" => 86_400,
        "w" | "W" => 7 * 86_400,
        _ => return None,
    };
    let number: u64 = number.parse().ok()?;
    number.checked_mul(seconds).map(Duration::from_secs)
}

/// Words of a list; commas and spaces separate.
pub(super) fn words(list: &str) -> impl Iterator<Item = &str> {
    let separates = |c: char| c == ',' || c.is_ascii_whitespace();
    list.split(separates).filter(|word| !word.is_empty())
}

/// How many addresses a word of `mynetworks` covers, as the length of its prefix: 0 for everything. Nothing if
/// it is no network, but the name of a table, or excluded.
pub(super) fn prefix(network: &str) -> Option<(IpAddr, u8)> {
    let (address, length) = network.rsplit_once('/').unwrap_or((network, ""));
    // Both [::1]/128 and [::1/128] are in use.
    let bare = |text: &str| text.trim_matches(['[', ']']).to_owned();
    let address: IpAddr = bare(address).parse().ok()?;
    let whole = if address.is_ipv4() { 32 } else { 128 };
    let length = match bare(length).as_str() {
        "" => whole,
        text => text.parse().ok().filter(|length| *length <= whole)?,
    };
    Some((address, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_and_without_unit() {
        for (text, seconds) in [
            ("30", 30),
            ("30s", 30),
            ("5m", 300),
            ("1h", 3_600),
            ("1d", 86_400),
            ("2w", 1_209_600),
        ] {
            assert_eq!(duration(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "s", "1x", "-1s", "1 s", "99999999999999999999w", "é"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn networks_are_told_from_tables() {
        let length = |text: &str| prefix(text).map(|(_, length)| length);
        assert_eq!(length("127.0.0.0/8"), Some(8));
        assert_eq!(length("0.0.0.0/0"), Some(0));
        assert_eq!(length("[::]/0"), Some(0));
        assert_eq!(length("[::1/128]"), Some(128));
        assert_eq!(length("192.0.2.1"), Some(32));
        for text in [
            "cidr:/etc/postfix/networks",
            "!10.0.0.0/8",
            "10.0.0.0/33",
            "example.org",
        ] {
            assert_eq!(length(text), None, "{text}");
        }
    }
}
