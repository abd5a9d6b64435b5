//! Command lines. Whatever stands in them was checked: nothing can end a line but its own CRLF.

use crate::address::{check_forward_path, check_reverse_path};
use crate::client::extensions::{Extensions, XforwardAttributes, is_a_hint};
use crate::error::{Error, ParameterProblem};
use crate::reply::printable;
use crate::service::{Forwarded, MailCommand, Parameter, RcptCommand};

/// Longest command line in bytes, with its CRLF. RFC 5321 (4.5.3.1.4) allows 512 and its extensions some more for each
/// of their parameters, DSN most of all; this is more than all of them together.
const MAX_COMMAND: usize = 4096;

/// Longest XFORWARD line in bytes, with its CRLF (Postfix, XFORWARD_README).
const MAX_XFORWARD: usize = 512;

/// How much of a keyword an error message repeats, in bytes.
const SHOWN: usize = 40;

/// MAIL with those of its parameters that the server takes.
pub(crate) fn mail_line(
    peer: &str,
    offered: &Extensions,
    mail: &MailCommand,
) -> Result<String, Error> {
    check_reverse_path(&mail.path)?;
    line(peer, offered, "MAIL FROM", &mail.path, &mail.parameters)
}

/// RCPT with those of its parameters that the server takes.
pub(crate) fn rcpt_line(
    peer: &str,
    offered: &Extensions,
    rcpt: &RcptCommand,
) -> Result<String, Error> {
    check_forward_path(&rcpt.path)?;
    line(peer, offered, "RCPT TO", &rcpt.path, &rcpt.parameters)
}

/// An address that needs SMTPUTF8 where the server does not offer it.
pub(crate) fn check_utf8(peer: &str, offered: &Extensions, address: &str) -> Result<(), Error> {
    if offered.smtp_utf8 || address.is_ascii() {
        return Ok(());
    }
    Err(Error::Utf8NotOffered {
        peer: peer.to_owned(),
        address: printable(address.as_bytes()),
    })
}

/// As few XFORWARD lines as carry every attribute that the server takes. What is not known is said to be
/// unavailable, so that nothing is left of what an earlier XFORWARD of the session has said.
pub(crate) fn xforward_lines(offered: XforwardAttributes, client: &Forwarded) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for (name, value) in attributes(offered, client) {
        let encoded = value.map(|value| xtext(&value));
        let fits = |encoded: &String| {
            !encoded.is_empty()
                && "XFORWARD ".len() + name.len() + "=".len() + encoded.len() + "\r\n".len()
                    <= MAX_XFORWARD
        };
        // Half a name would be another name.
        let encoded = encoded
            .filter(fits)
            .unwrap_or_else(|| "[UNAVAILABLE]".to_owned());
        let attribute = format!(" {name}={encoded}");
        match lines.last_mut() {
            Some(line) if line.len() + attribute.len() + "\r\n".len() <= MAX_XFORWARD => {
                line.push_str(&attribute);
            }
            _ => lines.push(format!("XFORWARD{attribute}")),
        }
    }
    lines.iter_mut().for_each(|line| line.push_str("\r\n"));
    lines
}

fn line(
    peer: &str,
    offered: &Extensions,
    verb: &str,
    path: &str,
    parameters: &[Parameter],
) -> Result<String, Error> {
    check_utf8(peer, offered, path)?;
    let mut line = format!("{verb}:<{path}>");
    for parameter in parameters {
        check_parameter(parameter)?;
        if offered.takes(parameter) {
            line.push(' ');
            line.push_str(&parameter.keyword);
            if let Some(value) = &parameter.value {
                line.push('=');
                line.push_str(value);
            }
        } else if !is_a_hint(parameter) {
            return Err(Error::ParameterNotOffered {
                peer: peer.to_owned(),
                keyword: shown(&parameter.keyword),
            });
        }
        if line.len() + "\r\n".len() > MAX_COMMAND {
            return Err(unsendable(parameter, ParameterProblem::TooLong));
        }
    }
    line.push_str("\r\n");
    Ok(line)
}

fn check_parameter(parameter: &Parameter) -> Result<(), Error> {
    let Parameter { keyword, value } = parameter;
    let is_keyword = keyword
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if keyword.is_empty() || !is_keyword {
        return Err(unsendable(parameter, ParameterProblem::Keyword));
    }
    let breaks = |c: char| c.is_control() || c.is_whitespace();
    match value {
        Some(value) if value.is_empty() || value.contains(breaks) => {
            Err(unsendable(parameter, ParameterProblem::Value))
        }
        _ => Ok(()),
    }
}

