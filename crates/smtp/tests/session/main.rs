//! Whole sessions of the client, against servers made for the occasion.

mod common;
mod dialogue;
mod encrypted;
mod faults;
mod lmtp;
mod never_a_wrong_answer;
mod slow_servers;
mod steps;
