//! The server: what a client may say, in which order, how much and how slowly.
//!
//! A connection goes through these hands: `accept` counts it, `opening` finds out who is there and greets it, `line` and
//! `command` make commands of its bytes, `dialogue` knows which of them may come when, `connection` asks the
//! [`Service`](crate::Service), and `message` receives through `data`, which alone decides where a message ends.

mod accept;
mod admission;
mod arguments;
mod attributes;
mod command;
mod connection;
mod data;
mod dialogue;
mod line;
mod message;
mod opening;
mod options;
mod parameters;
mod proxy;
mod replies;
mod wire;
mod xtext;

pub use accept::{serve, serve_connection};
pub use options::ServerOptions;
