//! Sizes and numbers that must fit together.

use super::super::finding::{Change, Finding, Level};
use super::super::model::{Place, Service, Setting};
use super::View;
use crate::term::human_size;

/// The most connections that the configuration takes.
pub(super) const MOST_CONNECTIONS: u64 = 100_000;

pub(super) fn check(view: &View<'_>) -> Vec<Finding> {
    let mut findings = message_size(view);
    findings.extend(connections(view));
    findings
}

/// A message that Postfix takes and Postern does not.
fn message_size(view: &View<'_>) -> Vec<Finding> {
    let most = view.ours.message_bytes;
    let settings = view.of_asking("message_size_limit");
    let too_much = |setting: &&Setting<'_>| {
        let limit = setting.value.parse::<u64>();
        limit.map_or(true, |limit| limit == 0 || limit > most)
    };
    let bad = settings.iter().filter(too_much).map(|setting| {
        let limit = if setting.value == "0" { "any size" } else { "more" };
        let why = format!(
            "Postern takes messages of at most {} ({most} bytes) and refuses what is longer; Postfix promises {limit}. \
             Lower this, or raise message_bytes in [milter] of postern.toml.",
            human_size(most)
        );
        view.finding(Level::Danger, "message-size", setting, why, Some(&most.to_string()))
    });
    bad.collect()
}

/// More connections than Postern takes.
fn connections(view: &View<'_>) -> Vec<Finding> {
    let asking: Vec<&Service> = view
        .asking
        .iter()
        .copied()
        .filter(|s| view.asks_us(s))
        .collect();
    if let Some(unbounded) = asking.iter().find(|s| s.processes.is_none()) {
        return vec![too_many(view, unbounded)];
    }
    let all: u64 = asking
        .iter()
        .filter_map(|s| s.processes)
        .fold(0, u64::saturating_add);
    let most = view.ours.connections;
    if all <= most {
        return Vec::new();
    }
    let setting = Setting {
        name: "default_process_limit",
        value: view
            .postfix
            .main("default_process_limit")
            .unwrap_or_default()
            .to_owned(),
        place: view.postfix.main_place("default_process_limit"),
        services: asking,
    };
    let why = format!(
        "Each smtpd has a connection to Postern, and these services together may have {all}; Postern takes {most}. \
         What is beyond is deferred."
    );
    let mut finding = view.finding(Level::Warning, "connections", &setting, why, None);
    if all <= MOST_CONNECTIONS {
        finding.change = Some(Change::postern(
            "milter",
            format!("max_connections = {all}"),
        ));
    }
    vec![finding]
}

fn too_many(view: &View<'_>, service: &Service) -> Finding {
    let most = view.ours.connections;
    let column = format!("{}/process_limit", service.id);
    let command = ["-F".to_owned(), format!("{column}=100")];
    Finding {
        level: Level::Warning,
        check: "connections",
        setting: "maxproc".to_owned(),
        value: "0".to_owned(),
        place: view.place(&Place::Service(service.id.clone())),
        services: vec![service.id.clone()],
        why: format!(
            "Without a bound on its processes it may open more connections than the {most} that Postern takes. What is \
             beyond is deferred."
        ),
        change: Some(Change {
            file: "master.cf",
            line: "100 in the column maxproc".to_owned(),
            below: Some(format!("service {}", service.id)),
            command: Some([view.postconf, &command].concat()),
        }),
    }
}
