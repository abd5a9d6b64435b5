//! Making hostile files, and looking at what came out.

use std::io::{Cursor, Write};
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;
use mail::Message;
use unpack::{Artifact, Coverage, Limits, Sink, Unpacked, unpack};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

pub(crate) const EICAR: &[u8] =
    br"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*";

/// A mail, taken apart; and every artifact with its bytes, in the order in which the sink got them.
pub(crate) struct Seen {
    pub(crate) unpacked: Unpacked,
    pub(crate) sunk: Vec<(Artifact, Vec<u8>)>,
}

impl Seen {
    pub(crate) fn of_mail(raw: &[u8], limits: &Limits) -> Seen {
        let message = Message::parse(raw, &limits.mail);
        let mut sink = Collect(Vec::new());
        let unpacked = unpack(&message, limits, &mut sink);
        let seen = Seen {
            unpacked,
            sunk: sink.0,
        };
        seen.check(limits);
        seen
    }

    /// Of a mail with one attachment.
    pub(crate) fn of(name: &str, bytes: &[u8]) -> Seen {
        Seen::within(name, bytes, &Limits::default())
    }

    pub(crate) fn within(name: &str, bytes: &[u8], limits: &Limits) -> Seen {
        Seen::of_mail(&mail_with(&[(name, bytes)]), limits)
    }

    pub(crate) fn artifact(&self, path: &str) -> &Artifact {
        self.unpacked
            .artifacts
            .iter()
            .find(|artifact| artifact.path == path)
            .unwrap_or_else(|| panic!("no {path} in\n{self}"))
    }

    pub(crate) fn bytes(&self, path: &str) -> &[u8] {
        &self
            .sunk
            .iter()
            .find(|(artifact, _)| artifact.path == path)
            .unwrap_or_else(|| panic!("no {path} in\n{self}"))
            .1
    }

    /// Whether some artifact is exactly these bytes.
    pub(crate) fn has(&self, bytes: &[u8]) -> bool {
        self.sunk.iter().any(|(_, sunk)| sunk == bytes)
    }

    pub(crate) fn worst(&self) -> Coverage {
        self.unpacked
            .artifacts
            .iter()
            .map(|artifact| artifact.coverage)
            .max()
            .unwrap_or_default()
    }

    /// What holds for every mail.
    fn check(&self, limits: &Limits) {
        let artifacts = &self.unpacked.artifacts;
        assert_eq!(
            artifacts.len(),
            self.sunk.len(),
            "each artifact is sunk once\n{self}"
        );
        for artifact in artifacts {
            let (sunk, bytes) = self
                .sunk
                .iter()
                .find(|(sunk, _)| sunk.path == artifact.path)
                .expect("sunk");
            assert_eq!(sunk, artifact, "an artifact changed after it was sunk");
            assert_eq!(artifact.size, bytes.len() as u64);
            assert!(
                artifact
                    .path
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"./~".contains(&byte)),
                "{}",
                artifact.path
            );
            assert!(artifact.names.iter().all(|name| name.len() <= 1024));
            assert!(artifact.size <= limits.file_bytes);
            assert_eq!(
                artifact.coverage == Coverage::Encrypted,
                artifact.encrypted && artifact.coverage == Coverage::Encrypted
            );
        }
        for (index, artifact) in artifacts.iter().enumerate() {
            let Some(parent) = artifact.parent else {
                continue;
            };
            assert!(parent < index, "a parent stands before its children");
            assert!(
                artifact
                    .path
                    .starts_with(&format!("{}/", artifacts[parent].path)),
                "{self}"
            );
            let place = |path: &str| self.sunk.iter().position(|(sunk, _)| sunk.path == path);
            assert!(
                place(&artifact.path) < place(&artifacts[parent].path),
                "children are sunk first"
            );
        }
        assert!(self.unpacked.references.len() <= limits.references);
        assert!(
            self.unpacked
                .references
                .iter()
                .all(|reference| reference.artifact < artifacts.len())
        );
        assert!(self.unpacked.text.len() <= limits.text_bytes);
    }
}

