//! Something that becomes an artifact.

use crate::artifact::{Coverage, MAX_NAME_BYTES, Origin};
use crate::filetype::{self, FileType};

/// How deep something lies.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Nest {
    /// Archives around it.
    pub(crate) archives: usize,
    /// Mails around it, beside the mail itself.
    pub(crate) mails: usize,
}

impl Nest {
    pub(super) fn into_archive(self) -> Nest {
        Nest {
            archives: self.archives + 1,
            ..self
        }
    }

    pub(super) fn into_mail(self) -> Nest {
        Nest {
            mails: self.mails + 1,
            ..self
        }
    }

    /// Whether what was opened here was opened at least as far as it would be there.
    pub(super) fn covers(self, there: Nest) -> bool {
        self.archives <= there.archives && self.mails <= there.mails
    }
}

/// Something that becomes an artifact.
pub(crate) struct Item<'b> {
    pub(crate) path: String,
    pub(crate) parent: Option<usize>,
    pub(crate) depth: u32,
    pub(crate) attachment: bool,
    pub(crate) names: Vec<String>,
    pub(crate) declared_type: Option<String>,
    pub(crate) origin: Origin,
    pub(crate) content: Content<'b>,
    pub(crate) coverage: Coverage,
    pub(crate) detail: String,
    pub(crate) nest: Nest,
}

/// The content of an item, and what the mail says about it.
#[derive(Clone, Copy)]
pub(crate) struct Content<'b> {
    pub(crate) bytes: &'b [u8],
    /// The same in Unicode, where the mail declares a charset.
    pub(crate) text: Option<&'b str>,
    pub(crate) declared: Declared,
    /// A reader of the mail sees it without opening anything.
    pub(crate) shown: bool,
}

/// What the mail says that content is. Elsewhere, nobody says anything worth believing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Declared {
    Html,
    Mail,
    Nothing,
    Text,
}

impl<'b> Content<'b> {
    /// Bytes about which nothing is said.
    pub(crate) fn of(bytes: &'b [u8]) -> Content<'b> {
        Content {
            bytes,
            text: None,
            declared: Declared::Nothing,
            shown: false,
        }
    }
}

/// The type by content. What a mail program shows as text is text to its reader: only there does the declared
/// kind count.
pub(super) fn type_of(content: Content<'_>, names: &[String], coverage: Coverage) -> FileType {
    let found = filetype::detect(content.bytes, names);
    match (content.declared, found) {
        // Not empty: not read.
        (_, FileType::Empty) if coverage != Coverage::Full => FileType::Data,
        (Declared::Mail, FileType::Text | FileType::Data | FileType::Empty) => FileType::Eml,
        (Declared::Html, FileType::Text | FileType::Xml) => FileType::Html,
        // A forwarded mail quoted in a body begins with header fields, too.
        (Declared::Text, FileType::Eml | FileType::Mht) if content.shown => FileType::Text,
        (_, found) => found,
    }
}

/// Attacker text within the bound on names.
pub(super) fn bounded(text: &str) -> String {
    text.get(..text.floor_char_boundary(MAX_NAME_BYTES))
        .unwrap_or_default()
        .to_owned()
}
