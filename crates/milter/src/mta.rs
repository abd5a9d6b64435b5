//! A small MTA, to test a filter without a mail server: the MTA's side of the protocol, with
//! macros, several messages per connection, and a way to send what no MTA would.
//!
//! It trusts the filter it tests: it waits for answers without a timeout.

mod mail;

use std::net::SocketAddr;
use std::path::Path as FilePath;

use bytes::{Bytes, BytesMut};
use intake::Stream;
use tokio::net::{TcpStream, UnixStream};

use crate::command::{Command, CommandError, Offer};
use crate::frame::{FRAME_BYTES, FrameError};
use crate::negotiation::Agreement;
use crate::protocol::{Actions, Events, MacroStage};
use crate::response::Response;
use crate::stream::FramedStream;

pub use mail::{Client, Mail};

/// Why a dialogue with a filter failed.
#[derive(Debug, thiserror::Error)]
pub enum MtaError {
    /// The filter closed the connection while an answer was due.
    #[error("the filter closed the connection")]
    Closed,
    /// Reading or writing failed.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The filter's frame is no response.
    #[error(transparent)]
    Malformed(#[from] CommandError),
    /// A response that must not come here.
    #[error("the filter answered {command} with {response:?}")]
    Unexpected {
        /// What was asked.
        command: &'static str,
        /// What was answered.
        response: Response,
    },
}

/// What a filter said to a whole message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The command that got the final answer: `end-of-message`, or an earlier one.
    pub stage: &'static str,
    /// The changes, in order.
    pub changes: Vec<Response>,
    /// The final answer.
    pub reply: Response,
    /// How many progress notes came before it.
    pub progress: usize,
}

impl Outcome {
    /// Whether the message passes, perhaps into quarantine.
    #[must_use]
    pub const fn is_passed(&self) -> bool {
        matches!(self.reply, Response::Accept | Response::Continue)
    }

    /// The reason, if the MTA shall hold the message.
    #[must_use]
    pub fn quarantine(&self) -> Option<&[u8]> {
        self.changes.iter().find_map(|change| match change {
            Response::Quarantine(reason) => Some(reason.as_ref()),
            _ => None,
        })
    }

    /// The value of the first added or inserted header field with this name, without leading
    /// space.
    #[must_use]
    pub fn added_header(&self, wanted: &str) -> Option<&[u8]> {
        self.changes.iter().find_map(|change| match change {
            Response::AddHeader { name, value } | Response::InsertHeader { name, value, .. }
                if name.eq_ignore_ascii_case(wanted.as_bytes()) =>
            {
                Some(value.trim_ascii_start())
            }
            _ => None,
        })
    }

    /// The SMTP reply that the client gets, as far as the filter chose it: with `%%` undone.
    #[must_use]
    pub fn reply_text(&self) -> Option<String> {
        match &self.reply {
            Response::ReplyCode(text) => Some(String::from_utf8_lossy(text).replace("%%", "%")),
            _ => None,
        }
    }
}

/// A connection to a filter.
#[derive(Debug)]
pub struct Mta {
    stream: FramedStream,
    /// Commands that need no answer wait here for one that does.
    pending: BytesMut,
    agreement: Agreement,
}

impl Mta {
    /// Connects to a filter on TCP.
    ///
    /// # Errors
    /// Nobody listens there.
    pub async fn tcp(address: SocketAddr) -> Result<Self, MtaError> {
        let stream = TcpStream::connect(address)
            .await
            .map_err(FrameError::from)?;
        Ok(Self::over(Stream::Tcp(stream)))
    }

    /// Connects to a filter on a unix socket.
    ///
    /// # Errors
    /// Nobody listens there.
    pub async fn unix(path: impl AsRef<FilePath>) -> Result<Self, MtaError> {
        let stream = UnixStream::connect(path).await.map_err(FrameError::from)?;
        Ok(Self::over(Stream::Unix(stream)))
    }

