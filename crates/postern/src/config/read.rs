//! Reading each section.

use super::mistake::Found;
use super::values::{
    self, count, domain, helo, identifier, mailbox, mode, path, reject, seconds, small, socket,
    tenant_name, word, words,
};
use super::walk::{Mistakes, Section};
use super::{address, mistake, print, relay, units, *};
use policy::{Action, AllowList, Category, CategoryActions, Failing, Stage};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Range, RangeInclusive};
use toml::de::DeTable;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;

/// Points, of a rule or a threshold: sums of thousands of them stay far from any overflow.
pub(super) const POINTS: RangeInclusive<i64> = -1_000_000..=1_000_000;

/// Domains by where they were first named, over all tenants.
type Owners = BTreeMap<String, String>;

/// Reads a whole document: what can be read of it, with defaults for what cannot, and all that is
/// wrong with it.
pub(super) fn config(text: &str) -> (Config, Vec<Found>) {
    let (document, broken) = DeTable::parse_recoverable(text);
    let mistakes = Mistakes::default();
    let homes = print::homes();
    let config = Section::document(document.get_ref(), &mistakes, &homes, all);
    (config, with_syntax(text, &broken, mistakes.into_inner()))
}

/// Puts syntax errors in front. What the walk found in a line that cannot be read, or at a place
/// that only the parser's guess brought about, says nothing.
fn with_syntax(text: &str, broken: &[toml::de::Error], walked: Vec<Found>) -> Vec<Found> {
    let ends = mistake::line_ends(text);
    let line = |at: usize| mistake::line_at(&ends, at);
    let mut found: Vec<Found> = Vec::new();
    let mut lines = BTreeSet::new();
    for error in broken {
        let span = error.span().unwrap_or(0..0);
        // The first error of a line is the cause, the others follow from it.
        if lines.insert(line(span.start)) {
            found.push(Found {
                span,
                key: String::new(),
                message: error.message().to_owned(),
                hint: None,
            });
        }
    }
    found.extend(
        walked
            .into_iter()
            .filter(|f| !lines.contains(&line(f.span.start))),
    );
    found
}

fn all(s: &mut Section<'_>) -> Config {
    let defaults = Config::default();
    let state_dir = s.value("state_dir", defaults.state_dir, path);
    let policy = s.section("policy", |s| policy_section(s, &defaults.policy));
    let (control, named) = s.section("control", |s| (control(s, &state_dir), s.has("socket")));
    let derived = address::socket_path(&control.socket.display().to_string());
    if let (Err(why), false) = (derived, named) {
        let hint = Some("name another socket in [control]".to_owned());
        s.wrong("state_dir", s.place("state_dir"), why, hint);
    }
    let (mut names, mut owners) = (BTreeMap::new(), Owners::new());
    Config {
        rules_dir: s.value("rules_dir", defaults.rules_dir, path),
        milter: s.section("milter", milter),
        relay: relay::relay(s),
        workers: s.section("workers", workers),
        limits: s.section("limits", limits),
        headers: s.section("headers", headers),
        quarantine: s.section("quarantine", quarantine),
        store: s.section("store", store),
        release: s.section("release", release),
        control,
        log: s.section("log", log),
        rules: s.section("rules", rules),
        tenants: s.sections("tenant", |s| tenant(s, &policy, &mut names, &mut owners)),
        policy,
        state_dir,
    }
}

fn milter(s: &mut Section<'_>) -> Milter {
    let d = Milter::default();
    let milter = Milter {
        listen: s.list("listen", d.listen, values::parsed),
        socket_mode: s.value("socket_mode", d.socket_mode, mode),
        max_connections: s.value("max_connections", d.max_connections, small(1..=100_000)),
        message_bytes: s.value("message_bytes", d.message_bytes, values::size(KIB..=GIB)),
        spill_bytes: s.value("spill_bytes", d.spill_bytes, values::size(0..=GIB)),
        drain_timeout: s.value("drain_timeout", d.drain_timeout, seconds(0..=3_600)),
    };
    values::no_doubles(s, "listen", &milter.listen);
    milter
}

fn workers(s: &mut Section<'_>) -> Workers {
    let d = Workers::default();
    let workers = Workers {
        count: s.value("count", d.count, small(1..=i64::from(Workers::MAX_COUNT))),
        memory: s.value("memory", d.memory, values::size(128 * MIB..=TIB)),
        deadline: s.value("deadline", d.deadline, seconds(1..=3_600)),
        // yara-x counts in seconds, and its first second may be over at once.
        scan_timeout: s.value("scan_timeout", d.scan_timeout, seconds(2..=3_600)),
    };
    if workers.scan_timeout > workers.deadline {
        let key = if s.has("scan_timeout") {
            "scan_timeout"
        } else {
            "deadline"
        };
        let (scan, deadline) = (
            units::duration(workers.scan_timeout),
            units::duration(workers.deadline),
        );
        let message = format!("scan_timeout {scan} is longer than deadline {deadline}");
        s.wrong(
            key,
            s.place(key),
            message,
            Some("one scan is a part of one mail".to_owned()),
        );
    }
    workers
}

