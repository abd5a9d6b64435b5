//! The resolved configuration: one structure for each section of the file.

use super::address::{self, HostPort, Listen};
use super::relay::{Host, NextHopAddress, Protocol, Relay};
use super::tenants::{PolicySection, TenantSection};
use super::units;
use policy::Stage;
use serde::Serialize;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

/// The whole configuration. Relative paths are relative to the working directory.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Config {
    /// Journal, index and held mails; default `var`.
    pub state_dir: PathBuf,
    /// The rules; default `rules`.
    pub rules_dir: PathBuf,
    /// The milter door.
    pub milter: Milter,
    /// The door for SMTP; nothing if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relay: Option<Relay>,
    /// The processes that look at mail.
    pub workers: Workers,
    /// Bounds on what is looked into.
    pub limits: Limits,
    /// What is added to mails that pass.
    pub headers: Headers,
    /// What follows from the opinions of rules, for recipients of no tenant.
    pub policy: PolicySection,
    /// Where mail is held.
    pub quarantine: Quarantine,
    /// Index, journal and disk.
    pub store: Store,
    /// Where released mails go.
    pub release: Release,
    /// The admin API.
    pub control: Control,
    /// The log.
    pub log: Log,
    /// Rules beyond what their files say.
    pub rules: Rules,
    /// The tenants.
    #[serde(rename = "tenant")]
    pub tenants: Vec<TenantSection>,
}

/// `[milter]`: the door for Postfix and Sendmail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Milter {
    /// Where to listen; default `127.0.0.1:8891`.
    pub listen: Vec<Listen>,
    /// Permissions of unix sockets, octal; default `0660`.
    #[serde(serialize_with = "units::serialize_mode")]
    pub socket_mode: u32,
    /// Open connections, all together; default 500. One more is closed at once.
    pub max_connections: u32,
    /// A message, in bytes; default 50 MiB. What is longer is refused.
    #[serde(serialize_with = "units::serialize_size")]
    pub message_bytes: u64,
    /// The part of a message that stays in memory while it comes in, in bytes; default 512 KiB.
    #[serde(serialize_with = "units::serialize_size")]
    pub spill_bytes: u64,
    /// How long running transactions may go on after SIGTERM; default 30 s.
    #[serde(serialize_with = "units::serialize_duration")]
    pub drain_timeout: Duration,
}

impl Default for Milter {
    fn default() -> Self {
        Milter {
            listen: vec![Listen::Tcp((Ipv4Addr::LOCALHOST, 8891).into())],
            socket_mode: 0o660,
            max_connections: 500,
            message_bytes: 50 << 20,
            spill_bytes: 512 << 10,
            drain_timeout: Duration::from_secs(30),
        }
    }
}

/// `[workers]`: the processes that look at mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Workers {
    /// How many; default one for each core.
    pub count: u32,
    /// Memory of one worker, in bytes; default 1 GiB.
    #[serde(serialize_with = "units::serialize_size")]
    pub memory: u64,
    /// How long a worker may be busy with one mail; default 60 s.
    #[serde(serialize_with = "units::serialize_duration")]
    pub deadline: Duration,
    /// How long one scan of one artifact may take; default 10 s.
    #[serde(serialize_with = "units::serialize_duration")]
    pub scan_timeout: Duration,
}

impl Default for Workers {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Workers {
            count: u32::try_from(cores)
                .unwrap_or(1)
                .clamp(1, Workers::MAX_COUNT),
            memory: 1 << 30,
            deadline: Duration::from_secs(60),
            scan_timeout: Duration::from_secs(10),
        }
    }
}

impl Workers {
    /// More than any machine that filters mail has cores.
    pub(super) const MAX_COUNT: u32 = 512;
}

/// `[limits]`: bounds on what is looked into. What lies beyond is recorded, never taken as clean.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Limits {
    /// Parsing one message.
    pub mail: MailLimits,
    /// Taking one mail apart, everything inside it together.
    pub unpack: UnpackLimits,
}

/// `[limits.mail]`: parsing one message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct MailLimits {
    /// Header fields of one header section; default 1,000.
    pub headers: u64,
    /// Bytes of one header section; default 256 KiB.
    #[serde(serialize_with = "units::serialize_size")]
    pub header_bytes: u64,
    /// Parts; default 1,000.
    pub parts: u64,
    /// Nested multiparts; default 32.
    pub depth: u64,
}

impl Default for MailLimits {
    fn default() -> Self {
        MailLimits {
            headers: 1_000,
            header_bytes: 256 << 10,
            parts: 1_000,
            depth: 32,
        }
    }
}

/// `[limits.unpack]`: taking one mail apart, everything inside it together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct UnpackLimits {
    /// Bytes that all artifacts together may have; default 256 MiB.
    #[serde(serialize_with = "units::serialize_size")]
    pub total_bytes: u64,
    /// Bytes of one artifact; default 100 MiB.
    #[serde(serialize_with = "units::serialize_size")]
    pub file_bytes: u64,
    /// Artifacts; default 2,000.
    pub files: u64,
    /// Archives in archives; default 8.
    pub depth: u64,
    /// Mails in mails; default 32.
    pub mail_depth: u64,
    /// Bytes out for each byte in, beyond the first MiB of an artifact; default 200.
    pub ratio: u64,
}

impl Default for UnpackLimits {
    fn default() -> Self {
        UnpackLimits {
            total_bytes: 256 << 20,
            file_bytes: 100 << 20,
            files: 2_000,
            depth: 8,
            mail_depth: 32,
            ratio: 200,
        }
    }
}

