//! The admin API: what the daemon and its clients say to each other over the control socket.
//!
//! HTTP/1.1 with JSON bodies over a unix socket. This crate is plain data and a [`Client`]; the
//! server lives with the daemon. [`path`] lists every request with its body and its answer.
//!
//! Both sides send the version of the API they speak in the header [`version::HEADER`]. A client and
//! a server of different major versions refuse each other with a message that says so
//! ([`version::check`]); within a major version fields are only ever added, every added field has a
//! default, and unknown fields are ignored.
//!
//! Nearly all text in these types was written by senders of mail. It is hostile: whoever shows it
//! escapes it.

mod batch;
mod client;
mod entry;
mod error;
mod list;
pub mod path;
mod status;
mod upkeep;
mod verdict;
pub mod version;

pub use batch::{BatchResult, DeleteRequest, ItemResult, MAX_IDS, ReleaseRequest};
pub use client::{Client, Pages, Timeouts};
pub use entry::{EntryDetail, EntryDetails, EntrySummary, HeaderField, HistoryItem};
pub use error::{ClientError, ErrorBody};
pub use list::{Filter, ListRequest, MAX_LIMIT, Page};
pub use status::{
    DiskStatus, DoorStatus, PolicyStatus, Protection, RulesStatus, Status, StoreStatus,
    WorkerStatus,
};
pub use upkeep::{AuditReport, RebuildStatus, ReloadResult, RuleInfo, RuleList};
pub use verdict::{Explanation, NextHop, Replay, VerdictDetail, VerdictSummary};
