//! The links of a mail: collected from its documents and its text, each canonical URL once.

use crate::inspection::Link;
use links::{Canonical, Flag};
use std::collections::HashSet;
use unpack::{Reference, Unpacked};

/// Links of a mail that are kept.
pub(crate) const MAX_LINKS: usize = 1000;
/// Bytes of visible text that stand in the place of a link.
const MAX_LINK_TEXT: usize = 256;

/// The links of a mail.
#[derive(Default)]
pub(crate) struct Links {
    pub(crate) found: Vec<Link>,
    /// There were more.
    pub(crate) truncated: bool,
    seen: HashSet<String>,
}

/// Where a link stands.
struct Place<'a> {
    text: &'a str,
    context: &'a str,
    artifact: &'a str,
}

impl Links {
    /// Those of the HTML first, since they know the text in whose place they stand.
    pub(crate) fn of(unpacked: &Unpacked) -> Links {
        let in_text = links::find_in_text(&unpacked.text, MAX_LINKS);
        let truncated = unpacked.references_truncated || in_text.truncated;
        let mut links = Links {
            truncated,
            ..Links::default()
        };
        for reference in &unpacked.references {
            links.reference(reference, unpacked);
        }
        for link in &in_text.found {
            let place = Place {
                text: "",
                context: "text",
                artifact: "",
            };
            if let Some(canonical) = links::canonicalise(&link.raw) {
                links.add(canonical, &place);
            }
        }
        links
    }

    fn reference(&mut self, reference: &Reference, unpacked: &Unpacked) {
        let artifact = unpacked.artifacts.get(reference.artifact);
        let html = artifact.and_then(|artifact| artifact.html.as_deref());
        let base = html.and_then(|html| html.base_href.as_deref());
        let place = Place {
            text: reference.text.as_deref().unwrap_or_default(),
            context: reference.context.name(),
            artifact: artifact.map(|a| a.path.as_str()).unwrap_or_default(),
        };
        if let Some(canonical) = links::canonicalise_in(&reference.raw, base) {
            self.add(canonical, &place);
        }
    }

    fn add(&mut self, mut canonical: Canonical, place: &Place<'_>) {
        if self.seen.contains(&canonical.url) {
            return;
        }
        if self.found.len() >= MAX_LINKS {
            self.truncated = true;
            return;
        }
        if links::text_differs(place.text, &canonical) {
            canonical.set(Flag::TextDiffers);
        }
        let readings = std::mem::take(&mut canonical.readings);
        self.seen.insert(canonical.url.clone());
        self.found.push(link(canonical, place));
        // Other programs arrive at another host: what they open has to be seen as well.
        for reading in readings {
            if let Some(mut canonical) = links::canonicalise(&reading) {
                canonical.set(Flag::ParserDisagreement);
                canonical.readings.clear();
                self.add(canonical, place);
            }
        }
    }
}

fn link(canonical: Canonical, place: &Place<'_>) -> Link {
    let end = place.text.floor_char_boundary(MAX_LINK_TEXT);
    Link {
        text: place.text.get(..end).unwrap_or_default().to_owned(),
        context: place.context.to_owned(),
        artifact: place.artifact.to_owned(),
        flags: canonical
            .flags
            .iter()
            .map(|flag| flag.name().to_owned())
            .collect(),
        url: canonical.url,
        host: canonical.host,
        registrable: canonical.registrable.unwrap_or_default(),
        path: canonical.path,
    }
}
