//! The analysts' guide, docs/rules.md, says what is true.

use std::fs;
use std::path::PathBuf;

use crate::{directory, write};
use rules::{LoadOptions, RuleSet};

const BEGIN: &str = "<!-- The tables are made from crates/rules/proto/mail.proto. -->\n";
const END: &str = "<!-- End of the tables. -->\n";

fn guide_path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/rules.md")
}

fn guide() -> String {
    fs::read_to_string(guide_path()).expect("docs/rules.md")
}

/// The tables of the guide, from the comments of the schema.
fn tables() -> String {
    let schema = include_str!("../../proto/mail.proto");
    let mut tables = String::new();
    let mut comment: Vec<&str> = Vec::new();
    for line in schema.lines().map(str::trim) {
        if let Some(text) = line.strip_prefix("//") {
            comment.push(text.trim());
        } else if let Some(name) = line
            .strip_prefix("message ")
            .and_then(|rest| rest.strip_suffix(" {"))
        {
            tables.push_str(&format!("\n### `{name}`\n\n{}\n\n", comment.join(" ")));
            tables.push_str("| field | type | meaning |\n|---|---|---|\n");
            comment.clear();
        } else if let Some((declaration, _)) = line.split_once(" = ") {
            // The first line of the file has no type.
            let Some((kind, name)) = declaration.rsplit_once(' ') else {
                continue;
            };
            // A bar would end the cell, and `<` would begin a tag.
            let text = comment.join(" ").replace('|', "\\|").replace('<', "&lt;");
            tables.push_str(&format!("| `{name}` | {} | {text} |\n", described(kind)));
            comment.clear();
        } else {
            comment.clear();
        }
    }
    tables.push('\n');
    tables
}

fn described(kind: &str) -> String {
    match kind.strip_prefix("repeated ") {
        Some(of) => format!("list of {}", described(of)),
        None => match kind {
            "string" => "string".to_owned(),
            "int64" => "integer".to_owned(),
            "bool" => "boolean".to_owned(),
            "map<string, string>" => "map of strings".to_owned(),
            message => format!("`{message}`"),
        },
    }
}

#[test]
fn the_guide_lists_every_field_as_the_schema_describes_it() {
    let guide = guide();
    let (before, rest) = guide.split_once(BEGIN).expect("the mark before the tables");
    let (found, after) = rest.split_once(END).expect("the mark after the tables");
    let expected = tables();
    if std::env::var_os("UPDATE").is_some() {
        let updated = format!("{before}{BEGIN}{expected}{END}{after}");
        fs::write(guide_path(), updated).expect("docs/rules.md");
        return;
    }
    assert_eq!(
        found, expected,
        "run this test with UPDATE=1 to write the tables anew"
    );
}

#[test]
fn the_guide_names_every_function() {
    let module = include_str!("../../src/module.rs");
    let exported = module.split("#[module_export]\nfn ").skip(1);
    let names: Vec<&str> = exported.filter_map(|rest| rest.split('(').next()).collect();
    assert!(names.len() >= 8, "{names:?}");
    for name in names {
        assert!(
            guide().contains(&format!("`mail.{name}(")),
            "mail.{name} is not in the guide"
        );
    }
}

#[test]
fn the_guide_names_every_word_of_the_closed_sets() {
    let guide = guide();
    let words = (rules::Category::ALL.iter().map(|word| word.as_str()))
        .chain(rules::FloorAction::ALL.iter().map(|word| word.as_str()))
        .chain(rules::Stage::ALL.iter().map(|word| word.as_str()))
        .chain(rules::Group::ALL.iter().map(|word| word.as_str()));
    for word in words {
        assert!(
            guide.contains(&format!("`{word}`")),
            "`{word}` is not in the guide"
        );
    }
}

/// Each example begins with the file it belongs in: `// mail/example.yar`.
#[test]
fn the_examples_of_the_guide_compile_without_a_warning() {
    let guide = guide();
    let examples: Vec<&str> = guide
        .split("```yara\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap_or_default())
        .collect();
    assert!(examples.len() >= 4);
    let dir = directory(&[]);
    for example in examples {
        let path = example
            .lines()
            .next()
            .and_then(|line| line.strip_prefix("// "));
        write(
            dir.path(),
            path.expect("the first line names the file"),
            example,
        );
    }
    let rules = RuleSet::load(dir.path(), &LoadOptions::default());
    let rules = rules.unwrap_or_else(|error| panic!("{error}"));
    let warnings: Vec<String> = rules.warnings().iter().map(ToString::to_string).collect();
    assert!(warnings.is_empty(), "{}", warnings.join("\n"));
}
