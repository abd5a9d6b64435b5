//! Walking a TOML document: every key that is asked for is known, all others are mistakes.

use super::mistake::Found;
use super::values::kind;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value with its place.
pub(super) type Item<'d> = &'d Spanned<DeValue<'d>>;

/// All that is wrong with a document, in the order in which it was found.
#[derive(Debug, Default)]
pub(super) struct Mistakes(RefCell<Vec<Found>>);

impl Mistakes {
    pub(super) fn add(&self, found: Found) {
        self.0.borrow_mut().push(found);
    }

    pub(super) fn into_inner(self) -> Vec<Found> {
        self.0.into_inner()
    }
}

/// One table of the document, or the place where it could be.
pub(super) struct Section<'d> {
    table: Option<&'d DeTable<'d>>,
    /// Dotted, empty for the document.
    path: String,
    /// Where the table stands.
    here: Range<usize>,
    asked: Vec<&'static str>,
    mistakes: &'d Mistakes,
    /// Where each known key belongs, to tell those who put it elsewhere.
    homes: &'d BTreeMap<String, String>,
}

impl<'d> Section<'d> {
    /// The document itself.
    pub(super) fn document<T>(
        table: &'d DeTable<'d>,
        mistakes: &'d Mistakes,
        homes: &'d BTreeMap<String, String>,
        read: impl FnOnce(&mut Section<'d>) -> T,
    ) -> T {
        let path = String::new();
        let asked = Vec::new();
        Section {
            table: Some(table),
            path,
            here: 0..0,
            asked,
            mistakes,
            homes,
        }
        .read(read)
    }

    /// The table `key`, read by `read` whether it is there or not.
    pub(super) fn section<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Section<'d>) -> T,
    ) -> T {
        let item = self.item(key).filter(|item| self.is_table(key, item));
        self.below(key, item).read(read)
    }

