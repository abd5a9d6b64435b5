//! Text, and what kind of text: by what stands in it, and where that does not settle it, by the name.

use std::borrow::Cow;

use super::FileType;

/// How much of a text is looked at, in bytes. Hints stand at the beginning; padding before them is rare and
/// leaves the extension.
const LOOKED_AT: usize = 64 * 1024;

/// Types text; `None` when it is none.
pub(super) fn detect(bytes: &[u8], names: &[String]) -> Option<FileType> {
    let text = as_text(bytes)?;
    let lower = text
        .trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n'])
        .to_ascii_lowercase();
    Some(
        by_beginning(&lower)
            .or_else(|| by_name(names))
            .or_else(|| by_markup(&lower))
            .or_else(|| by_statements(&lower))
            .unwrap_or(FileType::Text),
    )
}

/// The beginning of the content as text: UTF-16 with a byte order mark, or bytes without controls that no
/// text has. The encoding may be any superset of ASCII.
fn as_text(bytes: &[u8]) -> Option<Cow<'_, str>> {
    let head = bytes.get(..LOOKED_AT).unwrap_or(bytes);
    let wide = |decode: fn([u8; 2]) -> u16| {
        let units = head
            .chunks_exact(2)
            .filter_map(|pair| pair.try_into().ok())
            .map(decode);
        Cow::Owned(
            char::decode_utf16(units)
                .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
                .collect(),
        )
    };
    match head {
        [0xff, 0xfe, ..] => return Some(wide(u16::from_le_bytes)),
        [0xfe, 0xff, ..] => return Some(wide(u16::from_be_bytes)),
        _ => {}
    }
    let control = |byte: &u8| matches!(byte, 0..=6 | 0x0e..=0x1a | 0x1c..=0x1f | 0x7f);
    let controls = head.iter().filter(|byte| control(byte)).count();
    if controls == 0 {
        return Some(String::from_utf8_lossy(head));
    }
    // UTF-16 without a mark: every other byte is zero in Western text. Both Windows and browsers guess so.
    let zero_at = |offset: usize| {
        head.iter()
            .skip(offset)
            .step_by(2)
            .filter(|&&byte| byte == 0)
            .count()
            * 10
            > head.len() * 4
    };
    if head.len() >= 8 && zero_at(1) {
        return Some(wide(u16::from_le_bytes));
    }
    if head.len() >= 8 && zero_at(0) {
        return Some(wide(u16::from_be_bytes));
    }
    // A browser renders HTML around a few stray controls, and a script host runs scripts around them.
    (controls * 200 < head.len()).then(|| String::from_utf8_lossy(head))
}

/// What the first words settle.
fn by_beginning(lower: &str) -> Option<FileType> {
    if let Some(rest) = lower.strip_prefix("#!") {
        let line = rest.lines().next().unwrap_or_default();
        let interpreters = [
            ("python", FileType::Python),
            ("perl", FileType::Perl),
            ("php", FileType::Php),
            ("pwsh", FileType::PowerShell),
            ("node", FileType::Js),
            ("sh", FileType::Shell),
        ];
        return interpreters
            .iter()
            .find(|(name, _)| line.contains(name))
            .map(|&(_, found)| found);
    }
    let prefixes = [
        ("begin:vcalendar", FileType::Ics),
        ("begin:vcard", FileType::Vcf),
        ("[internetshortcut", FileType::Url),
        ("[shell]", FileType::Scf),
        ("[.shellclassinfo]", FileType::Scf),
        ("windows registry editor", FileType::Reg),
        ("regedit4", FileType::Reg),
        ("id;p", FileType::Slk),
        ("<?php", FileType::Php),
        ("@echo off", FileType::Batch),
        ("attribute vb_name", FileType::Vbs),
    ];
    if let Some(&(_, found)) = prefixes
        .iter()
        .find(|(prefix, _)| lower.starts_with(prefix))
    {
        return Some(found);
    }
    let xml_roots = [
        ("<librarydescription", FileType::LibraryMs),
        ("<searchconnectordescription", FileType::SearchConnector),
        ("<pcsettings", FileType::SettingContent),
        ("<hta:application", FileType::Hta),
    ];
    let found = xml_roots.iter().find(|(root, _)| lower.contains(root));
    found
        .map(|&(_, found)| found)
        .or_else(|| by_header_fields(lower))
}

