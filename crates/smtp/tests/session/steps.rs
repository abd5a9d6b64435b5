//! A transaction step by step: every answer is handed on, and nothing is promised that the server has not said.

use crate::common::{self, MESSAGE, session, target};
use smtp::testing::{play, unstuff};
use smtp::{
    Client, Error, ErrorKind, Forwarded, MailCommand, MessageError, Parameter, ProtocolProblem,
    RcptCommand, Stage,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::task::JoinHandle;

#[tokio::test]
async fn every_answer_is_handed_on_as_it_is() {
    let script = format!(
        "{}C: MAIL FROM:<a@b>
         S: 451 4.3.0 not now
         C: MAIL FROM:<a@b>
         S: 250 2.1.0 ok
         C: RCPT TO:<c@d>
         S: 550-5.1.1 nobody
         S: 550 5.1.1 here
         C: RCPT TO:<e@f>
         S: 251 2.1.5 forwarded
         C: DATA
         S: 452 4.3.1 full
         C: RSET
         S: 250 2.0.0 ok
         C: MAIL FROM:<a@b>
         S: 250 ok
         C: RCPT TO:<e@f>
         S: 250 ok
         C: DATA
         S: 354 go
         D:
         S: 554 5.7.1 no
         C: QUIT
         S: 221 bye",
        common::OPENING
    );
    let (client, server) = session(&script).await;
    let mut client = client.unwrap();
    assert_eq!(client.mail(&mail("a@b")).await.unwrap().code, 451);
    assert!(!client.in_transaction());
    assert_eq!(client.mail(&mail("a@b")).await.unwrap().code, 250);
    let refusal = client.rcpt(&rcpt("c@d")).await.unwrap();
    assert_eq!(refusal.lines, ["5.1.1 nobody", "5.1.1 here"]);
    assert_eq!(client.rcpt(&rcpt("e@f")).await.unwrap().code, 251);
    assert_eq!(client.accepted(), 1);
    let refusal = client.data(&[MESSAGE]).await.unwrap().unwrap_err();
    assert_eq!(refusal.to_string(), "452 4.3.1 full");
    assert!(client.is_usable() && client.in_transaction());
    assert_eq!(client.reset().await.unwrap().code, 250);
    assert!(!client.in_transaction());
    client.mail(&mail("a@b")).await.unwrap();
    client.rcpt(&rcpt("e@f")).await.unwrap();
    let pending = client.data(&[MESSAGE]).await.unwrap().unwrap();
    assert_eq!(pending.finish().await.unwrap().code, 554);
    assert!(client.is_usable() && !client.in_transaction());
    client.quit().await;
    assert_eq!(server.received().await.len(), 1);
}

#[tokio::test]
async fn parameters_go_to_a_server_that_knows_them() {
    let script = "
        S: 220 mx
        C: EHLO filter.example
        S: 250-mx
        S: 250-SIZE 1000
        S: 250-DSN
        S: 250 SMTPUTF8
        C: MAIL FROM:<é@b> SIZE=99 SMTPUTF8 RET=HDRS ENVID=x+2B
        S: 250 ok
        C: RCPT TO:<c@d> NOTIFY=NEVER ORCPT=rfc822;c@d
        S: 250 ok";
    let (client, server) = session(script).await;
    let mut client = client.unwrap();
    let offered = client.offers();
    assert!(offered.dsn && offered.smtp_utf8 && !offered.eight_bit_mime);
    assert_eq!(offered.size_limit, Some(1000));
    let mut command = mail("é@b");
    command.parameters = vec![
        parameter("SIZE", "99"),
        parameter("BODY", "8BITMIME"),
        Parameter {
            keyword: "SMTPUTF8".to_owned(),
            value: None,
        },
        parameter("RET", "HDRS"),
        parameter("ENVID", "x+2B"),
    ];
    client.mail(&command).await.unwrap();
    let mut command = rcpt("c@d");
    command.parameters = vec![
        parameter("NOTIFY", "NEVER"),
        parameter("ORCPT", "rfc822;c@d"),
    ];
    client.rcpt(&command).await.unwrap();
    drop(client);
    server.received().await;
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_before_a_byte_is() {
    let (client, server) =
        session(&format!("{}C: MAIL FROM:<a@b>\nS: 250 ok", common::OPENING)).await;
    let mut client = client.unwrap();
    let with = |parameter: Parameter| MailCommand {
        parameters: vec![parameter],
        ..mail("a@b")
    };
    let refused = [
        mail("a@b>\r\nRSET"),
        mail("é@b"),
        with(parameter("RET", "FULL")),
        with(parameter("SIZE", "1\r\nRSET")),
        with(parameter("SI\r\nZE", "1")),
    ];
    for command in refused {
        let error = client.mail(&command).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Permanent, "{error}");
    }
    client.mail(&mail("a@b")).await.unwrap();
    let error = client.rcpt(&rcpt("c@d>\r\nDATA")).await.unwrap_err();
    assert!(matches!(error, Error::Address(_)), "{error}");
    let error = client.data(&[MESSAGE]).await.unwrap_err();
    assert!(matches!(error, Error::NoRecipients), "{error}");
    let error = client.data(&[b"a\r", b"b"]).await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::Message(MessageError::BareCarriageReturn { offset: 1 })
        ),
        "{error}"
    );
    assert!(client.is_usable());
    drop(client);
    server.received().await;
}

