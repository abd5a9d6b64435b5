//! Each check with what it must find, and the proof that its line helps.

use super::{DEADLINE, SMTP, Site, content_filtered, good, proxied, rows};
use crate::doctor::finding::{Finding, Level};
use Level::{Danger, Note, Warning};

#[test]
fn good_configurations_have_no_findings() {
    assert_eq!(
        Site::findings(&good().ours(|ours| assert_eq!(ours.deadline, DEADLINE))),
        []
    );
    assert_eq!(proxied().findings(), []);
    assert_eq!(content_filtered().findings(), []);
    for good in [
        good().main("smtpd_milters", "inet:localhost:8891"),
        good().main("smtpd_milters", "inet:127.0.0.1:11332, inet:127.0.0.1:8891"),
        good().main(
            "smtpd_milters",
            "{ inet:127.0.0.1:8891, default_action=tempfail, content_timeout=5m }",
        ),
        // What is said in braces counts, not what is said for all.
        good().main("milter_default_action", "accept").main(
            "smtpd_milters",
            "{ inet:127.0.0.1:8891, default_action=tempfail } inet:127.0.0.1:11332",
        ),
        good()
            .listen("[::1]:8891")
            .main("smtpd_milters", "inet:[::1]:8891"),
        good()
            .listen("0.0.0.0:8891")
            .main("smtpd_milters", "inet:127.0.0.1:8891"),
        good()
            .listen("192.0.2.1:8891")
            .main("smtpd_milters", "inet:filter.example.org:8891"),
        good()
            .listen("unix:/var/spool/postfix/postern/milter.sock")
            .main("smtpd_milters", "unix:postern/milter.sock"),
        good()
            .listen("unix:/var/spool/postfix/postern/milter.sock")
            .main("smtpd_milters", "unix:/postern/milter.sock"),
        good().main("milter_default_action", "shutdown"),
        good().main("smtpd_forbid_bare_newline", "normalize"),
        // Signing what is handed in locally is no business of Postern.
        good().main("non_smtpd_milters", "inet:127.0.0.1:11332"),
        good().main("smtpd_relay_restrictions", "").over(
            SMTP,
            "smtpd_recipient_restrictions",
            "permit_mynetworks, reject_unauth_destination",
        ),
        // postscreen hands on to a service of its own.
        good()
            .services(
                "smtp       inet  n       -       y       -       -       smtpd",
                "smtp inet n - y - 1 postscreen",
            )
            .service("smtpd pass - - y - - smtpd"),
        // The next hop takes all recipients.
        proxied().main("smtpd_proxy_options", "speed_adjust").over(
            "127.0.0.1:10025/inet",
            "receive_override_options",
            "no_unknown_recipient_checks",
        ),
        // A reference that a service changes, in a way that changes nothing.
        good()
            .main_raw("smtpd_milters", "$filter", "inet:127.0.0.1:8891")
            .main("filter", "inet:127.0.0.1:8891")
            .over(SMTP, "filter", "inet:localhost:8891"),
    ] {
        assert_eq!(good.findings(), []);
    }
}

#[test]
fn what_is_bad_is_found_and_the_line_helps() {
    for (site, level, check, line) in rows::all() {
        let findings = site.findings();
        let [finding] = findings.as_slice() else {
            panic!("{check}, {line}: {findings:#?}");
        };
        assert_eq!(
            (finding.level, finding.check),
            (level, check),
            "{finding:#?}"
        );
        let change = finding.change.as_ref().expect("a line that helps");
        assert_eq!(change.line, line, "{finding:#?}");
        assert_eq!(site.apply(change).findings(), [], "{finding:#?}");
    }
}

