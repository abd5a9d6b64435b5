use serde::{Deserialize, Serialize};

use crate::artifact::Artifact;

/// What was found in a mail, beside the bytes.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Unpacked {
    /// All artifacts. A parent stands before what was found inside it.
    pub artifacts: Vec<Artifact>,
    /// What a reader sees of the bodies: plain text, and HTML as it is rendered. White space is collapsed,
    /// invisible characters are gone. Includes the bodies of nested mails that are shown inline.
    pub text: String,
    /// Text of the HTML bodies that a reader does not see.
    pub hidden_text: String,
    /// The text was longer than its bound.
    pub text_truncated: bool,
    /// Zero-width characters, soft hyphens and direction marks that were in the visible text.
    pub invisible_chars: u32,
    /// What documents refer to, in order of appearance.
    pub references: Vec<Reference>,
    /// There were more references than the bound; the rest is missing.
    pub references_truncated: bool,
    /// What the HTML bodies consist of, all of them together. Attached documents have their own, in
    /// [`Artifact::html`].
    pub html: HtmlFeatures,
    /// What is wrong with the mail, its parts, and the mails inside.
    pub defects: Vec<FoundDefect>,
    /// The mails inside this one.
    pub nested: Vec<NestedMail>,
}

/// A URL reference in a document, as it is written there.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Reference {
    /// Character references are decoded and blanks around it are gone; nothing else was done. May be relative.
    /// At most 8 KiB.
    pub raw: String,
    /// Where it stands.
    pub context: Context,
    /// The visible text of a link, at most 2 KiB.
    pub text: Option<String>,
    /// The reader does not see the element.
    pub hidden: bool,
    /// Stands in a conditional comment, which only Outlook renders.
    pub conditional: bool,
    /// Index of the artifact.
    pub artifact: usize,
}

/// Where in a document a reference stands.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Context {
    /// `action` of a form, or `formaction` of a button.
    Action,
    /// `href` of `base`: relative references of the same artifact start there.
    Base,
    /// `src` of a frame, `data` of an object, and the like.
    Frame,
    /// `href` of a link.
    Href,
    /// `href` of an area of an image map.
    ImageMap,
    /// An image, or another thing that is loaded and shown.
    Image,
    /// A refresh that leads elsewhere.
    MetaRefresh,
    /// `src` of a script.
    Script,
    /// A URL written inside a script.
    ScriptText,
    /// A style sheet, or a URL inside one.
    Style,
    /// A link in an SVG image.
    Svg,
    /// A link or fill of VML, which only Outlook renders.
    Vml,
}

impl Context {
    /// The word used in rules and output.
    pub fn name(self) -> &'static str {
        match self {
            Context::Action => "action",
            Context::Base => "base",
            Context::Frame => "frame",
            Context::Href => "href",
            Context::ImageMap => "image-map",
            Context::Image => "image",
            Context::MetaRefresh => "meta-refresh",
            Context::Script => "script",
            Context::ScriptText => "script-text",
            Context::Style => "style",
            Context::Svg => "svg",
            Context::Vml => "vml",
        }
    }
}

/// What an HTML document consists of, in numbers.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub struct HtmlFeatures {
    /// `form` elements.
    pub forms: u32,
    /// Fields to fill in, password fields included; hidden ones are not counted.
    pub inputs: u32,
    /// `<input type=password>`.
    pub password_inputs: u32,
    /// `script` elements.
    pub scripts: u32,
    /// Attributes that are scripts: `onload`, `onclick`, …
    pub event_handlers: u32,
    /// Calls in scripts that build a file or decode data: `Blob`, `createObjectURL`, `msSaveOrOpenBlob`,
    /// `atob`, `fromCharCode`, `unescape`, `document.write`, `eval`.
    pub smuggling_calls: u32,
    /// `download` attributes: the link saves a file.
    pub downloads: u32,
    /// Frames of any kind, objects and embedded things.
    pub frames: u32,
    /// Images of any kind.
    pub images: u32,
    /// Images of at most 2 by 2 pixels.
    pub tracking_pixels: u32,
    /// Links.
    pub links: u32,
    /// Elements that hide their content.
    pub hidden_elements: u32,
    /// Elements with a font size of zero, or almost.
    pub zero_font: u32,
    /// Conditional comments, which only Outlook renders.
    pub conditional_comments: u32,
    /// Refreshes that lead elsewhere.
    pub meta_refresh: u32,
    /// `base` elements with an address.
    pub bases: u32,
    /// Attributes that occur twice in one element; the first counts.
    pub duplicate_attributes: u32,
    /// `svg` elements.
    pub svg: u32,
    /// Table cells with a background colour and no content: what a picture drawn with a table consists of.
    pub empty_coloured_cells: u32,
    /// `data:` URLs.
    pub data_urls: u32,
    /// The first `base` address.
    pub base_href: Option<String>,
}

impl HtmlFeatures {
    /// Adds the numbers of another document; the first `base` address stays.
    pub(crate) fn add(&mut self, other: &HtmlFeatures) {
        let pairs = [
            (&mut self.forms, other.forms),
            (&mut self.inputs, other.inputs),
            (&mut self.password_inputs, other.password_inputs),
            (&mut self.scripts, other.scripts),
            (&mut self.event_handlers, other.event_handlers),
            (&mut self.smuggling_calls, other.smuggling_calls),
            (&mut self.downloads, other.downloads),
            (&mut self.frames, other.frames),
            (&mut self.images, other.images),
            (&mut self.tracking_pixels, other.tracking_pixels),
            (&mut self.links, other.links),
            (&mut self.hidden_elements, other.hidden_elements),
            (&mut self.zero_font, other.zero_font),
            (&mut self.conditional_comments, other.conditional_comments),
            (&mut self.meta_refresh, other.meta_refresh),
            (&mut self.bases, other.bases),
            (&mut self.duplicate_attributes, other.duplicate_attributes),
            (&mut self.svg, other.svg),
            (&mut self.empty_coloured_cells, other.empty_coloured_cells),
            (&mut self.data_urls, other.data_urls),
        ];
        for (mine, theirs) in pairs {
            *mine = mine.saturating_add(theirs);
        }
        if self.base_href.is_none() {
            self.base_href.clone_from(&other.base_href);
        }
    }
}

/// A defect, and where it is.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct FoundDefect {
    /// The path of the part, as in [`Artifact::path`]; that of the container for a nested mail as a whole;
    /// empty for the mail itself.
    pub path: String,
    /// The kind of defect: [`mail::Defect::code`].
    pub code: String,
    /// The defect in words, with the bound where one was reached.
    pub detail: String,
}

/// A mail inside the mail.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct NestedMail {
    /// Index of the artifact.
    pub artifact: usize,
    /// Attacker text, at most 1 KiB.
    pub subject: String,
    /// The addresses of the From fields; at most 16.
    pub from: Vec<String>,
}
