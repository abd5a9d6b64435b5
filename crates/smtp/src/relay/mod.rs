//! The before-queue relay: a server session on one side, a next hop on the other, and a [`Filter`] between them.

mod filter;

pub use filter::{Action, Answered, Decision, Filter, HeaderEdits, Mail, NextHopAnswer};
