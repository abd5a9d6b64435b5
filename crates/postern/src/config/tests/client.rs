//! Commands that only look for the daemon.

use crate::config::Config;
use std::path::Path;

#[test]
fn who_only_looks_for_the_daemon_bears_with_other_mistakes() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("postern.toml");
    let load = |text: &str| {
        std::fs::write(&file, text).expect("writes");
        Config::load_for_client(Some(&file))
    };
    let place = "state_dir = \"/srv/postern\"\n";
    for (wrong, mistakes) in [
        ("", 0),
        (
            "[policy]\ntag = \"forty\"\n[milter]\nlisten = [\"x\"]\nmax_conections = 1\n",
            3,
        ),
        ("rules_dir = 7\n", 1),
        ("[policy]\ntag == 40\n", 1),
        ("[[tenant]]\nname = \"a\"\n", 1),
        ("[policy\ntag = 40\n", 2),
    ] {
        let (config, errors) = load(&format!("{place}{wrong}")).expect("goes on");
        assert_eq!(
            config.control.socket,
            Path::new("/srv/postern/control.sock")
        );
        let found = errors.as_ref().map_or(0, |errors| errors.mistakes.len());
        assert_eq!(found, mistakes, "{wrong}: {errors:?}");
    }
    let (_, errors) = load("[policy]\ntag = 90\n").expect("goes on");
    assert_eq!(
        errors.expect("a mistake").in_short(),
        format!(
            "{}: 1 mistake; `postern config check` lists them",
            file.display()
        )
    );
}

#[test]
fn who_looks_for_the_daemon_is_not_sent_to_a_wrong_place() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("postern.toml");
    for text in [
        "state_dir = 7\n",
        "state_dir = var\n",
        "stat_dir = \"/srv/postern\"\n",
        "[control]\nsocket = \"\"\n",
        "[control]\nsockt = \"/run/c.sock\"\n",
        "[control]\nuids = [\"root\"]\n",
        "[control\nsocket = \"/run/c.sock\"\n",
        "control = 3\n",
        "[controll]\nsocket = \"/run/c.sock\"\n",
    ] {
        std::fs::write(&file, text).expect("writes");
        assert!(Config::load_for_client(Some(&file)).is_err(), "{text}");
    }
    std::fs::remove_file(&file).expect("removes");
    assert!(Config::load_for_client(Some(&file)).is_err(), "no file");
}
