//! What Postfix makes of each reply at each stage where a filter is asked. Two of them it does not
//! understand as they are meant, so they are never sent to it: see the last rows.

use crate::harness::faulty_milter::Fault;
use crate::harness::faulty_milter::Stage::{self, Connect, EndOfMessage, Mail, Rcpt};
use crate::harness::faulty_site::{Others, Row, assert_as_expected, observe};
use anyhow::Result;
use milter::Response;

/// As measured with Postfix 3.7.
#[rustfmt::skip]
fn table() -> Vec<Row> {
    use Others::{Alike, Served, Unseen};
    use Response::{Accept, ConnectionFailure, Discard, Reject, Shutdown, Tempfail};
    let row = |name, stage: Stage, reply: Response, ends, others| Row {
        name, fault: Fault::Answers(stage, reply), ends: [ends; 4], others,
    };
    let failure = |name, stage: Stage, ends, others| Row {
        name, fault: Fault::Answers(stage, ConnectionFailure), ends, others,
    };
    let reply = |text: &'static str| Response::ReplyCode(text.into());
    vec![
        row("accept at CONNECT",   Connect,      Accept,                  "delivered",         Alike),
        row("reject at CONNECT",   Connect,      Reject,                  "554 at CONNECT",    Alike),
        row("tempfail at CONNECT", Connect,      Tempfail,                "451 4.7.1 at MAIL", Alike),
        row("452 at CONNECT",      Connect,      reply("452 4.3.1 full"), "452 4.3.1 at MAIL", Alike),
        row("accept at MAIL",      Mail,         Accept,                  "delivered",         Served),
        row("discard at MAIL",     Mail,         Discard,                 "gone",              Served),
        row("reject at MAIL",      Mail,         Reject,                  "550 5.7.1 at MAIL", Served),
        row("tempfail at MAIL",    Mail,         Tempfail,                "451 4.7.1 at MAIL", Served),
        row("452 at MAIL",         Mail,         reply("452 4.3.1 full"), "452 4.3.1 at MAIL", Served),
        row("421 at MAIL",         Mail,         reply("421 4.3.2 later"), "421 4.3.2 at MAIL", Served),
        row("accept at RCPT",      Rcpt,         Accept,                  "delivered",         Served),
        row("discard at RCPT",     Rcpt,         Discard,                 "gone",              Served),
        row("reject at RCPT",      Rcpt,         Reject,                  "550 5.7.1 at RCPT", Served),
        row("tempfail at RCPT",    Rcpt,         Tempfail,                "451 4.7.1 at RCPT", Served),
        row("553 at RCPT",         Rcpt,         reply("553 5.1.3 odd"),  "553 5.1.3 at RCPT", Served),
        row("421 at RCPT",         Rcpt,         reply("421 4.3.2 later"), "421 4.3.2 at RCPT", Served),
        row("552 at the end",      EndOfMessage, reply("552 5.3.4 big"),  "552 5.3.4 at end",  Served),
        row("421 at the end",      EndOfMessage, reply("421 4.3.2 later"), "421 4.3.2 at end", Served),
        // A 250 for a mail that is nowhere. That is why a shutdown is sent as a 421.
        row("shutdown at the end", EndOfMessage, Shutdown,                "gone",              Served),
        // Not known to Postfix, and so a fault like any other.
        failure("failure at MAIL",    Mail,         ["451 4.7.1 at MAIL", "delivered", "held", "550 5.5.0 at MAIL"], Unseen),
        failure("failure at the end", EndOfMessage, ["451 4.7.1 at end",  "delivered", "held", "550 5.5.0 at end"],  Unseen),
    ]
}

#[test]
fn as_the_filter_chose_them() -> Result<()> {
    let table = table();
    assert_as_expected(&table, &observe(&table)?);
    Ok(())
}
