//! How Postfix treats its milter.

use super::super::finding::{Change, Finding, Level};
use super::super::milters::{self, Milter};
use super::super::model::{Service, Setting};
use super::super::values::duration;
use super::View;
use std::time::Duration;

/// How long a connection may take: the listener answers at once, but a machine under load, or a service
/// manager that restarts Postern, does not.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a command of the envelope may take.
const COMMAND: Duration = Duration::from_secs(10);

pub(super) fn check(view: &View<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for parameter in parameters(view) {
        findings.extend(in_main(view, &parameter));
    }
    findings.extend(in_braces(view));
    findings.extend(beside_proxy_filter(view));
    findings
}

/// What is wrong with a value, if something is.
type Judge = Box<dyn Fn(&str) -> Option<(Level, String)>>;

/// A parameter of milters that can be set for all or for one.
struct Parameter {
    /// The name in braces; in main.cf it begins with `milter_`.
    own: &'static str,
    name: &'static str,
    check: &'static str,
    better: String,
    judge: Judge,
}

fn parameters(view: &View<'_>) -> [Parameter; 5] {
    let (deadline, progress) = (view.ours.deadline, view.ours.progress);
    let deferred = "until then Postfix defers the mail";
    [
        Parameter {
            own: "default_action",
            name: "milter_default_action",
            check: "default-action",
            better: "tempfail".to_owned(),
            judge: Box::new(default_action),
        },
        Parameter {
            own: "protocol",
            name: "milter_protocol",
            check: "protocol",
            better: "6".to_owned(),
            judge: Box::new(protocol),
        },
        Parameter {
            own: "connect_timeout",
            name: "milter_connect_timeout",
            check: "connect-timeout",
            better: "30s".to_owned(),
            judge: time(
                CONNECT,
                CONNECT,
                format!("A busy machine may take longer to answer; {deferred}."),
            ),
        },
        Parameter {
            own: "command_timeout",
            name: "milter_command_timeout",
            check: "command-timeout",
            better: "30s".to_owned(),
            judge: time(
                COMMAND,
                COMMAND,
                format!("A busy machine may take longer to answer; {deferred}."),
            ),
        },
        Parameter {
            own: "content_timeout",
            name: "milter_content_timeout",
            check: "content-timeout",
            better: format!("{}s", deadline.as_secs().max(300)),
            // A note of progress that is a bit late must not end the waiting.
            judge: time(
                progress * 2,
                deadline,
                format!(
                    "Postern may take {} s for a message, and sends a sign of life every {} s. What \
                     Postfix does not wait for is deferred, again and again.",
                    deadline.as_secs(),
                    progress.as_secs()
                ),
            ),
        },
    ]
}

fn default_action(value: &str) -> Option<(Level, String)> {
    let (level, why) = match value.to_ascii_lowercase().as_str() {
        "tempfail" | "shutdown" => return None,
        "accept" => (
            Level::Danger,
            "While Postern does not answer, mail passes unfiltered, and whoever finds a way to make it not answer has \
             found a way in.",
        ),
        "reject" => (
            Level::Warning,
            "While Postern does not answer, a restart is enough, mail is refused for good, and its senders get \
             it back.",
        ),
        "quarantine" => (
            Level::Note,
            "While Postern does not answer, mail waits in Postfix's hold queue until somebody looks: postqueue -p \
             shows it, postsuper -H lets it go, unfiltered.",
        ),
        _ => (Level::Warning, "No action that is known here."),
    };
    Some((level, why.to_owned()))
}

fn protocol(value: &str) -> Option<(Level, String)> {
    let number = value.split([' ', ',']).next().unwrap_or_default();
    let why = match number.parse::<u32>() {
        Ok(6) => return None,
        Ok(version) if version < 6 => {
            "Postern speaks version 6. An older one loses the space at the start of header fields, so that held \
             mail is not what came, byte for byte, and it waits longer for each mail."
        }
        _ => "Postern speaks version 6, and no other that is meant here.",
    };
    Some((Level::Danger, why.to_owned()))
}

/// Dangerous below `least`, a warning below `enough`.
fn time(least: Duration, enough: Duration, why: String) -> Judge {
    Box::new(move |value| match duration(value) {
        None => Some((
            Level::Warning,
            "Not a time that is understood here.".to_owned(),
        )),
        Some(time) if time < least => Some((Level::Danger, why.clone())),
        Some(time) if time < enough => Some((Level::Warning, why.clone())),
        Some(_) => None,
    })
}

/// A parameter for all milters, in the services whose entry for us does not say something else.
fn in_main(view: &View<'_>, parameter: &Parameter) -> Vec<Finding> {
    let inherits = |service: &&&Service| {
        let own = view.our_milter(service);
        own.is_none_or(|milter| milter.option(parameter.own).is_none())
    };
    let services = view.asking.iter().filter(inherits).copied();
    let settings = view.postfix.settings(parameter.name, services);
    let bad = settings.iter().filter_map(|setting| {
        let (level, why) = (parameter.judge)(&setting.value)?;
        Some(view.finding(
            level,
            parameter.check,
            setting,
            why,
            Some(&parameter.better),
        ))
    });
    bad.collect()
}

/// What is said of us in braces.
fn in_braces(view: &View<'_>) -> Vec<Finding> {
    let parameters = parameters(view);
    let mut findings = Vec::new();
    for setting in view.of_asking("smtpd_milters") {
        let Some(service) = setting.services.first() else {
            continue;
        };
        let Some(ours) = view.our_milter(service) else {
            continue;
        };
        for parameter in &parameters {
            let Some(value) = ours.option(parameter.own) else {
                continue;
            };
            let Some((level, why)) = (parameter.judge)(value) else {
                continue;
            };
            let mut finding = view.finding(level, parameter.check, &setting, why, None);
            finding.value = format!("{{ {}, {}={value} }}", ours.address, parameter.own);
            finding.change = Some(mended(view, &setting, service, &parameters));
            findings.push(finding);
        }
    }
    findings
}

/// The list with all that is wrong about us put right at once, so that each finding of it has the same line.
fn mended(view: &View<'_>, setting: &Setting<'_>, service: &Service, all: &[Parameter]) -> Change {
    let mut list = milters::parse(&setting.value).unwrap_or_default();
    let ours = list
        .iter_mut()
        .filter(|milter: &&mut Milter| view.is_ours(milter, service));
    for milter in ours {
        for parameter in all {
            let bad = milter
                .option(parameter.own)
                .is_some_and(|value| (parameter.judge)(value).is_some());
            if bad {
                milter.set(parameter.own, &parameter.better);
            }
        }
    }
    let value = milters::write(&list);
    Change::postfix(view.postconf, &setting.place, "smtpd_milters", &value)
}

/// A proxy filter takes the content away before a milter sees it.
fn beside_proxy_filter(view: &View<'_>) -> Vec<Finding> {
    let asking = view.asking.iter().copied().filter(|s| view.asks_us(s));
    let settings = view.postfix.settings("smtpd_proxy_filter", asking);
    let set = settings.iter().filter(|setting| !setting.value.is_empty());
    let why = "A service that has a proxy filter shows its milters neither header nor body: Postern sees empty mails, \
               and lets them pass. Give one of the two a service of its own.";
    set.map(|setting| view.finding(Level::Danger, "proxy-filter", setting, why, Some("")))
        .collect()
}
