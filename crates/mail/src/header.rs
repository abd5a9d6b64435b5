//! Header fields.

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

impl Header<'_> {
    /// The value as text: unfolded, trimmed, RFC 2047 encoded words decoded.
    pub fn text(&self) -> String {
        mail_parser::HeaderForm::Text
            .parse(self.raw_value)
            .value()
            .as_text()
            .unwrap_or_default()
            .to_owned()
    }
}
