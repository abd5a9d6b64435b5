//! The bounds of parsing. Reaching one is a defect that carries the bound.

use serde::{Deserialize, Serialize};

/// Bounds for [`Message::parse`](crate::Message::parse).
///
/// The defaults lie just above what ordinary mail needs, and beside those of other filters (ClamAV:
/// 1,024 header fields of 256 KiB, 1,024 parts; Postfix: MIME nesting 100; rspamd: 64).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Size of a message in bytes. What follows is cut off and not looked at. Default: 50 MiB.
    pub message_bytes: usize,
    /// Header fields in one header section. Default: 1,000.
    pub headers: usize,
    /// Bytes of one header section that are kept as fields; of one field, a quarter of it.
    /// Default: 256 KiB.
    pub header_bytes: usize,
    /// Parts of one message, views included; nested messages count as one part. Default: 1,000.
    pub parts: usize,
    /// Nested multiparts in one message. Default: 32.
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            message_bytes: 50 << 20,
            headers: 1_000,
            header_bytes: 256 << 10,
            parts: 1_000,
            depth: 32,
        }
    }
}
