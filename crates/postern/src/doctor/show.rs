//! Findings as text.

use super::finding::{Change, Finding, Level};
use crate::term::{Terminal, counted};
use std::io;

/// Services that are named; the others are counted.
const MAX_SERVICES: usize = 5;

/// Writes one finding: what, where, why, and what to write instead.
pub(super) fn finding(terminal: &mut Terminal, finding: &Finding) -> io::Result<()> {
    let what = match (finding.setting.as_str(), finding.value.as_str()) {
        ("", _) => String::new(),
        (name, "") if finding.place.starts_with("unknown") => format!(" {name}"),
        (name, value) => format!(" {name} = {value}").trim_end().to_owned(),
    };
    terminal.heading(&format!("{}:{what}", finding.level.as_str()))?;
    terminal.paragraph(&format!("  {}", place(finding)))?;
    terminal.paragraph(&format!("  {}", finding.why))?;
    if let Some(change) = &finding.change {
        write_change(terminal, change)?;
    }
    terminal.line("")
}

/// Writes how many there were, and of whom was spoken.
pub(super) fn summary(
    terminal: &mut Terminal,
    findings: &[Finding],
    postfix: &str,
) -> io::Result<()> {
    let count = |level: Level| findings.iter().filter(|f| f.level == level).count() as u64;
    if findings.is_empty() {
        return terminal.line(&format!("{postfix}: nothing dangerous found"));
    }
    if findings.iter().any(|f| f.change.is_some()) {
        terminal.line("After a change: postfix reload, or a restart of Postern for its own.")?;
    }
    let counts = [
        counted(count(Level::Danger), "danger", "dangers"),
        counted(count(Level::Warning), "warning", "warnings"),
        counted(count(Level::Note), "note", "notes"),
    ];
    terminal.line(&format!("{postfix}: {}", counts.join(", ")))
}

fn place(finding: &Finding) -> String {
    let services = &finding.services;
    let named: Vec<&str> = services
        .iter()
        .take(MAX_SERVICES)
        .map(String::as_str)
        .collect();
    // A line of master.cf says already whose it is.
    if services.is_empty() || finding.place.starts_with("master.cf") {
        return finding.place.clone();
    }
    let more = match services.len().saturating_sub(MAX_SERVICES) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{}, for {}{more}", finding.place, named.join(", "))
}

/// The line, whole: it is to be copied.
fn write_change(terminal: &mut Terminal, change: &Change) -> io::Result<()> {
    let below = change
        .below
        .as_ref()
        .map_or(String::new(), |below| format!(", {below}"));
    terminal.line(&format!("  write in {}{below}:", change.file))?;
    terminal.line(&format!("    {}", change.line))?;
    if let Some(command) = &change.command {
        let words: Vec<String> = command.iter().map(|word| quoted(word)).collect();
        terminal.line(&format!("  or run: {}", words.join(" ")))?;
    }
    Ok(())
}

/// A word as a shell takes it for itself.
fn quoted(word: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./:=@%+,[]".contains(&b);
    if !word.is_empty() && word.bytes().all(plain) && !word.contains(['[', ']']) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn words_are_quoted_for_a_shell() {
        for (word, shown) in [
            ("postconf", "postconf"),
            ("a = b", "'a = b'"),
            (
                "smtp/inet/smtpd_proxy_filter=",
                "smtp/inet/smtpd_proxy_filter=",
            ),
            ("$(reboot)", "'$(reboot)'"),
            ("it's", r"'it'\''s'"),
            ("[::1]", "'[::1]'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(word), shown);
        }
    }
}
