//! From a directory of rule files to a set of compiled rules, or everything that is wrong with it.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::compile::{self, CompiledSet};
use crate::contract::{self, Declaration};
use crate::meta::{Category, FloorAction, Stage};
use crate::place::Place;
use crate::problem::{Level, LoadError, Problem};
use crate::sources::{self, Found, Source};

/// Bounds of a rules directory, and what its public sets are worth.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct LoadOptions {
    /// Largest rule file, in bytes. The largest file of a known public set has 3 MB.
    pub max_file_bytes: u64,
    /// All rule files together, in bytes: compiling takes about seven times as much memory.
    pub max_total_bytes: u64,
    /// Number of rule files.
    pub max_files: usize,
    /// What the hits of a public set count, by the name of its directory under `vendor/`. Sets
    /// that are not named here are in shadow and count nothing.
    pub vendor: BTreeMap<String, VendorOptions>,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self {
            max_file_bytes: 16 << 20,
            max_total_bytes: 128 << 20,
            max_files: 20_000,
            vendor: BTreeMap::new(),
        }
    }
}

/// What the rules of one public set count, whatever they say of themselves.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct VendorOptions {
    /// Points of each hit.
    pub score: u32,
    /// Category of each hit.
    pub category: Category,
    /// The least that each hit does.
    pub action: Option<FloorAction>,
    /// Whether the hits count.
    pub stage: Stage,
}

impl Default for VendorOptions {
    fn default() -> Self {
        Self {
            score: 0,
            category: Category::Suspicious,
            action: None,
            stage: Stage::Shadow,
        }
    }
}

/// Rules for every artifact that are compiled into each group's set as well: with fifteen groups this bounds
/// what compiling costs more.
const MAX_JOINED_RULES: usize = 200;

/// What is known of a rule without running it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct RuleInfo {
    /// The name of the rule.
    pub name: String,
    /// The file it is in; see [`crate::Hit::namespace`].
    pub namespace: String,
    /// What it is run on.
    pub place: Place,
    /// What it says about itself; may be empty for public rules.
    pub description: String,
    /// Points, 0 to [`crate::MAX_SCORE`].
    pub score: u32,
    /// What kind of danger it speaks of.
    pub category: Category,
    /// The least that its hits do.
    pub action: Option<FloorAction>,
    /// Whether its hits count.
    pub stage: Stage,
    /// ATT&CK technique.
    pub attack: Option<String>,
    /// Who wrote it.
    pub author: Option<String>,
    /// When, in the author's own notation.
    pub date: Option<String>,
    /// Where to read more.
    pub reference: Option<String>,
    /// Its file, relative to the rules directory.
    pub file: String,
    /// The line of its name, from 1.
    pub line: u32,
}

impl RuleInfo {
    /// The name that hits carry; see [`crate::Hit::full_name`].
    pub fn full_name(&self) -> String {
        crate::hit::full_name(&self.namespace, &self.name)
    }
}

/// All rules of a directory, compiled.
pub struct RuleSet {
    pub(crate) sets: Vec<CompiledSet>,
    rules: Vec<RuleInfo>,
    digest: String,
    warnings: Vec<Problem>,
}

impl std::fmt::Debug for RuleSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RuleSet")
            .field("digest", &self.digest)
            .field("rules", &self.rules.len())
            .field("warnings", &self.warnings.len())
            .finish()
    }
}

impl RuleSet {
    /// Finds, checks and compiles the rules of a directory.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with our own rules, all at once. What is wrong with a file of a
    /// public set is a [warning](Self::warnings), and the rest of the set is loaded.
    pub fn load(dir: &Path, options: &LoadOptions) -> Result<Self, LoadError> {
        let Found {
            sources,
            errors: mut problems,
            mut warnings,
        } = sources::find(dir, options);
        let digest = digest(&sources, options);

        let declarations: Vec<Vec<Declaration>> = sources
            .iter()
            .map(|source| match source.place {
                Place::Vendor => contract::read_leniently(&source.text),
                _ => contract::check(&source.path, &source.text, &mut problems),
            })
            .collect();
        refuse_equal_names(&sources, &declarations, &mut problems);

        let mut sets = Vec::new();
        for place in places(&sources) {
            let of_place: Vec<&Source> = sources.iter().filter(|s| s.place == place).collect();
            let compiled = match place {
                Place::Vendor => Ok(compile::vendor(&of_place, &mut warnings)),
                _ => compile::own(place, &of_place, &mut warnings),
            };
            match compiled {
                Ok(set) => sets.push(set),
                Err(errors) => problems.extend(errors),
            }
        }
        if !problems.is_empty() {
            problems.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
            return Err(LoadError { problems });
        }

        join_common(&mut sets, &sources);
        let rules = index(&mut sets, &sources, &declarations, options);
        sets.retain(|set| !set.index.is_empty());
        if rules.is_empty() {
            let message = "there are no rules: nothing will ever be found".to_owned();
            warnings.push(Problem::of_file(Level::Warning, "", &message, ""));
        }
        Ok(Self {
            sets,
            rules,
            digest,
            warnings,
        })
    }

    /// Digest of these rules: SHA-256, in hexadecimal, over the path and the content of every
    /// file and what is configured for public sets. Equal digests mean equal hits.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Every rule that can hit, in the order of their files.
    pub fn rules(&self) -> &[RuleInfo] {
        &self.rules
    }

