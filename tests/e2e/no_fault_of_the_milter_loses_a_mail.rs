//! Whatever goes wrong between Postfix and its milter: which answer the sender gets, and where the
//! mail is then, for each `milter_default_action`. With the shipped one, `tempfail`, nothing passes
//! unseen; with `accept` nearly everything does, which is why it must not be set.

use crate::harness::faulty_milter::Break::{Closes, Hangs, Resets};
use crate::harness::faulty_milter::Stage::{
    Body, Connect, Data, EndOfMessage, Header, Mail, Negotiation, Rcpt,
};
use crate::harness::faulty_milter::{BAD, Fault};
use crate::harness::faulty_site::{
    ACTIONS, ADDED_FIELD, Others, Row, Seen, assert_as_expected, observe,
};
use anyhow::Result;
use milter::Response;

/// As measured with Postfix 3.7. What is neither a reply nor a place is a place with a 250.
#[rustfmt::skip]
fn table() -> Vec<Row> {
    use Others::{Alike, Served, Unseen};
    use Response::{Accept, Discard, Progress, Reject, Tempfail};
    let says = |responses: &[Response]| Fault::responses(responses, None);
    let says_and_closes = |responses: &[Response]| Fault::responses(responses, Some(Closes));
    let row = |name, fault, ends, others| Row { name, fault, ends, others };
    let quarantine = || Response::Quarantine("suspicious".into());
    let reply = |text: &'static str| says(&[Response::ReplyCode(text.into())]);
    let header = Response::AddHeader { name: ADDED_FIELD.into(), value: " yes".into() };
    let body = Response::ReplaceBody("a line of another body\r\n".repeat(1000).into());
    vec![
        //  fault                                                                      tempfail             accept       quarantine  reject               other mails
        row("none",                     says(&[Accept]),                             ["delivered",         "delivered", "delivered", "delivered"],         Served),
        row("not listening",            Fault::NotListening,                         ["451 4.7.1 at MAIL", "delivered", "held",      "554 at CONNECT"],    Alike),
        row("closes at the offer",      Fault::At(Negotiation, Closes),              ["451 4.7.1 at MAIL", "delivered", "held",      "554 at CONNECT"],    Alike),
        row("hangs at the offer",       Fault::At(Negotiation, Hangs),               ["451 4.7.1 at MAIL", "delivered", "held",      "554 at CONNECT"],    Alike),
        row("closes at CONNECT",        Fault::At(Connect, Closes),                  ["451 4.7.1 at MAIL", "delivered", "held",      "554 at CONNECT"],    Alike),
        row("closes at MAIL",           Fault::At(Mail, Closes),                     ["451 4.7.1 at MAIL", "delivered", "held",      "550 5.5.0 at MAIL"], Unseen),
        row("closes at RCPT",           Fault::At(Rcpt, Closes),                     ["451 4.7.1 at RCPT", "delivered", "held",      "550 5.5.0 at RCPT"], Unseen),
        row("closes at DATA",           Fault::At(Data, Closes),                     ["451 4.7.1 at DATA", "delivered", "held",      "550 5.5.0 at DATA"], Unseen),
        row("hangs at MAIL",            Fault::At(Mail, Hangs),                      ["451 4.7.1 at MAIL", "delivered", "held",      "550 5.5.0 at MAIL"], Unseen),
        row("closes at a header field", Fault::At(Header, Closes),                   ["451 4.7.1 at end",  "delivered", "held",      "550 5.5.0 at end"],  Unseen),
        row("closes at the body",       Fault::At(Body, Closes),                     ["451 4.7.1 at end",  "delivered", "held",      "550 5.5.0 at end"],  Unseen),
        row("closes at the end",        Fault::At(EndOfMessage, Closes),             ["451 4.7.1 at end",  "delivered", "held",      "550 5.5.0 at end"],  Unseen),
        row("resets at the end",        Fault::At(EndOfMessage, Resets),             ["451 4.7.1 at end",  "delivered", "held",      "550 5.5.0 at end"],  Unseen),
        row("hangs at the end",         Fault::At(EndOfMessage, Hangs),              ["451 4.7.1 at end",  "delivered", "held",      "550 5.5.0 at end"],  Unseen),
        row("an unknown response",      Fault::bytes(b"\0\0\0\x01Z", None),          ["451 4.7.1 at end",  "delivered", "held",      "550 5.5.0 at end"],  Unseen),
        row("half a response, closes",  Fault::bytes(b"\0\0\0\x05a", Some(Closes)),  ["451 4.7.1 at end",  "delivered", "held",      "550 5.5.0 at end"],  Unseen),
        row("a length of 0xFFFFFFFF",   Fault::bytes(b"\xff\xff\xff\xff", None),     ["451 4.7.1 at end",  "delivered", "held",      "550 5.5.0 at end"],  Unseen),
        row("a length of 0",            Fault::bytes(b"\0\0\0\0", None),             ["451 4.7.1 at end",  "delivered", "held",      "550 5.5.0 at end"],  Unseen),
        row("adds a header, closes",    says_and_closes(&[header]),                  ["451 4.7.1 at end",  "delivered, with the header", "held, with the header", "550 5.5.0 at end"], Unseen),
        row("replaces the body, closes", says_and_closes(&[body]),                   ["451 4.7.1 at end",  "corrupt",   "held, original lost", "550 5.5.0 at end"], Unseen),
        row("progress for 14 s",        Fault::Waits(14),                            ["delivered",         "delivered", "delivered", "delivered"],         Served),
        row("accepts, closes",          says_and_closes(&[Accept]),                  ["delivered",         "delivered", "delivered", "delivered"],         Unseen),
        row("quarantines, accepts",     says(&[quarantine(), Accept]),               ["held",              "held",      "held",      "held"],              Served),
        row("quarantines, closes",      says_and_closes(&[quarantine()]),            ["451 4.7.1 at end",  "delivered", "held",      "550 5.5.0 at end"],  Unseen),
        row("discards",                 says(&[Discard]),                            ["gone",              "gone",      "gone",      "gone"],              Served),
        row("rejects",                  says(&[Reject]),                             ["550 5.7.1 at end",  "550 5.7.1 at end", "550 5.7.1 at end", "550 5.7.1 at end"], Served),
        row("defers",                   says(&[Tempfail]),                           ["451 4.7.1 at end",  "451 4.7.1 at end", "451 4.7.1 at end", "451 4.7.1 at end"], Served),
        row("replies 250",              reply("250 2.0.0 fine"),                     ["451 4.3.5 at end",  "delivered", "held",      "451 4.3.5 at end"],  Unseen),
        row("replies in two lines",     reply("550-5.7.2 no\r\n550 5.7.2 never"),    ["550 5.7.2 at end, in 2 lines", "550 5.7.2 at end, in 2 lines", "550 5.7.2 at end, in 2 lines", "550 5.7.2 at end, in 2 lines"], Served),
        row("accepts twice",            says(&[Accept, Accept]),                     ["delivered",         "delivered", "delivered", "delivered"],         Served),
        row("progress, closes",         says_and_closes(&[Progress]),                ["451 4.7.1 at end",  "delivered", "held",      "550 5.5.0 at end"],  Unseen),
    ]
}

#[test]
fn and_with_tempfail_none_passes_unseen() -> Result<()> {
    let table = table();
    let seen = observe(&table)?;
    // Two sessions of two and of three mails for each field of the table.
    assert_eq!(seen.len(), table.len() * ACTIONS.len() * 5);
    assert_as_expected(&table, &seen);

    for mail in &seen {
        let row = &table[mail.fault];
        if matches!(ACTIONS[mail.action], "tempfail" | "quarantine") {
            assert_is_neither_lost_nor_unseen(row, mail);
        }
    }
    Ok(())
}

/// That a mail is in one place if that was said to the sender and else in none, and that only what
/// the filter has accepted is delivered.
fn assert_is_neither_lost_nor_unseen(row: &Row, mail: &Seen) {
    let discarded = row.name == "discards" && mail.kind == BAD;
    let copies = usize::from(mail.reply.is_positive() && !discarded);
    assert_eq!(mail.places.len(), copies, "{}: {mail:?}", row.name);
    let delivered = mail
        .places
        .iter()
        .any(|place| place.starts_with("delivered"));
    assert!(mail.accepted || !delivered, "{}: {mail:?}", row.name);
}
