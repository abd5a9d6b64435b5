//! Header fields.

use crate::values;

/// One header field, as transmitted.
#[derive(Debug, Clone)]
pub struct Header<'x> {
    /// The field name as spelled, without the colon and without white space before it.
    pub raw_name: &'x [u8],
    /// The field name in lower case; bytes that are not UTF-8 are replaced.
    pub name: String,
    /// What follows the colon, leading space and folds included, without the final line end.
    pub raw_value: &'x [u8],
}

impl<'x> Header<'x> {
    pub(crate) fn new(raw_name: &'x [u8], raw_value: &'x [u8]) -> Header<'x> {
        let mut name = String::from_utf8_lossy(raw_name).into_owned();
        name.make_ascii_lowercase();
        Header {
            raw_name,
            name,
            raw_value,
        }
    }

    /// The value as text: unfolded, trimmed, RFC 2047 encoded words decoded. Its length is bounded
    /// by [`Limits::header_bytes`](crate::Limits::header_bytes).
    pub fn text(&self) -> String {
        values::text(self.raw_value)
    }
}
