//! What `postconf` says, and what hostile text in its place.

use super::good;
use crate::doctor::milters;
use crate::doctor::model::{ModelError, Place, Postfix, Service};
use proptest::prelude::*;

fn service<'a>(postfix: &'a Postfix, id: &str) -> &'a Service {
    let mut services = postfix.services();
    services.find(|s| s.id == id).expect("a service")
}

#[test]
fn only_services_of_smtpd_are_taken_with_what_they_override() {
    let postfix = good().postfix();
    let ids: Vec<&str> = postfix.services().map(|s| s.id.as_str()).collect();
    assert_eq!(
        ids,
        ["smtp/inet", "submission/inet", "127.0.0.1:10025/inet"]
    );
    let smtp = service(&postfix, "smtp/inet");
    assert_eq!(
        (smtp.chrooted, smtp.processes, smtp.port()),
        (true, Some(100), Some(25))
    );
    let release = service(&postfix, "127.0.0.1:10025/inet");
    assert_eq!((release.chrooted, release.port()), (false, Some(10025)));
    assert!(postfix.is_public(smtp) && !postfix.is_public(release));
    assert_eq!(
        postfix.of(release, "smtpd_milters"),
        Some((String::new(), Place::Service(release.id.clone())))
    );
    assert_eq!(postfix.of(smtp, "smtpd_milter"), None);
}

#[test]
fn loopback_only_interfaces_make_no_service_public() {
    let postfix = good().main("inet_interfaces", "loopback-only").postfix();
    assert!(!postfix.services().any(|s| postfix.is_public(s)));
}

#[test]
fn a_dash_means_what_it_meant_at_that_level() {
    let line = "2525 inet n - - - - smtpd";
    let old = good()
        .main("compatibility_level", "0")
        .service(line)
        .postfix();
    let new = good().service(line).postfix();
    assert!(service(&old, "2525/inet").chrooted);
    assert!(!service(&new, "2525/inet").chrooted);
}

#[test]
fn what_postconf_does_not_say_is_an_error() {
    let mut site = good();
    site.texts.raw.push_str("\npostconf: no such thing");
    assert!(matches!(
        Postfix::parse(&site.texts),
        Err(ModelError::Line {
            call: "postconf",
            ..
        })
    ));
    let mut site = good();
    site.texts.services = "smtp inet n - y".to_owned();
    assert!(matches!(
        Postfix::parse(&site.texts),
        Err(ModelError::Line {
            call: "postconf -M",
            line: 1,
            ..
        })
    ));
    let mut site = good();
    site.texts.effective.clear();
    assert!(matches!(
        Postfix::parse(&site.texts),
        Err(ModelError::Missing { .. })
    ));
}

#[test]
fn lists_of_milters_are_read_as_postfix_reads_them() {
    let list = "inet:127.0.0.1:1, unix:a\t{ inet:[::1]:2, default_action=accept, { command_timeout = 5s } }";
    let milters = milters::parse(list).expect("a list");
    let [first, second, third] = milters.as_slice() else {
        panic!("{milters:?}")
    };
    assert_eq!(
        (first.address.as_str(), second.address.as_str()),
        ("inet:127.0.0.1:1", "unix:a")
    );
    assert_eq!(third.option("default_action"), Some("accept"));
    assert_eq!(third.option("command_timeout"), Some("5s"));
    assert_eq!(
        milters::write(&milters),
        "inet:127.0.0.1:1,unix:a,{inet:[::1]:2,default_action=accept,command_timeout=5s}"
    );
    for broken in [
        "{ inet:1:2",
        "}",
        "{}",
        "{ inet:1:2, accept }",
        "{ inet:1:2, default_action = accept }",
    ] {
        assert!(milters::parse(broken).is_err(), "{broken}");
    }
}

proptest! {
    #[test]
    fn hostile_values_are_looked_at_without_harm(value in "[ -~\u{e9}${}()?:,=]{0,80}", name in 0_usize..8) {
        let names = [
            "smtpd_milters", "milter_default_action", "milter_content_timeout", "mynetworks", "content_filter",
            "smtpd_proxy_filter", "message_size_limit", "smtpd_relay_restrictions",
        ];
        let name = names.get(name).copied().unwrap_or_default();
        let _ = good().main(name, &value).findings();
        let _ = good().over("smtp/inet", name, &value).findings();
        let _ = super::proxied().main_raw(name, &value, "").over("smtp/inet", "x", &value).findings();
    }

    #[test]
    fn lists_of_milters_read_back_as_they_are_written(list in "[a-z:={}, ]{0,60}") {
        if let Ok(milters) = milters::parse(&list) {
            prop_assert_eq!(milters::parse(&milters::write(&milters)), Ok(milters));
        }
    }

    #[test]
    fn hostile_output_is_an_error_or_a_configuration(text in "[ -~\n=]{0,200}") {
        let mut site = good();
        site.texts.services.push_str(&text);
        site.texts.overrides.push_str(&text);
        site.texts.raw.push_str(&text);
        if Postfix::parse(&site.texts).is_ok() {
            let _ = site.findings();
        }
    }
}
