//! What a mail says is shown, and never obeyed: no control characters, no line breaks, no text that
//! runs backwards.

use crate::harness::{Run, Setup, Site, base64_lines, eicar, with_attachment};
use anyhow::Result;

/// Clears a terminal, sets its title, rings, breaks lines, hides text, runs it backwards.
const HOSTILE: &str =
    "\u{1b}[2J\u{1b}]0;owned\u{7}\r\n\u{9b}31m\u{8}\u{0}\u{202e}gpj.exe\u{2028}\u{200b}";

#[test]
fn in_lists_details_and_explanations() -> Result<()> {
    let site = Site::start(Setup::default())?;
    let word = encoded_word(HOSTILE);
    let mut mail = with_attachment(&word, "REPLACED", eicar().as_bytes());
    mail = replace(&mail, b"REPLACED", word.as_bytes());
    mail.splice(
        0..0,
        b"X-Raw: \x1b[31m\x9b\x07 and so on\r\n".iter().copied(),
    );
    let envelope = "\"x\u{1b}[2J\"@sender.example";
    let port = site.postfix.port();
    let rcpts = ["bob@rcpt.example"];
    let mut reply = crate::harness::submit(port, envelope, &rcpts, &mail)?;
    if !reply.is_positive() {
        // An MTA may refuse such an envelope before we see it.
        reply = site.send(&mail)?;
    }
    assert_eq!(reply.code, 250, "{reply:?}");

    let [entry] = site.daemon.entries()?.try_into().expect("one entry");
    let id = entry["id"].as_str().expect("an id").to_owned();
    let commands: [&[&str]; 6] = [
        &["quarantine", "list"],
        &["quarantine", "show", &id],
        &["verdict", "list"],
        &["verdict", "show", &id],
        &["verdict", "explain", &id],
        &["quarantine", "release", &id, "--dry-run"],
    ];
    for command in commands {
        let plain = site.daemon.cli(command.iter().copied())?.ok();
        harmless(command, &plain);
        let json = site
            .daemon
            .cli(command.iter().copied().chain(["--json"]))?
            .ok();
        harmless(command, &json);
        json.json()?;
    }
    // It is shown, as text that can be read.
    let list = site
        .daemon
        .cli(["quarantine", "list", "--json"])?
        .ok()
        .object()?;
    assert_eq!(
        list["subject"].as_str().map(|s| s.contains("owned")),
        Some(true),
        "{list}"
    );
    // The log is for terminals as well.
    for line in site.daemon.log().lines() {
        assert!(!line.contains(|c: char| c.is_control()), "{line:?}");
    }
    Ok(())
}

#[track_caller]
fn harmless(command: &[&str], run: &Run) {
    let text = std::str::from_utf8(&run.stdout).expect("UTF-8");
    for output in [text, run.stderr.as_str()] {
        let bad = |c: char| {
            (c.is_control() && c != '\n')
                || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
        };
        let found: Vec<char> = output.chars().filter(|&c| bad(c)).collect();
        assert!(found.is_empty(), "{command:?} printed {found:?}:\n{output}");
    }
}

fn encoded_word(text: &str) -> String {
    format!("=?utf-8?B?{}?=", base64_lines(text.as_bytes()).trim())
}

fn replace(text: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.windows(from.len()).position(|w| w == from) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(to);
        rest = &rest[at + from.len()..];
    }
    out.extend_from_slice(rest);
    out
}
