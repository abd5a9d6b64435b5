//! Held mails as files: `quarantine/<yyyy>/<mm>/<dd>/<entry-id>.eml` with its sidecar,
//! `<entry-id>.json`.
//!
//! The day is that of the id, so that the id alone says where its file is. Every directory is opened
//! from the one above, never through a symbolic link, so that nothing outside can be reached.

use crate::journal::line::{hex, sha256};
use crate::system::System;
use crate::{EntryId, HeldEntry, HoldError, time};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};

/// Octets of the largest sidecar that is read: a verdict record, see the bound on journal payloads.
const MAX_SIDECAR: u64 = 17 << 20;

/// The quarantine.
pub(crate) struct Quarantine {
    root: OwnedFd,
    system: System,
    /// The last day whose directory is known to be durable. A mail of another day costs some syncs.
    durable_day: Mutex<Option<[String; 3]>>,
}

/// What a file of the quarantine is by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    Message(EntryId),
    Sidecar(EntryId),
    /// Written by a `hold` that did not end.
    Temporary,
    Stranger,
}

impl Quarantine {
    pub(crate) fn new(root: OwnedFd, system: System) -> Quarantine {
        Quarantine {
            root,
            system,
            durable_day: Mutex::default(),
        }
    }

    /// Makes a mail durable. When this returns, message and sidecar have their names on disk.
    ///
    /// The sidecar gets its name first. Both names are made durable by the one sync of the directory at
    /// the end, before which nothing was promised: so a message without a sidecar can only be one that
    /// was never promised, and a sidecar without a message is nothing.
    pub(crate) fn hold(&self, held: &HeldEntry, message: &[u8]) -> Result<(), HoldError> {
        let entry = &held.entry;
        if held.size != message.len() as u64 || !held.sha256.eq_ignore_ascii_case(&sha256(message))
        {
            return Err(HoldError::Mismatch {
                entry: entry.clone(),
            });
        }
        let mut writing = Writing {
            quarantine: self,
            entry,
            dir: None,
            placed: Vec::new(),
        };
        let result = writing.run(held, message);
        if result.is_err() {
            writing.undo();
        }
        result
    }

    /// Opens the message of an entry.
    pub(crate) fn open(&self, entry: &EntryId) -> io::Result<File> {
        let dir = self.dir(entry)?.ok_or(io::ErrorKind::NotFound)?;
        System::open_file(dir, &message_name(entry))
    }

    /// Reads a message of a known size and digest; anything else is an error.
    pub(crate) fn read(&self, entry: &EntryId, size: u64, sha256: &str) -> io::Result<Vec<u8>> {
        let file = self.open(entry)?;
        let found = file.metadata()?.len();
        let wrong = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
        if found != size {
            return Err(wrong(format!(
                "its file has {found} octets instead of {size}"
            )));
        }
        let mut message = Vec::new();
        file.take(size + 1).read_to_end(&mut message)?;
        if message.len() as u64 != size || !self::sha256(&message).eq_ignore_ascii_case(sha256) {
            return Err(wrong("its file does not have its SHA-256".to_owned()));
        }
        Ok(message)
    }

    /// Size and digest of a message, whatever they are.
    pub(crate) fn measure(&self, entry: &EntryId) -> io::Result<(u64, String)> {
        let mut file = self.open(entry)?;
        let mut hash = Hashing(Sha256::new());
        let size = io::copy(&mut file, &mut hash)?;
        Ok((size, hex(&hash.0.finalize())))
    }

    /// The path of a message below the quarantine, for people.
    pub(crate) fn path(entry: &EntryId) -> String {
        format!("{}/{}", day_path(entry).join("/"), message_name(entry))
    }

    /// Whether the message of an entry is there, as a regular file.
    pub(crate) fn has(&self, entry: &EntryId) -> io::Result<bool> {
        match self.dir(entry)? {
            Some(dir) => System::is_file(dir, &message_name(entry)),
            None => Ok(false),
        }
    }

    /// Reads the sidecar of an entry; `None` if there is none that can be read.
    pub(crate) fn sidecar(&self, entry: &EntryId) -> io::Result<Option<HeldEntry>> {
        let Some(dir) = self.dir(entry)? else {
            return Ok(None);
        };
        let name = sidecar_name(entry);
        if !System::is_file(&dir, &name)? {
            return Ok(None);
        }
        let mut text = Vec::new();
        System::open_file(&dir, &name)?
            .take(MAX_SIDECAR)
            .read_to_end(&mut text)?;
        let held = serde_json::from_slice::<HeldEntry>(&text).ok();
        Ok(held.filter(|held| held.entry == *entry))
    }

