//! `postern quarantine export`.

use super::ExportArgs;
use super::quarantine::refuse_terminal;
use crate::term::{Exit, Terminal, human_size, print_json_line};
use anyhow::{Context, Result, bail};
use control::{Client, EntryDetail, path};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// What became of one entry.
#[derive(Debug, Serialize)]
struct Exported {
    id: String,
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<PathBuf>,
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Writes entries to files.
pub(super) async fn run(
    args: &ExportArgs,
    client: &Client,
    terminal: &mut Terminal,
) -> Result<Exit> {
    if args.output == Path::new("-") {
        return to_standard_output(&args.ids, client, terminal).await;
    }
    if !args.output.is_dir() {
        bail!("{}: not a directory", args.output.display());
    }
    let mut failed = false;
    for id in &args.ids {
        for exported in entries_of(id, &args.output, client).await {
            failed |= !exported.ok;
            show(&exported, terminal)?;
        }
    }
    Ok(if failed { Exit::Found } else { Exit::Done })
}

async fn to_standard_output(
    ids: &[String],
    client: &Client,
    terminal: &mut Terminal,
) -> Result<Exit> {
    let [id] = ids else {
        bail!("export: -o - takes a single id, since messages have no mark between them")
    };
    refuse_terminal(id, false, terminal)?;
    client.raw(id, terminal.bytes()).await?;
    Ok(Exit::Done)
}

async fn entries_of(id: &str, dir: &Path, client: &Client) -> Vec<Exported> {
    let failure = |id: &str, error: anyhow::Error| Exported {
        id: id.to_owned(),
        ok: false,
        file: None,
        bytes: 0,
        error: Some(format!("{error:#}")),
    };
    let entries = match client.entry(id).await {
        Ok(details) => details.entries,
        Err(error) => return vec![failure(id, error.into())],
    };
    let mut exported = Vec::new();
    for entry in &entries {
        let id = &entry.summary.id;
        exported.push(match one(entry, dir, client).await {
            Ok((file, bytes)) => Exported {
                id: id.clone(),
                ok: true,
                file: Some(file),
                bytes,
                error: None,
            },
            Err(error) => failure(id, error),
        });
    }
    exported
}

/// The message first, then what is known of it: where there is a `.json`, the `.eml` is complete.
async fn one(entry: &EntryDetail, dir: &Path, client: &Client) -> Result<(PathBuf, u64)> {
    let id = &entry.summary.id;
    // It becomes the name of a file, so even the daemon is not simply believed.
    if !path::is_id(id) {
        bail!("the daemon sent an id that is none");
    }
    let (eml, json) = (
        dir.join(format!("{id}.eml")),
        dir.join(format!("{id}.json")),
    );
    if json.exists() {
        bail!("{}: exists already", json.display());
    }
    let file = create(&eml)?;
    let written = match message(entry, file, client).await {
        Ok(bytes) => sidecar(entry, &json).map(|()| bytes),
        Err(error) => Err(error),
    };
    if written.is_err() {
        // It is ours: it did not exist before. A part of a message must not pass for the whole.
        let _ = fs::remove_file(&eml);
    }
    Ok((eml, written?))
}

async fn message(entry: &EntryDetail, file: File, client: &Client) -> Result<u64> {
    let mut hashed = Hashed {
        out: BufWriter::new(file),
        hash: Sha256::new(),
    };
    let bytes = client.raw(&entry.summary.id, &mut hashed).await?;
    let digest: String = hashed
        .hash
        .finalize()
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    if digest != entry.sha256 {
        bail!("the message has not the SHA-256 that was recorded: the stored file is damaged");
    }
    Ok(bytes)
}

fn sidecar(entry: &EntryDetail, file: &Path) -> Result<()> {
    let mut out = BufWriter::new(create(file)?);
    let written = print_json_line(&mut out, entry).and_then(|()| out.flush());
    if written.is_err() {
        let _ = fs::remove_file(file);
    }
    written.with_context(|| file.display().to_string())
}

/// A file that did not exist, for its owner alone: what is held may be dangerous, and is private.
fn create(file: &Path) -> Result<File> {
    let created = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file);
    created.with_context(|| file.display().to_string())
}

fn show(exported: &Exported, terminal: &mut Terminal) -> Result<()> {
    if terminal.wants_json() {
        terminal.json(exported)?;
        return Ok(());
    }
    let Exported {
        id,
        file,
        bytes,
        error,
        ..
    } = exported;
    match (file, error) {
        (Some(file), _) => {
            terminal.line(&format!(
                "{id}: {} ({})",
                file.display(),
                human_size(*bytes)
            ))?;
        }
        (None, error) => {
            let error = error.as_deref().unwrap_or("not exported");
            terminal.line(&format!("{id}: {error}"))?;
        }
    }
    Ok(())
}

/// Hashes what it passes on.
struct Hashed<W> {
    out: W,
    hash: Sha256,
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write_all(bytes)?;
        self.hash.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
