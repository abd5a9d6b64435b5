//! Rules as they were when they came into force.
//!
//! Workers are replaced while an analyst edits rule files. A worker that read the live directory
//! would find half an edit, and a broken file would leave the pool without workers. So the daemon
//! copies the rules first, and workers only ever read the copy. The last copy that worked is kept for
//! the next start.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// The directories that rules are loaded from; everything else (tests, notes) is not copied.
const PLACES: [&str; 4] = ["mail", "file", "raw", "vendor"];
/// Files of a snapshot, and octets of all of them: `rules_dir = "/"` must not fill the disk.
const MAX_FILES: usize = 50_000;
const MAX_BYTES: u64 = 512 << 20;
/// Directories inside directories.
const MAX_DEPTH: usize = 16;
/// Names the snapshot that is in force.
const CURRENT: &str = "current";

/// Why the rules could not be copied.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The file or directory, and what went wrong.
    #[error("{}: {error}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// What.
        error: io::Error,
    },
    /// The directory is larger than any set of rules.
    #[error("{}: more than {MAX_FILES} files or {MAX_BYTES} bytes; is this a rules directory?", .0.display())]
    TooLarge(PathBuf),
    /// None of the directories is there.
    #[error(
        "{}: no rules here: expected at least one of the directories mail, file, raw, vendor; \
         name the right directory as `rules_dir` in the configuration", .0.display()
    )]
    Empty(PathBuf),
}

/// The live rules directory and its snapshots.
#[derive(Debug, Clone)]
pub struct RulesDir {
    live: PathBuf,
    kept: PathBuf,
}

impl RulesDir {
    /// Rules are edited in `live`; snapshots are kept in `kept`.
    pub fn new(live: PathBuf, kept: PathBuf) -> RulesDir {
        RulesDir { live, kept }
    }

    /// Where analysts edit.
    pub fn live(&self) -> &Path {
        &self.live
    }

    /// Copies the live rules.
    ///
    /// # Errors
    /// If a file cannot be read or written, or the directory is no rules directory.
    pub fn take(&self) -> Result<PathBuf, SnapshotError> {
        let number = jiff::Timestamp::now().as_nanosecond();
        let into = self.kept.join(format!("snapshot-{number}"));
        let mut copy = Copy {
            files: 0,
            bytes: 0,
            root: &self.live,
        };
        let mut found = false;
        make_dir(&into)?;
        for place in PLACES {
            let from = self.live.join(place);
            if from.is_dir() {
                found = true;
                copy.directory(&from, &into.join(place), 0)?;
            }
        }
        if found {
            Ok(into)
        } else {
            Err(SnapshotError::Empty(self.live.clone()))
        }
    }

    /// The last snapshot that worked, if there is one.
    pub fn last_good(&self) -> Option<PathBuf> {
        let name = fs::read_to_string(self.kept.join(CURRENT)).ok()?;
        let name = name.trim();
        let plain = name.starts_with("snapshot-") && !name.contains('/');
        let path = self.kept.join(name);
        (plain && path.is_dir()).then_some(path)
    }

    /// Notes that a snapshot works, and removes all others but the one before it, whose workers may
    /// still drain.
    pub fn keep(&self, snapshot: &Path) -> io::Result<()> {
        let before = self.last_good();
        let name = snapshot
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let temporary = self.kept.join("current.tmp");
        fs::write(&temporary, &name)?;
        fs::File::open(&temporary)?.sync_all()?;
        fs::rename(&temporary, self.kept.join(CURRENT))?;
        for entry in fs::read_dir(&self.kept)?.flatten() {
            let path = entry.path();
            let is_snapshot = entry.file_name().to_string_lossy().starts_with("snapshot-");
            if is_snapshot && path != snapshot && Some(&path) != before.as_ref() {
                remove(&path)?;
            }
        }
        Ok(())
    }

    /// Removes a snapshot that does not work.
    pub fn drop_snapshot(&self, snapshot: &Path) {
        if snapshot.starts_with(&self.kept) {
            let _ = remove(snapshot);
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is a snapshot of rules, and no mail is in it"
)]
fn remove(snapshot: &Path) -> io::Result<()> {
    fs::remove_dir_all(snapshot)
}

struct Copy<'a> {
    files: usize,
    bytes: u64,
    root: &'a Path,
}

