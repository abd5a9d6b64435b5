//! Whether mail comes to Postern at all.

use super::super::finding::{Change, Finding, Level};
use super::super::milters::{self, Milter};
use super::super::model::{Place, Service, Setting};
use super::super::values::words;
use super::View;
use crate::config::Listen;

const UNFILTERED: &str = "unfiltered";

pub(super) fn check(view: &View<'_>) -> Vec<Finding> {
    let mut findings = unreadable(view);
    let services: Vec<&Service> = view.postfix.services().collect();
    if services.is_empty() {
        findings.push(no_service());
    } else if !services.iter().any(|s| view.reaches_us(s)) {
        findings.push(nobody_asks(view));
    } else {
        findings.extend(services.iter().filter_map(|s| passed_over(view, s)));
        findings.extend(by_client(view));
    }
    findings.extend(not_smtpd(view));
    findings
}

/// Lists that Postfix will not take.
fn unreadable(view: &View<'_>) -> Vec<Finding> {
    let settings = view
        .postfix
        .settings("smtpd_milters", view.postfix.services());
    let broken = settings.iter().filter_map(|setting| {
        let why = milters::parse(&setting.value).err()?;
        let why = format!("Postfix cannot read it, and will take no mail: {why}.");
        Some(view.finding(Level::Danger, "milter-syntax", setting, why, None))
    });
    broken.collect()
}

fn no_service() -> Finding {
    Finding {
        level: Level::Danger,
        check: UNFILTERED,
        setting: String::new(),
        value: String::new(),
        place: "master.cf".to_owned(),
        services: Vec::new(),
        why: "No service runs smtpd, so that no mail comes in by SMTP, and none to Postern."
            .to_owned(),
        change: None,
    }
}

/// No service asks us: the main thing is missing.
fn nobody_asks(view: &View<'_>) -> Finding {
    let services: Vec<&Service> = view.postfix.services().collect();
    // Best at the place that most services share.
    let setting = view
        .postfix
        .settings("smtpd_milters", services.iter().copied())
        .into_iter()
        .min_by_key(|setting| {
            (
                setting.place.clone(),
                std::cmp::Reverse(setting.services.len()),
            )
        });
    let Some(setting) = setting else {
        return no_service();
    };
    let mut why = "No service asks Postern about its mail: all mail passes unfiltered.".to_owned();
    for hint in hints(view, &setting) {
        why.push(' ');
        why.push_str(&hint);
    }
    let exempt = setting.services.iter().find(|s| view.is_exempt(s));
    if let Some(service) = exempt.filter(|s| names_us(view, s)) {
        return no_milters(view, service);
    }
    let mut finding = view.finding(Level::Danger, UNFILTERED, &setting, why, None);
    finding.change = hook_up(view, &setting);
    finding
}

/// A service that does not ask us while others do.
fn passed_over(view: &View<'_>, service: &Service) -> Option<Finding> {
    if view.reaches_us(service) || !view.postfix.is_public(service) {
        return None;
    }
    if view.is_exempt(service) && names_us(view, service) {
        return Some(no_milters(view, service));
    }
    let settings = view.postfix.settings("smtpd_milters", [service]);
    let setting = settings.first()?;
    let (level, why) = if service.is_for_mail_servers() {
        (
            Level::Danger,
            "Other mail servers deliver here, and this mail passes unfiltered.",
        )
    } else {
        (
            Level::Note,
            "Mail that comes in here passes unfiltered. That may be meant so, for mail of your own users.",
        )
    };
    let hints = hints(view, setting);
    let why = [&[why.to_owned()], hints.as_slice()].concat().join(" ");
    let level = if hints.is_empty() {
        level
    } else {
        Level::Danger
    };
    let mut finding = view.finding(level, UNFILTERED, setting, why, None);
    finding.change = hook_up(view, setting);
    Some(finding)
}

fn names_us(view: &View<'_>, service: &Service) -> bool {
    let milters = view.milters(service).unwrap_or_default();
    milters.iter().any(|milter| view.is_ours(milter, service))
}

