//! Programs that are not quite postconf.

use crate::doctor::postconf::{Postconf, PostconfError};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

fn script(dir: &Path, text: &str) -> Postconf {
    let path = dir.join("postconf");
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).expect("written");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("executable");
    Postconf::find(Some(&path), None).expect("named")
}

#[tokio::test]
async fn what_it_complains_about_when_it_fails_is_passed_on() {
    let dir = tempfile::tempdir().expect("a directory");
    let program = script(
        dir.path(),
        "echo noise >&2; echo 'fatal: bad \x1b[2J' >&2; exit 3",
    );
    let error = program.read().await.expect_err("fails");
    assert!(matches!(error, PostconfError::Failed { .. }), "{error}");
    assert!(error.to_string().contains("fatal: bad"), "{error}");
}

#[tokio::test]
async fn endless_output_ends_in_an_error() {
    let dir = tempfile::tempdir().expect("a directory");
    // Long, but with an end, so that nothing has to be waited for.
    let program = script(
        dir.path(),
        "head -c 20000000 /dev/zero; head -c 20000000 /dev/zero >&2",
    );
    let error = program.read().await.expect_err("fails");
    assert!(matches!(error, PostconfError::Output { .. }), "{error}");
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named() {
    let program = Postconf::find(Some(Path::new("/nonexistent/postconf")), None).expect("named");
    let error = program.read().await.expect_err("fails").to_string();
    assert!(error.starts_with("/nonexistent/postconf: "), "{error}");
}

#[test]
fn a_directory_without_a_configuration_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let error = Postconf::find(Some(Path::new("postconf")), Some(dir.path())).expect_err("fails");
    assert!(error.to_string().contains("no main.cf there"), "{error}");
}
