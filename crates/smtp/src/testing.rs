//! A server that follows a script: the other end of a session in tests.
//!
//! A script reads like the dialogue it is, one line per step:
//!
//! ```text
//! S: 220 mx.example ESMTP        the server says this line
//! C: EHLO filter.example         the client must say exactly this line
//! S: 250 mx.example
//! D:                             the client sends a message, up to the line with a single dot
//! W: 1000                        the server waits for so many bytes and ignores what they are
//! H:                             the server falls silent, until the client leaves
//! ```
//!
//! At the end of the script the server closes the connection.

use std::io;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

use crate::client::Stream;

/// Plays the server's part of `script` and returns the messages received, as they were transmitted: with
/// stuffed dots and the final dot ([`unstuff`] undoes both).
///
/// # Errors
///
/// `InvalidData`, saying what was expected and what came, when the client departs from the script;
/// `InvalidInput` for a step that does not exist; whatever reading and writing gives.
pub async fn play(stream: impl Stream, script: &str) -> io::Result<Vec<Vec<u8>>> {
    let mut stream = BufReader::new(stream);
    let mut messages = Vec::new();
    for step in script
        .lines()
        .map(str::trim)
        .filter(|step| !step.is_empty())
    {
        let (kind, text) = step.split_at_checked(2).unwrap_or((step, ""));
        let text = text.trim_start();
        match kind {
            "S:" => {
                stream.write_all(format!("{text}\r\n").as_bytes()).await?;
                stream.flush().await?;
            }
            "C:" => {
                let line = line(&mut stream).await?;
                if line != format!("{text}\r\n").as_bytes() {
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        format!("expected {text:?}, got \"{}\"", line.escape_ascii()),
                    ));
                }
            }
            "D:" => messages.push(message(&mut stream).await?),
            "W:" => {
                let bytes = text.parse().map_err(|error| {
                    io::Error::new(io::ErrorKind::InvalidInput, format!("{step}: {error}"))
                })?;
                tokio::io::copy(&mut (&mut stream).take(bytes), &mut tokio::io::sink()).await?;
            }
            "H:" => {
                tokio::io::copy(&mut stream, &mut tokio::io::sink()).await?;
            }
            _ => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    format!("{step}: no such step"),
                ));
            }
        }
    }
    Ok(messages)
}

/// The message inside what was transmitted after DATA (RFC 5321, 4.5.2), or `None` if it does not end
/// in a line with a single dot, or has such a line before its end.
#[must_use]
pub fn unstuff(transmitted: &[u8]) -> Option<Vec<u8>> {
    let mut message = Vec::with_capacity(transmitted.len());
    let mut rest = transmitted;
    while !rest.is_empty() {
        let end = rest.windows(2).position(|pair| pair == b"\r\n")? + 2;
        let (line, after) = rest.split_at_checked(end)?;
        if line == b".\r\n" {
            return after.is_empty().then_some(message);
        }
        message.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
        rest = after;
    }
    None
}

async fn message(stream: &mut BufReader<impl Stream>) -> io::Result<Vec<u8>> {
    let mut message = Vec::new();
    let mut at_line_start = true;
    loop {
        let line = line(stream).await?;
        message.extend_from_slice(&line);
        if at_line_start && line == b".\r\n" {
            return Ok(message);
        }
        at_line_start = message.ends_with(b"\r\n");
    }
}

/// One line with its line feed.
async fn line(stream: &mut BufReader<impl Stream>) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    stream.read_until(b'\n', &mut line).await?;
    if line.ends_with(b"\n") {
        Ok(line)
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}