#[tokio::test]
async fn slices_arrive_as_one_message() {
    let slices: [&[u8]; 6] = [b"X: 1\r\n", b"", b"a\r", b"\n", b".\r\n.", b"b"];
    let (mut client, server) = ready("D:\nS: 250 2.0.0 Ok: queued as 4Z").await;
    let reply = client.data(&slices).await.unwrap().unwrap().finish().await;
    assert_eq!(reply.unwrap().queue_id().as_deref(), Some("4Z"));
    let received = server.received().await.pop().unwrap();
    assert_eq!(received, b"X: 1\r\na\r\n..\r\n..b\r\n.\r\n");
    assert_eq!(unstuff(&received).unwrap(), b"X: 1\r\na\r\n.\r\n.b\r\n");
}

#[tokio::test]
async fn a_message_that_is_given_up_never_gets_its_dot() {
    for dropped in [false, true] {
        let (mut client, server) = listening().await;
        let pending = client.data(&[MESSAGE]).await.unwrap().unwrap();
        if dropped {
            drop(pending);
        } else {
            pending.abandon();
        }
        assert!(!client.is_usable());
        let error = client.reset().await.unwrap_err();
        assert!(matches!(error, Error::Ended { .. }), "{error}");
        client.quit().await;
        assert_eq!(server.await.unwrap(), MESSAGE);
    }
}

#[tokio::test]
async fn a_step_that_is_dropped_half_way_ends_the_session() {
    let (mut client, server) = listening().await;
    let large = vec![b'x'; 1 << 20];
    let slices = [large.as_slice()];
    tokio::select! {
        biased;
        _ = client.data(&slices) => panic!("sent at once"),
        () = tokio::task::yield_now() => {}
    }
    let error = client.mail(&mail("a@b")).await.unwrap_err();
    assert!(matches!(error, Error::Ended { .. }), "{error}");
    drop(client);
    assert!(!server.await.unwrap().ends_with(b".\r\n"));
}

#[tokio::test]
async fn a_421_is_the_last_answer_at_every_step() {
    const ANSWERS: [&str; 5] = ["250 ok", "250 ok", "354 go", "", "250 ok"];
    for at in [0, 1, 2, 4] {
        let mut answers = ANSWERS.to_vec();
        answers[at] = "421 4.3.2 closing";
        let script = format!(
            "{}C: MAIL FROM:<a@b>\nS: {}\nC: RCPT TO:<c@d>\nS: {}\nC: DATA\nS: {}\nD:\nS: {}",
            common::OPENING,
            answers[0],
            answers[1],
            answers[2],
            answers[4],
        );
        let (client, _server) = session(&script).await;
        let mut client = client.unwrap();
        let code = async {
            for reply in [
                client.mail(&mail("a@b")).await?,
                client.rcpt(&rcpt("c@d")).await?,
            ] {
                if !reply.is_positive() {
                    return Ok(reply.code);
                }
            }
            match client.data(&[MESSAGE]).await? {
                Ok(pending) => pending.finish().await.map(|reply| reply.code),
                Err(reply) => Ok(reply.code),
            }
        };
        let code: Result<u16, Error> = code.await;
        if at > 0 {
            assert_eq!(code.unwrap(), 421, "{at}");
        } else {
            // RCPT was asked of a session that had ended
            assert!(matches!(code, Err(Error::Ended { .. })), "{code:?}");
        }
        assert!(!client.is_usable(), "{at}");
    }
}

