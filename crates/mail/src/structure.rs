//! Taking a message apart: an explicit stack of entities instead of recursion, so that no nesting
//! can exhaust the thread's stack.
//!
//! A multipart is split before its parts are looked at, from the outside in. Each level costs one
//! search over its bytes, so the time is bounded by size times depth limit. Nested messages are
//! leaves: their content cannot take parts or time from the message around them.

use std::borrow::Cow;

use crate::defect::note;
use crate::delimiter::{Piece, Place, Split, occurs, split};
use crate::entity::{Entity, is_multipart};
use crate::section::{self, Section};
use crate::undeclared;
use crate::{Defect, Limits, Part, PartKind, PartRole, TransferEncoding, leaf, values};

/// Bytes of views per byte of message: each ambiguous part is read a second and a third time, but
/// not once more for every multipart around it.
const VIEW_FACTOR: usize = 2;
/// Bytes of views that a small message may always have.
const MIN_VIEW_BYTES: usize = 64 << 10;

/// The parts of a message, and the defects that concern it as a whole.
pub(crate) struct Structure<'x> {
    pub(crate) parts: Vec<Part<'x>>,
    pub(crate) defects: Vec<Defect>,
}

/// Takes a message apart.
pub(crate) fn take_apart<'x>(raw: &'x [u8], limits: &Limits) -> Structure<'x> {
    let view_bytes = raw.len().saturating_mul(VIEW_FACTOR).max(MIN_VIEW_BYTES);
    let mut builder = Builder {
        raw,
        limits,
        parts: Vec::new(),
        defects: Vec::new(),
        pending: vec![Job::root(raw)],
        views: Vec::new(),
        view_bytes,
        view_bytes_left: view_bytes,
    };
    builder.run();
    Structure {
        parts: builder.parts,
        defects: builder.defects,
    }
}

/// A message as one part, for when it cannot be taken apart.
pub(crate) fn whole(raw: &[u8]) -> Part<'_> {
    plain_part(&Job::root(raw), raw)
}

/// An entity that waits to become a part.
#[derive(Debug, Clone)]
struct Job<'x> {
    entity: &'x [u8],
    parent: Option<usize>,
    depth: usize,
    path: String,
    place: Place,
    /// The media type where none is declared.
    default_type: &'static str,
    /// The part around it is a `multipart/related`.
    related: bool,
    reading: Reading,
    /// Inside a view: no further views from here.
    in_view: bool,
}

/// How an entity is read.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Reading {
    Main,
    /// As a multipart with this boundary.
    Boundary(Vec<u8>),
    /// As a multipart with all its declared boundaries at once.
    AllBoundaries,
    /// As a leaf of this media type.
    Leaf(String),
    /// With a body that begins here.
    Body(usize),
    /// As a message of its own, made from these bytes.
    Message(Vec<u8>),
}

impl<'x> Job<'x> {
    fn root(raw: &'x [u8]) -> Job<'x> {
        Job {
            entity: raw,
            parent: None,
            depth: 0,
            path: "1".to_owned(),
            place: Place::Part,
            default_type: "text/plain",
            related: false,
            reading: Reading::Main,
            in_view: false,
        }
    }

    fn is_root(&self) -> bool {
        self.depth == 0
    }
}

struct Builder<'x, 'l> {
    raw: &'x [u8],
    limits: &'l Limits,
    parts: Vec<Part<'x>>,
    defects: Vec<Defect>,
    /// Entities still to take apart; the next one is last.
    pending: Vec<Job<'x>>,
    /// Views wait until the main reading is complete, so that they take no part from it.
    views: Vec<Job<'x>>,
    view_bytes: usize,
    view_bytes_left: usize,
}

impl<'x> Builder<'x, '_> {
    fn run(&mut self) {
        while let Some(job) = self.pending.pop() {
            if self.parts.len() >= self.max_parts() {
                self.rest(job);
                break;
            }
            self.part(job);
        }
        self.pending = std::mem::take(&mut self.views);
        self.pending.reverse();
        while let Some(job) = self.pending.pop() {
            if self.parts.len() >= self.max_parts() {
                let bound = self.max_parts();
                note(&mut self.defects, Defect::ViewLimit { bound });
                break;
            }
            self.part(job);
        }
    }

    fn max_parts(&self) -> usize {
        self.limits.parts.max(1)
    }

