//! Slow clients and slow services. The clock is paused: minutes pass in no time.

use std::time::Duration;

use smtp::server::ServerOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep};

use crate::support::{Event, Server, in_memory, options};

const TOO_SLOW: &str = "421 4.4.2 mx.example Timeout exceeded";

#[tokio::test(start_paused = true)]
async fn a_silent_client_is_closed_after_the_time_of_a_command() {
    let (mut client, ..) = in_memory(options(), 4096, |_| ());
    client.introduce().await;
    let start = Instant::now();
    assert_eq!(client.reply().await, TOO_SLOW);
    assert_eq!(start.elapsed().as_secs(), 300);
    client.assert_closed().await;
}

#[tokio::test(start_paused = true)]
async fn a_command_that_comes_byte_by_byte_gets_no_more_time() {
    let (client, ..) = in_memory(options(), 4096, |_| ());
    let mut client = client;
    client.introduce().await;
    let start = Instant::now();
    let (mut read, mut write) = tokio::io::split(client.stream.into_inner());
    let writing = tokio::spawn(async move {
        while write.write_all(b"N").await.is_ok() {
            sleep(Duration::from_secs(10)).await;
        }
    });
    let mut said = String::new();
    read.read_to_string(&mut said).await.unwrap();
    assert_eq!(said.trim_end(), TOO_SLOW);
    assert!(
        (300..303).contains(&start.elapsed().as_secs()),
        "{:?}",
        start.elapsed()
    );
    writing.abort();
}

