//! Calling the YARA-X compiler: strictly for our own rules, leniently for public ones.

use std::collections::{HashMap, HashSet};

use yara_x::{Compiler, SourceCode};

use crate::place::Place;
use crate::problem::{Level, Problem, RENDER_WIDTH};
use crate::sources::Source;

/// The external variables that public rule sets expect: name and value before a scan sets it.
pub(crate) const EXTERNAL_STRINGS: &[(&str, &str)] = &[
    ("extension", ""),
    ("file_name", ""),
    ("file_type", ""),
    ("filename", ""),
    ("filepath", ""),
    ("filetype", ""),
    ("md5", ""),
    ("owner", ""),
];

/// Modules that are no part of this build; rules of public sets that need them are left out.
const ABSENT_MODULES: &[&str] = &["androguard", "crx", "magic", "msi", "olecf", "vba"];

/// Modules that make no sense in our own rules, and why.
const BANNED_MODULES: &[(&str, &str)] = &[
    (
        "console",
        "nobody reads what it prints; matched strings are in the verdict",
    ),
    (
        "cuckoo",
        "it reads the report of a sandbox, and there is none",
    ),
    (
        "time",
        "the same mail must get the same answer tomorrow; mail.date is its own date",
    ),
    ("vt", "it reads data of VirusTotal, and there is none"),
];

/// The rules of one place, compiled together.
pub(crate) struct CompiledSet {
    pub(crate) place: Place,
    pub(crate) rules: yara_x::Rules,
    /// Some rule imports `mail`: scans have to bring the facts.
    pub(crate) imports_mail: bool,
    /// A set for one group of file types that has the rules for every artifact as well.
    pub(crate) with_common: bool,
    /// Namespace, then name, to the index of the rule's description.
    pub(crate) index: HashMap<String, HashMap<String, usize>>,
}

impl CompiledSet {
    fn new(place: Place, rules: yara_x::Rules) -> Self {
        let imports_mail = rules.imports().any(|module| module == "mail");
        Self {
            place,
            rules,
            imports_mail,
            with_common: false,
            index: HashMap::new(),
        }
    }
}

/// Compiles our own rules of one place, or says everything that is wrong with them.
pub(crate) fn own(
    place: Place,
    sources: &[&Source],
    warnings: &mut Vec<Problem>,
) -> Result<CompiledSet, Vec<Problem>> {
    let mut compiler = new_compiler();
    compiler
        .error_on_slow_pattern(true)
        .error_on_slow_loop(true);
    for (module, reason) in BANNED_MODULES {
        compiler.ban_module(
            *module,
            format!("module `{module}` is not for mail"),
            *reason,
        );
    }
    let mut problems = Vec::new();
    let mut errors_before = 0;
    let mut warnings_before = 0;
    for source in sources {
        // The first error is returned, all are collected in the compiler.
        let _ = add(&mut compiler, source);
        let errors = compiler.errors().iter().skip(errors_before);
        problems.extend(errors.map(|e| Problem::from_yara(&source.text, &source.path, e)));
        errors_before = compiler.errors().len();

        let new = compiler.warnings().iter().skip(warnings_before);
        let doubtful = new.filter(|warning| !is_mistaken(source, warning));
        warnings.extend(doubtful.map(|warning| from_warning(source, warning)));
        warnings_before = compiler.warnings().len();
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(CompiledSet::new(place, compiler.build()))
}

/// Compiles public rules. A file that does not compile is left out with a warning.
///
/// The compiler keeps the rules of a broken file that stand before the error; half a file is not
/// what its author wrote, so the set is compiled again without it.
pub(crate) fn vendor(sources: &[&Source], warnings: &mut Vec<Problem>) -> CompiledSet {
    let mut broken: HashSet<&str> = HashSet::new();
    let mut compiler = vendor_compiler();
    for source in sources {
        if let Err(error) = add(&mut compiler, source) {
            let problem = Problem::from_yara(&source.text, &source.path, &error);
            warnings.push(left_out(problem));
            broken.insert(&source.path);
        }
    }
    if !broken.is_empty() {
        compiler = vendor_compiler();
        for source in sources
            .iter()
            .filter(|source| !broken.contains(source.path.as_str()))
        {
            if let Err(error) = add(&mut compiler, source) {
                warnings.push(left_out(Problem::from_yara(
                    &source.text,
                    &source.path,
                    &error,
                )));
            }
        }
    }
    let ignored: Vec<&str> = compiler.ignored_rules().map(|(name, _)| name).collect();
    if !ignored.is_empty() {
        let modules = ABSENT_MODULES.join(", ");
        let message = format!(
            "{} public rules need a module that is not available ({modules}) and were left out: {}",
            ignored.len(),
            shortened(&ignored)
        );
        warnings.push(Problem::of_file(Level::Warning, "vendor", &message, ""));
    }
    CompiledSet::new(Place::Vendor, compiler.build())
}

fn new_compiler() -> Compiler<'static> {
    let mut compiler = Compiler::new();
    compiler
        .enable_includes(false)
        .errors_max_width(RENDER_WIDTH);
    compiler
}

fn vendor_compiler() -> Compiler<'static> {
    let mut compiler = new_compiler();
    compiler.relaxed_re_syntax(true).switch_all_warnings(false);
    for module in ABSENT_MODULES {
        compiler.ignore_module(*module);
    }
    for (name, value) in EXTERNAL_STRINGS {
        compiler
            .define_global(name, *value)
            .expect("the names are constants and differ");
    }
    compiler
        .define_global("new_file", false)
        .expect("the names are constants and differ");
    compiler
}

fn add(compiler: &mut Compiler<'_>, source: &Source) -> Result<(), yara_x::errors::CompileError> {
    compiler.new_namespace(source.namespace());
    let code = SourceCode::from(source.text.as_str()).with_origin(source.path.as_str());
    compiler.add_source(code).map(|_| ())
}

/// The compiler takes a condition that consists of a field of `mail` for a constant: fields of a
/// proto3 message have a value before there is a mail. Only the warning is wrong, not the code.
fn is_mistaken(source: &Source, warning: &yara_x::warnings::Warning) -> bool {
    let label = warning.labels().next();
    let code = label.and_then(|label| source.text.get(label.span().range()));
    warning.code() == "invariant_expr" && code.is_some_and(|code| code.contains("mail."))
}

fn from_warning(source: &Source, warning: &yara_x::warnings::Warning) -> Problem {
    let start = warning
        .labels()
        .next()
        .map_or(0, |label| label.span().start());
    let (line, column) = crate::problem::Lines::new(&source.text).position(start);
    Problem {
        file: source.path.clone(),
        line,
        column,
        message: warning.title().to_owned(),
        text: warning.to_string(),
    }
}

fn left_out(mut problem: Problem) -> Problem {
    problem.message = format!(
        "{}:{} left out: {}",
        problem.file, problem.line, problem.message
    );
    problem.text = format!("warning: {} was left out\n{}", problem.file, problem.text);
    problem
}

/// The first names of a long list.
fn shortened(names: &[&str]) -> String {
    const SHOWN: usize = 10;
    let shown = names
        .iter()
        .take(SHOWN)
        .copied()
        .collect::<Vec<_>>()
        .join(", ");
    if names.len() > SHOWN {
        format!("{shown}, …")
    } else {
        shown
    }
}
