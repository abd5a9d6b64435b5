//! The quarantine: list, show, release, delete.

use super::verdicts::search;
use super::{ApiError, ApiResult, Body, Daemon, Peer, blocking, view};
use crate::serve::release::{self, Order};
use axum::Json;
use axum::extract::connect_info::ConnectInfo;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use control::{
    BatchResult, DeleteRequest, EntryDetail, EntryDetails, EntrySummary, HeaderField, ItemResult,
    ListRequest, MAX_IDS, Page, ReleaseRequest,
};
use mail::{Limits, Message};
use std::sync::Arc;
use store::{Entry, EntryId, EntryState, Event, MailId, Store};

/// Header fields that are shown of an entry.
const MAX_HEADERS: usize = 200;
/// Octets of one shown header field.
const MAX_HEADER_VALUE: usize = 4096;

pub(super) async fn list(
    State(daemon): State<Arc<Daemon>>,
    Body(request): Body<ListRequest>,
) -> ApiResult<Page<EntrySummary>> {
    let (filter, page) = search(&request)?;
    let store = daemon.store.clone();
    let page = blocking(move || {
        store.settle();
        let found = store.entries(&filter, &page)?;
        let mut items = Vec::with_capacity(found.items.len());
        for entry in &found.items {
            let record = store.verdict(entry.held.entry.mail())?;
            items.push(view::entry_summary(entry, record.as_ref()));
        }
        Ok(Page {
            items,
            next: found.next.map(|cursor| cursor.to_string()),
        })
    });
    Ok(Json(page.await?))
}

pub(super) async fn show(
    State(daemon): State<Arc<Daemon>>,
    Path(id): Path<String>,
) -> ApiResult<EntryDetails> {
    let store = daemon.store.clone();
    let details = blocking(move || {
        let entries = entries_of(&store, &id)?;
        let details: Result<Vec<EntryDetail>, ApiError> =
            entries.iter().map(|entry| detail(&store, entry)).collect();
        Ok(EntryDetails { entries: details? })
    });
    Ok(Json(details.await?))
}

pub(super) async fn raw(
    State(daemon): State<Arc<Daemon>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Path(id): Path<String>,
) -> Result<impl IntoResponse, ApiError> {
    let store = daemon.store.clone();
    let (entry, message) = blocking(move || {
        let entries = entries_of(&store, &id)?;
        let [entry] = entries.as_slice() else {
            let ids: Vec<String> = entries.iter().map(|e| e.held.entry.to_string()).collect();
            let text = format!(
                "{id}: has several entries; ask for one of {}",
                ids.join(", ")
            );
            return Err(ApiError::new(StatusCode::CONFLICT, text));
        };
        let id = entry.held.entry.clone();
        let message = store.entry_message(&id)?;
        Ok((id, message))
    })
    .await?;
    // Reading a mail is journalled before it is shown.
    let viewed = Event::ContentViewed {
        entry,
        by: peer.to_string(),
    };
    daemon
        .store
        .append(viewed)
        .await
        .map_err(ApiError::internal)?;
    Ok((
        [(header::CONTENT_TYPE, "application/octet-stream")],
        message,
    ))
}

pub(super) async fn release(
    State(daemon): State<Arc<Daemon>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Body(request): Body<ReleaseRequest>,
) -> ApiResult<BatchResult> {
    let mut results = Vec::new();
    for named in named_entries(&daemon.store, &request.ids).await? {
        results.push(match named {
            Err(unknown) => unknown,
            Ok(entry) if request.dry_run => would(&entry, entry.state == EntryState::Held),
            Ok(entry) => {
                let order = Order {
                    by: peer.to_string(),
                    why: request.why.clone(),
                    rcpts: request.rcpts.clone(),
                    force: request.force,
                };
                // In a task of its own: a client that goes away drops this handler, and a release that is
                // cut between the final dot and its event would leave nobody knowing what became of it.
                let releasing = release_one(Arc::clone(&daemon), entry, order);
                tokio::spawn(releasing).await.map_err(ApiError::internal)?
            }
        });
    }
    Ok(Json(BatchResult { results }))
}

pub(super) async fn delete(
    State(daemon): State<Arc<Daemon>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Body(request): Body<DeleteRequest>,
) -> ApiResult<BatchResult> {
    let mut results = Vec::new();
    for named in named_entries(&daemon.store, &request.ids).await? {
        results.push(match named {
            Err(unknown) => unknown,
            Ok(entry) if request.dry_run => {
                let deleted = matches!(entry.state, EntryState::Deleted { .. });
                would(&entry, !deleted && entry.state != EntryState::Releasing)
            }
            Ok(entry) => delete_one(&daemon.store, &entry, peer, request.why.as_deref()).await,
        });
    }
    Ok(Json(BatchResult { results }))
}

async fn delete_one(store: &Store, entry: &Entry, by: Peer, why: Option<&str>) -> ItemResult {
    let id = &entry.held.entry;
    match store.delete(id, &by.to_string(), why).await {
        Ok(()) => {
            let (queue_id, why) = (record_queue_id(store, id), why.unwrap_or_default());
            tracing::info!(%id, queue_id, %by, why, "deleted");
            item(id, true, "deleted", "deleted".to_owned())
        }
        Err(error) => item(id, false, view::state_name(&entry.state), error.to_string()),
    }
}