    /// What is doubtful but did not keep the rules from being loaded, such as a file of a public
    /// set that does not compile and was left out.
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }
}

fn places(sources: &[Source]) -> Vec<Place> {
    let mut places: Vec<Place> = sources.iter().map(|source| source.place).collect();
    places.sort();
    places.dedup();
    places
}

/// Compiles the rules for every artifact into the set of each group as well, while they are few: an artifact
/// is then scanned once instead of twice. Handing over the facts is most of what a scan of a small artifact
/// costs, and it is paid per scan.
fn join_common(sets: &mut [CompiledSet], sources: &[Source]) {
    let common = Place::File(None);
    let is_common = |set: &CompiledSet| set.place == common;
    let count = sets
        .iter()
        .find(|set| is_common(set))
        .map_or(0, |set| set.rules.iter().len());
    if count == 0 || count > MAX_JOINED_RULES {
        return;
    }
    for set in sets
        .iter_mut()
        .filter(|set| matches!(set.place, Place::File(Some(_))))
    {
        let wanted = |source: &&Source| source.place == common || source.place == set.place;
        let of_both: Vec<&Source> = sources.iter().filter(wanted).collect();
        // Each half has compiled before, with the warnings that it has.
        if let Ok(mut joined) = compile::own(set.place, &of_both, &mut Vec::new()) {
            joined.with_common = true;
            *set = joined;
        }
    }
}

/// A hit is known by the name of its rule, so there is one rule of each name among our own.
/// (Twice in one file is for the compiler to find.)
fn refuse_equal_names(
    sources: &[Source],
    declarations: &[Vec<Declaration>],
    problems: &mut Vec<Problem>,
) {
    let mut first: HashMap<&str, (&Source, u32)> = HashMap::new();
    for (source, declarations) in sources.iter().zip(declarations) {
        if source.place == Place::Vendor {
            continue;
        }
        for declaration in declarations
            .iter()
            .filter(|declaration| !declaration.private)
        {
            match first.get(declaration.name.as_str()) {
                Some((other, line)) if other.path != source.path => {
                    let name = &declaration.name;
                    problems.push(Problem::at(
                        &crate::problem::Lines::new(&source.text),
                        &source.path,
                        declaration.name_span.clone(),
                        &format!("there are two rules `{name}`"),
                        &format!("the other is in {}:{line}", other.path),
                        "rename one of them: verdicts, lists and settings know a rule by its name",
                    ));
                }
                Some(_) => {}
                None => {
                    first.insert(&declaration.name, (source, declaration.line));
                }
            }
        }
    }
}

/// Joins what the compiler kept with what the sources declare.
fn index(
    sets: &mut [CompiledSet],
    sources: &[Source],
    declarations: &[Vec<Declaration>],
    options: &LoadOptions,
) -> Vec<RuleInfo> {
    let mut declared: HashMap<(&str, &str), (&Source, &Declaration)> = HashMap::new();
    for (source, declarations) in sources.iter().zip(declarations) {
        for declaration in declarations {
            declared.insert(
                (source.namespace(), &declaration.name),
                (source, declaration),
            );
        }
    }
    let mut rules = Vec::new();
    let mut known: HashMap<(String, String), usize> = HashMap::new();
    for set in sets {
        for rule in set.rules.iter().filter(|rule| !rule.is_private()) {
            let key = (rule.namespace(), rule.identifier());
            let Some((source, declaration)) = declared.get(&key) else {
                continue;
            };
            let (namespace, name) = (rule.namespace().to_owned(), rule.identifier().to_owned());
            let number = *known
                .entry((namespace.clone(), name.clone()))
                .or_insert_with(|| {
                    rules.push(info(source, declaration, options));
                    rules.len() - 1
                });
            set.index.entry(namespace).or_default().insert(name, number);
        }
    }
    rules
}

fn info(source: &Source, declaration: &Declaration, options: &LoadOptions) -> RuleInfo {
    let meta = declaration.meta.clone();
    let counts = match source.vendor() {
        Some(vendor) => options.vendor.get(vendor).copied().unwrap_or_default(),
        // The contract has made sure of score and category.
        None => VendorOptions {
            score: meta.score,
            category: meta.category.unwrap_or(Category::Suspicious),
            action: meta.action,
            stage: meta.stage.unwrap_or(Stage::Live),
        },
    };
    RuleInfo {
        name: declaration.name.clone(),
        namespace: source.namespace().to_owned(),
        place: source.place,
        description: meta.description,
        score: counts.score,
        category: counts.category,
        action: counts.action,
        stage: counts.stage,
        attack: meta.attack,
        author: meta.author,
        date: meta.date,
        reference: meta.reference,
        file: source.path.clone(),
        line: declaration.line,
    }
}

fn digest(sources: &[Source], options: &LoadOptions) -> String {
    let mut hash = Sha256::new();
    let mut field = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    let mut vendors: Vec<&str> = sources.iter().filter_map(Source::vendor).collect();
    vendors.dedup();
    for source in sources {
        field(source.path.as_bytes());
        field(source.text.as_bytes());
    }
    for name in vendors {
        let counts = options.vendor.get(name).copied().unwrap_or_default();
        field(name.as_bytes());
        field(&counts.score.to_be_bytes());
        field(counts.category.as_str().as_bytes());
        field(counts.action.map_or("", FloorAction::as_str).as_bytes());
        field(counts.stage.as_str().as_bytes());
    }
    hash.finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
