//! A Postfix whose configuration is good, as captured, and what tests change in it.

mod checks;
mod model;
mod program;
mod rows;

use super::checks::run;
use super::finding::{Change, Finding};
use super::model::{Postfix, Texts};
use super::ours::{Ours, RelayDoor};
use crate::config::{Config, Position};
use std::time::Duration;

const SMTP: &str = "smtp/inet";

/// Both configurations.
#[derive(Clone)]
struct Site {
    texts: Texts,
    ours: Ours,
}

/// Postfix 3.7.11 with `deploy/postfix-main.cf`, services for mail servers and users in a chroot, and one for
/// releases. Of the parameters those are left that matter.
fn good() -> Site {
    let texts = Texts {
        raw: include_str!("raw.txt").to_owned(),
        effective: include_str!("effective.txt").to_owned(),
        explicit: include_str!("explicit.txt").to_owned(),
        services: include_str!("services.txt").to_owned(),
        overrides: include_str!("overrides.txt").to_owned(),
    };
    let ours = Ours::of(&Config::default());
    Site { texts, ours }
}

/// The same with Postern as its proxy filter, which gives mail back to the service for releases.
fn proxied() -> Site {
    let mut site = good()
        .main("smtpd_milters", "")
        .main("smtpd_proxy_filter", "127.0.0.1:2525")
        .over("127.0.0.1:10025/inet", "smtpd_proxy_filter", "")
        .relay(Position::BeforeQueue);
    site.ours.release = Some(("127.0.0.1".to_owned(), 10025));
    site
}

/// The same with Postern as its content filter.
fn content_filtered() -> Site {
    proxied()
        .main("smtpd_proxy_filter", "")
        .main("content_filter", "smtp:[127.0.0.1]:2525")
        .over("127.0.0.1:10025/inet", "content_filter", "")
        .relay(Position::AfterQueue)
}

impl Site {
    fn postfix(&self) -> Postfix {
        Postfix::parse(&self.texts).expect("what postconf says")
    }

    fn findings(&self) -> Vec<Finding> {
        run(&self.postfix(), &self.ours, &["postconf".to_owned()])
    }

    /// A setting in main.cf, without references.
    fn main(self, name: &str, value: &str) -> Site {
        self.main_raw(name, value, value)
    }

    /// A setting in main.cf, with what becomes of its references.
    fn main_raw(mut self, name: &str, raw: &str, effective: &str) -> Site {
        set(&mut self.texts.raw, name, Some(raw));
        set(&mut self.texts.explicit, name, Some(raw));
        set(&mut self.texts.effective, name, Some(effective));
        self
    }

    /// A version of Postfix that does not know a parameter.
    fn without(mut self, name: &str) -> Site {
        for text in [
            &mut self.texts.raw,
            &mut self.texts.explicit,
            &mut self.texts.effective,
        ] {
            set(text, name, None);
        }
        self
    }

    /// `-o` for a service.
    fn over(mut self, service: &str, name: &str, value: &str) -> Site {
        set(
            &mut self.texts.overrides,
            &format!("{service}/{name}"),
            Some(value),
        );
        self
    }

    /// One more line of master.cf.
    fn service(mut self, line: &str) -> Site {
        self.texts.services.push_str(&format!("\n{line}\n"));
        self
    }

    /// master.cf with something else in it.
    fn services(mut self, from: &str, to: &str) -> Site {
        self.texts.services = self.texts.services.replace(from, to);
        self
    }

    /// Where Postern listens for milters.
    fn listen(mut self, listen: &str) -> Site {
        self.ours.milter = vec![listen.parse().expect("an address")];
        self
    }

    fn relay(mut self, position: Position) -> Site {
        self.ours.relay = Some(RelayDoor {
            listen: vec!["127.0.0.1:2525".parse().expect("an address")],
            position,
            message_bytes: 50 << 20,
            connections: 300,
            xforward: true,
            next_hop: Some(("127.0.0.1".to_owned(), 10025)),
        });
        self
    }

    fn with_relay(self, change: impl FnOnce(&mut RelayDoor)) -> Site {
        self.ours(|ours| change(ours.relay.as_mut().expect("a relay")))
    }

    fn ours(mut self, change: impl FnOnce(&mut Ours)) -> Site {
        change(&mut self.ours);
        self
    }

    /// Does what a finding asks for.
    fn apply(self, change: &Change) -> Site {
        let words: Vec<&str> = change
            .command
            .iter()
            .flatten()
            .map(String::as_str)
            .collect();
        match words.as_slice() {
            ["postconf", "-e", setting] => {
                let (name, value) = setting.split_once('=').expect("name = value");
                assert_eq!(change.line, *setting);
                self.main(name.trim(), value.trim())
            }
            ["postconf", "-P", setting] => {
                let (name, value) = setting.split_once('=').expect("name=value");
                let (service, name) = name.rsplit_once('/').expect("service/name");
                assert_eq!(change.line, format!("-o {name}={value}"));
                self.over(service, name, value)
            }
            ["postconf", "-F", "submission/inet/process_limit=100"] => self.services(
                "submission inet  n       -       y       -       0",
                "submission inet n - y - 100",
            ),
            [] => {
                let (name, value) = change.line.split_once(" = ").expect("name = value");
                let number = || value.parse().expect("a number");
                match (change.below.as_deref(), name) {
                    (Some("[milter]"), "max_connections") => {
                        self.ours(|ours| ours.connections = number())
                    }
                    (Some("[relay.limits]"), "connections_per_client") => {
                        self.with_relay(|relay| relay.connections = number())
                    }
                    (Some("[relay]"), "xforward_hosts") => {
                        assert_eq!(value, "[\"127.0.0.1\"]");
                        self.with_relay(|relay| relay.xforward = true)
                    }
                    (Some("[relay]"), "position") => {
                        let position = match value {
                            "\"before-queue\"" => Position::BeforeQueue,
                            _ => Position::AfterQueue,
                        };
                        self.with_relay(|relay| relay.position = position)
                    }
                    other => panic!("{other:?}"),
                }
            }
            other => panic!("{other:?}"),
        }
    }
}

fn set(text: &mut String, name: &str, value: Option<&str>) {
    let start = format!("{name} =");
    let mut lines: Vec<String> = text
        .lines()
        .filter(|line| !line.starts_with(&start))
        .map(str::to_owned)
        .collect();
    lines.extend(value.map(|value| format!("{name} = {value}")));
    *text = lines.join("\n");
}

/// A deadline that leaves nothing to chance in tests.
const DEADLINE: Duration = Duration::from_secs(95);
