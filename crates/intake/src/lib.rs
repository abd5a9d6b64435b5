//! What every door needs before its protocol begins: a socket to wait at, a stream, a place for
//! a message while it comes in, and a wall against the panics of whoever is asked about it.
//!
//! It knows no protocol.

mod caught;
mod listener;
mod message;
mod stream;

pub use caught::caught;
pub use listener::{Listener, UnixSocket};
pub use message::{Message, Spill, Spool};
pub use stream::Stream;
