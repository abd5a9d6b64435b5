//! How far something is, for whoever waits for it.

use super::safe;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;

/// Columns of a progress message.
const MESSAGE_WIDTH: usize = 60;

/// A progress bar on standard error, if that is a terminal; else nothing.
#[derive(Debug)]
pub struct Progress(ProgressBar);

impl Progress {
    /// Starts with `total` steps; 0 if their number is not known yet.
    pub fn new(total: u64) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let target = if terminal {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(Some(total), target);
        // A template of ours that does not parse would only cost the looks.
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}") {
            bar.set_style(style.progress_chars("##-"));
        }
        Progress(bar)
    }

    /// Is at `position` of `total`.
    pub fn at(&self, position: u64, total: u64) {
        self.0.set_length(total.max(position));
        self.0.set_position(position);
    }

    /// One step further.
    pub fn step(&self) {
        self.0.inc(1);
    }

    /// Says what is being done.
    pub fn say(&self, what: &str) {
        self.0.set_message(safe(what, MESSAGE_WIDTH));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