impl Copy<'_> {
    fn directory(&mut self, from: &Path, into: &Path, depth: usize) -> Result<(), SnapshotError> {
        if depth > MAX_DEPTH {
            return Err(SnapshotError::TooLarge(self.root.to_owned()));
        }
        make_dir(into)?;
        for entry in fs::read_dir(from).map_err(|e| at(from, e))? {
            let entry = entry.map_err(|e| at(from, e))?;
            let (path, target) = (entry.path(), into.join(entry.file_name()));
            let kind = entry.file_type().map_err(|e| at(&path, e))?;
            if kind.is_dir() {
                self.directory(&path, &target, depth + 1)?;
            } else if kind.is_symlink() {
                self.link(&path, &target)?;
            } else if kind.is_file() {
                self.file(&path, &target)?;
            }
        }
        Ok(())
    }

    /// A link inside the directory becomes what it points to. One that leads out stays a link, and
    /// the loader refuses it by its name.
    fn link(&mut self, path: &Path, target: &Path) -> Result<(), SnapshotError> {
        let root = self.root.canonicalize().map_err(|e| at(self.root, e))?;
        match path.canonicalize() {
            Ok(real) if real.starts_with(&root) && real.is_file() => self.file(&real, target),
            Ok(real) => std::os::unix::fs::symlink(real, target).map_err(|e| at(path, e)),
            Err(error) => Err(at(path, error)),
        }
    }

    fn file(&mut self, path: &Path, target: &Path) -> Result<(), SnapshotError> {
        self.files += 1;
        self.bytes += fs::metadata(path).map_err(|e| at(path, e))?.len();
        if self.files > MAX_FILES || self.bytes > MAX_BYTES {
            return Err(SnapshotError::TooLarge(self.root.to_owned()));
        }
        fs::copy(path, target).map_err(|e| at(path, e))?;
        Ok(())
    }
}

fn make_dir(path: &Path) -> Result<(), SnapshotError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|e| at(path, e))
}

fn at(path: &Path, error: io::Error) -> SnapshotError {
    SnapshotError::Io {
        path: path.to_owned(),
        error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> (tempfile::TempDir, RulesDir) {
        let dir = tempfile::tempdir().expect("temporary directory");
        let live = dir.path().join("rules");
        fs::create_dir_all(live.join("file/office")).expect("directory");
        fs::write(live.join("file/office/a.yar"), "rule a { condition: true }").expect("file");
        fs::create_dir_all(live.join("tests")).expect("directory");
        let kept = dir.path().join("kept");
        (dir, RulesDir::new(live, kept))
    }

    #[test]
    fn a_snapshot_does_not_change_when_the_live_rules_do() {
        let (_dir, rules) = rules();
        let snapshot = rules.take().expect("copies");
        fs::write(rules.live().join("file/office/a.yar"), "rule broken {").expect("file");
        let kept = fs::read_to_string(snapshot.join("file/office/a.yar")).expect("reads");
        assert!(kept.starts_with("rule a"));
        assert!(!snapshot.join("tests").exists());
    }

    #[test]
    fn the_last_snapshot_that_worked_is_found_again_and_old_ones_are_removed() {
        let (_dir, rules) = rules();
        assert_eq!(rules.last_good(), None);
        let mut taken = Vec::new();
        for _ in 0..3 {
            let snapshot = rules.take().expect("copies");
            rules.keep(&snapshot).expect("keeps");
            taken.push(snapshot);
        }
        assert_eq!(rules.last_good().as_ref(), taken.last());
        assert!(!taken.first().expect("three").exists());
    }

    #[test]
    fn a_directory_without_rules_is_refused_with_a_way_out() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let rules = RulesDir::new(dir.path().join("nowhere"), dir.path().join("kept"));
        let error = rules.take().expect_err("nothing there").to_string();
        assert!(
            error.contains("nowhere") && error.contains("rules_dir"),
            "{error}"
        );
    }

    #[test]
    fn a_link_that_leads_out_is_not_followed() {
        let (dir, rules) = rules();
        fs::write(dir.path().join("secret"), "x").expect("file");
        std::os::unix::fs::symlink("../../../secret", rules.live().join("file/office/s.yar"))
            .expect("link");
        let snapshot = rules.take().expect("copies");
        let copied = fs::symlink_metadata(snapshot.join("file/office/s.yar")).expect("is there");
        assert!(copied.is_symlink());
    }
}
