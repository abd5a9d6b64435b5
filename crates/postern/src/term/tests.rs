//! Hostile texts, and what is left of them.

use super::json::json_line;
use super::*;
use proptest::prelude::*;

/// Attempts to command a terminal, to deceive its reader, or to break a table.
const HOSTILE: &[&str] = &[
    // CSI: clear, move, colour, scroll, alternate screen, report, key redefinition
    "\x1b[2J",
    "\x1b[H",
    "\x1b[1;1Hfake prompt$",
    "\x1b[31mred\x1b[0m",
    "\x1b[8mhidden",
    "\x1b[?1049h",
    "\x1b[6n",
    "\x1b[c",
    "\x1b[1A\x1b[2K",
    "\x1b[0;65;\"rm -rf ~\"p",
    "\x1b[999999999b",
    "\x1b[?25l",
    // OSC: title, clipboard, links, colours; with BEL, with ST, unfinished
    "\x1b]0;title\x07",
    "\x1b]52;c;cm0gLXJmIH4=\x07",
    "\x1b]8;;http://evil.example\x1b\\bank\x1b]8;;\x1b\\",
    "\x1b]4;1;rgb:00/00/00\x1b\\",
    "\x1b]1337;File=inline=1:AAAA\x07",
    "\x1b]52;c;?",
    // DCS, PM, APC, SOS, character sets, reset
    "\x1bP$qm\x1b\\",
    "\x1b^secret\x1b\\",
    "\x1b_Gf=100\x1b\\",
    "\x1bX\x1b\\",
    "\x1b(0",
    "\x1bc",
    "\x1b#8",
    // C1, DEL and other C0
    "\u{9b}2J",
    "\u{9d}0;title\u{9c}",
    "\u{90}q\u{9c}",
    "\u{85}next line",
    "\u{8d}up",
    "\x7f\x7f\x7f",
    "\x00nul",
    "\x07\x07\x07",
    "\x08\x08\x08\x08overwritten",
    "\x0e shifted \x0f",
    "\x18\x1a",
    "\x05enq",
    // lines
    "one\rtwo",
    "one\ntwo",
    "one\r\ntwo",
    "one\x0btwo",
    "one\x0ctwo",
    "one\u{2028}two",
    "one\u{2029}two",
    "one\ttwo",
    "\n\n\n\n\n\n",
    // BiDi
    "invoice\u{202e}fdp.exe",
    "\u{202a}a\u{202b}b\u{202c}c\u{202d}d",
    "\u{2066}a\u{2067}b\u{2068}c\u{2069}",
    "\u{200e}\u{200f}\u{61c}",
    // invisible
    "pay\u{200b}pal.example",
    "a\u{200c}b\u{200d}c\u{2060}d",
    "\u{feff}bom",
    "soft\u{ad}hyphen",
    "\u{e0041}\u{e0042}\u{e007f}",
    "a\u{fe0f}\u{e0100}",
    "\u{3164}\u{ffa0}\u{115f}\u{1160}",
    "\u{2800}\u{2800}",
    "\u{34f}\u{180e}\u{17b4}",
    "\u{fff9}a\u{fffa}b\u{fffb}",
    "\u{1d173}\u{1d17a}",
    "\u{206a}\u{206f}",
    // spaces that are none
    "a\u{a0}b\u{2003}c\u{3000}d\u{1680}e\u{202f}f",
    // marks
    "Z\u{310}\u{311}\u{312}\u{313}\u{314}\u{315}\u{316}\u{317}\u{318}algo",
    "\u{301}\u{302}first",
    // private, unassigned, not characters, replacement
    "\u{e000}\u{f8ff}\u{10fffd}",
    "\u{378}\u{e0fff}",
    "\u{fdd0}\u{ffff}\u{10ffff}",
    "\u{fffd}",
    // wide
    "漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字",
    "👩\u{200d}👩\u{200d}👧",
    "ＦＵＬＬ　ＷＩＤＴＨ",
    // in our own clothes
    "\\x1b[2J",
    "…",
    "| quarantine | 0 |",
    "accept   0   -\u{8}\u{8}",
    // format strings, markup
    "%n%n%s",
    "{}{0:?}",
    "<script>alert(1)</script>",
    "=cmd|' /C calc'!A0",
];

/// The class of all output: visible characters and line ends.
fn assert_visible(text: &str) {
    for c in text.chars() {
        assert!(
            c == '\n' || !safe::is_invisible(c),
            "{:?} is in {text:?}",
            c
        );
        assert!(c == '\n' || !c.is_control(), "{c:?}");
    }
}

#[test]
fn the_corpus_is_worth_its_name() {
    assert!(HOSTILE.len() >= 60, "{}", HOSTILE.len());
}

#[test]
fn hostile_texts_come_out_as_one_visible_line() {
    for text in HOSTILE {
        for width in [0, 1, 2, 3, 5, 10, 40, 200] {
            let shown = safe_cut(text, width);
            assert_visible(&shown);
            assert!(!shown.contains('\n'));
            assert!(
                unicode_width::UnicodeWidthStr::width(shown.as_str()) <= width,
                "{shown:?}"
            );
        }
        assert_visible(&safe_lines(text));
        assert_visible(&json_line(text).expect("JSON"));
    }
}

