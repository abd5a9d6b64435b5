//! The texts that a filter hands to the MTA. Their constructors are the only way in, so that no
//! line end, NUL or control character of a hostile mail ever gets into a header or an SMTP reply.

use std::fmt;

use bytes::{Bytes, BytesMut};

use crate::protocol::BODY_CHUNK;

/// The longest name of a header field, in bytes.
const NAME_BYTES: usize = 76;

/// The longest line of a header field's value, in bytes: 998 (RFC 5322, section 2.1.1) with the
/// longest name, colon and space in front.
pub const LINE_BYTES: usize = 998 - NAME_BYTES - 2;

/// The longest value of a header field, folds included, in bytes. Postfix cuts header fields at
/// 100 KB (`header_size_limit`); nothing that a filter has to say comes near.
pub const VALUE_BYTES: usize = 16 * 1024;

/// The longest address, in bytes: local part 64, `@`, domain 255, with room for quoting.
pub const ADDRESS_BYTES: usize = 512;

/// The longest line of text in an SMTP reply, in bytes: 512 with code, status and CRLF
/// (RFC 5321, section 4.5.3.1.5).
pub const REPLY_LINE_BYTES: usize = 480;

/// The most lines of an SMTP reply.
pub const REPLY_LINES: usize = 32;

/// Postfix cuts the reason of a quarantine here, in bytes.
pub const REASON_BYTES: usize = 100;

/// A text that cannot be handed on as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// A character that would end the line, the field or the string, or is not allowed there.
    #[error("{what}: character {:?} at byte {position} is not allowed", char::from(*.byte))]
    Character {
        /// What the text was to be.
        what: &'static str,
        /// The offending byte.
        byte: u8,
        /// Where it is, from 0.
        position: usize,
    },
    /// The SMTP code is not one of 400 to 599.
    #[error("SMTP code {0} is not between 400 and 599")]
    Code(u16),
    /// The text is empty, or a line of it is.
    #[error("{0}: empty")]
    Empty(&'static str),
    /// A parameter that the MTA would not take, or not there.
    #[error("ESMTP parameter {0:?} is not allowed")]
    Parameter(String),
    /// The enhanced status has not the form `x.y.z`, or its class is not the code's.
    #[error("enhanced status {status:?} does not fit SMTP code {code}")]
    Status {
        /// The status.
        status: String,
        /// The code.
        code: u16,
    },
    /// The text, or a line of it, is too long.
    #[error("{what}: longer than {limit}")]
    TooLong {
        /// What the text was to be.
        what: &'static str,
        /// The limit: bytes, or lines of a reply.
        limit: usize,
    },
}

/// The name of a header field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderName(Bytes);

impl HeaderName {
    /// Printable ASCII without colon and space (RFC 5322, section 3.6.8), at most 76 bytes.
    ///
    /// # Errors
    /// Anything else.
    pub fn new(name: impl AsRef<[u8]>) -> Result<Self, TextError> {
        const WHAT: &str = "header name";
        let name = name.as_ref();
        if name.is_empty() {
            return Err(TextError::Empty(WHAT));
        }
        check_length(name, NAME_BYTES, WHAT)?;
        check(name, WHAT, |byte| byte.is_ascii_graphic() && byte != b':')?;
        Ok(Self(Bytes::copy_from_slice(name)))
    }

    pub(crate) fn wire(&self) -> Bytes {
        self.0.clone()
    }
}

/// The value of a header field, without the space after the colon. Folds are LF on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderValue(Bytes);

impl HeaderValue {
    /// A value with or without folds: CRLF or LF with a space or tab behind it. Bytes above 127
    /// may be in it, other control characters than the tab may not.
    ///
    /// # Errors
    /// A line end that is no fold, a control character, a line of nothing but space (it would
    /// end the header section for some readers), a line above [`LINE_BYTES`], a value above
    /// [`VALUE_BYTES`], or an empty value, which would delete the field.
    pub fn new(value: impl AsRef<[u8]>) -> Result<Self, TextError> {
        const WHAT: &str = "header value";
        let value = value.as_ref();
        check_length(value, VALUE_BYTES, WHAT)?;
        let mut unfolded = Vec::with_capacity(value.len());
        let mut position = 0;
        while let Some((&byte, rest)) = value.get(position..).and_then(<[u8]>::split_first) {
            match (byte, rest) {
                (b'\r', [b'\n', b' ' | b'\t', ..]) => (),
                (b'\n', [b' ' | b'\t', ..]) => unfolded.push(byte),
                (byte, _) if is_header_text(byte) => unfolded.push(byte),
                _ => {
                    return Err(TextError::Character {
                        what: WHAT,
                        byte,
                        position,
                    });
                }
            }
            position += 1;
        }
        for line in unfolded.split(|byte| *byte == b'\n') {
            check_length(line, LINE_BYTES, WHAT)?;
            if line.trim_ascii().is_empty() {
                return Err(TextError::Empty(WHAT));
            }
        }
        Ok(Self(unfolded.into()))
    }

