//! How Postfix reads what a client sends.

use super::super::finding::{Change, Finding, Level};
use super::super::model::{Place, Setting};
use super::View;

const NEWLINE: &str = "smtpd_forbid_bare_newline";
const EXCLUSIONS: &str = "smtpd_forbid_bare_newline_exclusions";

/// A line end that is not CRLF is an end of a message for one server and none for the next.
pub(super) fn check(view: &View<'_>) -> Vec<Finding> {
    if view.watched.is_empty() {
        return Vec::new();
    }
    if view.postfix.main(NEWLINE).is_none() {
        return vec![unknown(view)];
    }
    let settings = view.postfix.settings(NEWLINE, view.watched.iter().copied());
    let on = |value: &str| ["yes", "normalize", "reject"].contains(&value);
    let (good, bad): (Vec<Setting<'_>>, Vec<Setting<'_>>) = settings
        .into_iter()
        .partition(|s| on(&s.value.to_ascii_lowercase()));
    let why = "A line end that is not CRLF is read differently by different servers, which lets a sender hide a second \
               mail, from whoever he likes, in the first (SMTP smuggling).";
    let mut findings: Vec<Finding> = bad
        .iter()
        .map(|setting| view.finding(Level::Danger, "bare-newline", setting, why, Some("yes")))
        .collect();
    let guarded = good
        .iter()
        .chain(&bad)
        .flat_map(|s| s.services.iter().copied());
    let exclusions = view.postfix.settings(EXCLUSIONS, guarded);
    let set = exclusions
        .iter()
        .filter(|setting| !setting.value.is_empty());
    let why = "These clients may still send line ends that are not CRLF, and a mail that they relay may come from \
               anywhere.";
    findings.extend(set.map(|setting| {
        view.finding(
            Level::Warning,
            "bare-newline-exclusions",
            setting,
            why,
            Some(""),
        )
    }));
    findings
}

/// A Postfix from before the remedy.
fn unknown(view: &View<'_>) -> Finding {
    let why = format!(
        "Postfix {} does not know it, and lets a sender hide a second mail in the first (SMTP smuggling). Update to 3.5.23, \
         3.6.13, 3.7.9, 3.8.4 or later; until then the line below keeps most of it out.",
        view.postfix.version()
    );
    let change = Change::postfix(
        view.postconf,
        &Place::Main,
        "smtpd_data_restrictions",
        "reject_unauth_pipelining",
    );
    Finding {
        level: Level::Danger,
        check: "bare-newline",
        setting: NEWLINE.to_owned(),
        value: String::new(),
        place: "unknown to this Postfix".to_owned(),
        services: view.watched.iter().map(|s| s.id.clone()).collect(),
        why,
        change: Some(change),
    }
}
