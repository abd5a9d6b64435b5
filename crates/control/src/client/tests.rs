//! The client against servers that behave, and against those that do not.

use super::*;
use crate::ErrorBody;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

const ID: &str = "01j8zq2v7c5w4n3k9d6f1h0g8t";
const VERSION_BODY: &str = r#"{"api":"1.0","program":"0.1.0"}"#;

/// A server that answers the first connection with the first answer, and so on; the last answer
/// stands for all that come after it.
struct Fake {
    socket: PathBuf,
    requests: tokio::sync::mpsc::UnboundedReceiver<String>,
    _dir: TempDir,
}

impl Fake {
    fn answering(answers: Vec<Vec<u8>>) -> Fake {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let socket = dir.path().join("control.sock");
        let listener = UnixListener::bind(&socket).expect("binds");
        let (seen, requests) = tokio::sync::mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut number = 0;
            while let Ok((mut stream, _)) = listener.accept().await {
                let answer = answers
                    .get(number)
                    .or(answers.last())
                    .cloned()
                    .unwrap_or_default();
                number += 1;
                let _ = seen.send(read_request(&mut stream).await);
                let _ = stream.write_all(&answer).await;
            }
        });
        Fake {
            socket,
            requests,
            _dir: dir,
        }
    }

    /// After the version has been asked for.
    fn then(answers: Vec<Vec<u8>>) -> Fake {
        let first = ok(VERSION_BODY);
        Fake::answering(std::iter::once(first).chain(answers).collect())
    }

    async fn client(&self) -> Client {
        Client::connect(&self.socket).await.expect("connects")
    }

    async fn error(&self) -> String {
        Client::connect(&self.socket)
            .await
            .expect_err("refuses")
            .to_string()
    }
}

/// Head and body, as far as the head announces one.
async fn read_request(stream: &mut UnixStream) -> String {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|l| {
                l.to_ascii_lowercase()
                    .strip_prefix("content-length: ")?
                    .parse()
                    .ok()
            });
            if body.len() >= length.unwrap_or(0) {
                return text;
            }
        }
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return text,
            Ok(n) => bytes.extend_from_slice(&buffer[..n]),
        }
    }
}

fn answer(status: &str, api: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\npostern-api: {api}\r\ncontent-length: {length}\r\n");
    format!("{head}\r\n{body}").into_bytes()
}

fn ok(body: &str) -> Vec<u8> {
    answer("200 OK", "1.3", body)
}

#[tokio::test]
async fn a_missing_socket_is_named_with_the_question_whether_the_daemon_runs() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let socket = dir.path().join("control.sock");
    let error = Client::connect(&socket)
        .await
        .expect_err("nothing there")
        .to_string();
    assert!(error.starts_with(&socket.display().to_string()), "{error}");
    assert!(error.contains("is `postern serve` running"), "{error}");
}

#[tokio::test]
async fn a_socket_that_nobody_listens_on_is_told_apart_from_a_missing_one() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let socket = dir.path().join("control.sock");
    drop(UnixListener::bind(&socket).expect("binds"));
    let error = Client::connect(&socket).await.expect_err("nobody there");
    assert!(
        matches!(error, ClientError::NobodyListens { .. }),
        "{error}"
    );
}

