//! Services that fail or take long, clients that go away, and the end of the server.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use smtp::Reply;
use smtp::server::{ServerOptions, serve_connection};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};
use tokio_util::sync::CancellationToken;

use crate::support::{Client, Event, Recorder, Server, in_memory, options, run};

#[test]
fn a_panic_of_the_service_defers_what_was_asked_and_the_next_mail_passes() {
    run(async {
        let mut server = Server::start(options()).await;
        let mut client = server.introduced().await;
        const DEFERRED: &str = "451 4.3.0 Local error, try again later";
        assert_eq!(
            client.ask("MAIL FROM:<panic.mail@example.org>").await,
            DEFERRED
        );
        assert_eq!(
            client.ask("RCPT TO:<b@example.net>").await,
            "503 5.5.1 Need MAIL before RCPT"
        );
        assert_eq!(
            client.ask("MAIL FROM:<a@example.org>").await,
            "250 2.1.0 Sender ok"
        );
        assert_eq!(client.ask("RCPT TO:<panic@example.net>").await, DEFERRED);
        assert_eq!(
            client.ask("RCPT TO:<odd@example.net>").await,
            DEFERRED,
            "a 354 is no answer to RCPT"
        );
        assert_eq!(client.ask("DATA").await, "554 5.5.1 No valid recipients");
        client.ask("RSET").await;
        assert_eq!(client.deliver("panic@example.org", "a\r\n").await, DEFERRED);
        assert_eq!(server.answered().await, (DEFERRED.to_owned(), true));
        assert_eq!(client.deliver("odd@example.org", "a\r\n").await, DEFERRED);
        assert_eq!(
            client.deliver("a@example.org", "a\r\n").await,
            "250 2.1.0 3 bytes"
        );
    });
}

#[test]
fn a_panic_in_answered_costs_nobody_anything() {
    run(async {
        let server =
            Server::start_with(options(), |recorder| recorder.answered_panics = true).await;
        let mut client = server.introduced().await;
        for _ in 0..2 {
            assert_eq!(
                client.deliver("a@example.org", "a\r\n").await,
                "250 2.1.0 3 bytes"
            );
        }
    });
}

#[test]
fn replies_of_the_service_are_passed_on_and_a_421_closes() {
    run(async {
        let mut server = Server::start(options()).await;
        let mut client = server.introduced().await;
        assert_eq!(
            client.ask("MAIL FROM:<refused.mail@example.org>").await,
            "550 5.1.1 refused as asked"
        );
        assert_eq!(
            client.deliver("refused@example.org", "a\r\n").await,
            "550 5.1.1 refused as asked"
        );
        assert_eq!(
            server.answered().await,
            ("550 5.1.1 refused as asked".to_owned(), true)
        );
        assert_eq!(
            client.deliver("later@example.org", "a\r\n").await,
            "450 4.2.1 later as asked"
        );
        assert_eq!(
            server.answered().await,
            ("450 4.2.1 later as asked".to_owned(), true)
        );
        assert_eq!(
            client.deliver("closing@example.org", "a\r\n").await,
            "421 4.3.2 closing as asked"
        );
        assert_eq!(
            server.answered().await,
            ("421 4.3.2 closing as asked".to_owned(), true)
        );
        client.assert_closed().await;
        let mut client = server.introduced().await;
        client.ask("MAIL FROM:<a@example.org>").await;
        assert_eq!(
            client.ask("RCPT TO:<closing@example.net>").await,
            "421 4.3.2 closing as asked"
        );
        client.assert_closed().await;
    });
}

#[test]
fn the_service_may_answer_data_itself() {
    run(async {
        let server = Server::start_with(options(), |recorder| {
            recorder.data = Some(Reply::new(451, "4.3.0", "not now"))
        })
        .await;
        let mut client = server.introduced().await;
        client.ask("MAIL FROM:<a@example.org>").await;
        client.ask("RCPT TO:<b@example.net>").await;
        assert_eq!(client.ask("DATA").await, "451 4.3.0 not now");
        assert_eq!(
            client.ask("RCPT TO:<b@example.net>").await,
            "250 2.1.0 Recipient ok",
            "the transaction stays"
        );
    });
}

/// Counts the writes to a stream.
struct Counting(DuplexStream, Arc<AtomicUsize>);

