//! The way through a mail: parts, what is inside them, and the order in which the sink gets them.

mod findings;
mod item;
mod parts;

use std::collections::HashMap;

use mail::Message;
use sha2::{Digest, Sha256};

use crate::artifact::{Artifact, Coverage, Sink};
use crate::budget::Budget;
use crate::capped::{self, Allowance, Inflated, Packed};
use crate::filetype::{self, FileType};
use crate::formats::{self, Format, Open};
use crate::limits::Limits;
use crate::opened::{Opened, Source};
use crate::text::{Gap, TextBuffer};
use crate::unpacked::Unpacked;
pub(crate) use item::{Content, Declared, Item, Nest};
use item::{bounded, type_of};

/// A container that was opened before, or is being opened.
struct Known {
    index: usize,
    nest: Nest,
    open: bool,
}

pub(crate) struct Walk<'s> {
    limits: &'s Limits,
    budget: Budget,
    sink: &'s mut dyn Sink,
    out: Unpacked,
    text: TextBuffer,
    hidden: TextBuffer,
    known: HashMap<[u8; 32], Known>,
}

impl<'s> Walk<'s> {
    pub(crate) fn new(limits: &'s Limits, sink: &'s mut dyn Sink) -> Self {
        Walk {
            limits,
            budget: Budget::new(limits),
            sink,
            out: Unpacked::default(),
            text: TextBuffer::new(limits.text_bytes),
            hidden: TextBuffer::new(limits.text_bytes),
            known: HashMap::new(),
        }
    }

    pub(crate) fn run(mut self, message: &Message<'_>) -> Unpacked {
        self.mail(message, None, Nest::default(), true);
        self.out.text_truncated = self.text.truncated || self.hidden.truncated;
        self.out.invisible_chars = self.out.invisible_chars.saturating_add(self.text.invisible);
        self.out.text = self.text.into_text();
        self.out.hidden_text = self.hidden.into_text();
        self.out
    }

    /// Makes an artifact: types it, opens it, gives it to the sink.
    pub(crate) fn item(&mut self, item: Item<'_>) {
        let Item {
            path,
            parent,
            depth,
            attachment,
            names,
            declared_type,
            origin,
            content,
            coverage,
            detail,
            nest,
        } = item;
        let bytes = content.bytes;
        let digest: [u8; 32] = Sha256::digest(bytes).into();
        let names: Vec<String> = names.iter().map(|name| bounded(name)).collect();
        let file_type = type_of(content, &names, coverage);
        let index = self.out.artifacts.len();
        self.out.artifacts.push(Artifact {
            path,
            parent,
            name: names.first().cloned(),
            names,
            declared_type: declared_type.map(|declared| bounded(&declared)),
            file_type,
            size: bytes.len() as u64,
            sha256: hex(&digest),
            depth,
            origin,
            attachment,
            coverage: Coverage::Full,
            detail: None,
            encrypted: false,
            html: None,
        });
        self.note(index, coverage, &detail);
        if filetype::is_encrypted(file_type, bytes) {
            self.note(index, Coverage::Encrypted, "");
        }
        if content.declared == Declared::Text
            && content.shown
            && let Some(text) = content.text
        {
            self.text.gap(Gap::Paragraph);
            self.text.lines(text);
        }
        self.open(index, file_type, content, digest, nest);
        if let Some(artifact) = self.out.artifacts.get(index) {
            self.sink.artifact(artifact, bytes);
        }
    }

    /// Looks for what is inside.
    fn open(
        &mut self,
        index: usize,
        file_type: FileType,
        content: Content<'_>,
        digest: [u8; 32],
        nest: Nest,
    ) {
        let by_type = formats::of(file_type);
        let format = match content.declared {
            Declared::Mail => Format::Mail(formats::mail::open),
            Declared::Html if !matches!(by_type, Format::Archive(_)) => {
                Format::Document(formats::html::open)
            }
            _ => by_type,
        };
        match format {
            Format::Leaf | Format::Unsupported => {}
            // A document may contain documents, in `data:` URLs.
            Format::Document(_) if nest.archives > self.limits.depth => self.too_deep(index),
            Format::Document(open) => self.enter(index, open, content, nest.into_archive()),
            Format::Archive(open) => {
                self.descend(index, open, content, digest, nest.into_archive());
            }
            Format::Mail(open) => self.descend(index, open, content, digest, nest.into_mail()),
        }
        if matches!(by_type, Format::Unsupported) {
            self.note(index, Coverage::Unsupported, "not opened");
        }
        // Programs with an archive behind them, pictures that are archives as well: whoever opens them as an
        // archive reads from the end.
        if formats::zip::is_behind(file_type, content.bytes) {
            self.note(index, Coverage::Full, "also a zip");
            let open = formats::zip::open_behind;
            self.descend(index, open, content, digest, nest.into_archive());
        }
    }

