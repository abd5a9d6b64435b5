//! Reading the journal into an index: at start, while serving, and for a rebuild.

use super::project::{BATCH_KEYS, Group};
use super::{Damaged, Index, guard};
use crate::journal::Extent;
use crate::journal::line::{self, GENESIS};
use crate::journal::segment::{Content, LineReader, SegmentName};
use crate::{Damage, Event};
use serde::Deserialize;
use std::io;
use std::os::fd::OwnedFd;

/// Lines that are read together. What they change is one flush of sled.
const GROUP_LINES: usize = 1024;
/// Octets of lines that are read together.
const GROUP_BYTES: u64 = 4 << 20;

/// Why reading on is not possible.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TailError {
    /// The index is damaged.
    #[error("{}", .0.0)]
    Index(Damaged),
    /// A segment cannot be read.
    #[error("journal {segment}: {source}")]
    Journal { segment: String, source: io::Error },
}

impl From<Damaged> for TailError {
    fn from(damaged: Damaged) -> Self {
        TailError::Index(damaged)
    }
}

/// A place in the journal: everything before it is in the index.
#[derive(Debug)]
pub(crate) struct Tail {
    /// Sequence number of the last line in the index.
    pub(crate) applied: u64,
    /// Chain digest of that line, once it was seen.
    pub(crate) chain: Option<String>,
    at: Option<At>,
}

#[derive(Debug, Clone)]
struct At {
    segment: SegmentName,
    offset: u64,
    /// Lines before the offset.
    lines: u64,
}

/// What one step of reading did.
#[derive(Debug, Default)]
pub(crate) struct Advanced {
    /// Lines that the index did not have.
    pub(crate) lines: u64,
    pub(crate) damaged: Vec<Damage>,
    /// Whether there is nothing more to read for now.
    pub(crate) done: bool,
}

impl Tail {
    pub(crate) fn new(applied: u64) -> Tail {
        Tail {
            applied,
            chain: (applied == 0).then(|| GENESIS.to_owned()),
            at: None,
        }
    }

    /// Applies the next group of lines, but none after `until`.
    pub(crate) fn advance(
        &mut self,
        index: &Index,
        dir: &OwnedFd,
        extents: &[Extent],
        until: u64,
    ) -> Result<Advanced, TailError> {
        let mut done = Advanced::default();
        let Some((nth, mut at)) = self.locate(extents) else {
            done.done = true;
            return Ok(done);
        };
        let Some(extent) = extents.get(nth) else {
            done.done = true;
            return Ok(done);
        };
        let failed = |source| TailError::Journal {
            segment: extent.name.to_string(),
            source,
        };
        let mut applied = self.applied;
        let mut chain = self.chain.clone();
        let mut group = guard(|| Group::new(index))?;
        let mut reader =
            LineReader::open(dir, &extent.name, at.offset, extent.bytes).map_err(failed)?;
        let begun = at.clone();
        let mut read = 0;
        while read < GROUP_LINES
            && group.keys() < BATCH_KEYS
            && at.offset - begun.offset < GROUP_BYTES
            && applied < until
        {
            let Some((place, content)) = reader.next_line().map_err(failed)? else {
                break;
            };
            at.offset = place.end;
            at.lines = begun.lines + place.number;
            read += 1;
            let parsed = match content {
                Content::Line(text) => line::parse(text),
                Content::TooLong => Err("longer than any line".to_owned()),
                Content::Unfinished => Err("no line end".to_owned()),
            };
            let line = match parsed {
                Ok(line) => line,
                Err(what) => {
                    done.damaged.push(Damage {
                        segment: extent.name.to_string(),
                        line: at.lines,
                        what,
                    });
                    continue;
                }
            };
            if line.seq <= applied {
                if line.seq == applied {
                    chain = Some(line.chain.to_owned());
                }
                continue;
            }
            applied = line.seq;
            chain = Some(line.chain.to_owned());
            done.lines += 1;
            if let Some(event) = line.payload.and_then(|p| event(line.seq, p)) {
                guard(|| group.apply(line.time, event))?;
            }
        }
        let exhausted = at.offset >= extent.bytes;
        if done.lines > 0 {
            guard(|| group.finish(applied))?;
        }
        self.applied = applied;
        self.chain = chain;
        done.done = applied >= until || (exhausted && nth + 1 >= extents.len());
        self.at = Some(match extents.get(nth + 1) {
            Some(next) if exhausted => At {
                segment: next.name.clone(),
                offset: 0,
                lines: 0,
            },
            _ => at,
        });
        Ok(done)
    }

    /// The extent to read next, and where in it.
    fn locate(&self, extents: &[Extent]) -> Option<(usize, At)> {
        if let Some(at) = &self.at {
            let nth = extents.iter().position(|e| e.name == at.segment)?;
            return Some((nth, at.clone()));
        }
        // From the last segment that begins at or before what the index has, so that its line, and
        // the chain digest with it, is seen.
        let before = |e: &Extent| e.first.is_some_and(|first| first <= self.applied.max(1));
        let nth = extents.iter().rposition(before).unwrap_or(0);
        extents.get(nth).map(|extent| {
            let at = At {
                segment: extent.name.clone(),
                offset: 0,
                lines: 0,
            };
            (nth, at)
        })
    }
}

/// The event of a payload; `None` if this version does not know it.
fn event(seq: u64, payload: &str) -> Option<Event> {
    #[derive(Deserialize)]
    struct Kind {
        event: String,
    }
    match serde_json::from_str(payload) {
        Ok(event) => Some(event),
        Err(e) => {
            let kind = serde_json::from_str::<Kind>(payload).map(|k| k.event);
            let kind = kind.unwrap_or_default();
            tracing::warn!(seq, kind, "journal: event passed over: {e}");
            None
        }
    }
}
