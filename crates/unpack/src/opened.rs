//! A container while it is being opened: all that a format can do.

use crate::artifact::{Coverage, MAX_NAMES, Origin};
use crate::capped::{self, Allowance, Packed, Stop};
use crate::limits::Limits;
use crate::unpacked::{HtmlFeatures, Reference};
use crate::walk::{Content, Item, Nest, Walk};

/// What a format reads.
#[derive(Clone, Copy)]
pub(crate) struct Source<'b> {
    pub(crate) bytes: &'b [u8],
    /// The same in Unicode, where the mail declares a charset.
    pub(crate) text: Option<&'b str>,
    /// It is shown as a body of the mail.
    pub(crate) shown: bool,
    /// The best name of the artifact.
    pub(crate) name: Option<&'b str>,
}

/// Takes what a format finds, and keeps budget, tree and order.
pub(crate) struct Opened<'w, 's> {
    walk: &'w mut Walk<'s>,
    index: usize,
    /// Of what is inside.
    nest: Nest,
    members: usize,
    /// Bytes that members may still decompress to, by the ratio.
    allowance: u64,
}

impl<'w, 's> Opened<'w, 's> {
    pub(crate) fn new(walk: &'w mut Walk<'s>, index: usize, nest: Nest, size: usize) -> Self {
        let limits = walk.limits();
        let allowance = (size as u64)
            .saturating_mul(limits.ratio)
            .max(limits.ratio_floor);
        Opened {
            walk,
            index,
            nest,
            members: 0,
            allowance,
        }
    }

    pub(crate) fn limits(&self) -> &'s Limits {
        self.walk.limits()
    }

    /// Says something about the container itself.
    pub(crate) fn note(&mut self, coverage: Coverage, detail: &str) {
        self.walk.note(self.index, coverage, detail);
    }

    /// A member to decompress. `crc32` is what the archive says it should be. False when there is no use in
    /// offering more.
    pub(crate) fn member(
        &mut self,
        names: Vec<String>,
        origin: Origin,
        packed: Packed<'_>,
        crc32: Option<u32>,
    ) -> bool {
        if !self.admit() {
            return false;
        }
        let limits = self.walk.limits();
        let inflated = self.walk.inflate(
            packed,
            Allowance {
                container: self.allowance,
            },
        );
        self.allowance = self.allowance.saturating_sub(inflated.bytes.len() as u64);
        let (coverage, detail) = match inflated.stop {
            None => match crc32.filter(|&expected| expected != capped::crc32(&inflated.bytes)) {
                None => (Coverage::Full, String::new()),
                Some(_) => (Coverage::Damaged, "checksum differs".to_owned()),
            },
            Some(Stop::Damaged) => (Coverage::Damaged, "broken compressed data".to_owned()),
            Some(Stop::Unsupported) => (Coverage::Unsupported, "compression method".to_owned()),
            Some(Stop::FileBytes) => (
                Coverage::OverLimit,
                format!("file-bytes {}", limits.file_bytes),
            ),
            Some(Stop::Memory) => (Coverage::OverLimit, "memory".to_owned()),
            Some(Stop::Ratio) => (Coverage::OverLimit, format!("ratio {}", limits.ratio)),
            Some(Stop::TotalBytes) => (
                Coverage::OverLimit,
                format!("total-bytes {}", limits.total_bytes),
            ),
        };
        self.child(names, None, origin, &inflated.bytes, coverage, &detail);
        true
    }

    /// A member whose content cannot be read. It is listed, and given to the sink without bytes.
    pub(crate) fn unread(&mut self, names: Vec<String>, coverage: Coverage, detail: &str) -> bool {
        if !self.admit() {
            return false;
        }
        if coverage == Coverage::Encrypted {
            self.walk.mark_encrypted(self.index);
        }
        self.child(names, None, Origin::Member, &[], coverage, detail);
        true
    }

    /// Content that is at hand already.
    pub(crate) fn content(
        &mut self,
        declared_type: Option<String>,
        origin: Origin,
        bytes: &[u8],
    ) -> bool {
        if !self.admit() {
            return false;
        }
        if !self.walk.take_bytes(bytes.len() as u64) {
            let detail = format!("total-bytes {}", self.limits().total_bytes);
            self.child(
                Vec::new(),
                declared_type,
                origin,
                &[],
                Coverage::OverLimit,
                &detail,
            );
            return false;
        }
        self.child(Vec::new(), declared_type, origin, bytes, Coverage::Full, "");
        true
    }

    /// The container is a mail.
    pub(crate) fn mail(&mut self, message: &mail::Message<'_>, shown: bool) {
        self.walk.nested_mail(message, self.index, self.nest, shown);
    }

    /// The container is an HTML document.
    pub(crate) fn document(
        &mut self,
        features: HtmlFeatures,
        references: Vec<Reference>,
        shown: Option<(&str, &str)>,
        invisible: u32,
    ) {
        self.walk
            .document(self.index, features, references, shown, invisible);
    }

    /// Index of the container among the artifacts.
    pub(crate) fn index(&self) -> usize {
        self.index
    }

    fn admit(&mut self) -> bool {
        if self.walk.take_file() {
            return true;
        }
        let detail = format!("files {}", self.limits().files);
        self.note(Coverage::OverLimit, &detail);
        false
    }

    fn child(
        &mut self,
        mut names: Vec<String>,
        declared_type: Option<String>,
        origin: Origin,
        bytes: &[u8],
        coverage: Coverage,
        detail: &str,
    ) {
        self.members += 1;
        names.truncate(MAX_NAMES);
        let parent = self.walk.artifact(self.index);
        let item = Item {
            path: format!("{}/{}", parent.path, self.members),
            parent: Some(self.index),
            depth: parent.depth + 1,
            attachment: parent.attachment,
            names,
            declared_type,
            origin,
            content: Content::of(bytes),
            coverage,
            detail: detail.to_owned(),
            nest: self.nest,
        };
        self.walk.item(item);
    }
}
