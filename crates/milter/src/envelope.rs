//! What the MTA told of a session and a transaction.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use crate::protocol::MacroStage;
use intake::Message;

/// Where the SMTP client connected from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Peer {
    /// An internet address.
    Ip {
        /// The address.
        address: IpAddr,
        /// The port, 0 if the MTA does not know it.
        port: u16,
    },
    /// A unix socket with this path.
    Unix(Vec<u8>),
    /// The MTA does not know, or the message was not received by SMTP.
    #[default]
    Unknown,
}

/// An SMTP client's connection to the MTA.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Connection {
    /// The client's name as the MTA found it, `[address]` when it has none.
    pub host: Vec<u8>,
    /// Where it connected from.
    pub peer: Peer,
    /// The macros of the stage CONNECT.
    pub macros: Macros,
}

/// A reverse-path or forward-path with its ESMTP parameters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Path {
    /// The address without angle brackets; empty for the null reverse-path.
    pub address: Vec<u8>,
    /// `SIZE=1000`, `BODY=8BITMIME` and the like, as given.
    pub parameters: Vec<Vec<u8>>,
}

impl Path {
    /// A path without parameters.
    #[must_use]
    pub fn new(address: impl Into<Vec<u8>>) -> Self {
        Self {
            address: address.into(),
            parameters: Vec::new(),
        }
    }
}

/// The envelope of one message, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Envelope {
    /// The connection it came by.
    pub connection: Arc<Connection>,
    /// What the client said last with HELO or EHLO.
    pub helo: Option<Vec<u8>>,
    /// The reverse-path.
    pub sender: Path,
    /// The forward-paths that neither the MTA nor the filter refused. A later refusal, by another
    /// filter of the MTA, is not told. May be empty.
    pub recipients: Vec<Path>,
    /// The macros of all stages so far.
    pub macros: Macros,
}

impl Envelope {
    /// The MTA's id of the message. Postfix may know it as late as DATA.
    #[must_use]
    pub fn queue_id(&self) -> Option<&[u8]> {
        self.macros.value("i").filter(|id| !id.is_empty())
    }
}

/// A header field as received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The name, without the colon.
    pub name: Vec<u8>,
    /// Everything between the colon and the final CRLF, folds as CRLF.
    pub value: Vec<u8>,
}

/// A message that is complete.
#[derive(Debug)]
pub struct Transaction {
    /// Its envelope.
    pub envelope: Envelope,
    /// Its header fields in order, to count occurrences for edits.
    pub headers: Vec<Header>,
    /// The message as the MTA received it, with CRLF, without the MTA's own trace field.
    pub message: Message,
}

impl Transaction {
    /// The MTA's id of the message.
    #[must_use]
    pub fn queue_id(&self) -> Option<&[u8]> {
        self.envelope.queue_id()
    }
}

/// Macros by the stage at which they were sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Macros {
    stages: [Vec<(Vec<u8>, Vec<u8>)>; MacroStage::ALL.len()],
}

impl Macros {
    /// The value of a macro, looked up by its name without braces; of several stages the latest.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&[u8]> {
        self.stages
            .iter()
            .rev()
            .flat_map(|pairs| pairs.iter().rev())
            .find(|(known, _)| known == name.as_bytes())
            .map(|(_, value)| value.as_slice())
    }

    /// All macros, in the order of stages. A name may come several times.
    pub fn iter(&self) -> impl Iterator<Item = (MacroStage, &[u8], &[u8])> {
        MacroStage::ALL
            .into_iter()
            .zip(&self.stages)
            .flat_map(|(stage, pairs)| {
                pairs
                    .iter()
                    .map(move |(name, value)| (stage, name.as_slice(), value.as_slice()))
            })
    }

    /// Replaces the macros of a stage.
    pub fn replace(&mut self, stage: MacroStage, pairs: Vec<(Vec<u8>, Vec<u8>)>) {
        // The enum's order is the array's order, and both have seven entries.
        if let Some(slot) = self.stages.get_mut(stage as usize) {
            *slot = pairs;
        }
    }

    /// Forgets the macros of `stage` and of all later ones.
    pub(crate) fn forget_from(&mut self, stage: MacroStage) {
        for pairs in self.stages.iter_mut().skip(stage as usize) {
            pairs.clear();
        }
    }

    /// The macros of this stage alone.
    pub(crate) fn only(&self, stage: MacroStage) -> Self {
        let mut only = Self::default();
        only.replace(
            stage,
            self.stages.get(stage as usize).cloned().unwrap_or_default(),
        );
        only
    }
}

/// How many bytes of one value a log line shows.
const SHOWN_BYTES: usize = 200;

/// Bytes from the wire, escaped and cut for a log line.
pub(crate) struct Shown<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.get(..SHOWN_BYTES).unwrap_or(self.0);
        write!(f, "{}", shown.escape_ascii())?;
        if shown.len() < self.0.len() {
            write!(f, "... ({} bytes)", self.0.len())?;
        }
        Ok(())
    }
}

/// A transaction's queue id for a log line, `-` before there is one.
pub(crate) fn shown_queue_id(envelope: Option<&Envelope>) -> Shown<'_> {
    Shown(envelope.and_then(Envelope::queue_id).unwrap_or(b"-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_bytes_are_escaped_and_cut_in_a_log_line() {
        let hostile = Shown(b"4B\x1b[2J\r\nX: \xff\"");
        assert_eq!(hostile.to_string(), r#"4B\x1b[2J\r\nX: \xff\""#);
        let long = Shown(&[b'x'; 1_000]).to_string();
        assert!(
            long.ends_with("x... (1000 bytes)") && long.len() < 250,
            "{long}"
        );
        assert_eq!(shown_queue_id(None).to_string(), "-");
    }
}
