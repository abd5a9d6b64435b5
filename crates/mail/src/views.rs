//! The other readings of an ambiguous entity.
//!
//! A view is a part of its own beside the main reading. Views have no views, and there is a budget
//! of bytes for them, so that ambiguity inside ambiguity cannot multiply.

use crate::defect::note;
use crate::delimiter::{Place, occurs};
use crate::entity::{Entity, is_multipart};
use crate::section::Section;
use crate::structure::{Builder, Job};
use crate::{Defect, TransferEncoding, undeclared, values};

/// How an entity is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reading {
    /// As a multipart with all its declared boundaries at once.
    AllBoundaries,
    /// With a body that begins here.
    Body(usize),
    /// As a multipart with this boundary.
    Boundary(Vec<u8>),
    /// As a leaf of this media type.
    Leaf(String),
    /// As most readers do.
    Main,
    /// As a message of its own, made from these bytes.
    Message(Vec<u8>),
}

impl<'x> Builder<'x, '_> {
    /// Views for readers that find another end of the header section, or other fields in it.
    pub(crate) fn push_section_views(&mut self, job: &Job<'x>, section: &Section<'x>) {
        let index = self.parts.len();
        if let Some(start) = section.early_body {
            self.push_view(job, index, || Reading::Body(start));
        }
        if section.has_bare_cr {
            let normal = || undeclared::with_line_feeds(job.entity);
            self.push_view(job, index, || Reading::Message(normal()));
        }
    }

    /// The boundaries to split at in this reading; the others that occur become views.
    pub(crate) fn boundaries(
        &mut self,
        job: &Job<'x>,
        entity: &mut Entity,
        body: &'x [u8],
    ) -> Vec<Vec<u8>> {
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
            self.push_view(job, index, || Reading::Boundary(other.clone()));
        }
        if found.len() > 1 {
            self.push_view(job, index, || Reading::AllBoundaries);
        }
        for media in entity
            .types
            .clone()
            .into_iter()
            .filter(|media| !is_multipart(media))
        {
            self.push_view(job, index, || Reading::Leaf(media));
        }
        found.truncate(1);
        found
    }

    pub(crate) fn push_undeclared_view(
        &mut self,
        job: &Job<'x>,
        entity: &mut Entity,
        body: &'x [u8],
    ) {
        if job.reading != Reading::Main || !entity.declared_type().starts_with("text/") {
            return;
        }
        if let Some(boundary) = undeclared::boundary(body) {
            note(&mut entity.defects, Defect::UndeclaredBoundary);
            self.push_view(job, self.parts.len(), || Reading::Boundary(boundary));
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
            self.push_view(job, self.parts.len(), || Reading::Message(message));
        }
    }

    /// Queues another reading of the entity of part `of`, if there is room for it.
    pub(crate) fn push_view(
        &mut self,
        job: &Job<'x>,
        of: usize,
        reading: impl FnOnce() -> Reading,
    ) {
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
            reading: reading(),
            in_view: true,
            ..job.clone()
        });
    }
}
