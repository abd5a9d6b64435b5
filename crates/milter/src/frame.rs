//! Framing: `u32` length (big-endian, counts the code), one code byte, payload.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio_util::codec::{Decoder, Encoder};

use crate::protocol::BODY_CHUNK;

/// The default cap of a frame's length, in bytes: 1 MiB, and some room for names and numbers.
///
/// Body chunks end at 64 KiB and header fields at the MTA's own limit (Postfix: 100 KB).
pub const FRAME_BYTES: usize = (1 << 20) + 1024;

/// One frame of either direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Which command or response this is.
    pub code: u8,
    /// What follows the code.
    pub payload: Bytes,
}

/// A length that no frame may have. The stream cannot be read any further.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The length does not even count the code.
    #[error("frame of length 0")]
    Empty,
    /// The peer went away within a frame.
    #[error("connection closed within a frame")]
    Incomplete,
    /// Reading or writing failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The length is above the cap.
    #[error("frame of length {length} is above the limit of {limit} bytes")]
    TooLong {
        /// What the peer announced, in bytes.
        length: usize,
        /// The cap, in bytes.
        limit: usize,
    },
}

/// Cuts a byte stream into frames. A wrong length is refused before anything is allocated for it.
#[derive(Clone, Debug)]
pub struct FrameCodec {
    limit: usize,
}

impl FrameCodec {
    /// A codec that refuses frames whose length is above `limit` bytes.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self { limit }
    }
}

impl Default for FrameCodec {
    fn default() -> Self {
        Self::new(FRAME_BYTES)
    }
}

impl Decoder for FrameCodec {
    type Item = Frame;
    type Error = FrameError;

    fn decode(&mut self, source: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        let Some(prefix) = source.first_chunk::<4>() else {
            return Ok(None);
        };
        // A u32 always fits a usize on the platforms that tokio supports.
        let length = u32::from_be_bytes(*prefix) as usize;
        if length == 0 {
            return Err(FrameError::Empty);
        }
        if length > self.limit {
            return Err(FrameError::TooLong {
                length,
                limit: self.limit,
            });
        }
        if source.len() - 4 < length {
            return Ok(None);
        }
        source.advance(4);
        let mut payload = source.split_to(length).freeze();
        let code = payload.get_u8();
        Ok(Some(Frame { code, payload }))
    }

    fn decode_eof(&mut self, source: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        match self.decode(source)? {
            None if !source.is_empty() => Err(FrameError::Incomplete),
            frame => Ok(frame),
        }
    }
}

impl Encoder<Frame> for FrameCodec {
    type Error = FrameError;

    fn encode(&mut self, frame: Frame, target: &mut BytesMut) -> Result<(), FrameError> {
        let length = frame.payload.len() + 1;
        if length > self.limit {
            return Err(FrameError::TooLong {
                length,
                limit: self.limit,
            });
        }
        put_frame(target, frame.code, |target| {
            target.extend_from_slice(&frame.payload);
        });
        Ok(())
    }
}

/// Appends a frame whose payload is whatever `payload` appends.
///
/// Callers bound what they append: the longest is a body chunk or a header field, both capped.
pub(crate) fn put_frame(target: &mut BytesMut, code: u8, payload: impl FnOnce(&mut BytesMut)) {
    let start = target.len();
    target.put_u32(0);
    target.put_u8(code);
    payload(target);
    let length = u32::try_from(target.len() - start - 4).unwrap_or(u32::MAX);
    if let Some(prefix) = target.get_mut(start..start + 4) {
        prefix.copy_from_slice(&length.to_be_bytes());
    }
}

/// Appends `text` and a NUL.
pub(crate) fn put_string(target: &mut BytesMut, text: &[u8]) {
    target.extend_from_slice(text);
    target.put_u8(0);
}

/// How many bytes are read from a socket at a time: one body chunk with its neighbours.
pub(crate) const READ_BYTES: usize = BODY_CHUNK + 1;