    /// A value from any bytes: one line, every run of controls and line ends becomes one space,
    /// what is too long is cut, and what would be empty becomes `?`.
    #[must_use]
    pub fn sanitised(value: impl AsRef<[u8]>) -> Self {
        let mut clean = clean(value.as_ref(), is_header_text, LINE_BYTES);
        if clean.trim_ascii().is_empty() {
            clean = b"?".to_vec();
        }
        Self(clean.into())
    }

    /// The value, without leading space, folds as LF.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn wire(&self, leading_space: bool) -> Bytes {
        if !leading_space {
            return self.0.clone();
        }
        let mut value = BytesMut::with_capacity(self.0.len() + 1);
        value.extend_from_slice(b" ");
        value.extend_from_slice(&self.0);
        value.freeze()
    }
}

/// An envelope address, without angle brackets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address(Bytes);

impl Address {
    /// Any address without controls and angle brackets; bytes above 127 are allowed (SMTPUTF8),
    /// and so are spaces, which a quoted local part may hold. Empty is the null reverse-path.
    ///
    /// # Errors
    /// Anything else, and addresses above [`ADDRESS_BYTES`].
    pub fn new(address: impl AsRef<[u8]>) -> Result<Self, TextError> {
        const WHAT: &str = "address";
        let address = address.as_ref();
        check_length(address, ADDRESS_BYTES, WHAT)?;
        // A bracket would end the address on the wire and let a second one follow.
        check(address, WHAT, |byte| {
            !byte.is_ascii_control() && byte != b'<' && byte != b'>'
        })?;
        Ok(Self(Bytes::copy_from_slice(address)))
    }

    pub(crate) fn wire(&self) -> Bytes {
        let mut bracketed = BytesMut::with_capacity(self.0.len() + 2);
        bracketed.extend_from_slice(b"<");
        bracketed.extend_from_slice(&self.0);
        bracketed.extend_from_slice(b">");
        bracketed.freeze()
    }
}

/// A message's new body, or a piece of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body(Bytes);

impl Body {
    /// Lines that end with CRLF. The last one must, too: another piece may follow.
    ///
    /// # Errors
    /// A CR or LF that is not part of a CRLF, by which a body could become a second mail at the
    /// next hop, or a last line without an end.
    pub fn new(body: impl Into<Bytes>) -> Result<Self, TextError> {
        let body = body.into();
        let mut before = None;
        for (position, &byte) in body.iter().enumerate() {
            if (before == Some(b'\r')) != (byte == b'\n') {
                return Err(TextError::Character {
                    what: "body",
                    byte,
                    position,
                });
            }
            before = Some(byte);
        }
        match before {
            None | Some(b'\n') => Ok(Self(body)),
            Some(byte) => Err(TextError::Character {
                what: "body",
                byte,
                position: body.len().saturating_sub(1),
            }),
        }
    }

    /// The pieces as they go over the wire. An empty body is one empty chunk, so that the old one
    /// does not stay.
    pub(crate) fn chunks(&self) -> impl Iterator<Item = Bytes> {
        let count = self.0.len().div_ceil(BODY_CHUNK).max(1);
        (0..count).map(|number| {
            let start = number * BODY_CHUNK;
            self.0.slice(start..self.0.len().min(start + BODY_CHUNK))
        })
    }
}

/// The reason of a quarantine: printable ASCII, at most [`REASON_BYTES`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason(Bytes);

impl Reason {
    /// A reason from any bytes; what does not fit is replaced or cut, and what would be empty
    /// becomes `?`.
    #[must_use]
    pub fn sanitised(reason: impl AsRef<[u8]>) -> Self {
        let mut clean = clean(reason.as_ref(), is_reply_text, REASON_BYTES);
        if clean.trim_ascii().is_empty() {
            clean = b"?".to_vec();
        }
        Self(clean.into())
    }

    pub(crate) fn wire(&self) -> Bytes {
        self.0.clone()
    }
}

/// An SMTP reply that rejects or defers, of one line or several.
#[derive(Clone, PartialEq, Eq)]
pub struct ReplyText {
    code: u16,
    status: String,
    lines: Vec<String>,
}