    /// Makes one part of this entity and of everything behind it.
    fn rest(&mut self, job: Job<'x>) {
        let bound = self.max_parts();
        note(&mut self.defects, Defect::PartLimit { bound });
        let start = offset_in(self.raw, job.entity);
        let rest = self.raw.get(start..).unwrap_or_default();
        let mut part = plain_part(&job, rest);
        part.role = PartRole::Other;
        part.kind = PartKind::Other;
        part.declared_type = "application/octet-stream".to_owned();
        self.parts.push(part);
    }

    fn part(&mut self, job: Job<'x>) {
        match (job.place, &job.reading) {
            (Place::Part, Reading::Message(_)) => self.made_message(job),
            (Place::Part, _) => self.entity(job),
            (Place::Preamble | Place::Epilogue, _) => self.surrounding_text(job),
        }
    }

    /// A preamble or an epilogue. No mail program shows them, but some find parts there.
    fn surrounding_text(&mut self, job: Job<'x>) {
        let mut part = plain_part(&job, job.entity);
        part.role = match job.place {
            Place::Epilogue => PartRole::Epilogue,
            _ => PartRole::Preamble,
        };
        let mut entity = Entity::default();
        let content = leaf::decode(&mut entity, part.kind, job.entity);
        part.alternatives = content.alternatives;
        part.names = entity.names;
        part.defects = entity.defects;
        if let Some(start) = undeclared::entity_start(job.entity) {
            let bytes = job.entity.get(start..).unwrap_or_default();
            self.push_view(&job, self.parts.len(), Reading::Message(bytes.to_vec()));
        }
        self.parts.push(part);
    }

    /// A view that is a message of its own: bytes that had to be changed to be read this way.
    fn made_message(&mut self, job: Job<'x>) {
        let mut part = plain_part(&job, job.entity);
        part.kind = PartKind::Message;
        part.role = PartRole::View;
        part.declared_type = "message/rfc822".to_owned();
        if let Reading::Message(bytes) = job.reading {
            part.body = Cow::Owned(bytes);
        }
        self.parts.push(part);
    }

    fn entity(&mut self, job: Job<'x>) {
        let section = section::scan(job.entity, job.is_root(), self.limits);
        let mut entity = Entity::read(&section, job.default_type);
        match job.is_root() && job.reading == Reading::Main {
            true => self.defects.extend(section.defects.iter().cloned()),
            false => entity.defects.extend(section.defects.iter().cloned()),
        }
        let body_start = match job.reading {
            Reading::Body(start) => start,
            _ => section.body,
        };
        let body = job.entity.get(body_start..).unwrap_or_default();
        if job.reading == Reading::Main {
            self.push_section_views(&job, &section);
        }
        let split = self.split(&job, &mut entity, body);
        match split {
            Some(split) => self.multipart(job, section, entity, body, split),
            None => self.leaf(job, section, entity, body),
        }
    }

    /// Views for readers that find another end of the header section, or other fields in it.
    fn push_section_views(&mut self, job: &Job<'x>, section: &Section<'x>) {
        let index = self.parts.len();
        if let Some(start) = section.early_body {
            self.push_view(job, index, Reading::Body(start));
        }
        if section.has_bare_cr {
            let normal = undeclared::with_line_feeds(job.entity);
            self.push_view(job, index, Reading::Message(normal));
        }
    }

    /// Splits a body if the entity is a multipart in this reading.
    fn split(&mut self, job: &Job<'x>, entity: &mut Entity, body: &'x [u8]) -> Option<Split> {
        if let Reading::Leaf(media) = &job.reading {
            entity.types = vec![media.clone()];
            return None;
        }
        if !is_multipart(entity.declared_type()) {
            self.push_undeclared_view(job, entity, body);
            return None;
        }
        if job.depth >= self.limits.depth {
            note(
                &mut entity.defects,
                Defect::DepthLimit {
                    bound: self.limits.depth,
                },
            );
            return None;
        }
        let boundaries = self.boundaries(job, entity, body);
        let chosen: Vec<&[u8]> = boundaries.iter().map(Vec::as_slice).collect();
        split(body, &chosen, self.pieces_left())
    }

