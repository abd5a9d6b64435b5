//! As much CSS as it takes to know whether an element can be seen, and what it loads.

use std::collections::HashMap;

/// Rules kept from style sheets. Newsletters have about a hundred.
const MAX_RULES: usize = 2000;
/// A font below this many pixels cannot be read.
const UNREADABLE_PIXELS: f32 = 2.0;
/// An element that begins this many pixels outside of the page is not on it.
const OFF_SCREEN_PIXELS: f32 = -500.0;

/// What a style says about being seen. `None`: nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Style {
    /// `display: none`, or a size, opacity or place where nothing is seen.
    pub(super) removes: bool,
    /// `visibility`.
    pub(super) invisible: Option<bool>,
    /// `font-size`.
    pub(super) zero_font: Option<bool>,
}

impl Style {
    /// Reads a list of declarations.
    pub(super) fn read(declarations: &str) -> Style {
        let mut style = Style::default();
        let mut cut = Cut::default();
        for (property, value) in properties(declarations) {
            style.declare(&property, &value);
            cut.declare(&property, &value);
        }
        style.removes |= cut.hides();
        style
    }

    /// What `self` does not say, `other` does.
    pub(super) fn or(self, other: Style) -> Style {
        Style {
            removes: self.removes || other.removes,
            invisible: self.invisible.or(other.invisible),
            zero_font: self.zero_font.or(other.zero_font),
        }
    }

    fn declare(&mut self, property: &str, value: &str) {
        match property {
            "display" => self.removes |= value == "none",
            "visibility" => self.invisible = Some(matches!(value, "hidden" | "collapse")),
            "font-size" => {
                self.zero_font =
                    number(value).map(|(size, _)| size < UNREADABLE_PIXELS && !relative(value))
            }
            "font" => {
                let size = value.split_whitespace().find_map(|word| {
                    number(word.split('/').next()?).filter(|(_, unit)| !unit.is_empty())
                });
                if let Some((size, _)) = size {
                    self.zero_font = Some(size < UNREADABLE_PIXELS && !relative(value));
                }
            }
            "opacity" => self.removes |= number(value).is_some_and(|(opacity, _)| opacity < 0.05),
            "left" | "top" | "right" | "margin-left" | "margin-top" | "text-indent" => {
                self.removes |=
                    number(value).is_some_and(|(offset, _)| offset <= OFF_SCREEN_PIXELS);
            }
            "clip" => self.removes |= value.starts_with("rect(0"),
            _ => {}
        }
    }
}

/// Declarations that hide together: no size and nothing shown outside of it; a colour on the same colour.
#[derive(Default)]
struct Cut {
    no_size: bool,
    overflow_hidden: bool,
    color: Option<String>,
    background: Option<String>,
}

impl Cut {
    fn declare(&mut self, property: &str, value: &str) {
        match property {
            "height" | "width" | "max-height" | "max-width" => {
                self.no_size |= number(value)
                    .is_some_and(|(size, _)| size < UNREADABLE_PIXELS && !relative(value));
            }
            "overflow" | "overflow-x" | "overflow-y" => self.overflow_hidden |= value == "hidden",
            "color" => self.color = Some(color(value)),
            "background" | "background-color" => self.background = Some(color(value)),
            _ => {}
        }
    }

    fn hides(&self) -> bool {
        let same_color = self.color.is_some() && self.color == self.background;
        self.no_size && self.overflow_hidden
            || same_color
            || self.color.as_deref() == Some("transparent")
    }
}

/// The styles of classes and identifiers, from style sheets.
#[derive(Default)]
pub(super) struct Sheet {
    rules: HashMap<String, Style>,
}

impl Sheet {
    /// Reads a style sheet. Rules for other media (narrow screens, print) are left out: what they hide is seen
    /// elsewhere.
    pub(super) fn read(&mut self, sheet: &str) {
        let sheet = without_comments(sheet);
        let mut rest = sheet.as_str();
        while let Some((selectors, after)) = rest.split_once('{') {
            // `@import "x";` and the like have no block.
            let selectors = selectors
                .rsplit_once(';')
                .map_or(selectors, |(_, selectors)| selectors);
            if selectors.trim_start().starts_with('@') {
                rest = skip_block(after);
                continue;
            }
            let (declarations, next) = after.split_once('}').unwrap_or((after, ""));
            rest = next;
            let style = Style::read(declarations);
            if style != Style::default() {
                self.add(selectors, style);
            }
        }
    }

    /// The style of an element by its classes and identifier.
    pub(super) fn style(&self, class: Option<&str>, id: Option<&str>) -> Style {
        if self.rules.is_empty() {
            return Style::default();
        }
        let by_class = class
            .into_iter()
            .flat_map(str::split_whitespace)
            .map(|name| format!(".{name}"));
        let by_id = id.map(|name| format!("#{name}"));
        by_id
            .into_iter()
            .chain(by_class)
            .filter_map(|key| self.rules.get(&key))
            .fold(Style::default(), |all, style| all.or(*style))
    }

    fn add(&mut self, selectors: &str, style: Style) {
        for selector in selectors.split(',') {
            let selector = selector.trim();
            // `.x`, `#x`, `p.x`: one element. What depends on where an element stands is not followed.
            let start = selector.find(['.', '#']);
            let Some(key) = start.and_then(|start| selector.get(start..)) else {
                continue;
            };
            let simple = key.bytes().skip(1).all(|byte| {
                byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') || byte >= 0x80
            });
            if simple && !selector.contains(char::is_whitespace) && self.rules.len() < MAX_RULES {
                let known = self.rules.entry(key.to_owned()).or_default();
                *known = style.or(*known);
            }
        }
    }
}

