//! SMTP as Postern speaks it (RFC 5321): a [`server`] that says when a message is whole, a [`Client`] that hands one
//! over byte for byte and says exactly what became of it, and the [`relay`] between the two, on its way to a
//! [`next_hop`].
//!
//! The client sends mail that was composed elsewhere. Such mail must arrive as it came (a signature over its
//! body breaks with one extra blank line), may carry addresses that no well-behaved program would write, and must
//! never be delivered twice. Hence three rules:
//!
//! * **Byte-exact.** What the server stores is the message that was given, plus at most the CRLF that
//!   a message without a final line end needs ([`Delivery::message`]).
//! * **All or nothing**, for mail that is ours to deliver ([`Client::deliver`]). If one recipient is refused the
//!   transaction is given up before DATA ([`Error::RecipientsRefused`]), so a repetition cannot reach the others twice.
//!   Whoever only passes a mail on takes the steps one by one ([`Client::mail`] and what follows) and passes on
//!   the answers, too.
//! * **"Unknown" is a result of its own.** When the session breaks after the final dot was sent, nobody
//!   can tell whether the mail was accepted ([`Error::Unknown`]).
//!
//! Everything a server says is hostile: replies are bounded in lines and bytes, and are kept as
//! printable ASCII. Everything the envelope contains is hostile too: an address that could end its
//! own command is refused before a byte is sent. So is everything a client says.
//!
//! The crate knows nothing of verdicts, and authenticates to nobody: the next hop is a neighbour on the same host or
//! network.
//!
//! ```no_run
//! # async fn release(rcpts: &[String], message: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
//! use smtp::{Client, Delivery, Target};
//!
//! let target = Target::new("127.0.0.1:25", "filter.example")?;
//! let mut client = Client::connect(&target, |local| println!("we will be {local}")).await?;
//! let outcome = client.deliver(&Delivery::new("a@example.org", rcpts, message)).await?;
//! println!("{} {:?}", outcome.reply, outcome.queue_id);
//! client.quit().await;
//! # Ok(())
//! # }
//! ```

mod address;
mod client;
mod error;
pub mod next_hop;
pub mod relay;
mod reply;
pub mod server;
mod service;
pub mod testing;
pub mod tls;

pub use address::{AddressError, AddressProblem};
pub use client::{
    BareLineEnds, Client, Delivery, Extensions, MessageError, Outcome, Pending, Protocol,
    Recipient, Stream, Target, TargetError, Timeouts, XforwardAttributes,
};
pub use error::{Error, ErrorKind, ParameterProblem, ProtocolProblem, Stage};
pub use reply::{EnhancedCode, Reply};
pub use service::{
    Forwarded, MailCommand, Offer, Parameter, Peer, RcptCommand, Service, Session, Tls, Waiting,
};
