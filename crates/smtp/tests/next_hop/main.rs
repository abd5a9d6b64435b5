//! Next hops as the relay sees them: sessions that are kept and replaced, and a maildir that is spoken to alike.

mod common;
mod maildir;
mod pool;
