//! What the daemon and its workers say to each other: frames on a socket pair.
//!
//! A frame is a head (JSON) and any number of blobs (bytes that would only suffer from being JSON:
//! messages, facts, texts). Both sides are Postern, but one of them handles hostile bytes: the
//! daemon bounds what a worker may send, and treats nonsense as the worker's death.
//!
//! ```text
//! u32 length of the head · u32 number of blobs · u64 length of each blob · head · blobs
//! ```
//! All numbers are big-endian.

use serde::{Serialize, de::DeserializeOwned};
use std::io::{self, Read, Write};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Octets of a head; the largest is an inspection of a mail with thousands of artifacts.
const MAX_HEAD: usize = 64 << 20;
/// Blobs of a frame.
const MAX_BLOBS: usize = 8;
/// Octets of one blob; above the largest message that a door can be configured to take.
const MAX_BLOB: u64 = 1 << 30;
const PREFIX: usize = 8;

/// A frame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame<T> {
    pub(crate) head: T,
    pub(crate) blobs: Vec<Vec<u8>>,
}

/// Frames up to this size are copied together and written at once: a copy is cheaper than a system call.
const JOIN: usize = 256 << 10;

impl<T: Serialize> Frame<T> {
    /// Prefix, head, and the blobs if they are small; else they follow as they are.
    fn encode(head: &T, blobs: &[&[u8]]) -> io::Result<(Vec<u8>, bool)> {
        let lengths: Vec<u64> = blobs.iter().map(|b| b.len() as u64).collect();
        let mut bytes = Frame::encode_head(head, &lengths)?;
        let joined = blobs.iter().map(|b| b.len()).sum::<usize>() <= JOIN;
        if joined {
            blobs.iter().for_each(|blob| bytes.extend_from_slice(blob));
        }
        Ok((bytes, joined))
    }

    fn encode_head(head: &T, lengths: &[u64]) -> io::Result<Vec<u8>> {
        let json = serde_json::to_vec(head)?;
        let mut bytes = Vec::with_capacity(PREFIX + 8 * lengths.len() + json.len());
        bytes.extend_from_slice(&bounded(json.len(), MAX_HEAD, "head")?.to_be_bytes());
        bytes.extend_from_slice(&bounded(lengths.len(), MAX_BLOBS, "blobs")?.to_be_bytes());
        for length in lengths {
            bytes.extend_from_slice(&length.to_be_bytes());
        }
        bytes.extend_from_slice(&json);
        Ok(bytes)
    }
}

/// Writes a frame, blocking.
pub(crate) fn write<T: Serialize>(
    to: &mut impl Write,
    head: &T,
    blobs: &[&[u8]],
) -> io::Result<()> {
    let (bytes, joined) = Frame::encode(head, blobs)?;
    to.write_all(&bytes)?;
    for blob in blobs.iter().filter(|_| !joined) {
        to.write_all(blob)?;
    }
    to.flush()
}

/// Reads a frame, blocking; `None` at the end of the stream.
pub(crate) fn read<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<Option<Frame<T>>> {
    let mut prefix = [0; PREFIX];
    let first = from.read(&mut prefix)?;
    if first == 0 {
        return Ok(None);
    }
    from.read_exact(prefix.get_mut(first..).unwrap_or_default())?;
    let (head, blobs) = parse_prefix(prefix)?;
    let mut lengths = vec![0; 8 * blobs];
    from.read_exact(&mut lengths)?;
    let mut json = vec![0; head];
    from.read_exact(&mut json)?;
    let mut frame = Frame {
        head: serde_json::from_slice(&json)?,
        blobs: Vec::new(),
    };
    for length in parse_lengths(&lengths)? {
        let mut blob = vec![0; length];
        from.read_exact(&mut blob)?;
        frame.blobs.push(blob);
    }
    Ok(Some(frame))
}

/// Writes a frame.
pub(crate) async fn write_async<T: Serialize>(
    to: &mut (impl AsyncWrite + Unpin),
    head: &T,
    blobs: &[&[u8]],
) -> io::Result<()> {
    let (bytes, joined) = Frame::encode(head, blobs)?;
    to.write_all(&bytes).await?;
    for blob in blobs.iter().filter(|_| !joined) {
        to.write_all(blob).await?;
    }
    to.flush().await
}