impl ReplyText {
    /// A reply with the SMTP `code` (400 to 599), an enhanced `status` of the same class
    /// (RFC 3463) and the lines of `text`, separated by LF or CRLF.
    ///
    /// # Errors
    /// A code or status out of range, a text that is not printable ASCII, an empty line, a line
    /// above [`REPLY_LINE_BYTES`] or more than [`REPLY_LINES`].
    pub fn new(code: u16, status: &str, text: &str) -> Result<Self, TextError> {
        const WHAT: &str = "SMTP reply";
        check_status(code, status)?;
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        if lines.is_empty() {
            return Err(TextError::Empty(WHAT));
        }
        if lines.len() > REPLY_LINES {
            return Err(TextError::TooLong {
                what: WHAT,
                limit: REPLY_LINES,
            });
        }
        for line in &lines {
            if line.trim_ascii().is_empty() {
                return Err(TextError::Empty(WHAT));
            }
            check_length(line.as_bytes(), REPLY_LINE_BYTES, WHAT)?;
            check(line.as_bytes(), WHAT, is_reply_text)?;
        }
        Ok(Self {
            code,
            status: status.to_owned(),
            lines,
        })
    }

    /// A reply with any text in it: one line, what does not fit is replaced or cut.
    ///
    /// # Errors
    /// A code or status out of range.
    pub fn sanitised(code: u16, status: &str, text: impl AsRef<[u8]>) -> Result<Self, TextError> {
        check_status(code, status)?;
        let line = clean(text.as_ref(), is_reply_text, REPLY_LINE_BYTES);
        let line = String::from_utf8_lossy(line.trim_ascii()).into_owned();
        let line = if line.is_empty() { "?".into() } else { line };
        Ok(Self {
            code,
            status: status.to_owned(),
            lines: vec![line],
        })
    }

    /// A reply written in this crate, whose form the tests of this module check.
    pub(crate) fn fixed(code: u16, status: &str, text: &str) -> Self {
        Self {
            code,
            status: status.to_owned(),
            lines: vec![text.to_owned()],
        }
    }

    /// The SMTP code, 400 to 599.
    #[must_use]
    pub const fn code(&self) -> u16 {
        self.code
    }

    /// The form of the `y` response: inner lines end with CRLF, the last one does not, and `%`
    /// is doubled because MTAs take the text for a format.
    pub(crate) fn wire(&self) -> Bytes {
        self.to_string().replace('%', "%%").into_bytes().into()
    }
}

impl fmt::Display for ReplyText {
    /// The reply as the SMTP client sees it, without the last CRLF.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = self.lines.len().saturating_sub(1);
        for (number, line) in self.lines.iter().enumerate() {
            let (separator, end) = if number == last {
                (' ', "")
            } else {
                ('-', "\r\n")
            };
            write!(f, "{}{separator}{} {line}{end}", self.code, self.status)?;
        }
        Ok(())
    }
}

impl fmt::Debug for ReplyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReplyText({:?})", self.to_string())
    }
}

fn check_status(code: u16, status: &str) -> Result<(), TextError> {
    if !(400..=599).contains(&code) {
        return Err(TextError::Code(code));
    }
    let numbers: Vec<&str> = status.split('.').collect();
    let well_formed = numbers.len() == 3
        && numbers.iter().all(|number| {
            (1..=3).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit())
        })
        && numbers.first() == Some(&if code < 500 { "4" } else { "5" });
    if well_formed {
        return Ok(());
    }
    Err(TextError::Status {
        status: status.to_owned(),
        code,
    })
}

fn check_length(text: &[u8], limit: usize, what: &'static str) -> Result<(), TextError> {
    if text.len() > limit {
        return Err(TextError::TooLong { what, limit });
    }
    Ok(())
}

fn check(text: &[u8], what: &'static str, allowed: impl Fn(u8) -> bool) -> Result<(), TextError> {
    match text.iter().enumerate().find(|(_, byte)| !allowed(**byte)) {
        None => Ok(()),
        Some((position, &byte)) => Err(TextError::Character {
            what,
            byte,
            position,
        }),
    }
}

/// Printable ASCII, tab and everything above 127.
const fn is_header_text(byte: u8) -> bool {
    !byte.is_ascii_control() || byte == b'\t'
}

/// Printable ASCII (RFC 5321, section 4.2: `textstring`, without the tab).
const fn is_reply_text(byte: u8) -> bool {
    byte.is_ascii_graphic() || byte == b' '
}

/// `text` with every run of controls as one space, other forbidden bytes as `?`, cut to `limit`.
fn clean(text: &[u8], allowed: impl Fn(u8) -> bool, limit: usize) -> Vec<u8> {
    let mut clean = Vec::with_capacity(text.len().min(limit));
    for &byte in text {
        if clean.len() == limit {
            break;
        }
        if allowed(byte) {
            clean.push(byte);
        } else if !byte.is_ascii_control() {
            clean.push(b'?');
        } else if clean.last() != Some(&b' ') {
            clean.push(b' ');
        }
    }
    clean
}

#[cfg(test)]
mod tests;
