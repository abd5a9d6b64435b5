//! The bytes of a message: in memory while they are few, in an unlinked temporary file beyond.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// A message as it was received. Small ones are in memory, large ones in a file without a name,
/// so that many open transactions cost little memory.
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
    /// The beginning in a file, the rest in memory.
    #[must_use]
    pub fn new(spill: Option<Spill>, tail: Vec<u8>) -> Self {
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
pub struct Spill {
    file: File,
    length: u64,
}

impl Spill {
    /// An empty file in `directory`, readable by nobody else and gone with the process.
    ///
    /// # Errors
    /// The file cannot be made.
    pub async fn create(directory: PathBuf) -> io::Result<Self> {
        let file = blocking(move || unnamed_file(&directory)).await?;
        Ok(Self { file, length: 0 })
    }

    /// Appends `bytes`.
    ///
    /// # Errors
    /// The bytes cannot be written. The spill is then gone.
    pub async fn append(self, bytes: Vec<u8>) -> io::Result<Self> {
        let Self { mut file, length } = self;
        let added = bytes.len() as u64;
        let file = blocking(move || file.write_all(&bytes).map(|()| file)).await?;
        Ok(Self {
            file,
            length: length + added,
        })
    }
}

/// A message that is being received: bytes in, a [`Message`] out.
///
/// It never holds more than its bound in memory, plus what one call of [`Spool::write`] brings.
#[derive(Debug)]
pub struct Spool {
    memory: usize,
    directory: PathBuf,
    spill: Option<Spill>,
    tail: Vec<u8>,
    failed: Option<io::Error>,
}

impl Spool {
    /// An empty one, with at most `memory` bytes in memory and the rest in a file in `directory`.
    #[must_use]
    pub fn new(memory: usize, directory: PathBuf) -> Self {
        Self {
            memory,
            directory,
            spill: None,
            tail: Vec::new(),
            failed: None,
        }
    }

    /// Appends `bytes`. A failure shows in [`Spool::finish`]; until then whatever comes is dropped, so
    /// that a peer can be heard to its end and then be told.
    pub async fn write(&mut self, bytes: &[u8]) {
        if self.failed.is_some() {
            return;
        }
        self.tail.extend_from_slice(bytes);
        if self.tail.len() <= self.memory {
            return;
        }
        let excess = std::mem::take(&mut self.tail);
        let spill = match self.spill.take() {
            Some(spill) => Ok(spill),
            None => Spill::create(self.directory.clone()).await,
        };
        let spilled = match spill {
            Ok(spill) => spill.append(excess).await,
            error => error,
        };
        match spilled {
            Ok(spill) => self.spill = Some(spill),
            Err(error) => self.failed = Some(error),
        }
    }

    /// All that was written.
    ///
    /// # Errors
    /// A part of it could not be kept.
    pub fn finish(self) -> io::Result<Message> {
        match self.failed {
            Some(error) => Err(error),
            None => Ok(Message::new(self.spill, self.tail)),
        }
    }
}

fn unnamed_file(directory: &Path) -> io::Result<File> {
    /// Names that a crashed process with the same id may have left are stepped over.
    const ATTEMPTS: usize = 1000;
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    for _ in 0..ATTEMPTS {
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let path = directory.join(format!("incoming-{}-{number}.spill", std::process::id()));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_message_above_the_bound_goes_to_a_file_and_comes_back_whole() {
        let directory = tempfile::tempdir().unwrap();
        for (lengths, spilled) in [
            (vec![4, 4], false),
            (vec![5, 4], true),
            (vec![100, 3, 9, 1], true),
        ] {
            let mut spool = Spool::new(8, directory.path().to_owned());
            let mut expected = Vec::new();
            for (at, length) in lengths.into_iter().enumerate() {
                let bytes = vec![b'a' + at as u8; length];
                spool.write(&bytes).await;
                assert!(spool.tail.len() <= 8);
                expected.extend(bytes);
            }
            let message = spool.finish().unwrap();
            assert_eq!(message.is_spilled(), spilled);
            assert_eq!(message.len(), expected.len() as u64);
            assert_eq!(message.into_bytes().await.unwrap(), expected);
        }
        assert_eq!(
            std::fs::read_dir(directory.path()).unwrap().count(),
            0,
            "files have no name"
        );
    }

    #[tokio::test]
    async fn a_message_that_cannot_be_kept_is_an_error_at_its_end() {
        let mut spool = Spool::new(1, PathBuf::from("/nonexistent"));
        spool.write(b"abc").await;
        spool.write(b"def").await;
        assert!(spool.finish().is_err());
    }
}