fn unsendable(parameter: &Parameter, problem: ParameterProblem) -> Error {
    Error::Parameter {
        keyword: shown(&parameter.keyword),
        problem,
    }
}

fn shown(keyword: &str) -> String {
    let bytes = keyword.as_bytes();
    printable(bytes.get(..SHOWN).unwrap_or(bytes))
}

fn attributes(
    offered: XforwardAttributes,
    client: &Forwarded,
) -> impl Iterator<Item = (&'static str, Option<String>)> {
    let address = client.address.as_deref().map(|address| {
        if address.contains(':') {
            format!("IPV6:{address}")
        } else {
            address.to_owned()
        }
    });
    [
        (offered.name, "NAME", client.name.clone()),
        (offered.address, "ADDR", address),
        (
            offered.port,
            "PORT",
            client.port.map(|port| port.to_string()),
        ),
        (offered.protocol, "PROTO", client.protocol.clone()),
        (offered.helo, "HELO", client.helo.clone()),
        (offered.ident, "IDENT", client.ident.clone()),
        (offered.source, "SOURCE", client.source.clone()),
    ]
    .into_iter()
    .filter_map(|(offered, name, value)| offered.then_some((name, value)))
}

/// RFC 3461, section 4: what is not printable, and `+` and `=`, as `+XX`.
fn xtext(value: &str) -> String {
    let mut encoded = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'+' | b'=' => encoded.push_str(&format!("+{byte:02X}")),
            b'!'..=b'~' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("+{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use proptest::prelude::*;

    const EVERYTHING: Extensions = Extensions {
        size: true,
        size_limit: None,
        eight_bit_mime: true,
        smtp_utf8: true,
        dsn: true,
        auth: true,
        start_tls: false,
        xforward: XforwardAttributes {
            name: true,
            address: true,
            port: true,
            protocol: true,
            helo: true,
            ident: true,
            source: true,
        },
    };

    fn parameters(text: &str) -> Vec<Parameter> {
        let parameter = |word: &str| match word.split_once('=') {
            Some((keyword, value)) => Parameter {
                keyword: keyword.to_owned(),
                value: Some(value.to_owned()),
            },
            None => Parameter {
                keyword: word.to_owned(),
                value: None,
            },
        };
        text.split_whitespace().map(parameter).collect()
    }

    fn mail(path: &str, with: &str) -> MailCommand {
        MailCommand {
            path: path.to_owned(),
            parameters: parameters(with),
            ..MailCommand::default()
        }
    }

    #[test]
    fn paths_and_parameters_are_sent_as_given() {
        let given = "size=100 BODY=8BITMIME RET=HDRS ENVID=QQ+2B314 AUTH=<>";
        let line = mail_line("mx", &EVERYTHING, &mail("@a,@b:c@d", given)).unwrap();
        assert_eq!(line, format!("MAIL FROM:<@a,@b:c@d> {given}\r\n"));
        let rcpt = RcptCommand {
            path: "\"a b\"@c".to_owned(),
            parameters: parameters("NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;a+20b@c"),
        };
        assert_eq!(
            rcpt_line("mx", &EVERYTHING, &rcpt).unwrap(),
            "RCPT TO:<\"a b\"@c> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;a+20b@c\r\n"
        );
    }

    #[test]
    fn hints_are_left_out_where_nobody_understands_them_and_requests_are_not() {
        let nothing = Extensions::default();
        let line = mail_line(
            "mx",
            &nothing,
            &mail("a@b", "SIZE=1 BODY=8BITMIME AUTH=a@b"),
        );
        assert_eq!(line.unwrap(), "MAIL FROM:<a@b>\r\n");
        for request in ["SMTPUTF8", "RET=FULL", "ENVID=x", "MT-PRIORITY=3"] {
            let error = mail_line("mx", &nothing, &mail("a@b", request)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Permanent);
            let keyword = request.split('=').next().unwrap();
            assert_eq!(
                error.to_string(),
                format!("mx: the server does not offer {keyword}")
            );
        }
        let error = mail_line("mx", &nothing, &mail("é@b", "")).unwrap_err();
        assert!(matches!(error, Error::Utf8NotOffered { .. }), "{error:?}");
    }

    #[test]
    fn a_parameter_cannot_end_its_command() {
        for value in [
            "1\r\nRSET",
            "1 X=2",
            "1\n",
            "\0",
            "a\u{85}b",
            "a\u{2028}b",
            "\t",
            "",
        ] {
            let mut command = mail("a@b", "SIZE=1");
            command.parameters[0].value = Some(value.to_owned());
            let error = mail_line("mx", &EVERYTHING, &command).unwrap_err();
            assert!(
                matches!(error, Error::Parameter { .. }),
                "{value:?}: {error:?}"
            );
            // not even where it would be left out
            mail_line("mx", &Extensions::default(), &command).unwrap_err();
        }
        for keyword in ["", "SI ZE", "SIZE\r\nRSET", "É", "A=B"] {
            let mut command = mail("a@b", "SIZE=1");
            command.parameters[0].keyword = keyword.to_owned();
            let error = mail_line("mx", &EVERYTHING, &command).unwrap_err();
            assert!(
                matches!(error, Error::Parameter { .. }),
                "{keyword:?}: {error:?}"
            );
        }
    }

    #[test]
    fn a_command_line_has_a_longest_length() {
        let base = "MAIL FROM:<a@b> ENVID=\r\n".len();
        let fits = mail("a@b", &format!("ENVID={}", "x".repeat(MAX_COMMAND - base)));
        assert_eq!(
            mail_line("mx", &EVERYTHING, &fits).unwrap().len(),
            MAX_COMMAND
        );
        let over = mail(
            "a@b",
            &format!("ENVID={}", "x".repeat(MAX_COMMAND - base + 1)),
        );
        let error = mail_line("mx", &EVERYTHING, &over).unwrap_err();
        assert_eq!(
            error.to_string(),
            "ENVID: makes the command line longer than 4096 bytes"
        );
    }

    #[test]
    fn xforward_says_what_is_offered_and_encodes_it() {
        let client = Forwarded {
            name: Some("mail+1=x.example".to_owned()),
            address: Some("2001:db8::1".to_owned()),
            port: Some(4711),
            protocol: None,
            helo: Some("spike é\u{7f}".to_owned()),
            ident: Some(String::new()),
            source: Some("REMOTE".to_owned()),
        };
        assert_eq!(
            xforward_lines(EVERYTHING.xforward, &client),
            [
                "XFORWARD NAME=mail+2B1+3Dx.example ADDR=IPV6:2001:db8::1 PORT=4711 PROTO=[UNAVAILABLE] \
              HELO=spike+20+C3+A9+7F IDENT=[UNAVAILABLE] SOURCE=REMOTE\r\n"
            ]
        );
        let two = XforwardAttributes {
            address: true,
            source: true,
            ..XforwardAttributes::default()
        };
        assert_eq!(
            xforward_lines(two, &client),
            ["XFORWARD ADDR=IPV6:2001:db8::1 SOURCE=REMOTE\r\n"]
        );
        assert!(xforward_lines(XforwardAttributes::default(), &client).is_empty());
    }

    #[test]
    fn long_attributes_take_several_lines_and_one_that_fits_none_is_unavailable() {
        let client = Forwarded {
            name: Some("n".repeat(255)),
            helo: Some("h".repeat(255)),
            ident: Some("é".repeat(127)),
            ..Forwarded::default()
        };
        let lines = xforward_lines(EVERYTHING.xforward, &client);
        assert_eq!(lines.len(), 2, "{lines:?}");
        let all = lines.concat();
        assert!(all.contains(&"n".repeat(255)) && all.contains(&"h".repeat(255)));
        assert!(all.contains("IDENT=[UNAVAILABLE]"));
    }

    fn decoded(encoded: &str) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut rest = encoded.bytes();
        while let Some(byte) = rest.next() {
            bytes.push(match byte {
                b'+' => {
                    let hex = [rest.next()?, rest.next()?];
                    u8::from_str_radix(std::str::from_utf8(&hex).ok()?, 16).ok()?
                }
                other => other,
            });
        }
        Some(bytes)
    }

    proptest! {
        #[test]
        fn every_value_is_either_unavailable_or_read_back_and_lines_are_bounded(
            name in "\\PC{0,255}", helo in "[\\x00-\\x7f]{0,255}"
        ) {
            let client = Forwarded { name: Some(name.clone()), helo: Some(helo.clone()), ..Forwarded::default() };
            let lines = xforward_lines(EVERYTHING.xforward, &client);
            for line in &lines {
                prop_assert!(line.len() <= MAX_XFORWARD);
                let text = line.strip_suffix("\r\n").unwrap();
                prop_assert!(text.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
            }
            let all = lines.concat();
            for (key, value) in [(" NAME=", name), (" HELO=", helo)] {
                let sent = all.split_once(key).unwrap().1.split([' ', '\r']).next().unwrap();
                prop_assert!(sent == "[UNAVAILABLE]" || decoded(sent) == Some(value.into_bytes()));
            }
        }
    }
}