#[test]
fn hostile_texts_do_not_break_a_table() {
    let mut table = Table::new(&[
        Column::text("A", 20),
        Column::number("B"),
        Column::text("C", 30),
    ]);
    for text in HOSTILE {
        table.row([text, text, text]);
    }
    let lines = table.lines(None);
    assert_eq!(lines.len(), HOSTILE.len() + 1);
    for line in lines {
        assert_visible(&line);
    }
}

#[test]
fn a_narrow_terminal_narrows_text_and_leaves_ids_whole() {
    let mut table = Table::new(&[
        Column::word("ID", 30),
        Column::text("SENDER", 30),
        Column::number("SCORE"),
        Column::text("SUBJECT", 60),
    ]);
    table.row([
        "0123456789",
        "somebody@example.org",
        "120",
        "Your invoice of November is overdue",
    ]);
    let expected = "\
ID          SENDER           SCORE  SUBJECT
0123456789  somebody@examp…    120  Your invoice o…";
    assert_eq!(table.lines(Some(51)).join("\n"), expected);
    for room in 0..120 {
        let widest = table
            .lines(Some(room))
            .into_iter()
            .map(|line| width(&line))
            .max();
        assert!(widest <= Some(room.max(43)), "{room}");
    }
    assert!(table.lines(Some(120)).join("").contains("is overdue"));
}

fn width(text: &str) -> usize {
    unicode_width::UnicodeWidthStr::width(text)
}

#[test]
fn a_table_without_room_gives_up_columns_in_their_order() {
    let mut table = Table::new(&[
        Column::word("ID", 30),
        Column::time("TIME").leaves(3),
        Column::word("STATE", 10).leaves_if_same(1),
        Column::text("NAME", 30).early(),
        Column::text("RULES", 30).leaves(2),
    ]);
    let row = |state| {
        [
            "id-1",
            "2026-11-24T17:04:18Z",
            state,
            "somebody@example.org",
            "a_rule",
        ]
    };
    table.row(row("held"));
    let titles = |table: &Table, room| table.lines(Some(room)).swap_remove(0);
    assert_eq!(
        titles(&table, 80),
        "ID    TIME                  STATE  NAME                  RULES"
    );
    assert_eq!(
        titles(&table, 52),
        "ID    NAME                TIME         STATE  RULES"
    );
    assert_eq!(
        titles(&table, 42),
        "ID    NAME             TIME         RULES"
    );
    assert_eq!(titles(&table, 34), "ID    NAME             TIME");
    assert_eq!(titles(&table, 20), "ID    NAME");
    assert_eq!(
        table.lines(Some(34))[1],
        "id-1  somebody@examp…  11-24 17:04"
    );
    table.row(row("released"));
    assert_eq!(
        titles(&table, 42),
        "ID    NAME           TIME         STATE",
        "what differs stays"
    );
}

proptest! {
    #[test]
    fn a_wrapped_text_is_whole_and_fits(text in "[a-z漢 ]{0,200}", width in 0usize..100) {
        let wrapped = wrap::wrap(&text, width);
        let letters = |text: &str| text.replace([' ', '\n'], "");
        prop_assert_eq!(letters(&wrapped), letters(&text));
        for line in wrapped.lines() {
            prop_assert!(self::width(line) <= width.max(20), "{:?}", line);
        }
    }
}

#[test]
fn what_was_hidden_can_be_read() {
    assert_eq!(safe("\x1b]0;x\x07"), "\\x1b]0;x\\x07");
    assert_eq!(safe("invoice\u{202e}fdp.exe"), "invoice\\u{202e}fdp.exe");
    assert_eq!(safe("a\r\n\tb\x7f\u{85}"), "a\\r\\n\\tb\\x7f\\u{85}");
    assert_eq!(safe("\u{301}x\u{301}"), "\\u{301}x\u{301}");
}

#[test]
fn ordinary_text_of_many_scripts_stays_as_it_is() {
    for text in [
        "Rechnung für März – 20 % Rabatt",
        "Счёт № 42",
        "請求書",
        "ใบแจ้งหนี้",
        "हिन्दी",
        "חשבונית",
        "فاتورة",
        "Tiếng Việt",
        "e\u{301}te\u{301}",
        "💶 offer",
        "C:\\Users\\x",
        "“quoted” — ‘text’",
    ] {
        assert_eq!(safe(text), text);
    }
}

#[test]
fn a_cut_is_marked_and_never_splits_an_escape() {
    assert_eq!(safe_cut("abcdef", 6), "abcdef");
    assert_eq!(safe_cut("abcdefg", 6), "abcde…");
    assert_eq!(safe_cut("abc\x1bdef", 6), "abc…");
    assert_eq!(safe_cut("漢字漢字", 5), "漢字…");
    assert_eq!(safe_cut("x", 0), "");
}

