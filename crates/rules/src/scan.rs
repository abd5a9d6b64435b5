//! Running the rules: scanners that are made once and used for one piece of data after another.

use std::time::Duration;

use yara_x::{MatchingRules, ScanError, Scanner};

use crate::compile::CompiledSet;
use crate::hit::{
    Hit, MAX_MATCHES_PER_HIT, MAX_MATCHES_PER_PATTERN, PatternMatch, Scan, ScanFailure, excerpt,
};
use crate::load::{RuleInfo, RuleSet};
use crate::meta::Group;
use crate::module::with_facts;
use crate::place::Place;
use crate::proto::Mail;

/// Shortest time limit: YARA-X counts whole seconds of a clock that ticks once a second, so that
/// a limit of one second may end a scan at once.
const MIN_TIMEOUT: Duration = Duration::from_secs(2);

/// Bounds of one scan of one set of rules.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ScanOptions {
    /// When a scan is given up; at least two seconds. YARA-X looks once a second, and not inside
    /// every loop: only killing the process stops a scan reliably.
    pub timeout: Duration,
    /// Occurrences of a pattern that are counted: `#a > N` is never true for a larger N. Bounds
    /// the memory of a scan of data that consists of one pattern.
    pub max_matches_per_pattern: usize,
}

impl Default for ScanOptions {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(10),
            max_matches_per_pattern: 10_000,
        }
    }
}

/// What public rules are told of an artifact beside its content.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Externals<'a> {
    /// The name of the file: `invoice.exe`.
    pub filename: &'a str,
    /// Where it is: `2/invoice.zip/invoice.exe`.
    pub filepath: &'a str,
    /// The extension of the name, lower case, without or with its dot.
    pub extension: &'a str,
    /// The file type found by content.
    pub filetype: &'a str,
}

/// One scanner for each set of rules, ready to be used again and again by one thread.
///
/// [`new`](Self::new) makes everything a scan needs, so that a process may give up the right to
/// map executable memory and to start threads afterwards.
pub struct Scanners<'r> {
    rules: &'r [RuleInfo],
    sets: Vec<SetScanner<'r>>,
    timeout: Duration,
}

struct SetScanner<'r> {
    set: &'r CompiledSet,
    scanner: Scanner<'r>,
}

impl std::fmt::Debug for Scanners<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let places: Vec<String> = self
            .sets
            .iter()
            .map(|set| set.set.place.to_string())
            .collect();
        f.debug_struct("Scanners").field("sets", &places).finish()
    }
}

impl<'r> Scanners<'r> {
    /// Makes the scanners and runs each of them once, on nothing: the first scan starts YARA-X's
    /// clock, which is a thread.
    pub fn new(rules: &'r RuleSet, options: &ScanOptions) -> Self {
        let timeout = options.timeout.max(MIN_TIMEOUT);
        let sets = rules
            .sets
            .iter()
            .map(|set| {
                let mut scanner = Scanner::new(&set.rules);
                scanner.set_timeout(timeout);
                scanner.max_matches_per_pattern(options.max_matches_per_pattern);
                SetScanner { set, scanner }
            })
            .collect();
        let mut scanners = Self {
            rules: rules.rules(),
            sets,
            timeout,
        };
        scanners.run(&[], &Mail::new(), &Externals::default(), |_| true);
        scanners
    }

    /// Runs the file rules on an artifact: those for every artifact, those for its group of file
    /// types, and public ones. `group` is a word of [`Group`]; of any other word, no group.
    /// `facts` should be slim: what the mail says of itself, and `part`.
    pub fn scan_file(
        &mut self,
        data: &[u8],
        group: &str,
        facts: &Mail,
        externals: &Externals<'_>,
    ) -> Scan {
        let group = Group::parse(group).map(|group| Place::File(Some(group)));
        let of_group = |set: &&SetScanner<'_>| Some(set.set.place) == group;
        let joined = self
            .sets
            .iter()
            .find(of_group)
            .is_some_and(|set| set.set.with_common);
        self.run(data, facts, externals, |place| match place {
            Place::Vendor => true,
            Place::File(None) => !joined,
            Place::File(Some(_)) => Some(place) == group,
            Place::Mail | Place::Raw => false,
        })
    }

