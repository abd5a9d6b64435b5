//! Asking `postconf`, which knows what Postfix makes of its files better than any reader of them.
//!
//! This is the only program beside its own workers that Postern starts, when an operator asks for it: with constant
//! arguments, bounds on time and output, and far from any mail.

use super::model::Texts;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

/// Where it is if `PATH` does not lead to it, as for users that are not root.
const USUAL_PLACES: [&str; 3] = [
    "/usr/sbin/postconf",
    "/usr/local/sbin/postconf",
    "/opt/postfix/sbin/postconf",
];
/// How long one call may take. It reads two files and answers in milliseconds, or after two seconds if one of them
/// has just been written: Postfix waits for the writer.
const TIME: Duration = Duration::from_secs(10);
/// Bytes of one answer: all parameters are 40 KB, and a long `mynetworks` some more.
const OUTPUT_BYTES: u64 = 4 << 20;
/// Bytes of complaints that are kept.
const COMPLAINT_BYTES: u64 = 16 << 10;

/// Why nothing is known about Postfix.
#[derive(Debug, thiserror::Error)]
pub(super) enum PostconfError {
    /// There is no such program.
    #[error(
        "postconf: neither in PATH nor in {}; is Postfix installed on this machine? Name the program with \
         --postconf PATH",
        USUAL_PLACES.join(", ")
    )]
    Missing,
    /// It cannot be started.
    #[error("{program}: {error}")]
    Start {
        /// The program.
        program: String,
        /// Why.
        error: io::Error,
    },
    /// It did not end in time.
    #[error("{call}: no answer within {} s", TIME.as_secs())]
    Time {
        /// The command.
        call: String,
    },
    /// It says too much.
    #[error("{call}: more than {OUTPUT_BYTES} bytes of output")]
    Output {
        /// The command.
        call: String,
    },
    /// It failed.
    #[error("{call}: {said}")]
    Failed {
        /// The command.
        call: String,
        /// Its last complaint, or its status.
        said: String,
    },
    /// What it says cannot be read.
    #[error("{call}: {error}")]
    Read {
        /// The command.
        call: String,
        /// Why.
        error: io::Error,
    },
    /// The directory that was named has no configuration.
    #[error("{}: no main.cf there; --postfix-dir wants the directory of main.cf and master.cf", .0.display())]
    Directory(PathBuf),
}

/// The program, and the configuration that it is to read.
#[derive(Debug, Clone)]
pub(super) struct Postconf {
    program: PathBuf,
    /// Whether the operator has named it.
    named: bool,
    directory: Option<PathBuf>,
}

impl Postconf {
    /// `program` is what the operator named, `directory` the one of main.cf if it is not the usual one.
    ///
    /// # Errors
    /// No program, or no configuration in that directory.
    pub(super) fn find(
        program: Option<&Path>,
        directory: Option<&Path>,
    ) -> Result<Postconf, PostconfError> {
        let named = program.is_some();
        let program = match program {
            Some(named) => named.to_owned(),
            None => in_path()
                .or_else(|| USUAL_PLACES.iter().map(PathBuf::from).find(|p| p.is_file()))
                .ok_or(PostconfError::Missing)?,
        };
        let directory = directory.map(absolute).transpose()?;
        Ok(Postconf {
            program,
            named,
            directory,
        })
    }

    /// The start of a command line for this configuration: the program, and the directory if that is not the
    /// usual one.
    pub(super) fn command(&self) -> Vec<String> {
        let mut words = vec![if self.named {
            self.program.display().to_string()
        } else {
            "postconf".to_owned()
        }];
        if let Some(directory) = &self.directory {
            words.extend(["-c".to_owned(), directory.display().to_string()]);
        }
        words
    }

    /// All that it says which is needed.
    ///
    /// # Errors
    /// It cannot be run, fails, or says too much.
    pub(super) async fn read(&self) -> Result<Texts, PostconfError> {
        Ok(Texts {
            raw: self.run(&[]).await?,
            effective: self.run(&["-x"]).await?,
            explicit: self.run(&["-n"]).await?,
            services: self.run(&["-M"]).await?,
            overrides: self.run(&["-P", "-x"]).await?,
        })
    }

    async fn run(&self, args: &[&str]) -> Result<String, PostconfError> {
        let mut command = Command::new(&self.program);
        if let Some(directory) = &self.directory {
            command.arg("-c").arg(directory);
        }
        command.args(args).env("LC_ALL", "C");
        command.stdin(Stdio::null()).kill_on_drop(true);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let call = || {
            [
                &[self.program.display().to_string()],
                self.shown(args).as_slice(),
            ]
            .concat()
            .join(" ")
        };
        let child = command.spawn().map_err(|error| PostconfError::Start {
            program: self.program.display().to_string(),
            error,
        })?;
        // Whatever it left running is killed when this ends.
        let ended = tokio::time::timeout(TIME, output(child)).await;
        let ended = ended.map_err(|_| PostconfError::Time { call: call() })?;
        let (status, out, complaints) = ended.map_err(|error| PostconfError::Read {
            call: call(),
            error,
        })?;
        if out.len() as u64 > OUTPUT_BYTES {
            return Err(PostconfError::Output { call: call() });
        }
        if !status.success() {
            let last = complaints.lines().rfind(|line| !line.trim().is_empty());
            let said = last.map_or_else(|| status.to_string(), str::to_owned);
            return Err(PostconfError::Failed { call: call(), said });
        }
        Ok(String::from_utf8_lossy(&out).into_owned())
    }

    fn shown(&self, args: &[&str]) -> Vec<String> {
        let own = self.command();
        let args = args.iter().map(|arg| (*arg).to_owned());
        own.into_iter().skip(1).chain(args).collect()
    }
}

/// Everything it writes, up to one byte more than is allowed, and how it ended.
async fn output(mut child: Child) -> io::Result<(std::process::ExitStatus, Vec<u8>, String)> {
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let (out, err) = tokio::try_join!(
        bounded(out, OUTPUT_BYTES + 1),
        bounded(err, COMPLAINT_BYTES)
    )?;
    let status = child.wait().await?;
    Ok((status, out, String::from_utf8_lossy(&err).into_owned()))
}

/// The first bytes of a stream; the others are read too, so that the writer can end.
async fn bounded(from: Option<impl AsyncRead + Unpin>, bytes: u64) -> io::Result<Vec<u8>> {
    let mut kept = Vec::new();
    let Some(from) = from else { return Ok(kept) };
    let mut first = from.take(bytes);
    first.read_to_end(&mut kept).await?;
    tokio::io::copy(&mut first.into_inner(), &mut tokio::io::sink()).await?;
    Ok(kept)
}

fn in_path() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .filter(|dir| dir.is_absolute())
        .map(|dir| dir.join("postconf"))
        .find(|program| program.is_file())
}

/// Postfix takes absolute directories only: with a relative one it may read another configuration without a
/// word.
fn absolute(directory: &Path) -> Result<PathBuf, PostconfError> {
    let none = || PostconfError::Directory(directory.to_owned());
    let directory = std::path::absolute(directory).map_err(|_| none())?;
    if directory.join("main.cf").is_file() {
        Ok(directory)
    } else {
        Err(none())
    }
}
