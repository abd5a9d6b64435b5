//! Parts from entities: what they are called, what they are, and what they are for.

use std::borrow::Cow;

use crate::entity::{Entity, is_multipart};
use crate::section::Section;
use crate::structure::Job;
use crate::{NameSource, Part, PartKind, PartRole, TransferEncoding};

/// A part without header fields.
pub(crate) fn plain_part<'x>(job: &Job<'x>, body: &'x [u8]) -> Part<'x> {
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
pub(crate) fn described_part<'x>(
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

pub(crate) fn kind_of(media: &str) -> PartKind {
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

pub(crate) fn role_of(part: &Part<'_>, related: bool) -> PartRole {
    let disposition = part.disposition.as_deref();
    let is_text = matches!(part.kind, PartKind::Text | PartKind::Html);
    let is_named = part
        .names
        .iter()
        .any(|name| name.source != NameSource::Embedded);
    match disposition {
        Some("attachment") => PartRole::Attachment,
        _ if is_text && !is_named => PartRole::Body,
        Some("inline") => PartRole::Inline,
        _ if related && part.content_id.is_some() => PartRole::Inline,
        _ => PartRole::Attachment,
    }
}
