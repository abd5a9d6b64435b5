//! Opening a journal after whatever happened.

use super::line::{self, GENESIS};
use super::segment::{self, Content, LineReader, SegmentName};
use super::{Extent, Open};
use crate::system::System;
use crate::{Damage, TornTail, time};
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::fd::OwnedFd;

/// A journal that can be written to.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) seq: u64,
    pub(crate) chain: String,
    pub(crate) extents: Vec<Extent>,
    pub(crate) open: Option<Open>,
    pub(crate) torn: Option<TornTail>,
    pub(crate) damaged: Vec<Damage>,
}

/// Most damaged lines that are named one by one.
const MAX_DAMAGED: usize = 100;

/// Finds the end of the journal and cuts off what was never acknowledged.
///
/// Only the end is cut: the lines after the last one that proves itself. A damaged line with a good
/// one after it was acknowledged once; it is reported and stays. `behind` is where the journal goes on
/// if it has no line at all: the checkpoint's sequence number and chain digest.
pub(crate) fn recover(
    dir: &OwnedFd,
    behind: Option<(u64, String)>,
    system: &System,
) -> io::Result<Recovered> {
    remove_left_over(dir, system)?;
    let names = segment::list(dir)?;
    let mut recovered = Recovered {
        seq: 0,
        chain: GENESIS.to_owned(),
        extents: Vec::new(),
        open: None,
        torn: None,
        damaged: Vec::new(),
    };
    for name in &names {
        recovered.extents.push(extent(dir, name)?);
    }
    // Normally the last segment alone is read. One without a good line says nothing about the end, so
    // the one before is read as well.
    for (back, name) in names.iter().rev().enumerate() {
        let scan = scan(dir, name)?;
        let found = scan.last.is_some();
        if let Some((seq, chain)) = scan.last {
            recovered.seq = seq;
            recovered.chain = chain;
        }
        recovered.damaged.splice(0..0, scan.damaged);
        if back == 0 {
            let file = reopen(dir, name)?;
            let torn = scan.bytes - scan.good_end;
            if torn > 0 {
                let kept = cut(dir, name, &file, scan.good_end, system)?;
                recovered.torn = Some(TornTail {
                    segment: name.to_string(),
                    line: scan.good_lines + 1,
                    bytes: torn,
                    kept,
                });
            }
            if let Some(last) = recovered.extents.last_mut() {
                last.bytes = scan.good_end;
            }
            recovered.open = Some(Open {
                name: name.clone(),
                file,
                bytes: scan.good_end,
            });
        }
        if found {
            break;
        }
    }
    // The last segment may have been made just before a crash.
    system.sync_dir(dir)?;
    if let Some((seq, chain)) = behind.filter(|(seq, _)| *seq > recovered.seq) {
        if recovered.seq > 0 {
            recovered.damaged.push(Damage {
                segment: names.last().map(ToString::to_string).unwrap_or_default(),
                line: 0,
                what: format!(
                    "the journal ends with {}, but the checkpoint knows {seq}",
                    recovered.seq
                ),
            });
        }
        recovered.seq = seq;
        recovered.chain = chain;
    }
    Ok(recovered)
}

/// Removes what [`cut`] left if it did not end.
fn remove_left_over(dir: &OwnedFd, system: &System) -> io::Result<()> {
    for item in rustix::fs::Dir::read_from(dir)? {
        let item = item?;
        let name = item.file_name().to_string_lossy();
        if name.starts_with(".torn-") && name.ends_with(".jsonl.tmp") {
            system.unlink(dir, &name)?;
        }
    }
    Ok(())
}

/// The extent of a segment, before its end is looked at.
fn extent(dir: &OwnedFd, name: &SegmentName) -> io::Result<Extent> {
    let bytes = System::open_file(dir, &name.to_string())?.metadata()?.len();
    let mut first = None;
    let mut lines = LineReader::open(dir, name, 0, bytes)?;
    while let Some((_, content)) = lines.next_line()? {
        if let Content::Line(text) = content
            && let Ok(line) = line::parse(text)
        {
            first = Some(line.seq);
            break;
        }
    }
    Ok(Extent {
        name: name.clone(),
        first,
        bytes,
    })
}

struct Scan {
    /// Sequence number and chain digest of the last good line.
    last: Option<(u64, String)>,
    /// First octet after the last good line.
    good_end: u64,
    /// Lines up to the last good one.
    good_lines: u64,
    bytes: u64,
    /// Damaged lines before the last good one.
    damaged: Vec<Damage>,
}

fn scan(dir: &OwnedFd, name: &SegmentName) -> io::Result<Scan> {
    let bytes = System::open_file(dir, &name.to_string())?.metadata()?.len();
    let mut scan = Scan {
        last: None,
        good_end: 0,
        good_lines: 0,
        bytes,
        damaged: Vec::new(),
    };
    let mut suspects = Vec::new();
    let mut lines = LineReader::open(dir, name, 0, bytes)?;
    while let Some((place, content)) = lines.next_line()? {
        let line = match content {
            Content::Line(text) => line::parse(text),
            Content::TooLong => Err("longer than any line".to_owned()),
            Content::Unfinished => Err("no line end".to_owned()),
        };
        let what = match line {
            Ok(line) => {
                let follows = scan
                    .last
                    .as_ref()
                    .is_none_or(|(seq, chain)| line.seq == seq + 1 && line.prev == chain);
                if !follows && suspects.is_empty() {
                    suspects.push(Damage {
                        segment: name.to_string(),
                        line: place.number,
                        what: "does not follow the line before".to_owned(),
                    });
                }
                scan.last = Some((line.seq, line.chain.to_owned()));
                scan.good_end = place.end;
                scan.good_lines = place.number;
                scan.damaged.append(&mut suspects);
                scan.damaged.truncate(MAX_DAMAGED);
                continue;
            }
            Err(what) => what,
        };
        if suspects.len() < MAX_DAMAGED {
            suspects.push(Damage {
                segment: name.to_string(),
                line: place.number,
                what,
            });
        }
    }
    Ok(scan)
}

/// Moves the end of a segment into a file of its own. The copy is durable before the segment is cut.
fn cut(
    dir: &OwnedFd,
    name: &SegmentName,
    file: &File,
    good_end: u64,
    system: &System,
) -> io::Result<String> {
    let kept = format!("torn-{}-{name}", time::compact(system.now()));
    let mut tail = System::open_file(dir, &name.to_string())?;
    tail.seek(SeekFrom::Start(good_end))?;
    system.replace(dir, &kept, |out| io::copy(&mut tail, out).map(drop))?;
    system.truncate(file, good_end)?;
    system.sync_file(file)?;
    Ok(kept)
}

fn reopen(dir: &OwnedFd, name: &SegmentName) -> io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(dir, name.to_string(), flags, Mode::empty())?.into())
}
