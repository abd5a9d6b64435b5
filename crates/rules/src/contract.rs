//! The contract of our own rules: what their `meta` section must and may say.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;
use yara_x_parser::ast::{self, MetaValue, RuleFlags, WithSpan};

use crate::meta::{Category, FloorAction, Stage};
use crate::problem::{Lines, Problem};

/// Highest score of one rule. Two rules of 1000 are as far from the default thresholds (40, 80)
/// as anybody needs; beyond it, it is a typing error.
pub const MAX_SCORE: u32 = 1000;

/// Longest description in characters: it is shown in tables and written to the journal.
const MAX_DESCRIPTION: usize = 400;

/// The keys a `meta` section may have.
pub(crate) const META_KEYS: &[&str] = &[
    "action",
    "attack",
    "author",
    "category",
    "date",
    "description",
    "reference",
    "score",
    "stage",
];

/// The keys that decide what a hit does; a private rule never hits.
const KEYS_OF_REPORTED_RULES: &[&str] = &["action", "attack", "category", "score", "stage"];

/// Names further from each other than this are not the same word mistyped (0 to 1).
const SIMILAR: f64 = 0.7;

static ATTACK: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^T\d{4}(\.\d{3})?$").expect("the pattern is a constant and valid")
});

/// What the `meta` section of a rule says.
#[derive(Clone, Debug, Default)]
pub(crate) struct RuleMeta {
    pub(crate) description: String,
    pub(crate) score: u32,
    pub(crate) category: Option<Category>,
    pub(crate) action: Option<FloorAction>,
    pub(crate) stage: Option<Stage>,
    pub(crate) attack: Option<String>,
    pub(crate) author: Option<String>,
    pub(crate) date: Option<String>,
    pub(crate) reference: Option<String>,
}

/// A rule as its source declares it.
#[derive(Clone, Debug)]
pub(crate) struct Declaration {
    pub(crate) name: String,
    pub(crate) name_span: Range<usize>,
    pub(crate) line: u32,
    pub(crate) private: bool,
    pub(crate) meta: RuleMeta,
}

/// The rules of a file of our own; adds to `problems` what breaks the contract.
pub(crate) fn check(file: &str, source: &str, problems: &mut Vec<Problem>) -> Vec<Declaration> {
    let lines = Lines::new(source);
    let ast = ast::AST::from(source);
    let mut checker = Checker {
        file,
        lines: &lines,
        problems,
    };
    ast.rules().map(|rule| checker.rule(rule)).collect()
}

/// The rules of a public file: whatever it says about them that we can use.
pub(crate) fn read_leniently(source: &str) -> Vec<Declaration> {
    let lines = Lines::new(source);
    let ast = ast::AST::from(source);
    ast.rules()
        .map(|rule| {
            let mut meta = RuleMeta::default();
            for entry in rule.meta.iter().flatten() {
                let Some(text) = text(&entry.value) else {
                    continue;
                };
                let text = shorten(text);
                match entry.identifier.name.to_ascii_lowercase().as_str() {
                    "description" => meta.description = text,
                    "author" => meta.author = Some(text),
                    "date" => meta.date = Some(text),
                    "reference" => meta.reference = Some(text),
                    _ => {}
                }
            }
            declaration(rule, &lines, meta)
        })
        .collect()
}

fn declaration(rule: &ast::Rule<'_>, lines: &Lines<'_>, meta: RuleMeta) -> Declaration {
    let name_span = rule.identifier.span().range();
    Declaration {
        name: rule.identifier.name.to_owned(),
        line: lines.position(name_span.start).0,
        name_span,
        private: rule.flags.contains(RuleFlags::Private),
        meta,
    }
}

struct Checker<'a> {
    file: &'a str,
    lines: &'a Lines<'a>,
    problems: &'a mut Vec<Problem>,
}

