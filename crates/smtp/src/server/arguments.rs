//! The arguments of MAIL and RCPT: a path, and parameters (RFC 5321, 4.1.2).

use super::replies;
use crate::address::{check_forward_path, check_reverse_path};
use crate::reply::Reply;
use crate::service::Parameter;

/// A path without its brackets, and the parameters after it. The grammar is checked, what they mean is not.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Arguments<'a> {
    pub(super) path: &'a str,
    pub(super) parameters: Vec<Parameter>,
}

/// Which command they are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Path {
    /// MAIL's, after `FROM:`.
    Reverse,
    /// RCPT's, after `TO:`.
    Forward,
}

/// Parses what follows the verb.
///
/// # Errors
/// The reply to what is no path or no parameter.
pub(super) fn parse(text: &str, kind: Path) -> Result<Arguments<'_>, Reply> {
    let after = after_keyword(text, kind.keyword()).ok_or_else(|| replies::syntax(kind.usage()))?;
    // One space is not allowed but common (Postfix takes it as well).
    let path = after.strip_prefix(' ').unwrap_or(after);
    let (path, rest) = split_path(path).ok_or_else(|| kind.bad("Bad address syntax"))?;
    let checked = match kind {
        Path::Reverse => check_reverse_path(path),
        Path::Forward => check_forward_path(path),
    };
    if let Err(error) = checked {
        return Err(kind.bad(&format!("Bad address: {}", error.problem)));
    }
    let parameters = parameters(rest)?;
    Ok(Arguments { path, parameters })
}

impl Path {
    fn keyword(self) -> &'static str {
        match self {
            Self::Reverse => "FROM:",
            Self::Forward => "TO:",
        }
    }

    fn usage(self) -> &'static str {
        match self {
            Self::Reverse => "Syntax: MAIL FROM:<address>",
            Self::Forward => "Syntax: RCPT TO:<address>",
        }
    }

    fn bad(self, text: &str) -> Reply {
        let enhanced = match self {
            Self::Reverse => "5.1.7",
            Self::Forward => "5.1.3",
        };
        Reply::new(501, enhanced, text)
    }
}

fn after_keyword<'a>(text: &'a str, keyword: &str) -> Option<&'a str> {
    let (word, rest) = text.split_at_checked(keyword.len())?;
    word.eq_ignore_ascii_case(keyword).then_some(rest)
}

/// What is between `<` and the `>` that is not quoted, and what follows, which is nothing or begins with a space.
fn split_path(text: &str) -> Option<(&str, &str)> {
    let inside = text.strip_prefix('<')?;
    let (mut quoted, mut escaped) = (false, false);
    let end = inside.char_indices().find(|&(_, c)| {
        let this_escaped = std::mem::take(&mut escaped);
        match c {
            _ if this_escaped => {}
            '\\' => escaped = quoted,
            '"' => quoted = !quoted,
            '>' => return !quoted,
            _ => {}
        }
        false
    });
    let (path, rest) = inside.split_at_checked(end?.0)?;
    let rest = rest.strip_prefix('>')?;
    (rest.is_empty() || rest.starts_with(' ')).then_some((path, rest))
}

/// Keywords, each at most once, with or without a value.
fn parameters(text: &str) -> Result<Vec<Parameter>, Reply> {
    let mut parameters: Vec<Parameter> = Vec::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let parameter = parameter(word).ok_or_else(|| replies::syntax("Malformed parameter"))?;
        // There are at most as many as there are keywords that are offered, which ends this soon.
        if parameters.iter().any(|other| other.is(&parameter.keyword)) {
            return Err(replies::syntax("The same parameter twice"));
        }
        parameters.push(parameter);
    }
    Ok(parameters)
}