#[tokio::test]
async fn another_major_version_is_refused_even_in_an_error() {
    for status in ["200 OK", "426 Upgrade Required", "404 Not Found"] {
        let fake = Fake::answering(vec![answer(status, "2.0", "{}")]);
        let error = fake.error().await;
        assert!(
            error.contains("the daemon speaks API 2.0, this program 1.0"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn what_does_not_speak_http_is_not_postern() {
    for garbage in [
        &b"220 mail.example ESMTP\r\n"[..],
        b"\x00\xff\x80\n\n",
        b"HTTP/1.1 abc\r\n\r\n",
    ] {
        let error = Fake::answering(vec![garbage.to_vec()]).error().await;
        assert!(
            error.contains("not the control socket of Postern"),
            "{error}"
        );
    }
    let other = Fake::answering(vec![
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}".to_vec(),
    ]);
    assert!(other.error().await.contains("no usable postern-api header"));
}

#[tokio::test]
async fn a_peer_that_hangs_up_is_reported_with_the_request() {
    let error = Fake::answering(vec![Vec::new()]).error().await;
    assert!(
        error.contains("the answer to GET /v1/version broke off"),
        "{error}"
    );

    let mut cut = ok(VERSION_BODY);
    cut.truncate(cut.len() - 5);
    let error = Fake::answering(vec![cut]).error().await;
    assert!(error.contains("broke off"), "{error}");
}

#[tokio::test]
async fn an_answer_that_never_comes_is_given_up() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let socket = dir.path().join("control.sock");
    let _listener = UnixListener::bind(&socket).expect("binds");
    let timeouts = Timeouts {
        answer: Duration::from_millis(20),
        ..Timeouts::default()
    };
    let error = Client::connect_with(&socket, timeouts)
        .await
        .expect_err("silence");
    assert!(matches!(error, ClientError::TimedOut { .. }), "{error}");
}

#[tokio::test]
async fn a_huge_answer_is_refused_before_it_is_read() {
    let huge =
        b"HTTP/1.1 200 OK\r\npostern-api: 1.0\r\ncontent-length: 99999999999\r\n\r\n".to_vec();
    let error = Fake::answering(vec![huge]).error().await;
    assert!(error.contains("is longer than 67108864 bytes"), "{error}");
}

#[tokio::test]
async fn an_endless_answer_is_cut_at_the_bound() {
    let mut endless =
        b"HTTP/1.1 200 OK\r\npostern-api: 1.0\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    let chunk = [
        b"1000000\r\n".to_vec(),
        vec![b' '; 0x100_0000],
        b"\r\n".to_vec(),
    ]
    .concat();
    for _ in 0..5 {
        endless.extend_from_slice(&chunk);
    }
    let error = Fake::answering(vec![endless]).error().await;
    assert!(error.contains("is longer than"), "{error}");
}

#[tokio::test]
async fn json_of_another_shape_is_unintelligible() {
    for body in [
        "",
        "null",
        "[]",
        "{\"api\":1}",
        "{\"api\":\"1.0\"",
        "\u{1b}[2J",
    ] {
        let error = Fake::answering(vec![ok(body)]).error().await;
        assert!(error.contains("cannot be understood"), "{body}: {error}");
    }
}

#[tokio::test]
async fn deeply_nested_json_is_an_error_and_not_a_stack_overflow() {
    let error = Fake::answering(vec![ok(&"[".repeat(1 << 20))])
        .error()
        .await;
    assert!(error.contains("cannot be understood"), "{error}");
}

#[tokio::test]
async fn a_refusal_keeps_status_text_and_hint() {
    let body =
        serde_json::to_string(&ErrorBody::new("no such mail").hint("list them")).expect("JSON");
    let fake = Fake::then(vec![answer("404 Not Found", "1.0", &body)]);
    let error = fake.client().await.verdict(ID).await.expect_err("refused");
    let ClientError::Refused { status, body } = error else {
        panic!("{error}")
    };
    assert_eq!((status, body.error.as_str()), (404, "no such mail"));
    assert_eq!(body.hint.as_deref(), Some("list them"));
}

#[tokio::test]
async fn a_refusal_without_a_body_names_request_and_status() {
    let fake = Fake::then(vec![answer("500 Internal Server Error", "1.0", "oops")]);
    let error = fake
        .client()
        .await
        .status()
        .await
        .expect_err("refused")
        .to_string();
    assert_eq!(
        error,
        "GET /v1/status: the daemon answered 500 Internal Server Error"
    );
}

#[tokio::test]
async fn what_is_no_id_is_never_sent() {
    let mut fake = Fake::then(vec![ok("{}")]);
    let client = fake.client().await;
    for id in ["", "../status", "01J8ZQ2V7C5W4N3K9D6F1H0G8T", "list"] {
        let error = client.entry(id).await.expect_err("no id").to_string();
        assert!(error.contains("is not an id"), "{error}");
    }
    assert!(
        fake.requests
            .recv()
            .await
            .expect("one")
            .starts_with("GET /v1/version ")
    );
    assert!(fake.requests.try_recv().is_err(), "nothing else was sent");
}

#[tokio::test]
async fn requests_carry_version_and_body() {
    let mut fake = Fake::then(vec![ok(r#"{"results":[{"id":"x","ok":true}]}"#)]);
    let client = fake.client().await;
    let request = ReleaseRequest {
        ids: vec![ID.into()],
        ..ReleaseRequest::default()
    };
    let result = client.release(&request).await.expect("released");
    assert!(result.results.iter().all(|item| item.ok));
    fake.requests.recv().await.expect("the version");
    let seen = fake.requests.recv().await.expect("the release");
    assert!(
        seen.starts_with("POST /v1/quarantine/release HTTP/1.1\r\n"),
        "{seen}"
    );
    assert!(seen.contains("postern-api: 1.0\r\n"), "{seen}");
    assert!(seen.ends_with(&format!("{{\"ids\":[\"{ID}\"]}}")), "{seen}");
}

#[tokio::test]
async fn lists_are_read_page_by_page_until_the_cursor_ends() {
    let mut fake = Fake::then(vec![
        ok(r#"{"items":[{"id":"a"},{"id":"b"}],"next":"c1"}"#),
        ok(r#"{"items":[],"next":"c2"}"#),
        ok(r#"{"items":[{"id":"c"}]}"#),
    ]);
    let client = fake.client().await;
    let filter = Filter {
        sender: Some("evil.example".into()),
        ..Filter::default()
    };
    let mut pages = client.entries(filter, 2);
    let mut ids = Vec::new();
    while let Some(page) = pages.next().await.expect("a page") {
        ids.extend(page.items.into_iter().map(|e| e.id));
    }
    assert_eq!(ids, ["a", "b", "c"]);
    fake.requests.recv().await.expect("the version");
    let bodies = [
        r#"{"filter":{"sender":"evil.example"},"limit":2}"#,
        r#"{"filter":{"sender":"evil.example"},"limit":2,"after":"c1"}"#,
        r#"{"filter":{"sender":"evil.example"},"limit":2,"after":"c2"}"#,
    ];
    for body in bodies {
        let seen = fake.requests.recv().await.expect("a page");
        assert!(seen.ends_with(body), "{seen}");
    }
}

#[tokio::test]
async fn a_cursor_that_stands_still_ends_the_list() {
    let fake = Fake::then(vec![ok(r#"{"items":[{"id":"a"}],"next":"c1"}"#)]);
    let client = fake.client().await;
    let mut pages = client.verdicts(Filter::default(), 1);
    let mut count = 0;
    while pages.next().await.expect("a page").is_some() {
        count += 1;
    }
    assert_eq!(count, 2);
}

#[tokio::test]
async fn a_message_is_copied_byte_for_byte() {
    let message: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    let head = format!(
        "HTTP/1.1 200 OK\r\npostern-api: 1.0\r\ncontent-length: {}\r\n\r\n",
        message.len()
    );
    let fake = Fake::then(vec![[head.as_bytes(), &message].concat()]);
    let mut sink = Vec::new();
    let copied = fake
        .client()
        .await
        .raw(ID, &mut sink)
        .await
        .expect("copied");
    assert_eq!(copied, 300_000);
    assert!(sink == message);
}

#[tokio::test]
async fn a_message_that_breaks_off_is_an_error_and_not_a_short_message() {
    let cut =
        b"HTTP/1.1 200 OK\r\npostern-api: 1.0\r\ncontent-length: 100\r\n\r\nSubject: x".to_vec();
    let error = Fake::then(vec![cut])
        .client()
        .await
        .raw(ID, &mut Vec::new())
        .await;
    assert!(
        matches!(error, Err(ClientError::BrokenOff { .. })),
        "{error:?}"
    );
}

#[tokio::test]
async fn an_unknown_field_of_a_newer_daemon_is_ignored() {
    let fake = Fake::then(vec![ok(
        r#"{"program":"0.2.0","moon":"full","store":{"held":3}}"#,
    )]);
    let status = fake.client().await.status().await.expect("a status");
    assert_eq!((status.program.as_str(), status.store.held), ("0.2.0", 3));
}
