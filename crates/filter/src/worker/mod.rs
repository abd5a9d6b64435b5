//! Workers: processes that handle hostile bytes where nothing can be reached.
//!
//! The daemon starts one per core over a socket pair. A worker answers two stateless requests,
//! `inspect` and `judge`, so that none is ever parked while the daemon waits for something. One that
//! takes too long or too much memory is killed and replaced; its mail has a failure.

mod child;
mod confine;
mod frame;
mod pool;
mod process;
mod protocol;

pub use child::run;
pub use confine::Confinement;
pub use pool::{AskError, Pool, PoolOptions, PoolStatus, WorkerStatus};
pub use process::StartError;
pub use protocol::Ready;
pub(crate) use protocol::{Answer, Request};
