//! One request and its answer over the unix socket, with a bound on everything.

use crate::version::{self, ApiVersion};
use crate::{ClientError, ErrorBody};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Body, Bytes, Incoming};
use hyper::{Method, Request, Response, StatusCode, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use serde::{Serialize, de::DeserializeOwned};
use std::future::Future;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::time::timeout;

/// Bytes of a JSON answer. The longest are pages of a thousand summaries and verdict records with
/// thousands of artifacts; both stay well below.
const MAX_JSON: usize = 64 << 20;

/// Bytes of a message. Postern holds none that is longer than the limit of its doors, which cannot
/// be configured beyond this.
const MAX_RAW: u64 = 1 << 30;

/// The type of "no body".
pub(super) const NO_BODY: Option<&()> = None;

/// How long a client waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeouts {
    /// For the connection; default 5 s.
    pub connect: Duration,
    /// For the complete answer to a question, or the next piece of a message; default 30 s.
    pub answer: Duration,
    /// For the complete answer to a request that makes the daemon work (release, reload, verify);
    /// default 15 min.
    pub work: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts {
            connect: Duration::from_secs(5),
            answer: Duration::from_secs(30),
            work: Duration::from_secs(15 * 60),
        }
    }
}

/// Which of the [`Timeouts`] applies.
#[derive(Debug, Clone, Copy)]
pub(super) enum Patience {
    Answer,
    Work,
}

/// One request.
pub(super) struct Exchange<'c> {
    socket: &'c Path,
    timeouts: &'c Timeouts,
    method: Method,
    path: String,
    patience: Patience,
}

impl<'c> Exchange<'c> {
    pub(super) fn new(
        socket: &'c Path,
        timeouts: &'c Timeouts,
        method: &Method,
        path: &str,
    ) -> Self {
        let (method, path) = (method.clone(), path.to_owned());
        Exchange {
            socket,
            timeouts,
            method,
            path,
            patience: Patience::Answer,
        }
    }

    pub(super) fn patient(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
    }

    /// Sends `body` and reads a JSON answer.
    pub(super) async fn json<B, T>(&self, body: Option<&B>) -> Result<T, ClientError>
    where
        B: Serialize + ?Sized,
        T: DeserializeOwned,
    {
        let body = body.map(serde_json::to_vec).transpose();
        let body = body.map_err(|e| self.unintelligible(format!("its request: {e}")))?;
        let bound = self.bound();
        let answer = self.within(bound, async {
            let response = self.send(body).await?;
            self.collect(response).await
        });
        serde_json::from_slice(&answer.await?).map_err(|e| self.unintelligible(e.to_string()))
    }

    /// Reads an answer of bytes into `sink`, and says how many there were.
    pub(super) async fn copy(&self, sink: &mut dyn Write) -> Result<u64, ClientError> {
        let bound = self.bound();
        let response = self.within(bound, self.send(None)).await?;
        let mut body = response.into_body();
        if body.size_hint().lower() > MAX_RAW {
            return Err(self.too_long(MAX_RAW));
        }
        let mut copied: u64 = 0;
        while let Some(frame) = self.within(bound, async { Ok(body.frame().await) }).await? {
            let frame = frame.map_err(|e| self.broken_off(&e))?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            copied = copied.saturating_add(data.len() as u64);
            if copied > MAX_RAW {
                return Err(self.too_long(MAX_RAW));
            }
            sink.write_all(&data).map_err(ClientError::Sink)?;
        }
        sink.flush().map_err(ClientError::Sink)?;
        Ok(copied)
    }

