//! The YARA-X module behind `import "mail"`: the structure is `proto/mail.proto`, the functions
//! are here.

use std::cell::RefCell;

use yara_x::mods::prelude::*;
use yara_x::register_module;

use crate::proto::Mail;

register_module!("mail", Mail, empty_mail);

/// Runs when a scan was given no facts, which is when nobody asks for them.
fn empty_mail(_ctx: &mut ModuleContext, _data: &[u8]) -> Result<Mail, ModuleError> {
    Ok(Mail::new())
}

thread_local! {
    /// The facts of the scan that runs on this thread. YARA-X hands functions a scan context
    /// whose module output is private to its own modules, so they have to be told by another way;
    /// conditions are evaluated on the thread that called `scan`.
    static FACTS: RefCell<Mail> = RefCell::new(Mail::new());
}

/// Runs a scan whose functions answer from these facts, and forgets them afterwards.
pub(crate) fn with_facts<T>(facts: &Mail, scan: impl FnOnce() -> T) -> T {
    /// Forgets on panic as well: one mail must not answer for the next.
    struct Forget;
    impl Drop for Forget {
        fn drop(&mut self) {
            FACTS.with_borrow_mut(|current| *current = Mail::new());
        }
    }
    FACTS.with_borrow_mut(|current| *current = asked_for(facts));
    let _forget = Forget;
    scan()
}

/// The facts that functions answer from: of the many others, no copy is made.
fn asked_for(facts: &Mail) -> Mail {
    Mail {
        links: facts.links.clone(),
        parts: facts.parts.clone(),
        part: facts.part.clone(),
        defects: facts.defects.clone(),
        failures: facts.failures.clone(),
        ..Mail::default()
    }
}

/// Some defect has this code.
#[module_export]
fn has_defect(ctx: &ScanContext, code: RuntimeString) -> bool {
    let code = code.as_bstr(ctx).as_bytes();
    FACTS.with_borrow(|mail| {
        mail.defects
            .iter()
            .any(|defect| defect.code.as_bytes() == code)
    })
}

/// Some check with this name could not tell.
#[module_export]
fn has_failure(ctx: &ScanContext, check: RuntimeString) -> bool {
    let check = check.as_bstr(ctx).as_bytes();
    FACTS.with_borrow(|mail| {
        mail.failures
            .iter()
            .any(|failure| failure.check.as_bytes() == check)
    })
}

/// Some link has this flag.
#[module_export]
fn has_flag(ctx: &ScanContext, flag: RuntimeString) -> bool {
    let flag = flag.as_bstr(ctx).as_bytes();
    FACTS.with_borrow(|mail| {
        mail.links
            .iter()
            .any(|link| link.flags.iter().any(|known| known.as_bytes() == flag))
    })
}

/// This file rule hit some artifact.
#[module_export]
fn has_hit(ctx: &ScanContext, rule: RuntimeString) -> bool {
    let rule = rule.as_bstr(ctx).as_bytes();
    FACTS.with_borrow(|mail| {
        mail.parts
            .iter()
            .any(|part| part.hits.iter().any(|hit| hit.as_bytes() == rule))
    })
}

/// Some artifact has a file name with this extension, in any case and without the dot.
#[module_export]
fn has_extension(ctx: &ScanContext, extension: RuntimeString) -> bool {
    let extension = extension.as_bstr(ctx).as_bytes();
    any_part(|part| part.extension.as_bytes().eq_ignore_ascii_case(extension))
}

/// Some artifact is of this group of file types.
#[module_export]
fn has_group(ctx: &ScanContext, group: RuntimeString) -> bool {
    let group = group.as_bstr(ctx).as_bytes();
    any_part(|part| part.group.as_bytes() == group)
}

/// Number of artifacts with this coverage.
#[module_export]
fn coverage(ctx: &ScanContext, kind: RuntimeString) -> i64 {
    let kind = kind.as_bstr(ctx).as_bytes();
    FACTS.with_borrow(|mail| {
        let count = mail
            .parts
            .iter()
            .filter(|part| part.coverage.as_bytes() == kind)
            .count();
        i64::try_from(count).unwrap_or(i64::MAX)
    })
}

/// Some link leads to this domain or to a host below it.
#[module_export]
fn links_to(ctx: &ScanContext, domain: RuntimeString) -> bool {
    let domain = domain.as_bstr(ctx).as_bytes().to_ascii_lowercase();
    FACTS.with_borrow(|mail| {
        mail.links
            .iter()
            .any(|link| is_below(link.host.as_bytes(), &domain))
    })
}

fn any_part(matches: impl Fn(&crate::proto::Part) -> bool) -> bool {
    FACTS.with_borrow(|mail| mail.parts.iter().chain(mail.part.iter()).any(matches))
}

/// `host` is `domain` or a name below it.
fn is_below(host: &[u8], domain: &[u8]) -> bool {
    match host.strip_suffix(domain) {
        Some([]) => true,
        Some([.., last]) => *last == b'.' && !domain.is_empty(),
        None => false,
    }
}
