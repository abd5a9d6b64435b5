//! Reads the tokens of a document: text, references, features.

use html5gum::Tokenizer;
use html5gum::emitters::callback::{CallbackEmitter, CallbackEvent};

use super::attributes::Tag;
use super::css::{self, Sheet, Style};
use super::data_url::{self, DataUrl};
use super::elements::{Elements, is_block, is_never_shown};
use super::script;
use crate::text::{Gap, TextBuffer};
use crate::unpacked::{Context, HtmlFeatures, Reference};

/// Longest reference kept, in bytes.
const MAX_REFERENCE_BYTES: usize = 8 * 1024;
/// Longest text of a link kept, in bytes.
const MAX_LINK_TEXT_BYTES: usize = 2 * 1024;
/// References kept of one document. More than any bound on those of a mail makes sense for.
const MAX_REFERENCES: usize = 100_000;
/// `data:` URLs decoded in one document.
const MAX_DATA_URLS: usize = 256;
/// Documents inside documents that are read: conditional comments, `noscript`, `srcdoc`.
const MAX_INNER: u32 = 3;
/// An image of at most this many pixels a side is not for looking at.
const PIXEL_SIDE: u32 = 2;

/// What is found in a document.
pub(super) struct Found {
    pub(super) features: HtmlFeatures,
    pub(super) references: Vec<Reference>,
    pub(super) data_urls: Vec<DataUrl>,
    pub(super) visible: String,
    pub(super) hidden: String,
    pub(super) invisible: u32,
}

pub(super) struct Extract {
    artifact: usize,
    features: HtmlFeatures,
    references: Vec<Reference>,
    data_urls: Vec<DataUrl>,
    visible: TextBuffer,
    hidden: TextBuffer,
    elements: Elements,
    sheet: Sheet,
    /// The start tag that is being read.
    tag: Option<Tag>,
    /// The link whose text is being read: its reference, and the text so far.
    link: Option<(usize, TextBuffer)>,
    /// The element whose text comes as one piece and is not text: `script`, `style`, `noscript` and so on.
    raw: Option<String>,
    /// A table cell with a background colour in which nothing was found yet.
    coloured_cell: bool,
    in_svg: bool,
    conditional: bool,
    inner: u32,
}

impl Extract {
    pub(super) fn new(artifact: usize, text_bytes: usize) -> Self {
        Extract {
            artifact,
            features: HtmlFeatures::default(),
            references: Vec::new(),
            data_urls: Vec::new(),
            visible: TextBuffer::new(text_bytes),
            hidden: TextBuffer::new(text_bytes),
            elements: Elements::default(),
            sheet: Sheet::default(),
            tag: None,
            link: None,
            raw: None,
            coloured_cell: false,
            in_svg: false,
            conditional: false,
            inner: 0,
        }
    }