    /// Runs the raw rules on the message as transmitted.
    pub fn scan_raw(&mut self, data: &[u8], facts: &Mail) -> Scan {
        self.run(data, facts, &Externals::default(), |place| {
            place == Place::Raw
        })
    }

    /// Runs the mail rules on the visible text, with everything that is known.
    pub fn scan_mail(&mut self, text: &str, facts: &Mail) -> Scan {
        self.run(text.as_bytes(), facts, &Externals::default(), |place| {
            place == Place::Mail
        })
    }

    fn run(
        &mut self,
        data: &[u8],
        facts: &Mail,
        externals: &Externals<'_>,
        wanted: impl Fn(Place) -> bool,
    ) -> Scan {
        let Self {
            rules,
            sets,
            timeout,
        } = self;
        let mut scan = Scan::default();
        let mut wanted: Vec<_> = sets
            .iter_mut()
            .filter(|set| wanted(set.set.place))
            .collect();
        let mut run = |sets: &mut [&mut SetScanner<'_>]| {
            for set in sets {
                if let Err(error) = set.run(data, facts, externals, rules, &mut scan.hits) {
                    scan.failures.push(ScanFailure {
                        set: set.set.place.to_string(),
                        cause: cause(&error, *timeout),
                    });
                }
            }
        };
        // Most sets of file rules do not look at the mail: then nothing has to be copied.
        if wanted.iter().any(|set| set.set.imports_mail) {
            with_facts(facts, || run(&mut wanted));
        } else {
            run(&mut wanted);
        }
        scan
    }
}

impl SetScanner<'_> {
    fn run(
        &mut self,
        data: &[u8],
        facts: &Mail,
        externals: &Externals<'_>,
        rules: &[RuleInfo],
        hits: &mut Vec<Hit>,
    ) -> Result<(), ScanError> {
        if self.set.imports_mail {
            // Consumed by this scan; the next one has to bring its own.
            self.scanner.set_module_output(Box::new(facts.clone()))?;
        }
        if self.set.place == Place::Vendor {
            set_externals(&mut self.scanner, externals);
        }
        let results = self.scanner.scan(data)?;
        hits.extend(self.set.hits(results.matching_rules(), rules));
        Ok(())
    }
}

impl CompiledSet {
    fn hits<'a>(
        &'a self,
        matching: MatchingRules<'a, 'a>,
        rules: &'a [RuleInfo],
    ) -> impl Iterator<Item = Hit> {
        matching.filter_map(move |rule| {
            let index = *self.index.get(rule.namespace())?.get(rule.identifier())?;
            let info = rules.get(index)?;
            Some(Hit {
                rule: info.name.clone(),
                namespace: info.namespace.clone(),
                score: info.score,
                category: info.category,
                action: info.action,
                stage: info.stage,
                description: info.description.clone(),
                attack: info.attack.clone(),
                matches: matches(&rule),
            })
        })
    }
}

fn matches(rule: &yara_x::Rule<'_, '_>) -> Vec<PatternMatch> {
    rule.patterns()
        .flat_map(|pattern| {
            pattern
                .matches()
                .take(MAX_MATCHES_PER_PATTERN)
                .map(move |found| PatternMatch {
                    pattern: pattern.identifier().to_owned(),
                    offset: found.range().start as u64,
                    length: found.range().len() as u64,
                    text: excerpt(found.data()),
                })
        })
        .take(MAX_MATCHES_PER_HIT)
        .collect()
}

fn set_externals(scanner: &mut Scanner<'_>, externals: &Externals<'_>) {
    // Public rules compare with the dot: `extension == ".exe"`.
    let extension = match externals.extension {
        "" => String::new(),
        extension => format!(".{}", extension.trim_start_matches('.')),
    };
    for (name, value) in [
        ("extension", extension.as_str()),
        ("file_name", externals.filename),
        ("file_type", externals.filetype),
        ("filename", externals.filename),
        ("filepath", externals.filepath),
        ("filetype", externals.filetype),
    ] {
        scanner
            .set_global(name, value)
            .expect("the compiler has defined it as a string");
    }
}

fn cause(error: &ScanError, timeout: Duration) -> String {
    match error {
        ScanError::Timeout => format!("no result within {} s", timeout.as_secs()),
        other => other.to_string(),
    }
}