    /// The boundaries to split at in this reading; the others that occur become views.
    fn boundaries(&mut self, job: &Job<'x>, entity: &mut Entity, body: &'x [u8]) -> Vec<Vec<u8>> {
        if let Reading::Boundary(boundary) = &job.reading {
            return vec![boundary.clone()];
        }
        let mut found: Vec<Vec<u8>> = entity
            .boundaries
            .iter()
            .filter(|boundary| occurs(body, boundary))
            .cloned()
            .collect();
        if job.reading == Reading::AllBoundaries {
            return found;
        }
        if found.is_empty() {
            self.push_encoded_view(job, entity, body);
            match undeclared::boundary(body) {
                Some(boundary) => {
                    note(&mut entity.defects, Defect::UndeclaredBoundary);
                    found.push(boundary);
                }
                None => note(&mut entity.defects, Defect::MissingDelimiter),
            }
        }
        let index = self.parts.len();
        for other in found.iter().skip(1) {
            self.push_view(job, index, Reading::Boundary(other.clone()));
        }
        if found.len() > 1 {
            self.push_view(job, index, Reading::AllBoundaries);
        }
        for media in entity
            .types
            .clone()
            .into_iter()
            .filter(|media| !is_multipart(media))
        {
            self.push_view(job, index, Reading::Leaf(media));
        }
        found.truncate(1);
        found
    }

    /// How many pieces a split may have. One above what is left, so that the limit is noticed.
    fn pieces_left(&self) -> usize {
        self.max_parts()
            .saturating_sub(self.parts.len())
            .saturating_add(1)
    }

    fn push_undeclared_view(&mut self, job: &Job<'x>, entity: &mut Entity, body: &'x [u8]) {
        if job.reading != Reading::Main || !entity.declared_type().starts_with("text/") {
            return;
        }
        if let Some(boundary) = undeclared::boundary(body) {
            note(&mut entity.defects, Defect::UndeclaredBoundary);
            self.push_view(job, self.parts.len(), Reading::Boundary(boundary));
        }
    }

    /// A multipart must not be encoded (RFC 2045 section 6.4), but some readers decode it.
    fn push_encoded_view(&mut self, job: &Job<'x>, entity: &mut Entity, body: &'x [u8]) {
        let encoding = entity.encoding;
        if !matches!(
            encoding,
            TransferEncoding::Base64 | TransferEncoding::QuotedPrintable
        ) {
            return;
        }
        let (decoded, _) = values::transfer_decode(encoding, body);
        if let Some(boundary) = entity
            .boundaries
            .iter()
            .find(|boundary| occurs(&decoded, boundary))
        {
            note(&mut entity.defects, Defect::EncodedMultipart);
            let message = undeclared::multipart_message(boundary, &decoded);
            self.push_view(job, self.parts.len(), Reading::Message(message));
        }
    }

    /// Queues another reading of the entity of part `of`, if there is room for it.
    fn push_view(&mut self, job: &Job<'x>, of: usize, reading: Reading) {
        if job.in_view {
            return;
        }
        let Some(left) = self.view_bytes_left.checked_sub(job.entity.len()) else {
            note(
                &mut self.defects,
                Defect::ViewLimit {
                    bound: self.view_bytes,
                },
            );
            return;
        };
        self.view_bytes_left = left;
        let others = self
            .views
            .iter()
            .rev()
            .take_while(|view| view.parent == Some(of));
        let letter = ('b'..='z').nth(others.count()).unwrap_or('z');
        self.views.push(Job {
            parent: Some(of),
            path: format!("{}{letter}", job.path),
            place: Place::Part,
            reading,
            in_view: true,
            ..job.clone()
        });
    }

    fn multipart(
        &mut self,
        job: Job<'x>,
        section: Section<'x>,
        mut entity: Entity,
        body: &'x [u8],
        split: Split,
    ) {
        note_split(&mut entity.defects, &split);
        let index = self.parts.len();
        let media = entity.declared_type().to_owned();
        let mut counts = [0; 3];
        let children: Vec<Job<'x>> = split
            .pieces
            .iter()
            .map(|piece| child(&job, index, piece, &mut counts, &media, body))
            .collect();
        self.pending.extend(children.into_iter().rev());
        let mut part = described_part(&job, section, entity, body);
        part.kind = PartKind::Multipart;
        part.role = match job.reading {
            Reading::Main => PartRole::Multipart,
            _ => PartRole::View,
        };
        part.body = Cow::Borrowed(&[]);
        self.parts.push(part);
    }

