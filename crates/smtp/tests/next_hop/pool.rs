//! Sessions that are kept, checked, replaced and counted.

use std::time::Duration;

use crate::common::{MESSAGE, Server, deliver, mail, rcpt};
use smtp::next_hop::{NextHop, Pool, PoolLimits};
use smtp::{Error, ErrorKind, Forwarded, Stage};
use tokio::net::TcpListener;

const ONE_MAIL: [&str; 4] = ["MAIL", "RCPT", "DATA", "."];

fn mails(number: usize) -> Vec<String> {
    let mails = ONE_MAIL.iter().cycle().take(4 * number);
    std::iter::once(&"EHLO")
        .chain(mails)
        .map(|&verb| verb.to_owned())
        .collect()
}

#[tokio::test]
async fn a_session_serves_one_mail_after_the_other() {
    let server = Server::start(&[]).await;
    let pool = server.pool(PoolLimits::default());
    for _ in 0..3 {
        let mut connection = pool.take().await.unwrap();
        let reply = deliver(&mut connection, MESSAGE).await.unwrap();
        assert_eq!(reply.queue_id().as_deref(), Some("4Z"));
    }
    assert_eq!(server.heard(), [mails(3)]);
}

#[tokio::test]
async fn two_at_a_time_have_a_session_each() {
    let server = Server::start(&[]).await;
    let pool = server.pool(PoolLimits::default());
    let (mut one, mut other) = (pool.take().await.unwrap(), pool.take().await.unwrap());
    deliver(&mut one, MESSAGE).await.unwrap();
    deliver(&mut other, MESSAGE).await.unwrap();
    assert_eq!(server.heard(), [mails(1), mails(1)]);
}

#[tokio::test]
async fn a_session_in_whatever_unclear_state_is_not_kept() {
    let server = Server::start(&[]).await;
    let pool = server.pool(PoolLimits::default());
    // in a transaction
    let mut connection = pool.take().await.unwrap();
    connection.mail(&mail("a@b")).await.unwrap();
    drop(connection);
    // in a message
    let mut connection = pool.take().await.unwrap();
    connection.mail(&mail("a@b")).await.unwrap();
    connection.rcpt(&rcpt("c@d")).await.unwrap();
    let _ = connection.data(&[MESSAGE]).await.unwrap().unwrap();
    drop(connection);
    let mut connection = pool.take().await.unwrap();
    deliver(&mut connection, MESSAGE).await.unwrap();
    assert_eq!(server.heard().len(), 3);
    assert_eq!(server.heard()[2], mails(1));
}

#[tokio::test]
async fn giving_back_leaves_a_transaction_in_good_order() {
    let server = Server::start(&[]).await;
    let pool = server.pool(PoolLimits::default());
    let mut connection = pool.take().await.unwrap();
    connection.mail(&mail("a@b")).await.unwrap();
    connection.give_back().await;
    let mut connection = pool.take().await.unwrap();
    deliver(&mut connection, MESSAGE).await.unwrap();
    assert_eq!(
        server.heard(),
        [["EHLO", "MAIL", "RSET", "MAIL", "RCPT", "DATA", "."]]
    );
}

#[tokio::test]
async fn a_session_that_died_while_it_was_kept_is_replaced_before_anybody_notices() {
    // The first says to the second MAIL (or XFORWARD) what a server says that has waited for too long, or nothing.
    for answer in ["421 4.4.2 timeout", "", "nonsense"] {
        let server = Server::start(&[(0, "MAIL", answer)]).await;
        let pool = server.pool(PoolLimits::default());
        drop(pool.take().await.unwrap());
        let mut connection = pool.take().await.unwrap();
        let reply = deliver(&mut connection, MESSAGE).await.unwrap();
        assert_eq!(reply.code, 250, "{answer}");
        assert_eq!(server.heard()[1], mails(1), "{answer}");
    }
    let server = Server::start(&[(0, "XFORWARD", "")]).await;
    let pool = server.pool(PoolLimits::default());
    drop(pool.take().await.unwrap());
    let mut connection = pool.take().await.unwrap();
    let reply = connection
        .xforward(&Forwarded::default())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(reply.code, 250);
    assert_eq!(server.heard(), [["EHLO", "XFORWARD"], ["EHLO", "XFORWARD"]]);
}

#[tokio::test]
async fn only_the_first_command_of_a_kept_session_is_repeated_and_only_once() {
    // both fail
    let server = Server::start(&[(0, "MAIL", ""), (1, "MAIL", "")]).await;
    let pool = server.pool(PoolLimits::default());
    drop(pool.take().await.unwrap());
    let mut connection = pool.take().await.unwrap();
    connection.mail(&mail("a@b")).await.unwrap_err();
    assert!(!connection.is_usable());
    assert_eq!(server.heard().len(), 2);

    // a new session is not replaced
    let server = Server::start(&[(0, "MAIL", "")]).await;
    let mut connection = server.pool(PoolLimits::default()).take().await.unwrap();
    connection.mail(&mail("a@b")).await.unwrap_err();
    assert_eq!(server.heard().len(), 1);

    // nor one that has answered something: MAIL was accepted in it, which is a promise
    let server = Server::start(&[(0, "RCPT", "")]).await;
    let pool = server.pool(PoolLimits::default());
    drop(pool.take().await.unwrap());
    let mut connection = pool.take().await.unwrap();
    connection.mail(&mail("a@b")).await.unwrap();
    connection.rcpt(&rcpt("c@d")).await.unwrap_err();
    assert_eq!(server.heard().len(), 1);

    // and a refusal is an answer
    let server = Server::start(&[(0, "MAIL", "451 4.3.0 not now")]).await;
    let pool = server.pool(PoolLimits::default());
    drop(pool.take().await.unwrap());
    let mut connection = pool.take().await.unwrap();
    assert_eq!(connection.mail(&mail("a@b")).await.unwrap().code, 451);
    assert_eq!(server.heard().len(), 1);
}

