//! The message.

use std::borrow::Cow;

use crate::{Defect, Header, Limits, Mailbox, Part, PartKind, PartRole, TransferEncoding};

/// A message: header fields and body as transmitted, taken apart.
#[derive(Debug, Clone)]
pub struct Message<'x> {
    /// The bytes that were parsed: the input, cut at the limit.
    pub raw: &'x [u8],
    /// The header fields, in order.
    pub headers: Vec<Header<'x>>,
    /// The parts in document order. The first is the root; there is always one.
    pub parts: Vec<Part<'x>>,
    /// What is wrong with the message as a whole. Parts have their own.
    pub defects: Vec<Defect>,
}

impl<'x> Message<'x> {
    /// Takes a message apart. Never fails: whatever the bytes are, there is at least one part.
    pub fn parse(raw: &'x [u8], limits: &Limits) -> Message<'x> {
        let raw = raw.get(..limits.message_bytes).unwrap_or(raw);
        let root = Part {
            path: "1".to_owned(),
            parent: None,
            depth: 0,
            kind: PartKind::Text,
            role: PartRole::Body,
            headers: Vec::new(),
            declared_type: "text/plain".to_owned(),
            charset: None,
            disposition: None,
            content_id: None,
            names: Vec::new(),
            encoding: TransferEncoding::Identity,
            body: Cow::Borrowed(raw),
            raw_body: raw,
            alternatives: Vec::new(),
            defects: Vec::new(),
        };
        Message {
            raw,
            headers: Vec::new(),
            parts: vec![root],
            defects: vec![Defect::MissingHeaders],
        }
    }

    /// The text of the first Subject field; empty when there is none.
    pub fn subject(&self) -> String {
        self.header("subject").map(Header::text).unwrap_or_default()
    }

    /// The first identifier of the Message-ID field, without angle brackets.
    pub fn message_id(&self) -> Option<String> {
        None
    }

    /// The Date field in RFC 3339 form, with the offset that was written.
    pub fn date(&self) -> Option<String> {
        None
    }

    /// The mailboxes of all From fields.
    pub fn from(&self) -> Vec<Mailbox> {
        Vec::new()
    }

    /// The mailboxes of all Reply-To fields.
    pub fn reply_to(&self) -> Vec<Mailbox> {
        Vec::new()
    }

    /// The mailboxes of all Sender fields.
    pub fn sender(&self) -> Vec<Mailbox> {
        Vec::new()
    }

    /// The mailboxes of all To fields.
    pub fn to(&self) -> Vec<Mailbox> {
        Vec::new()
    }

    /// The mailboxes of all Cc fields.
    pub fn cc(&self) -> Vec<Mailbox> {
        Vec::new()
    }

    /// The first header field of this name; the case of ASCII letters does not matter.
    pub fn header(&self, name: &str) -> Option<&Header<'x>> {
        self.headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case(name))
    }

    /// All header fields of this name, in order.
    pub fn headers_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Header<'x>> + 'a {
        self.headers
            .iter()
            .filter(move |header| header.name.eq_ignore_ascii_case(name))
    }

    /// The defects of the message and of all its parts, in document order.
    pub fn all_defects(&self) -> impl Iterator<Item = &Defect> {
        self.defects
            .iter()
            .chain(self.parts.iter().flat_map(|part| &part.defects))
    }
}
