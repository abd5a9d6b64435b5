//! The way through a mail: parts, what is inside them, and the order in which the sink gets them.

use std::collections::HashMap;

use mail::{Message, Part, PartKind, PartRole};
use sha2::{Digest, Sha256};

use crate::artifact::{Artifact, Coverage, MAX_NAME_BYTES, MAX_NAMES, Origin, Sink};
use crate::budget::Budget;
use crate::capped::{self, Allowance, Inflated, Packed};
use crate::filetype::{self, FileType};
use crate::formats::{self, Format, Open};
use crate::limits::Limits;
use crate::opened::{Opened, Source};
use crate::text::{Gap, TextBuffer};
use crate::unpacked::{Context, FoundDefect, HtmlFeatures, NestedMail, Reference, Unpacked};

/// Senders kept of one nested mail.
const MAX_SENDERS: usize = 16;
/// Defects kept of one mail, those of nested mails included. There are about 40 kinds.
const MAX_DEFECTS: usize = 10_000;

/// How deep something lies.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Nest {
    /// Archives around it.
    pub(crate) archives: usize,
    /// Mails around it, beside the mail itself.
    pub(crate) mails: usize,
}

/// Something that becomes an artifact.
pub(crate) struct Item<'b> {
    pub(crate) path: String,
    pub(crate) parent: Option<usize>,
    pub(crate) depth: u32,
    pub(crate) attachment: bool,
    pub(crate) names: Vec<String>,
    pub(crate) declared_type: Option<String>,
    pub(crate) origin: Origin,
    pub(crate) content: Content<'b>,
    pub(crate) coverage: Coverage,
    pub(crate) detail: String,
    pub(crate) nest: Nest,
}

