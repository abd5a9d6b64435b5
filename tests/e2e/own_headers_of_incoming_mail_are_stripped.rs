//! A header field with our name is ours, or it is not there.

use crate::harness::{Setup, Site, clean, eicar_in_zip_in_zip, header_block};
use anyhow::Result;

#[test]
fn in_every_spelling_and_number() -> Result<()> {
    let site = Site::start(Setup::default())?;
    let forged = "X-Postern-Verdict: accept; score=-100\r\n\
        x-postern-verdict: accept;\r\n\tscore=-200\r\n\
        X-Postern-Id: 00000000000000000000000000\r\n\
        X-POSTERN-Release: yes\r\n\
        X-Postern-Verdict: a third one\r\n";
    let mut mail = forged.as_bytes().to_vec();
    mail.extend_from_slice(&clean("forged"));
    assert_eq!(site.send(&mail)?.code, 250);

    let received = site.sink.wait_for("Subject: forged")?;
    let header = header_block(&received.data);
    let own = header
        .lines()
        .filter(|l| l.to_ascii_lowercase().starts_with("x-postern-"));
    let mut names: Vec<&str> = own.filter_map(|line| line.split(':').next()).collect();
    names.sort_unstable();
    assert_eq!(names, ["X-Postern-Id", "X-Postern-Verdict"], "{header}");
    assert!(!header.contains("score=-"), "{header}");
    assert!(
        header.contains("X-Postern-Verdict: accept; score=0"),
        "{header}"
    );
    Ok(())
}

#[test]
fn and_so_are_results_of_verification_that_bear_our_name() -> Result<()> {
    let site = Site::start(Setup::default().set("headers.authserv_id", "\"mx.rcpt.example\""))?;
    let fields = [
        (
            "other.example; spf=pass smtp.mailfrom=sender.example (first)",
            true,
        ),
        (
            "mx.rcpt.example; spf=pass smtp.mailfrom=sender.example",
            false,
        ),
        ("MX.Rcpt.Example 1; none", false),
        ("mx.rcpt.example.other.test; none (second)", true),
        (
            "(a (nested) comment)\r\n\tmx.rcpt.example\r\n (and one more) ;\r\n dkim=pass",
            false,
        ),
        ("\"mx.rcpt.example\"; dmarc=pass", false),
        ("third.example; (mx.rcpt.example;) none (third)", true),
        ("mx.rcpt.example", false),
    ];
    let names = ["Authentication-Results", "AUTHENTICATION-results"];
    let mut mail = b"ARC-Authentication-Results: i=1; mx.rcpt.example; none (sealed)\r\n".to_vec();
    for ((value, _), name) in fields.iter().zip(names.iter().cycle()) {
        mail.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    mail.extend_from_slice(&clean("results"));
    assert_eq!(site.send(&mail)?.code, 250);

    let received = site.sink.wait_for("Subject: results")?;
    let header = header_block(&received.data);
    let left: Vec<&str> = header
        .lines()
        .filter_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case(names[0]).then_some(value)
        })
        .collect();
    let expected = fields.iter().filter(|(_, stays)| *stays);
    let expected: Vec<&str> = expected.map(|(value, _)| *value).collect();
    assert_eq!(left, expected, "{header}");
    assert!(header.contains("(sealed)"), "{header}");
    Ok(())
}

#[test]
fn and_one_that_no_mail_server_could_strip_is_refused() -> Result<()> {
    let site = Site::start(Setup::default())?;
    let forged = format!("X-Postern-{}: yes\r\n", "x".repeat(200));
    let mail = [forged.as_bytes(), &eicar_in_zip_in_zip("too long")].concat();
    let reply = site.send(&mail)?;
    assert_eq!(reply.code, 554, "{reply:?}");
    assert!(
        site.daemon.held_files()?.is_empty(),
        "nothing is held for nobody"
    );
    assert_eq!(site.daemon.status()?["answered"]["reject"], 1);
    assert_eq!(site.send(&clean("the next one"))?.code, 250);
    Ok(())
}