    fn over(stream: Stream) -> Self {
        let nothing = Offer {
            version: 0,
            actions: Actions::NONE,
            events: Events::NONE,
        };
        Self {
            stream: FramedStream::new(stream, FRAME_BYTES, false),
            pending: BytesMut::new(),
            agreement: Agreement::from(nothing),
        }
    }

    /// Makes an offer, [`Offer::POSTFIX`] for example, and keeps to what the filter takes of it.
    /// Gives that, and the macro lists asked for.
    ///
    /// # Errors
    /// The filter closes the connection or answers anything else.
    pub async fn negotiate(
        &mut self,
        offer: Offer,
    ) -> Result<(Offer, Vec<(u32, Bytes)>), MtaError> {
        self.queue(&Command::Negotiate(offer));
        match self.response().await? {
            Some(Response::Negotiated { taken, macros }) => {
                self.agreement = Agreement::from(taken);
                Ok((taken, macros))
            }
            Some(response) => Err(MtaError::Unexpected {
                command: "negotiate",
                response,
            }),
            None => Err(MtaError::Closed),
        }
    }

    /// Sends macros for the command that comes next.
    pub fn macros(&mut self, stage: MacroStage, pairs: &[(&str, &str)]) {
        let copy = |text: &str| Bytes::copy_from_slice(text.as_bytes());
        self.queue(&Command::Macros {
            letter: stage.letter(),
            pairs: pairs
                .iter()
                .map(|(name, value)| (copy(name), copy(value)))
                .collect(),
        });
    }

    /// Sends a command, and gives the answer if one is due by what was negotiated. For the end
    /// of a message see [`Self::end_of_message`].
    ///
    /// # Errors
    /// The connection breaks, or the answer is malformed.
    pub async fn send(&mut self, command: &Command) -> Result<Option<Response>, MtaError> {
        self.queue(command);
        if self.agreement.expects_answer(command) {
            return self.response().await?.map(Some).ok_or(MtaError::Closed);
        }
        if matches!(
            command,
            Command::Abort | Command::Quit | Command::QuitNewConnection
        ) {
            self.flush().await?;
        }
        Ok(None)
    }

    /// Sends the end of the message, and collects everything up to the final answer.
    ///
    /// # Errors
    /// The connection breaks, or an answer is malformed.
    pub async fn end_of_message(&mut self, last_chunk: Bytes) -> Result<Outcome, MtaError> {
        self.queue(&Command::EndOfMessage(last_chunk));
        let mut changes = Vec::new();
        let mut progress = 0;
        loop {
            match self.response().await?.ok_or(MtaError::Closed)? {
                Response::Progress => progress += 1,
                response if response.is_final() => {
                    return Ok(Outcome {
                        stage: "end-of-message",
                        changes,
                        reply: response,
                        progress,
                    });
                }
                change => changes.push(change),
            }
        }
    }

    /// Sends bytes as they are, after everything that still waits.
    ///
    /// # Errors
    /// The connection breaks.
    pub async fn raw(&mut self, bytes: &[u8]) -> Result<(), MtaError> {
        self.pending.extend_from_slice(bytes);
        self.flush().await
    }

    /// The next response, whether one is due or not; `None` when the filter has closed.
    ///
    /// # Errors
    /// The connection breaks, or the response is malformed.
    pub async fn response(&mut self) -> Result<Option<Response>, MtaError> {
        self.flush().await?;
        match self.stream.next().await? {
            Some(frame) => Ok(Some(Response::parse(frame)?)),
            None => Ok(None),
        }
    }

    /// Puts a command into the queue. It leaves with the next one that needs an answer.
    pub fn queue(&mut self, command: &Command) {
        command.encode(&mut self.pending);
    }

    /// Sends what is queued.
    ///
    /// # Errors
    /// The connection breaks.
    pub async fn flush(&mut self) -> Result<(), MtaError> {
        let pending = self.pending.split();
        let written = self.stream.write_all(&pending).await;
        written.map_err(|error| FrameError::from(error).into())
    }
}
