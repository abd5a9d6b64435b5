//! A message as DATA brings it (RFC 5321, 4.5.2): where it ends, and what it is without its stuffed dots.

use memchr::{memchr, memchr2};

use super::options::ServerOptions;
use super::replies;
use crate::BareLineEnds;
use crate::reply::Reply;

/// The name of the field that each server on a message's way adds, with its colon.
const RECEIVED: &[u8] = b"Received:";

/// Takes the bytes after DATA in any pieces. Only CRLF.CRLF ends a message, and where a client thinks that
/// something else did, the rest of what it says is message as well: nothing of it ever becomes a command.
///
/// What it gives out has CRLF line ends only. It is bounded by what it is fed, and costs one look at each byte.
#[derive(Debug)]
pub(super) struct Decoder {
    at: Place,
    bare_line_ends: BareLineEnds,
    message_bytes: u64,
    line_bytes: usize,
    hops: Hops,
    /// Bytes of the message so far, line ends included.
    length: u64,
    /// Bytes of the line so far.
    line: usize,
    problem: Option<Problem>,
}

/// Why a message is not taken. The first problem counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// A CR or LF outside a CRLF pair, where that is refused.
    BareLineEnd,
    /// A line over the limit.
    LineTooLong,
    /// A message over the limit.
    TooLarge,
    /// More `Received` fields than any way is long.
    TooManyHops,
}

/// What was read last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// CRLF, or DATA's own line end.
    LineStart,
    /// A dot at the start of a line. It is not part of the message.
    Dot,
    /// The same and a CR.
    DotCr,
    /// Something within a line.
    Text,
    /// A CR within a line.
    Cr,
}

impl Decoder {
    pub(super) fn new(options: &ServerOptions) -> Self {
        Self {
            at: Place::LineStart,
            bare_line_ends: options.bare_line_ends,
            message_bytes: options.message_bytes,
            line_bytes: options.line_bytes,
            hops: Hops::new(options.hops),
            length: 0,
            line: 0,
            problem: None,
        }
    }

    /// Appends what `input` has of the message to `message`. When the message ends in it: how much of the input was
    /// up to there, with the end. After a problem nothing is appended any more.
    pub(super) fn feed(&mut self, input: &[u8], message: &mut Vec<u8>) -> Option<usize> {
        let before = message.len();
        let mut rest = input;
        let mut ended = false;
        while let Some((&byte, after)) = rest.split_first().filter(|_| !ended) {
            match (self.at, byte) {
                (Place::Text, _) => {
                    rest = self.text(rest, message);
                    continue;
                }
                (Place::LineStart, b'.') => self.at = Place::Dot,
                (Place::Dot, b'\r') => self.at = Place::DotCr,
                (Place::DotCr, b'\n') => ended = true,
                (Place::Cr, b'\n') => self.line_end(message),
                (Place::LineStart | Place::Dot, _) => {
                    self.at = Place::Text;
                    continue;
                }
                (Place::DotCr | Place::Cr, _) => {
                    self.bare(b" ", message);
                    self.at = Place::Text;
                    continue;
                }
            }
            rest = after;
        }
        if self.problem.is_none() && self.hops.push(message.get(before..).unwrap_or_default()) {
            self.problem = Some(Problem::TooManyHops);
        }
        ended.then_some(input.len() - rest.len())
    }

    /// Why the message is not taken, if it is not.
    pub(super) fn problem(&self) -> Option<Problem> {
        self.problem
    }

    /// Bytes of the message so far, whether they were given out or not.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Takes text up to the end of its line, and returns what follows.
    fn text<'a>(&mut self, input: &'a [u8], message: &mut Vec<u8>) -> &'a [u8] {
        let end = memchr2(b'\r', b'\n', input).unwrap_or(input.len());
        let (text, rest) = input.split_at_checked(end).unwrap_or((input, b""));
        self.line = self.line.saturating_add(text.len());
        if self.line > self.line_bytes {
            self.fail(Problem::LineTooLong);
        }
        self.put(text, message);
        match rest {
            [b'\r', b'\n', rest @ ..] => {
                self.line_end(message);
                rest
            }
            [b'\r', rest @ ..] => {
                self.at = Place::Cr;
                rest
            }
            // To whoever sent it a line ends here, and perhaps the message after it. It does not.
            [b'\n', rest @ ..] => {
                self.bare(b"\r\n", message);
                self.line = 0;
                rest
            }
            rest => rest,
        }
    }

    fn line_end(&mut self, message: &mut Vec<u8>) {
        self.put(b"\r\n", message);
        self.line = 0;
        self.at = Place::LineStart;
    }

    /// A CR or LF outside a pair, and what becomes of it where it is taken.
    fn bare(&mut self, instead: &[u8], message: &mut Vec<u8>) {
        if self.bare_line_ends == BareLineEnds::Refuse {
            self.fail(Problem::BareLineEnd);
        }
        self.put(instead, message);
    }

    fn put(&mut self, bytes: &[u8], message: &mut Vec<u8>) {
        self.length = self.length.saturating_add(bytes.len() as u64);
        if self.length > self.message_bytes {
            self.fail(Problem::TooLarge);
        }
        if self.problem.is_none() {
            message.extend_from_slice(bytes);
        }
    }

    fn fail(&mut self, problem: Problem) {
        self.problem.get_or_insert(problem);
    }
}

impl Problem {
    /// What the client is told.
    pub(super) fn reply(self) -> Reply {
        match self {
            Self::BareLineEnd => {
                Reply::new(550, "5.5.2", "Message has <CR> or <LF> outside <CR><LF>")
            }
            Self::LineTooLong => Reply::new(554, "5.6.0", "Message has a line that is too long"),
            Self::TooLarge => replies::message_too_large(),
            Self::TooManyHops => {
                Reply::new(554, "5.4.6", "Too many hops, the message goes in circles")
            }
        }
    }
}

/// Counts `Received` fields in a header section.
#[derive(Debug)]
struct Hops {
    left: usize,
    /// The beginning of the line, as much as a field name needs.
    line: Vec<u8>,
    in_header: bool,
}

impl Hops {
    fn new(limit: usize) -> Self {
        Self {
            left: limit,
            line: Vec::with_capacity(RECEIVED.len()),
            in_header: true,
        }
    }

    /// Whether there are too many.
    fn push(&mut self, mut message: &[u8]) -> bool {
        while self.in_header && !message.is_empty() {
            let end = memchr(b'\n', message);
            let (line, rest) = message.split_at(end.map_or(message.len(), |at| at + 1));
            let missing = RECEIVED.len() - self.line.len();
            self.line
                .extend_from_slice(line.get(..missing).unwrap_or(line));
            message = rest;
            if end.is_none() {
                return false;
            }
            self.in_header = self.line != b"\r\n";
            if self.line.eq_ignore_ascii_case(RECEIVED) {
                match self.left.checked_sub(1) {
                    Some(left) => self.left = left,
                    None => return true,
                }
            }
            self.line.clear();
        }
        false
    }
}

#[cfg(test)]
mod tests;