/// A mail begins with header fields. Two known ones make it one; any text can have one line with a colon.
fn by_header_fields(lower: &str) -> Option<FileType> {
    const FIELDS: &[&str] = &[
        "bcc",
        "cc",
        "content-transfer-encoding",
        "content-type",
        "date",
        "delivered-to",
        "dkim-signature",
        "from",
        "message-id",
        "mime-version",
        "received",
        "reply-to",
        "return-path",
        "sender",
        "subject",
        "to",
    ];
    const LINES: usize = 64;
    let mut known = Vec::new();
    let mut web_archive = false;
    for line in lower.lines().take(LINES) {
        if line.is_empty() {
            break;
        }
        if line.starts_with([' ', '\t']) || known.is_empty() && line.starts_with("from ") {
            continue;
        }
        let (name, value) = line.split_once(':')?;
        if name.is_empty() || name.bytes().any(|byte| !byte.is_ascii_graphic()) {
            return None;
        }
        if FIELDS.contains(&name) && !known.contains(&name) {
            known.push(name);
        }
        web_archive |= name == "content-type" && value.contains("multipart/related");
        web_archive |= name == "snapshot-content-location";
    }
    match known.len() {
        0 | 1 => None,
        _ if web_archive && !known.contains(&"received") && !known.contains(&"to") => {
            Some(FileType::Mht)
        }
        _ => Some(FileType::Eml),
    }
}

/// Extensions under which Windows executes text, or a program reads it as more than text.
const EXTENSIONS: &[(&str, FileType)] = &[
    ("bat", FileType::Batch),
    ("cmd", FileType::Batch),
    ("eml", FileType::Eml),
    ("hta", FileType::Hta),
    ("htm", FileType::Html),
    ("html", FileType::Html),
    ("ics", FileType::Ics),
    ("inf", FileType::Inf),
    ("iqy", FileType::Iqy),
    ("js", FileType::Js),
    ("jse", FileType::EncodedScript),
    ("library-ms", FileType::LibraryMs),
    ("mht", FileType::Mht),
    ("mhtml", FileType::Mht),
    ("php", FileType::Php),
    ("pl", FileType::Perl),
    ("ps1", FileType::PowerShell),
    ("psm1", FileType::PowerShell),
    ("py", FileType::Python),
    ("pyw", FileType::Python),
    ("rdp", FileType::Rdp),
    ("reg", FileType::Reg),
    ("scf", FileType::Scf),
    ("sct", FileType::Wsf),
    ("settingcontent-ms", FileType::SettingContent),
    ("sh", FileType::Shell),
    ("shtml", FileType::Html),
    ("slk", FileType::Slk),
    ("svg", FileType::Svg),
    ("url", FileType::Url),
    ("vbe", FileType::EncodedScript),
    ("vbs", FileType::Vbs),
    ("wsc", FileType::Wsf),
    ("wsf", FileType::Wsf),
    ("wsh", FileType::Wsf),
    ("xht", FileType::Html),
    ("xhtml", FileType::Html),
    ("xsl", FileType::Wsf),
];

