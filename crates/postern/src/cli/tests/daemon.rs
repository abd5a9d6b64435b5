//! The made-up daemon: answers from a list, remembers what it was asked.

use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use control::{Client, ErrorBody, path, version};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use tokio::net::UnixListener;

pub(super) const MAIL: &str = "01j8zq2v7c5w4n3k9d6f1h0g8t";

/// Answers for each path; the last one of a path stands for all that come after it.
type Answers = BTreeMap<String, Vec<(StatusCode, Vec<u8>)>>;

pub(super) struct Daemon {
    socket: PathBuf,
    answers: Arc<Mutex<Answers>>,
    asked: Arc<Mutex<Vec<(String, Value)>>>,
    pub(super) dir: TempDir,
}

impl Daemon {
    pub(super) fn start() -> Daemon {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let socket = dir.path().join("control.sock");
        let listener = UnixListener::bind(&socket).expect("binds");
        let answers = Arc::new(Mutex::new(Answers::new()));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (a, b) = (Arc::clone(&answers), Arc::clone(&asked));
        let handler = move |method, uri, headers, body| {
            let response = answer(&a, &b, &method, &uri, &headers, &body);
            async move { response }
        };
        let app = axum::Router::new().fallback(handler);
        tokio::spawn(async move { axum::serve(listener, app).await });
        let daemon = Daemon {
            socket,
            answers,
            asked,
            dir,
        };
        daemon.answers(path::VERSION, &json!({"api": "1.0", "program": "0.1.0"}));
        daemon
    }

    pub(super) async fn client(&self) -> Client {
        Client::connect(&self.socket).await.expect("connects")
    }

    pub(super) fn answers(&self, path: &str, value: &Value) {
        self.answers_with(path, StatusCode::OK, value.to_string().into_bytes());
    }

    pub(super) fn answers_bytes(&self, path: &str, bytes: &[u8]) {
        self.answers_with(path, StatusCode::OK, bytes.to_vec());
    }

    pub(super) fn refuses(&self, path: &str, status: StatusCode, error: &ErrorBody) {
        self.answers_with(path, status, serde_json::to_vec(error).expect("JSON"));
    }

    fn answers_with(&self, path: &str, status: StatusCode, body: Vec<u8>) {
        let mut answers = self.answers.lock().expect("not poisoned");
        answers
            .entry(path.to_owned())
            .or_default()
            .push((status, body));
    }

    /// The bodies of the requests for a path.
    pub(super) fn asked(&self, path: &str) -> Vec<Value> {
        let asked = self.asked.lock().expect("not poisoned");
        asked
            .iter()
            .filter(|(p, _)| p == path)
            .map(|(_, body)| body.clone())
            .collect()
    }
}

fn answer(
    answers: &Mutex<Answers>,
    asked: &Mutex<Vec<(String, Value)>>,
    _method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: &Bytes,
) -> Response {
    let header = headers.get(version::HEADER).and_then(|v| v.to_str().ok());
    assert!(
        version::check(header).is_ok() && header.is_some(),
        "the client says its version"
    );
    let body = serde_json::from_slice(body).unwrap_or(Value::Null);
    asked
        .lock()
        .expect("not poisoned")
        .push((uri.path().to_owned(), body));
    let mut answers = answers.lock().expect("not poisoned");
    let nothing = || {
        (
            StatusCode::NOT_FOUND,
            br#"{"error":"no such thing"}"#.to_vec(),
        )
    };
    let (status, body) = match answers.get_mut(uri.path()) {
        Some(list) if list.len() > 1 => list.remove(0),
        Some(list) => list.first().cloned().unwrap_or_else(nothing),
        None => nothing(),
    };
    (
        status,
        [(version::HEADER, version::CURRENT.to_string())],
        body,
    )
        .into_response()
}

/// An entry as the list has it.
pub(super) fn summary(number: u16) -> Value {
    json!({
        "id": format!("{MAIL}-{number}"), "state": "held", "received": 1_764_000_000_123_i64,
        "mail_from": "billing@evil.example", "from": ["boss@bank.example"],
        "rcpts": ["a@uni.example", "b@uni.example"], "subject": "Your invoice",
        "size": 70_000, "action": "quarantine", "score": 120, "category": "malware",
        "tenant": "uni", "rules": ["eicar"], "queue_id": "4FzX1q2"
    })
}

/// A verdict record with `text` wherever senders or peers can write what they like.
pub(super) fn record(text: &str) -> Value {
    json!({
        "id": MAIL, "received": 1_764_000_000_123_i64, "door": "milter", "queue_id": text,
        "client": {"addr": text, "name": text, "helo": text, "user": text},
        "mail_from": text, "rcpts": [text, "b@uni.example"], "from": [text], "subject": text,
        "message_id": text, "size": 70_000, "sha256": "ab".repeat(32),
        "groups": [{
            "entry": format!("{MAIL}-1"), "rcpts": [text],
            "verdict": {
                "action": "quarantine", "score": 120, "category": "malware", "tenant": text,
                "reasons": [
                    {"kind": "rule", "rule": text, "score": 120, "category": "malware", "artifact": text},
                    {"kind": "score", "score": 120, "threshold": 80, "action": "quarantine"},
                    {"kind": "category-floor", "category": "malware", "action": "quarantine"},
                    {"kind": "coverage", "artifact": "1.3", "coverage": "encrypted", "action": "tag"},
                    {"kind": "failure", "check": "scan", "cause": text, "action": "tempfail"},
                    {"kind": "allowed", "entry": text, "lifted": "tag"}
                ]
            }
        }],
        "evidence": {
            "hits": [{
                "rule": text, "score": 120, "category": "malware", "stage": "live", "artifact": text,
                "description": text, "attack": text,
                "matches": [{"pattern": text, "offset": 17, "length": 68, "text": text}]
            }],
            "unseen": [{"artifact": "1.3", "coverage": "encrypted", "detail": text}],
            "failures": [{"check": "scan", "cause": text}],
            "failed_tries": 1, "mail_from": text, "from": [text]
        },
        "artifacts": [{
            "path": text, "name": text, "type": text, "declared": text, "size": 68,
            "sha256": "cd".repeat(32), "coverage": "over-limit", "detail": text
        }],
        "links": [{"url": text, "host": text, "flags": [text]}],
        "defects": [{"code": text, "path": text, "detail": text}],
        "rules": "ef".repeat(32), "policy": "01".repeat(32), "ms": 12
    })
}

/// All that is known of an entry.
pub(super) fn detail(text: &str) -> Value {
    let mut summary = summary(1);
    summary["state"] = json!(text);
    json!({
        "summary": summary, "sha256": "ab".repeat(32), "stored": true,
        "headers": [{"name": text, "value": text}], "headers_cut": true, "record": record(text),
        "history": [{"at": 1_764_000_000_123_i64, "event": text, "by": text, "why": text, "detail": text}]
    })
}
