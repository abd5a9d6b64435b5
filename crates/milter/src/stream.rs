//! Frames on a stream.

use std::io;

use bytes::BytesMut;
use intake::Stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::codec::Decoder;

use crate::frame::{Frame, FrameCodec, FrameError, READ_BYTES};

/// Frames in, bytes out.
#[derive(Debug)]
pub(crate) struct FramedStream {
    stream: Stream,
    codec: FrameCodec,
    buffer: BytesMut,
    quickack: bool,
    /// Something was read that no write has acknowledged on its way.
    unacknowledged: bool,
}

impl FramedStream {
    pub(crate) fn new(stream: Stream, frame_bytes: usize, quickack: bool) -> Self {
        stream.tune();
        Self {
            stream,
            codec: FrameCodec::new(frame_bytes),
            buffer: BytesMut::new(),
            quickack,
            unacknowledged: false,
        }
    }

    /// The next frame; `None` when the peer has closed between frames. A caller that stops
    /// waiting loses nothing.
    pub(crate) async fn next(&mut self) -> Result<Option<Frame>, FrameError> {
        loop {
            if let Some(frame) = self.codec.decode(&mut self.buffer)? {
                return Ok(Some(frame));
            }
            // The MTA may hold back what it has until it knows that the last of it has arrived.
            if self.quickack && self.unacknowledged {
                self.stream.acknowledge();
                self.unacknowledged = false;
            }
            // The codec has seen the length already, so the buffer never grows beyond one frame
            // and one read.
            self.buffer.reserve(READ_BYTES);
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return self.codec.decode_eof(&mut self.buffer);
            }
            self.unacknowledged = true;
        }
    }

    /// Writes all of `bytes`.
    pub(crate) async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.unacknowledged = false;
        self.stream.write_all(bytes).await
    }

    /// Ends the sending side in good order. Closing alone would reset the connection if the peer
    /// has sent more, and take with it what the peer has not read yet.
    pub(crate) async fn shutdown(&mut self) -> io::Result<()> {
        self.stream.shutdown().await
    }
}
