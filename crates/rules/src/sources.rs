//! Finding the rule files: what is where under `rules/`, what is ignored and what is refused.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::contract::{listed, nearest};
use crate::load::LoadOptions;
use crate::meta::Group;
use crate::place::Place;
use crate::problem::{Level, Problem};

/// Depth of directories below `rules/`: deeper is a mistake, or a link that leads round.
const MAX_DEPTH: usize = 16;

/// The directories that hold rules.
const DIRECTORIES: &[&str] = &["file", "mail", "raw", "vendor"];

/// One rule file.
pub(crate) struct Source {
    pub(crate) place: Place,
    /// Relative to the rules directory, with `/`: `file/office/macros.yar`.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Source {
    /// Rules of different namespaces do not see each other; each file is its own. Public rules
    /// keep the extension, because `a.yar` and `a.yara` may stand side by side.
    pub(crate) fn namespace(&self) -> &str {
        match self.place {
            Place::Vendor => &self.path,
            _ => self
                .path
                .rsplit_once('.')
                .map_or(self.path.as_str(), |(stem, _)| stem),
        }
    }

    /// The name of the public set: `acme` of `vendor/acme/a.yar`.
    pub(crate) fn vendor(&self) -> Option<&str> {
        match self.place {
            Place::Vendor => self.path.split('/').nth(1),
            _ => None,
        }
    }
}

/// Every rule file, in the order of their paths, so that a rule set is the same on every machine.
pub(crate) fn find(dir: &Path, options: &LoadOptions) -> Found {
    let mut walk = Walk {
        root: PathBuf::new(),
        options,
        total: 0,
        visited: BTreeSet::new(),
        found: Found::default(),
    };
    match fs::canonicalize(dir).and_then(|root| fs::read_dir(&root).map(|_| root)) {
        Ok(root) => {
            walk.root = root;
            walk.top();
        }
        Err(error) => walk.found.errors.push(Problem::of_file(
            Level::Error,
            &dir.display().to_string(),
            &format!("{}: {error}", dir.display()),
            "the rules directory holds file/, mail/, raw/ and vendor/",
        )),
    }
    walk.found.sources.sort_by(|a, b| a.path.cmp(&b.path));
    walk.found
}

/// What [`find`] found.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) sources: Vec<Source>,
    pub(crate) errors: Vec<Problem>,
    pub(crate) warnings: Vec<Problem>,
}

struct Walk<'o> {
    root: PathBuf,
    options: &'o LoadOptions,
    total: u64,
    visited: BTreeSet<PathBuf>,
    found: Found,
}

