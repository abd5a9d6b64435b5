//! What documents say, kept within bounds.

use super::Walk;
use crate::artifact::Coverage;
use crate::text::Gap;
use crate::unpacked::{Context, HtmlFeatures, Reference};

impl Walk<'_> {
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
}