    pub(super) fn read(&mut self, html: &str) {
        let mut emitter =
            CallbackEmitter::new(|event: CallbackEvent<'_>, _span: html5gum::Span<()>| {
                self.event(event);
                None
            });
        emitter.naively_switch_states(true);
        // Reading a string cannot fail.
        let Ok(()) = Tokenizer::new_with_emitter(html, emitter).finish();
    }

    pub(super) fn finish(mut self) -> Found {
        self.close_link();
        let invisible = self.visible.invisible;
        Found {
            features: self.features,
            references: self.references,
            data_urls: self.data_urls,
            visible: self.visible.into_text(),
            hidden: self.hidden.into_text(),
            invisible,
        }
    }

    fn event(&mut self, event: CallbackEvent<'_>) {
        match event {
            CallbackEvent::OpenStartTag { name } => self.tag = Some(Tag::new(name)),
            CallbackEvent::AttributeName { name } => {
                if let Some(tag) = &mut self.tag {
                    tag.attribute_name(name);
                }
            }
            CallbackEvent::AttributeValue { value } => {
                if let Some(tag) = &mut self.tag {
                    tag.attribute_value(value);
                }
            }
            CallbackEvent::CloseStartTag { self_closing } => {
                if let Some(tag) = self.tag.take() {
                    self.start(&tag, self_closing);
                }
            }
            CallbackEvent::EndTag { name } => {
                self.tag = None;
                self.end(&String::from_utf8_lossy(name));
            }
            CallbackEvent::String { value } => self.text(&String::from_utf8_lossy(value)),
            CallbackEvent::Comment { value } => self.comment(&String::from_utf8_lossy(value)),
            CallbackEvent::Doctype { .. } | CallbackEvent::Error(_) => {}
        }
    }

    fn start(&mut self, tag: &Tag, self_closing: bool) {
        let name = tag.name.as_str();
        self.gap(name);
        if let Some(document) = tag.get("srcdoc") {
            self.inner(document);
        }
        // HTML elements end an SVG image that was left open (HTML Standard, section 13.2.6.5).
        self.in_svg &= !is_block(name);
        let style = self.style(tag);
        let outside_hidden = self.elements.here().is_hidden();
        let hidden = self.elements.start(name, &style);
        self.features.hidden_elements += u32::from(hidden && !outside_hidden);
        self.features.zero_font += u32::from(style.zero_font == Some(true));
        self.features.event_handlers = self
            .features
            .event_handlers
            .saturating_add(tag.event_handlers);
        self.features.duplicate_attributes = self
            .features
            .duplicate_attributes
            .saturating_add(tag.duplicates);
        self.raw = matches!(
            name,
            "iframe" | "noembed" | "noframes" | "noscript" | "script" | "style"
        )
        .then(|| name.to_owned());
        self.references_of(tag, hidden);
        self.count(tag);
        if self_closing && self.in_svg {
            self.elements.end(name);
        }
    }

    fn end(&mut self, name: &str) {
        self.gap(name);
        match name {
            "a" => self.close_link(),
            "svg" => self.in_svg = false,
            "td" | "th" => {
                self.features.empty_coloured_cells +=
                    u32::from(std::mem::take(&mut self.coloured_cell))
            }
            _ => {}
        }
        self.raw = None;
        self.elements.end(name);
    }

    /// White space around what stands on its own.
    fn gap(&mut self, name: &str) {
        let gap = match name {
            "br" => Gap::Line,
            "p" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "table" | "blockquote" => {
                Gap::Paragraph
            }
            "td" | "th" | "option" => Gap::Space,
            _ if is_never_shown(name) => return self.hidden.gap(Gap::Space),
            _ if is_block(name) => Gap::Line,
            _ => return,
        };
        self.visible.gap(gap);
        self.hidden.gap(gap);
        if let Some((_, text)) = &mut self.link {
            text.gap(Gap::Space);
        }
    }

    fn style(&self, tag: &Tag) -> Style {
        let by_sheet = self.sheet.style(tag.get("class"), tag.get("id"));
        let own = tag.get("style").map(Style::read).unwrap_or_default();
        Style {
            removes: tag.get("hidden").is_some(),
            ..Style::default()
        }
        .or(own)
        .or(by_sheet)
    }

    fn text(&mut self, text: &str) {
        match self.raw.as_deref() {
            Some("script") => return self.script(text),
            Some("style") => return self.style_sheet(text),
            // No mail program runs scripts, so that this is what they show.
            Some("noscript") => return self.inner(text),
            _ => {}
        }
        if self.elements.here().is_hidden() {
            self.hidden.flow(text);
            return;
        }
        self.visible.flow(text);
        self.coloured_cell &= text.trim().is_empty();
        if let Some((_, link)) = &mut self.link {
            link.flow(text);
        }
    }

    fn script(&mut self, text: &str) {
        self.features.smuggling_calls = self
            .features
            .smuggling_calls
            .saturating_add(script::smuggling_calls(text));
        for url in script::urls(text) {
            self.reference(Context::ScriptText, &url, false);
        }
    }

    fn style_sheet(&mut self, text: &str) {
        self.sheet.read(text);
        for url in css::urls(text) {
            self.reference(Context::Style, url, false);
        }
    }

    /// `<!--[if mso]>…<![endif]-->` is markup for Outlook, and a comment for everyone else.
    fn comment(&mut self, comment: &str) {
        let Some((condition, markup)) = comment
            .trim_start()
            .strip_prefix('[')
            .and_then(|rest| rest.split_once("]>"))
        else {
            return;
        };
        if !condition
            .trim_start()
            .get(..2)
            .is_some_and(|word| word.eq_ignore_ascii_case("if"))
        {
            return;
        }
        self.features.conditional_comments = self.features.conditional_comments.saturating_add(1);
        let markup = markup
            .rfind("<![")
            .and_then(|end| markup.get(..end))
            .unwrap_or(markup);
        let outer = std::mem::replace(&mut self.conditional, true);
        self.inner(markup);
        self.conditional = outer;
    }

    /// Markup inside the document that is not read as such at first.
    fn inner(&mut self, markup: &str) {
        if self.inner >= MAX_INNER {
            return;
        }
        self.inner += 1;
        self.raw = None;
        self.read(markup);
        self.tag = None;
        self.raw = None;
        self.inner -= 1;
    }

    fn references_of(&mut self, tag: &Tag, hidden: bool) {
        let name = tag.name.as_str();
        if name.starts_with("v:") {
            for attribute in ["href", "src"] {
                self.attribute(tag, attribute, Context::Vml, hidden);
            }
        }
        match name {
            "a" => self.open_link(tag, hidden),
            "area" => self.attribute(tag, "href", Context::ImageMap, hidden),
            "base" => self.attribute(tag, "href", Context::Base, false),
            "embed" | "frame" | "iframe" => self.attribute(tag, "src", Context::Frame, hidden),
            "object" => self.attribute(tag, "data", Context::Frame, hidden),
            "script" => self.attribute(tag, "src", Context::Script, false),
            "image" | "use" => {
                self.attribute(tag, "xlink:href", Context::Svg, hidden);
                self.attribute(tag, "href", Context::Svg, hidden);
            }
            "link" => {
                let sheet = tag
                    .get("rel")
                    .is_some_and(|rel| rel.to_ascii_lowercase().contains("stylesheet"));
                self.attribute(
                    tag,
                    "href",
                    if sheet {
                        Context::Style
                    } else {
                        Context::Image
                    },
                    false,
                );
            }
            "audio" | "img" | "input" | "source" | "track" | "video" => {
                self.attribute(tag, "src", Context::Image, hidden);
                self.attribute(tag, "poster", Context::Image, hidden);
                self.source_set(tag, hidden);
            }
            "meta" => self.meta(tag),
            _ => {}
        }
        self.attribute(tag, "action", Context::Action, hidden);
        self.attribute(tag, "formaction", Context::Action, hidden);
        self.attribute(tag, "background", Context::Image, hidden);
        if let Some(style) = tag.get("style") {
            for url in css::urls(style) {
                self.reference(Context::Image, url, hidden);
            }
        }
    }

    fn open_link(&mut self, tag: &Tag, hidden: bool) {
        self.close_link();
        let (url, context) = match (tag.url("href"), tag.url("xlink:href")) {
            (Some(url), _) if !self.in_svg => (url, Context::Href),
            (Some(url), _) | (None, Some(url)) => (url, Context::Svg),
            (None, None) => return,
        };
        if self.reference(context, url, hidden) {
            self.link = Some((
                self.references.len() - 1,
                TextBuffer::new(MAX_LINK_TEXT_BYTES),
            ));
        }
    }

    fn close_link(&mut self) {
        if let Some((index, text)) = self.link.take()
            && let Some(reference) = self.references.get_mut(index)
        {
            reference.text = Some(text.into_text()).filter(|text| !text.is_empty());
        }
    }

    fn source_set(&mut self, tag: &Tag, hidden: bool) {
        const MAX_CANDIDATES: usize = 16;
        for candidate in tag
            .get("srcset")
            .unwrap_or_default()
            .split(", ")
            .take(MAX_CANDIDATES)
        {
            if let Some(url) = candidate.split_whitespace().next() {
                self.reference(Context::Image, url, hidden);
            }
        }
    }

    /// `<meta http-equiv=refresh content="0; url=…">`.
    fn meta(&mut self, tag: &Tag) {
        if !tag
            .get("http-equiv")
            .is_some_and(|value| value.trim().eq_ignore_ascii_case("refresh"))
        {
            return;
        }
        let content = tag.get("content").unwrap_or_default();
        // The number may be followed by a semicolon or a comma, and `url=` may be missing.
        let Some((_, rest)) = content.split_once([';', ',']) else {
            return;
        };
        let rest = rest.trim();
        let url = match rest.get(..3) {
            Some(word) if word.eq_ignore_ascii_case("url") => rest
                .get(3..)
                .map(str::trim_start)
                .and_then(|rest| rest.strip_prefix('='))
                .unwrap_or(rest),
            _ => rest,
        };
        let url = url.trim().trim_matches(['"', '\'']);
        if !url.is_empty() {
            self.features.meta_refresh = self.features.meta_refresh.saturating_add(1);
            self.reference(Context::MetaRefresh, url, false);
        }
    }

    fn attribute(&mut self, tag: &Tag, attribute: &str, context: Context, hidden: bool) {
        if let Some(url) = tag.url(attribute) {
            self.reference(context, url, hidden);
        }
    }

    /// Keeps a reference; false when there are too many.
    fn reference(&mut self, context: Context, url: &str, hidden: bool) -> bool {
        if let Some(found) = data_url::decode(url) {
            self.features.data_urls = self.features.data_urls.saturating_add(1);
            if self.data_urls.len() < MAX_DATA_URLS {
                self.data_urls.push(found);
            }
        }
        if context == Context::Base && self.features.base_href.is_none() {
            self.features.base_href = Some(bounded(url));
        }
        if self.references.len() >= MAX_REFERENCES {
            return false;
        }
        self.references.push(Reference {
            raw: bounded(url),
            context,
            text: None,
            hidden,
            conditional: self.conditional,
            artifact: self.artifact,
        });
        true
    }

    fn count(&mut self, tag: &Tag) {
        let features = &mut self.features;
        let counter = match tag.name.as_str() {
            "a" | "area" if tag.url("href").is_some() || tag.url("xlink:href").is_some() => {
                &mut features.links
            }
            "base" if tag.url("href").is_some() => &mut features.bases,
            "embed" | "frame" | "iframe" | "object" => &mut features.frames,
            "form" => &mut features.forms,
            "img" | "image" => {
                let side = |name| tag.pixels(name).is_some_and(|pixels| pixels <= PIXEL_SIDE);
                features.tracking_pixels += u32::from(side("width") && side("height"));
                self.coloured_cell = false;
                &mut features.images
            }
            "input" => {
                let kind = tag
                    .get("type")
                    .unwrap_or("text")
                    .trim()
                    .to_ascii_lowercase();
                features.password_inputs += u32::from(kind == "password");
                if matches!(
                    kind.as_str(),
                    "hidden" | "submit" | "button" | "image" | "reset"
                ) {
                    return;
                }
                &mut features.inputs
            }
            "script" => &mut features.scripts,
            "select" | "textarea" => &mut features.inputs,
            "svg" => {
                self.in_svg = true;
                &mut features.svg
            }
            "td" | "th" => {
                self.coloured_cell = tag.get("bgcolor").is_some()
                    || tag
                        .get("style")
                        .is_some_and(|style| style.contains("background"));
                return;
            }
            _ => return,
        };
        *counter = counter.saturating_add(1);
        features.downloads = features
            .downloads
            .saturating_add(u32::from(tag.get("download").is_some()));
    }
}

fn bounded(url: &str) -> String {
    url.get(..url.floor_char_boundary(MAX_REFERENCE_BYTES))
        .unwrap_or_default()
        .to_owned()
}