#[tokio::test(start_paused = true)]
async fn when_most_connections_are_in_use_idle_ones_are_closed_soon() {
    let options = ServerOptions {
        connections: 5,
        ..options()
    };
    let server = Server::start(options).await;
    let start = Instant::now();
    let mut clients = Vec::new();
    for _ in 0..4 {
        clients.push(server.introduced().await);
    }
    // With the fifth there are more than 80 %; the others have been idle for a while then.
    sleep(Duration::from_secs(100)).await;
    clients.push(server.introduced().await);
    assert_eq!(clients[0].reply().await, TOO_SLOW);
    assert!(
        (100..=111).contains(&start.elapsed().as_secs()),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_message_below_the_least_rate_is_given_up() {
    for (every_second, slow) in [(499, true), (501, false)] {
        let (client, mut events, _) = in_memory(options(), 1 << 20, |_| ());
        let mut client = client;
        client.introduce().await;
        client.begin("a@example.org").await;
        let start = Instant::now();
        for _ in 0..100 {
            if client
                .stream
                .write_all(&vec![b'x'; every_second])
                .await
                .is_err()
            {
                break;
            }
            client.stream.flush().await.unwrap_or_default();
            sleep(Duration::from_secs(1)).await;
        }
        if slow {
            assert_eq!(client.reply().await, TOO_SLOW);
            continue;
        }
        assert!(
            client.ask("\r\n.").await.starts_with("250 "),
            "{:?}",
            start.elapsed()
        );
        while !matches!(events.recv().await, Some(Event::Message(_))) {}
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_stops_within_a_message_is_given_up() {
    let (mut client, ..) = in_memory(options(), 1 << 20, |_| ());
    client.introduce().await;
    client.begin("a@example.org").await;
    let start = Instant::now();
    client.send("half a mess").await;
    assert_eq!(client.reply().await, TOO_SLOW);
    assert_eq!(start.elapsed().as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_takes_too_long_as_a_whole_is_given_up() {
    let (client, ..) = in_memory(options(), 1 << 20, |_| ());
    let mut client = client;
    client.introduce().await;
    client.begin("a@example.org").await;
    let start = Instant::now();
    let (mut read, mut write) = tokio::io::split(client.stream.into_inner());
    let writing = tokio::spawn(async move {
        while write.write_all(&[b'x'; 2000]).await.is_ok() {
            sleep(Duration::from_secs(1)).await;
        }
    });
    let mut said = String::new();
    read.read_to_string(&mut said).await.unwrap();
    assert_eq!(said.trim_end(), TOO_SLOW);
    assert!(
        (600..603).contains(&start.elapsed().as_secs()),
        "{:?}",
        start.elapsed()
    );
    writing.abort();
}

#[tokio::test(start_paused = true)]
async fn a_session_ends_after_its_time_however_busy_it_is() {
    let options = ServerOptions {
        idle_commands: 100_000,
        ..options()
    };
    let (mut client, ..) = in_memory(options, 4096, |_| ());
    client.introduce().await;
    let start = Instant::now();
    loop {
        sleep(Duration::from_secs(60)).await;
        client
            .stream
            .write_all(b"NOOP\r\n")
            .await
            .unwrap_or_default();
        client.stream.flush().await.unwrap_or_default();
        let reply = client.reply().await;
        if reply != "250 2.0.0 Ok" {
            assert_eq!(reply, TOO_SLOW);
            break;
        }
    }
    assert!(
        (3600..=3660).contains(&start.elapsed().as_secs()),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_session_that_never_pauses_ends_as_well() {
    let options = ServerOptions {
        session_timeout: Duration::ZERO,
        ..options()
    };
    let (mut client, ..) = in_memory(options, 4096, |_| ());
    client.send("NOOP\r\nNOOP\r\n").await;
    assert_eq!(client.reply().await, "220 mx.example ESMTP");
    assert_eq!(client.reply().await, TOO_SLOW);
    client.assert_closed().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_is_closed() {
    let options = ServerOptions {
        idle_commands: 100_000,
        ..options()
    };
    let (client, _, server) = in_memory(options, 64, |_| ());
    let mut client = client;
    client.introduce().await;
    let start = Instant::now();
    while client.stream.write_all(b"NOOP\r\n").await.is_ok() && client.stream.flush().await.is_ok()
    {
    }
    server.await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn a_service_over_the_deadline_is_dropped_and_its_message_deferred() {
    let (mut client, mut events, _) = in_memory(options(), 4096, |_| ());
    client.introduce().await;
    let start = Instant::now();
    assert_eq!(
        client.deliver("hang@example.org", "a\r\n").await,
        "451 4.3.0 Local error, try again later"
    );
    assert_eq!(start.elapsed().as_secs(), 100);
    while !matches!(events.recv().await, Some(Event::Message(_))) {}
    assert_eq!(events.recv().await, Some(Event::Dropped));
    let answered = Event::Answered("451 4.3.0 Local error, try again later".to_owned(), true);
    assert_eq!(events.recv().await, Some(answered));
    assert_eq!(
        client.deliver("a@example.org", "a\r\n").await,
        "250 2.1.0 3 bytes"
    );
}

#[tokio::test(start_paused = true)]
async fn a_service_that_does_not_answer_a_command_ends_the_connection() {
    let (mut client, ..) = in_memory(options(), 4096, |_| ());
    client.introduce().await;
    let start = Instant::now();
    assert_eq!(
        client.ask("MAIL FROM:<hang.mail@example.org>").await,
        "421 4.3.0 mx.example Local error"
    );
    assert_eq!(start.elapsed().as_secs(), 100);
    client.assert_closed().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_not_trusted_waits_for_its_greeting() {
    let options = ServerOptions {
        trusted: Vec::new(),
        ..options()
    };
    let (mut client, ..) = in_memory(options, 4096, |_| ());
    let start = Instant::now();
    client.introduce().await;
    assert_eq!(start.elapsed().as_secs(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_is_silent_is_closed_without_a_word() {
    let options = ServerOptions {
        proxy_hosts: vec!["127.0.0.1/32".parse().unwrap()],
        ..options()
    };
    let (client, ..) = in_memory(options, 4096, |_| ());
    let start = Instant::now();
    client.assert_closed().await;
    assert_eq!(start.elapsed().as_secs(), 10);
}
