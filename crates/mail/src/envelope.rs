//! The envelope: what the SMTP session said about a mail, beside the message itself.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// The envelope of a mail (RFC 5321 section 2.3.1).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Envelope {
    /// The host that handed the mail over.
    pub client: Client,
    /// The reverse-path without angle brackets; empty for the null sender `<>`.
    pub mail_from: String,
    /// The forward-paths without angle brackets, in the order of the session.
    pub rcpts: Vec<String>,
}

/// The SMTP client, as far as it is known. A stored mail that is scanned again has none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Client {
    /// The network address; `None` when the connection was not over IP or is not known.
    pub addr: Option<IpAddr>,
    /// The TCP port of the client; 0 when it is not known.
    pub port: u16,
    /// The verified host name, as the mail server determined it.
    pub name: Option<String>,
    /// The argument of HELO or EHLO: what the client claims to be.
    pub helo: Option<String>,
    /// The TLS version and cipher of the session; `None` for plain text.
    pub tls: Option<String>,
    /// The user that authenticated in the session (SMTP AUTH).
    pub authenticated: Option<String>,
}
