//! What is inside a mail: every part, and everything inside every part, as a tree of *artifacts*.
//!
//! [`unpack`] gives each artifact to a [`Sink`] with its type, names, hash and *coverage*: how completely it was
//! looked into. It also says what a reader sees ([`Unpacked::text`]), what documents refer to, and what is wrong.
//! It has no opinion on any of it.
//!
//! Everything here is hostile. There is one [budget](Limits) for the whole mail, of bytes, files and depth, and
//! one capped reader that decompresses. Unpacking never fails: what cannot be opened, or not wholly, says so in
//! its coverage, because unknown is not clean. No I/O, no clock: the same mail gives the same answer.
//!
//! A format is a function in `formats/` and a line in its table. It sees bytes and gives back members through
//! `Opened`, which keeps the budget, the tree and the order; so a format cannot forget any of them.

mod artifact;
mod budget;
mod capped;
mod filetype;
mod formats;
mod limits;
mod opened;
mod text;
mod unpacked;
mod walk;

pub use artifact::{Artifact, Coverage, Origin, Sink};
pub use filetype::{FileType, Group, detect};
pub use limits::Limits;
pub use unpacked::{Context, FoundDefect, HtmlFeatures, NestedMail, Reference, Unpacked};

/// Takes a mail apart down to the last file, and gives every artifact to the sink.
///
/// The sink gets an artifact after everything inside it: its coverage is final then. Contents that occur
/// again are given to the sink again, but not taken apart again.
pub fn unpack(message: &mail::Message<'_>, limits: &Limits, sink: &mut dyn Sink) -> Unpacked {
    walk::Walk::new(limits, sink).run(message)
}
