//! For whom Postfix relays.

use super::super::finding::{Finding, Level};
use super::super::model::Service;
use super::super::values::{prefix, words};
use super::View;

/// Networks that are larger than this, as lengths of prefixes, belong to no single organisation.
const LARGEST: (u8, u8) = (8, 16);

pub(super) fn check(view: &View<'_>) -> Vec<Finding> {
    let mut findings = networks(view);
    findings.extend(restrictions(view));
    findings
}

fn networks(view: &View<'_>) -> Vec<Finding> {
    let settings = view
        .postfix
        .settings("mynetworks", view.watched.iter().copied());
    let mut findings = Vec::new();
    for setting in settings {
        let open: Vec<&str> = words(&setting.value).filter(|word| is_open(word)).collect();
        if open.is_empty() {
            continue;
        }
        let why = format!(
            "{} covers clients that are not yours, and whoever is in mynetworks may send to anybody: an open relay.",
            open.join(", ")
        );
        let rest = words(&setting.value).filter(|word| !is_open(word));
        let rest: Vec<&str> = rest.collect();
        let better = if rest.is_empty() {
            "127.0.0.0/8,[::1]/128".to_owned()
        } else {
            rest.join(",")
        };
        findings.push(view.finding(
            Level::Warning,
            "open-networks",
            &setting,
            why,
            Some(&better),
        ));
    }
    findings
}

fn is_open(network: &str) -> bool {
    prefix(network).is_some_and(|(ip, length)| {
        let largest = if ip.is_ipv4() { LARGEST.0 } else { LARGEST.1 };
        length < largest
    })
}

/// Services for everybody on which nothing keeps clients from sending to anybody.
fn restrictions(view: &View<'_>) -> Vec<Finding> {
    const NAME: &str = "smtpd_relay_restrictions";
    let public: Vec<&Service> = view
        .watched
        .iter()
        .copied()
        .filter(|s| view.postfix.is_public(s))
        .collect();
    let settings = view.postfix.settings(NAME, public);
    let mut findings = Vec::new();
    for mut setting in settings {
        if keeps_strangers_out(&setting.value) {
            continue;
        }
        // The other list is asked as well, and it is enough that one of them refuses.
        setting.services.retain(|service| {
            let list = view.postfix.of(service, "smtpd_recipient_restrictions");
            !list.is_some_and(|(list, _)| keeps_strangers_out(&list))
        });
        if setting.services.is_empty() {
            continue;
        }
        let why = "Nothing here keeps strangers from sending to anybody: Postfix is an open relay, or takes no mail at all.";
        let better = "permit_mynetworks,permit_sasl_authenticated,defer_unauth_destination";
        findings.push(view.finding(Level::Warning, "open-relay", &setting, why, Some(better)));
    }
    findings
}

/// Whether a list of restrictions refuses what is not for us before it permits everything.
fn keeps_strangers_out(list: &str) -> bool {
    let decides = words(list).find_map(|word| match word.to_ascii_lowercase().as_str() {
        "permit" => Some(false),
        "reject_unauth_destination"
        | "defer_unauth_destination"
        | "reject"
        | "defer"
        | "defer_if_permit" => Some(true),
        _ => None,
    });
    decides.unwrap_or(false)
}
