//! The relay as a whole: a client, the server, the relay, and a next hop, on loopback.

mod bytes;
mod client;
mod decisions;
mod extensions;
mod faults;
mod never_a_wrong_answer;
mod next_hop;
mod recipients;
mod sessions;
mod smuggling;
mod support;
mod time;
mod waiting;
