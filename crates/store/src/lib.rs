//! What Postern remembers.

mod entry;
mod error;
mod event;
mod filter;
mod id;
mod record;
mod release;
mod status;
mod store;
mod time;
mod verify;

pub use entry::{Answered, Entry, EntryState, Judged, RulesLoaded, Step, StepKind};
pub use error::{
    AppendError, DeleteError, HoldError, OpenError, ReadError, RebuildError, ReleaseError,
    VerifyError,
};
pub use event::{Event, HeldEntry};
pub use filter::{Cursor, EntryStateName, Filter, Page, PageOf, UnknownState};
pub use id::{EntryId, IdSource, MailId, UnknownId};
pub use record::{
    ArtifactRecord, ClientRecord, DefectRecord, GroupRecord, LinkRecord, VerdictRecord,
};
pub use release::{ReleaseRequest, ReleaseTicket};
pub use status::{Damage, RebuildReport, Recovery, Space, Status, TornTail, Verified};
pub use store::{Options, Store};
pub use verify::{rebuild_offline, verify};
