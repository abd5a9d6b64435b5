use crate::canonical::{Canonical, canonicalise};
use crate::text::find_in_text;

/// How much of a link's visible text is looked at, in bytes: who shows a host shows it at the beginning.
const MAX_VISIBLE_BYTES: usize = 2048;

/// The first URL or host that the visible text of a link names.
pub fn displayed(visible: &str) -> Option<Canonical> {
    let visible = visible
        .get(..visible.floor_char_boundary(MAX_VISIBLE_BYTES))
        .unwrap_or(visible);
    let found = find_in_text(visible, 4).found;
    found
        .iter()
        .filter_map(|found| canonicalise(&found.raw))
        .find(|url| url.scheme != "mailto" && !url.host.is_empty())
}

/// Whether the visible text of a link names a host that has nothing to do with where the link leads.
///
/// Hosts belong together when their registrable domain is the same or one is a parent of the other.
pub fn text_differs(visible: &str, link: &Canonical) -> bool {
    if link.host.is_empty() || link.scheme == "mailto" {
        return false;
    }
    displayed(visible).is_some_and(|shown| !related(&shown, link))
}

fn related(left: &Canonical, right: &Canonical) -> bool {
    let same_registrable = left.registrable.is_some() && left.registrable == right.registrable;
    same_registrable
        || left.host == right.host
        || is_parent(&left.host, &right.host)
        || is_parent(&right.host, &left.host)
}

fn is_parent(parent: &str, child: &str) -> bool {
    child
        .strip_suffix(parent)
        .is_some_and(|rest| rest.ends_with('.'))
}
