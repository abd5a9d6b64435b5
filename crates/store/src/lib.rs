//! What Postern remembers.

mod event;
mod record;

pub use event::{Event, HeldEntry};
pub use record::{
    ArtifactRecord, ClientRecord, DefectRecord, EntryId, GroupRecord, LinkRecord, MailId, UnknownId,
    VerdictRecord,
};