/// Reads a frame; the end of the stream is an error here, since a worker always owes an answer.
pub(crate) async fn read_async<T: DeserializeOwned>(
    from: &mut (impl AsyncRead + Unpin),
) -> io::Result<Frame<T>> {
    let mut prefix = [0; PREFIX];
    from.read_exact(&mut prefix).await?;
    let (head, blobs) = parse_prefix(prefix)?;
    let mut lengths = vec![0; 8 * blobs];
    from.read_exact(&mut lengths).await?;
    let json = read_bounded(from, head).await?;
    let mut frame = Frame {
        head: serde_json::from_slice(&json)?,
        blobs: Vec::new(),
    };
    for length in parse_lengths(&lengths)? {
        frame.blobs.push(read_bounded(from, length).await?);
    }
    Ok(frame)
}

/// Reads exactly `length` octets, growing as they come: a length alone costs no memory.
async fn read_bounded(from: &mut (impl AsyncRead + Unpin), length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let got = from.take(length as u64).read_to_end(&mut bytes).await?;
    if got < length {
        Err(io::ErrorKind::UnexpectedEof.into())
    } else {
        Ok(bytes)
    }
}

fn parse_prefix(prefix: [u8; PREFIX]) -> io::Result<(usize, usize)> {
    let [a, b, c, d, e, f, g, h] = prefix;
    let head = u32::from_be_bytes([a, b, c, d]) as usize;
    let blobs = u32::from_be_bytes([e, f, g, h]) as usize;
    bounded(head, MAX_HEAD, "head")?;
    bounded(blobs, MAX_BLOBS, "blobs")?;
    Ok((head, blobs))
}

fn parse_lengths(bytes: &[u8]) -> io::Result<Vec<usize>> {
    let (lengths, _) = bytes.as_chunks::<8>();
    lengths
        .iter()
        .map(|&length| match u64::from_be_bytes(length) {
            length if length <= MAX_BLOB => Ok(length as usize),
            length => Err(too_large("blob", length, MAX_BLOB)),
        })
        .collect()
}

fn bounded(value: usize, bound: usize, what: &str) -> io::Result<u32> {
    if value > bound {
        Err(too_large(what, value as u64, bound as u64))
    } else {
        Ok(value as u32)
    }
}

fn too_large(what: &str, value: u64, bound: u64) -> io::Error {
    let text = format!("frame: {what} of {value} is over the bound of {bound}");
    io::Error::new(io::ErrorKind::InvalidData, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_one_side_writes_the_other_reads() {
        let (mut a, mut b) = tokio::io::duplex(7);
        let writing = tokio::spawn(async move {
            write_async(&mut a, &("head", 7), &[b"", b"blob"])
                .await
                .expect("writes");
        });
        let frame: Frame<(String, u32)> = read_async(&mut b).await.expect("reads");
        assert_eq!(
            frame,
            Frame {
                head: ("head".into(), 7),
                blobs: vec![vec![], b"blob".into()]
            }
        );
        writing.await.expect("ends");

        let mut bytes = Vec::new();
        write(&mut bytes, &1u8, &[b"x"]).expect("writes");
        let mut from = bytes.as_slice();
        assert_eq!(
            read(&mut from).expect("reads"),
            Some(Frame {
                head: 1u8,
                blobs: vec![b"x".into()]
            })
        );
        assert_eq!(read::<u8>(&mut from).expect("ends"), None);
    }

    #[tokio::test]
    async fn absurd_lengths_are_refused_before_anything_is_allocated() {
        for bytes in [
            [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0].to_vec(),
            [0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff].to_vec(),
            [&[0, 0, 0, 1, 0, 0, 0, 1][..], &[0xff; 8], b"1"].concat(),
        ] {
            assert!(read_async::<u8>(&mut bytes.as_slice()).await.is_err());
            assert!(read::<u8>(&mut bytes.as_slice()).is_err());
        }
    }

    #[tokio::test]
    async fn a_frame_cut_anywhere_is_an_error() {
        let mut bytes = Vec::new();
        write(&mut bytes, &"head", &[b"blob"]).expect("writes");
        for cut in 1..bytes.len() {
            let cut = bytes.get(..cut).unwrap_or_default();
            assert!(read_async::<String>(&mut &*cut).await.is_err());
            assert!(read::<String>(&mut &*cut).is_err());
        }
    }
}
