//! The server over real sockets, with the test MTA on the other side.

mod decisions;
mod golden;
mod hostile;
mod life;
mod messages;
mod support;
