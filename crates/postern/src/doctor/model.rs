//! What Postfix is told to do, as far as Postern is concerned: pure, made from the output of `postconf`.

use super::expand::{expand, refers};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

/// Services of master.cf that are taken; no Postfix has that many.
const MAX_SERVICES: usize = 10_000;

/// What `postconf` has said.
#[derive(Debug, Clone, Default)]
pub(super) struct Texts {
    /// `postconf`: every parameter with its value as it is written, or its default.
    pub raw: String,
    /// `postconf -x`: the same with references expanded.
    pub effective: String,
    /// `postconf -n`: what main.cf sets.
    pub explicit: String,
    /// `postconf -M`: the services.
    pub services: String,
    /// `postconf -P -x`: what `-o` overrides in each service.
    pub overrides: String,
}

/// What it has said that is not what `postconf` says.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ModelError {
    /// A line that is no setting or no service.
    #[error("{call}, line {line}: not understood: {text}")]
    Line {
        /// The command.
        call: &'static str,
        /// From 1.
        line: usize,
        /// The line.
        text: String,
    },
    /// Something that every Postfix says is missing.
    #[error("{call}: says nothing about {what}; Postfix 2.11 or later is needed")]
    Missing {
        /// The command.
        call: &'static str,
        /// What is missing.
        what: &'static str,
    },
    /// More services than are taken.
    #[error("postconf -M: more than {MAX_SERVICES} services")]
    Services,
}

/// Postfix's configuration.
#[derive(Debug)]
pub(super) struct Postfix {
    raw: BTreeMap<String, String>,
    effective: BTreeMap<String, String>,
    explicit: BTreeSet<String>,
    services: Vec<Service>,
}

/// One smtpd of master.cf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Service {
    /// Its name and type, as `postconf -P` wants them: `smtp/inet`.
    pub id: String,
    /// The first column: `smtp`, `127.0.0.1:10025`.
    pub address: String,
    /// The second: `inet`, `unix`, `pass`.
    pub kind: String,
    /// Whether it sees the queue directory as its root.
    pub chrooted: bool,
    /// Processes at the same time; `None` without a bound.
    pub processes: Option<u64>,
    overrides: BTreeMap<String, String>,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// Nobody has set it.
    Default,
    /// main.cf.
    Main,
    /// `-o` of a service of master.cf, by its id.
    Service(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Default => f.write_str("default of Postfix"),
            Place::Main => f.write_str("main.cf"),
            Place::Service(id) => write!(f, "master.cf, service {id}"),
        }
    }
}

/// A value that some services have from the same place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Setting<'a> {
    /// The parameter.
    pub name: &'a str,
    /// Its value, expanded.
    pub value: String,
    /// Where it comes from.
    pub place: Place,
    /// The services.
    pub services: Vec<&'a Service>,
}

impl Postfix {
    /// Makes sense of what `postconf` has said.
    ///
    /// # Errors
    /// It is not what `postconf` says.
    pub(super) fn parse(texts: &Texts) -> Result<Postfix, ModelError> {
        let raw = settings("postconf", &texts.raw)?;
        let effective = settings("postconf -x", &texts.effective)?;
        let explicit = settings("postconf -n", &texts.explicit)?;
        for what in ["mail_version", "queue_directory", "smtpd_milters"] {
            if !effective.contains_key(what) {
                let call = "postconf -x";
                return Err(ModelError::Missing { call, what });
            }
        }
        let mut overrides: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        for (name, value) in settings("postconf -P -x", &texts.overrides)? {
            // The name of a service may have slashes, that of a parameter has none.
            if let Some((service, name)) = name.rsplit_once('/') {
                let own = overrides.entry(service.to_owned()).or_default();
                own.insert(name.to_owned(), value);
            }
        }
        let services = services(&texts.services, &Defaults::of(&effective), &mut overrides)?;
        Ok(Postfix {
            raw,
            effective,
            explicit: explicit.into_keys().collect(),
            services,
        })
    }

    /// Its version, `3.7.11`.
    pub(super) fn version(&self) -> &str {
        self.main("mail_version").unwrap_or_default()
    }

    /// Where relative paths start, and the root of what is chrooted.
    pub(super) fn queue_directory(&self) -> PathBuf {
        self.main("queue_directory").unwrap_or_default().into()
    }

    /// Whether others than this machine can reach a service.
    pub(super) fn is_public(&self, service: &Service) -> bool {
        let interfaces = self.main("inet_interfaces").unwrap_or("all");
        let mut interfaces = interfaces.split([',', ' ']).filter(|word| !word.is_empty());
        let named = service.address.contains(':');
        match service.kind.as_str() {
            "pass" => true,
            "inet" if named => !service.is_loopback(),
            "inet" => !interfaces.all(|word| word == "loopback-only" || is_loopback(word)),
            _ => false,
        }
    }

    /// Every smtpd.
    pub(super) fn services(&self) -> impl Iterator<Item = &Service> {
        self.services.iter()
    }

    /// The value of a parameter as main.cf has it; nothing if this version does not know it.
    pub(super) fn main(&self, name: &str) -> Option<&str> {
        self.effective.get(name).map(String::as_str)
    }

    /// Where the value of a parameter that no service overrides comes from.
    pub(super) fn main_place(&self, name: &str) -> Place {
        if self.explicit.contains(name) {
            Place::Main
        } else {
            Place::Default
        }
    }

