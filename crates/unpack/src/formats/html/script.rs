//! What stands in scripts in plain sight. Scripts are not run.

use super::data_url;

/// Calls that build a file, decode data or write markup.
const SMUGGLING_CALLS: &[&str] = &[
    "new Blob",
    "createObjectURL",
    "msSaveOrOpenBlob",
    "msSaveBlob",
    "atob(",
    "fromCharCode",
    "unescape(",
    "document.write",
    "eval(",
    "navigator.msSave",
];
/// URLs taken from one script.
const MAX_URLS: usize = 100;
/// Longest URL, or argument of `atob`, that is looked at, in bytes: bounds the work on a script that never
/// closes a quote.
const MAX_URL_BYTES: usize = 8 * 1024;

pub(super) fn smuggling_calls(script: &str) -> u32 {
    let count: usize = SMUGGLING_CALLS
        .iter()
        .map(|call| script.matches(call).count())
        .sum();
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// URLs with a web scheme that are written out, or encoded in a literal argument of `atob`.
pub(super) fn urls(script: &str) -> Vec<String> {
    let plain = script.match_indices("://").filter_map(|(at, _)| {
        let before = script.get(..at)?;
        let scheme = ["https", "http"].into_iter().find(|scheme| {
            at.checked_sub(scheme.len())
                .and_then(|start| before.get(start..))
                .is_some_and(|tail| tail.eq_ignore_ascii_case(scheme))
        })?;
        let rest = bounded(script.get(at - scheme.len()..)?);
        let ends = |c: char| {
            c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '<' | '>' | '\\' | ')' | ';')
        };
        let end = rest.find(ends).unwrap_or(rest.len());
        rest.get(..end).map(str::to_owned)
    });
    let encoded = script.match_indices("atob(").filter_map(|(at, call)| {
        let rest = bounded(script.get(at + call.len()..)?).trim_start();
        let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let (argument, _) = rest.get(1..)?.split_once(quote)?;
        let decoded = String::from_utf8(data_url::base64(argument.as_bytes())).ok()?;
        (decoded.starts_with("http://") || decoded.starts_with("https://")).then_some(decoded)
    });
    plain.chain(encoded).take(MAX_URLS).collect()
}

fn bounded(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MAX_URL_BYTES))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_found_plain_and_encoded() {
        let script = r#"location="https://example.com/s";x=atob("aHR0cHM6Ly9leGFtcGxlLmNvbS9zbQ==");f('HTTP://A/b?c')//"#;
        assert_eq!(
            urls(script),
            [
                "https://example.com/s",
                "HTTP://A/b?c",
                "https://example.com/sm"
            ]
        );
        assert_eq!(smuggling_calls(script), 1);
    }
}
