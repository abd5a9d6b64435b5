//! Mailboxes of address header fields.

/// One mailbox of an address list (RFC 5322 section 3.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailbox {
    /// The display name, unquoted and with RFC 2047 encoded words decoded.
    pub display_name: Option<String>,
    /// The address as written, without angle brackets.
    pub address: String,
    /// What is before the last `@`; the whole address when there is none.
    pub local: String,
    /// What is after the last `@`, in lower case; empty when there is none.
    pub domain: String,
}

impl Mailbox {
    pub(crate) fn new(display_name: Option<&str>, address: &str) -> Mailbox {
        let address = address.trim();
        let (local, domain) = address.rsplit_once('@').unwrap_or((address, ""));
        Mailbox {
            display_name: display_name
                .map(str::to_owned)
                .filter(|name| !name.is_empty()),
            address: address.to_owned(),
            local: local.to_owned(),
            domain: domain.to_lowercase(),
        }
    }
}
