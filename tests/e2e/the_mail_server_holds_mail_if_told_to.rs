//! With `quarantine.mode = "mta-hold"` mail waits in Postfix's hold queue, and whoever looks for it is told so.

use crate::harness::{
    Daemon, PATIENCE, Setup, Site, clean, eicar_in_zip_in_zip, eventually, free_port, header_block,
};
use anyhow::Result;
use std::io::{Read, Write};
use std::net::TcpStream;

#[test]
fn and_its_operator_is_told_where_it_is() -> Result<()> {
    let site = Site::start(Setup::default().set("quarantine.mode", "\"mta-hold\""))?;
    let reply = site.send(&eicar_in_zip_in_zip("kept over there"))?;
    assert_eq!(reply.code, 250, "{reply:?}");

    let queue = site.postfix.queue()?;
    assert_eq!(queue.len(), 1, "{queue:?}");
    assert_eq!(queue[0]["queue_name"], "hold", "{queue:?}");
    let queue_id = queue[0]["queue_id"].as_str().expect("a queue id");

    // Nothing of it is in our quarantine.
    assert!(site.daemon.entries()?.is_empty());
    assert!(site.daemon.held_files()?.is_empty());
    let listed = site
        .daemon
        .cli(["verdict", "list", "--json"])?
        .ok()
        .object()?;
    assert_eq!(listed["held_by_mta"], true, "{listed}");
    assert_eq!(listed["queue_id"], queue_id, "{listed}");
    assert_eq!(listed["action"], "quarantine", "{listed}");
    let table = site.daemon.cli(["verdict", "list"])?.ok().text();
    assert!(table.contains("MTA") && table.contains(queue_id), "{table}");
    let id = listed["id"].as_str().expect("an id");
    assert_eq!(site.daemon.answered(id)?, "accept, and hold it");
    for command in ["show", "explain"] {
        let shown = site.daemon.cli(["verdict", command, id])?.ok().text();
        let hint = format!("postsuper -H {queue_id}");
        assert!(shown.contains(&hint), "{shown}");
    }
    // The mail over there leads back to the verdict.
    let waiting = String::from_utf8(site.postfix.content(queue_id)?)?;
    assert!(
        waiting.contains(&format!("X-Postern-Id: {id}")),
        "{waiting}"
    );

    // Released over there it is delivered, and we are not asked again.
    site.postfix.release(queue_id)?;
    let delivered = site.sink.wait_for("kept over there")?;
    let header = header_block(&delivered.data);
    assert!(
        header.contains(&format!("X-Postern-Id: {id}\r\n")),
        "{header}"
    );
    assert!(
        header.contains("X-Postern-Verdict: quarantine; "),
        "{header}"
    );
    site.postfix.wait_until_empty()?;
    let verdicts = site.daemon.cli(["verdict", "list", "--json"])?.ok();
    assert_eq!(verdicts.json()?.len(), 1, "{}", verdicts.text());
    Ok(())
}

#[test]
fn for_all_of_its_recipients_at_once() -> Result<()> {
    let tenant = |name: &str| {
        format!(
            "[[tenant]]\nname = \"{name}\"\ndomains = [\"{name}.example\"]\n\
             reject.keep_copy = true\n"
        )
    };
    let setup = Setup::default()
        .set("quarantine.mode", "\"mta-hold\"")
        .tenants(&(tenant("one") + &tenant("two")));
    let site = Site::start(setup)?;
    let rcpts = ["a@one.example", "b@two.example", "c@one.example"];
    let message = eicar_in_zip_in_zip("for three of two");
    assert_eq!(site.send_to(&rcpts, &message)?.code, 250);

    let queue = site.postfix.queue()?;
    assert_eq!(queue.len(), 1, "{queue:?}");
    assert_eq!(queue[0]["queue_name"], "hold", "{queue:?}");
    let waiting = queue[0]["recipients"].as_array().map_or(0, Vec::len);
    assert_eq!(waiting, rcpts.len(), "{queue:?}");
    assert!(site.daemon.entries()?.is_empty());
    // Somebody who is not held up by this passes as ever.
    assert_eq!(site.send(&clean("the next one"))?.code, 250);
    site.sink.wait_for("the next one")?;
    assert!(site.sink.with("for three of two").is_empty());
    Ok(())
}

#[test]
fn and_one_that_cannot_hold_is_a_problem_until_one_can() -> Result<()> {
    let setup = Setup::default().set("quarantine.mode", "\"mta-hold\"");
    let mut daemon = Daemon::prepare(setup, free_port()?)?;
    daemon.start()?;
    let problem = || -> Option<String> {
        let status = daemon.status().ok()?;
        let all = status["problems"].as_array()?.iter();
        let mut all = all.filter_map(|problem| problem.as_str());
        all.find(|text| text.contains("no mail is taken"))
            .map(str::to_owned)
    };
    assert_eq!(problem(), None);

    let mut mta = offer(&daemon, EVERY_ACTION & !QUARANTINE)?;
    assert_eq!(mta.read(&mut [0; 16])?, 0, "the connection is closed");
    let shown = eventually("the status shows a mail server that cannot hold", problem)?;
    assert!(shown.contains("QUARANTINE"), "what is missing: {shown}");
    assert!(shown.contains("last tried at 2"), "when: {shown}");
    let status = daemon.cli(["status"])?;
    assert_eq!(status.status, Some(1), "{status:?}");
    assert!(status.text().contains("no mail is taken"), "{status:?}");
    assert!(daemon.log().contains("ERROR"), "{}", daemon.log());

    let mut mta = offer(&daemon, EVERY_ACTION)?;
    mta.read_exact(&mut [0; 17])?;
    // A client that is called `x` and whose address is not known.
    mta.write_all(&[0, 0, 0, 4, b'C', b'x', 0, b'U'])?;
    eventually("the problem is gone", || problem().is_none().then_some(()))?;
    assert_eq!(daemon.cli(["status"])?.status, Some(0));
    Ok(())
}

/// Actions of the milter protocol.
const EVERY_ACTION: u32 = 0x1FF;
const QUARANTINE: u32 = 1 << 5;

/// Connects to the filter and says what a mail server says first.
fn offer(daemon: &Daemon, actions: u32) -> Result<TcpStream> {
    let mut mta = TcpStream::connect(daemon.milter().trim_start_matches("inet:"))?;
    mta.set_read_timeout(Some(PATIENCE))?;
    let (version, events) = (6_u32, 0x1F_FFFF_u32);
    let mut offer = vec![0, 0, 0, 13, b'O'];
    for number in [version, actions, events] {
        offer.extend_from_slice(&number.to_be_bytes());
    }
    mta.write_all(&offer)?;
    Ok(mta)
}
