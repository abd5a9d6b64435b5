//! `$name` in values of main.cf, as one service sees it.
//!
//! `postconf -x` expands main.cf as it is without any `-o`. A service that overrides a parameter changes every value
//! that refers to it, and no option of `postconf` shows that: here it is worked out.

use std::collections::BTreeSet;

/// References inside references; Postfix itself gives up at a hundred.
const MAX_DEPTH: usize = 50;
/// Bytes of an expanded value.
const MAX_BYTES: usize = 1 << 20;
/// References of one value, counted again wherever they are repeated.
const MAX_REFERENCES: usize = 10_000;

/// Whether a value refers, directly or through others, to a parameter that `is_meant`.
pub(super) fn refers<'a>(
    value: &'a str,
    raw: &impl Fn(&str) -> Option<&'a str>,
    is_meant: &impl Fn(&str) -> bool,
) -> bool {
    let mut seen = BTreeSet::new();
    let mut waiting = vec![value];
    while let Some(value) = waiting.pop() {
        for name in names(value) {
            if is_meant(name) {
                return true;
            }
            if seen.insert(name) {
                waiting.extend(raw(name));
            }
        }
    }
    false
}

/// The value with its references replaced; nothing if it has a form that is not understood (`${{a} == {b} ? …}`),
/// or grows beyond all bounds.
pub(super) fn expand<'a>(value: &'a str, raw: &impl Fn(&str) -> Option<&'a str>) -> Option<String> {
    let mut references = MAX_REFERENCES;
    expand_to(value, raw, MAX_DEPTH, &mut references)
}

fn expand_to<'a>(
    value: &'a str,
    raw: &impl Fn(&str) -> Option<&'a str>,
    depth: usize,
    references: &mut usize,
) -> Option<String> {
    let depth = depth.checked_sub(1)?;
    let mut expanded = String::new();
    let mut rest = value;
    while let Some((before, after)) = rest.split_once('$') {
        expanded.push_str(before);
        *references = references.checked_sub(1)?;
        if let Some(after) = after.strip_prefix('$') {
            expanded.push('$');
            rest = after;
            continue;
        }
        let (piece, after) = if after.starts_with(['{', '(']) {
            let (body, after) = group(after)?;
            (choice(body, raw, depth, references)?, after)
        } else {
            let (name, after) = name(after);
            let value = raw(name).unwrap_or_default();
            (expand_to(value, raw, depth, references)?, after)
        };
        expanded.push_str(&piece);
        if expanded.len() > MAX_BYTES {
            return None;
        }
        rest = after;
    }
    expanded.push_str(rest);
    (expanded.len() <= MAX_BYTES).then_some(expanded)
}

/// What stands inside `${…}`: `name`, `name?text`, `name:text`, `name?{text}:{text}`.
fn choice<'a>(
    body: &'a str,
    raw: &impl Fn(&str) -> Option<&'a str>,
    depth: usize,
    references: &mut usize,
) -> Option<String> {
    let (name, condition) = name(body.trim());
    if name.is_empty() {
        return None;
    }
    let value = expand_to(raw(name).unwrap_or_default(), raw, depth, references)?;
    let taken = match condition.as_bytes().first() {
        None => return Some(value),
        Some(b'?') => {
            let text = condition.get(1..)?.trim_start();
            if !text.starts_with('{') {
                if value.is_empty() { "" } else { text }
            } else {
                let (yes, rest) = group(text)?;
                match (value.is_empty(), rest.trim_start().strip_prefix(':')) {
                    (false, _) => yes.trim(),
                    (true, Some(no)) => alternative(no)?,
                    (true, None) => "",
                }
            }
        }
        Some(b':') if !value.is_empty() => "",
        Some(b':') => alternative(condition.get(1..)?)?,
        Some(_) => return None,
    };
    expand_to(taken, raw, depth, references)
}

fn alternative(text: &str) -> Option<&str> {
    let text = text.trim();
    if text.starts_with('{') {
        group(text).map(|(inside, _)| inside.trim())
    } else {
        Some(text)
    }
}

/// What stands between an opening bracket and the one that closes it, and what follows.
fn group(text: &str) -> Option<(&str, &str)> {
    let (open, close) = match text.as_bytes().first()? {
        b'{' => ('{', '}'),
        _ => ('(', ')'),
    };
    let mut level = 0_usize;
    for (at, c) in text.char_indices() {
        if c == open {
            level += 1;
        } else if c == close {
            level -= 1;
            if level == 0 {
                return Some((text.get(1..at)?, text.get(at + 1..)?));
            }
        }
    }
    None
}

fn name(text: &str) -> (&str, &str) {
    let end = text
        .bytes()
        .position(|b| !b.is_ascii_alphanumeric() && b != b'_');
    text.split_at(end.unwrap_or(text.len()))
}

/// All names that a value may refer to.
fn names(value: &str) -> impl Iterator<Item = &str> {
    let after = value.split('$').skip(1);
    after
        .map(|text| name(text.trim_start_matches(['{', '(', ' '])).0)
        .filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(name: &str) -> Option<&'static str> {
        Some(match name {
            "ours" => "inet:$host:8891",
            "host" => "127.0.0.1",
            "loop" => "$loop",
            "double" => "$d1$d1",
            "d1" => "$d2$d2",
            "d2" => "$d3$d3",
            "d3" => "$host$host",
            "empty" => "",
            _ => return None,
        })
    }

    #[test]
    fn all_forms_of_a_reference_are_expanded() {
        for (value, expected) in [
            ("plain", "plain"),
            ("$ours, inet:1:2", "inet:127.0.0.1:8891, inet:1:2"),
            ("${host}:$(host)", "127.0.0.1:127.0.0.1"),
            ("$$host", "$host"),
            ("$nothing.", "."),
            ("${host?yes}${empty?yes}", "yes"),
            ("${host:no}${empty:no}", "no"),
            ("${empty?{yes}:{$host}}", "127.0.0.1"),
            ("${host ? {a b} : {c}}", ""),
            ("${host?{a b}:{c}}", "a b"),
            ("${empty:{no}}", "no"),
        ] {
            let found = expand(value, &raw);
            if value.contains(" ? ") {
                assert_eq!(found, None, "{value}");
            } else {
                assert_eq!(found.as_deref(), Some(expected), "{value}");
            }
        }
    }

    #[test]
    fn what_is_not_understood_or_has_no_end_is_nothing() {
        for value in ["${{a} == {b} ? {c} : {d}}", "${host", "$loop", "${host+x}"] {
            assert_eq!(expand(value, &raw), None, "{value}");
        }
        // Doubling at each of many levels would be larger than any memory.
        let bomb = |name: &str| {
            let level: usize = name.strip_prefix('b')?.parse().ok()?;
            let value: &'static str = Box::leak(format!("$b{}$b{}", level + 1, level + 1).into());
            Some(value)
        };
        assert_eq!(expand("$b0", &bomb), None);
    }

    #[test]
    fn a_reference_is_found_through_others() {
        let meant = |name: &str| name == "host";
        assert!(refers("$ours", &raw, &meant));
        assert!(refers("${empty?{$double}}", &raw, &meant));
        assert!(!refers("$empty $loop host", &raw, &meant));
    }
}