    /// Removes message and sidecar, durably; `false` if neither was there.
    pub(crate) fn remove(&self, entry: &EntryId) -> io::Result<bool> {
        let Some(dir) = self.dir(entry)? else {
            return Ok(false);
        };
        let message = self.system.unlink(&dir, &message_name(entry))?;
        let sidecar = self.system.unlink(&dir, &sidecar_name(entry))?;
        if message || sidecar {
            self.system.sync_dir(&dir)?;
        }
        Ok(message || sidecar)
    }

    /// Removes one file by its path, as [`Quarantine::walk`] gives it; `false` if it was not there.
    pub(crate) fn remove_file(&self, path: &[String]) -> io::Result<bool> {
        let Some((name, days)) = path.split_last() else {
            return Ok(false);
        };
        let mut dir = self.root.try_clone()?;
        for part in days {
            match System::open_dir(&dir, part)? {
                Some(next) => dir = next,
                None => return Ok(false),
            }
        }
        self.system.unlink(&dir, name)
    }

    /// Visits all files, a day at a time. A visitor gets the path, and what it is by its name.
    pub(crate) fn walk<E: From<io::Error>>(
        &self,
        mut visit: impl FnMut(&[String], Kind) -> Result<(), E>,
    ) -> Result<(), E> {
        walk(&self.root, &mut Vec::new(), &mut visit)
    }

    fn dir(&self, entry: &EntryId) -> io::Result<Option<OwnedFd>> {
        let mut dir = self.root.try_clone()?;
        for part in day_path(entry) {
            match System::open_dir(&dir, &part)? {
                Some(next) => dir = next,
                None => return Ok(None),
            }
        }
        Ok(Some(dir))
    }
}

/// One `hold`, with what must be undone if it fails.
struct Writing<'a> {
    quarantine: &'a Quarantine,
    entry: &'a EntryId,
    dir: Option<Arc<OwnedFd>>,
    placed: Vec<String>,
}

