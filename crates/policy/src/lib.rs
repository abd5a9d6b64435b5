//! Policy: what follows from the opinions of rules.
//!
//! Rules give opinions (hits with points), `unpack` and the daemon report what could not be seen
//! (coverage, failures), and this crate turns them into a [`Verdict`] for one group of recipients.
//! [`decide`] is a pure function of its arguments: no clock, no I/O, no memory. Every loaded
//! [`Policy`] has a digest, so that any verdict can be replayed later under the policy of its day.

mod allow;
mod decide;
mod evidence;
mod policy;
mod words;

pub use allow::AllowList;
pub use decide::{Reason, Verdict, decide};
pub use evidence::{Check, Evidence, Failure, Hit, PatternMatch, Unseen};
pub use policy::{CategoryActions, Failing, Group, Policy, Rejecting, Tenant, Thresholds};
pub use words::{Action, Category, Coverage, Stage, UnknownWord};