/// The URLs that a style or style sheet loads: `url(…)` and `@import "…"`.
pub(super) fn urls(css: &str) -> impl Iterator<Item = &str> {
    let mut rest = css;
    std::iter::from_fn(move || {
        loop {
            let at = rest.find(['(', '@'])?;
            let (before, after) = rest.split_at_checked(at)?;
            let quoted_only = after.starts_with('@');
            let after = if quoted_only {
                after.get(1..)?.strip_prefix("import")
            } else {
                after.get(1..)
            };
            let ends_in_url = before
                .len()
                .checked_sub(3)
                .and_then(|start| before.get(start..))
                .is_some_and(|word| word.eq_ignore_ascii_case("url"));
            let Some(after) = after.filter(|_| quoted_only || ends_in_url) else {
                rest = rest.get(at + 1..)?;
                continue;
            };
            let after = after.trim_start();
            let (end, after) = match after.chars().next()? {
                quote @ ('"' | '\'') => (quote, after.get(1..)?),
                _ if quoted_only => {
                    rest = after;
                    continue;
                }
                _ => (')', after),
            };
            // An unclosed one ends with the line. What was read is not read again, so that this stays linear.
            let length = after.find([end, '\n']).unwrap_or(after.len());
            let (url, next) = after.split_at_checked(length)?;
            rest = next;
            if !url.trim().is_empty() {
                return Some(url.trim());
            }
        }
    })
}

/// Pairs of property and value, both in lower case, without `!important`.
fn properties(declarations: &str) -> impl Iterator<Item = (String, String)> {
    let declarations = without_comments(declarations);
    let pairs: Vec<(String, String)> = declarations
        .split(';')
        .filter_map(|declaration| {
            let (property, value) = declaration.split_once(':')?;
            let value = value.split('!').next().unwrap_or_default();
            Some((
                property.trim().to_ascii_lowercase(),
                value.trim().to_ascii_lowercase(),
            ))
        })
        .collect();
    pairs.into_iter()
}

fn without_comments(css: &str) -> String {
    let mut out = String::with_capacity(css.len());
    let mut rest = css;
    while let Some((before, comment)) = rest.split_once("/*") {
        out.push_str(before);
        rest = comment.split_once("*/").map_or("", |(_, after)| after);
    }
    out.push_str(rest);
    // Style sheets in mails stand in HTML comments, for programs that are long gone.
    out.replace("<!--", "").replace("-->", "")
}

/// What follows a block whose `{` was read.
fn skip_block(css: &str) -> &str {
    let mut depth = 1usize;
    for (at, byte) in css.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return css.get(at + 1..).unwrap_or_default();
        }
    }
    ""
}

/// A number and its unit.
fn number(value: &str) -> Option<(f32, &str)> {
    let end = value
        .find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '-' | '+')))
        .unwrap_or(value.len());
    let (number, unit) = value.split_at_checked(end)?;
    Some((number.parse().ok()?, unit))
}

/// Whether the size depends on something else, so that a small number is not a small size.
fn relative(value: &str) -> bool {
    number(value).is_some_and(|(size, unit)| {
        size > 0.0 && matches!(unit, "em" | "rem" | "%" | "vw" | "vh" | "ex" | "ch")
    })
}

/// One spelling for the colours that are hidden in.
fn color(value: &str) -> String {
    match value {
        "white" | "#fff" | "#ffffff" | "rgb(255,255,255)" | "rgb(255, 255, 255)" => {
            "#ffffff".to_owned()
        }
        "black" | "#000" | "#000000" | "rgb(0,0,0)" | "rgb(0, 0, 0)" => "#000000".to_owned(),
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hides(declarations: &str) -> bool {
        let style = Style::read(declarations);
        style.removes || style.invisible == Some(true) || style.zero_font == Some(true)
    }

    #[test]
    fn styles_that_hide_are_recognised() {
        for (declarations, expected) in [
            ("display:none", true),
            ("DISPLAY : None !important", true),
            ("dis/**/play:none", true),
            ("display:block", false),
            ("visibility:hidden", true),
            ("font-size:0", true),
            ("font-size:1px", true),
            ("font-size:0.8em", false),
            ("font-size:12px", false),
            ("font: 0px/0 arial", true),
            ("opacity:0", true),
            ("opacity:.9", false),
            ("max-height:0;overflow:hidden", true),
            ("max-height:0", false),
            ("width:100%;overflow:hidden", false),
            ("position:absolute;left:-9999px", true),
            ("color:#fff;background-color:white", true),
            ("color:#fff;background-color:#00f", false),
            ("background:#fff", false),
        ] {
            assert_eq!(hides(declarations), expected, "{declarations}");
        }
    }

    #[test]
    fn classes_of_this_medium_hide_and_those_of_others_do_not() {
        let mut sheet = Sheet::default();
        sheet.read("<!-- @import 'x.css'; .a, p.b {display:none} @media (max-width:600px){.c{display:none} .d{x:y}} #e{font-size:0} .f .g{display:none} -->");
        for (class, expected) in [
            ("a", true),
            ("x b", true),
            ("c", false),
            ("d", false),
            ("g", false),
        ] {
            assert_eq!(sheet.style(Some(class), None).removes, expected, "{class}");
        }
        assert_eq!(sheet.style(None, Some("e")).zero_font, Some(true));
    }

    #[test]
    fn loaded_urls_are_found() {
        let found: Vec<_> =
            urls("@import \"a.css\"; x{background:URL( 'http://b/' ) url(c) url(}").collect();
        assert_eq!(found, ["a.css", "http://b/", "c", "}"]);
    }
}
