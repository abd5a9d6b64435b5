//! Postern as a proxy filter or content filter of Postfix.

use super::super::finding::{Change, Finding, Level};
use super::super::model::{Service, Setting};
use super::super::ours::{RelayDoor, is_here};
use super::super::values::{duration, words};
use super::View;
use crate::config::Position;
use crate::term::human_size;

pub(super) fn check(view: &View<'_>) -> Vec<Finding> {
    let Some(relay) = &view.ours.relay else {
        return Vec::new();
    };
    let proxied: Vec<&Service> = view
        .postfix
        .services()
        .filter(|s| view.is_proxied(s))
        .collect();
    let queued: Vec<&Service> = view
        .postfix
        .services()
        .filter(|s| view.is_content_filtered(s))
        .collect();
    let mut findings = position(view, relay, &proxied, &queued);
    findings.extend(client(view, relay, &proxied, &queued));
    findings.extend(patience(view, &proxied));
    findings.extend(speed_adjust(view, relay, &proxied));
    findings.extend(message_size(
        view,
        relay,
        &[proxied.as_slice(), &queued].concat(),
    ));
    findings.extend(connections(view, relay, &proxied));
    findings.extend(circles(view, relay));
    findings
}

/// What Postern may say depends on whether the sender is still there.
fn position(
    view: &View<'_>,
    relay: &RelayDoor,
    proxied: &[&Service],
    queued: &[&Service],
) -> Vec<Finding> {
    let (name, services, level, better, why) = match relay.position {
        Position::BeforeQueue => (
            "content_filter",
            queued,
            Level::Danger,
            "after-queue",
            "Postern takes the sender to be still there, and refuses mail. But this mail is in the queue: each refusal \
             becomes a bounce, to senders who are mostly forged.",
        ),
        Position::AfterQueue => (
            "smtpd_proxy_filter",
            proxied,
            Level::Note,
            "before-queue",
            "Postern takes this mail to come out of a queue, and holds what it could refuse.",
        ),
    };
    let settings = view.postfix.settings(name, services.iter().copied());
    let found = settings.iter().map(|setting| {
        let mut finding = view.finding(level, "relay-position", setting, why, None);
        finding.change = Some(Change::postern("relay", format!("position = \"{better}\"")));
        finding
    });
    found.collect()
}

/// How long Postfix waits for the answer to a message.
fn patience(view: &View<'_>, proxied: &[&Service]) -> Vec<Finding> {
    let deadline = view.ours.deadline;
    let settings = view
        .postfix
        .settings("smtpd_proxy_timeout", proxied.iter().copied());
    let short = settings
        .iter()
        .filter(|s| duration(&s.value).is_none_or(|time| time < deadline));
    let why = format!(
        "Postern may take {} s for a message. If Postfix gives up before, its client tries again, and the mail may come \
         twice.",
        deadline.as_secs()
    );
    let better = format!("{}s", deadline.as_secs().max(100));
    short
        .map(|setting| {
            view.finding(
                Level::Danger,
                "proxy-timeout",
                setting,
                why.as_str(),
                Some(&better),
            )
        })
        .collect()
}

/// With `speed_adjust` the recipients have been accepted before Postern hears of them. That does no harm if the next
/// hop takes all of them.
fn speed_adjust(view: &View<'_>, relay: &RelayDoor, proxied: &[&Service]) -> Vec<Finding> {
    let next_hop = relay.next_hop.as_ref();
    let takes_all = next_hop.is_some_and(|target| {
        services_at(view, target)
            .any(|service| view.overrides(service, "no_unknown_recipient_checks"))
    });
    if takes_all {
        return Vec::new();
    }
    let settings = view
        .postfix
        .settings("smtpd_proxy_options", proxied.iter().copied());
    let set = settings
        .iter()
        .filter(|s| words(&s.value).any(|word| word == "speed_adjust"));
    let why = "With speed_adjust Postfix has accepted all recipients before Postern sees them: when the next hop refuses one \
               of them, the whole mail is refused.";
    let better = |setting: &Setting<'_>| {
        let others = words(&setting.value).filter(|word| *word != "speed_adjust");
        others.collect::<Vec<_>>().join(",")
    };
    set.map(|s| view.finding(Level::Warning, "speed-adjust", s, why, Some(&better(s))))
        .collect()
}

/// Whether Postern hears from Postfix who the client is.
fn client(
    view: &View<'_>,
    relay: &RelayDoor,
    proxied: &[&Service],
    queued: &[&Service],
) -> Vec<Finding> {
    if relay.xforward {
        return Vec::new();
    }
    let mut settings = view
        .postfix
        .settings("smtpd_proxy_filter", proxied.iter().copied());
    settings.extend(
        view.postfix
            .settings("content_filter", queued.iter().copied()),
    );
    let why = "Postern does not believe this Postfix who its client is, and takes Postfix itself for the sender of every mail. \
               With this Postfix tells it; a content filter also needs -o smtp_send_xforward_command=yes at its transport.";
    let found = settings.iter().map(|setting| {
        let mut finding = view.finding(Level::Warning, "xforward", setting, why, None);
        finding.change = Some(Change::postern(
            "relay",
            "xforward_hosts = [\"127.0.0.1\"]".to_owned(),
        ));
        finding
    });
    found.collect()
}

