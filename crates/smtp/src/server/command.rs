//! A command line: its verb and the rest (RFC 5321, 4.1).

use super::replies;
use crate::reply::Reply;

/// First words of an HTTP request. A browser that is led to a mail server's port sends commands of an
/// attacker's choice in the lines after it, so they end the connection.
const FOREIGN: [&[u8]; 9] = [
    b"GET", b"POST", b"PUT", b"HEAD", b"CONNECT", b"OPTIONS", b"DELETE", b"PATCH", b"TRACE",
];

/// Commands that the server knows, offered or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Auth,
    Bdat,
    Data,
    Ehlo,
    Expn,
    Helo,
    Help,
    Mail,
    Noop,
    Quit,
    Rcpt,
    Rset,
    StartTls,
    Vrfy,
    Xclient,
    Xforward,
    /// No command but the beginning of an HTTP request.
    Foreign,
}

const VERBS: [(&[u8], Verb); 16] = [
    (b"AUTH", Verb::Auth),
    (b"BDAT", Verb::Bdat),
    (b"DATA", Verb::Data),
    (b"EHLO", Verb::Ehlo),
    (b"EXPN", Verb::Expn),
    (b"HELO", Verb::Helo),
    (b"HELP", Verb::Help),
    (b"MAIL", Verb::Mail),
    (b"NOOP", Verb::Noop),
    (b"QUIT", Verb::Quit),
    (b"RCPT", Verb::Rcpt),
    (b"RSET", Verb::Rset),
    (b"STARTTLS", Verb::StartTls),
    (b"VRFY", Verb::Vrfy),
    (b"XCLIENT", Verb::Xclient),
    (b"XFORWARD", Verb::Xforward),
];

/// The verb of a line, and what follows it without the spaces around.
///
/// # Errors
/// The reply to a line that is no command: control bytes, an unknown verb, or what is not UTF-8.
pub(super) fn parse(line: &[u8]) -> Result<(Verb, &str), Reply> {
    let (word, rest) = first_word(line);
    if FOREIGN
        .iter()
        .any(|foreign| word.eq_ignore_ascii_case(foreign))
    {
        return Ok((Verb::Foreign, ""));
    }
    if line.iter().any(u8::is_ascii_control) {
        return Err(Reply::new(500, "5.5.2", "Control character in a command"));
    }
    let verb = VERBS
        .iter()
        .find(|(name, _)| word.eq_ignore_ascii_case(name));
    let &(_, verb) = verb.ok_or_else(replies::unknown_command)?;
    let rest = std::str::from_utf8(rest).map_err(|_| Reply::new(501, "5.5.2", "Not UTF-8"))?;
    Ok((verb, rest.trim_matches(' ')))
}

/// Whether a line begins like an HTTP request.
pub(super) fn is_foreign(line: &[u8]) -> bool {
    let (word, _) = first_word(line);
    FOREIGN
        .iter()
        .any(|foreign| word.eq_ignore_ascii_case(foreign))
}

fn first_word(line: &[u8]) -> (&[u8], &[u8]) {
    let end = line
        .iter()
        .position(|&byte| byte == b' ')
        .unwrap_or(line.len());
    line.split_at_checked(end).unwrap_or((line, b""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(line: &[u8]) -> u16 {
        parse(line).unwrap_err().code
    }

    #[test]
    fn verbs_are_known_in_any_case_and_spaces_around_their_arguments_are_dropped() {
        assert_eq!(parse(b"mAiL FROM:<a@b>  "), Ok((Verb::Mail, "FROM:<a@b>")));
        assert_eq!(parse(b"QUIT"), Ok((Verb::Quit, "")));
        assert_eq!(parse(b"starttls "), Ok((Verb::StartTls, "")));
        assert_eq!(
            parse("EHLO b\u{fc}cher.example".as_bytes()),
            Ok((Verb::Ehlo, "b\u{fc}cher.example"))
        );
    }

    #[test]
    fn what_is_no_command_is_refused() {
        for line in [
            "",
            " ",
            " QUIT",
            "QUITS",
            "LHLO a",
            "PROXY TCP4 1.2.3.4 5.6.7.8 1 2",
            "\u{17f}tarttls",
            "MAILFROM:<a@b>",
        ] {
            assert_eq!(code(line.as_bytes()), 500, "{line}");
        }
        for line in [
            "MAIL FROM:<a\0@b>",
            "NOOP\t",
            "QUIT\r",
            "EHLO \x7f",
            "NOOP \x1b[2J",
        ] {
            assert_eq!(code(line.as_bytes()), 500, "{line}");
        }
        assert_eq!(code(b"EHLO \xff"), 501);
        assert_eq!(code(b"MAIL FROM:<\xc3\x28@b>"), 501);
    }

    #[test]
    fn http_is_recognised_whatever_follows() {
        for line in [
            "GET / HTTP/1.1",
            "post /\x01",
            "CONNECT mx.example:25 HTTP/1.0",
            "OPTIONS",
        ] {
            assert_eq!(parse(line.as_bytes()), Ok((Verb::Foreign, "")), "{line}");
        }
        assert_eq!(code(b"GETTING"), 500);
    }
}
