//! The checks: each a pure function from both configurations to findings.

mod filtered;
mod limits;
mod milter;
mod relay;
mod relaying;
mod smtp;

use super::finding::{Change, Finding, Level};
use super::milters::{self, Milter};
use super::model::{Place, Postfix, Service, Setting};
use super::ours::Ours;
use super::values::words;

/// Parameters whose values are looked at, service by service.
const LOOKED_AT: [&str; 16] = [
    "content_filter",
    "message_size_limit",
    "milter_command_timeout",
    "milter_connect_timeout",
    "milter_content_timeout",
    "milter_default_action",
    "milter_protocol",
    "mynetworks",
    "receive_override_options",
    "smtpd_forbid_bare_newline",
    "smtpd_forbid_bare_newline_exclusions",
    "smtpd_milters",
    "smtpd_proxy_filter",
    "smtpd_proxy_options",
    "smtpd_proxy_timeout",
    "smtpd_relay_restrictions",
];

/// All that is not as it should be, the worst first. `postconf` is the start of a command that changes this
/// configuration.
pub(super) fn run(postfix: &Postfix, ours: &Ours, postconf: &[String]) -> Vec<Finding> {
    let view = View::new(postfix, ours, postconf);
    let mut findings = filtered::check(&view);
    findings.extend(milter::check(&view));
    findings.extend(limits::check(&view));
    findings.extend(smtp::check(&view));
    findings.extend(relay::check(&view));
    findings.extend(relaying::check(&view));
    findings.extend(unclear(&view));
    findings.sort_by_key(|finding| finding.level);
    findings
}

/// Both configurations, and what follows from them for every check.
struct View<'a> {
    postfix: &'a Postfix,
    ours: &'a Ours,
    postconf: &'a [String],
    /// The services that ask Postern as a milter. All, if their mail does not come to it in any other way: they
    /// are meant to.
    asking: Vec<&'a Service>,
    /// These, and all that others than this machine can reach.
    watched: Vec<&'a Service>,
}

impl<'a> View<'a> {
    fn new(postfix: &'a Postfix, ours: &'a Ours, postconf: &'a [String]) -> View<'a> {
        let mut view = View {
            postfix,
            ours,
            postconf,
            asking: Vec::new(),
            watched: Vec::new(),
        };
        let mut asking: Vec<_> = postfix.services().filter(|s| view.asks_us(s)).collect();
        if !postfix.services().any(|s| view.reaches_us(s)) {
            asking = postfix.services().collect();
        }
        let watched =
            |s: &&Service| postfix.is_public(s) || view.reaches_us(s) || asking.contains(s);
        view.watched = postfix.services().filter(watched).collect();
        view.asking = asking;
        view
    }

    /// The milters of a service that it really asks.
    ///
    /// # Errors
    /// The list cannot be read.
    fn milters(&self, service: &Service) -> Result<Vec<Milter>, String> {
        let list = self.postfix.of(service, "smtpd_milters");
        milters::parse(&list.map_or_else(String::new, |(list, _)| list))
    }

    fn is_ours(&self, milter: &Milter, service: &Service) -> bool {
        let mut doors = self.ours.milter.iter();
        doors.any(|door| milters::reaches(&milter.address, service, self.postfix, door))
    }

    /// What this service says of us, if it asks us.
    fn our_milter(&self, service: &Service) -> Option<Milter> {
        let milters = self.milters(service).unwrap_or_default();
        let ours = |milter: &Milter| self.is_ours(milter, service);
        milters
            .into_iter()
            .find(ours)
            .filter(|_| !self.is_exempt(service))
    }

    fn asks_us(&self, service: &Service) -> bool {
        self.our_milter(service).is_some()
    }

    /// Whether the mail of a service comes to Postern in one of all ways.
    fn reaches_us(&self, service: &Service) -> bool {
        self.asks_us(service) || self.is_proxied(service) || self.is_content_filtered(service)
    }

    /// Whether a service gives its mail to our relay before it is in the queue.
    fn is_proxied(&self, service: &Service) -> bool {
        let filter = self.postfix.of(service, "smtpd_proxy_filter");
        filter.is_some_and(|(to, _)| self.leads_to_relay(&to, service))
    }

    /// Whether the mail of a service goes from the queue to our relay: `transport:destination`.
    fn is_content_filtered(&self, service: &Service) -> bool {
        let filter = self.postfix.of(service, "content_filter");
        filter.is_some_and(|(filter, _)| {
            let to = filter.split_once(':').map(|(_, to)| to);
            to.is_some_and(|to| self.leads_to_relay(to, service))
        })
    }

    fn leads_to_relay(&self, to: &str, service: &Service) -> bool {
        let to = to.trim();
        let address = if to.starts_with("inet:") || to.starts_with("unix:") {
            to.to_owned()
        } else if to.bytes().all(|b| b.is_ascii_digit()) {
            format!("inet:127.0.0.1:{to}")
        } else {
            format!("inet:{to}")
        };
        let mut doors = self.ours.relay.iter().flat_map(|relay| &relay.listen);
        doors.any(|door| milters::reaches(&address, service, self.postfix, door))
    }

    /// Whether a service asks no milter, whatever `smtpd_milters` says.
    fn is_exempt(&self, service: &Service) -> bool {
        self.overrides(service, "no_milters")
    }

    /// Whether a service leaves out a part of its work: a word of `receive_override_options`.
    fn overrides(&self, service: &Service, what: &str) -> bool {
        let options = self.postfix.of(service, "receive_override_options");
        options.is_some_and(|(options, _)| words(&options).any(|word| word == what))
    }

    /// The values of a parameter in the services that ask us.
    fn of_asking(&self, name: &'a str) -> Vec<Setting<'a>> {
        self.postfix.settings(name, self.asking.iter().copied())
    }

    /// A finding about a setting, with the value it should have.
    fn finding(
        &self,
        level: Level,
        check: &'static str,
        setting: &Setting<'_>,
        why: impl Into<String>,
        better: Option<&str>,
    ) -> Finding {
        let change =
            better.map(|value| Change::postfix(self.postconf, &setting.place, setting.name, value));
        Finding {
            level,
            check,
            setting: setting.name.to_owned(),
            value: setting.value.clone(),
            place: self.place(&setting.place),
            services: setting.services.iter().map(|s| s.id.clone()).collect(),
            why: why.into(),
            change,
        }
    }

    fn place(&self, place: &Place) -> String {
        match place {
            Place::Default => format!("default of Postfix {}", self.postfix.version()),
            other => other.to_string(),
        }
    }
}

/// A value that cannot be worked out is not taken for a good one.
fn unclear(view: &View<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for service in &view.watched {
        for name in LOOKED_AT
            .iter()
            .filter(|name| view.postfix.is_unclear(service, name))
        {
            findings.push(Finding {
                level: Level::Warning,
                check: "unclear",
                setting: (*name).to_owned(),
                value: String::new(),
                place: view.place(&Place::Service(service.id.clone())),
                services: vec![service.id.clone()],
                why: "Its value depends on what -o sets for this service, in a form that is not understood here, \
                      so that nothing is known about it."
                    .to_owned(),
                change: None,
            });
        }
    }
    findings
}
