//! YARA-X: the `mail` module that rules see, loading, checking and running rules.

/// What rules can see of a mail: the messages of `proto/mail.proto`.
pub mod proto {
    mod generated {
        include!(concat!(env!("OUT_DIR"), "/proto/mod.rs"));
    }
    pub use generated::mail::{
        Body, Defect, Envelope, Failure, Header, Link, Mail, Mailbox, Part,
    };
}

mod module;
