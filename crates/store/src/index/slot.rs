//! The index in use, for its readers.

use super::{Damaged, Index, guard};
use crate::ReadError;
use std::sync::{Arc, PoisonError, RwLock};

/// What readers find.
#[derive(Clone)]
pub(crate) enum State {
    Ready(Arc<Index>),
    /// It was damaged, in words, and is being built anew.
    Rebuilding(String),
    /// It could not be built anew.
    Failed(String),
    Closed,
}

/// The place of the index in use.
pub(crate) struct Slot(RwLock<State>);

impl Slot {
    pub(crate) fn new(index: Index) -> Slot {
        Slot(RwLock::new(State::Ready(Arc::new(index))))
    }

    pub(crate) fn state(&self) -> State {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Puts another state in place, and returns what was there.
    pub(crate) fn replace(&self, state: State) -> State {
        let mut place = self.0.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut place, state)
    }

    /// Reads; `damaged` is told if the index turns out to be damaged.
    pub(crate) fn read<T>(
        &self,
        read: impl FnOnce(&Index) -> Result<T, Damaged>,
        damaged: impl FnOnce(String),
    ) -> Result<T, ReadError> {
        match self.state() {
            State::Ready(index) => guard(|| read(&index)).map_err(|Damaged(what)| {
                damaged(what.clone());
                ReadError::Rebuilding { what }
            }),
            State::Rebuilding(what) => Err(ReadError::Rebuilding { what }),
            State::Failed(what) => Err(ReadError::Index { what }),
            State::Closed => Err(ReadError::Closed),
        }
    }

    /// What is wrong with the index, if anything is.
    pub(crate) fn trouble(&self) -> Option<String> {
        match self.state() {
            State::Ready(_) => None,
            State::Rebuilding(what) => Some(format!("is being rebuilt: {what}")),
            State::Failed(what) => Some(what),
            State::Closed => Some("closed".to_owned()),
        }
    }
}
