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