#[tokio::test]
async fn what_cannot_be_sent_proves_nothing_about_a_kept_session() {
    let server = Server::start(&[(0, "MAIL", "")]).await;
    let pool = server.pool(PoolLimits::default());
    drop(pool.take().await.unwrap());
    let mut connection = pool.take().await.unwrap();
    connection.mail(&mail("a@b>\r\n")).await.unwrap_err();
    assert_eq!(deliver(&mut connection, MESSAGE).await.unwrap().code, 250);
    assert_eq!(server.heard().len(), 2);
}

#[tokio::test]
async fn a_session_that_nobody_needs_is_ended_in_good_order() {
    let server = Server::start(&[]).await;
    let limits = PoolLimits {
        idle_time: Duration::from_millis(20),
        ..PoolLimits::default()
    };
    let pool = server.pool(limits);
    drop((pool.take().await.unwrap(), pool.take().await.unwrap()));
    let ended = [["EHLO", "QUIT"], ["EHLO", "QUIT"]];
    while server.heard() != ended {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn no_more_sessions_are_kept_than_may_be() {
    let server = Server::start(&[]).await;
    let limits = PoolLimits {
        idle: 1,
        ..PoolLimits::default()
    };
    let pool = server.pool(limits);
    drop((pool.take().await.unwrap(), pool.take().await.unwrap()));
    let (mut one, mut other) = (pool.take().await.unwrap(), pool.take().await.unwrap());
    deliver(&mut one, MESSAGE).await.unwrap();
    deliver(&mut other, MESSAGE).await.unwrap();
    assert_eq!(server.heard().len(), 3);
}

#[tokio::test]
async fn who_finds_no_place_waits_a_while_and_not_longer() {
    let server = Server::start(&[]).await;
    let limits = PoolLimits {
        sessions: 1,
        wait: Duration::from_millis(50),
        ..PoolLimits::default()
    };
    let pool = server.pool(limits);
    let mut connection = pool.take().await.unwrap();
    let error = pool.take().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Temporary);
    assert_eq!(
        error.to_string(),
        format!("{}: no session became free within 0.05 s", server.address)
    );
    deliver(&mut connection, MESSAGE).await.unwrap();
    drop(connection);
    pool.take().await.unwrap();
    assert_eq!(server.heard().len(), 1, "one place, one session");
}

#[tokio::test]
async fn a_next_hop_that_is_down_is_an_error_at_once_and_its_place_is_free_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let text = format!("smtp:{}", listener.local_addr().unwrap());
    drop(listener);
    let limits = PoolLimits {
        sessions: 1,
        ..PoolLimits::default()
    };
    let pool = Pool::new(NextHop::parse(&text, "filter.example").unwrap(), limits);
    for _ in 0..3 {
        let error = pool.take().await.unwrap_err();
        assert!(
            matches!(
                error,
                Error::Io {
                    stage: Stage::Connect,
                    ..
                }
            ),
            "{error:?}"
        );
    }
    assert_eq!(pool.offered(), None);
}

#[tokio::test]
async fn what_the_next_hop_offers_is_remembered() {
    let server = Server::start(&[(1, "EHLO", "250-mx\r\n250 DSN")]).await;
    let pool = server.pool(PoolLimits::default());
    assert_eq!(pool.offered(), None);
    let unknown = pool.offer();
    assert!(unknown.eight_bit_mime && !unknown.smtp_utf8 && !unknown.dsn);
    assert!(pool.probe().await.unwrap().smtp_utf8);
    let known = pool.offer();
    assert!(known.smtp_utf8 && !known.eight_bit_mime);
    let two = (pool.take().await.unwrap(), pool.take().await.unwrap());
    assert_eq!(two.1.offers(), pool.offered().unwrap());
    assert!(pool.offer().dsn && !pool.offer().smtp_utf8);
}

#[tokio::test]
async fn lmtp_takes_one_recipient_at_a_time() {
    let (listener, script) = (
        TcpListener::bind("127.0.0.1:0").await.unwrap(),
        "S: 220 mx\nC: LHLO filter.example\nS: 250 mx\nC: MAIL FROM:<a@b>\nS: 250 ok\nC: RCPT TO:<x@y>\nS: 550 no\n\
         C: RCPT TO:<c@d>\nS: 250 ok\nC: DATA\nS: 354 go\nD:\nS: 250 2.0.0 taken",
    );
    let text = format!("lmtp:{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        smtp::testing::play(stream, script).await.unwrap()
    });
    let next_hop = NextHop::parse(&text, "filter.example").unwrap();
    let mut connection = Pool::new(next_hop, PoolLimits::default())
        .take()
        .await
        .unwrap();
    connection.mail(&mail("a@b")).await.unwrap();
    for (path, code) in [("x@y", 550), ("c@d", 250), ("e@f", 452)] {
        assert_eq!(connection.rcpt(&rcpt(path)).await.unwrap().code, code);
    }
    let pending = connection.data(&[MESSAGE]).await.unwrap().unwrap();
    assert_eq!(pending.finish().await.unwrap().code, 250);
    assert_eq!(server.await.unwrap().len(), 1);
}