impl Writing<'_> {
    fn run(&mut self, held: &HeldEntry, message: &[u8]) -> Result<(), HoldError> {
        let system = &self.quarantine.system;
        let (entry, sidecar, eml) = (
            self.entry,
            sidecar_name(self.entry),
            message_name(self.entry),
        );
        let failed = |step| {
            move |source| HoldError::Io {
                entry: entry.clone(),
                step,
                source,
            }
        };
        let dir = self.make_dirs().map_err(failed("make its directory"))?;
        let dir = &*self.dir.insert(Arc::new(dir)).clone();
        if rustix::fs::statat(dir, &eml, rustix::fs::AtFlags::SYMLINK_NOFOLLOW).is_ok() {
            return Err(HoldError::Exists {
                entry: entry.clone(),
            });
        }
        let mut bounded = held.clone();
        bounded.bound();
        let text = serde_json::to_vec(&bounded)
            .map_err(|e| failed("write its sidecar")(io::Error::other(e)))?;
        self.placed.push(tmp_name(&sidecar));
        write(system, dir, &tmp_name(&sidecar), &text).map_err(failed("write its sidecar"))?;
        self.placed.push(sidecar.clone());
        system
            .rename(dir, &tmp_name(&sidecar), &sidecar)
            .map_err(failed("name its sidecar"))?;
        if !self
            .link_sibling(dir, &eml, message)
            .map_err(failed("link"))?
        {
            self.placed.push(tmp_name(&eml));
            write(system, dir, &tmp_name(&eml), message).map_err(failed("write"))?;
            // What has the name now is not ours to undo, so the name is not noted before.
            system
                .rename_new(dir, &tmp_name(&eml), &eml)
                .map_err(failed("name"))?;
        }
        self.placed.push(eml);
        system.sync_dir(dir).map_err(failed("sync its directory"))
    }

    fn make_dirs(&self) -> io::Result<OwnedFd> {
        let quarantine = self.quarantine;
        let day = day_path(self.entry);
        let durable = quarantine.durable_day.lock();
        let known = durable.is_ok_and(|known| known.as_ref() == Some(&day));
        if known && let Some(dir) = quarantine.dir(self.entry)? {
            return Ok(dir);
        }
        let mut dir = quarantine.root.try_clone()?;
        for part in &day {
            dir = quarantine.system.make_dir(&dir, part)?;
        }
        if let Ok(mut durable) = quarantine.durable_day.lock() {
            *durable = Some(day);
        }
        Ok(dir)
    }

    /// Shares the octets with another group of the same mail, if one has them.
    fn link_sibling(&self, dir: &OwnedFd, eml: &str, message: &[u8]) -> io::Result<bool> {
        for group in 1..self.entry.group() {
            let sibling = message_name(&self.entry.mail().entry(group));
            let same = System::is_file(dir, &sibling)?
                && is_same(System::open_file(dir, &sibling)?, message)?;
            if same {
                self.quarantine.system.link(dir, &sibling, eml)?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Removes what was written. If that fails as well, the next start does it.
    fn undo(&self) {
        if let Some(dir) = &self.dir {
            for name in self.placed.iter().rev() {
                let _ = self.quarantine.system.unlink(dir, name);
            }
        }
    }
}

fn write(system: &System, dir: &OwnedFd, name: &str, bytes: &[u8]) -> io::Result<()> {
    system.unlink(dir, name)?;
    let file = system.create(dir, name)?;
    system.write(&file, bytes)?;
    system.sync_file(&file)
}

/// Whether a file has exactly these octets.
fn is_same(mut file: File, message: &[u8]) -> io::Result<bool> {
    if file.metadata()?.len() != message.len() as u64 {
        return Ok(false);
    }
    let mut piece = [0; 64 << 10];
    let mut rest = message;
    loop {
        let n = file.read(&mut piece)?;
        let read = piece.get(..n).unwrap_or_default();
        match rest.split_at_checked(n) {
            Some((expected, _)) if n > 0 && expected != read => return Ok(false),
            Some((_, after)) if n > 0 => rest = after,
            Some(_) => return Ok(rest.is_empty()),
            None => return Ok(false),
        }
    }
}

struct Hashing(Sha256);

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Directories of one level: years, months, days.
const LEVELS: [usize; 3] = [4, 2, 2];

fn walk<E: From<io::Error>>(
    dir: &OwnedFd,
    path: &mut Vec<String>,
    visit: &mut impl FnMut(&[String], Kind) -> Result<(), E>,
) -> Result<(), E> {
    let mut names = Vec::new();
    for item in rustix::fs::Dir::read_from(dir).map_err(io::Error::from)? {
        let item = item.map_err(io::Error::from)?;
        let name = item.file_name().to_string_lossy().into_owned();
        if name != "." && name != ".." {
            names.push(name);
        }
    }
    names.sort();
    for name in names {
        let width = LEVELS.get(path.len()).copied();
        let digits = name.bytes().all(|b| b.is_ascii_digit());
        let below = match width {
            Some(width) if digits && name.len() == width => {
                System::open_dir(dir, &name).unwrap_or_default()
            }
            _ => None,
        };
        path.push(name);
        match below {
            Some(below) => walk(&below, path, visit)?,
            None => visit(path, kind(path))?,
        }
        path.pop();
    }
    Ok(())
}

fn kind(path: &[String]) -> Kind {
    let [year, month, day, name] = path else {
        return Kind::Stranger;
    };
    if let Some(name) = name.strip_prefix('.').and_then(|n| n.strip_suffix(".tmp")) {
        let ours = [".eml", ".json"]
            .iter()
            .filter_map(|suffix| name.strip_suffix(suffix))
            .any(|id| id.parse::<EntryId>().is_ok());
        return if ours {
            Kind::Temporary
        } else {
            Kind::Stranger
        };
    }
    let at_home = |id: &EntryId| day_path(id) == [year.clone(), month.clone(), day.clone()];
    let id = |suffix| {
        let id = name.strip_suffix(suffix)?.parse::<EntryId>().ok()?;
        // One spelling, and in its own day.
        (at_home(&id) && id.to_string() + suffix == *name).then_some(id)
    };
    match (id(".eml"), id(".json")) {
        (Some(id), _) => Kind::Message(id),
        (_, Some(id)) => Kind::Sidecar(id),
        _ => Kind::Stranger,
    }
}

fn day_path(entry: &EntryId) -> [String; 3] {
    let day = time::day(entry.mail().ms());
    let mut parts = day.splitn(3, '-').map(str::to_owned);
    std::array::from_fn(|_| parts.next().unwrap_or_default())
}

pub(crate) fn message_name(entry: &EntryId) -> String {
    format!("{entry}.eml")
}

fn sidecar_name(entry: &EntryId) -> String {
    format!("{entry}.json")
}

fn tmp_name(name: &str) -> String {
    format!(".{name}.tmp")
}
