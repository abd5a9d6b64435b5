//! What can be said.

use super::super::args::QuarantineCommand;
use super::super::docs;
use super::*;
use clap::CommandFactory;

fn refused(line: &[&str]) -> String {
    let parsed = Cli::try_parse_from(std::iter::once(&"postern").chain(line));
    parsed.expect_err("is refused").to_string()
}

#[test]
fn the_grammar_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn times_become_milliseconds() {
    let line = [
        "postern",
        "q",
        "list",
        "--since",
        "1970-01-02",
        "--until",
        "1970-01-02",
    ];
    let cli = Cli::try_parse_from(line).expect("parses");
    let Command::Quarantine(QuarantineCommand::List { list: args, state }) = cli.command else {
        panic!("a list")
    };
    let filter = args.filters.filter(None);
    assert_eq!(
        (filter.since, filter.until),
        (Some(86_400_000), Some(2 * 86_400_000))
    );
    assert_eq!((args.limit, state.as_str()), (50, "held"));
}

#[test]
fn mistakes_are_answered_with_what_is_known() {
    let text = refused(&["quarantine", "list", "--since", "soon"]);
    assert!(
        text.contains("`soon` is not a time: expected 2026-11-24T16:00:00Z"),
        "{text}"
    );
    let text = refused(&["verdict", "list", "--action", "hold"]);
    assert!(
        text.contains("accept, tag, quarantine, reject, discard, tempfail"),
        "{text}"
    );
    let text = refused(&["q", "list", "--state", "gone"]);
    assert!(
        text.contains("held, releasing, unknown, released, deleted, any"),
        "{text}"
    );
    let text = refused(&["q", "list", "--sha256", "abc"]);
    assert!(text.contains("expected 64 hexadecimal digits"), "{text}");
    for line in [
        &["q", "list", "--limit", "0"][..],
        &["q", "list", "--limit", "1001"],
        &["q", "list", "--limit", "5", "--all"],
        &["q", "delete", "--state", "any"],
        &["verdict", "list", "--state", "any"],
        &["q", "show"],
        &["q", "show", "x", "--force"],
        &["q", "show", "x", "--raw", "--json"],
        &["q", "export", "x"],
        &["scan"],
        &[],
    ] {
        refused(line);
    }
}

#[test]
fn without_a_command_the_help_is_shown() {
    let text = refused(&[]);
    assert!(text.contains("Usage: postern"), "{text}");
    for command in ["serve", "quarantine", "status", "man"] {
        assert!(text.contains(&format!("\n  {command} ")), "{text}");
    }
    assert!(!text.contains("worker"), "{text}");
}

#[test]
fn whoever_only_asks_the_daemon_needs_no_faultless_configuration() {
    for (line, asks) in [
        (&["q", "release", "x"][..], true),
        (&["verdict", "list"], true),
        (&["rules", "reload"], true),
        (&["rules", "check"], false),
        (&["store", "rebuild"], true),
        (&["audit", "verify"], true),
        (&["status"], true),
        (&["serve"], false),
        (&["scan", "x"], false),
    ] {
        let cli = Cli::try_parse_from(std::iter::once(&"postern").chain(line)).expect("parses");
        assert_eq!(cli.command.is_of_client(), asks, "{line:?}");
    }
}

#[test]
fn json_may_stand_anywhere() {
    for line in [
        ["postern", "--json", "status"],
        ["postern", "status", "--json"],
    ] {
        assert!(Cli::try_parse_from(line).expect("parses").json);
    }
}

#[test]
fn manual_pages_are_made_without_what_is_hidden() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let out = Shared::default();
    let mut terminal = Terminal::writing_to(out.clone(), false);
    docs::man(None, &mut terminal).expect("prints");
    docs::man(Some(dir.path()), &mut terminal).expect("writes");
    let text = out.text();
    assert!(text.contains(".TH postern 1"), "{text}");
    assert!(!text.contains("worker"), "{text}");
    assert!(dir.path().join("postern-quarantine-release.1").exists());
    assert!(docs::man(Some(&dir.path().join("absent")), &mut terminal).is_err());
}

#[test]
fn completions_are_made_for_every_shell() {
    for shell in <clap_complete::Shell as clap::ValueEnum>::value_variants() {
        let out = Shared::default();
        docs::completions(*shell, &mut Terminal::writing_to(out.clone(), false)).expect("prints");
        assert!(out.text().contains("quarantine"), "{shell}");
    }
}