/// The most dangerous reading of any candidate name: programs disagree about which one counts.
fn by_name(names: &[String]) -> Option<FileType> {
    let kind = |name: &String| {
        // Windows ignores trailing dots and blanks; a stream name after a colon is not the name.
        let name = name.trim_end_matches(['.', ' ', '\0']).to_ascii_lowercase();
        let extension = name.rsplit_once('.')?.1;
        EXTENSIONS
            .iter()
            .find(|(known, _)| *known == extension)
            .map(|&(_, found)| found)
    };
    let found: Vec<FileType> = names.iter().filter_map(kind).collect();
    let script = found
        .iter()
        .find(|found| matches!(found.group(), super::Group::Script | super::Group::Shortcut));
    script.or(found.first()).copied()
}

fn by_markup(lower: &str) -> Option<FileType> {
    const HTML: &[&str] = &[
        "<!doctype html",
        "<html",
        "<head",
        "<body",
        "<script",
        "<iframe",
        "<table",
        "<div",
        "<a href",
        "<form",
        "<meta",
        "<title",
        "<img",
        "<style",
        "<p>",
        "<br",
        "<font",
        "<span",
        "<center",
        "<h1",
    ];
    const NEAR_THE_BEGINNING: usize = 1024;
    let head = lower
        .get(..lower.floor_char_boundary(NEAR_THE_BEGINNING))
        .unwrap_or(lower);
    let xml = head.starts_with("<?xml");
    if head.contains("<svg") && !head.contains("<html") && (head.starts_with('<')) {
        return Some(FileType::Svg);
    }
    if head.starts_with("<job")
        || head.starts_with("<package")
        || xml && (head.contains("<job") || head.contains("<scriptlet"))
    {
        return Some(FileType::Wsf);
    }
    // A browser renders as HTML what begins with a tag it knows (MIME Sniffing, section 7.1); mail programs
    // are less strict, so that two such tags anywhere near the beginning count as well.
    let begins = HTML.iter().any(|tag| head.starts_with(tag))
        || head.starts_with("<!--") && HTML.iter().any(|tag| head.contains(tag));
    let several = HTML.iter().filter(|tag| head.contains(*tag)).count() >= 2;
    if begins || several {
        return Some(FileType::Html);
    }
    xml.then_some(FileType::Xml)
}

/// Statements that hardly occur outside of a script; two different ones make it one.
fn by_statements(lower: &str) -> Option<FileType> {
    const STATEMENTS: &[(FileType, &[&str])] = &[
        (
            FileType::Vbs,
            &[
                "createobject(",
                "wscript.",
                "on error resume next",
                "end sub",
                "end function",
                "execute(",
                "chr(",
                "dim ",
                "executeglobal",
            ],
        ),
        (
            FileType::Js,
            &[
                "new activexobject(",
                "wscript.",
                "function(",
                "function ",
                "eval(",
                "var ",
                "unescape(",
                "document.write",
                "window.",
                "string.fromcharcode",
                "};",
                "=> {",
            ],
        ),
        (
            FileType::PowerShell,
            &[
                "invoke-expression",
                "invoke-webrequest",
                "new-object ",
                "downloadstring(",
                "iex ",
                "iex(",
                "-encodedcommand",
                "frombase64string(",
                "[system.",
                "start-process",
                "param(",
                "write-host",
                "set-executionpolicy",
            ],
        ),
        (
            FileType::Batch,
            &[
                "@echo",
                "%comspec%",
                "set /a",
                "set /p",
                "goto :",
                "%~dp0",
                "cmd /c",
                "cmd.exe /c",
                "if exist ",
                ">nul",
                "%temp%",
                "powershell -",
            ],
        ),
    ];
    let score = |statements: &[&str]| {
        statements
            .iter()
            .filter(|statement| lower.contains(*statement))
            .count()
    };
    let (found, best) = STATEMENTS
        .iter()
        .map(|(found, statements)| (*found, score(statements)))
        // The first of equals: what is valid VBScript is rarely valid anything else.
        .reduce(|best, next| if next.1 > best.1 { next } else { best })?;
    // Prose about programs has one or two of them; a script that small has a name.
    const ENOUGH: usize = 3;
    (best >= ENOUGH).then_some(found)
}
