//! What parameters of MAIL and RCPT mean, and which of them are offered.

use super::arguments::Arguments;
use super::replies;
use super::xtext;
use crate::reply::Reply;
use crate::service::{MailCommand, Offer, Parameter, RcptCommand};

/// Longest ENVID, in characters as sent (RFC 3461, 4.4).
const ENVID: usize = 100;
/// Longest ORCPT, in characters as sent (RFC 3461, 4.2).
const ORCPT: usize = 500;
/// Longest SIZE, in digits (RFC 1870, section 4).
const SIZE_DIGITS: usize = 20;

/// MAIL, understood. `message_bytes` is what SIZE may say at most.
///
/// # Errors
/// The reply to a parameter that is not offered, wrong, or over the limit, and to an address that needs SMTPUTF8.
pub(super) fn mail(
    arguments: Arguments<'_>,
    offer: Offer,
    message_bytes: u64,
) -> Result<MailCommand, Reply> {
    let mut mail = MailCommand {
        path: arguments.path.to_owned(),
        ..MailCommand::default()
    };
    for parameter in &arguments.parameters {
        let value = parameter.value.as_deref();
        if parameter.is("SIZE") {
            mail.size = Some(size(value).ok_or_else(|| bad("SIZE"))?);
        } else if parameter.is("BODY") && offer.eight_bit_mime {
            mail.eight_bit_mime = body(value)?;
        } else if parameter.is("SMTPUTF8") && offer.smtp_utf8 {
            if value.is_some() {
                return Err(bad("SMTPUTF8"));
            }
            mail.smtp_utf8 = true;
        } else if parameter.is("RET") && offer.dsn {
            let known = |value: &str| {
                ["FULL", "HDRS"]
                    .iter()
                    .any(|ret| value.eq_ignore_ascii_case(ret))
            };
            value
                .filter(|value| known(value))
                .ok_or_else(|| bad("RET"))?;
        } else if parameter.is("ENVID") && offer.dsn {
            let legal = |value: &&str| value.len() <= ENVID && xtext::is_legal(value);
            value.filter(legal).ok_or_else(|| bad("ENVID"))?;
        } else {
            return Err(not_offered(parameter));
        }
    }
    needs_utf8(&mail.path, &arguments.parameters, mail.smtp_utf8)?;
    if mail.size.is_some_and(|size| size > message_bytes) {
        return Err(replies::message_too_large());
    }
    mail.parameters = arguments.parameters;
    Ok(mail)
}

/// RCPT, understood, in a transaction with or without SMTPUTF8.
///
/// # Errors
/// As with [`mail`].
pub(super) fn rcpt(
    arguments: Arguments<'_>,
    offer: Offer,
    smtp_utf8: bool,
) -> Result<RcptCommand, Reply> {
    for parameter in &arguments.parameters {
        let value = parameter.value.as_deref().unwrap_or_default();
        if parameter.is("NOTIFY") && offer.dsn {
            notify(value).ok_or_else(|| bad("NOTIFY"))?;
        } else if parameter.is("ORCPT") && offer.dsn {
            orcpt(value, smtp_utf8).ok_or_else(|| bad("ORCPT"))?;
        } else {
            return Err(not_offered(parameter));
        }
    }
    needs_utf8(arguments.path, &arguments.parameters, smtp_utf8)?;
    Ok(RcptCommand {
        path: arguments.path.to_owned(),
        parameters: arguments.parameters,
    })
}

fn bad(keyword: &str) -> Reply {
    replies::syntax(&format!("Bad value of {keyword}"))
}

fn not_offered(parameter: &Parameter) -> Reply {
    let text = format!("Unsupported parameter {}", parameter.keyword);
    Reply::new(555, "5.5.4", &text)
}

fn needs_utf8(path: &str, parameters: &[Parameter], smtp_utf8: bool) -> Result<(), Reply> {
    let values = parameters
        .iter()
        .filter_map(|parameter| parameter.value.as_deref());
    if smtp_utf8 || std::iter::once(path).chain(values).all(str::is_ascii) {
        return Ok(());
    }
    Err(Reply::new(553, "5.6.7", "Needs SMTPUTF8"))
}

/// A number that is over every limit is still one.
fn size(value: Option<&str>) -> Option<u64> {
    let value = value?;
    let legal = value.len() <= SIZE_DIGITS && value.bytes().all(|byte| byte.is_ascii_digit());
    legal.then(|| value.parse().unwrap_or(u64::MAX))
}

/// Whether it is 8BITMIME. BINARYMIME needs CHUNKING, which is not offered (RFC 3030, section 3).
fn body(value: Option<&str>) -> Result<bool, Reply> {
    match value {
        Some(value) if value.eq_ignore_ascii_case("7BIT") => Ok(false),
        Some(value) if value.eq_ignore_ascii_case("8BITMIME") => Ok(true),
        _ => Err(bad("BODY")),
    }
}

/// `NEVER`, or some of the others, each once (RFC 3461, 4.1).
fn notify(value: &str) -> Option<()> {
    const WHEN: [&str; 3] = ["SUCCESS", "FAILURE", "DELAY"];
    if value.eq_ignore_ascii_case("NEVER") {
        return Some(());
    }
    let mut seen = [false; WHEN.len()];
    for word in value.split(',') {
        let at = WHEN
            .iter()
            .position(|when| word.eq_ignore_ascii_case(when))?;
        if std::mem::replace(seen.get_mut(at)?, true) {
            return None;
        }
    }
    Some(())
}