#[tokio::test]
async fn a_refusal_in_the_middle_of_the_message_is_the_answer_to_it() {
    let large = b"0123456789abcdef\r\n".repeat(100_000);
    let (mut client, _server) = ready("W: 1000\nS: 552 5.3.4 too big").await;
    let refusal = client.data(&[&large]).await.unwrap().unwrap_err();
    assert_eq!(refusal.code, 552);
    assert!(!client.is_usable());

    let (mut client, server) =
        ready(&format!("W: {}\nS: 552 5.3.4 too big\nH:", MESSAGE.len())).await;
    let pending = client.data(&[MESSAGE]).await.unwrap().unwrap();
    // until the server has said it
    tokio::task::yield_now().await;
    assert_eq!(pending.finish().await.unwrap().code, 552);
    assert!(!client.is_usable());
    drop(client);
    server.received().await;
}

#[tokio::test]
async fn data_answered_with_250_is_no_go_ahead() {
    let script = format!(
        "{}C: MAIL FROM:<a@b>\nS: 250 ok\nC: RCPT TO:<c@d>\nS: 250 ok\nC: DATA\nS: 250 2.0.0 Ok: queued as FALSE",
        common::OPENING
    );
    let (client, server) = session(&script).await;
    let mut client = client.unwrap();
    client.mail(&mail("a@b")).await.unwrap();
    client.rcpt(&rcpt("c@d")).await.unwrap();
    let error = client.data(&[MESSAGE]).await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::Protocol {
                stage: Stage::Data,
                problem: ProtocolProblem::Unexpected(_),
                ..
            }
        ),
        "{error:?}"
    );
    assert!(!client.is_usable());
    drop(client);
    assert!(server.received().await.is_empty());
}

#[tokio::test]
async fn an_acceptance_counts_even_if_the_connection_breaks_right_behind_it() {
    let (mut client, server) = ready("D:\nS: 250-2.0.0 Ok:\nS: 250 2.0.0 queued as 4Z").await;
    let pending = client.data(&[MESSAGE]).await.unwrap().unwrap();
    assert_eq!(pending.finish().await.unwrap().lines.len(), 2);
    server.received().await;
    let error = client.mail(&mail("a@b")).await.unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn silence_or_single_bytes_after_the_dot_leave_the_outcome_unknown_in_the_end() {
    for drip in [b"".as_slice(), b"2", b"250-x\r\n"] {
        let (mut client, mut far) = by_hand().await;
        let server = tokio::spawn(async move {
            dotted(&mut far).await;
            while far.write_all(drip).await.is_ok() {
                tokio::time::sleep(std::time::Duration::from_secs(61)).await;
            }
        });
        let pending = client.data(&[MESSAGE]).await.unwrap().unwrap();
        let start = tokio::time::Instant::now();
        let error = pending.finish().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unknown, "{error}");
        assert_eq!(start.elapsed().as_secs(), 600);
        server.abort();
    }
}

#[tokio::test]
async fn an_endless_reply_to_the_message_is_cut_off_and_the_outcome_unknown() {
    let (mut client, mut far) = by_hand().await;
    let server = tokio::spawn(async move {
        dotted(&mut far).await;
        let mut sent = 0;
        far.write_all(b"250 ").await.unwrap();
        while sent < 10 << 20 && far.write_all(&[b'x'; 1000]).await.is_ok() {
            sent += 1000;
        }
        sent
    });
    let pending = client.data(&[MESSAGE]).await.unwrap().unwrap();
    let error = pending.finish().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unknown);
    assert!(
        error.to_string().ends_with("a reply of more than 64 KiB"),
        "{error}"
    );
    assert!(!client.is_usable());
    drop(client);
    assert!(server.await.unwrap() < 80_000);
}

