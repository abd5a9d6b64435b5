//! A maildir as the next hop: <https://cr.yp.to/proto/maildir.html>.
//!
//! Messages are stored as they came, with CRLF line ends. Directories are for the owner alone (0700), and so are
//! files (0600).

use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use tracing::{debug, warn};

use crate::client::command::{mail_line, rcpt_line};
use crate::client::{Content, Extensions, XforwardAttributes};
use crate::error::{Error, Stage};
use crate::reply::{Reply, printable};
use crate::service::{MailCommand, RcptCommand};

/// Bytes that are handed to the disk's thread at once.
const CHUNK: usize = 1024 * 1024;

/// Longest part of a file's name that says which host it is from, in bytes. A name has at most 255.
const MAX_HOST: usize = 64;

/// What makes no difference to a maildir. It will not tell anybody about a delivery, hence no DSN.
pub(super) const OFFERS: Extensions = Extensions {
    size: true,
    size_limit: None,
    eight_bit_mime: true,
    smtp_utf8: true,
    dsn: false,
    auth: true,
    start_tls: false,
    xforward: XforwardAttributes {
        name: false,
        address: false,
        port: false,
        protocol: false,
        helo: false,
        ident: false,
        source: false,
    },
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Maildir {
    directory: PathBuf,
    host: String,
}

impl Maildir {
    pub(super) fn new(directory: PathBuf, host: &str) -> Self {
        let plain = |c: char| {
            let plain = c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
            if plain { c } else { '_' }
        };
        let host = host.chars().take(MAX_HOST).map(plain).collect();
        Self { directory, host }
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(super) fn session(&self) -> Session {
        Session {
            maildir: self.clone(),
            mail_from: None,
            rcpts: Vec::new(),
        }
    }

    /// Makes the directories that are missing.
    pub(super) async fn make(&self) -> Result<(), Error> {
        let directory = self.directory.clone();
        let made = blocking(move || make(&directory)).await;
        made.map_err(|source| Error::Io {
            peer: self.to_string(),
            stage: Stage::Connect,
            source,
        })
    }
}

impl fmt::Display for Maildir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable(self.directory.as_os_str().as_bytes()))
    }
}

/// One delivery after the other.
#[derive(Debug)]
pub(super) struct Session {
    maildir: Maildir,
    mail_from: Option<String>,
    rcpts: Vec<String>,
}

impl Session {
    pub(super) fn mail(&mut self, mail: &MailCommand) -> Result<Reply, Error> {
        // For its checks: what no server would be sent is not stored either.
        mail_line(&self.maildir.to_string(), &OFFERS, mail)?;
        if self.mail_from.is_some() {
            return Ok(Reply::new(503, "5.5.1", "There is a transaction already"));
        }
        self.mail_from = Some(mail.path.clone());
        Ok(Reply::new(250, "2.1.0", "Ok"))
    }

    pub(super) fn rcpt(&mut self, rcpt: &RcptCommand) -> Result<Reply, Error> {
        rcpt_line(&self.maildir.to_string(), &OFFERS, rcpt)?;
        if self.mail_from.is_none() {
            return Ok(Reply::new(503, "5.5.1", "MAIL first"));
        }
        self.rcpts.push(rcpt.path.clone());
        Ok(Reply::new(250, "2.1.5", "Ok"))
    }

    pub(super) fn reset(&mut self) -> Reply {
        (self.mail_from, self.rcpts) = (None, Vec::new());
        Reply::new(250, "2.0.0", "Ok")
    }

    /// Writes the message to `tmp`.
    pub(super) async fn data(
        &mut self,
        slices: &[&[u8]],
    ) -> Result<Result<Pending<'_>, Reply>, Error> {
        let content = Content::new(slices)?;
        let fields = match &self.mail_from {
            Some(mail_from) if !self.rcpts.is_empty() => delivery_fields(mail_from, &self.rcpts),
            _ => return Err(Error::NoRecipients),
        };
        let mut pieces = vec![fields.as_slice()];
        pieces.extend_from_slice(slices);
        pieces.push(content.last_line_end());
        Ok(match write(&self.maildir, &pieces).await {
            Ok(unfinished) => Ok(Pending {
                session: self,
                unfinished,
            }),
            Err(error) => Err(self.maildir.refusal(&error)),
        })
    }
}

/// A message in `tmp`; dropping it removes it from there.
#[derive(Debug)]
pub(super) struct Pending<'s> {
    session: &'s mut Session,
    unfinished: Unfinished,
}

