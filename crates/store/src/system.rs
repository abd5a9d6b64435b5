//! The one seam to the operating system: the clock, and every step that changes a file.
//!
//! All paths are single names below an open directory, so that nothing is followed on the way. Tests
//! put a hook in front of each step, to count steps and to make any one of them fail.

use crate::time;
use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

/// A step that changes a file or makes a change durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Create,
    Link,
    MakeDir,
    Rename,
    SyncData,
    SyncDir,
    SyncFile,
    Truncate,
    Unlink,
    Write,
}

type Hook = dyn Fn(Step) -> io::Result<()> + Send + Sync;
type Clock = dyn Fn() -> i64 + Send + Sync;

/// The operating system, or what a test makes of it.
#[derive(Clone)]
pub(crate) struct System {
    clock: Arc<Clock>,
    hook: Option<Arc<Hook>>,
}

impl Default for System {
    fn default() -> Self {
        System {
            clock: Arc::new(time::now),
            hook: None,
        }
    }
}

/// How directories are opened: never through a symbolic link.
const DIR_FLAGS: OFlags = OFlags::DIRECTORY
    .union(OFlags::RDONLY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

impl System {
    /// Milliseconds since 1970-01-01 UTC.
    pub(crate) fn now(&self) -> i64 {
        (self.clock)()
    }

    /// Opens a directory by a path that the operator configured; symbolic links are followed.
    pub(crate) fn open_root(path: &Path) -> io::Result<OwnedFd> {
        Ok(rustix::fs::open(
            path,
            OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC,
            Mode::empty(),
        )?)
    }

    /// Opens a directory below another one; `None` if it does not exist.
    pub(crate) fn open_dir(dir: impl AsFd, name: &str) -> io::Result<Option<OwnedFd>> {
        match rustix::fs::openat(dir, name, DIR_FLAGS, Mode::empty()) {
            Ok(fd) => Ok(Some(fd)),
            Err(Errno::NOENT) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    /// Opens a directory below another one, and makes it first if it does not exist. When this returns
    /// its name is durable: whoever made it, now or before a crash, may not have come to the sync.
    pub(crate) fn make_dir(&self, dir: impl AsFd, name: &str) -> io::Result<OwnedFd> {
        self.step(Step::MakeDir)?;
        match rustix::fs::mkdirat(&dir, name, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(e) => return Err(e.into()),
        }
        self.sync_dir(&dir)?;
        System::open_dir(&dir, name)?.ok_or_else(|| Errno::NOENT.into())
    }

    /// Makes a new file, readable by its owner alone.
    pub(crate) fn create(&self, dir: impl AsFd, name: &str) -> io::Result<File> {
        self.step(Step::Create)?;
        // Appending, so that a file that was cut back goes on at its end and not behind a hole.
        let flags = OFlags::WRONLY
            | OFlags::APPEND
            | OFlags::CREATE
            | OFlags::EXCL
            | OFlags::NOFOLLOW
            | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(dir, name, flags, Mode::RUSR | Mode::WUSR)?.into())
    }

    /// Opens a regular file for reading; anything else in its place is an error. A FIFO or a device
    /// neither blocks nor is read.
    pub(crate) fn open_file(dir: impl AsFd, name: &str) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(rustix::fs::openat(dir, name, flags, Mode::empty())?);
        if file.metadata()?.is_file() {
            Ok(file)
        } else {
            Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "not a regular file",
            ))
        }
    }

    /// Whether there is a regular file of this name.
    pub(crate) fn is_file(dir: impl AsFd, name: &str) -> io::Result<bool> {
        match rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file()),
            Err(Errno::NOENT) => Ok(false),
            Err(e) => Err(e.into()),
        }
    }

    /// Writes all octets.
    pub(crate) fn write(&self, mut file: &File, bytes: &[u8]) -> io::Result<()> {
        if let Err(e) = self.step(Step::Write) {
            // What a full disk does: some octets arrive, then the error.
            file.write_all(bytes.get(..bytes.len() / 2).unwrap_or_default())?;
            return Err(e);
        }
        file.write_all(bytes)
    }

    pub(crate) fn sync_data(&self, file: &File) -> io::Result<()> {
        self.step(Step::SyncData)?;
        file.sync_data()
    }

    pub(crate) fn sync_file(&self, file: &File) -> io::Result<()> {
        self.step(Step::SyncFile)?;
        file.sync_all()
    }

    pub(crate) fn sync_dir(&self, dir: impl AsFd) -> io::Result<()> {
        self.step(Step::SyncDir)?;
        Ok(rustix::fs::fsync(dir)?)
    }

    pub(crate) fn truncate(&self, file: &File, len: u64) -> io::Result<()> {
        self.step(Step::Truncate)?;
        file.set_len(len)
    }

    /// Renames, and replaces what has the new name.
    pub(crate) fn rename(&self, dir: impl AsFd, from: &str, to: &str) -> io::Result<()> {
        self.step(Step::Rename)?;
        Ok(rustix::fs::renameat(&dir, from, &dir, to)?)
    }

    /// Renames; fails if something has the new name.
    pub(crate) fn rename_new(&self, dir: impl AsFd, from: &str, to: &str) -> io::Result<()> {
        self.step(Step::Rename)?;
        match rustix::fs::renameat_with(&dir, from, &dir, to, RenameFlags::NOREPLACE) {
            // File systems without this flag: a link never replaces either.
            Err(Errno::INVAL | Errno::NOSYS) => {
                rustix::fs::linkat(&dir, from, &dir, to, AtFlags::empty())?;
                Ok(rustix::fs::unlinkat(&dir, from, AtFlags::empty())?)
            }
            done => Ok(done?),
        }
    }

    /// Gives a file a second name; fails if something has that name.
    pub(crate) fn link(&self, dir: impl AsFd, from: &str, to: &str) -> io::Result<()> {
        self.step(Step::Link)?;
        Ok(rustix::fs::linkat(&dir, from, &dir, to, AtFlags::empty())?)
    }

    /// Removes a name; `false` if there was none.
    pub(crate) fn unlink(&self, dir: impl AsFd, name: &str) -> io::Result<bool> {
        self.step(Step::Unlink)?;
        match rustix::fs::unlinkat(dir, name, AtFlags::empty()) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(e) => Err(e.into()),
        }
    }

    /// Writes a file so that its name has either the old content or all of the new, durably.
    pub(crate) fn replace(
        &self,
        dir: impl AsFd,
        name: &str,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        let tmp = format!(".{name}.tmp");
        self.unlink(&dir, &tmp)?;
        let file = self.create(&dir, &tmp)?;
        let mut out = io::BufWriter::new(Hooked { system: self, file });
        write(&mut out)?;
        out.flush()?;
        self.sync_file(&out.get_ref().file)?;
        self.rename(&dir, &tmp, name)?;
        self.sync_dir(&dir)
    }

    fn step(&self, step: Step) -> io::Result<()> {
        self.hook.as_ref().map_or(Ok(()), |hook| hook(step))
    }
}

#[cfg(test)]
impl System {
    pub(crate) fn with_hook(
        hook: impl Fn(Step) -> io::Result<()> + Send + Sync + 'static,
    ) -> System {
        System {
            hook: Some(Arc::new(hook)),
            ..System::default()
        }
    }

    pub(crate) fn with_clock(clock: impl Fn() -> i64 + Send + Sync + 'static) -> System {
        System {
            clock: Arc::new(clock),
            ..System::default()
        }
    }
}

struct Hooked<'a> {
    system: &'a System,
    file: File,
}

impl Write for Hooked<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.system.write(&self.file, bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
