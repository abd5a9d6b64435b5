//! Segments: the files of the journal, and reading them line by line.

use super::line::MAX_LINE;
use crate::system::System;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::fd::AsFd;
use std::{fmt, str::FromStr};

/// The name of a segment, `<yyyy-mm-dd>-<n>.jsonl`; names sort in the order of the journal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SegmentName {
    day: String,
    n: u32,
}

impl SegmentName {
    /// The first segment of a day, or the next after another one. A clock that went back does not
    /// make a name that sorts before.
    pub(crate) fn next(last: Option<&SegmentName>, day: String) -> SegmentName {
        match last {
            Some(last) if last.day >= day => SegmentName {
                day: last.day.clone(),
                n: last.n + 1,
            },
            _ => SegmentName { day, n: 1 },
        }
    }

    pub(crate) fn day(&self) -> &str {
        &self.day
    }
}

impl fmt::Display for SegmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}.jsonl", self.day, self.n)
    }
}

impl FromStr for SegmentName {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let stem = text.strip_suffix(".jsonl").ok_or(())?;
        let (day, n) = stem.rsplit_once('-').ok_or(())?;
        let shape: Vec<usize> = day.split('-').map(str::len).collect();
        let digits = day.bytes().all(|b| b.is_ascii_digit() || b == b'-');
        let name = SegmentName {
            day: day.to_owned(),
            n: n.parse().map_err(|_| ())?,
        };
        // One spelling only.
        (shape == [4, 2, 2] && digits && name.to_string() == text)
            .then_some(name)
            .ok_or(())
    }
}

/// The segments in a directory, in order. Other files are none of ours.
pub(crate) fn list(dir: impl AsFd) -> io::Result<Vec<SegmentName>> {
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::read_from(dir)? {
        let entry = entry?;
        if let Some(name) = entry.file_name().to_str().ok().and_then(|n| n.parse().ok()) {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Where a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// From 1, counted from where the reader began.
    pub(crate) number: u64,
    /// First octet.
    pub(crate) start: u64,
    /// First octet after its end.
    pub(crate) end: u64,
}

/// What is at a place.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Content<'a> {
    /// A line, without its end.
    Line(&'a [u8]),
    /// A line longer than any that the journal writes.
    TooLong,
    /// The last octets of the file, without a line end.
    Unfinished,
}

/// Reads a segment line by line in bounded memory.
pub(crate) struct LineReader {
    input: io::Take<BufReader<File>>,
    line: Vec<u8>,
    at: u64,
    number: u64,
}

impl LineReader {
    /// Reads from one octet, which begins a line, up to another.
    pub(crate) fn open(
        dir: impl AsFd,
        name: &SegmentName,
        from: u64,
        until: u64,
    ) -> io::Result<LineReader> {
        let mut file = System::open_file(dir, &name.to_string())?;
        file.seek(SeekFrom::Start(from))?;
        Ok(LineReader {
            input: BufReader::with_capacity(256 << 10, file).take(until.saturating_sub(from)),
            line: Vec::new(),
            at: from,
            number: 0,
        })
    }

    /// The next line; `None` at the end.
    pub(crate) fn next_line(&mut self) -> io::Result<Option<(Place, Content<'_>)>> {
        self.line.clear();
        let mut length: u64 = 0;
        let mut ended = false;
        while !ended {
            let available = self.input.fill_buf()?;
            if available.is_empty() {
                break;
            }
            let end = available.iter().position(|b| *b == b'\n');
            let taken = end.map_or(available.len(), |at| at + 1);
            let text = available.get(..end.unwrap_or(taken)).unwrap_or_default();
            // One octet more than allowed shows that it is too long; the rest is not kept.
            let room = (MAX_LINE + 1).saturating_sub(self.line.len());
            self.line
                .extend_from_slice(text.get(..room.min(text.len())).unwrap_or_default());
            length += taken as u64;
            ended = end.is_some();
            self.input.consume(taken);
        }
        if length == 0 {
            return Ok(None);
        }
        self.number += 1;
        let place = Place {
            number: self.number,
            start: self.at,
            end: self.at + length,
        };
        self.at = place.end;
        let content = if !ended {
            Content::Unfinished
        } else if self.line.len() > MAX_LINE {
            Content::TooLong
        } else {
            Content::Line(&self.line)
        };
        Ok(Some((place, content)))
    }
}