impl Pending<'_> {
    /// Moves the message to `new`. It is there when its file and its name are on disk, else it is not, except that the
    /// disk may fail between the two.
    pub(super) async fn finish(self) -> Result<Reply, Error> {
        let Self {
            session,
            unfinished,
        } = self;
        session.reset();
        let id = unfinished.id.clone();
        // A future that is dropped here does not stop it: it happens all or not at all.
        match blocking(move || Ok(unfinished.deliver())).await {
            Ok(Ok(())) => {
                debug!(maildir = %session.maildir, id, "delivered");
                let text = format!("Ok: queued as {id}");
                Ok(Reply::new(250, "2.0.0", &text))
            }
            Ok(Err(Undelivered::Not(error))) | Err(error) => Ok(session.maildir.refusal(&error)),
            Ok(Err(Undelivered::Perhaps(source))) => Err(Error::Unknown {
                source: Box::new(Error::Io {
                    peer: session.maildir.to_string(),
                    stage: Stage::EndOfData,
                    source,
                }),
            }),
        }
    }
}

impl Maildir {
    fn refusal(&self, error: &io::Error) -> Reply {
        warn!(maildir = %self, %error, "cannot store a message");
        match error.kind() {
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => {
                Reply::new(452, "4.3.1", "Insufficient system storage")
            }
            _ => Reply::new(
                451,
                "4.3.0",
                "The mailbox cannot be written to; try again later",
            ),
        }
    }
}

/// A file in `tmp` that is removed unless it is delivered.
#[derive(Debug)]
struct Unfinished {
    maildir: Maildir,
    id: String,
    file: File,
    moved: bool,
}

enum Undelivered {
    Not(io::Error),
    /// It is in `new`, but that may not outlast the machine's next crash.
    Perhaps(io::Error),
}

impl Unfinished {
    fn create(maildir: Maildir) -> io::Result<Self> {
        let id = unique();
        let name = format!("{id}.{}", maildir.host);
        let path = maildir.directory.join("tmp").join(name);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let file = match options.open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                make(&maildir.directory)?;
                options.open(&path)?
            }
            result => result?,
        };
        Ok(Self {
            maildir,
            id,
            file,
            moved: false,
        })
    }

    fn deliver(mut self) -> Result<(), Undelivered> {
        self.file.sync_all().map_err(Undelivered::Not)?;
        let new = self.maildir.directory.join("new");
        // Nothing is there by that name: it has time, process and number in it.
        std::fs::rename(self.path("tmp"), self.path("new")).map_err(Undelivered::Not)?;
        self.moved = true;
        File::open(new)
            .and_then(|new| new.sync_all())
            .map_err(Undelivered::Perhaps)
    }

    fn path(&self, part: &str) -> PathBuf {
        let name = format!("{}.{}", self.id, self.maildir.host);
        self.maildir.directory.join(part).join(name)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if self.moved {
            return;
        }
        if let Err(error) = std::fs::remove_file(self.path("tmp")) {
            warn!(maildir = %self.maildir, id = self.id, %error, "an unfinished message stays in tmp");
        }
    }
}

async fn write(maildir: &Maildir, pieces: &[&[u8]]) -> io::Result<Unfinished> {
    let maildir = maildir.clone();
    let mut unfinished = blocking(move || Unfinished::create(maildir)).await?;
    let mut chunk = Vec::new();
    for piece in pieces {
        for part in piece.chunks(CHUNK) {
            if chunk.len() + part.len() > CHUNK {
                (unfinished, chunk) = append(unfinished, chunk).await?;
            }
            chunk.extend_from_slice(part);
        }
    }
    let (unfinished, _) = append(unfinished, chunk).await?;
    Ok(unfinished)
}

async fn append(
    mut unfinished: Unfinished,
    mut chunk: Vec<u8>,
) -> io::Result<(Unfinished, Vec<u8>)> {
    blocking(move || {
        unfinished.file.write_all(&chunk)?;
        chunk.clear();
        Ok((unfinished, chunk))
    })
    .await
}

/// The fields that a final delivery adds (RFC 5321, 4.4), and for whom it was. The paths were checked: they contain
/// no control character.
fn delivery_fields(mail_from: &str, rcpts: &[String]) -> Vec<u8> {
    let mut fields = format!("Return-Path: <{mail_from}>\r\n");
    for rcpt in rcpts {
        fields.push_str(&format!("Delivered-To: {rcpt}\r\n"));
    }
    fields.into_bytes()
}

fn make(directory: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700);
    ["tmp", "new", "cur"]
        .into_iter()
        .try_for_each(|part| builder.create(directory.join(part)))
}

/// A name that no other delivery of this host ever has: time, process and number. Without dots, so that it
/// passes for a queue id.
fn unique() -> String {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    // A clock before 1970 makes names that sort badly, and the others still make them unique.
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    format!(
        "{}M{}P{}Q{number}",
        now.as_secs(),
        now.subsec_micros(),
        std::process::id()
    )
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(io::Error::other(error)))
}