/// The content of an item, and what the mail says it is.
#[derive(Clone, Copy)]
pub(crate) enum Content<'b> {
    /// Nothing is known.
    Bytes(&'b [u8]),
    /// Declared to be HTML; `shown` as a body.
    Html {
        bytes: &'b [u8],
        text: &'b str,
        shown: bool,
    },
    /// Declared to be a mail; `shown` as part of the one around it.
    Mail { bytes: &'b [u8], shown: bool },
    /// Declared to be text; `shown` as a body.
    Text {
        bytes: &'b [u8],
        text: &'b str,
        shown: bool,
    },
}

impl<'b> Content<'b> {
    fn bytes(self) -> &'b [u8] {
        match self {
            Content::Bytes(bytes)
            | Content::Html { bytes, .. }
            | Content::Mail { bytes, .. }
            | Content::Text { bytes, .. } => bytes,
        }
    }

    fn source(self, name: Option<&'b str>) -> Source<'b> {
        match self {
            Content::Bytes(bytes) => Source {
                bytes,
                text: None,
                shown: false,
                name,
            },
            Content::Mail { bytes, shown } => Source {
                bytes,
                text: None,
                shown,
                name,
            },
            Content::Html { bytes, text, shown } => Source {
                bytes,
                text: Some(text),
                shown,
                name,
            },
            // HTML in a text body is shown as it is written, not rendered.
            Content::Text { bytes, text, .. } => Source {
                bytes,
                text: Some(text),
                shown: false,
                name,
            },
        }
    }
}

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

    /// A mail inside the mail: artifact `index`.
    pub(crate) fn nested_mail(
        &mut self,
        message: &Message<'_>,
        index: usize,
        nest: Nest,
        shown: bool,
    ) {
        self.out.nested.push(NestedMail {
            artifact: index,
            subject: bounded(&message.subject()),
            from: message
                .from()
                .iter()
                .take(MAX_SENDERS)
                .map(|mailbox| bounded(&mailbox.address))
                .collect(),
        });
        self.mail(message, Some(index), nest, shown);
    }

    fn mail(&mut self, message: &Message<'_>, parent: Option<usize>, nest: Nest, shown: bool) {
        let prefix = parent
            .and_then(|index| self.out.artifacts.get(index))
            .map(|parent| parent.path.clone());
        self.defects(prefix.clone().unwrap_or_default(), &message.defects);
        for part in &message.parts {
            let path = match &prefix {
                Some(prefix) => format!("{prefix}/{}", part.path),
                None => part.path.clone(),
            };
            self.defects(path.clone(), &part.defects);
            if part.kind == PartKind::Multipart && part.body.is_empty() {
                continue;
            }
            if !self.part(part, path, parent, nest, shown) {
                return;
            }
        }
    }

    /// One part and its other decodings. False when the files are used up.
    fn part(
        &mut self,
        part: &Part<'_>,
        path: String,
        parent: Option<usize>,
        nest: Nest,
        shown: bool,
    ) -> bool {
        let (parent_depth, parent_attachment) = match parent {
            Some(index) => {
                let parent = self.artifact(index);
                (Some(parent.depth), parent.attachment)
            }
            None => (None, false),
        };
        let attachment = parent_attachment || part.is_attachment();
        let shown = shown && !attachment && matches!(part.role, PartRole::Body | PartRole::Inline);
        let text = part.text();
        let text = text.as_deref();
        let content = |bytes| match (part.kind, text) {
            (PartKind::Html, Some(text)) => Content::Html { bytes, text, shown },
            (PartKind::Text, Some(text)) => Content::Text { bytes, text, shown },
            (PartKind::Message, _) => Content::Mail { bytes, shown },
            _ => Content::Bytes(bytes),
        };
        let depth = parent_depth.map_or(0, |depth| depth + 1);
        let names: Vec<String> = names_of(part);
        let alternatives = part
            .alternatives
            .iter()
            .map(|alternative| (Origin::Alternative, alternative.bytes.as_slice()));
        let readings = std::iter::once((Origin::Part, part.body.as_ref())).chain(alternatives);
        for (number, (origin, bytes)) in readings.enumerate() {
            let mut item = Item {
                path: if number == 0 {
                    path.clone()
                } else {
                    format!("{path}~{number}")
                },
                parent,
                depth,
                attachment,
                names: names.clone(),
                declared_type: Some(part.declared_type.clone()),
                origin,
                content: if origin == Origin::Part {
                    content(bytes)
                } else {
                    Content::Bytes(bytes)
                },
                coverage: Coverage::Full,
                detail: String::new(),
                nest,
            };
            if let Some(defect) = part.defects.iter().find(|defect| defect.bound().is_some()) {
                item.coverage = Coverage::OverLimit;
                item.detail = defect.to_string();
            }
            if !self.admit_part(&mut item, parent) {
                return false;
            }
            self.item(item);
        }
        true
    }

    /// Pays for a part. False when no file is left, which the mail around it notes. The parts of the mail
    /// itself are as many as the mail parser's bound allows and are always listed; what cannot be paid for is
    /// listed without content.
    fn admit_part(&mut self, item: &mut Item<'_>, parent: Option<usize>) -> bool {
        let size = item.content.bytes().len() as u64;
        // The parts of the mail together are no longer than the mail. Other readings, and the parts of nested
        // mails, repeat bytes that were paid for once already.
        let free = parent.is_none() && item.origin == Origin::Part;
        let refused = if !self.budget.take_file() {
            let detail = format!("files {}", self.limits.files);
            if let Some(index) = parent {
                self.note(index, Coverage::OverLimit, &detail);
                return false;
            }
            detail
        } else if size > self.limits.file_bytes {
            format!("file-bytes {}", self.limits.file_bytes)
        } else if !free && !self.budget.take_bytes(size) {
            format!("total-bytes {}", self.limits.total_bytes)
        } else {
            return true;
        };
        item.coverage = Coverage::OverLimit;
        item.detail = refused;
        item.content = Content::Bytes(&[]);
        true
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
        let bytes = content.bytes();
        let digest: [u8; 32] = Sha256::digest(bytes).into();
        let names: Vec<String> = names.iter().map(|name| bounded(name)).collect();
        let file_type = type_of(content, &names);
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
        if let Content::Text {
            text, shown: true, ..
        } = content
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
        let bytes = content.bytes();
        let format = match content {
            Content::Mail { .. } => Format::Mail(formats::mail::open),
            Content::Html { .. } => match formats::of(file_type) {
                Format::Archive(open) => Format::Archive(open),
                Format::Unsupported => {
                    self.note(index, Coverage::Unsupported, "not opened");
                    Format::Document(formats::html::open)
                }
                _ => Format::Document(formats::html::open),
            },
            _ => formats::of(file_type),
        };
        match format {
            Format::Leaf => {}
            Format::Unsupported => self.note(index, Coverage::Unsupported, "not opened"),
            Format::Document(open) => self.enter(index, open, content, nest),
            Format::Archive(open) => {
                let inner = Nest {
                    archives: nest.archives + 1,
                    ..nest
                };
                if inner.archives > self.limits.depth {
                    let detail = format!("depth {}", self.limits.depth);
                    self.note(index, Coverage::OverLimit, &detail);
                } else {
                    self.enter_once(index, open, content, digest, inner);
                }
                return;
            }
            Format::Mail(open) => {
                let inner = Nest {
                    mails: nest.mails + 1,
                    ..nest
                };
                if inner.mails > self.limits.mail_depth {
                    let detail = format!("mail-depth {}", self.limits.mail_depth);
                    self.note(index, Coverage::OverLimit, &detail);
                } else {
                    self.enter_once(index, open, content, digest, inner);
                }
                return;
            }
        }
        // Programs with an archive behind them, pictures that are archives as well: whoever opens them as an
        // archive reads from the end.
        if formats::zip::has_directory(bytes) && nest.archives < self.limits.depth {
            let inner = Nest {
                archives: nest.archives + 1,
                ..nest
            };
            self.enter(index, formats::zip::open, content, inner);
        }
    }

    /// Opens a container, unless the same content was opened before.
    fn enter_once(
        &mut self,
        index: usize,
        open: Open,
        content: Content<'_>,
        digest: [u8; 32],
        nest: Nest,
    ) {
        match self.known.get(&digest) {
            Some(known) if known.open => {
                self.note(index, Coverage::OverLimit, "contains itself");
                return;
            }
            // What was opened at a lesser depth was opened at least as far.
            Some(known)
                if known.nest.archives <= nest.archives && known.nest.mails <= nest.mails =>
            {
                let first = self.artifact(known.index);
                let (coverage, encrypted, detail) = (
                    first.coverage,
                    first.encrypted,
                    format!("same content as {}", first.path),
                );
                self.note(index, coverage, &detail);
                if encrypted {
                    self.mark_encrypted(index);
                }
                return;
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

    fn enter(&mut self, index: usize, open: Open, content: Content<'_>, nest: Nest) {
        let name = self.artifact(index).name.clone();
        let mut opened = Opened::new(self, index, nest, content.bytes().len());
        open(content.source(name.as_deref()), &mut opened);
    }

    /// What was found in an HTML document; `shown` is its visible and its hidden text, if it is a body.
    pub(crate) fn document(
        &mut self,
        index: usize,
        features: HtmlFeatures,
        references: Vec<Reference>,
        shown: Option<(&str, &str)>,
        invisible: u32,
    ) {
        if let Some((visible, hidden)) = shown {
            self.text.gap(Gap::Paragraph);
            self.text.lines(visible);
            self.hidden.gap(Gap::Paragraph);
            self.hidden.lines(hidden);
            self.out.html.add(&features);
            self.out.invisible_chars = self.out.invisible_chars.saturating_add(invisible);
        }
        for reference in references {
            self.reference(index, reference);
        }
        if let Some(artifact) = self.out.artifacts.get_mut(index) {
            artifact.html = Some(Box::new(features));
        }
    }

    /// Keeps a reference within the bound. Pictures and the like get no more than half of it, so that they
    /// cannot crowd out what a reader may follow.
    fn reference(&mut self, index: usize, reference: Reference) {
        let loaded = matches!(
            reference.context,
            Context::Image | Context::Style | Context::Script
        );
        let room = if loaded {
            self.limits.references / 2
        } else {
            self.limits.references
        };
        if self.out.references.len() < room {
            self.out.references.push(reference);
        } else {
            self.out.references_truncated = true;
            let detail = format!("references {}", self.limits.references);
            self.note(index, Coverage::OverLimit, &detail);
        }
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

    fn defects(&mut self, path: String, defects: &[mail::Defect]) {
        let room = MAX_DEFECTS.saturating_sub(self.out.defects.len());
        self.out
            .defects
            .extend(defects.iter().take(room).map(|defect| FoundDefect {
                path: path.clone(),
                code: defect.code().to_owned(),
                detail: defect.to_string(),
            }));
    }
}

/// The type by content. What a mail program shows as text is text to its reader: only there the declared
/// kind counts.
fn type_of(content: Content<'_>, names: &[String]) -> FileType {
    let found = filetype::detect(content.bytes(), names);
    match (content, found) {
        (Content::Mail { .. }, FileType::Text | FileType::Data | FileType::Empty) => FileType::Eml,
        (Content::Html { .. }, FileType::Text | FileType::Xml) => FileType::Html,
        // A forwarded mail quoted in a body begins with header fields, too.
        (Content::Text { shown: true, .. }, FileType::Eml | FileType::Mht) => FileType::Text,
        (_, found) => found,
    }
}

fn names_of(part: &Part<'_>) -> Vec<String> {
    let mut names: Vec<String> = part.best_name().map(str::to_owned).into_iter().collect();
    for name in &part.names {
        if names.len() < MAX_NAMES && !names.contains(&name.text) {
            names.push(name.text.clone());
        }
    }
    names
}

fn bounded(text: &str) -> String {
    text.get(..text.floor_char_boundary(MAX_NAME_BYTES))
        .unwrap_or_default()
        .to_owned()
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
