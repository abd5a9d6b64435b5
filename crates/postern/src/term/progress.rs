//! How far something is, for whoever waits for it.

use super::safe_cut;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;

/// Columns of a progress message.
const MESSAGE_WIDTH: usize = 60;

/// A progress bar; gone when it is dropped.
#[derive(Debug)]
pub(crate) struct Progress(ProgressBar);

/// Shows on standard error, if that is a terminal, how many of `total` are done; 0 if their number
/// is not known yet. `what` is being counted.
pub(crate) fn progress(total: u64, what: &str) -> Progress {
    let terminal = std::io::stderr().is_terminal();
    let target = if terminal {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let bar = ProgressBar::with_draw_target(Some(total), target);
    // A template of ours that did not parse would only cost the looks.
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}") {
        bar.set_style(style.progress_chars("##-"));
    }
    let progress = Progress(bar);
    progress.say(what);
    progress
}

impl Progress {
    /// So many more are done.
    pub(crate) fn inc(&self, more: u64) {
        self.0.inc(more);
    }

    /// Is at `position` of `total`.
    pub(crate) fn at(&self, position: u64, total: u64) {
        self.0.set_length(total.max(position));
        self.0.set_position(position);
    }

    /// Says what is being done.
    pub(crate) fn say(&self, what: &str) {
        self.0.set_message(safe_cut(what, MESSAGE_WIDTH));
    }

    /// Takes it away before something else is written.
    pub(crate) fn finish_and_clear(&self) {
        self.0.finish_and_clear();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish_and_clear();
    }
}