impl Walk<'_> {
    fn top(&mut self) {
        for entry in self.entries("") {
            match (entry.is_dir, entry.name.as_str()) {
                (true, "mail") => self.directory("mail", Place::Mail, 1),
                (true, "raw") => self.directory("raw", Place::Raw, 1),
                (true, "file") => self.file_directory(),
                (true, "vendor") => self.vendor_directory(),
                // Samples for the rules, read by whoever tests them.
                (true, "tests") => {}
                (true, name) => self.unknown_directory(name, name, DIRECTORIES),
                (false, name) if is_rule_file(name) => self.error(
                    name,
                    &format!("{name} is in none of the directories of rules"),
                    "move it to mail/, file/ or raw/: the directory decides what a rule is run on",
                ),
                (false, _) => {}
            }
        }
    }

    fn file_directory(&mut self) {
        for entry in self.entries("file") {
            let path = format!("file/{}", entry.name);
            if !entry.is_dir {
                self.file(&path, Place::File(None), &entry);
            } else if let Some(group) = Group::parse(&entry.name) {
                self.directory(&path, Place::File(Some(group)), 2);
            } else {
                let groups: Vec<&str> = Group::ALL.iter().map(|group| group.as_str()).collect();
                self.unknown_directory(&path, &entry.name, &groups);
            }
        }
    }

    fn vendor_directory(&mut self) {
        for entry in self.entries("vendor") {
            let path = format!("vendor/{}", entry.name);
            if entry.is_dir {
                self.directory(&path, Place::Vendor, 2);
            } else if is_rule_file(&entry.name) {
                let help = "each public set has a directory of its own: vendor/NAME/…";
                self.error(&path, &format!("{path} belongs to no set"), help);
            }
        }
    }

    /// All files below a directory; its sub-directories mean nothing.
    fn directory(&mut self, path: &str, place: Place, depth: usize) {
        if depth > MAX_DEPTH {
            let message = format!("{path}: more than {MAX_DEPTH} levels of directories");
            return self.refuse(place, path, &message, "flatten the directory");
        }
        for entry in self.entries(path) {
            let path = format!("{path}/{}", entry.name);
            if entry.is_dir {
                self.directory(&path, place, depth + 1);
            } else {
                self.file(&path, place, &entry);
            }
        }
    }

    fn file(&mut self, path: &str, place: Place, entry: &Entry) {
        if !is_rule_file(&entry.name) {
            // A public set comes with all sorts of files; among our own it may be a mistyped name.
            if place != Place::Vendor && !is_document(&entry.name) {
                self.warning(
                    path,
                    &format!("{path} is not a .yar or .yara file and was left out"),
                );
            }
            return;
        }
        if self.found.sources.len() >= self.options.max_files {
            let message = format!("{path}: more than {} rule files", self.options.max_files);
            return self.refuse(place, path, &message, "raise the limit or remove files");
        }
        let Some(bytes) = self.read(path, place, &entry.path) else {
            return;
        };
        self.total = self.total.saturating_add(bytes.len() as u64);
        if self.total > self.options.max_total_bytes {
            let limit = self.options.max_total_bytes;
            let message = format!("{path}: all rules together exceed {limit} bytes");
            return self.refuse(place, path, &message, "remove sets that are not needed");
        }
        if let Some(text) = self.decode(path, place, bytes) {
            let path = path.to_owned();
            self.found.sources.push(Source { place, path, text });
        }
    }

    fn read(&mut self, path: &str, place: Place, full: &Path) -> Option<Vec<u8>> {
        let limit = self.options.max_file_bytes;
        match read_limited(full, limit) {
            Ok(Some(bytes)) => return Some(bytes),
            Ok(None) => {
                let message = format!("{path}: larger than {limit} bytes");
                self.refuse(place, path, &message, "split the file");
            }
            Err(error) => self.refuse(place, path, &format!("{path}: {error}"), ""),
        }
        None
    }

    fn decode(&mut self, path: &str, place: Place, bytes: Vec<u8>) -> Option<String> {
        let error = match String::from_utf8(bytes) {
            Ok(text) => return Some(text),
            Err(error) => error,
        };
        let offset = error.utf8_error().valid_up_to();
        let message = format!("{path}: byte {offset} is not UTF-8");
        if place != Place::Vendor {
            self.error(path, &message, "save the file as UTF-8");
            return None;
        }
        // Old public sets have Latin-1 in comments and names of authors.
        self.warning(path, &format!("{message}; the file was read as Latin-1"));
        let bytes = error.into_bytes();
        Some(bytes.iter().map(|&byte| char::from(byte)).collect())
    }

    /// The entries of a directory in order, without hidden files and what editors leave behind.
    /// Links are followed as long as they stay below the rules directory.
    fn entries(&mut self, path: &str) -> Vec<Entry> {
        let full = self.root.join(path);
        let Some(canonical) = fs::canonicalize(&full).ok() else {
            return Vec::new();
        };
        if !self.visited.insert(canonical) {
            return Vec::new();
        }
        let entries = match fs::read_dir(&full) {
            Ok(entries) => entries,
            Err(error) => {
                self.error(path, &format!("{path}: {error}"), "");
                return Vec::new();
            }
        };
        let mut found = Vec::new();
        for entry in entries.flatten() {
            let name = match entry.file_name().into_string() {
                Ok(name) => name,
                Err(name) => {
                    let message = format!("{path}: the file name {name:?} is not UTF-8");
                    self.error(path, &message, "rename the file");
                    continue;
                }
            };
            if !is_leftover(&name) {
                found.extend(self.entry(path, name, entry.path()));
            }
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        found
    }

    fn entry(&mut self, parent: &str, name: String, full: PathBuf) -> Option<Entry> {
        let path = if parent.is_empty() {
            name.clone()
        } else {
            format!("{parent}/{name}")
        };
        let canonical = match fs::canonicalize(&full) {
            Ok(canonical) => canonical,
            Err(error) => {
                self.error(&path, &format!("{path}: {error}"), "");
                return None;
            }
        };
        if !canonical.starts_with(&self.root) {
            let message = format!("{path} is a link out of the rules directory");
            self.error(
                &path,
                &message,
                "copy the files: what is run must be what is here",
            );
            return None;
        }
        let is_dir = canonical.is_dir();
        Some(Entry {
            name,
            path: canonical,
            is_dir,
        })
    }

    fn unknown_directory(&mut self, path: &str, name: &str, known: &[&str]) {
        let near = nearest(name, known);
        let help = match near {
            Some(near) => format!("did you mean `{near}`? the names are {}", listed(known)),
            None => format!("the names are {}", listed(known)),
        };
        self.error(path, &format!("{path} is not a directory of rules"), &help);
    }

    /// Our own rules are all or nothing; of a public set, the rest is loaded.
    fn refuse(&mut self, place: Place, path: &str, message: &str, help: &str) {
        match place {
            Place::Vendor => self.warning(path, &format!("{message}: left out")),
            _ => self.error(path, message, help),
        }
    }

    fn error(&mut self, path: &str, message: &str, help: &str) {
        self.found
            .errors
            .push(Problem::of_file(Level::Error, path, message, help));
    }

    fn warning(&mut self, path: &str, message: &str) {
        self.found
            .warnings
            .push(Problem::of_file(Level::Warning, path, message, ""));
    }
}

struct Entry {
    name: String,
    path: PathBuf,
    is_dir: bool,
}

fn is_rule_file(name: &str) -> bool {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    extension.eq_ignore_ascii_case("yar") || extension.eq_ignore_ascii_case("yara")
}

fn is_document(name: &str) -> bool {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    matches!(extension, "md" | "txt") || name.starts_with("LICENSE") || name.starts_with("README")
}

/// Hidden files, and what editors and package managers leave beside the real file.
fn is_leftover(name: &str) -> bool {
    name.starts_with('.')
        || name.starts_with('#')
        || name.ends_with('~')
        || [
            ".bak",
            ".orig",
            ".rej",
            ".swp",
            ".tmp",
            ".dpkg-old",
            ".dpkg-dist",
            ".rpmsave",
        ]
        .iter()
        .any(|suffix| name.ends_with(suffix))
}

/// The content of a file, or `None` if it is larger than the limit.
fn read_limited(path: &Path, limit: u64) -> std::io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?
        .take(limit.saturating_add(1))
        .read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= limit).then_some(bytes))
}
