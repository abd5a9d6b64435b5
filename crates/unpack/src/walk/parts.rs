//! The parts of a mail, and of the mails inside.

use mail::{Message, Part, PartKind, PartRole};

use super::Walk;
use super::item::{Content, Declared, Item, Nest, bounded};
use crate::artifact::{Coverage, MAX_NAMES, Origin};
use crate::unpacked::{FoundDefect, NestedMail};

/// Senders kept of one nested mail.
const MAX_SENDERS: usize = 16;
/// Defects kept of one mail, those of nested mails included. There are about 40 kinds.
const MAX_DEFECTS: usize = 10_000;

/// What holds for all parts of one mail.
struct Around {
    /// The artifact that the mail is, if it is one inside another.
    parent: Option<usize>,
    depth: u32,
    attachment: bool,
    nest: Nest,
    shown: bool,
    /// A bound that the parser reached, and that no artifact bears witness to yet.
    limit: Option<String>,
}

impl Walk<'_> {
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

    pub(super) fn mail(
        &mut self,
        message: &Message<'_>,
        parent: Option<usize>,
        nest: Nest,
        shown: bool,
    ) {
        let artifact = parent.map(|index| self.artifact(index));
        let prefix = artifact.map(|artifact| artifact.path.clone());
        let mut around = Around {
            parent,
            depth: artifact.map_or(0, |artifact| artifact.depth + 1),
            attachment: artifact.is_some_and(|artifact| artifact.attachment),
            nest,
            shown,
            limit: limit_of(&message.defects),
        };
        self.defects(prefix.clone().unwrap_or_default(), &message.defects);
        for part in &message.parts {
            let path = match &prefix {
                Some(prefix) => format!("{prefix}/{}", part.path),
                None => part.path.clone(),
            };
            self.defects(path.clone(), &part.defects);
            if around.limit.is_none() {
                around.limit = limit_of(&part.defects);
            }
            if part.kind == PartKind::Multipart && part.body.is_empty() {
                continue;
            }
            if !self.part(part, path, &mut around) {
                return;
            }
        }
    }

    /// One part and its other decodings. False when the files are used up.
    fn part(&mut self, part: &Part<'_>, path: String, around: &mut Around) -> bool {
        let attachment = around.attachment || part.is_attachment();
        let shown =
            around.shown && !attachment && matches!(part.role, PartRole::Body | PartRole::Inline);
        let limit = around.limit.take();
        let text = part.text();
        let text = text.as_deref();
        let declared = match part.kind {
            PartKind::Html => Declared::Html,
            PartKind::Message => Declared::Mail,
            PartKind::Text => Declared::Text,
            PartKind::Multipart | PartKind::Other => Declared::Nothing,
        };
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
                parent: around.parent,
                depth: around.depth,
                attachment,
                names: names.clone(),
                declared_type: Some(part.declared_type.clone()),
                origin,
                content: match origin {
                    Origin::Part => Content {
                        bytes,
                        text,
                        declared,
                        shown,
                    },
                    _ => Content::of(bytes),
                },
                coverage: Coverage::Full,
                detail: String::new(),
                nest: around.nest,
            };
            if let Some(limit) = &limit {
                item.coverage = Coverage::OverLimit;
                item.detail.clone_from(limit);
            }
            if !self.admit_part(&mut item, around.parent) {
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
        let size = item.content.bytes.len() as u64;
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
        item.content = Content::of(&[]);
        true
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

fn limit_of(defects: &[mail::Defect]) -> Option<String> {
    let limit = defects.iter().find(|defect| defect.bound().is_some());
    limit.map(ToString::to_string)
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
