//! What the server says of its own.

use crate::reply::Reply;

/// The code of the answer to QUIT.
pub(super) const BYE: u16 = 221;
/// The code after which the connection is closed (RFC 5321, 3.8).
pub(super) const CLOSING: u16 = 421;

pub(super) fn ok() -> Reply {
    Reply::new(250, "2.0.0", "Ok")
}

pub(super) fn bye() -> Reply {
    Reply::new(BYE, "2.0.0", "Bye")
}

pub(super) fn greeting(hostname: &str) -> Reply {
    Reply::new(220, "", &format!("{hostname} ESMTP"))
}

pub(super) fn go_ahead() -> Reply {
    Reply::new(354, "", "End data with <CR><LF>.<CR><LF>")
}

pub(super) fn start_tls() -> Reply {
    Reply::new(220, "2.0.0", "Ready to start TLS")
}

pub(super) fn syntax(text: &str) -> Reply {
    Reply::new(501, "5.5.4", text)
}

pub(super) fn unknown_command() -> Reply {
    Reply::new(500, "5.5.2", "Command not recognized")
}

pub(super) fn out_of_order(text: &str) -> Reply {
    Reply::new(503, "5.5.1", text)
}

pub(super) fn not_implemented() -> Reply {
    Reply::new(502, "5.5.1", "Command not implemented")
}

pub(super) fn line_too_long() -> Reply {
    Reply::new(500, "5.5.2", "Line too long")
}

pub(super) fn bare_line_feed() -> Reply {
    Reply::new(500, "5.5.2", "A line ends with <CR><LF>")
}

pub(super) fn improper_pipelining() -> Reply {
    Reply::new(554, "5.5.0", "Improper command pipelining")
}

pub(super) fn talks_first() -> Reply {
    Reply::new(554, "5.5.1", "The server speaks first")
}

pub(super) fn not_a_client() -> Reply {
    Reply::new(554, "5.7.1", "No mail from your address here")
}

pub(super) fn not_authorized() -> Reply {
    Reply::new(550, "5.7.0", "Not authorized")
}

pub(super) fn tls_first() -> Reply {
    Reply::new(530, "5.7.0", "Must issue a STARTTLS command first")
}

pub(super) fn too_many_recipients() -> Reply {
    Reply::new(452, "4.5.3", "Too many recipients")
}

pub(super) fn message_too_large() -> Reply {
    Reply::new(552, "5.3.4", "Message size exceeds the limit")
}

pub(super) fn no_space() -> Reply {
    Reply::new(452, "4.3.1", "Insufficient system storage")
}

/// The service failed, or did not come to an answer.
pub(super) fn local_error() -> Reply {
    Reply::new(451, "4.3.0", "Local error, try again later")
}

/// The connection is closed after it.
pub(super) fn closing(hostname: &str, enhanced: &str, text: &str) -> Reply {
    Reply::new(CLOSING, enhanced, &format!("{hostname} {text}"))
}

pub(super) fn shutting_down(hostname: &str) -> Reply {
    closing(hostname, "4.3.2", "Service is shutting down")
}

pub(super) fn too_many(hostname: &str) -> Reply {
    closing(hostname, "4.3.2", "Too many connections")
}

pub(super) fn too_many_of_client(hostname: &str) -> Reply {
    closing(hostname, "4.7.0", "Too many connections from your address")
}

pub(super) fn too_slow(hostname: &str) -> Reply {
    closing(hostname, "4.4.2", "Timeout exceeded")
}
