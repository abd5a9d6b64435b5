//! What a mail is: envelope, message, parts, header fields, addresses, defects.
//!
//! [`Message::parse`] turns hostile bytes into a [`Message`]. It is total (every byte string yields
//! a message with at least one part), pure (no I/O, no clock) and takes time and memory linear in
//! the input. What departs from the grammar, and every bound that was reached, is a [`Defect`].
//!
//! Mail programs disagree about malformed mail, and attackers live from that. A message is
//! therefore read in the usual way first; where a header field or an encoding is ambiguous, the
//! other readings are there as well: as [`Alternative`]s of a part, or as further parts with the
//! role [`PartRole::View`].
//!
//! A nested message stays one part of kind [`PartKind::Message`]: whoever wants to look inside
//! calls [`Message::parse`] on its body, under a depth budget of his own.

mod defect;
mod delimiter;
mod describe;
mod entity;
mod envelope;
mod header;
mod leaf;
mod lexical;
mod limits;
mod mailbox;
mod message;
mod params;
mod part;
mod section;
mod structure;
mod transfer;
mod undeclared;
mod values;
mod views;

pub use defect::Defect;
pub use envelope::{Client, Envelope};
pub use header::Header;
pub use limits::Limits;
pub use mailbox::Mailbox;
pub use message::Message;
pub use part::{
    Alternative, Decoding, NameSource, Part, PartKind, PartName, PartRole, TransferEncoding,
};