    fn leaf(&mut self, job: Job<'x>, section: Section<'x>, mut entity: Entity, body: &'x [u8]) {
        let kind = kind_of(entity.declared_type());
        let content = leaf::decode(&mut entity, kind, body);
        match entity.declared_type() {
            "message/partial" => note(&mut entity.defects, Defect::MessagePartial),
            "message/external-body" => note(&mut entity.defects, Defect::ExternalBody),
            _ => {}
        }
        let mut part = described_part(&job, section, entity, body);
        part.kind = kind;
        part.encoding = content.encoding;
        part.body = content.body;
        part.alternatives = content.alternatives;
        part.role = match job.reading {
            Reading::Main => role_of(&part, job.related),
            _ => PartRole::View,
        };
        if matches!(kind, PartKind::Text | PartKind::Html)
            && let (_, Some(defect)) = values::to_unicode(part.charset.as_deref(), &part.body)
        {
            note(&mut part.defects, defect);
        }
        self.parts.push(part);
    }
}

fn note_split(defects: &mut Vec<Defect>, split: &Split) {
    if !split.closed && !split.overflow {
        note(defects, Defect::Unterminated);
    }
    if split.after_close {
        note(defects, Defect::ContentAfterClose);
    }
    if split.fallback {
        note(defects, Defect::FallbackDelimiter);
    }
}

fn child<'x>(
    job: &Job<'x>,
    parent: usize,
    piece: &Piece,
    counts: &mut [usize; 3],
    media: &str,
    body: &'x [u8],
) -> Job<'x> {
    let count = &mut counts[piece.place as usize];
    *count += 1;
    let name = match (piece.place, *count) {
        (Place::Part, number) => number.to_string(),
        (Place::Preamble, _) => "preamble".to_owned(),
        (Place::Epilogue, 1) => "epilogue".to_owned(),
        // Parts followed the closing delimiter, and then another one.
        (Place::Epilogue, number) => format!("epilogue{number}"),
    };
    Job {
        entity: body.get(piece.range.clone()).unwrap_or_default(),
        parent: Some(parent),
        depth: job.depth + 1,
        path: format!("{}.{name}", job.path),
        place: piece.place,
        default_type: match media {
            "multipart/digest" => "message/rfc822",
            _ => "text/plain",
        },
        related: media == "multipart/related",
        reading: Reading::Main,
        in_view: job.in_view,
    }
}

/// A part without header fields.
fn plain_part<'x>(job: &Job<'x>, body: &'x [u8]) -> Part<'x> {
    Part {
        path: job.path.clone(),
        parent: job.parent,
        depth: job.depth,
        kind: PartKind::Text,
        role: PartRole::Body,
        headers: Vec::new(),
        declared_type: "text/plain".to_owned(),
        charset: None,
        disposition: None,
        content_id: None,
        names: Vec::new(),
        encoding: TransferEncoding::Identity,
        body: Cow::Borrowed(body),
        raw_body: body,
        alternatives: Vec::new(),
        defects: Vec::new(),
    }
}

/// A part with what its header section says.
fn described_part<'x>(
    job: &Job<'x>,
    section: Section<'x>,
    entity: Entity,
    body: &'x [u8],
) -> Part<'x> {
    Part {
        headers: section.fields,
        declared_type: entity.declared_type().to_owned(),
        charset: entity.charset,
        disposition: entity.disposition,
        content_id: entity.content_id,
        names: entity.names,
        defects: entity.defects,
        ..plain_part(job, body)
    }
}

fn kind_of(media: &str) -> PartKind {
    match media {
        "text/html" | "application/xhtml+xml" => PartKind::Html,
        "message/rfc822" | "message/global" | "message/news" | "message/partial" => {
            PartKind::Message
        }
        // A multipart that could not be split is what a mail program would show as text.
        media if media.starts_with("text/") || is_multipart(media) => PartKind::Text,
        _ => PartKind::Other,
    }
}

fn role_of(part: &Part<'_>, related: bool) -> PartRole {
    let disposition = part.disposition.as_deref();
    let is_text = matches!(part.kind, PartKind::Text | PartKind::Html);
    match disposition {
        Some("attachment") => PartRole::Attachment,
        _ if is_text && part.names.is_empty() => PartRole::Body,
        Some("inline") => PartRole::Inline,
        _ if related && part.content_id.is_some() => PartRole::Inline,
        _ => PartRole::Attachment,
    }
}

/// Where `piece`, a slice of `whole`, begins in it.
fn offset_in(whole: &[u8], piece: &[u8]) -> usize {
    piece
        .as_ptr()
        .addr()
        .saturating_sub(whole.as_ptr().addr())
        .min(whole.len())
}