fn parameter(word: &str) -> Option<Parameter> {
    let (keyword, value) = match word.split_once('=') {
        Some((keyword, value)) => (keyword, Some(value)),
        None => (word, None),
    };
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let is_keyword =
        keyword.bytes().all(legal) && keyword.starts_with(|c: char| c.is_ascii_alphanumeric());
    // `esmtp-value` has no `=`; UTF-8 is for the one who reads the parameter (RFC 6531, 3.3).
    let is_value = value.is_none_or(|value| {
        !value.is_empty() && !value.chars().any(|c| c == '=' || c.is_control())
    });
    (is_keyword && is_value).then(|| Parameter {
        keyword: keyword.to_owned(),
        value: value.map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mail(text: &str) -> Result<(String, String), String> {
        shown(parse(text, Path::Reverse))
    }

    fn rcpt(text: &str) -> Result<(String, String), String> {
        shown(parse(text, Path::Forward))
    }

    fn shown(parsed: Result<Arguments<'_>, Reply>) -> Result<(String, String), String> {
        let parsed = parsed.map_err(|reply| reply.to_string()[..9].to_owned())?;
        let parameters: Vec<String> = parsed
            .parameters
            .into_iter()
            .map(|Parameter { keyword, value }| match value {
                Some(value) => format!("{keyword}={value}"),
                None => keyword,
            })
            .collect();
        Ok((parsed.path.to_owned(), parameters.join(",")))
    }

    #[test]
    fn paths_are_kept_byte_for_byte() {
        for path in [
            "a@b",
            "postmaster",
            "@a,@b:c@d",
            "u%ext@local",
            "ext!u",
            "\"a b\"@c",
            "\"a>b\\\"<\"@c",
            "\"u@ext\"@local",
            "u@[127.0.0.1]",
            "u@ext.",
            "a@b@c",
            "\u{fc}@b\u{fc}cher.example",
            "a=b+c@d",
            "x\u{202e}@d",
        ] {
            assert_eq!(
                mail(&format!("FROM:<{path}>")),
                Ok((path.to_owned(), String::new()))
            );
            assert_eq!(
                rcpt(&format!("to: <{path}>  SIZE=1 ")),
                Ok((path.to_owned(), "SIZE=1".to_owned()))
            );
        }
        assert_eq!(mail("FROM:<>"), Ok((String::new(), String::new())));
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for path in [
            "a@b",
            "< a@b >",
            "<a@b",
            "a@b>",
            "<<a@b>>",
            "<a@b>x",
            "<a@b>SIZE=1",
            "<a b@c>",
            "<a\"b@c>",
            "<\"a@b>",
            "<\"a\"b@c>",
            "<a\\>@b>",
            "<a@b>\u{a0}",
            "  <a@b>",
            "\t<a@b>",
            "<a\u{85}@b>",
            "<@a:\"b c\"@d>",
            "",
            "<",
            ">",
            "Name <a@b>",
        ] {
            assert_eq!(
                mail(&format!("FROM:{path}")),
                Err("501 5.1.7".to_owned()),
                "{path}"
            );
            assert_eq!(
                rcpt(&format!("TO:{path}")),
                Err("501 5.1.3".to_owned()),
                "{path}"
            );
        }
        assert_eq!(rcpt("TO:<>"), Err("501 5.1.3".to_owned()));
        for text in ["", "FROM", "FROM <a@b>", "TO:<a@b>", "<a@b>", "FROM :<a@b>"] {
            assert_eq!(mail(text), Err("501 5.5.4".to_owned()), "{text}");
        }
        let long = format!("FROM:<{}@b>", "a".repeat(1023));
        assert_eq!(mail(&long), Err("501 5.1.7".to_owned()));
    }

    #[test]
    fn parameters_are_keywords_with_or_without_a_value() {
        assert_eq!(
            mail("FROM:<> SMTPUTF8 X-a=<b>;c").unwrap().1,
            "SMTPUTF8,X-a=<b>;c"
        );
        for text in [
            "=",
            "A=",
            "=b",
            "-A",
            "A=b=c",
            "A_B",
            "\u{fc}=1",
            "SIZE=1 size=2",
            "A=\u{85}",
            "A A",
        ] {
            assert_eq!(
                mail(&format!("FROM:<> {text}")),
                Err("501 5.5.4".to_owned()),
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn whatever_is_taken_can_be_said_again(text in "(FROM:)?[<>@\"\\\\ a,:=\\PC]{0,40}") {
            if let Ok(Arguments { path, parameters }) = parse(&text, Path::Reverse) {
                let again = format!("FROM:<{path}>");
                prop_assert_eq!(parse(&again, Path::Reverse).unwrap().path, path);
                prop_assert!(parameters.iter().all(|parameter| !parameter.keyword.contains(' ')));
            }
        }
    }
}
