//! The result of an audit, in the words of the API.

use control::AuditReport;
use store::{Verified, VerifyError};

/// Turns what the store found into what is shown.
pub(crate) fn report(outcome: Result<Verified, VerifyError>) -> AuditReport {
    match outcome {
        Ok(verified) => AuditReport {
            ok: true,
            segments: verified.segments,
            events: verified.lines,
            erased: verified.erased,
            first_seq: verified.first,
            last_seq: verified.last,
            held_files: verified.held,
            problems: Vec::new(),
        },
        Err(error) => AuditReport {
            problems: vec![error.to_string()],
            ..AuditReport::default()
        },
    }
}

/// A damaged line of the journal in words.
pub(crate) fn damage(damage: &store::Damage) -> String {
    format!("{}, line {}: {}", damage.segment, damage.line, damage.what)
}
