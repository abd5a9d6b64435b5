//! The wire: frames, commands and responses, as bytes.

mod golden;
mod properties;
