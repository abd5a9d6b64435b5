//! Who may send what to whom: an outside client reaches the relay domains and nobody else, by no form of address; and what
//! XCLIENT says counts only from listed hosts.

use crate::harness::relay::{RelaySite, from_outside};
use crate::harness::{Setup, Smtp, clean};
use anyhow::Result;

fn listed() -> Setup {
    Setup::default()
        .set("relay.xclient_hosts", "[\"127.0.0.1\"]")
        .set("relay.relay_clients", "[\"127.0.0.1\"]")
}

#[test]
fn for_no_form_of_address() -> Result<()> {
    let site = RelaySite::start(listed().set("relay.limits.errors", "1000"))?;
    let rcpts = [
        "<u@ext.example>",
        "<u%ext.example@rcpt.example>",
        "<u%ext.example>",
        "<ext.example!u>",
        "<ext.example!u@rcpt.example>",
        "<@rcpt.example:u@ext.example>",
        "<@rcpt.example,@other.example:u@ext.example>",
        "<\"u@ext.example\">",
        "<\"u@ext.example\"@rcpt.example>",
        "<\"u%ext.example\">",
        "<u@ext.example@rcpt.example>",
        "<u@[127.0.0.1]>",
        "<u@[IPv6:::1]>",
        "<u@ext.example.>",
        "<u@EXT.EXAMPLE>",
        "u@ext.example",
        "< u@ext.example >",
        "<>",
        "<u%x%ext.example@rcpt.example>",
        "<ext.example!x!u@rcpt.example>",
        "<u%ext.example!x@rcpt.example>",
        "<u@ext.example> ORCPT=rfc822;u@rcpt.example",
        "<u@rcpt.example.ext.example>",
        "<u@xrcpt.example>",
        "<u@rcpt.example,u@ext.example>",
        "<u@rcpt.example u@ext.example>",
        "<u@rcpt.example\0@ext.example>",
        "<u>",
    ];
    let senders = ["<a@b.example>", "<>", "<a@rcpt.example>"];
    for sender in senders {
        let mut session = from_outside(site.port)?;
        for rcpt in rcpts {
            let said = session.command(&format!("MAIL FROM:{sender}"))?;
            assert_eq!(said.code, 250, "{said:?}");
            let said = session.command(&format!("RCPT TO:{rcpt}"))?;
            assert!((500..600).contains(&said.code), "{sender} {rcpt}: {said:?}");
            session.command("RSET")?;
        }
        let reply = session.mail("a@b.example", &["u@rcpt.example"], &clean("for us"))?;
        assert_eq!(reply.code, 250, "{reply:?}");
    }
    assert_eq!(site.sink.mails().len(), senders.len());
    Ok(())
}

#[test]
fn but_for_its_own_clients() -> Result<()> {
    let site = RelaySite::start(listed())?;
    let reply = site.send_to(&["u@ext.example"], &clean("from within"))?;
    assert_eq!(reply.code, 250, "{reply:?}");
    Ok(())
}

#[test]
fn nor_for_those_who_say_with_xclient_that_they_are() -> Result<()> {
    // This machine is no relay client and not listed.
    let setup = Setup::default().set("relay.relay_clients", "[\"192.0.2.0/24\"]");
    let site = RelaySite::start(setup)?;
    let mut session = Smtp::connect(site.port)?;
    let said = session.command("EHLO client.example")?;
    assert!(
        !said.text.contains("XCLIENT") && !said.text.contains("XFORWARD"),
        "{said:?}"
    );
    for claim in ["XCLIENT ADDR=192.0.2.7", "XFORWARD ADDR=192.0.2.7"] {
        let said = session.command(claim)?;
        assert!((500..600).contains(&said.code), "{claim}: {said:?}");
    }
    session.command("MAIL FROM:<a@b.example>")?;
    let said = session.command("RCPT TO:<u@ext.example>")?;
    assert_eq!(said.code, 550, "{said:?}");
    // A PROXY header of somebody who is not listed is a command that is none.
    let mut proxied = Smtp::connect(site.port)?;
    let said = proxied.command("PROXY TCP4 192.0.2.7 127.0.0.1 4711 25")?;
    assert!((500..600).contains(&said.code), "{said:?}");
    Ok(())
}

#[test]
fn and_a_listed_balancer_says_who_its_client_is() -> Result<()> {
    let setup = Setup::default()
        .set("relay.proxy_hosts", "[\"127.0.0.1\"]")
        .set("relay.relay_clients", "[\"127.0.0.1\"]");
    let site = RelaySite::start(setup)?;
    let mut session =
        Smtp::connect_saying(site.port, b"PROXY TCP4 192.0.2.7 127.0.0.1 4711 25\r\n")?;
    session.command("MAIL FROM:<a@b.example>")?;
    let said = session.command("RCPT TO:<u@ext.example>")?;
    assert_eq!(said.code, 550, "{said:?}");
    let reply = session.mail("a@b.example", &["u@rcpt.example"], &clean("balanced"))?;
    assert_eq!(reply.code, 503, "in the middle of a transaction: {reply:?}");
    let reply = session.mail("a@b.example", &["u@rcpt.example"], &clean("balanced"))?;
    assert_eq!(reply.code, 250, "{reply:?}");
    let listed = site
        .daemon
        .cli(["verdict", "list", "--json"])?
        .ok()
        .object()?;
    let id = listed["id"].as_str().unwrap_or_default();
    let shown = site
        .daemon
        .cli(["verdict", "show", id, "--json"])?
        .ok()
        .object()?;
    assert_eq!(shown["record"]["client"]["addr"], "192.0.2.7");
    Ok(())
}
