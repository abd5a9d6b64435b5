//! The daemon's side: the journey of one mail, from the door to what the door answers.
//!
//! [`Filter::take`] is the journey. It hands hostile bytes to [`worker`] processes, decides with
//! `policy`, holds and remembers with `store`, and tells the door what to do.

mod disposition;
mod examine;
mod journey;
mod record;
mod snapshot;
mod tries;
pub mod worker;

pub use disposition::{Answer, Decided, Disposition, Door, QuarantineMode, dispose};
pub use examine::{Examined, coverage, examine};
pub use journey::{Filter, FilterOptions, Mail, Outcome, ReloadError};
pub use snapshot::{RulesDir, SnapshotError};