fn limits(s: &mut Section<'_>) -> Limits {
    Limits {
        mail: s.section("mail", mail_limits),
        unpack: s.section("unpack", unpack_limits),
    }
}

fn mail_limits(s: &mut Section<'_>) -> MailLimits {
    let d = MailLimits::default();
    MailLimits {
        headers: s.value("headers", d.headers, count(1..=100_000)),
        header_bytes: s.value("header_bytes", d.header_bytes, values::size(KIB..=64 * MIB)),
        parts: s.value("parts", d.parts, count(1..=100_000)),
        depth: s.value("depth", d.depth, count(1..=100)),
    }
}

fn unpack_limits(s: &mut Section<'_>) -> UnpackLimits {
    let d = UnpackLimits::default();
    UnpackLimits {
        total_bytes: s.value("total_bytes", d.total_bytes, values::size(MIB..=64 * GIB)),
        file_bytes: s.value("file_bytes", d.file_bytes, values::size(KIB..=64 * GIB)),
        files: s.value("files", d.files, count(1..=1_000_000)),
        depth: s.value("depth", d.depth, count(0..=64)),
        mail_depth: s.value("mail_depth", d.mail_depth, count(0..=64)),
        ratio: s.value("ratio", d.ratio, count(1..=1_000_000)),
    }
}

fn headers(s: &mut Section<'_>) -> Headers {
    let d = Headers::default();
    Headers {
        add: s.value("add", d.add, values::flag),
        authserv_id: s.value("authserv_id", d.authserv_id, values::dot_atom),
    }
}

fn quarantine(s: &mut Section<'_>) -> Quarantine {
    let modes = [
        ("store", QuarantineMode::Store),
        ("mta-hold", QuarantineMode::MtaHold),
    ];
    Quarantine {
        mode: s.value("mode", QuarantineMode::default(), |v| word(v, &modes)),
    }
}

fn store(s: &mut Section<'_>) -> Store {
    let d = Store::default();
    Store {
        cache: s.value("cache", d.cache, values::size(MIB..=TIB)),
        min_free: s.value("min_free", d.min_free, values::size(0..=1024 * TIB)),
        segment: s.value("segment", d.segment, values::size(64 * KIB..=64 * GIB)),
    }
}

fn release(s: &mut Section<'_>) -> Release {
    let d = Release::default();
    Release {
        address: s.value("address", d.address, |v| values::parsed(v).map(Some)),
        helo: s.value("helo", d.helo, helo),
        timeout: s.value("timeout", d.timeout, seconds(1..=3_600)),
    }
}

fn control(s: &mut Section<'_>, state_dir: &Path) -> Control {
    Control {
        socket: s.value("socket", state_dir.join("control.sock"), socket),
        uids: s.list("uids", Vec::new(), |v| {
            values::number(0..=i64::from(u32::MAX - 1))(v).map(|uid| uid.unsigned_abs() as u32)
        }),
    }
}

fn log(s: &mut Section<'_>) -> Log {
    use LogLevel::{Debug, Error, Info, Trace, Warn};
    let formats = [("json", LogFormat::Json), ("text", LogFormat::Text)];
    let levels = [
        ("error", Error),
        ("warn", Warn),
        ("info", Info),
        ("debug", Debug),
        ("trace", Trace),
    ];
    Log {
        format: s.value("format", LogFormat::default(), |v| word(v, &formats)),
        level: s.value("level", LogLevel::default(), |v| word(v, &levels)),
    }
}

fn rules(s: &mut Section<'_>) -> Rules {
    Rules {
        vendor: s.named("vendor", identifier, vendor).into_iter().collect(),
    }
}

fn vendor(s: &mut Section<'_>) -> Vendor {
    let d = Vendor::default();
    Vendor {
        // As in the meta data of rules: a rule never speaks for a mail.
        points: s.value("points", d.points, values::number(0..=*POINTS.end())),
        stage: s.value("stage", d.stage, |v| {
            word(v, &words(Stage::ALL, Stage::as_str))
        }),
    }
}