impl Checker<'_> {
    fn rule(&mut self, rule: &ast::Rule<'_>) -> Declaration {
        let name = rule.identifier.name;
        if rule.flags.contains(RuleFlags::Global) {
            self.report(
                rule.identifier.span().range(),
                &format!("rule `{name}` is global"),
                "remove `global`",
                "a global rule silently switches off all other rules of its file wherever it does \
                 not match; write a private rule and name it in the conditions that need it",
            );
        }
        let mut meta = RuleMeta::default();
        let mut seen: Vec<&str> = Vec::new();
        for entry in rule.meta.iter().flatten() {
            self.entry(rule, entry, &mut meta, &seen);
            seen.push(entry.identifier.name);
        }
        self.missing(rule, &seen);
        declaration(rule, self.lines, meta)
    }

    fn entry(
        &mut self,
        rule: &ast::Rule<'_>,
        entry: &ast::Meta<'_>,
        meta: &mut RuleMeta,
        seen: &[&str],
    ) {
        let key = entry.identifier.name;
        let key_span = entry.identifier.span().range();
        let name = rule.identifier.name;
        if !META_KEYS.contains(&key) {
            let label = match nearest(key, META_KEYS) {
                Some(valid) => format!("did you mean `{valid}`?"),
                None => "no such key".to_owned(),
            };
            let help = format!("the keys are {}", listed(META_KEYS));
            let message = format!("rule `{name}`: unknown meta key `{key}`");
            return self.report(key_span, &message, &label, &help);
        }
        if seen.contains(&key) {
            let message = format!("rule `{name}`: meta key `{key}` is given twice");
            return self.report(key_span, &message, "remove one of them", "");
        }
        if rule.flags.contains(RuleFlags::Private) && KEYS_OF_REPORTED_RULES.contains(&key) {
            let message = format!("rule `{name}` is private, so its `{key}` has no effect");
            let help = "a private rule is never reported; remove the key, or remove `private`";
            return self.report(key_span, &message, "never looked at", help);
        }
        if let Err(expected) = store(meta, key, &entry.value) {
            let message = format!("rule `{name}`: `{key}` is not valid");
            self.report(entry.value.span().range(), &message, &expected, "");
        }
    }

    fn missing(&mut self, rule: &ast::Rule<'_>, seen: &[&str]) {
        if rule.flags.contains(RuleFlags::Private) {
            return;
        }
        let required = ["description", "score", "category"];
        let missing: Vec<&str> = required
            .into_iter()
            .filter(|key| !seen.contains(key))
            .collect();
        if missing.is_empty() {
            return;
        }
        let name = rule.identifier.name;
        let message = format!("rule `{name}`: its meta section lacks {}", listed(&missing));
        let help = format!(
            "description = \"what it finds, in plain words\", score = 0 to {MAX_SCORE}, category = one of {}",
            listed(&words(Category::ALL, Category::as_str))
        );
        self.report(
            rule.identifier.span().range(),
            &message,
            "add to `meta:`",
            &help,
        );
    }

    fn report(&mut self, span: Range<usize>, message: &str, label: &str, help: &str) {
        self.problems.push(Problem::at(
            self.lines, self.file, span, message, label, help,
        ));
    }
}

/// Takes one entry over, or says what would have been right.
fn store(meta: &mut RuleMeta, key: &str, value: &MetaValue<'_>) -> Result<(), String> {
    match key {
        "description" => {
            let text = text(value).ok_or("expected a string")?;
            let length = text.trim().chars().count();
            if length == 0 {
                return Err("say in plain words what the rule finds".to_owned());
            }
            if length > MAX_DESCRIPTION {
                return Err(format!("{length} characters; at most {MAX_DESCRIPTION}"));
            }
            meta.description = text.trim().to_owned();
        }
        "score" => {
            let MetaValue::Integer((score, _)) = value else {
                return Err(format!("expected an integer, 0 to {MAX_SCORE}"));
            };
            meta.score = u32::try_from(*score)
                .ok()
                .filter(|score| *score <= MAX_SCORE)
                .ok_or_else(|| format!("expected 0 to {MAX_SCORE}; 0 is informational"))?;
        }
        "category" => {
            meta.category = Some(word(value, Category::ALL, Category::as_str)?);
        }
        "action" => meta.action = Some(word(value, FloorAction::ALL, FloorAction::as_str)?),
        "stage" => meta.stage = Some(word(value, Stage::ALL, Stage::as_str)?),
        "attack" => {
            let text = text(value)
                .filter(|text| ATTACK.is_match(text))
                .ok_or("expected an ATT&CK technique such as \"T1566\" or \"T1566.001\"")?;
            meta.attack = Some(text.to_owned());
        }
        "author" => meta.author = Some(text(value).ok_or("expected a string")?.to_owned()),
        "date" => meta.date = Some(text(value).ok_or("expected a string")?.to_owned()),
        "reference" => meta.reference = Some(text(value).ok_or("expected a string")?.to_owned()),
        _ => return Err(format!("the keys are {}", listed(META_KEYS))),
    }
    Ok(())
}

/// A value out of a closed set of words.
fn word<T: Copy>(
    value: &MetaValue<'_>,
    all: &[T],
    as_str: fn(T) -> &'static str,
) -> Result<T, String> {
    let known = words(all, as_str);
    let Some(text) = text(value) else {
        return Err(format!("expected one of {}", listed(&known)));
    };
    match all.iter().find(|value| as_str(**value) == text) {
        Some(value) => Ok(*value),
        None => Err(match nearest(text, &known) {
            Some(near) => format!("did you mean \"{near}\"? one of {}", listed(&known)),
            None => format!("expected one of {}", listed(&known)),
        }),
    }
}

fn words<T: Copy>(all: &[T], as_str: fn(T) -> &'static str) -> Vec<&'static str> {
    all.iter().map(|value| as_str(*value)).collect()
}

fn text<'v>(value: &'v MetaValue<'_>) -> Option<&'v str> {
    match value {
        MetaValue::String((text, _)) => Some(text),
        MetaValue::Bytes((bytes, _)) => std::str::from_utf8(bytes).ok(),
        MetaValue::Bool(_) | MetaValue::Float(_) | MetaValue::Integer(_) => None,
    }
}

/// The word that was probably meant.
pub(crate) fn nearest<'w>(word: &str, words: &[&'w str]) -> Option<&'w str> {
    words
        .iter()
        .map(|known| (strsim::jaro_winkler(&word.to_lowercase(), known), *known))
        .filter(|(similarity, _)| *similarity >= SIMILAR)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, known)| known)
}

pub(crate) fn listed(words: &[&str]) -> String {
    words.join(", ")
}

/// What strangers wrote, made fit for a table.
fn shorten(text: &str) -> String {
    let printable = text
        .trim()
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c });
    printable.take(MAX_DESCRIPTION).collect()
}
