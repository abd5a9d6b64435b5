//! The open elements: what of a document is hidden, and where lines break.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::css::Style;

/// Open elements that are tracked. Browsers stop nesting at 512.
const MAX_OPEN: usize = 4096;

/// What an element passes on to what is inside it.
#[derive(Clone, Copy, Default)]
pub(super) struct Inherited {
    /// Nothing inside can be seen whatever it says: `display: none` and the like.
    removed: bool,
    /// `visibility: hidden`, which an element inside can take back.
    invisible: bool,
    /// A font size of zero, which an element inside can change.
    zero_font: bool,
}

impl Inherited {
    pub(super) fn is_hidden(self) -> bool {
        self.removed || self.invisible || self.zero_font
    }

    fn apply(self, style: &Style) -> Inherited {
        Inherited {
            removed: self.removed || style.removes,
            invisible: style.invisible.unwrap_or(self.invisible),
            zero_font: style.zero_font.unwrap_or(self.zero_font),
        }
    }
}

struct Open {
    /// Hash of the name: names are compared often, and there is no bound on their length.
    name: u64,
    inherited: Inherited,
}

#[derive(Default)]
pub(super) struct Elements {
    open: Vec<Open>,
    /// How many of each name are open, so that a stray end tag costs nothing.
    counts: HashMap<u64, u32>,
}

impl Elements {
    /// What holds where we are.
    pub(super) fn here(&self) -> Inherited {
        self.open
            .last()
            .map(|open| open.inherited)
            .unwrap_or_default()
    }

    /// Opens an element; answers whether it is hidden.
    pub(super) fn start(&mut self, name: &str, style: &Style) -> bool {
        self.close_implied(name);
        let mut inherited = self.here().apply(style);
        let hidden = inherited.is_hidden();
        inherited.removed |= is_never_shown(name);
        if !is_void(name) && self.open.len() < MAX_OPEN {
            let name = hash(name);
            self.open.push(Open { name, inherited });
            *self.counts.entry(name).or_default() += 1;
        }
        hidden
    }

    /// Closes the innermost element of that name, and what is open inside it. Stray end tags do nothing.
    pub(super) fn end(&mut self, name: &str) {
        let name = hash(name);
        if self.counts.get(&name).is_none_or(|&count| count == 0) {
            return;
        }
        while let Some(open) = self.pop() {
            if open == name {
                break;
            }
        }
    }

    fn pop(&mut self) -> Option<u64> {
        let open = self.open.pop()?;
        if let Some(count) = self.counts.get_mut(&open.name) {
            *count -= 1;
        }
        Some(open.name)
    }

    /// Some start tags end an element whose end tag may be left out (HTML Standard, section 13.1.2.4).
    fn close_implied(&mut self, name: &str) {
        let closes: &[&str] = match name {
            "li" => &["li"],
            "dd" | "dt" => &["dd", "dt"],
            "option" | "optgroup" => &["option"],
            "td" | "th" => &["td", "th", "p"],
            "tr" => &["td", "th", "tr", "p"],
            "tbody" | "tfoot" | "thead" => &["td", "th", "tr", "tbody", "tfoot", "thead", "p"],
            "body" => &["head"],
            _ if is_block(name) => &["p"],
            _ => return,
        };
        while let Some(top) = self.open.last()
            && closes.iter().any(|name| hash(name) == top.name)
        {
            self.pop();
        }
    }
}

fn hash(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}

/// Elements without content.
pub(super) fn is_void(name: &str) -> bool {
    matches!(
        name,
        "area"
            | "base"
            | "br"
            | "col"
            | "embed"
            | "hr"
            | "img"
            | "input"
            | "link"
            | "meta"
            | "param"
            | "source"
            | "track"
            | "wbr"
    )
}

/// Elements that stand on lines of their own.
pub(super) fn is_block(name: &str) -> bool {
    matches!(
        name,
        "address"
            | "article"
            | "aside"
            | "blockquote"
            | "body"
            | "center"
            | "dd"
            | "details"
            | "dialog"
            | "dir"
            | "div"
            | "dl"
            | "dt"
            | "fieldset"
            | "figcaption"
            | "figure"
            | "footer"
            | "form"
            | "h1"
            | "h2"
            | "h3"
            | "h4"
            | "h5"
            | "h6"
            | "header"
            | "hgroup"
            | "hr"
            | "html"
            | "legend"
            | "li"
            | "main"
            | "menu"
            | "nav"
            | "ol"
            | "p"
            | "plaintext"
            | "pre"
            | "section"
            | "summary"
            | "table"
            | "tbody"
            | "tfoot"
            | "thead"
            | "tr"
            | "ul"
            | "xmp"
    )
}

/// Elements whose content is never shown.
pub(super) fn is_never_shown(name: &str) -> bool {
    matches!(
        name,
        "datalist"
            | "head"
            | "iframe"
            | "noembed"
            | "noframes"
            | "script"
            | "style"
            | "template"
            | "title"
    )
}