/// `[headers]`: header fields of mails that pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Headers {
    /// Whether header fields are added that say what was found; default true.
    pub add: bool,
    /// The name under which mail servers within our walls write `Authentication-Results` (RFC 8601);
    /// default the machine's host name. What a mail brings under that name is forged, and removed.
    pub authserv_id: String,
}

impl Default for Headers {
    fn default() -> Self {
        Headers {
            add: true,
            authserv_id: address::own_name(),
        }
    }
}

/// `[quarantine]`: where mail is held.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Quarantine {
    /// Default `store`.
    pub mode: QuarantineMode,
}

/// Who holds mail.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum QuarantineMode {
    /// Postern, as files.
    #[default]
    Store,
    /// The MTA in its hold queue, where it can.
    MtaHold,
}

/// `[store]`: index, journal and disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Store {
    /// Memory for the index's cache, in bytes; default 64 MiB.
    #[serde(serialize_with = "units::serialize_size")]
    pub cache: u64,
    /// With less free disk than this no mail is accepted, in bytes; default 1 GiB.
    #[serde(serialize_with = "units::serialize_size")]
    pub min_free: u64,
    /// Bytes of a journal segment before the next is begun; default 64 MiB.
    #[serde(serialize_with = "units::serialize_size")]
    pub segment: u64,
}

impl Default for Store {
    fn default() -> Self {
        Store {
            cache: 64 << 20,
            min_free: 1 << 30,
            segment: 64 << 20,
        }
    }
}

/// `[release]`: where released mails go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Release {
    /// An SMTP server behind the filter. Nothing: see [`Config::release_to`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<HostPort>,
    /// What to call ourselves in EHLO; default `localhost`.
    pub helo: String,
    /// How long to wait for the greeting and for each reply; default 60 s. For the reply to the
    /// message itself the server has ten minutes (RFC 5321, section 4.5.3.2.6).
    #[serde(serialize_with = "units::serialize_duration")]
    pub timeout: Duration,
}

impl Default for Release {
    fn default() -> Self {
        Release {
            address: None,
            helo: "localhost".to_owned(),
            timeout: Duration::from_secs(60),
        }
    }
}

/// `[control]`: the admin API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Control {
    /// The unix socket; default `control.sock` in the state directory.
    pub socket: PathBuf,
    /// Users besides root and the daemon's own that may use it, by number; default none.
    pub uids: Vec<u32>,
}

/// `[log]`: the log, on standard error.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Log {
    /// Default `text`.
    pub format: LogFormat,
    /// Default `info`.
    pub level: LogLevel,
}

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// One JSON object.
    Json,
    /// For people.
    #[default]
    Text,
}

/// What is logged at least.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogLevel {
    /// What an operator must act on.
    Error,
    /// What an operator should know.
    Warn,
    /// Every mail.
    #[default]
    Info,
    /// What happens to every mail.
    Debug,
    /// Protocols, byte by byte.
    Trace,
}

/// `[rules]`: rules beyond what their files say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Rules {
    /// `[rules.vendor.<name>]`: public rule sets by the name of their directory.
    pub vendor: BTreeMap<String, Vendor>,
}

/// `[rules.vendor.<name>]`: one public rule set. Its own scores are ignored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Vendor {
    /// Points of each of its rules; default 0.
    pub points: i64,
    /// Whether its hits count; default `shadow`.
    pub stage: Stage,
}

impl Default for Vendor {
    fn default() -> Self {
        Vendor {
            points: 0,
            stage: Stage::Shadow,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        let state_dir = PathBuf::from("var");
        Config {
            control: Control {
                socket: state_dir.join("control.sock"),
                uids: Vec::new(),
            },
            state_dir,
            rules_dir: PathBuf::from("rules"),
            milter: Milter::default(),
            relay: None,
            workers: Workers::default(),
            limits: Limits::default(),
            headers: Headers::default(),
            policy: PolicySection::default(),
            quarantine: Quarantine::default(),
            store: Store::default(),
            release: Release::default(),
            log: Log::default(),
            rules: Rules::default(),
            tenants: Vec::new(),
        }
    }
}

impl Config {
    /// What holds without any configuration file: the defaults, and a relay that shows what Postern does.
    pub(super) fn without_file() -> Config {
        let config = Config::default();
        Config {
            relay: Some(Relay::demonstration(&config.state_dir)),
            ..config
        }
    }

    /// Where released mail goes: to `[release] address`, else where the relay sends mail that passes, else
    /// to the mail server of this machine.
    pub(crate) fn release_to(&self) -> NextHopAddress {
        let smtp = |address: HostPort| NextHopAddress::Server {
            protocol: Protocol::Smtp,
            host: Host::Tcp(address),
        };
        let next_hop = || {
            self.relay
                .as_ref()
                .map(|relay| relay.next_hop.address.clone())
        };
        let own = || HostPort {
            host: "127.0.0.1".to_owned(),
            port: 25,
        };
        let named = self.release.address.clone().map(smtp);
        named.or_else(next_hop).unwrap_or_else(|| smtp(own()))
    }

    /// The longest message that some door takes, in bytes.
    pub(crate) fn message_bytes(&self) -> u64 {
        let relay = self.relay.as_ref().map_or(0, |r| r.limits.message_bytes);
        self.milter.message_bytes.max(relay)
    }
}