    /// Sends the request and reads the head of the answer; an answer that says no is an error.
    async fn send(&self, body: Option<Vec<u8>>) -> Result<Response<Incoming>, ClientError> {
        let stream = self.open().await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|e| self.not_postern(&e))?;
        // Ends by itself when the answer has been read, or when nobody waits for it any more.
        tokio::spawn(connection);
        let request = self.request(body)?;
        let response = sender
            .send_request(request)
            .await
            .map_err(|e| self.not_postern(&e))?;
        self.check_version(&response)?;
        if response.status() == StatusCode::OK {
            return Ok(response);
        }
        Err(self.refusal(response).await)
    }

    async fn open(&self) -> Result<UnixStream, ClientError> {
        let socket = || self.socket.to_owned();
        let connecting = timeout(self.timeouts.connect, UnixStream::connect(self.socket));
        let Ok(connected) = connecting.await else {
            return Err(self.timed_out(self.timeouts.connect));
        };
        connected.map_err(|cause| match cause.kind() {
            io::ErrorKind::NotFound => ClientError::NoSocket { path: socket() },
            io::ErrorKind::ConnectionRefused => ClientError::NobodyListens { path: socket() },
            io::ErrorKind::PermissionDenied => ClientError::Denied { path: socket() },
            _ => ClientError::Connect {
                path: socket(),
                cause,
            },
        })
    }

    fn request(&self, body: Option<Vec<u8>>) -> Result<Request<Full<Bytes>>, ClientError> {
        let mut request = Request::builder()
            .method(self.method.clone())
            .uri(&self.path)
            .header(header::HOST, "postern")
            .header(version::HEADER, version::CURRENT.to_string());
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let body = Full::new(Bytes::from(body.unwrap_or_default()));
        request
            .body(body)
            .map_err(|e| self.unintelligible(format!("its request: {e}")))
    }

    /// Before the status is looked at: the answers of another major version mean something else.
    fn check_version(&self, response: &Response<Incoming>) -> Result<(), ClientError> {
        let path = || self.socket.to_owned();
        let theirs = response
            .headers()
            .get(version::HEADER)
            .and_then(|v| v.to_str().ok());
        let Some(theirs) = theirs.and_then(|text| text.parse::<ApiVersion>().ok()) else {
            let detail = format!("its answer has no usable {} header", version::HEADER);
            return Err(ClientError::NotPostern {
                path: path(),
                detail,
            });
        };
        if theirs.major != version::CURRENT.major {
            return Err(ClientError::OtherVersion {
                path: path(),
                theirs,
            });
        }
        Ok(())
    }

    async fn refusal(&self, response: Response<Incoming>) -> ClientError {
        let status = response.status();
        let body = match self.collect(response).await {
            Ok(body) => body,
            Err(error) => return error,
        };
        let body = serde_json::from_slice(&body).unwrap_or_else(|_| {
            ErrorBody::new(format!("{}: the daemon answered {status}", self.name()))
        });
        ClientError::Refused {
            status: status.as_u16(),
            body,
        }
    }

    async fn collect(&self, response: Response<Incoming>) -> Result<Bytes, ClientError> {
        let body = response.into_body();
        if body.size_hint().lower() > MAX_JSON as u64 {
            return Err(self.too_long(MAX_JSON as u64));
        }
        match Limited::new(body, MAX_JSON).collect().await {
            Ok(collected) => Ok(collected.to_bytes()),
            Err(e) if e.is::<http_body_util::LengthLimitError>() => {
                Err(self.too_long(MAX_JSON as u64))
            }
            Err(e) => Err(self.broken_off(e.as_ref())),
        }
    }

    async fn within<T>(
        &self,
        bound: Duration,
        work: impl Future<Output = Result<T, ClientError>>,
    ) -> Result<T, ClientError> {
        timeout(bound, work)
            .await
            .unwrap_or_else(|_| Err(self.timed_out(bound)))
    }

    fn bound(&self) -> Duration {
        match self.patience {
            Patience::Answer => self.timeouts.answer,
            Patience::Work => self.timeouts.work,
        }
    }

    fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    fn timed_out(&self, bound: Duration) -> ClientError {
        let path = self.socket.to_owned();
        ClientError::TimedOut {
            path,
            request: self.name(),
            seconds: bound.as_secs(),
        }
    }

    fn too_long(&self, limit: u64) -> ClientError {
        ClientError::TooLong {
            path: self.socket.to_owned(),
            request: self.name(),
            limit,
        }
    }

    fn unintelligible(&self, detail: String) -> ClientError {
        ClientError::Unintelligible {
            path: self.socket.to_owned(),
            request: self.name(),
            detail,
        }
    }

    fn broken_off(&self, cause: &(dyn std::error::Error + 'static)) -> ClientError {
        let (path, detail) = (self.socket.to_owned(), chain(cause));
        ClientError::BrokenOff {
            path,
            request: self.name(),
            detail,
        }
    }

    /// The peer hung up is one thing, that it does not speak HTTP another.
    fn not_postern(&self, cause: &hyper::Error) -> ClientError {
        let path: PathBuf = self.socket.to_owned();
        if cause.is_parse() {
            return ClientError::NotPostern {
                path,
                detail: chain(cause),
            };
        }
        self.broken_off(cause)
    }
}

/// An error with its causes, in one line.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