async fn release_one(daemon: Arc<Daemon>, entry: Entry, order: Order) -> ItemResult {
    let id = &entry.held.entry;
    let Daemon {
        store,
        own,
        release_to,
        ..
    } = &*daemon;
    let (by, why) = (order.by.clone(), order.why.clone().unwrap_or_default());
    let taken_as = record_queue_id(store, id);
    match release::release(store, own, release_to, id, order).await {
        Ok(released) => {
            let next_hop = released.queue_id.as_deref().unwrap_or("-");
            tracing::info!(%id, queue_id = taken_as, next_hop, by, why, "released");
            let mut result = item(id, true, "released", released.reply);
            result.queue_id = released.queue_id;
            result
        }
        Err(error) => {
            tracing::warn!(%id, queue_id = taken_as, by, why, %error, "not released");
            let state = match store.entry(id) {
                Ok(Some(entry)) => view::state_name(&entry.state),
                _ => view::state_name(&entry.state),
            };
            item(id, false, state, error.to_string())
        }
    }
}

/// The MTA's id under which the mail came in.
fn record_queue_id(store: &Store, id: &EntryId) -> String {
    let record = store.verdict(id.mail()).ok().flatten();
    record
        .and_then(|record| record.queue_id)
        .unwrap_or_else(|| "-".to_owned())
}

fn item(id: &EntryId, ok: bool, state: &str, message: String) -> ItemResult {
    ItemResult {
        id: id.to_string(),
        ok,
        state: state.to_owned(),
        message,
        queue_id: None,
    }
}

fn would(entry: &Entry, possible: bool) -> ItemResult {
    let state = view::state_name(&entry.state);
    let message = if possible {
        "would be tried".to_owned()
    } else {
        format!("is {state}")
    };
    item(&entry.held.entry, possible, state, message)
}

/// The entries that a request names, each by itself or all of a mail, or why an id names none.
async fn named_entries(
    store: &Store,
    ids: &[String],
) -> Result<Vec<Result<Entry, ItemResult>>, ApiError> {
    if ids.len() > MAX_IDS {
        let text = format!("{} ids in one request; at most {MAX_IDS}", ids.len());
        return Err(ApiError::bad_request(text));
    }
    let mut named = Vec::new();
    for id in ids {
        let (store, asked) = (store.clone(), id.clone());
        match blocking(move || entries_of(&store, &asked)).await {
            Ok(entries) => named.extend(entries.into_iter().map(Ok)),
            Err(error) => named.push(Err(ItemResult {
                id: id.clone(),
                message: error.body.error,
                ..ItemResult::default()
            })),
        }
    }
    Ok(named)
}

fn entries_of(store: &Store, id: &str) -> Result<Vec<Entry>, ApiError> {
    store.settle();
    if let Ok(entry) = id.parse::<EntryId>() {
        let found = store.entry(&entry)?;
        return Ok(vec![found.ok_or_else(|| {
            ApiError::not_found(format!("{id}: no such entry"))
        })?]);
    }
    let mail: MailId = id.parse().map_err(ApiError::bad_request)?;
    let record = store.verdict(&mail)?;
    let record = record.ok_or_else(|| ApiError::not_found(format!("{id}: no such mail")))?;
    let mut entries = Vec::new();
    for entry in record
        .groups
        .iter()
        .filter_map(|group| group.entry.as_ref())
    {
        entries.extend(store.entry(entry)?);
    }
    if entries.is_empty() {
        return Err(ApiError::not_found(format!("{id}: this mail is not held")));
    }
    Ok(entries)
}

fn detail(store: &Store, entry: &Entry) -> Result<EntryDetail, ApiError> {
    let id = &entry.held.entry;
    let record = store.verdict(id.mail())?;
    let message = store.entry_message(id).ok();
    let stored = message.is_some();
    let (headers, headers_cut) = headers(message.as_deref().unwrap_or_default());
    Ok(EntryDetail {
        summary: view::entry_summary(entry, record.as_ref()),
        sha256: entry.held.sha256.clone(),
        stored,
        headers,
        headers_cut,
        record: record.as_ref().map(view::value).unwrap_or_default(),
        history: view::history(entry),
    })
}

/// The header fields of a message. Only its head is parsed, by the same total parser that the
/// workers use, on a bounded piece of the message.
fn headers(message: &[u8]) -> (Vec<HeaderField>, bool) {
    let limits = Limits::default();
    let head = message
        .get(..message.len().min(limits.header_bytes))
        .unwrap_or_default();
    let end = head
        .windows(4)
        .position(|w| w == b"\r\n\r\n")
        .map_or(head.len(), |at| at + 4);
    let parsed = Message::parse(head.get(..end).unwrap_or_default(), &limits);
    let shown = parsed.headers.iter().take(MAX_HEADERS).map(|header| {
        let value = String::from_utf8_lossy(header.raw_value);
        let unfolded: String = value.split(['\r', '\n']).collect();
        let cut = unfolded.floor_char_boundary(MAX_HEADER_VALUE);
        HeaderField {
            name: String::from_utf8_lossy(header.raw_name).into_owned(),
            value: unfolded.get(..cut).unwrap_or_default().trim().to_owned(),
        }
    });
    (shown.collect(), parsed.headers.len() > MAX_HEADERS)
}