/// `[policy]`, or the part of a `[[tenant]]` that may differ from it.
fn policy_section(s: &mut Section<'_>, inherited: &PolicySection) -> PolicySection {
    let policy = PolicySection {
        tag: s.value("tag", inherited.tag, values::number(POINTS)),
        quarantine: s.value("quarantine", inherited.quarantine, values::number(POINTS)),
        reject: rejecting(s, &inherited.reject),
        category: s.section("category", |s| category(s, &inherited.category)),
        failing: s.section("failing", |s| failing(s, &inherited.failing)),
        allow: s.section("allow", |s| allow(s, &inherited.allow)),
    };
    let steps = [
        ("tag", policy.tag, "quarantine", policy.quarantine),
        (
            "quarantine",
            policy.quarantine,
            "reject",
            policy.reject.score.unwrap_or(i64::MAX),
        ),
    ];
    for (low, low_score, high, high_score) in steps {
        if low_score > high_score {
            let key = if s.has(high) { high } else { low };
            let message = format!("{low} {low_score} is above {high} {high_score}");
            let hint = "thresholds must rise: tag ≤ quarantine ≤ reject".to_owned();
            s.wrong(key, s.place(key), message, Some(hint));
        }
    }
    policy
}

/// `[policy.reject]`, or only its score: `reject = 200`.
fn rejecting(s: &mut Section<'_>, inherited: &RejectSection) -> RejectSection {
    if !s.has_table("reject") {
        return RejectSection {
            score: s.value("reject", inherited.score, reject),
            ..inherited.clone()
        };
    }
    s.section("reject", |s| RejectSection {
        score: s.value("score", inherited.score, reject),
        keep_copy: s.value("keep_copy", inherited.keep_copy, values::flag),
    })
}

fn category(s: &mut Section<'_>, inherited: &CategoryActions) -> CategoryActions {
    use Action::{Accept, Discard, Quarantine, Reject, Tag};
    let allowed = words(&[Accept, Tag, Quarantine, Reject, Discard], Action::as_str);
    let mut actions = inherited.clone();
    for category in Category::ALL {
        let asked = s.value(category.as_str(), None, |v| word(v, &allowed).map(Some));
        actions.extend(asked.map(|action| (*category, action)));
    }
    actions
}

/// `discard` is not among the words: what could not be seen is no reason to destroy a mail. And
/// `tempfail` is only for failures, since an encrypted mail is still encrypted at the next try.
fn failing(s: &mut Section<'_>, d: &Failing) -> Failing {
    use Action::{Accept, Quarantine, Reject, Tag, Tempfail};
    let failed = words(&[Accept, Tag, Quarantine, Reject, Tempfail], Action::as_str);
    let unseen = words(&[Accept, Tag, Quarantine, Reject], Action::as_str);
    Failing {
        inspection: s.value("inspection", d.inspection, |v| word(v, &failed)),
        hold_after: s.value("hold_after", d.hold_after, small(1..=1_000)),
        over_limit: s.value("over_limit", d.over_limit, |v| word(v, &unseen)),
        encrypted: s.value("encrypted", d.encrypted, |v| word(v, &unseen)),
        damaged: s.value("damaged", d.damaged, |v| word(v, &unseen)),
        unsupported: s.value("unsupported", d.unsupported, |v| word(v, &unseen)),
    }
}

fn allow(s: &mut Section<'_>, d: &AllowList) -> AllowList {
    AllowList {
        senders: s.list("senders", d.senders.clone(), mailbox),
        domains: s.list("domains", d.domains.clone(), domain),
    }
}

fn tenant(
    s: &mut Section<'_>,
    inherited: &PolicySection,
    names: &mut BTreeMap<String, Range<usize>>,
    owners: &mut Owners,
) -> TenantSection {
    let name = s.value("name", String::new(), tenant_name);
    if !s.has("name") {
        s.wrong(
            "name",
            s.place("name"),
            "a tenant has no name".to_owned(),
            Some("write name = \"…\"".to_owned()),
        );
    } else if !name.is_empty() && names.insert(name.clone(), s.place("name")).is_some() {
        s.wrong(
            "name",
            s.place("name"),
            format!("there are two tenants `{name}`"),
            None,
        );
    }
    // Owners are checked value by value, so that the mistake is shown at the domain itself.
    let domains = s.list("domains", Vec::new(), |v| {
        let domain = domain(v)?;
        match owners.insert(domain.clone(), name.clone()) {
            Some(owner) => Err(format!(
                "`{domain}` is already a domain of tenant `{owner}`"
            )),
            None => Ok(domain),
        }
    });
    if domains.is_empty() && s.places("domains").is_empty() {
        let message = "a tenant has no domains, so no recipient belongs to it".to_owned();
        s.wrong("domains", s.place("domains"), message, None);
    }
    TenantSection {
        name,
        domains,
        policy: policy_section(s, inherited),
    }
}
