//! The bytes of a message: in memory while they are few, in an unlinked temporary file beyond.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// A message as it was received. Small ones are in memory, large ones in a file without a name,
/// so that many open transactions cost little memory; see
/// [`ServerOptions::spill_bytes`](crate::ServerOptions::spill_bytes).
#[derive(Debug)]
pub struct Message {
    spilled: Option<Spilled>,
    tail: Vec<u8>,
}

#[derive(Debug)]
struct Spilled {
    file: File,
    length: u64,
}

impl Message {
    pub(crate) fn new(spill: Option<Spill>, tail: Vec<u8>) -> Self {
        let spilled = spill.map(|spill| Spilled {
            file: spill.file,
            length: spill.length,
        });
        Self { spilled, tail }
    }

    /// Its length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        let spilled = self.spilled.as_ref().map_or(0, |spilled| spilled.length);
        spilled + self.tail.len() as u64
    }

    /// Whether it has no byte at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a part of it is in a file.
    #[must_use]
    pub const fn is_spilled(&self) -> bool {
        self.spilled.is_some()
    }

    /// All of it in memory. Ask for this only when it is the message's turn: from here on it
    /// costs its full length.
    ///
    /// # Errors
    /// The file cannot be read, or is shorter than what was written to it.
    pub async fn into_bytes(self) -> io::Result<Vec<u8>> {
        let Self { spilled, tail } = self;
        let Some(spilled) = spilled else {
            return Ok(tail);
        };
        blocking(move || spilled.followed_by(&tail)).await
    }
}

impl From<Vec<u8>> for Message {
    fn from(bytes: Vec<u8>) -> Self {
        Self {
            spilled: None,
            tail: bytes,
        }
    }
}

impl Spilled {
    fn followed_by(mut self, tail: &[u8]) -> io::Result<Vec<u8>> {
        let length = usize::try_from(self.length).map_err(io::Error::other)?;
        let mut bytes = Vec::with_capacity(length + tail.len());
        self.file.seek(SeekFrom::Start(0))?;
        self.file.take(self.length).read_to_end(&mut bytes)?;
        if bytes.len() != length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        bytes.extend_from_slice(tail);
        Ok(bytes)
    }
}

/// The beginning of a message that is still being received, in a file without a name.
#[derive(Debug)]
pub(crate) struct Spill {
    file: File,
    length: u64,
}

impl Spill {
    /// An empty file in `directory`, readable by nobody else and gone with the process.
    pub(crate) async fn create(directory: PathBuf) -> io::Result<Self> {
        let file = blocking(move || unnamed_file(&directory)).await?;
        Ok(Self { file, length: 0 })
    }

    /// Appends `bytes`. After an error the spill is of no use any more.
    pub(crate) async fn append(self, bytes: Vec<u8>) -> io::Result<Self> {
        let Self { mut file, length } = self;
        let added = bytes.len() as u64;
        let file = blocking(move || file.write_all(&bytes).map(|()| file)).await?;
        Ok(Self {
            file,
            length: length + added,
        })
    }
}

fn unnamed_file(directory: &Path) -> io::Result<File> {
    /// Names that a crashed process with the same id may have left are stepped over.
    const ATTEMPTS: usize = 1000;
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    for _ in 0..ATTEMPTS {
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let path = directory.join(format!("milter-{}-{number}.spill", std::process::id()));
        let created = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path);
        match created {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => (),
            Err(error) => return Err(error),
            Ok(file) => return std::fs::remove_file(&path).map(|()| file),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Runs file work on a thread that may wait.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(io::Error::other)?
}
