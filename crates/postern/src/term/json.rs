//! JSON for machines that is also harmless on a terminal.

use serde::Serialize;
use std::fmt::Write as _;
use std::io;

/// `value` as one line of JSON, without the line end. Everything beyond printable ASCII that is not
/// a visible character is escaped: serialising escapes C0 controls only, and a line of JSON on a
/// terminal must not command it, nor may U+2028 end a line for a reader that counts it as one.
pub(crate) fn json_line(value: &(impl Serialize + ?Sized)) -> serde_json::Result<String> {
    let plain = serde_json::to_string(value)?;
    let mut line = String::with_capacity(plain.len());
    let mut units = [0; 2];
    for c in plain.chars() {
        if matches!(c, ' '..='~') || !is_harmful(c) {
            line.push(c);
            continue;
        }
        // Such characters stand in strings only, so an escape is always allowed.
        for unit in c.encode_utf16(&mut units) {
            let _ = write!(line, "\\u{unit:04x}");
        }
    }
    Ok(line)
}

/// Writes `value` as one line of JSON, as [`json_line`] does, with its line end.
pub(crate) fn print_json_line(
    out: &mut (impl io::Write + ?Sized),
    value: &(impl Serialize + ?Sized),
) -> io::Result<()> {
    let line = json_line(value).map_err(io::Error::other)?;
    writeln!(out, "{line}")
}

fn is_harmful(c: char) -> bool {
    c.is_control() || super::safe::is_invisible(c)
}
