//! Reading values: what each kind of key takes, and what it says to all else.

use super::walk::{Section, nearest};
use super::{address, units};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;
use toml::de::DeValue;

/// What kind of value this is, with its article.
pub(super) fn kind(value: &DeValue<'_>) -> String {
    let article = if matches!(value, DeValue::Integer(_) | DeValue::Array(_)) {
        "an"
    } else {
        "a"
    };
    format!("{article} {}", value.type_str())
}

pub(super) fn text(value: &DeValue<'_>) -> Result<String, String> {
    let text = value
        .as_str()
        .ok_or_else(|| format!("expected a string, found {}", kind(value)))?;
    Ok(text.to_owned())
}

pub(super) fn flag(value: &DeValue<'_>) -> Result<bool, String> {
    value
        .as_bool()
        .ok_or_else(|| format!("expected true or false, found {}", kind(value)))
}

pub(super) fn parsed<T: FromStr<Err: ToString>>(value: &DeValue<'_>) -> Result<T, String> {
    text(value)?.parse().map_err(|e: T::Err| e.to_string())
}

/// A number in `range`.
pub(super) fn number(range: RangeInclusive<i64>) -> impl Fn(&DeValue<'_>) -> Result<i64, String> {
    move |value| {
        let number = integer(value)
            .ok_or_else(|| format!("expected an integer, found {}", kind(value)))?
            .ok_or("a number that large is not supported")?;
        within(number, &range, i64::to_string)
    }
}

/// A size in `range`: bytes, or a text such as `64 MiB`.
pub(super) fn size(range: RangeInclusive<u64>) -> impl Fn(&DeValue<'_>) -> Result<u64, String> {
    move |value| {
        let bytes = match integer(value) {
            Some(bytes) => unsigned(bytes, "a size")?,
            None => units::parse_size(value.as_str().ok_or_else(|| {
                format!("expected a size such as \"64 MiB\", found {}", kind(value))
            })?)?,
        };
        within(bytes, &range, |b| units::size(*b))
    }
}

/// A duration in `range`: seconds, or a text such as `60s`.
pub(super) fn duration(
    range: RangeInclusive<Duration>,
) -> impl Fn(&DeValue<'_>) -> Result<Duration, String> {
    move |value| {
        let time = match integer(value) {
            Some(seconds) => Duration::from_secs(unsigned(seconds, "a duration")?),
            None => units::parse_duration(value.as_str().ok_or_else(|| {
                format!("expected a duration such as \"60s\", found {}", kind(value))
            })?)?,
        };
        within(time, &range, |t| units::duration(*t))
    }
}

fn unsigned(number: Option<i64>, what: &str) -> Result<u64, String> {
    let number = number.and_then(|n| u64::try_from(n).ok());
    number.ok_or_else(|| format!("expected {what} of 0 or more that fits into 63 bits"))
}

/// The integer that this value is, if it is one; nothing inside if it does not fit.
fn integer(value: &DeValue<'_>) -> Option<Option<i64>> {
    let integer = value.as_integer()?;
    Some(i64::from_str_radix(integer.as_str(), integer.radix()).ok())
}

fn within<T: PartialOrd>(
    value: T,
    range: &RangeInclusive<T>,
    write: impl Fn(&T) -> String,
) -> Result<T, String> {
    if range.contains(&value) {
        return Ok(value);
    }
    let (low, high) = (write(range.start()), write(range.end()));
    Err(format!(
        "{} is out of range: expected {low} to {high}",
        write(&value)
    ))
}

pub(super) fn path(value: &DeValue<'_>) -> Result<PathBuf, String> {
    let text = text(value)?;
    if text.is_empty() || text.contains('\0') {
        return Err("expected the path of a directory".to_owned());
    }
    Ok(PathBuf::from(text))
}

/// The path of a file, or an empty text for none.
pub(super) fn file(value: &DeValue<'_>) -> Result<PathBuf, String> {
    let text = text(value)?;
    if text.contains('\0') {
        return Err("expected the path of a file".to_owned());
    }
    Ok(PathBuf::from(text))
}

/// Notes the values of an array that stand in it more than once.
pub(super) fn no_doubles<T: PartialEq + ToString>(s: &Section<'_>, key: &str, values: &[T]) {
    for (place, value) in s.places(key).into_iter().zip(values) {
        if values.iter().filter(|other| *other == value).count() > 1 {
            let message = format!("{} is named twice", value.to_string());
            s.wrong(key, place, message, None);
        }
    }
}

pub(super) fn socket(value: &DeValue<'_>) -> Result<PathBuf, String> {
    let text = text(value)?;
    address::socket_path(&text)?;
    Ok(PathBuf::from(text))
}

