//! The milter protocol, version 6: what an MTA (Postfix, sendmail) and a mail filter say to each
//! other while the MTA receives a mail.
//!
//! * [`Filter`] is what a program implements, [`serve()`] runs it on a [`Listener`].
//! * [`Command`], [`Response`] and [`FrameCodec`] are the wire in both directions.
//! * [`mta`] is a small MTA for tests.
//!
//! It knows nothing of verdicts and does not look into messages. Layers, from the wire up:
//!
//! ```text
//!  frame      length, code, payload                      bounded, total
//!  command    what the MTA says       response           what the filter says
//!  session    the state machine: command in, step out    pure, no I/O
//!  door       one connection: socket, session, filter    times, panics, spilling
//!  server     accept, bound, drain
//! ```
//!
//! Sources: the protocol as Postfix (`milter8.c`, MILTER_README) and libmilter's API documents
//! describe its behaviour; no code was taken from either.

mod answer;
mod command;
mod door;
mod envelope;
mod filter;
mod frame;
mod incoming;
pub mod mta;
mod negotiation;
mod options;
mod parameters;
mod protocol;
mod response;
mod server;
mod session;
mod stream;
mod text;

pub use command::{Command, CommandError, Offer};
pub use envelope::{Connection, Envelope, Header, Macros, Path, Peer, Transaction};
pub use filter::{AnswerError, Answered, Decision, Edit, Filter, Limit, Reply};
pub use frame::{FRAME_BYTES, Frame, FrameCodec, FrameError};
pub use intake::{Listener, Message};
pub use negotiation::{Agreement, NegotiationError};
pub use options::{Asks, ServerOptions};
pub use parameters::{RecipientParameters, SenderParameters};
pub use protocol::{Actions, BODY_CHUNK, Events, MacroStage, OLDEST_VERSION, VERSION};
pub use response::Response;
pub use server::serve;
pub use session::{Phase, Violation};
pub use text::{
    ADDRESS_BYTES, Address, Body, HeaderName, HeaderValue, LINE_BYTES, REASON_BYTES,
    REPLY_LINE_BYTES, REPLY_LINES, Reason, ReplyText, TextError, VALUE_BYTES,
};
