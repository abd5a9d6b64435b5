//! Which files are scanned.

use anyhow::{Context, Result};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Names standard input, as with other programs.
const STANDARD_INPUT: &str = "-";
/// Directories inside directories.
const MAX_DEPTH: usize = 64;

/// Something to scan, or the reason why it cannot be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// A file, or standard input if its path is `-`.
    File(PathBuf),
    Problem(PathBuf, String),
}

/// Finds the files: those that are named, and with `recursive` all regular files below the named
/// directories, in the order of their names. Hidden files and links inside directories are passed over.
pub(super) fn find(paths: &[PathBuf], recursive: bool) -> Vec<Input> {
    let mut inputs = Vec::new();
    for path in paths {
        if path.as_os_str() == STANDARD_INPUT {
            inputs.push(Input::File(path.clone()));
            continue;
        }
        match fs::metadata(path) {
            Ok(found) if found.is_file() => inputs.push(Input::File(path.clone())),
            Ok(found) if found.is_dir() && recursive => walk(path, 0, &mut inputs),
            Ok(found) if found.is_dir() => {
                inputs.push(problem(
                    path,
                    "is a directory; add -r to scan what is in it",
                ));
            }
            Ok(_) => inputs.push(problem(path, "is neither a file nor a directory")),
            Err(error) => inputs.push(problem(path, error)),
        }
    }
    inputs
}

/// Reads a message, and one octet more than may be if it is too long: the parser then says so.
pub(super) fn read(path: &Path, max_bytes: u64) -> Result<Vec<u8>> {
    let context = || path.display().to_string();
    let source: Box<dyn Read> = if path.as_os_str() == STANDARD_INPUT {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(fs::File::open(path).with_context(context)?)
    };
    let mut bytes = Vec::new();
    source
        .take(max_bytes.saturating_add(1))
        .read_to_end(&mut bytes)
        .with_context(context)?;
    Ok(bytes)
}

fn walk(dir: &Path, depth: usize, inputs: &mut Vec<Input>) {
    if depth > MAX_DEPTH {
        inputs.push(problem(
            dir,
            format!("more than {MAX_DEPTH} directories deep"),
        ));
        return;
    }
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) => {
            inputs.push(problem(dir, error));
            return;
        }
    };
    let mut entries: Vec<fs::DirEntry> = entries.flatten().collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        match entry.file_type() {
            Ok(_) if hidden => {}
            Ok(kind) if kind.is_dir() => walk(&entry.path(), depth + 1, inputs),
            Ok(kind) if kind.is_file() => inputs.push(Input::File(entry.path())),
            Ok(_) => {}
            Err(error) => inputs.push(problem(&entry.path(), error)),
        }
    }
}

fn problem(path: &Path, what: impl ToString) -> Input {
    Input::Problem(path.to_owned(), what.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_below_a_directory_are_found_in_order_and_only_when_asked_for() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let sub = dir.path().join("b");
        fs::create_dir(&sub).expect("directory");
        for name in ["a.eml", "b/c.eml", ".hidden"] {
            fs::write(dir.path().join(name), "x").expect("file");
        }
        let root = dir.path().to_owned();
        let found = find(std::slice::from_ref(&root), true);
        let expected = [
            Input::File(root.join("a.eml")),
            Input::File(root.join("b/c.eml")),
        ];
        assert_eq!(found, expected);
        let refused = find(&[root], false);
        assert!(matches!(&refused[..], [Input::Problem(_, what)] if what.contains("-r")));
    }

    #[test]
    fn a_file_that_is_not_there_is_a_problem_of_its_own() {
        let found = find(&[PathBuf::from("/nowhere/at/all")], true);
        assert!(matches!(&found[..], [Input::Problem(..)]));
    }

    #[test]
    fn a_huge_file_is_read_no_further_than_one_octet_beyond_the_limit() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("huge");
        fs::write(&path, vec![b'x'; 1000]).expect("file");
        assert_eq!(read(&path, 10).expect("reads").len(), 11);
    }
}