impl std::fmt::Display for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for artifact in self.unpacked.artifacts.iter().take(100) {
            let detail = artifact.detail.as_deref().unwrap_or("-");
            writeln!(
                f,
                "{} {:?} {} {} {} {detail}",
                artifact.path, artifact.name, artifact.file_type, artifact.size, artifact.coverage
            )?;
        }
        Ok(())
    }
}

struct Collect(Vec<(Artifact, Vec<u8>)>);

impl Sink for Collect {
    fn artifact(&mut self, artifact: &Artifact, bytes: &[u8]) {
        self.0.push((artifact.clone(), bytes.to_vec()));
    }
}

/// A mail with a text and attachments: the text is part 1.1, the first attachment 1.2.
pub(crate) fn mail_with(attachments: &[(&str, &[u8])]) -> Vec<u8> {
    let mut mail = b"From: a@example.com\r\nTo: b@example.com\r\nSubject: files\r\nMIME-Version: 1.0\r\n\
        Content-Type: multipart/mixed; boundary=edge\r\n\r\n--edge\r\nContent-Type: text/plain\r\n\r\nSee attached.\r\n"
        .to_vec();
    for (name, bytes) in attachments {
        mail.extend(
            format!(
                "--edge\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\
                 Content-Disposition: attachment; filename=\"{name}\"\r\n\r\n"
            )
            .bytes(),
        );
        mail.extend(base64(bytes));
        mail.extend(b"\r\n");
    }
    mail.extend(b"--edge--\r\n");
    mail
}

pub(crate) fn base64(bytes: &[u8]) -> Vec<u8> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = Vec::new();
    for (line, chunk) in bytes.chunks(57).enumerate() {
        if line > 0 {
            out.extend(b"\r\n");
        }
        for triple in chunk.chunks(3) {
            let value = triple
                .iter()
                .fold(0u32, |value, &byte| value << 8 | u32::from(byte))
                << (8 * (3 - triple.len()));
            for index in 0..4 {
                let letter = LETTERS[(value >> (18 - 6 * index) & 63) as usize];
                out.push(if index <= triple.len() { letter } else { b'=' });
            }
        }
    }
    out
}

pub(crate) fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    zip_by(CompressionMethod::Deflated, members)
}

pub(crate) fn zip_by(method: CompressionMethod, members: &[(&str, &[u8])]) -> Vec<u8> {
    zip_with(
        SimpleFileOptions::default().compression_method(method),
        members,
    )
}

pub(crate) fn zip_with(options: SimpleFileOptions, members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members {
        writer.start_file(*name, options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Zeros, compressed, without ever holding them.
pub(crate) fn gzip_zeros(count: usize) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let block = vec![0; 1 << 20];
    for _ in 0..count >> 20 {
        encoder.write_all(&block).unwrap();
    }
    encoder.finish().unwrap()
}

/// Bytes that do not compress.
pub(crate) fn noise(count: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1du64;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    })
    .take(count)
    .collect()
}

/// Replaces the only occurrence.
pub(crate) fn replace(bytes: &mut [u8], at_least: usize, from: &[u8], to: &[u8]) {
    assert_eq!(from.len(), to.len());
    let at = (at_least..bytes.len())
        .find(|&at| bytes[at..].starts_with(from))
        .expect("there");
    bytes[at..at + to.len()].copy_from_slice(to);
}

/// A directory of shared test data; `None`, and a line that says so, where it is not there.
pub(crate) fn shared(path: &str) -> Option<PathBuf> {
    let shared = std::env::var_os("POSTERN_SHARED").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    let path = shared.join(path);
    if path.exists() {
        return Some(path);
    }
    eprintln!("passed over: {} is not there", path.display());
    None
}
