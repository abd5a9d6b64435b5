//! What Postern remembers.
//!
//! Three things lie in the directory of a store:
//!
//! * `journal/`: every change of state, one JSON object per line, chained by digests. It is what is
//!   true. An event counts once it is synced there.
//! * `quarantine/`: the held mails, byte for byte, each with a sidecar.
//! * `index/`: what can be asked quickly. It is made from the other two, and may be deleted at any time.
//!
//! One process owns the directory ([`Store::open`]). [`verify`] reads it beside a running one.

mod bell;
mod bounds;
mod checkpoint;
mod entry;
mod error;
mod event;
mod filter;
mod held;
mod id;
mod index;
mod journal;
mod lock;
mod open;
mod projector;
mod record;
mod release;
mod repair;
mod space;
mod status;
mod store;
mod system;
mod time;
mod verify;

pub use entry::{Answered, Entry, EntryState, Judged, RulesLoaded, Step, StepKind};
pub use error::{
    AppendError, DeleteError, HoldError, OpenError, ReadError, RebuildError, ReleaseError,
    VerifyError,
};
pub use event::{Event, HeldEntry, NextHop};
pub use filter::{Cursor, EntryStateName, Filter, Page, PageOf, UnknownState};
pub use id::{EntryId, IdSource, MailId, UnknownId};
pub use open::rebuild_offline;
pub use record::{
    ArtifactRecord, ClientRecord, DefectRecord, GroupRecord, LinkRecord, VerdictRecord,
};
pub use release::{ReleaseRequest, ReleaseTicket};
pub use status::{Damage, RebuildReport, Recovery, Space, Status, TornTail, Verified};
pub use store::{Options, Store};
pub use verify::verify;

#[cfg(test)]
mod tests;
