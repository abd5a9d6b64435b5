//! YARA-X: the `mail` module that rules see; loading, checking and running rules.
//!
//! Rust observes, YARA judges: what a mail consists of comes in as [`proto::Mail`], every opinion
//! about it comes out as a [`Hit`]. [`RuleSet::load`] turns a directory into compiled rules or
//! says everything that is wrong with it; [`Scanners`] run them. No other crate knows YARA-X.

mod compile;
mod contract;
mod hit;
mod load;
mod meta;
mod module;
mod place;
mod problem;
mod scan;
mod sources;

/// What rules can see of a mail: the messages of `proto/mail.proto`.
pub mod proto {
    #[allow(
        unreachable_pub,
        reason = "generated code, which knows no narrower visibility"
    )]
    mod generated {
        include!(concat!(env!("OUT_DIR"), "/proto/mod.rs"));
    }
    pub use generated::mail::{
        Body, Defect, Envelope, Failure, Header, Html, Link, Mail, Mailbox, Part,
    };
    /// A nested message that may be absent: `Some(part).into()`.
    pub use protobuf::MessageField;

    /// The facts as bytes, to be carried from the inspection of a mail to its judgement.
    pub fn encode(mail: &Mail) -> Vec<u8> {
        let bytes = protobuf::Message::write_to_bytes(mail);
        bytes.expect("a proto3 message lacks nothing, and one in memory is below 2 GiB")
    }

    /// The facts that [`encode`] made bytes of; `None` if the bytes are none.
    pub fn decode(bytes: &[u8]) -> Option<Mail> {
        protobuf::Message::parse_from_bytes(bytes).ok()
    }
}

pub use contract::MAX_SCORE;
pub use hit::{
    EXCERPT_BYTES, Hit, MAX_MATCHES_PER_HIT, MAX_MATCHES_PER_PATTERN, PatternMatch, Scan,
    ScanFailure,
};
pub use load::{LoadOptions, RuleInfo, RuleSet, VendorOptions};
pub use meta::{Category, FloorAction, Group, Stage};
pub use place::Place;
pub use problem::{LoadError, Problem};
pub use scan::{Externals, ScanOptions, Scanners};
