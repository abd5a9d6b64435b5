//! The attributes of one start tag.

/// The attributes that are read. Others are not kept, so that an element cannot be made expensive, nor a
/// telling attribute be pushed out, by a thousand others.
const READ: &[&str] = &[
    "action",
    "alt",
    "background",
    "bgcolor",
    "class",
    "color",
    "content",
    "data",
    "download",
    "formaction",
    "height",
    "hidden",
    "href",
    "http-equiv",
    "id",
    "poster",
    "rel",
    "size",
    "src",
    "srcdoc",
    "srcset",
    "style",
    "type",
    "value",
    "width",
    "xlink:href",
];

/// A start tag while its attributes come in.
#[derive(Default)]
pub(super) struct Tag {
    pub(super) name: String,
    attributes: Vec<(&'static str, String)>,
    /// The attribute whose value comes next, if it is read.
    current: Option<usize>,
    pub(super) event_handlers: u32,
    pub(super) duplicates: u32,
}

impl Tag {
    pub(super) fn new(name: &[u8]) -> Self {
        Tag {
            name: String::from_utf8_lossy(name).into_owned(),
            ..Tag::default()
        }
    }

    pub(super) fn attribute_name(&mut self, name: &[u8]) {
        self.current = None;
        if name.starts_with(b"on") && name.len() > 2 {
            self.event_handlers = self.event_handlers.saturating_add(1);
        }
        let Some(known) = READ.iter().find(|known| known.as_bytes() == name) else {
            return;
        };
        if self.attributes.iter().any(|(name, _)| name == known) {
            // The first one counts.
            self.duplicates = self.duplicates.saturating_add(1);
            return;
        }
        self.current = Some(self.attributes.len());
        self.attributes.push((known, String::new()));
    }

    pub(super) fn attribute_value(&mut self, value: &[u8]) {
        if let Some((_, slot)) = self
            .current
            .take()
            .and_then(|index| self.attributes.get_mut(index))
        {
            *slot = String::from_utf8_lossy(value).into_owned();
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value.as_str())
    }

    /// A URL: blanks around it do not count.
    pub(super) fn url(&self, name: &str) -> Option<&str> {
        self.get(name)
            .map(|value| value.trim_matches(|c: char| c <= ' '))
            .filter(|url| !url.is_empty())
    }

    /// A length in pixels.
    pub(super) fn pixels(&self, name: &str) -> Option<u32> {
        let value = self.get(name)?.trim();
        let digits = value.strip_suffix("px").unwrap_or(value);
        digits.trim().parse().ok()
    }
}
