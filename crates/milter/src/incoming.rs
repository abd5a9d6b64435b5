//! A message on its way in: rebuilt byte for byte from the events, within bounds.

use crate::envelope::{Envelope, Header, Path};
use crate::filter::Limit;
use crate::options::ServerOptions;

/// What an address or parameter costs besides its bytes, in bytes.
const STRING_COST: usize = 32;

/// A transaction between MAIL and the end of the message.
#[derive(Debug, Default)]
pub(crate) struct Incoming {
    pub(crate) envelope: Envelope,
    pub(crate) headers: Vec<Header>,
    /// The end of the message; what came before it was taken with [`Self::take_buffered`].
    pub(crate) buffered: Vec<u8>,
    /// The first limit that was reached. From then on nothing is kept.
    pub(crate) over_limit: Option<Limit>,
    envelope_bytes: usize,
    header_bytes: usize,
    message_bytes: u64,
}

impl Incoming {
    pub(crate) fn new(envelope: Envelope) -> Self {
        let envelope_bytes = cost(&envelope.sender);
        Self {
            envelope,
            envelope_bytes,
            ..Self::default()
        }
    }

    /// Whether the envelope has room for one more recipient.
    pub(crate) fn has_room_for(&self, recipient: &Path, options: &ServerOptions) -> bool {
        self.envelope.recipients.len() < options.recipients
            && self.envelope_bytes.saturating_add(cost(recipient)) <= options.envelope_bytes
    }

    pub(crate) fn add_recipient(&mut self, recipient: Path) {
        self.envelope_bytes = self.envelope_bytes.saturating_add(cost(&recipient));
        self.envelope.recipients.push(recipient);
    }

    /// Appends a header field. Without `leading_space` the MTA has eaten a space after the colon.
    pub(crate) fn add_header(
        &mut self,
        name: &[u8],
        value: &[u8],
        leading_space: bool,
        options: &ServerOptions,
    ) {
        if self.over_limit.is_some() {
            return;
        }
        let value = with_crlf(value, leading_space);
        let length = name.len() + value.len() + b":\r\n".len();
        self.header_bytes = self.header_bytes.saturating_add(length);
        if self.headers.len() >= options.headers {
            return self.refuse(Limit::Headers(options.headers));
        }
        if self.header_bytes > options.header_bytes {
            return self.refuse(Limit::HeaderBytes(options.header_bytes));
        }
        for piece in [name, b":", &value, b"\r\n"] {
            self.append(piece, options);
        }
        if self.over_limit.is_none() {
            let name = name.to_vec();
            self.headers.push(Header { name, value });
        }
    }

    /// Appends to the message: the empty line, or a piece of the body.
    pub(crate) fn append(&mut self, bytes: &[u8], options: &ServerOptions) {
        if self.over_limit.is_some() {
            return;
        }
        self.message_bytes = self.message_bytes.saturating_add(bytes.len() as u64);
        if self.message_bytes > options.message_bytes {
            return self.refuse(Limit::MessageBytes(options.message_bytes));
        }
        self.buffered.extend_from_slice(bytes);
    }

    /// Gives up on the message and the memory that it holds.
    pub(crate) fn refuse(&mut self, limit: Limit) {
        self.over_limit.get_or_insert(limit);
        self.headers = Vec::new();
        self.buffered = Vec::new();
    }
}

fn cost(path: &Path) -> usize {
    path.parameters
        .iter()
        .map(|parameter| parameter.len() + STRING_COST)
        .fold(path.address.len() + STRING_COST, usize::saturating_add)
}

/// A header value as it was in the message: MTAs send folds as a bare LF.
fn with_crlf(value: &[u8], leading_space: bool) -> Vec<u8> {
    let mut restored = Vec::with_capacity(value.len() + 8);
    if !leading_space {
        restored.push(b' ');
    }
    for &byte in value {
        if byte == b'\n' && restored.last() != Some(&b'\r') {
            restored.push(b'\r');
        }
        restored.push(byte);
    }
    restored
}
