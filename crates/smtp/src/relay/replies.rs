//! What the relay says in its own name. All of it is to be tried again, except what the client alone can change.

use crate::error::{Error, Stage};
use crate::reply::Reply;

/// "Service not available, closing transmission channel", and its polite form: they end a session with the next hop,
/// but not ours with the client.
const CLOSING: [u16; 2] = [221, 421];

/// The next hop's answer as the client hears it: unchanged, unless it would end the client's session or means nothing
/// at this place.
pub(super) fn passed_on(reply: Reply) -> Reply {
    match reply.code {
        code if CLOSING.contains(&code) => Reply::new(
            451,
            "4.3.2",
            "The next mail server is closing its connections; try again later",
        ),
        200..=299 | 400..=599 => reply,
        _ => nonsense(),
    }
}

/// Why there is no answer of the next hop. The final dot was not sent, so nothing was delivered.
pub(super) fn failed(error: &Error) -> Reply {
    match error {
        // A next hop that refuses us by our name or address refuses no mail. What it says is for two
        // administrators, and may be over tomorrow.
        Error::Io { stage, .. } | Error::Timeout { stage, .. } | Error::Refused { stage, .. }
            if is_before_mail(*stage) =>
        {
            unreachable()
        }
        Error::Tls { .. } | Error::TlsNotOffered { .. } => unreachable(),
        Error::Io { .. } | Error::Timeout { .. } | Error::Ended { .. } => lost(),
        Error::Refused { reply, .. } => passed_on(reply.clone()),
        Error::Protocol { .. } => nonsense(),
        Error::Busy { .. } => busy(),
        Error::Utf8NotOffered { .. } => no_smtp_utf8(),
        Error::ParameterNotOffered { keyword, .. } if keyword.eq_ignore_ascii_case("SMTPUTF8") => {
            no_smtp_utf8()
        }
        Error::ParameterNotOffered { keyword, .. } => not_offered(keyword),
        Error::Parameter { .. } => Reply::new(501, "5.5.4", "Bad parameter"),
        Error::Address(_) => Reply::new(553, "5.1.0", "Bad address"),
        _ => internal(),
    }
}

fn is_before_mail(stage: Stage) -> bool {
    matches!(
        stage,
        Stage::Connect | Stage::Greeting | Stage::Hello | Stage::StartTls
    )
}

fn busy() -> Reply {
    Reply::new(451, "4.3.2", "Too many messages at once; try again later")
}

fn unreachable() -> Reply {
    Reply::new(
        451,
        "4.4.1",
        "The next mail server cannot be reached; try again later",
    )
}

pub(super) fn lost() -> Reply {
    Reply::new(
        451,
        "4.4.2",
        "The connection to the next mail server was lost; try again later",
    )
}

pub(super) fn nonsense() -> Reply {
    Reply::new(
        451,
        "4.5.0",
        "The next mail server gave an answer that means nothing; try again later",
    )
}

/// The dot was sent, and no answer came.
pub(super) fn unknown() -> Reply {
    Reply::new(
        451,
        "4.4.2",
        "The next mail server did not say whether it has taken the message; try again later",
    )
}

/// Before the dot there was no time left.
pub(super) fn too_slow() -> Reply {
    Reply::new(
        451,
        "4.4.7",
        "The message could not be handed on in time; try again later",
    )
}

/// Nobody is there to read it.
pub(super) fn gone() -> Reply {
    Reply::new(451, "4.4.2", "The client went away")
}

/// What a client would have been told whose session was cut off.
pub(super) fn cut_off() -> Reply {
    Reply::new(451, "4.3.2", "The session was ended; try again later")
}

/// A fault of ours; the log has more.
pub(super) fn internal() -> Reply {
    Reply::new(451, "4.3.0", "Local error; try again later")
}

/// The replay of a transaction was not accepted as its first play.
pub(super) fn inconsistent() -> Reply {
    Reply::new(
        451,
        "4.5.1",
        "The next mail server changed its mind about a recipient; try again later",
    )
}

pub(super) fn not_relayed() -> Reply {
    Reply::new(550, "5.7.1", "Relaying denied")
}

pub(super) fn bad_recipient() -> Reply {
    Reply::new(553, "5.1.3", "Bad recipient address syntax")
}

/// One recipient per transaction with an LMTP next hop, which answers for each, where SMTP has one answer.
pub(super) fn one_at_a_time() -> Reply {
    Reply::new(
        452,
        "4.5.3",
        "One recipient per message; send the next one a copy of its own",
    )
}

fn no_smtp_utf8() -> Reply {
    Reply::new(
        550,
        "5.6.7",
        "The next mail server does not take internationalised mail",
    )
}

/// A parameter that the next hop does not know, and that must not be ignored.
fn not_offered(keyword: &str) -> Reply {
    let text = format!("The next mail server does not know {keyword}");
    Reply::new(555, "5.5.4", &text)
}
