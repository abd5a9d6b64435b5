//! `[relay]`, and what there is without it.

use super::{check, errors, parse};
use crate::config::{Config, NextHopAddress, Position, Relay, RelayTlsLevel};

const COMPLETE: &str = r#"
[relay]
listen = ["127.0.0.1:0", "unix:/run/postern/smtp.sock"]
socket_mode = "0600"
hostname = "filter.example.org"
position = "after-queue"
relay_domains = ["example.org", ".example.net"]
relay_clients = ["192.0.2.0/24"]
clients = ["127.0.0.1", "::1"]
xclient_hosts = ["127.0.0.1"]
xforward_hosts = ["127.0.0.1"]
proxy_hosts = ["2001:db8::/32"]
bare_line_ends = "normalise"
add_received = false
[relay.next_hop]
address = "lmtp:unix:/run/lmtp"
tls = "verify"
ca_file = "/etc/postern/ca.pem"
timeout = 10
[relay.tls]
level = "may"
certificate = "/etc/postern/certificate.pem"
key = "/etc/postern/key.pem"
[relay.limits]
message_bytes = "100 MiB"
hops = 30
"#;

#[test]
fn a_relay_is_read_and_printed() {
    let config = parse(COMPLETE).expect("correct");
    let relay = config.relay.clone().expect("there is one");
    assert_eq!(relay.position, Position::AfterQueue);
    assert_eq!(relay.tls.level, RelayTlsLevel::May);
    assert_eq!(config.message_bytes(), 100 << 20, "of both doors");
    let printed = config.to_toml().expect("prints");
    assert_eq!(parse(&printed), Ok(config), "{printed}");
}

#[test]
fn a_relay_for_nobody_to_nowhere_is_told_what_to_write() {
    check(
        "[relay]\nposition = \"before-queue\"\n",
        r#"
postern.toml:1:1: the relay has no next hop
  |
1 | [relay]
  | ^^^^^^^
  hint: write [relay.next_hop] and below it address = "smtp:127.0.0.1:10026", with the server that mail goes to

postern.toml:1:1: the relay takes mail for nobody: it has neither relay_domains nor relay_clients
  |
1 | [relay]
  | ^^^^^^^
  hint: write relay_domains = ["example.org"] with your own domains
"#,
    );
}

#[test]
fn values_that_could_mean_something_else_are_mistakes() {
    check(
        r#"
[relay]
relay_domains = ["example.org", "*.example.net"]
relay_clients = ["10.1.2.3/8", "10.0.0.0/8"]
position = "before_queue"
[relay.next_hop]
address = "127.0.0.1:10026"
ca_file = "ca.pem"
[relay.tls]
level = "may"
key = "key.pem"
"#,
        r#"
postern.toml:3:33: `*.example.net` is not a domain: expected "example.org", ".example.org" for its sub-domains, or "*" for all; a name of another script in its xn-- form
  |
3 | relay_domains = ["example.org", "*.example.net"]
  |                                 ^^^^^^^^^^^^^^^

postern.toml:4:18: `10.1.2.3/8` has bits beyond its prefix: "10.0.0.0/8" was probably meant
  |
4 | relay_clients = ["10.1.2.3/8", "10.0.0.0/8"]
  |                  ^^^^^^^^^^^^

postern.toml:5:12: `before_queue` is not one of: before-queue, after-queue; did you mean "before-queue"?
  |
5 | position = "before_queue"
  |            ^^^^^^^^^^^^^^

postern.toml:7:11: `127.0.0.1:10026` is not a next hop: expected "smtp:127.0.0.1:10026", "smtp:unix:/path/to/socket", the same with lmtp, or "maildir:/path/to/maildir"
  |
7 | address = "127.0.0.1:10026"
  |           ^^^^^^^^^^^^^^^^^

postern.toml:8:11: ca_file is not used: tls is not "verify"
  |
8 | ca_file = "ca.pem"
  |           ^^^^^^^^
  hint: write tls = "verify", or leave ca_file out

postern.toml:10:9: TLS with clients needs a certificate
   |
10 | level = "may"
   |         ^^^^^
  hint: write certificate = "/etc/postern/certificate.pem"
"#,
    );
    let text = errors("[relay.limits]\nrecipients = 10\n");
    assert!(
        text.contains("10 is out of range: expected 100 to 50000"),
        "{text}"
    );
}

#[test]
fn without_a_file_there_is_a_relay_for_this_machine_and_with_one_only_if_it_is_named() {
    let demonstration = Config::without_file().relay.expect("there is one");
    assert_eq!(
        demonstration.next_hop.address.to_string(),
        "maildir:var/maildir"
    );
    assert!(
        demonstration
            .clients
            .iter()
            .all(|n| n.0.addr().is_loopback())
    );
    assert!(demonstration.relay_domains.is_empty());
    assert_eq!(parse("").expect("correct").relay, None);
}

#[test]
fn the_documented_relay_has_the_defaults() {
    let documented: String = crate::config::DEFAULTS
        .lines()
        .skip_while(|line| *line != "# [relay]")
        .take_while(|line| *line != "[workers]")
        .filter_map(|line| line.strip_prefix("# "))
        .filter(|line| line.starts_with("[relay") || line.contains(" = ") && !line.contains(": \""))
        .filter(|line| !line.starts_with("hostname = "))
        .map(|line| format!("{line}\n"))
        .collect();
    let config = parse(&documented).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(config.relay, Some(Relay::default()));
}

#[test]
fn released_mail_goes_where_passed_mail_goes_unless_told_otherwise() {
    let to = |text: &str| parse(text).expect("correct").release_to().to_string();
    assert_eq!(to(""), "smtp:127.0.0.1:25");
    assert_eq!(to(COMPLETE), "lmtp:unix:/run/lmtp");
    let named = format!("{COMPLETE}\n[release]\naddress = \"127.0.0.1:10025\"\n");
    assert_eq!(to(&named), "smtp:127.0.0.1:10025");
    let NextHopAddress::Maildir(dir) = Config::without_file().release_to() else {
        panic!("not a maildir");
    };
    assert_eq!(dir, std::path::Path::new("var/maildir"));
}