#[test]
fn what_somebody_must_decide_has_no_line() {
    for (site, level, check) in [
        (
            good().main("smtpd_milter_maps", "cidr:/etc/postfix/milters"),
            Note,
            "milter-maps",
        ),
        (
            good().main("smtpd_milters", "{ inet:127.0.0.1:8891"),
            Danger,
            "milter-syntax",
        ),
        (good().services("smtpd", "postscreen"), Danger, "unfiltered"),
        // A socket that no address leads to from inside the chroot.
        (
            good()
                .listen("unix:/run/postern/milter.sock")
                .main("smtpd_milters", ""),
            Danger,
            "unfiltered",
        ),
        (
            good()
                .main_raw(
                    "milter_default_action",
                    "${{$x} == {1} ? {accept} : {tempfail}}",
                    "tempfail",
                )
                .over(SMTP, "x", "1"),
            Warning,
            "unclear",
        ),
        (
            proxied().ours(|ours| ours.release = Some(("127.0.0.1".to_owned(), 25))),
            Warning,
            "release-loop",
        ),
    ] {
        let findings = site.findings();
        let found = findings.iter().find(|finding| finding.check == check);
        let found = found.unwrap_or_else(|| panic!("{check}: {findings:#?}"));
        assert_eq!((found.level, &found.change), (level, &None), "{found:#?}");
    }
}

#[test]
fn a_postfix_from_before_the_remedy_is_named() {
    let old = good()
        .without("smtpd_forbid_bare_newline")
        .main("mail_version", "3.6.4");
    let findings = old.findings();
    let [finding] = findings.as_slice() else {
        panic!("{findings:#?}")
    };
    assert_eq!((finding.level, finding.check), (Danger, "bare-newline"));
    assert!(finding.why.contains("Postfix 3.6.4"), "{}", finding.why);
}

#[test]
fn one_value_for_many_services_is_one_finding() {
    let site = good().main("milter_default_action", "accept");
    let findings = site.findings();
    let [finding] = findings.as_slice() else {
        panic!("{findings:#?}")
    };
    assert_eq!(finding.services, ["smtp/inet", "submission/inet"]);
    assert_eq!(finding.place, "main.cf");
}

#[test]
fn a_default_is_said_to_be_one() {
    let mut site = good();
    site.texts.explicit = site
        .texts
        .explicit
        .replace("milter_default_action = tempfail\n", "");
    for text in [&mut site.texts.raw, &mut site.texts.effective] {
        *text = text.replace(
            "milter_default_action = tempfail",
            "milter_default_action = accept",
        );
    }
    let places: Vec<String> = site
        .findings()
        .into_iter()
        .map(|Finding { place, .. }| place)
        .collect();
    assert_eq!(places, ["default of Postfix 3.7.11"]);
}

#[test]
fn everything_wrong_at_once_is_put_right_in_one_round() {
    let site = good()
        .main(
            "smtpd_milters",
            "{ inet:127.0.0.1:8891, default_action=accept, content_timeout=3s, protocol=2 }",
        )
        .main("message_size_limit", "0")
        .main("smtpd_forbid_bare_newline", "no")
        .main("smtpd_forbid_bare_newline_exclusions", "10.0.0.0/8")
        .over("submission/inet", "milter_default_action", "accept")
        .over("submission/inet", "smtpd_milters", "inet:127.0.0.1:8891")
        .over(SMTP, "smtpd_proxy_filter", "127.0.0.1:10024");
    let findings = site.findings();
    assert_eq!(findings.len(), 8, "{findings:#?}");
    let changes = findings
        .iter()
        .filter_map(|finding| finding.change.as_ref());
    let better = changes.fold(site, |site, change| site.apply(change));
    assert_eq!(better.findings(), []);
}

#[test]
fn the_worst_comes_first() {
    let site = good()
        .main("milter_default_action", "quarantine")
        .main("mynetworks", "0.0.0.0/0")
        .main("message_size_limit", "0");
    let levels: Vec<Level> = site
        .findings()
        .iter()
        .map(|finding| finding.level)
        .collect();
    assert_eq!(levels, [Danger, Warning, Note]);
}