    /// Opens a container one level further down, unless that is too deep or the same content was opened before.
    fn descend(
        &mut self,
        index: usize,
        open: Open,
        content: Content<'_>,
        digest: [u8; 32],
        nest: Nest,
    ) {
        if nest.archives > self.limits.depth {
            return self.too_deep(index);
        }
        if nest.mails > self.limits.mail_depth {
            let detail = format!("mail-depth {}", self.limits.mail_depth);
            return self.note(index, Coverage::OverLimit, &detail);
        }
        match self.known.get(&digest) {
            // The same mail in itself is another view of an ambiguous one; an archive in itself is a trap.
            Some(known)
                if known.open && known.index != index && nest.archives > known.nest.archives =>
            {
                return self.note(index, Coverage::OverLimit, "contains itself");
            }
            // What was opened at a lesser depth was opened at least as far.
            Some(known) if known.index != index && known.nest.covers(nest) => {
                return self.same_content(index, known.index);
            }
            _ => {}
        }
        self.known.insert(
            digest,
            Known {
                index,
                nest,
                open: true,
            },
        );
        self.enter(index, open, content, nest);
        if let Some(known) = self.known.get_mut(&digest) {
            known.open = false;
        }
    }

    fn too_deep(&mut self, index: usize) {
        let detail = format!("depth {}", self.limits.depth);
        self.note(index, Coverage::OverLimit, &detail);
    }

    /// Another artifact has the same content: what was found there is not listed again.
    fn same_content(&mut self, index: usize, first: usize) {
        let first = self.artifact(first);
        let (coverage, encrypted) = (first.coverage, first.encrypted);
        let detail = format!("same content as {}", first.path);
        self.note(index, coverage, &detail);
        if encrypted {
            self.mark_encrypted(index);
        }
    }

    fn enter(&mut self, index: usize, open: Open, content: Content<'_>, nest: Nest) {
        let name = self.artifact(index).name.clone();
        let mut opened = Opened::new(self, index, nest, content.bytes.len());
        let source = Source {
            bytes: content.bytes,
            text: content.text,
            // HTML in a text body is shown as it is written, not rendered.
            shown: content.shown && content.declared != Declared::Text,
            name: name.as_deref(),
        };
        open(source, &mut opened);
    }

    pub(crate) fn note(&mut self, index: usize, coverage: Coverage, detail: &str) {
        if let Some(artifact) = self.out.artifacts.get_mut(index) {
            artifact.note(coverage, detail);
        }
    }

    pub(crate) fn mark_encrypted(&mut self, index: usize) {
        if let Some(artifact) = self.out.artifacts.get_mut(index) {
            artifact.encrypted = true;
        }
    }

    pub(crate) fn limits(&self) -> &'s Limits {
        self.limits
    }

    pub(crate) fn artifact(&self, index: usize) -> &Artifact {
        self.out
            .artifacts
            .get(index)
            .expect("an index is only made by pushing, and nothing is removed")
    }

    pub(crate) fn inflate(&mut self, packed: Packed<'_>, allowance: Allowance) -> Inflated {
        capped::inflate(packed, allowance, self.limits, &mut self.budget)
    }

    pub(crate) fn take_file(&mut self) -> bool {
        self.budget.take_file()
    }

    pub(crate) fn take_bytes(&mut self, bytes: u64) -> bool {
        self.budget.take_bytes(bytes)
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes
        .iter()
        .fold(String::with_capacity(2 * bytes.len()), |mut out, byte| {
            // Writing to a string cannot fail.
            let _ = write!(out, "{byte:02x}");
            out
        })
}
