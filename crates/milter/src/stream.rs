//! A TCP or unix stream with frames on it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_util::codec::Decoder;

use crate::frame::{Frame, FrameCodec, FrameError, READ_BYTES};

/// A connected stream of either kind.
#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Unix(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Sockets have no buffer of their own.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

/// Frames in, bytes out.
#[derive(Debug)]
pub(crate) struct FramedStream {
    stream: Stream,
    codec: FrameCodec,
    buffer: BytesMut,
    quickack: bool,
}

impl FramedStream {
    /// Errors of socket options are not worth a connection: they cost speed, never a mail.
    pub(crate) fn new(stream: Stream, frame_bytes: usize, quickack: bool) -> Self {
        if let Stream::Tcp(stream) = &stream {
            let set = stream.set_nodelay(true).and_then(|()| {
                rustix::net::sockopt::set_socket_keepalive(stream, true).map_err(Into::into)
            });
            if let Err(error) = set {
                tracing::debug!(%error, "cannot set socket options");
            }
        }
        Self {
            stream,
            codec: FrameCodec::new(frame_bytes),
            buffer: BytesMut::new(),
            quickack,
        }
    }

    /// The next frame; `None` when the peer has closed between frames. A caller that stops
    /// waiting loses nothing.
    pub(crate) async fn next(&mut self) -> Result<Option<Frame>, FrameError> {
        loop {
            if let Some(frame) = self.codec.decode(&mut self.buffer)? {
                return Ok(Some(frame));
            }
            self.acknowledge();
            // The codec has seen the length already, so the buffer never grows beyond one frame
            // and one read.
            self.buffer.reserve(READ_BYTES);
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return self.codec.decode_eof(&mut self.buffer);
            }
        }
    }

    /// Writes all of `bytes`.
    pub(crate) async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Ends the sending side.
    pub(crate) async fn shutdown(&mut self) -> io::Result<()> {
        self.stream.shutdown().await
    }

    /// Acknowledges what has been read, now that nothing complete is left. The kernel drops the
    /// option on its own, so it is set again every time.
    fn acknowledge(&self) {
        if let (true, Stream::Tcp(stream)) = (self.quickack, &self.stream) {
            // A failure costs 40 ms, and would be logged once per read.
            let _ = rustix::net::sockopt::set_tcp_quickack(stream, true);
        }
    }
}
