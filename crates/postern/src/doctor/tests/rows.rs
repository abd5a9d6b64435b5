//! What is bad, one thing at a time.

use super::{SMTP, Site, content_filtered, good, proxied};
use crate::config::Position;
use crate::doctor::finding::Level;
use Level::{Danger, Note, Warning};

/// A bad configuration, and the only finding that it has: level, check, and the line that helps.
type Row = (Site, Level, &'static str, &'static str);

const RELEASE: &str = "127.0.0.1:10025/inet";

/// All of them.
pub(super) fn all() -> Vec<Row> {
    [milter_rows(), filtered_rows(), other_rows(), relay_rows()].concat()
}

fn milter_rows() -> Vec<Row> {
    let braces = |options: &str| {
        good().main(
            "smtpd_milters",
            &format!("{{ inet:127.0.0.1:8891, {options} }}"),
        )
    };
    vec![
        (
            good().main("milter_default_action", "accept"),
            Danger,
            "default-action",
            "milter_default_action = tempfail",
        ),
        (
            good().over(SMTP, "milter_default_action", "accept"),
            Danger,
            "default-action",
            "-o milter_default_action=tempfail",
        ),
        (
            braces("default_action=accept"),
            Danger,
            "default-action",
            "smtpd_milters = {inet:127.0.0.1:8891,default_action=tempfail}",
        ),
        (
            good().over(
                SMTP,
                "smtpd_milters",
                "{inet:127.0.0.1:8891,default_action=accept}",
            ),
            Danger,
            "default-action",
            "-o smtpd_milters={inet:127.0.0.1:8891,default_action=tempfail}",
        ),
        (
            good()
                .main_raw("milter_default_action", "$action", "tempfail")
                .main("action", "tempfail")
                .over(SMTP, "action", "accept"),
            Danger,
            "default-action",
            "-o milter_default_action=tempfail",
        ),
        (
            good().main("milter_default_action", "reject"),
            Warning,
            "default-action",
            "milter_default_action = tempfail",
        ),
        (
            good().main("milter_default_action", "quarantine"),
            Note,
            "default-action",
            "milter_default_action = tempfail",
        ),
        (
            good().main("milter_default_action", "acept"),
            Warning,
            "default-action",
            "milter_default_action = tempfail",
        ),
        (
            good().main("milter_protocol", "2"),
            Danger,
            "protocol",
            "milter_protocol = 6",
        ),
        (
            braces("protocol=4"),
            Danger,
            "protocol",
            "smtpd_milters = {inet:127.0.0.1:8891,protocol=6}",
        ),
        (
            good().main("milter_connect_timeout", "1s"),
            Danger,
            "connect-timeout",
            "milter_connect_timeout = 30s",
        ),
        (
            good().main("milter_command_timeout", "3"),
            Danger,
            "command-timeout",
            "milter_command_timeout = 30s",
        ),
        (
            good().main("milter_content_timeout", "15s"),
            Danger,
            "content-timeout",
            "milter_content_timeout = 300s",
        ),
        (
            good().main("milter_content_timeout", "60s"),
            Warning,
            "content-timeout",
            "milter_content_timeout = 300s",
        ),
        (
            good().main("milter_content_timeout", "soon"),
            Warning,
            "content-timeout",
            "milter_content_timeout = 300s",
        ),
        (
            braces("content_timeout=5s"),
            Danger,
            "content-timeout",
            "smtpd_milters = {inet:127.0.0.1:8891,content_timeout=300s}",
        ),
        (
            good().over(SMTP, "smtpd_proxy_filter", "127.0.0.1:10024"),
            Danger,
            "proxy-filter",
            "-o smtpd_proxy_filter=",
        ),
    ]
}

fn filtered_rows() -> Vec<Row> {
    let socket = || good().listen("unix:/var/spool/postfix/postern/milter.sock");
    vec![
        (
            good().main("smtpd_milters", ""),
            Danger,
            "unfiltered",
            "smtpd_milters = inet:127.0.0.1:8891",
        ),
        (
            good().main("smtpd_milters", "inet:127.0.0.1:11332"),
            Danger,
            "unfiltered",
            "smtpd_milters = inet:127.0.0.1:11332,inet:127.0.0.1:8891",
        ),
        // The transport was forgotten; Postfix does not start like that.
        (
            good().main("smtpd_milters", "127.0.0.1:8891"),
            Danger,
            "unfiltered",
            "smtpd_milters = inet:127.0.0.1:8891",
        ),
        (
            good().main("smtpd_milters", "inet:[::1]:8891"),
            Danger,
            "unfiltered",
            "smtpd_milters = inet:127.0.0.1:8891",
        ),
        // The whole path, seen from a chroot.
        (
            socket().main(
                "smtpd_milters",
                "unix:/var/spool/postfix/postern/milter.sock",
            ),
            Danger,
            "unfiltered",
            "smtpd_milters = unix:postern/milter.sock",
        ),
        (
            good().over(SMTP, "smtpd_milters", ""),
            Danger,
            "unfiltered",
            "-o smtpd_milters=inet:127.0.0.1:8891",
        ),
        (
            good().over("submission/inet", "smtpd_milters", ""),
            Note,
            "unfiltered",
            "-o smtpd_milters=inet:127.0.0.1:8891",
        ),
        (
            good().over(
                SMTP,
                "receive_override_options",
                "no_address_mappings, no_milters",
            ),
            Danger,
            "no-milters",
            "-o receive_override_options=no_address_mappings",
        ),
        (
            good().main("receive_override_options", "no_milters"),
            Danger,
            "no-milters",
            "receive_override_options =",
        ),
        (
            good().main(
                "non_smtpd_milters",
                "inet:127.0.0.1:8891, inet:127.0.0.1:11332",
            ),
            Warning,
            "non-smtpd-milters",
            "non_smtpd_milters = inet:127.0.0.1:11332",
        ),
    ]
}

