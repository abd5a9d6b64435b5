//! Slow filters, filters that fail, MTAs that go away, and the end of the server.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use milter::mta::{Client, Mta};
use milter::{
    Command, Decision, Filter, Listener, Offer, Path, Reply, Response, ServerOptions, Transaction,
    serve,
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::support::{Act, Event, Script, Seen, Server, accept, assert_accepted, mail, run};

/// Mails with the queue id `WAIT` wait for the notification.
fn waiting() -> (Arc<Notify>, Script) {
    let notify = Arc::new(Notify::new());
    let script = {
        let notify = Arc::clone(&notify);
        Box::new(move |seen: &Seen| match seen.envelope.queue_id() {
            Some(b"WAIT") => Act::Wait(Arc::clone(&notify), Reply::Accept),
            _ => Act::Decide(Vec::new(), Reply::Accept),
        })
    };
    (notify, script)
}

/// Everything of a mail `WAIT` but the reading of the answer.
async fn begin(mta: &mut Mta) {
    for command in [
        Command::Mail(Path::new("a@example.org")),
        Command::Rcpt(Path::new("b@example.net")),
        Command::Data,
        Command::EndOfHeaders,
    ] {
        mta.send(&command).await.unwrap();
    }
    mta.macros(milter::MacroStage::EndOfMessage, &[("i", "WAIT")]);
    mta.queue(&Command::EndOfMessage(Bytes::new()));
    mta.flush().await.unwrap();
}

#[test]
fn the_mta_is_told_to_wait_while_the_filter_works() {
    run(async {
        let (notify, script) = waiting();
        let options = ServerOptions {
            progress_interval: Duration::from_millis(1),
            ..ServerOptions::default()
        };
        let server = Server::start(options, script).await;
        let mut mta = server.introduced().await;
        begin(&mut mta).await;
        for _ in 0..3 {
            assert_eq!(mta.response().await.unwrap(), Some(Response::Progress));
        }
        notify.notify_one();
        loop {
            match mta.response().await.unwrap() {
                Some(Response::Progress) => (),
                other => break assert_eq!(other, Some(Response::Accept)),
            }
        }
        // Nothing is left over from it.
        assert_accepted(&mta.deliver(&mail("NEXT")).await.unwrap());
    });
}

#[test]
fn a_filter_over_the_deadline_is_dropped_and_its_message_deferred() {
    run(async {
        let (_notify, script) = waiting();
        let options = ServerOptions {
            message_deadline: Duration::from_millis(5),
            ..ServerOptions::default()
        };
        let mut server = Server::start(options, script).await;
        let mut mta = server.introduced().await;
        begin(&mut mta).await;
        assert_eq!(mta.response().await.unwrap(), Some(Response::Tempfail));
        server.seen().await;
        assert_eq!(server.event().await, Event::Dropped);
        assert_accepted(&mta.deliver(&mail("NEXT")).await.unwrap());
    });
}

#[test]
fn a_panic_in_the_filter_defers_its_message_and_the_next_one_passes() {
    run(async {
        let script = Box::new(|seen: &Seen| match seen.envelope.queue_id() {
            Some(b"PANIC") => Act::Panic,
            _ => Act::Decide(Vec::new(), Reply::Accept),
        });
        let server = Server::start(ServerOptions::default(), script).await;
        let mut mta = server.introduced().await;
        for _ in 0..3 {
            let outcome = mta.deliver(&mail("PANIC")).await.unwrap();
            assert_eq!(outcome.reply, Response::Tempfail);
            assert!(outcome.changes.is_empty());
            assert_accepted(&mta.deliver(&mail("GOOD")).await.unwrap());
        }
    });
}

#[test]
fn a_panic_in_any_question_defers_what_was_asked() {
    run(async {
        let server = Server::start_with(ServerOptions::default(), accept(), |filter| {
            filter.connect = |connection| match connection.host.as_slice() {
                b"panic.example" => panic!("connect"),
                _ => Reply::Continue,
            };
            filter.mail = |envelope| match envelope.sender.address.as_slice() {
                b"panic@example.org" => panic!("mail"),
                _ => Reply::Continue,
            };
            filter.rcpt = |_, recipient| match recipient.address.as_slice() {
                b"panic@example.net" => panic!("rcpt"),
                _ => Reply::Continue,
            };
            filter.answered = |_| panic!("answered");
        })
        .await;
        let mut mta = server.negotiated(Offer::POSTFIX).await;
        let client = Client {
            host: "panic.example".into(),
            ..Client::default()
        };
        let answer = mta.introduce(&client).await.unwrap();
        assert_eq!(answer, Some(Response::Tempfail));

        let mut mta = server.introduced().await;
        let mut hostile = mail("PANIC");
        hostile.sender = "panic@example.org".into();
        let outcome = mta.deliver(&hostile).await.unwrap();
        assert_eq!((outcome.stage, outcome.reply), ("mail", Response::Tempfail));
        let mut hostile = mail("PANIC");
        hostile.recipients.push("panic@example.net".into());
        assert_accepted(&mta.deliver(&hostile).await.unwrap());
        assert_accepted(&mta.deliver(&mail("GOOD")).await.unwrap());
    });
}

/// Panics before there is a future at all.
struct Rash;

impl Filter for Rash {
    type Ticket = ();

    fn message(&self, transaction: Transaction) -> impl Future<Output = Decision<()>> + Send {
        assert_eq!(
            transaction.queue_id(),
            Some(&b"GOOD"[..]),
            "as the test wants it"
        );
        std::future::ready(Decision::new(Reply::Accept, ()))
    }
}

#[test]
fn a_panic_before_the_future_is_caught_as_well() {
    run(async {
        let listener = Listener::tcp(([127, 0, 0, 1], 0).into()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let options = ServerOptions::default();
        tokio::spawn(serve(listener, Arc::new(Rash), options, shutdown.clone()));
        let mut mta = Mta::tcp(address).await.unwrap();
        mta.negotiate(Offer::POSTFIX).await.unwrap();
        mta.introduce(&Client::default()).await.unwrap();
        let outcome = mta.deliver(&mail("PANIC")).await.unwrap();
        assert_eq!(outcome.reply, Response::Tempfail);
        assert_accepted(&mta.deliver(&mail("GOOD")).await.unwrap());
    });
}

#[test]
fn an_abort_while_the_filter_works_drops_it_and_the_next_message_passes() {
    run(async {
        let (_notify, script) = waiting();
        let mut server = Server::start(ServerOptions::default(), script).await;
        let mut mta = server.introduced().await;
        begin(&mut mta).await;
        server.seen().await;
        mta.send(&Command::Abort).await.unwrap();
        assert_eq!(server.event().await, Event::Dropped);
        // The first answer is that of the next message.
        assert_accepted(&mta.deliver(&mail("NEXT")).await.unwrap());
    });
}

#[test]
fn an_mta_that_goes_away_while_the_filter_works_drops_it() {
    run(async {
        let (_notify, script) = waiting();
        let mut server = Server::start(ServerOptions::default(), script).await;
        for quit in [false, true] {
            let mut mta = server.introduced().await;
            begin(&mut mta).await;
            server.seen().await;
            if quit {
                mta.send(&Command::Quit).await.unwrap();
            }
            drop(mta);
            assert_eq!(server.event().await, Event::Dropped);
        }
        server.assert_serves().await;
    });
}

#[test]
fn an_mta_that_talks_on_while_it_should_wait_is_closed() {
    run(async {
        let (_notify, script) = waiting();
        let mut server = Server::start(ServerOptions::default(), script).await;
        let mut mta = server.introduced().await;
        begin(&mut mta).await;
        server.seen().await;
        mta.queue(&Command::Mail(Path::new("c@example.org")));
        assert_eq!(mta.response().await.unwrap(), None);
        assert_eq!(server.event().await, Event::Dropped);
    });
}

#[test]
fn a_connection_without_an_offer_is_closed_in_time() {
    run(async {
        let options = ServerOptions {
            negotiation_timeout: Duration::from_millis(5),
            ..ServerOptions::default()
        };
        let server = Server::start(options, accept()).await;
        let mut mta = Mta::tcp(server.address).await.unwrap();
        assert_eq!(mta.response().await.unwrap(), None);
    });
}

#[test]
fn a_silent_mta_is_closed_in_time() {
    run(async {
        let options = ServerOptions {
            idle_timeout: Duration::from_millis(20),
            ..ServerOptions::default()
        };
        let server = Server::start(options, accept()).await;
        let mut mta = server.negotiated(Offer::POSTFIX).await;
        assert_eq!(mta.response().await.unwrap(), None);
    });
}

#[test]
fn a_shutdown_closes_idle_connections_and_lets_transactions_finish() {
    run(async {
        let (notify, script) = waiting();
        let mut server = Server::start(ServerOptions::default(), script).await;
        let mut idle = server.introduced().await;
        let mut envelope = server.introduced().await;
        for command in [
            Command::Mail(Path::new("a@example.org")),
            Command::Rcpt(Path::new("b@example.net")),
        ] {
            envelope.send(&command).await.unwrap();
        }
        let mut working = server.introduced().await;
        begin(&mut working).await;
        server.seen().await;

        server.shutdown.cancel();
        assert_eq!(idle.response().await.unwrap(), None);
        assert!(
            Mta::tcp(server.address).await.is_err(),
            "a new connection is refused"
        );

        envelope.send(&Command::Data).await.unwrap();
        envelope.send(&Command::EndOfHeaders).await.unwrap();
        assert_accepted(&envelope.end_of_message(Bytes::new()).await.unwrap());
        assert_eq!(envelope.response().await.unwrap(), None);

        assert!(!server.task.is_finished());
        notify.notify_one();
        assert_eq!(working.response().await.unwrap(), Some(Response::Accept));
        assert_eq!(working.response().await.unwrap(), None);
        server.task.await.unwrap();
    });
}

#[test]
fn a_drain_that_takes_too_long_defers_what_still_runs() {
    run(async {
        let (_notify, script) = waiting();
        let options = ServerOptions {
            drain_timeout: Duration::from_millis(5),
            ..ServerOptions::default()
        };
        let mut server = Server::start(options, script).await;
        let mut working = server.introduced().await;
        begin(&mut working).await;
        server.seen().await;
        let mut envelope = server.introduced().await;
        let sender = Command::Mail(Path::new("a@example.org"));
        envelope.send(&sender).await.unwrap();
        server.shutdown.cancel();
        assert_eq!(working.response().await.unwrap(), Some(Response::Tempfail));
        assert_eq!(working.response().await.unwrap(), None);
        assert_eq!(envelope.response().await.unwrap(), None);
        assert_eq!(server.event().await, Event::Dropped);
        server.task.await.unwrap();
    });
}

#[test]
fn a_filter_that_hangs_after_its_answer_does_not_keep_the_server() {
    run(async {
        let options = ServerOptions {
            drain_timeout: Duration::from_millis(5),
            write_timeout: Duration::from_millis(50),
            ..ServerOptions::default()
        };
        let server = Server::start_with(options, accept(), |filter| {
            filter.hangs_when_answered = true;
        })
        .await;
        let mut mta = server.introduced().await;
        assert_accepted(&mta.deliver(&mail("HANG")).await.unwrap());
        server.shutdown.cancel();
        server.task.await.unwrap();
    });
}

#[test]
fn a_dialogue_sent_byte_by_byte_is_the_same_dialogue() {
    run(async {
        let mut server = Server::accepting().await;
        let mut mta = server.introduced().await;
        let mut bytes = BytesMut::new();
        for command in [
            Command::Mail(Path::new("a@example.org")),
            Command::Rcpt(Path::new("b@example.net")),
            Command::Data,
            Command::Header {
                name: "A".into(),
                value: " b".into(),
            },
            Command::EndOfHeaders,
            Command::Body("body\r\n".into()),
            Command::EndOfMessage(Bytes::new()),
        ] {
            command.encode(&mut bytes);
        }
        for byte in &bytes {
            mta.raw(&[*byte]).await.unwrap();
        }
        for expected in [Response::Continue, Response::Continue, Response::Accept] {
            assert_eq!(mta.response().await.unwrap(), Some(expected));
        }
        assert_eq!(server.seen().await.message, b"A: b\r\n\r\nbody\r\n");
    });
}
