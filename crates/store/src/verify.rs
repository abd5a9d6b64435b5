//! Whether the journal is whole: read from files alone, also while a daemon writes.

use crate::held::Quarantine;
use crate::journal::line::{self, GENESIS};
use crate::journal::segment::{self, Content, LineReader, SegmentName};
use crate::system::System;
use crate::{EntryId, Event, Verified, VerifyError};
use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// Checks every line of the journal and the chain through all of them, and, if asked, that every held
/// mail has the SHA-256 that the journal says. `progress` gets the octets read, and those there are.
///
/// An unfinished last line is passed over: it is being written, or was never acknowledged. Memory is
/// needed for the entries that are not deleted, if their files are checked.
///
/// # Errors
///
/// The first thing that is wrong, and exactly where. A file that cannot be read is wrong, too.
pub fn verify(
    dir: &Path,
    held_files: bool,
    mut progress: impl FnMut(u64, u64),
) -> Result<Verified, VerifyError> {
    let path = dir.join("journal");
    let journal = System::open_root(&path).map_err(about(&path, None))?;
    let mut walk = Walk {
        path: path.clone(),
        journal,
        verified: Verified::default(),
        chain: None,
        held: held_files.then(BTreeMap::new),
    };
    let names = segment::list(&walk.journal).map_err(about(&path, None))?;
    let total = walk.total(&names);
    let mut end = 0;
    let mut read = 0;
    for (nth, name) in names.iter().enumerate() {
        let last = nth + 1 == names.len();
        end = walk.segment(name, 0, last, |n| progress(read + n, total))?;
        read += end;
    }
    let Some(held) = &walk.held else {
        return Ok(walk.verified);
    };
    let (good, gone) = check_held(dir, held)?;
    walk.verified.held = Some(good);
    if !gone.is_empty() {
        // A daemon may have deleted them meanwhile. Then the journal says so by now.
        let behind = names.last().map(|name| (name, end));
        walk.read_on(behind)?;
        for (entry, error) in gone {
            if walk
                .held
                .as_ref()
                .is_some_and(|held| held.contains_key(&entry))
            {
                return Err(error);
            }
        }
    }
    Ok(walk.verified)
}

struct Walk {
    path: PathBuf,
    journal: OwnedFd,
    verified: Verified,
    /// Chain digest of the last line.
    chain: Option<String>,
    /// Entries that are not deleted, with their size and digest, if they are to be checked.
    held: Option<BTreeMap<EntryId, (u64, String)>>,
}

impl Walk {
    fn total(&self, names: &[SegmentName]) -> u64 {
        let size = |name: &SegmentName| {
            System::open_file(&self.journal, &name.to_string())
                .and_then(|file| file.metadata())
                .map_or(0, |meta| meta.len())
        };
        names.iter().map(size).sum()
    }

    /// Checks what was written since a place: the end of what was checked before.
    fn read_on(&mut self, behind: Option<(&SegmentName, u64)>) -> Result<(), VerifyError> {
        let mut names = segment::list(&self.journal).map_err(about(&self.path, None))?;
        names.retain(|name| behind.is_none_or(|(last, _)| name >= last));
        for (nth, name) in names.iter().enumerate() {
            let from = match behind {
                Some((last, end)) if name == last => end,
                _ => 0,
            };
            self.segment(name, from, nth + 1 == names.len(), |_| {})?;
        }
        Ok(())
    }

    /// Checks a segment from an octet on; returns the first octet that was not checked.
    fn segment(
        &mut self,
        name: &SegmentName,
        from: u64,
        last: bool,
        mut progress: impl FnMut(u64),
    ) -> Result<u64, VerifyError> {
        let path = self.path.join(name.to_string());
        let mut reader =
            LineReader::open(&self.journal, name, from, u64::MAX).map_err(about(&path, None))?;
        let mut at = from;
        if from == 0 {
            self.verified.segments += 1;
        }
        while let Some((place, content)) = reader.next_line().map_err(about(&path, None))? {
            let wrong = |what: String| VerifyError {
                file: path.clone(),
                line: Some(place.number),
                what,
            };
            let text = match content {
                Content::Line(text) => text,
                Content::TooLong => return Err(wrong("longer than any line".to_owned())),
                Content::Unfinished if last => break,
                Content::Unfinished => return Err(wrong("no line end".to_owned())),
            };
            let line = line::parse(text).map_err(wrong)?;
            self.follows(&line).map_err(wrong)?;
            self.note(&line);
            at = place.end;
            if place.number % 1024 == 0 {
                progress(at);
            }
        }
        progress(at);
        Ok(at)
    }

    /// Whether a line follows the one before. The first of all begins the chain, unless older segments
    /// have expired.
    fn follows(&self, line: &line::Line<'_>) -> Result<(), String> {
        let expected = self.verified.last + 1;
        match &self.chain {
            None if line.seq == 1 && line.prev != GENESIS => {
                Err("the first line does not begin the chain".to_owned())
            }
            None => Ok(()),
            Some(_) if line.seq != expected => Err(format!(
                "sequence number {} where {expected} must follow: lines are missing or out of order",
                line.seq
            )),
            Some(chain) if line.prev != chain => {
                Err("does not follow from the line before".to_owned())
            }
            Some(_) => Ok(()),
        }
    }

    fn note(&mut self, line: &line::Line<'_>) {
        if self.chain.is_none() {
            self.verified.first = line.seq;
        }
        self.verified.last = line.seq;
        self.verified.lines += 1;
        self.chain = Some(line.chain.to_owned());
        let Some(payload) = line.payload else {
            self.verified.erased += 1;
            return;
        };
        let Some(held) = &mut self.held else { return };
        match serde_json::from_str(payload) {
            Ok(Event::Held(entry)) => {
                held.insert(entry.entry, (entry.size, entry.sha256));
            }
            Ok(Event::Deleted { entry, .. }) => {
                held.remove(&entry);
            }
            _ => {}
        }
    }
}

/// Checks the files of entries. Returns how many are as they should be, and those that are not there,
/// since that may be right by now.
fn check_held(
    dir: &Path,
    held: &BTreeMap<EntryId, (u64, String)>,
) -> Result<(u64, Vec<(EntryId, VerifyError)>), VerifyError> {
    let root = dir.join("quarantine");
    let fd = System::open_root(&root).map_err(about(&root, None))?;
    let quarantine = Quarantine::new(fd, System::default());
    let mut good = 0;
    let mut gone = Vec::new();
    for (entry, (size, sha256)) in held {
        let path = root.join(Quarantine::path(entry));
        match quarantine.measure(entry) {
            Ok((found, digest)) if found == *size && digest.eq_ignore_ascii_case(sha256) => {
                good += 1;
            }
            Ok(_) => {
                return Err(VerifyError {
                    file: path,
                    line: None,
                    what: "does not have the size and SHA-256 that the journal says".to_owned(),
                });
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                gone.push((entry.clone(), about(&path, None)(e)));
            }
            Err(e) => return Err(about(&path, None)(e)),
        }
    }
    Ok((good, gone))
}

fn about(path: &Path, line: Option<u64>) -> impl FnOnce(io::Error) -> VerifyError {
    let file = path.to_owned();
    move |e| VerifyError {
        file,
        line,
        what: e.to_string(),
    }
}
