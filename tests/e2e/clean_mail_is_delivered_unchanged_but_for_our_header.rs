//! What passes is not touched: header fields are added at the end of the header, nothing else.

use crate::harness::{Received, Setup, Site, clean};
use anyhow::Result;
use lettre::message::{Attachment, MultiPart, SinglePart, header::ContentType};
use lettre::{Message, SmtpTransport, Transport};

#[test]
fn octet_for_octet() -> Result<()> {
    let site = Site::start(Setup::default())?;
    let sent = clean("minutes of yesterday");
    let rcpts = ["bob@rcpt.example", "carol@rcpt.example"];
    let reply = site.send_to(&rcpts, &sent)?;
    assert_eq!(reply.code, 250, "{reply:?}");

    let received = site.sink.wait_for("minutes of yesterday")?;
    assert_eq!(received.mail_from, "alice@sender.example");
    assert_eq!(received.rcpts, rcpts);
    let own = own_fields(&received);
    assert_eq!(own.len(), 2, "{own:?}");
    assert!(
        own.iter().any(|field| field.starts_with("X-Postern-Id: ")),
        "{own:?}"
    );
    assert!(
        own.iter()
            .any(|field| *field == "X-Postern-Verdict: accept; score=0"),
        "{own:?}"
    );
    assert!(without_own_fields(&received) == sent, "{}", received.text());
    assert!(site.daemon.entries()?.is_empty());
    Ok(())
}

#[test]
fn every_verdict_and_log_line_can_be_found_by_the_queue_id() -> Result<()> {
    let site = Site::start(Setup::default())?;
    let reply = site.send(&clean("to be found again"))?;
    // "2.0.0 Ok: queued as 4Bk0Zx1234"
    let queue_id = reply.text.rsplit(' ').next().unwrap_or_default();

    let found = site
        .daemon
        .cli(["verdict", "list", "--queue-id", queue_id, "--json"])?;
    let found = found.ok().object()?;
    assert_eq!(found["action"], "accept");
    assert_eq!(found["subject"], "to be found again");
    let lines = site.daemon.log_lines();
    let about = |line: &&serde_json::Value| line.to_string().contains(queue_id);
    let lines: Vec<_> = lines.iter().filter(about).collect();
    assert!(!lines.is_empty(), "{}", site.daemon.log());
    let id = found["id"].as_str().expect("an id");
    assert!(
        lines.iter().all(|line| line.to_string().contains(id)),
        "{lines:?}"
    );
    // The header field in the mail names the same id.
    let received = site.sink.wait_for("to be found again")?;
    assert!(received.header_contains(&format!("X-Postern-Id: {id}")));
    Ok(())
}

#[test]
fn a_mail_made_by_a_mail_library_passes() -> Result<()> {
    let site = Site::start(Setup::default())?;
    let picture = Attachment::new("Übersicht.png".to_owned()).body(
        vec![0x89, b'P', b'N', b'G', 13, 10, 26, 10],
        ContentType::parse("image/png")?,
    );
    let text = SinglePart::plain("Grüße aus Köln\n".to_owned());
    let mail = Message::builder()
        .from("Ålice <alice@sender.example>".parse()?)
        .to("bob@rcpt.example".parse()?)
        .subject("Übersicht")
        // Without one Postfix would add its own.
        .message_id(Some("<overview@sender.example>".to_owned()))
        .multipart(MultiPart::mixed().singlepart(text).singlepart(picture))?;
    let transport = SmtpTransport::builder_dangerous("127.0.0.1")
        .port(site.postfix.port())
        .build();
    let response = transport.send(&mail)?;
    assert!(response.is_positive(), "{response:?}");
    let received = site.sink.wait_for("X-Postern-Verdict: accept")?;
    // lettre ends the data with a line end of its own.
    let sent = [mail.formatted().as_slice(), b"\r\n"].concat();
    assert!(without_own_fields(&received) == sent, "{}", received.text());
    Ok(())
}

fn own_fields(received: &Received) -> Vec<String> {
    let header = crate::harness::header_block(&received.data);
    header
        .lines()
        .filter(|line| is_own(line.as_bytes()))
        .map(str::to_owned)
        .collect()
}

fn without_own_fields(received: &Received) -> Vec<u8> {
    let lines = received.below_trace().split_inclusive(|&b| b == b'\n');
    lines
        .filter(|line| !is_own(line))
        .collect::<Vec<_>>()
        .concat()
}

fn is_own(line: &[u8]) -> bool {
    line.to_ascii_lowercase().starts_with(b"x-postern-")
}
