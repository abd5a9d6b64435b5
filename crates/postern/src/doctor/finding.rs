//! What is found, and what to do about it.

use super::model::Place;
use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    /// Mail can pass unfiltered, be lost, or be refused that should not.
    Danger,
    /// It works today, and not on a bad day.
    Warning,
    /// Worth knowing, and perhaps meant so.
    Note,
}

impl Level {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Level::Danger => "danger",
            Level::Warning => "warning",
            Level::Note => "note",
        }
    }
}

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// How bad it is.
    pub level: Level,
    /// Which check has found it: a stable name for scripts.
    pub check: &'static str,
    /// The setting; empty if it is about no setting.
    pub setting: String,
    /// Its value as it is.
    pub value: String,
    /// Where it stands.
    #[serde(rename = "where")]
    pub place: String,
    /// The services that it holds for.
    pub services: Vec<String>,
    /// Why that is bad.
    pub why: String,
    /// What to write instead. None if that is for somebody to decide.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<Change>,
}

/// What to write, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Change {
    /// `main.cf`, `master.cf` or `postern.toml`.
    pub file: &'static str,
    /// The line. In master.cf it belongs below its service, in postern.toml into its section.
    pub line: String,
    /// The service in master.cf, or the section in postern.toml.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub below: Option<String>,
    /// A command that writes it, word by word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
}

impl Change {
    /// Another value for a setting of Postfix, at the place where it stands. `postconf` is the start of
    /// the command.
    pub(super) fn postfix(postconf: &[String], place: &Place, name: &str, value: &str) -> Change {
        let command = |words: [String; 2]| Some([postconf, &words].concat());
        match place {
            Place::Default | Place::Main => {
                let line = format!("{name} = {value}").trim_end().to_owned();
                Change {
                    file: "main.cf",
                    command: command(["-e".to_owned(), line.clone()]),
                    line,
                    below: None,
                }
            }
            Place::Service(id) => {
                // A value with spaces stands in braces, from Postfix 3.0 on; `postconf -P` does not write it.
                let spaces = value.contains(char::is_whitespace);
                Change {
                    file: "master.cf",
                    line: if spaces {
                        format!("-o {{ {name} = {value} }}")
                    } else {
                        format!("-o {name}={value}")
                    },
                    below: Some(format!("service {id}")),
                    command: command(["-P".to_owned(), format!("{id}/{name}={value}")])
                        .filter(|_| !spaces),
                }
            }
        }
    }

    /// A key of Postern's own configuration.
    pub(super) fn postern(section: &str, line: String) -> Change {
        Change {
            file: "postern.toml",
            line,
            below: Some(format!("[{section}]")),
            command: None,
        }
    }
}
