//! Whether the journal is whole.

use crate::{RebuildError, RebuildReport, Verified, VerifyError};
use std::path::Path;

pub fn verify(
    dir: &Path,
    held_files: bool,
    progress: impl FnMut(u64, u64),
) -> Result<Verified, VerifyError> {
    todo!()
}
pub fn rebuild_offline(
    dir: &Path,
    progress: impl FnMut(u64, u64),
) -> Result<RebuildReport, RebuildError> {
    todo!()
}
