//! Whole clients and mails, for tests that do not care for single commands.

use bytes::Bytes;

use super::{Mta, MtaError, Outcome};
use crate::command::Command;
use crate::envelope::{Path, Peer};
use crate::protocol::{BODY_CHUNK, MacroStage};
use crate::response::Response;

/// An SMTP client of the MTA.
#[derive(Clone, Debug)]
pub struct Client {
    /// Its name.
    pub host: String,
    /// Where it connects from.
    pub peer: Peer,
    /// What it says with EHLO.
    pub helo: String,
}

impl Default for Client {
    /// `client.example` at 192.0.2.1, port 40000.
    fn default() -> Self {
        Self {
            host: "client.example".into(),
            peer: Peer::Ip {
                address: [192, 0, 2, 1].into(),
                port: 40_000,
            },
            helo: "client.example".into(),
        }
    }
}

/// A mail with its envelope.
#[derive(Clone, Debug)]
pub struct Mail {
    /// The MTA's id of it.
    pub queue_id: String,
    /// The reverse-path, without angle brackets.
    pub sender: String,
    /// The forward-paths, without angle brackets.
    pub recipients: Vec<String>,
    /// The message, with CRLF line ends.
    pub message: Vec<u8>,
}

impl Mail {
    /// A mail from `sender@example.org` to `recipient@example.net`.
    #[must_use]
    pub fn new(queue_id: &str, message: impl Into<Vec<u8>>) -> Self {
        Self {
            queue_id: queue_id.to_owned(),
            sender: "sender@example.org".into(),
            recipients: vec!["recipient@example.net".into()],
            message: message.into(),
        }
    }
}

impl Mta {
    /// Introduces a client: CONNECT and HELO with the macros that Postfix would send. Gives the
    /// answer if it is another one than "continue".
    ///
    /// # Errors
    /// The connection breaks, or an answer is malformed.
    pub async fn introduce(&mut self, client: &Client) -> Result<Option<Response>, MtaError> {
        let (address, port) = match &client.peer {
            Peer::Ip { address, port } => (address.to_string(), port.to_string()),
            Peer::Unix(_) | Peer::Unknown => ("unknown".into(), "0".into()),
        };
        self.macros(
            MacroStage::Connect,
            &[
                ("j", "mx.example.net"),
                ("daemon_name", "mx.example.net"),
                ("client_addr", &address),
                ("client_name", &client.host),
                ("client_port", &port),
                ("client_ptr", &client.host),
            ],
        );
        let connect = Command::Connect {
            host: Bytes::copy_from_slice(client.host.as_bytes()),
            peer: client.peer.clone(),
        };
        if let Some(answer) = self.send(&connect).await?.filter(matters) {
            return Ok(Some(answer));
        }
        let helo = Bytes::copy_from_slice(client.helo.as_bytes());
        Ok(self.send(&Command::Helo(helo)).await?.filter(matters))
    }

    /// Hands over one mail. Stops at the first answer that settles it; recipients that are
    /// refused are left out, and with the last one the mail.
    ///
    /// # Errors
    /// The connection breaks, or an answer is malformed.
    pub async fn deliver(&mut self, mail: &Mail) -> Result<Outcome, MtaError> {
        self.macros(MacroStage::Mail, &[("mail_addr", &mail.sender)]);
        let answer = self.send(&Command::Mail(Path::new(&*mail.sender))).await?;
        if let Some(reply) = answer.filter(matters) {
            return Ok(settled("mail", reply));
        }
        let mut refusal = None;
        let mut accepted = 0;
        for recipient in &mail.recipients {
            self.macros(
                MacroStage::Rcpt,
                &[("i", &mail.queue_id), ("rcpt_addr", recipient)],
            );
            match self.send(&Command::Rcpt(Path::new(&**recipient))).await? {
                None | Some(Response::Continue) => accepted += 1,
                Some(reply @ (Response::Accept | Response::Discard)) => {
                    return Ok(settled("rcpt", reply));
                }
                Some(reply) => refusal = Some(reply),
            }
        }
        match refusal {
            Some(reply) if accepted == 0 => {
                self.send(&Command::Abort).await?;
                Ok(settled("rcpt", reply))
            }
            _ => self.content(mail).await,
        }
    }

    async fn content(&mut self, mail: &Mail) -> Result<Outcome, MtaError> {
        self.macros(MacroStage::Data, &[("i", &mail.queue_id)]);
        if let Some(outcome) = self.settles(&Command::Data).await? {
            return Ok(outcome);
        }
        let message = Bytes::copy_from_slice(&mail.message);
        let (fields, body) = split(&message, self.agreement.leading_space());
        for (name, value) in fields {
            let header = Command::Header { name, value };
            if let Some(outcome) = self.settles(&header).await? {
                return Ok(outcome);
            }
        }
        self.macros(MacroStage::EndOfHeaders, &[("i", &mail.queue_id)]);
        if let Some(outcome) = self.settles(&Command::EndOfHeaders).await? {
            return Ok(outcome);
        }
        for start in (0..body.len()).step_by(BODY_CHUNK) {
            let chunk = body.slice(start..body.len().min(start + BODY_CHUNK));
            match self.send(&Command::Body(chunk)).await? {
                None | Some(Response::Continue) => (),
                Some(Response::Skip) => break,
                Some(reply) => return Ok(settled("body", reply)),
            }
        }
        self.macros(MacroStage::EndOfMessage, &[("i", &mail.queue_id)]);
        self.end_of_message(Bytes::new()).await
    }

    async fn settles(&mut self, command: &Command) -> Result<Option<Outcome>, MtaError> {
        let answer = self.send(command).await?.filter(matters);
        Ok(answer.map(|reply| settled(command.name(), reply)))
    }
}

fn matters(answer: &Response) -> bool {
    *answer != Response::Continue
}

fn settled(stage: &'static str, reply: Response) -> Outcome {
    Outcome {
        stage,
        changes: Vec::new(),
        reply,
        progress: 0,
    }
}

/// Header fields as Postfix sends them (no space before the colon, folds as LF, and a space after
/// the colon eaten unless `leading_space`), and the body. The body begins at the first line that
/// is no header field; an empty one belongs to neither.
fn split(message: &Bytes, leading_space: bool) -> (Vec<(Bytes, Bytes)>, Bytes) {
    let mut fields: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    let mut position = 0;
    while let Some(rest) = message.get(position..).filter(|rest| !rest.is_empty()) {
        let length = rest
            .iter()
            .position(|byte| *byte == b'\n')
            .map_or(rest.len(), |end| end + 1);
        let line = rest.get(..length).unwrap_or(rest);
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        match (text, fields.last_mut()) {
            ([], _) => {
                position += length;
                break;
            }
            ([b' ' | b'\t', ..], Some((_, value))) => {
                value.push(b'\n');
                value.extend_from_slice(text);
            }
            _ => match field(text, leading_space) {
                Some(field) => fields.push(field),
                None => break,
            },
        }
        position += length;
    }
    let fields = fields
        .into_iter()
        .map(|(name, value)| (name.into(), value.into()))
        .collect();
    (fields, message.slice(position.min(message.len())..))
}

fn field(line: &[u8], leading_space: bool) -> Option<(Vec<u8>, Vec<u8>)> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = line.split_at_checked(colon)?;
    let name = name.trim_ascii_end();
    if name.is_empty() || !name.iter().all(u8::is_ascii_graphic) {
        return None;
    }
    let value = value.get(1..)?;
    let eaten = if leading_space {
        value
    } else {
        value.strip_prefix(b" ").unwrap_or(value)
    };
    Some((name.to_vec(), eaten.to_vec()))
}