    /// The tables `[[key]]`, in order.
    pub(super) fn sections<T>(
        &mut self,
        key: &'static str,
        mut read: impl FnMut(&mut Section<'d>) -> T,
    ) -> Vec<T> {
        let Some(item) = self.item(key) else {
            return Vec::new();
        };
        let Some(items) = item.get_ref().as_array() else {
            let hint = format!("write [[{}]]", self.dotted(key));
            self.wrong(
                key,
                item.span(),
                format!("expected tables, found {}", kind(item.get_ref())),
                Some(hint),
            );
            return Vec::new();
        };
        let tables = items.iter().filter(|item| self.is_table(key, item));
        tables
            .map(|table| self.below(key, Some(table)).read(&mut read))
            .collect()
    }

    /// The tables `[key.<name>]` with names that the operator chose.
    pub(super) fn named<T>(
        &mut self,
        key: &'static str,
        check: impl Fn(&str) -> Result<(), String>,
        mut read: impl FnMut(&mut Section<'d>) -> T,
    ) -> Vec<(String, T)> {
        let item = self.item(key).filter(|item| self.is_table(key, item));
        let outer = self.below(key, item);
        let mut result = Vec::new();
        for (name, item) in outer.table.into_iter().flatten() {
            if let Err(why) = check(name.get_ref()) {
                outer.wrong(name.get_ref(), name.span(), why, None);
            } else if outer.is_table(name.get_ref(), item) {
                let value = outer.below(name.get_ref(), Some(item)).read(&mut read);
                result.push((name.get_ref().to_string(), value));
            }
        }
        result
    }

    /// The value of `key`, or `default` if it is absent or wrong.
    pub(super) fn value<T>(
        &mut self,
        key: &'static str,
        default: T,
        parse: impl FnOnce(&DeValue<'_>) -> Result<T, String>,
    ) -> T {
        let Some(item) = self.item(key) else {
            return default;
        };
        parse(item.get_ref()).unwrap_or_else(|why| {
            self.wrong(key, item.span(), why, None);
            default
        })
    }

    /// The values of the array `key`, or `default`; each wrong value is a mistake of its own.
    pub(super) fn list<T>(
        &mut self,
        key: &'static str,
        default: Vec<T>,
        mut parse: impl FnMut(&DeValue<'_>) -> Result<T, String>,
    ) -> Vec<T> {
        let Some(item) = self.item(key) else {
            return default;
        };
        let Some(items) = item.get_ref().as_array() else {
            self.wrong(
                key,
                item.span(),
                format!("expected an array, found {}", kind(item.get_ref())),
                None,
            );
            return default;
        };
        let mut result = Vec::new();
        for item in items {
            match parse(item.get_ref()) {
                Ok(value) => result.push(value),
                Err(why) => self.wrong(key, item.span(), why, None),
            }
        }
        result
    }

    /// Where the value of `key` stands; where the section stands in the file if it is absent.
    pub(super) fn place(&self, key: &str) -> Range<usize> {
        let own = self
            .table
            .and_then(|table| table.get(key))
            .map(Spanned::span);
        own.unwrap_or_else(|| self.here.clone())
    }

    /// Where each of the values of the array `key` stands.
    pub(super) fn places(&self, key: &str) -> Vec<Range<usize>> {
        let item = self.table.and_then(|table| table.get(key));
        let items = item.and_then(|item| item.get_ref().as_array());
        items.into_iter().flatten().map(Spanned::span).collect()
    }

    /// Whether `key` is there.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.is_some_and(|table| table.contains_key(key))
    }

    /// Whether `key` is there, and a table.
    pub(super) fn has_table(&self, key: &str) -> bool {
        let item = self.table.and_then(|table| table.get(key));
        item.is_some_and(|item| item.get_ref().is_table())
    }

    /// Notes a mistake.
    pub(super) fn wrong(
        &self,
        key: &str,
        span: Range<usize>,
        message: String,
        hint: Option<String>,
    ) {
        self.mistakes.add(Found {
            span,
            key: self.dotted(key),
            message,
            hint,
        });
    }

    fn read<T>(mut self, read: impl FnOnce(&mut Section<'d>) -> T) -> T {
        let result = read(&mut self);
        self.report_unknown();
        result
    }

    fn report_unknown(&self) {
        for (key, _) in self.table.into_iter().flatten() {
            let name: &str = key.get_ref();
            if !self.asked.contains(&name) {
                let near = nearest(name, &self.asked).map(|n| format!("did you mean `{n}`?"));
                let home = || {
                    self.homes
                        .get(name)
                        .map(|home| format!("it belongs in {home}"))
                };
                let all = || Some(format!("known here: {}", self.asked.join(", ")));
                let hint = near.or_else(home).or_else(all);
                self.wrong(name, key.span(), format!("unknown key `{name}`"), hint);
            }
        }
    }

    fn item(&mut self, key: &'static str) -> Option<Item<'d>> {
        self.asked.push(key);
        self.table.and_then(|table| table.get(key))
    }

    fn is_table(&self, key: &str, item: Item<'d>) -> bool {
        let is_table = item.get_ref().is_table();
        if !is_table {
            let hint = Some(format!("write [{}]", self.dotted(key)));
            self.wrong(
                key,
                item.span(),
                format!("expected a table, found {}", kind(item.get_ref())),
                hint,
            );
        }
        is_table
    }

    fn below(&self, key: &str, item: Option<Item<'d>>) -> Section<'d> {
        Section {
            table: item.and_then(|item| item.get_ref().as_table()),
            path: self.dotted(key),
            here: item.map_or_else(|| self.here.clone(), Spanned::span),
            asked: Vec::new(),
            mistakes: self.mistakes,
            homes: self.homes,
        }
    }

    fn dotted(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }
}

/// The known word that was probably meant: written differently, or mistyped in at most a third of
/// its letters.
pub(super) fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    let plain = |w: &str| w.replace(['-', '_', ' '], "").to_ascii_lowercase();
    let word = plain(word);
    // The comparison is quadratic in the length, and no key is that long.
    if word.len() > 64 {
        return None;
    }
    let distance = |k: &&str| strsim::damerau_levenshtein(&word, &plain(k));
    let near = known.iter().copied().min_by_key(distance)?;
    (distance(&near) <= near.len().div_ceil(3)).then_some(near)
}
