//! More of everything than any MTA sends.

use bytes::Bytes;
use milter::mta::{Mail, Mta, MtaError};
use milter::{Command, Limit, Path, Response, ServerOptions};

use crate::support::{Event, MESSAGE, Server, accept, assert_accepted, mail, run};

/// The reply that the filter chose for a message.
fn reply(response: &Response) -> &[u8] {
    match response {
        Response::ReplyCode(text) => text,
        _ => b"",
    }
}

async fn assert_closes(mta: &mut Mta) {
    match mta.response().await {
        Ok(None) | Err(MtaError::Frame(_)) => (),
        other => panic!("{other:?}"),
    }
}

fn macros(count: usize) -> Command {
    let pair = |number| (format!("m{number}").into(), Bytes::from_static(b"v"));
    Command::Macros {
        letter: b'M',
        pairs: (0..count).map(pair).collect(),
    }
}

#[test]
fn ten_thousand_macros_at_once_end_the_connection() {
    run(async {
        let server = Server::accepting().await;
        let mut mta = server.introduced().await;
        mta.queue(&macros(10_000));
        assert_closes(&mut mta).await;
        server.assert_serves().await;
    });
}

#[test]
fn ten_thousand_commands_of_macros_leave_the_last_one() {
    run(async {
        let mut server = Server::accepting().await;
        let mut mta = server.introduced().await;
        for _ in 0..10_000 {
            mta.queue(&macros(10));
        }
        assert_accepted(&mta.deliver(&mail("LAST")).await.unwrap());
        let envelope = server.seen().await.envelope;
        // The MTA for tests sends its own macros of MAIL last.
        assert_eq!(envelope.macros.value("m1"), None);
        assert_eq!(
            envelope.macros.value("mail_addr"),
            Some(&b"sender@example.org"[..])
        );
    });
}

#[test]
fn a_thousand_parameters_end_the_connection() {
    run(async {
        let server = Server::accepting().await;
        for path in [
            Path {
                address: b"a@example.org".to_vec(),
                parameters: vec![b"X=Y".to_vec(); 1_000],
            },
            Path::new(vec![b'a'; 20_000]),
        ] {
            let mut mta = server.introduced().await;
            mta.queue(&Command::Mail(path));
            assert_closes(&mut mta).await;
        }
        server.assert_serves().await;
    });
}

#[test]
fn recipients_beyond_the_limit_are_told_to_come_later_and_the_others_get_the_mail() {
    run(async {
        let mut server = Server::accepting().await;
        let limit = ServerOptions::default().recipients;
        let mut mta = server.introduced().await;
        mta.send(&Command::Mail(Path::new("a@example.org")))
            .await
            .unwrap();
        for number in 0..limit + 500 {
            let recipient = Path::new(format!("{number}@example.net"));
            let answer = mta.send(&Command::Rcpt(recipient)).await.unwrap().unwrap();
            if number < limit {
                assert_eq!(answer, Response::Continue);
            } else {
                assert_eq!(reply(&answer), b"452 4.5.3 Too many recipients");
            }
        }
        mta.send(&Command::EndOfHeaders).await.unwrap();
        assert_accepted(&mta.end_of_message(Bytes::new()).await.unwrap());
        assert_eq!(server.seen().await.envelope.recipients.len(), limit);
    });
}

/// Ends an overlong header section and delivers another mail behind it.
async fn check_header_limit(server: &mut Server, mail_over_limit: &Mail, limit: Limit) {
    let mut mta = server.introduced().await;
    let outcome = mta.deliver(mail_over_limit).await.unwrap();
    let expected = b"552 5.3.4 Message header section is too big";
    assert_eq!(reply(&outcome.reply), expected);
    assert_eq!(server.event().await, Event::OverLimit(limit));
    assert_accepted(&mta.deliver(&mail("NEXT")).await.unwrap());
    assert_eq!(server.seen().await.message, MESSAGE);
    assert!(matches!(server.event().await, Event::Answered(..)));
}

#[test]
fn ten_thousand_header_fields_are_refused() {
    run(async {
        let mut server = Server::accepting().await;
        let fields = b"A: b\r\n".repeat(10_000);
        let limit = Limit::Headers(ServerOptions::default().headers);
        check_header_limit(&mut server, &Mail::new("MANY", fields), limit).await;
    });
}

#[test]
fn a_header_field_as_long_as_a_frame_is_refused() {
    run(async {
        let mut server = Server::accepting().await;
        let bytes = ServerOptions::default().header_bytes;
        let field = [b"A: ", &vec![b'b'; bytes][..], b"\r\n"].concat();
        let limit = Limit::HeaderBytes(bytes);
        check_header_limit(&mut server, &Mail::new("LONG", field), limit).await;
    });
}

#[test]
fn a_thousand_sessions_on_one_connection_are_served() {
    run(async {
        let server = Server::start(ServerOptions::default(), accept()).await;
        let mut mta = server.introduced().await;
        for _ in 0..1_000 {
            assert_accepted(&mta.deliver(&mail("MANY")).await.unwrap());
            mta.send(&Command::QuitNewConnection).await.unwrap();
            mta.introduce(&milter::mta::Client::default())
                .await
                .unwrap();
        }
    });
}