fn no_milters(view: &View<'_>, service: &Service) -> Finding {
    let settings = view.postfix.settings("receive_override_options", [service]);
    let why =
        "With no_milters no milter is asked, whatever smtpd_milters says: mail passes unfiltered.";
    let better = |setting: &Setting<'_>| {
        let others = words(&setting.value).filter(|word| *word != "no_milters");
        others.collect::<Vec<_>>().join(",")
    };
    match settings.first() {
        Some(setting) => {
            let better = better(setting);
            view.finding(Level::Danger, "no-milters", setting, why, Some(&better))
        }
        None => no_service(),
    }
}

/// What in a list was probably meant for us.
fn hints(view: &View<'_>, setting: &Setting<'_>) -> Vec<String> {
    let mut hints = Vec::new();
    for milter in milters::parse(&setting.value).unwrap_or_default() {
        for service in &setting.services {
            let miss =
                |door: &Listen| milters::near_miss(&milter.address, service, view.postfix, door);
            let hint = view.ours.milter.iter().find_map(miss);
            let hint = hint.map(|hint| format!("{hint}."));
            hints.extend(hint.filter(|hint| !hints.contains(hint)));
        }
    }
    hints
}

/// The list with us in it, instead of what was meant for us; nothing if no address of ours can be reached from
/// there.
fn hook_up(view: &View<'_>, setting: &Setting<'_>) -> Option<Change> {
    let service = setting.services.first()?;
    let chrooted = setting.services.iter().any(|s| s.chrooted);
    let mut doors = view.ours.milter.iter();
    let address = doors.find_map(|door| milters::address_for(chrooted, view.postfix, door))?;
    let mut list = milters::parse(&setting.value).ok()?;
    let missed = |milter: &Milter| {
        let miss = |door| milters::near_miss(&milter.address, service, view.postfix, door);
        view.ours.milter.iter().any(|door| miss(door).is_some())
    };
    match list.iter_mut().find(|milter| missed(milter)) {
        Some(milter) => milter.address = address,
        None => list.push(Milter::at(address)),
    }
    let value = milters::write(&list);
    Some(Change::postfix(
        view.postconf,
        &setting.place,
        "smtpd_milters",
        &value,
    ))
}

/// Tables that choose other milters, or none, for some clients.
fn by_client(view: &View<'_>) -> Vec<Finding> {
    let settings = view.of_asking("smtpd_milter_maps");
    let set = settings.iter().filter(|setting| !setting.value.is_empty());
    let why = "Clients in this table are filtered by what it says instead of smtpd_milters, or not at all. \
               It is not looked into here.";
    set.map(|setting| view.finding(Level::Note, "milter-maps", setting, why, None))
        .collect()
}

/// Mail that does not come by SMTP.
fn not_smtpd(view: &View<'_>) -> Vec<Finding> {
    const NAME: &str = "non_smtpd_milters";
    let Some(value) = view.postfix.main(NAME) else {
        return Vec::new();
    };
    // cleanup(8) asks them, in the queue directory or chrooted to it like any smtpd.
    let Some(service) = view.postfix.services().next() else {
        return Vec::new();
    };
    let list = milters::parse(value).unwrap_or_default();
    let (own, others): (Vec<Milter>, Vec<Milter>) = list
        .into_iter()
        .partition(|milter| view.is_ours(milter, service));
    if own.is_empty() {
        return Vec::new();
    }
    let setting = Setting {
        name: NAME,
        value: value.to_owned(),
        place: Place::Main,
        services: Vec::new(),
    };
    let why = "Mail that is handed in with sendmail(1), and what Postfix makes itself, is already in the queue when \
               these are asked: there is no sender to hear a refusal, so that it becomes a bounce.";
    let better = milters::write(&others);
    vec![view.finding(
        Level::Warning,
        "non-smtpd-milters",
        &setting,
        why,
        Some(&better),
    )]
}
