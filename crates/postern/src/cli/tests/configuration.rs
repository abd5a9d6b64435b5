//! `postern config`.

use super::daemon::Daemon;
use super::*;
use serde_json::{Value, json};

#[tokio::test]
async fn the_configuration_is_checked_and_printed() {
    let daemon = Daemon::start();
    let file = daemon.dir.path().join("postern.toml");
    std::fs::write(&file, "tga = 1\n[policy]\ntag = 90\n").expect("writes");
    let named = file.to_str().expect("UTF-8");
    let outcome = run(&daemon, &["config", "check", "--config", named]).await;
    assert_eq!(outcome.exit(), Exit::Failed);
    assert!(
        outcome.text.contains("unknown key `tga`"),
        "{}",
        outcome.text
    );
    assert!(
        outcome.text.ends_with("\n\n2 mistakes\n"),
        "{}",
        outcome.text
    );

    let outcome = run(&daemon, &["config", "check", "--json", "--config", named]).await;
    let checked: Value = serde_json::from_str(&outcome.text).expect("JSON");
    assert_eq!(
        (&checked["ok"], &checked["mistakes"][1]["line"]),
        (&json!(false), &json!(3))
    );

    std::fs::write(&file, "[policy]\ntag = 50\n").expect("writes");
    let outcome = run(&daemon, &["config", "check", "--config", named]).await;
    assert!(
        outcome.text.starts_with(&format!("{named}: ok\n")),
        "{}",
        outcome.text
    );
    let outcome = run(&daemon, &["config", "print", "--config", named]).await;
    assert!(
        outcome
            .text
            .contains("tag = 50\nquarantine = 80\n\n[policy.reject]\nscore = \"off\"\n"),
        "{}",
        outcome.text
    );
    let outcome = run(&daemon, &["config", "print", "--defaults"]).await;
    assert_eq!(outcome.text, crate::config::DEFAULTS);
    let outcome = run(&daemon, &["config", "print", "--defaults", "--json"]).await;
    let printed: Value = serde_json::from_str(&outcome.text).expect("JSON");
    assert_eq!(printed["workers"]["deadline"], json!("60s"));
}

#[tokio::test]
async fn a_long_configuration_is_printed_to_its_end() {
    let daemon = Daemon::start();
    let file = daemon.dir.path().join("postern.toml");
    let tenant = |n| format!("[[tenant]]\nname = \"t{n}\"\ndomains = [\"t{n}.example\"]\n");
    let text: String = (0..500).map(tenant).collect();
    std::fs::write(&file, text).expect("writes");
    let named = file.to_str().expect("UTF-8");
    let printed = run(&daemon, &["config", "print", "--config", named])
        .await
        .text;
    let read = |text| crate::config::Config::parse(text, &file).expect("correct");
    assert_eq!(
        read(&printed),
        read(&std::fs::read_to_string(&file).expect("reads"))
    );
}
