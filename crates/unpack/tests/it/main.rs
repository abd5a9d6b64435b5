//! Unpacking as a caller sees it.
#![allow(missing_docs, clippy::print_stderr)]

mod containers;
mod corpus;
mod limits;
mod mails;
mod mutations;
mod support;
mod zips;
