//! The YARA-X module behind `import "mail"`.

use std::cell::RefCell;

use yara_x::mods::prelude::*;
use yara_x::register_module;

use crate::proto::Mail;

register_module!("mail", Mail, main);

/// Runs when a scan was given no facts: the mail is empty.
fn main(_ctx: &mut ModuleContext, _data: &[u8]) -> Result<Mail, ModuleError> {
    Ok(Mail::new())
}

thread_local! {
    static CURRENT: RefCell<Option<Lookup>> = const { RefCell::new(None) };
}

struct Lookup {
    defects: Vec<String>,
}

/// Some departure from the grammar of mail has this code.
#[module_export]
fn has_defect(ctx: &ScanContext, code: RuntimeString) -> bool {
    let code = code.as_bstr(ctx);
    CURRENT.with_borrow(|c| c.as_ref().is_some_and(|l| l.defects.iter().any(|d| d.as_bytes() == code.as_bytes())))
}