/// An address type and an address in xtext (RFC 3461, 4.2), or in UTF-8 under SMTPUTF8 (RFC 6533, section 3).
fn orcpt(value: &str, smtp_utf8: bool) -> Option<()> {
    let (kind, address) = value.split_once(';')?;
    let is_atom = !kind.is_empty()
        && kind
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let is_utf8 = smtp_utf8 && kind.eq_ignore_ascii_case("utf-8");
    let legal = !address.is_empty() && (is_utf8 || xtext::is_legal(address));
    (value.len() <= ORCPT && is_atom && legal).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::arguments::{Path, parse};

    const ALL: Offer = Offer {
        eight_bit_mime: true,
        dsn: true,
        smtp_utf8: true,
    };
    const NONE: Offer = Offer {
        eight_bit_mime: false,
        dsn: false,
        smtp_utf8: false,
    };

    fn mail_of(text: &str, offer: Offer) -> Result<MailCommand, String> {
        let text = format!("FROM:{text}");
        mail(parse(&text, Path::Reverse).unwrap(), offer, 1000).map_err(|reply| reply.to_string())
    }

    fn rcpt_of(text: &str, offer: Offer, smtp_utf8: bool) -> Result<RcptCommand, String> {
        let text = format!("TO:{text}");
        rcpt(parse(&text, Path::Forward).unwrap(), offer, smtp_utf8)
            .map_err(|reply| reply.to_string())
    }

    #[test]
    fn parameters_of_mail_are_understood_and_kept() {
        let mail = mail_of(
            "<a@b> size=1000 BODY=8bitmime SMTPUTF8 RET=hdrs ENVID=a+2Bb",
            ALL,
        )
        .unwrap();
        assert_eq!(
            (mail.size, mail.eight_bit_mime, mail.smtp_utf8),
            (Some(1000), true, true)
        );
        assert_eq!(mail.parameters.len(), 5);
        assert!(mail.parameters[0].is("SIZE") && mail.parameters[0].keyword == "size");
        assert!(!mail_of("<> BODY=7BIT", ALL).unwrap().eight_bit_mime);
        assert_eq!(mail_of("<> SIZE=0", NONE).unwrap().size, Some(0));
    }

    #[test]
    fn what_is_not_offered_is_refused() {
        for text in [
            "BODY=7BIT",
            "SMTPUTF8",
            "RET=FULL",
            "ENVID=a",
            "AUTH=<>",
            "BY=1",
            "MT-PRIORITY=1",
            "NOTIFY=NEVER",
        ] {
            assert!(
                mail_of(&format!("<> {text}"), NONE)
                    .unwrap_err()
                    .starts_with("555 5.5.4"),
                "{text}"
            );
        }
        for text in [
            "NOTIFY=NEVER",
            "ORCPT=rfc822;a",
            "SIZE=1",
            "RET=FULL",
            "SMTPUTF8",
        ] {
            assert!(
                rcpt_of(&format!("<a> {text}"), NONE, false)
                    .unwrap_err()
                    .starts_with("555 5.5.4"),
                "{text}"
            );
        }
    }

    #[test]
    fn wrong_values_are_refused() {
        let long = format!("ENVID={}", "a".repeat(101));
        for text in [
            "SIZE",
            "SIZE=x",
            "SIZE=+1",
            "SIZE=000000000000000000001",
            "BODY",
            "BODY=BINARYMIME",
            "SMTPUTF8=1",
            "RET",
            "RET=ALL",
            "ENVID",
            "ENVID=a+2b",
            "ENVID=+",
            &long,
        ] {
            assert!(
                mail_of(&format!("<> {text}"), ALL)
                    .unwrap_err()
                    .starts_with("501 5.5.4"),
                "{text}"
            );
        }
        let long = format!("ORCPT=rfc822;{}", "a".repeat(494));
        for text in [
            "NOTIFY",
            "NOTIFY=,",
            "NOTIFY=NEVER,DELAY",
            "NOTIFY=DELAY,delay",
            "NOTIFY=ALWAYS",
            "ORCPT",
            "ORCPT=a",
            "ORCPT=;a",
            "ORCPT=rfc822;",
            "ORCPT=rfc822;+4",
            &long,
        ] {
            let refused = rcpt_of(&format!("<a> {text}"), ALL, false).unwrap_err();
            assert!(refused.starts_with("501 5.5.4"), "{text}: {refused}");
        }
        rcpt_of(
            &format!(
                "<a> NOTIFY=success,DELAY,FAILURE {}",
                &long[..long.len() - 1]
            ),
            ALL,
            false,
        )
        .unwrap();
    }

    #[test]
    fn size_over_the_limit_is_refused_at_mail() {
        for (size, passes) in [
            ("999", true),
            ("1000", true),
            ("1001", false),
            ("99999999999999999999", false),
        ] {
            let mail = mail_of(&format!("<> SIZE={size}"), ALL);
            assert_eq!(mail.is_ok(), passes, "{size}");
            assert!(mail.is_ok() || mail.unwrap_err().starts_with("552 5.3.4"));
        }
    }

    #[test]
    fn addresses_beyond_ascii_need_smtputf8() {
        let refused = mail_of("<\u{fc}@b>", ALL).unwrap_err();
        assert!(refused.starts_with("553 5.6.7"), "{refused}");
        mail_of("<\u{fc}@b> SMTPUTF8", ALL).unwrap();
        assert!(
            rcpt_of("<\u{fc}@b>", ALL, false)
                .unwrap_err()
                .starts_with("553 5.6.7")
        );
        rcpt_of("<\u{fc}@b> ORCPT=utf-8;\u{fc}@b", ALL, true).unwrap();
        assert!(
            rcpt_of("<a@b> ORCPT=utf-8;\u{fc}@b", ALL, false)
                .unwrap_err()
                .starts_with("501")
        );
    }
}