fn message_size(view: &View<'_>, relay: &RelayDoor, services: &[&Service]) -> Vec<Finding> {
    let most = relay.message_bytes;
    let settings = view
        .postfix
        .settings("message_size_limit", services.iter().copied());
    let fits = |s: &&Setting<'_>| {
        s.value
            .parse()
            .is_ok_and(|limit: u64| limit > 0 && limit <= most)
    };
    let bad = settings.iter().filter(|s| !fits(s));
    let why = format!(
        "Postern takes messages of at most {} ({most} bytes) at this door and refuses what is longer. Lower this, or raise \
         message_bytes in [relay.limits] of postern.toml.",
        human_size(most)
    );
    bad.map(|s| {
        view.finding(
            Level::Danger,
            "message-size",
            s,
            why.as_str(),
            Some(&most.to_string()),
        )
    })
    .collect()
}

/// More connections than Postern takes from one client, which Postfix is.
fn connections(view: &View<'_>, relay: &RelayDoor, proxied: &[&Service]) -> Vec<Finding> {
    let bounded = proxied.iter().map(|s| s.processes.unwrap_or(u64::MAX));
    let all = bounded.fold(0, u64::saturating_add);
    let settings = view
        .postfix
        .settings("smtpd_proxy_filter", proxied.iter().copied());
    let Some(setting) = settings.first().filter(|_| all > relay.connections) else {
        return Vec::new();
    };
    let why = format!(
        "Each smtpd has a connection to Postern, and there may be more of them than the {} that Postern takes from one \
         client. What is beyond is deferred.",
        relay.connections
    );
    let mut finding = view.finding(Level::Warning, "connections", setting, why, None);
    finding.services = proxied.iter().map(|s| s.id.clone()).collect();
    finding.change = Some(all)
        .filter(|all| *all <= super::limits::MOST_CONNECTIONS)
        .map(|all| Change::postern("relay.limits", format!("connections_per_client = {all}")));
    vec![finding]
}

/// Services to which Postern gives mail and from which it gets it back.
fn circles(view: &View<'_>, relay: &RelayDoor) -> Vec<Finding> {
    let released = view.ours.release.as_ref();
    let ways = [
        (
            released,
            Level::Warning,
            "release-loop",
            "Released mail goes here and comes back to Postern, which may hold it again. Give releases a service of their \
             own, and name it as address in [release] of postern.toml.",
        ),
        (
            relay.next_hop.as_ref(),
            Level::Danger,
            "relay-loop",
            "Mail that passed goes here and comes back to Postern: it goes in circles until it is refused for its hops.",
        ),
    ];
    let mut findings = Vec::new();
    for (target, level, check, why) in ways {
        for service in target
            .into_iter()
            .flat_map(|target| services_at(view, target))
        {
            let names = [
                ("smtpd_proxy_filter", view.is_proxied(service)),
                ("content_filter", view.is_content_filtered(service)),
            ];
            for (name, _) in names.into_iter().filter(|(_, back)| *back) {
                // What others deliver to must stay filtered.
                let better = Some("").filter(|_| !view.postfix.is_public(service));
                let settings = view.postfix.settings(name, [service]);
                findings.extend(settings.iter().map(|setting| {
                    let mut finding = view.finding(level, check, setting, why, None);
                    let place = super::Place::Service(service.id.clone());
                    finding.change =
                        better.map(|value| Change::postfix(view.postconf, &place, name, value));
                    finding
                }));
            }
        }
    }
    findings
}

/// The services of this machine that listen there.
fn services_at<'a>(
    view: &View<'a>,
    (host, port): &(String, u16),
) -> impl Iterator<Item = &'a Service> {
    let services = Some(view.postfix).filter(|_| is_here(host));
    let services = services.into_iter().flat_map(|postfix| postfix.services());
    services.filter(move |s| s.port() == Some(*port) && host_fits(s, host))
}

/// Whether a service listens on this address of the machine; names count as any.
fn host_fits(service: &Service, host: &str) -> bool {
    let Some((bound, _)) = service.address.rsplit_once(':') else {
        return true;
    };
    let ip = |text: &str| {
        text.trim_matches(['[', ']'])
            .parse::<std::net::IpAddr>()
            .ok()
    };
    match (ip(bound), ip(host)) {
        (Some(bound), Some(host)) => bound == host || bound.is_unspecified(),
        _ => true,
    }
}
