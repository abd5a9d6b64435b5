//! Taking a message apart: an explicit stack of entities instead of recursion, so that no nesting
//! can exhaust the thread's stack.
//!
//! A multipart is split before its parts are looked at, from the outside in. Each level costs one
//! search over its bytes, so the time is bounded by size times depth limit. Nested messages are
//! leaves: their content cannot take parts or time from the message around them.

use std::borrow::Cow;

use crate::defect::note;
use crate::delimiter::{Piece, Place, Split, split};
use crate::describe::{described_part, kind_of, plain_part, role_of};
use crate::entity::{Entity, is_multipart};
use crate::leaf::{self, Content};
use crate::section::{self, Section};
use crate::views::Reading;
use crate::{Defect, Limits, Part, PartKind, PartRole, undeclared};

/// Bytes of views and of other decodings per byte of message: an ambiguous part is read some more
/// times, but not once more for every multipart around it.
const VIEW_FACTOR: usize = 3;
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
pub(crate) struct Job<'x> {
    pub(crate) entity: &'x [u8],
    pub(crate) parent: Option<usize>,
    pub(crate) depth: usize,
    pub(crate) path: String,
    pub(crate) place: Place,
    /// The media type where none is declared.
    pub(crate) default_type: &'static str,
    /// The part around it is a `multipart/related`.
    pub(crate) related: bool,
    pub(crate) reading: Reading,
    /// Inside a view: no further views from here.
    pub(crate) in_view: bool,
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

pub(crate) struct Builder<'x, 'l> {
    raw: &'x [u8],
    pub(crate) limits: &'l Limits,
    pub(crate) parts: Vec<Part<'x>>,
    pub(crate) defects: Vec<Defect>,
    /// Entities still to take apart; the next one is last.
    pending: Vec<Job<'x>>,
    /// Views. They wait until the main reading is complete, so that they take no part from it.
    pub(crate) views: Vec<Job<'x>>,
    /// Bytes allowed for views and for other decodings.
    pub(crate) view_bytes: usize,
    pub(crate) view_bytes_left: usize,
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
        let content = self.decode(&mut entity, part.kind, job.entity);
        part.alternatives = content.alternatives;
        part.names = entity.names;
        part.defects = entity.defects;
        if let Some(start) = undeclared::entity_start(job.entity) {
            let bytes = job.entity.get(start..).unwrap_or_default();
            self.push_view(&job, self.parts.len(), || Reading::Message(bytes.to_vec()));
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

    /// Splits a body if the entity is a multipart in this reading.
    fn split(&mut self, job: &Job<'x>, entity: &mut Entity, body: &'x [u8]) -> Option<Split> {
        if let Reading::Leaf(media) = &job.reading {
            entity.types = vec![media.clone()];
            return None;
        }
        let is_forced = matches!(job.reading, Reading::Boundary(_));
        if !is_forced && !is_multipart(entity.declared_type()) {
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

    /// How many pieces a split may have. One above what is left, so that the limit is noticed.
    fn pieces_left(&self) -> usize {
        self.max_parts()
            .saturating_sub(self.parts.len())
            .saturating_add(1)
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

    fn decode(&mut self, entity: &mut Entity, kind: PartKind, raw: &'x [u8]) -> Content<'x> {
        let content = leaf::decode(entity, kind, raw, &mut self.view_bytes_left);
        if let Some(bound) = content.limit {
            note(&mut entity.defects, Defect::ViewLimit { bound });
        }
        content
    }

    fn leaf(&mut self, job: Job<'x>, section: Section<'x>, mut entity: Entity, body: &'x [u8]) {
        let kind = kind_of(entity.declared_type());
        let content = self.decode(&mut entity, kind, body);
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
            && let (_, Some(defect)) = part.unicode()
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

/// Where `piece`, a slice of `whole`, begins in it.
fn offset_in(whole: &[u8], piece: &[u8]) -> usize {
    piece
        .as_ptr()
        .addr()
        .saturating_sub(whole.as_ptr().addr())
        .min(whole.len())
}