impl AsyncRead for Counting {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Counting {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.1.fetch_add(1, Ordering::Relaxed);
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

#[test]
fn replies_to_commands_that_come_together_leave_together() {
    run(async {
        let (ours, theirs) = tokio::io::duplex(4096);
        let writes = Arc::new(AtomicUsize::new(0));
        let (recorder, _events) = Recorder::new();
        let server = serve_connection(
            Counting(theirs, Arc::clone(&writes)),
            None,
            Arc::new(recorder),
            Arc::new(options()),
            CancellationToken::new(),
        );
        tokio::spawn(server);
        let mut client = Client::new(ours);
        client.introduce().await;
        assert_eq!(writes.load(Ordering::Relaxed), 2);
        client
            .send("RSET\r\nMAIL FROM:<a@b>\r\nRCPT TO:<refused@c>\r\nRCPT TO:<c@d>\r\nDATA\r\n")
            .await;
        for code in ["250 ", "250 ", "550 ", "250 ", "354 "] {
            assert!(client.reply().await.starts_with(code));
        }
        assert_eq!(writes.load(Ordering::Relaxed), 3);
        client.send("a\r\n.\r\nQUIT\r\n").await;
        assert!(client.reply().await.starts_with("250 "));
        assert!(client.reply().await.starts_with("221 "));
        // The answer to a message is not held back for anything.
        assert_eq!(writes.load(Ordering::Relaxed), 5);
    });
}

#[test]
fn a_transaction_that_is_given_up_is_told_to_the_service_once() {
    run(async {
        let mut server = Server::start(options()).await;
        for command in ["RSET", "EHLO again.example", "HELO again.example", "QUIT"] {
            let mut client = server.introduced().await;
            client.ask("RSET").await;
            client.ask("MAIL FROM:<a@example.org>").await;
            client.ask(command).await;
            client.ask("NOOP").await;
            let mut resets = 0;
            while let Ok(event) = server.events.try_recv() {
                resets += usize::from(event == Event::Reset);
            }
            assert_eq!(resets, 1, "{command}");
        }
        // A message that is not taken counts as well; one that is answered does not.
        let mut client = server.introduced().await;
        assert!(
            client
                .deliver("a@example.org", "a\rb\r\n")
                .await
                .starts_with("550 5.5.2 ")
        );
        assert!(
            client
                .deliver("a@example.org", "a\r\n")
                .await
                .starts_with("250 ")
        );
        client.ask("QUIT").await;
        let mut events = Vec::new();
        while let Ok(event) = server.events.try_recv() {
            events.push(event);
        }
        assert_eq!(
            events
                .iter()
                .filter(|event| **event == Event::Reset)
                .count(),
            1
        );
        assert_eq!(
            events
                .iter()
                .filter(|event| matches!(event, Event::Answered(_, true)))
                .count(),
            1
        );
    });
}

#[test]
fn a_client_that_goes_away_is_seen_and_the_answer_said_to_be_lost() {
    run(async {
        let mut server = Server::start(options()).await;
        let mut client = server.introduced().await;
        client.begin("watch@example.org").await;
        client.send("a\r\n.\r\n").await;
        server.message().await;
        drop(client);
        assert_eq!(server.event().await, Event::Gone);
        assert_eq!(
            server.answered().await,
            ("451 4.4.2 the client is gone".to_owned(), false)
        );
    });
}

#[test]
fn a_client_is_there_until_it_has_closed_and_nothing_is_left_to_answer() {
    run(async {
        let mut server = Server::start(options()).await;
        // What is sent behind the message, whether the client then closes its side, and whether it counts as there.
        for (behind, closes, there) in [
            ("", false, true),
            ("QUIT\r\n", false, true),
            ("QUIT\r\n", true, true),
            ("", true, false),
        ] {
            let mut client = server.introduced().await;
            client.begin("check@example.org").await;
            client.send(format!("a\r\n.\r\n{behind}")).await;
            server.message().await;
            if closes {
                client.stream.shutdown().await.unwrap();
            }
            server.go.notify_one();
            assert_eq!(
                server.event().await,
                Event::There(there),
                "{behind:?} {closes}"
            );
            assert_eq!(server.answered().await.1, there);
            if !behind.is_empty() {
                assert_eq!(client.reply().await, "250 2.0.0 checked");
                assert_eq!(client.reply().await, "221 2.0.0 Bye");
            }
        }
    });
}

#[test]
fn what_is_sent_while_a_message_waits_is_bounded_and_kept() {
    run(async {
        let options = ServerOptions {
            idle_commands: 100_000,
            ..options()
        };
        let (client, mut events, _server) = in_memory(options, 1 << 20, |_| ());
        let mut client = client;
        client.introduce().await;
        client.begin("watch@example.org").await;
        client
            .send(format!("a\r\n.\r\n{}", "NOOP\r\n".repeat(10_000)))
            .await;
        loop {
            if let Event::Message(_) = events.recv().await.unwrap() {
                break;
            }
        }
        // Beyond the bound the client is not seen going, so the message waits on.
        client.stream.shutdown().await.unwrap();
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert!(events.try_recv().is_err());
    });
}

#[test]
fn a_client_that_goes_away_within_a_message_leaves_none() {
    run(async {
        let mut server = Server::start(options()).await;
        for part in ["", "a", "a\r\n", "a\r\n.", "a\r\n.\r"] {
            let mut client = server.introduced().await;
            client.begin("a@example.org").await;
            client.send(part).await;
            client.stream.shutdown().await.unwrap();
            client.assert_closed().await;
        }
        while let Ok(event) = server.events.try_recv() {
            assert!(
                !matches!(event, Event::Message(_) | Event::Answered(..)),
                "{event:?}"
            );
        }
    });
}

#[test]
fn a_shutdown_closes_idle_connections_and_lets_transactions_finish() {
    run(async {
        let mut server = Server::start(options()).await;
        let mut idle = server.introduced().await;
        let mut envelope = server.introduced().await;
        envelope.ask("MAIL FROM:<a@example.org>").await;
        let mut waiting = server.introduced().await;
        waiting.begin("wait@example.org").await;
        waiting.send("a\r\n.\r\n").await;
        server.message().await;

        server.shutdown.cancel();
        assert_eq!(
            idle.reply().await,
            "421 4.3.2 mx.example Service is shutting down"
        );
        idle.assert_closed().await;
        assert!(
            tokio::net::TcpStream::connect(server.address)
                .await
                .is_err(),
            "a new connection is refused"
        );

        assert_eq!(
            envelope.ask("RCPT TO:<b@example.net>").await,
            "250 2.1.0 Recipient ok"
        );
        assert!(envelope.ask("DATA").await.starts_with("354 "));
        assert_eq!(envelope.ask("b\r\n.").await, "250 2.1.0 3 bytes");
        assert!(envelope.reply().await.starts_with("421 4.3.2 "));
        envelope.assert_closed().await;

        assert!(!server.task.is_finished());
        server.go.notify_one();
        assert_eq!(waiting.reply().await, "250 2.0.0 waited");
        assert!(waiting.reply().await.starts_with("421 4.3.2 "));
        waiting.assert_closed().await;
        server.task.await.unwrap();
    });
}

#[test]
fn a_drain_that_takes_too_long_defers_what_still_runs() {
    run(async {
        let options = ServerOptions {
            drain_timeout: Duration::from_millis(5),
            ..options()
        };
        let mut server = Server::start(options).await;
        let mut working = server.introduced().await;
        working.begin("hang@example.org").await;
        working.send("a\r\n.\r\n").await;
        server.message().await;
        let mut asking = server.introduced().await;
        asking.ask("MAIL FROM:<a@example.org>").await;
        asking.send("RCPT TO:<hang@example.net>\r\n").await;
        let mut receiving = server.introduced().await;
        receiving.begin("a@example.org").await;
        receiving.send("half a mess").await;
        server.shutdown.cancel();
        for client in [working, asking, receiving] {
            let mut client = client;
            assert_eq!(
                client.reply().await,
                "421 4.3.2 mx.example Service is shutting down"
            );
            client.assert_closed().await;
        }
        let mut dropped = false;
        let mut answered = None;
        while let Some(event) = server.events.recv().await {
            match event {
                Event::Dropped => dropped = true,
                Event::Answered(reply, written) => answered = Some((reply, written)),
                _ => {}
            }
        }
        assert!(dropped);
        assert_eq!(
            answered,
            Some((
                "421 4.3.2 mx.example Service is shutting down".to_owned(),
                true
            ))
        );
        server.task.await.unwrap();
    });
}
