//! The admin API: HTTP over a unix socket that only its owner can open, and that asks the kernel who
//! is on the other side.

mod quarantine;
mod upkeep;
mod verdicts;
mod view;

pub(crate) use view::heaviest_rules;

use super::Daemon;
use axum::extract::connect_info::{ConnectInfo, Connected};
use axum::extract::{FromRequest, Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::{IncomingStream, Listener};
use axum::{Json, Router};
use control::{ErrorBody, path, version};
use serde::de::DeserializeOwned;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use store::ReadError;
use tokio::net::{UnixListener, UnixStream};

/// Pause after a failed accept: when descriptors run out, accepting at once only burns a core.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Binds the control socket with mode 0600, or 0666 if users are configured who may use it: the kernel
/// knows no list of users, so then [`admit`] alone decides. A socket that a dead daemon left is
/// removed; whether the daemon is dead is known, since the caller holds the lock on the state
/// directory.
pub(super) fn bind(socket: &Path, others: bool) -> io::Result<UnixListener> {
    match std::fs::symlink_metadata(socket) {
        Ok(found) if std::os::unix::fs::FileTypeExt::is_socket(&found.file_type()) => {
            std::fs::remove_file(socket)?;
        }
        Ok(_) => return Err(io::Error::new(io::ErrorKind::AlreadyExists, "is no socket")),
        Err(_) => {}
    }
    // Between bind and chmod the mode is that of the umask: nobody but the owner can reach the
    // socket before its mode is set, since it is bound under a mask that takes all other rights.
    let before = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o177));
    let listener = UnixListener::bind(socket);
    rustix::process::umask(before);
    let listener = listener?;
    let mode = if others { 0o666 } else { 0o600 };
    std::fs::set_permissions(socket, std::fs::Permissions::from_mode(mode))?;
    Ok(listener)
}

/// Serves the admin API until `stop` is ready.
pub(super) async fn serve(
    listener: UnixListener,
    daemon: Arc<Daemon>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let listener = AdminListener { listener };
    let service = router(daemon).into_make_service_with_connect_info::<Peer>();
    axum::serve(listener, service)
        .with_graceful_shutdown(stop)
        .await
}

fn router(daemon: Arc<Daemon>) -> Router {
    Router::new()
        .route(path::VERSION, get(upkeep::version))
        .route(path::STATUS, get(upkeep::status))
        .route(path::QUARANTINE_LIST, post(quarantine::list))
        .route(path::QUARANTINE_RELEASE, post(quarantine::release))
        .route(path::QUARANTINE_DELETE, post(quarantine::delete))
        .route(path::QUARANTINE_ENTRY, get(quarantine::show))
        .route(path::QUARANTINE_RAW, get(quarantine::raw))
        .route(path::VERDICT_LIST, post(verdicts::list))
        .route(path::VERDICT, get(verdicts::show))
        .route(path::VERDICT_EXPLAIN, get(verdicts::explain))
        .route(path::RULES, get(upkeep::rules))
        .route(path::RULES_RELOAD, post(upkeep::reload))
        .route(
            path::STORE_REBUILD,
            post(upkeep::start_rebuild).get(upkeep::rebuild_status),
        )
        .route(path::AUDIT_VERIFY, post(upkeep::verify))
        .fallback(|| async { ApiError::not_found("no such request") })
        .layer(middleware::from_fn_with_state(Arc::clone(&daemon), admit))
        .with_state(daemon)
}

/// Refuses peers that may not, and clients that speak another version.
async fn admit(
    State(daemon): State<Arc<Daemon>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: Request,
    next: Next,
) -> Response {
    let allowed = peer.uid.is_some_and(|uid| daemon.admin_uids.contains(&uid));
    if !allowed {
        let body = ErrorBody::new(format!("{peer} may not use the control socket"))
            .hint("run this as the user of the daemon or as root, or list the uid in the configuration as control.uids");
        return ApiError {
            status: StatusCode::FORBIDDEN,
            body,
        }
        .into_response();
    }
    let spoken = request
        .headers()
        .get(version::HEADER)
        .and_then(|value| value.to_str().ok());
    if let Err(body) = version::check(spoken) {
        return ApiError {
            status: StatusCode::UPGRADE_REQUIRED,
            body,
        }
        .into_response();
    }
    let mut response = next.run(request).await;
    if let Ok(ours) = version::CURRENT.to_string().parse() {
        response.headers_mut().insert(version::HEADER, ours);
    }
    response
}

/// Who is on the other side, as the kernel says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer {
    uid: Option<u32>,
}

impl std::fmt::Display for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.uid {
            Some(uid) => write!(f, "uid {uid}"),
            None => f.write_str("an unknown user"),
        }
    }
}

impl Connected<IncomingStream<'_, AdminListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, AdminListener>) -> Self {
        *stream.remote_addr()
    }
}

struct AdminListener {
    listener: UnixListener,
}

impl Listener for AdminListener {
    type Io = UnixStream;
    type Addr = Peer;

    async fn accept(&mut self) -> (UnixStream, Peer) {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let uid = stream.peer_cred().ok().map(|cred| cred.uid());
                    return (stream, Peer { uid });
                }
                Err(error) => {
                    tracing::warn!(%error, "control socket: cannot accept");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<Peer> {
        Ok(Peer { uid: None })
    }
}

/// An answer that is no success.
#[derive(Debug)]
struct ApiError {
    status: StatusCode,
    body: ErrorBody,
}

type ApiResult<T> = Result<Json<T>, ApiError>;

/// A request's JSON body; a body that cannot be understood is answered as every other error is.
struct Body<T>(T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        match Json::from_request(request, state).await {
            Ok(Json(body)) => Ok(Body(body)),
            Err(rejection) => Err(ApiError::new(rejection.status(), rejection.body_text())),
        }
    }
}

impl ApiError {
    fn new(status: StatusCode, error: impl ToString) -> ApiError {
        ApiError {
            status,
            body: ErrorBody::new(error.to_string()),
        }
    }

    fn not_found(what: impl ToString) -> ApiError {
        ApiError::new(StatusCode::NOT_FOUND, what)
    }

    fn bad_request(what: impl ToString) -> ApiError {
        ApiError::new(StatusCode::BAD_REQUEST, what)
    }

    fn internal(what: impl ToString) -> ApiError {
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, what)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body)).into_response();
        if let Ok(ours) = version::CURRENT.to_string().parse() {
            response.headers_mut().insert(version::HEADER, ours);
        }
        response
    }
}

impl From<ReadError> for ApiError {
    fn from(error: ReadError) -> ApiError {
        let status = match &error {
            ReadError::NoEntry { .. } => StatusCode::NOT_FOUND,
            ReadError::Rebuilding { .. } => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        ApiError::new(status, error)
    }
}

/// Runs what reads the disk where it may block.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(ApiError::internal(error)))
}
