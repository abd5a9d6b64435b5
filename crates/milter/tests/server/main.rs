//! The server over real sockets, with the test MTA on the other side.

mod abundance;
mod broken;
mod decisions;
mod golden;
mod hostile;
mod life;
mod messages;
mod support;
