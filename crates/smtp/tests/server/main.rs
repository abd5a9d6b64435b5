//! The server over sockets and streams, with hostile clients on the other side.

mod clients;
mod encrypted;
mod golden;
mod hostile;
mod hosts;
mod life;
mod slow;
mod support;