    /// The value that one service has, and where it comes from. Nothing if this version does not know the
    /// parameter, or if the value cannot be worked out: [`Postfix::is_unclear`] tells.
    pub(super) fn of(&self, service: &Service, name: &str) -> Option<(String, Place)> {
        let own = || Place::Service(service.id.clone());
        if let Some(value) = service.overrides.get(name) {
            return Some((value.clone(), own()));
        }
        if self.is_changed_by(service, name) {
            let lookup = |name: &str| self.seen_by(service, name);
            return expand(self.raw.get(name)?, &lookup).map(|value| (value, own()));
        }
        let value = self.main(name)?.to_owned();
        Some((value, self.main_place(name)))
    }

    /// Whether the value of a known parameter cannot be worked out for a service.
    pub(super) fn is_unclear(&self, service: &Service, name: &str) -> bool {
        self.effective.contains_key(name) && self.of(service, name).is_none()
    }

    /// The values of a parameter in some services, those from the same place together.
    pub(super) fn settings<'a>(
        &self,
        name: &'a str,
        services: impl IntoIterator<Item = &'a Service>,
    ) -> Vec<Setting<'a>> {
        let mut found: Vec<Setting<'a>> = Vec::new();
        for service in services {
            let Some((value, place)) = self.of(service, name) else {
                continue;
            };
            match found.iter_mut().find(|setting| setting.place == place) {
                Some(setting) => setting.services.push(service),
                None => found.push(Setting {
                    name,
                    value,
                    place,
                    services: vec![service],
                }),
            }
        }
        found
    }

    /// Whether a value of main.cf refers to what a service overrides.
    fn is_changed_by(&self, service: &Service, name: &str) -> bool {
        let Some(raw) = self.raw.get(name) else {
            return false;
        };
        let lookup = |name: &str| self.raw.get(name).map(String::as_str);
        let overridden = |name: &str| service.overrides.contains_key(name);
        !service.overrides.is_empty() && refers(raw, &lookup, &overridden)
    }

    fn seen_by<'a>(&'a self, service: &'a Service, name: &str) -> Option<&'a str> {
        let own = service.overrides.get(name);
        own.or_else(|| self.raw.get(name)).map(String::as_str)
    }
}

impl Service {
    /// Whether only this machine can reach it by its address; `inet_interfaces` is not looked at.
    pub(super) fn is_loopback(&self) -> bool {
        let Some((host, _)) = self.address.rsplit_once(':') else {
            return self.kind == "unix";
        };
        is_loopback(host)
    }

    /// Its port, if it has one and it is a number or a usual name.
    pub(super) fn port(&self) -> Option<u16> {
        let port = self.address.rsplit(':').next().unwrap_or(&self.address);
        match port {
            _ if self.kind != "inet" => None,
            "smtp" => Some(25),
            "submission" => Some(587),
            "smtps" | "submissions" => Some(465),
            _ => port.parse().ok(),
        }
    }

    /// Whether other mail servers deliver here: port 25, or what postscreen hands on.
    pub(super) fn is_for_mail_servers(&self) -> bool {
        self.kind == "pass" || self.port() == Some(25)
    }
}

/// What `-` means in a line of master.cf.
struct Defaults {
    processes: u64,
    chrooted: bool,
}

impl Defaults {
    fn of(effective: &BTreeMap<String, String>) -> Defaults {
        let value = |name: &str| effective.get(name).map_or("", String::as_str);
        Defaults {
            processes: value("default_process_limit").parse().unwrap_or(100),
            // Before Postfix 3.0 there is no level, and it means 0.
            chrooted: matches!(value("compatibility_level"), "" | "0"),
        }
    }
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    let address = host.parse::<std::net::IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|ip| ip.is_loopback())
}

/// Lines `name = value`.
fn settings(call: &'static str, text: &str) -> Result<BTreeMap<String, String>, ModelError> {
    let mut found = BTreeMap::new();
    for (number, line) in lines(text) {
        let Some((name, value)) = line.split_once('=') else {
            return Err(not_understood(call, number, line));
        };
        found.insert(name.trim().to_owned(), value.trim().to_owned());
    }
    Ok(found)
}

/// Lines of eight columns: service, type, private, unprivileged, chroot, wake-up, process limit, command.
fn services(
    text: &str,
    defaults: &Defaults,
    overrides: &mut BTreeMap<String, BTreeMap<String, String>>,
) -> Result<Vec<Service>, ModelError> {
    let mut found = Vec::new();
    for (number, line) in lines(text) {
        if number > MAX_SERVICES {
            return Err(ModelError::Services);
        }
        let mut words = line.split_whitespace();
        let mut columns = [""; 8];
        for column in &mut columns {
            let word = words.next();
            *column = word.ok_or_else(|| not_understood("postconf -M", number, line))?;
        }
        let [address, kind, _, _, chroot, _, limit, command] = columns;
        if command != "smtpd" {
            continue;
        }
        let processes = match limit {
            "-" => defaults.processes,
            number => number.parse().unwrap_or(defaults.processes),
        };
        let id = format!("{address}/{kind}");
        found.push(Service {
            address: address.to_owned(),
            kind: kind.to_owned(),
            chrooted: chroot == "y" || (chroot == "-" && defaults.chrooted),
            processes: Some(processes).filter(|limit| *limit > 0),
            overrides: overrides.remove(&id).unwrap_or_default(),
            id,
        });
    }
    Ok(found)
}

fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let numbered = text
        .lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line));
    numbered.filter(|(_, line)| !line.trim().is_empty())
}

fn not_understood(call: &'static str, line: usize, text: &str) -> ModelError {
    let text = text.to_owned();
    ModelError::Line { call, line, text }
}
