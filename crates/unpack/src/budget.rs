use crate::limits::Limits;

/// What is left of the fuel for one mail.
pub(crate) struct Budget {
    bytes: u64,
    files: usize,
}

impl Budget {
    pub(crate) fn new(limits: &Limits) -> Self {
        Budget {
            bytes: limits.total_bytes,
            files: limits.files,
        }
    }

    /// Bytes that may still be produced.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes `bytes`; false, and nothing taken, when they are not there.
    #[must_use]
    pub(crate) fn take_bytes(&mut self, bytes: u64) -> bool {
        match self.bytes.checked_sub(bytes) {
            Some(left) => {
                self.bytes = left;
                true
            }
            None => false,
        }
    }

    /// Takes one file; false when none is left.
    #[must_use]
    pub(crate) fn take_file(&mut self) -> bool {
        match self.files.checked_sub(1) {
            Some(left) => {
                self.files = left;
                true
            }
            None => false,
        }
    }
}