pub(super) fn mode(value: &DeValue<'_>) -> Result<u32, String> {
    let text = value
        .as_str()
        .ok_or("expected permissions as a string, such as \"0660\"")?;
    units::parse_mode(text)
}

pub(super) fn helo(value: &DeValue<'_>) -> Result<String, String> {
    let text = text(value)?;
    let literal = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
    let address = |t: &str| {
        t.strip_prefix("IPv6:")
            .unwrap_or(t)
            .parse::<std::net::IpAddr>()
            .is_ok()
    };
    if address::is_host_name(&text) || literal.is_some_and(address) {
        return Ok(text);
    }
    Err(format!(
        "`{text}` is not a host name, nor an address in brackets"
    ))
}

pub(super) fn dot_atom(value: &DeValue<'_>) -> Result<String, String> {
    let text = text(value)?;
    if address::is_dot_atom(&text) {
        return Ok(text);
    }
    Err(format!(
        "`{text}` is not a dot-atom: expected a name such as \"mx.example.org\""
    ))
}

pub(super) fn domain(value: &DeValue<'_>) -> Result<String, String> {
    let text = text(value)?;
    let name = text.trim_end_matches('.').to_ascii_lowercase();
    if name.is_ascii() && address::is_host_name(&name) {
        return Ok(name);
    }
    Err(format!(
        "`{text}` is not a domain: expected letters, digits and hyphens, a name of another \
             script in its xn-- form, without `@` or `*`"
    ))
}

pub(super) fn mailbox(value: &DeValue<'_>) -> Result<String, String> {
    let text = text(value)?;
    let (local, host) = text.rsplit_once('@').unwrap_or_default();
    let plain = !local.is_empty() && !local.chars().any(|c| c.is_control() || c.is_whitespace());
    if plain && !local.contains(['<', '*']) && address::is_host_name(host) {
        return Ok(text);
    }
    Err(format!(
        "`{text}` is not an address: expected \"name@example.org\"; whole domains go to `domains`"
    ))
}

pub(super) fn tenant_name(value: &DeValue<'_>) -> Result<String, String> {
    let text = text(value)?;
    if text == "default" {
        return Err(
            "`default` is the tenant of all other recipients: change [policy] instead".to_owned(),
        );
    }
    identifier(&text).map(|()| text)
}

/// Names that are shown, logged, and part of rule names and paths.
pub(super) fn identifier(text: &str) -> Result<(), String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if (1..=64).contains(&text.len()) && text.bytes().all(plain) && !text.starts_with('.') {
        return Ok(());
    }
    Err(format!(
        "`{text}` is not a name: expected 1 to 64 letters, digits, `-`, `_` or `.`"
    ))
}

pub(super) fn reject(value: &DeValue<'_>) -> Result<Option<i64>, String> {
    match value.as_str() {
        Some("off") => Ok(None),
        Some(text) => Err(format!("expected a score or \"off\", found \"{text}\"")),
        None => number(super::read::POINTS)(value).map(Some),
    }
}

/// One of a closed set of words.
pub(super) fn word<T: Copy>(value: &DeValue<'_>, known: &[(&str, T)]) -> Result<T, String> {
    let text = text(value)?;
    if let Some((_, meant)) = known.iter().find(|(word, _)| *word == text) {
        return Ok(*meant);
    }
    let names: Vec<&str> = known.iter().map(|(word, _)| *word).collect();
    let near = nearest(&text, &names).map_or(String::new(), |n| format!("; did you mean \"{n}\"?"));
    Err(format!(
        "`{text}` is not one of: {}{near}",
        names.join(", ")
    ))
}

pub(super) fn words<T: Copy>(all: &[T], name: fn(T) -> &'static str) -> Vec<(&'static str, T)> {
    all.iter().map(|word| (name(*word), *word)).collect()
}

pub(super) fn seconds(
    range: RangeInclusive<u64>,
) -> impl Fn(&DeValue<'_>) -> Result<Duration, String> {
    let (low, high) = range.into_inner();
    duration(Duration::from_secs(low)..=Duration::from_secs(high))
}

pub(super) fn count(range: RangeInclusive<i64>) -> impl Fn(&DeValue<'_>) -> Result<u64, String> {
    move |value| number(range.clone())(value).map(i64::unsigned_abs)
}

pub(super) fn small(range: RangeInclusive<i64>) -> impl Fn(&DeValue<'_>) -> Result<u32, String> {
    move |value| {
        let number = number(range.clone())(value)?;
        u32::try_from(number).map_err(|e| e.to_string())
    }
}