fn other_rows() -> Vec<Row> {
    vec![
        (
            good().main("message_size_limit", "0"),
            Danger,
            "message-size",
            "message_size_limit = 52428800",
        ),
        (
            good().main("message_size_limit", "104857600"),
            Danger,
            "message-size",
            "message_size_limit = 52428800",
        ),
        (
            good().over(SMTP, "message_size_limit", "0"),
            Danger,
            "message-size",
            "-o message_size_limit=52428800",
        ),
        (
            good().ours(|ours| ours.connections = 150),
            Warning,
            "connections",
            "max_connections = 200",
        ),
        (
            good().services(
                "submission inet  n       -       y       -       -",
                "submission inet  n       -       y       -       0",
            ),
            Warning,
            "connections",
            "100 in the column maxproc",
        ),
        (
            good().main("smtpd_forbid_bare_newline", "no"),
            Danger,
            "bare-newline",
            "smtpd_forbid_bare_newline = yes",
        ),
        (
            good().main("smtpd_forbid_bare_newline", "note"),
            Danger,
            "bare-newline",
            "smtpd_forbid_bare_newline = yes",
        ),
        (
            good().main("smtpd_forbid_bare_newline_exclusions", "10.0.0.0/8"),
            Warning,
            "bare-newline-exclusions",
            "smtpd_forbid_bare_newline_exclusions =",
        ),
        (
            good().main("mynetworks", "127.0.0.0/8, 0.0.0.0/0 [::]/0"),
            Warning,
            "open-networks",
            "mynetworks = 127.0.0.0/8",
        ),
        (
            good().main("smtpd_relay_restrictions", ""),
            Warning,
            "open-relay",
            "smtpd_relay_restrictions = permit_mynetworks,permit_sasl_authenticated,defer_unauth_destination",
        ),
        (
            good().over(
                SMTP,
                "smtpd_relay_restrictions",
                "permit_mynetworks,permit,reject",
            ),
            Warning,
            "open-relay",
            "-o smtpd_relay_restrictions=permit_mynetworks,permit_sasl_authenticated,defer_unauth_destination",
        ),
    ]
}

fn relay_rows() -> Vec<Row> {
    vec![
        (
            content_filtered().relay(Position::BeforeQueue),
            Danger,
            "relay-position",
            "position = \"after-queue\"",
        ),
        (
            proxied().relay(Position::AfterQueue),
            Note,
            "relay-position",
            "position = \"before-queue\"",
        ),
        (
            proxied().main("smtpd_proxy_timeout", "30s"),
            Danger,
            "proxy-timeout",
            "smtpd_proxy_timeout = 100s",
        ),
        (
            proxied().main("smtpd_proxy_options", "speed_adjust"),
            Warning,
            "speed-adjust",
            "smtpd_proxy_options =",
        ),
        (
            proxied().main("message_size_limit", "0"),
            Danger,
            "message-size",
            "message_size_limit = 52428800",
        ),
        (
            proxied().with_relay(|relay| relay.xforward = false),
            Warning,
            "xforward",
            "xforward_hosts = [\"127.0.0.1\"]",
        ),
        (
            content_filtered().with_relay(|relay| relay.xforward = false),
            Warning,
            "xforward",
            "xforward_hosts = [\"127.0.0.1\"]",
        ),
        (
            proxied().with_relay(|relay| relay.connections = 50),
            Warning,
            "connections",
            "connections_per_client = 200",
        ),
        (
            content_filtered()
                .over(RELEASE, "content_filter", "smtp:[127.0.0.1]:2525")
                .ours(|ours| ours.release = Some(("127.0.0.1".to_owned(), 10026))),
            Danger,
            "relay-loop",
            "-o content_filter=",
        ),
    ]
}