#[tokio::test]
async fn xforward_is_said_where_it_is_offered_and_in_short_lines() {
    let long = "n".repeat(255);
    let script = format!(
        "S: 220 mx
         C: EHLO filter.example
         S: 250-mx
         S: 250 XFORWARD NAME ADDR HELO PROTO
         C: XFORWARD NAME={long} ADDR=IPV6:2001:db8::1 PROTO=[UNAVAILABLE]
         S: 250 ok
         C: XFORWARD HELO={long}
         S: 250 2.0.0 ok"
    );
    let (client, server) = session(&script).await;
    let forwarded = Forwarded {
        name: Some(long.clone()),
        address: Some("2001:db8::1".to_owned()),
        helo: Some(long),
        ident: Some("4Z".to_owned()),
        ..Forwarded::default()
    };
    let mut client = client.unwrap();
    let reply = client.xforward(&forwarded).await.unwrap().unwrap();
    assert_eq!(reply.to_string(), "250 2.0.0 ok");
    drop(client);
    server.received().await;

    let (client, server) = session(common::OPENING).await;
    let mut client = client.unwrap();
    assert_eq!(client.xforward(&forwarded).await.unwrap(), None);
    drop(client);
    server.received().await;
}

#[tokio::test]
async fn a_unix_socket_serves_as_well() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("smtp");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await?;
        let opened = common::opened("D:\nS: 250 ok");
        play(stream, &format!("{}{opened}", common::OPENING)).await
    });
    let target = smtp::Target::unix(&path, "filter.example").unwrap();
    let mut client = Client::open(&target).await.unwrap();
    client.mail(&mail("a@b")).await.unwrap();
    client.rcpt(&rcpt("c@d")).await.unwrap();
    let pending = client.data(&[MESSAGE]).await.unwrap().unwrap();
    assert_eq!(pending.finish().await.unwrap().code, 250);
    server.await.unwrap().unwrap();
}

fn mail(path: &str) -> MailCommand {
    MailCommand {
        path: path.to_owned(),
        ..MailCommand::default()
    }
}

fn rcpt(path: &str) -> RcptCommand {
    RcptCommand {
        path: path.to_owned(),
        parameters: Vec::new(),
    }
}

fn parameter(keyword: &str, value: &str) -> Parameter {
    Parameter {
        keyword: keyword.to_owned(),
        value: Some(value.to_owned()),
    }
}

/// A session in a transaction with one recipient; the server then gives the go-ahead and follows `script`.
async fn ready(script: &str) -> (Client, common::Server) {
    let (client, server) = common::open(script).await;
    let mut client = client.unwrap();
    client.mail(&mail("a@b")).await.unwrap();
    client.rcpt(&rcpt("c@d")).await.unwrap();
    (client, server)
}

/// The same, with the server's end left to the test, which has given the go-ahead already.
async fn by_hand() -> (Client, DuplexStream) {
    let (mut far, near) = tokio::io::duplex(1024);
    let opening = tokio::spawn(async move {
        let script = format!(
            "{}C: MAIL FROM:<a@b>\nS: 250 ok\nC: RCPT TO:<c@d>\nS: 250 ok",
            common::OPENING
        );
        play(&mut far, &script).await.unwrap();
        far
    });
    let mut client = Client::start(near, &target(), ()).await.unwrap();
    client.mail(&mail("a@b")).await.unwrap();
    client.rcpt(&rcpt("c@d")).await.unwrap();
    let mut far = opening.await.unwrap();
    let (relayed, mut there) = tokio::io::duplex(1024);
    // DATA is answered when it comes, and everything else goes to and from the test.
    tokio::spawn(async move {
        let mut data = [0; 6];
        far.read_exact(&mut data).await.unwrap();
        far.write_all(b"354 go\r\n").await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut far, &mut there).await;
    });
    (client, relayed)
}

/// Reads a message up to its final dot.
async fn dotted(far: &mut DuplexStream) {
    let mut received = Vec::new();
    while !received.ends_with(b"\r\n.\r\n") {
        assert!(far.read_buf(&mut received).await.unwrap() > 0);
    }
}

/// The same, with a server that gives the go-ahead and takes down what follows until the client leaves.
async fn listening() -> (Client, JoinHandle<Vec<u8>>) {
    let (client, mut far) = by_hand().await;
    let server = tokio::spawn(async move {
        let mut received = Vec::new();
        far.read_to_end(&mut received).await.unwrap();
        received
    });
    (client, server)
}
