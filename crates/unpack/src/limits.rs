use serde::{Deserialize, Serialize};

/// Bounds of one [`unpack`](crate::unpack). All of them are fuel, none is a clock: the same mail reaches the
/// same bound every time.
///
/// Reaching one never ends in silence: the artifact it concerns is
/// [`Coverage::OverLimit`](crate::Coverage::OverLimit) and names the bound.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Bytes produced by decompression and by nested mails, for one mail. Default: 256 MiB.
    pub total_bytes: u64,
    /// Bytes of one artifact. What follows is cut off. Default: 100 MiB.
    pub file_bytes: u64,
    /// Artifacts of one mail. Default: 2,000, of which ordinary mail needs fewer than 100.
    pub files: usize,
    /// Archives inside archives; documents in `data:` URLs count as such. Default: 8, as MailScanner.
    pub depth: usize,
    /// Mails inside mails. Default: 32.
    pub mail_depth: usize,
    /// Bytes out per byte in, for one member and for all members of one archive together. Default: 200;
    /// deflate of real files stays below 100.
    pub ratio: u64,
    /// The ratio is not looked at below this many bytes. Default: 1 MiB, because small files may well be
    /// nothing but zeros.
    pub ratio_floor: u64,
    /// Bytes of one HTML document that are read. Default: 10 MiB, as rspamd.
    pub html_bytes: usize,
    /// Bytes of visible text kept, and of hidden text. Default: 1 MiB.
    pub text_bytes: usize,
    /// References kept. Default: 1,000.
    pub references: usize,
    /// Bounds for parsing nested mails.
    pub mail: mail::Limits,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            total_bytes: 256 << 20,
            file_bytes: 100 << 20,
            files: 2_000,
            depth: 8,
            mail_depth: 32,
            ratio: 200,
            ratio_floor: 1 << 20,
            html_bytes: 10 << 20,
            text_bytes: 1 << 20,
            references: 1_000,
            mail: mail::Limits::default(),
        }
    }
}
