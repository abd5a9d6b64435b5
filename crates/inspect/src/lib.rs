//! The worker's side: one mail in, what it contains and which rules hit out.
//!
//! Nothing here does I/O, reads a clock or remembers anything between two mails.

mod facts;
mod found_links;
mod inspection;
mod inspector;

pub use inspection::{Defect, Failure, Inspection, Judgement, Link, LocatedHit};
pub use inspector::Inspector;