#[test]
fn four_megabytes_of_subject_cost_one_line() {
    let subject = "\x1b[2J".repeat(1 << 20);
    assert_eq!(
        unicode_width::UnicodeWidthStr::width(safe_cut(&subject, 48).as_str()),
        48
    );
    assert!(safe_lines(&"\n".repeat(1 << 20)).len() < 4_096);
}

#[test]
fn json_is_escaped_and_reads_back_to_the_same() {
    for text in HOSTILE {
        let line = json_line(&serde_json::json!({ "subject": text })).expect("JSON");
        assert!(!line.contains('\n'));
        let back: serde_json::Value = serde_json::from_str(&line).expect("parses");
        assert_eq!(back["subject"], *text);
    }
    assert_eq!(
        json_line("\u{9b}\u{2028}\u{202e}\u{e0041}").expect("JSON"),
        r#""\u009b\u2028\u202e\udb40\udc41""#
    );
}

proptest! {
    #[test]
    fn any_text_is_visible_and_fits(text: String, width in 0usize..100) {
        let shown = safe_cut(&text, width);
        assert_visible(&shown);
        prop_assert!(unicode_width::UnicodeWidthStr::width(shown.as_str()) <= width);
    }

    #[test]
    fn what_was_made_safe_stays_as_it_is(text: String) {
        let once = safe(&text);
        prop_assert_eq!(safe(&once), once);
    }

    #[test]
    fn json_of_any_text_reads_back(text: String) {
        let line = json_line(&text).expect("JSON");
        assert_visible(&line);
        prop_assert_eq!(serde_json::from_str::<String>(&line).expect("parses"), text);
    }

    #[test]
    fn times_read_back_to_the_second(seconds in -30_000_000_000i64..200_000_000_000) {
        prop_assert_eq!(parse_since(&rfc3339(seconds * 1_000), 0), Ok(seconds * 1_000));
    }

    #[test]
    fn no_text_stops_the_reader_of_times(text: String, now: i64) {
        let _ = (parse_since(&text, now), parse_until(&text, now), rfc3339(now));
    }
}

#[test]
fn times_are_dates_moments_or_spans() {
    let now = 1_764_000_000_000;
    let day = 86_400_000;
    assert_eq!(parse_since("2h", now), Ok(now - 7_200_000));
    assert_eq!(parse_since("7d", now), Ok(now - 7 * day));
    assert_eq!(parse_since("1970-01-02", now), Ok(day));
    assert_eq!(
        parse_until("1970-01-02", now),
        Ok(2 * day),
        "the whole day is meant"
    );
    assert_eq!(parse_until("1970-01-01T00:00:01Z", now), Ok(1_000));
    assert_eq!(parse_since("1970-01-01T01:00:00+01:00", now), Ok(0));
    assert_eq!(rfc3339(1_999), "1970-01-01T00:00:01Z");
    for text in [
        "",
        "yesterday",
        "2 fortnights",
        "-2h",
        "2026-13-01",
        "99999999999999d",
        "2026-11-24T16:00",
        "h",
    ] {
        let error = parse_since(text, now).expect_err(text);
        assert!(
            error.starts_with(&format!("`{text}` is not a time")),
            "{error}"
        );
    }
}

#[test]
fn sizes_are_short() {
    let shown: Vec<_> = [
        0,
        1023,
        1024,
        1536,
        1 << 20,
        (50 << 20) + (300 << 10),
        u64::MAX,
    ]
    .map(human_size)
    .into();
    assert_eq!(
        shown[..6],
        ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "1.0 MiB", "50.2 MiB"]
    );
}

#[test]
fn a_scan_is_one_line_for_each_mail() {
    let rows = [
        ScanRow {
            file: "fixtures/mail/eicar.eml".into(),
            action: "quarantine".into(),
            score: Some(120),
            category: "malware".into(),
            rules: ["eicar", "double_extension", "b", "c", "d"]
                .map(String::from)
                .into(),
            ms: Some(7),
        },
        ScanRow {
            file: "a\x1b[2J.eml".into(),
            action: "accept".into(),
            score: Some(0),
            ..ScanRow::default()
        },
    ];
    let expected = "\
FILE                     ACTION      SCORE  CATEGORY  MS  RULES
fixtures/mail/eicar.eml  quarantine    120  malware    7  eicar, double_extension, b +2
a\\x1b[2J.eml             accept          0  -          -";
    assert_eq!(scan_table(&rows).lines(None).join("\n"), expected);
}

#[test]
fn a_question_without_anybody_to_ask_has_no_answer() {
    let mut nobody = Terminal::writing_to(Vec::new(), false);
    assert_eq!(nobody.confirm("Sure?").expect("asks"), None);
    for (answer, meant) in [
        ("y\n", true),
        ("yes\n", true),
        ("n\n", false),
        ("\n", false),
        ("", false),
        ("yikes\n", false),
    ] {
        let mut somebody = Terminal::writing_to(Vec::new(), false).answered_by(answer);
        assert_eq!(
            somebody.confirm("Sure?").expect("asks"),
            Some(meant),
            "{answer:?}"
        );
    }
}
