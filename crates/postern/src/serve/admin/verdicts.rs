//! Verdicts: what was decided, what was answered, and why.

use super::{ApiError, ApiResult, Body, Daemon, blocking, view};
use axum::Json;
use axum::extract::{Path, State};
use control::{Explanation, ListRequest, Page, Replay, VerdictDetail, VerdictSummary};
use policy::decide;
use std::sync::Arc;
use store::{EntryId, Judged, MailId, Store, VerdictRecord};

pub(super) async fn list(
    State(daemon): State<Arc<Daemon>>,
    Body(request): Body<ListRequest>,
) -> ApiResult<Page<VerdictSummary>> {
    let (filter, page) = search(&request)?;
    let store = daemon.store.clone();
    let found = blocking(move || {
        store.settle();
        Ok(store.verdicts(&filter, &page)?)
    });
    let found = found.await?;
    Ok(Json(Page {
        items: found.items.iter().map(view::verdict_summary).collect(),
        next: found.next.map(|cursor| cursor.to_string()),
    }))
}

pub(super) async fn show(
    State(daemon): State<Arc<Daemon>>,
    Path(id): Path<String>,
) -> ApiResult<VerdictDetail> {
    let store = daemon.store.clone();
    let detail = blocking(move || {
        let Judged { record, answered } = judged(&store, &id)?;
        let mut history = Vec::new();
        for entry in record
            .groups
            .iter()
            .filter_map(|group| group.entry.as_ref())
        {
            if let Some(entry) = store.entry(entry)? {
                history.extend(view::history(&entry));
            }
        }
        let (reply, next_hop) = view::answered(answered);
        Ok(VerdictDetail {
            record: view::value(&record),
            reply,
            next_hop,
            history,
        })
    });
    Ok(Json(detail.await?))
}

pub(super) async fn explain(
    State(daemon): State<Arc<Daemon>>,
    Path(id): Path<String>,
) -> ApiResult<Explanation> {
    let store = daemon.store.clone();
    let explanation = blocking(move || {
        let Judged { record, answered } = judged(&store, &id)?;
        let policy = store.policy(&record.policy)?;
        let (reply, next_hop) = view::answered(answered);
        let mut explanation = Explanation {
            record: view::value(&record),
            reply,
            next_hop,
            ..Explanation::default()
        };
        let Some(policy) = policy else {
            explanation.note = Some(format!(
                "policy {} is not in the journal any more",
                record.policy
            ));
            return Ok(explanation);
        };
        for group in &record.groups {
            let Some(tenant) = policy.tenant_named(&group.verdict.tenant) else {
                continue;
            };
            let verdict = decide(&record.evidence, tenant);
            explanation.replays.push(Replay {
                tenant: tenant.name.clone(),
                equal: verdict == group.verdict,
                verdict: view::value(&verdict),
            });
        }
        explanation.equal = explanation.replays.len() == record.groups.len()
            && explanation.replays.iter().all(|replay| replay.equal);
        Ok(explanation)
    });
    Ok(Json(explanation.await?))
}

/// Reads the search of a list request.
pub(super) fn search(request: &ListRequest) -> Result<(store::Filter, store::Page), ApiError> {
    let asked = &request.filter;
    let filter = store::Filter {
        since: asked.since,
        until: asked.until,
        sender: asked.sender.clone(),
        rcpt: asked.rcpt.clone(),
        rule: asked.rule.clone(),
        subject: asked.subject.clone(),
        state: asked
            .state
            .as_deref()
            .map(str::parse)
            .transpose()
            .map_err(ApiError::bad_request)?,
        tenant: asked.tenant.clone(),
        sha256: asked.sha256.clone(),
        link_host: asked.link_host.clone(),
        queue_id: asked.queue_id.clone(),
        message_id: asked.message_id.clone(),
        action: asked
            .action
            .as_deref()
            .map(str::parse)
            .transpose()
            .map_err(ApiError::bad_request)?,
        id: None,
    };
    let limit = request.limit.clamp(1, control::MAX_LIMIT) as usize;
    let mut page = store::Page::first(limit);
    page.after = request
        .after
        .as_deref()
        .map(str::parse)
        .transpose()
        .map_err(|_| ApiError::bad_request("`after` is not the `next` of a page"))?;
    Ok((filter, page))
}

/// The record of a mail, by the id of the mail or of one of its entries.
fn judged(store: &Store, id: &str) -> Result<Judged, ApiError> {
    let mail: MailId = match id.parse::<EntryId>() {
        Ok(entry) => entry.mail().clone(),
        Err(_) => id.parse().map_err(ApiError::bad_request)?,
    };
    store.settle();
    let record: VerdictRecord = store
        .verdict(&mail)?
        .ok_or_else(|| ApiError::not_found(format!("{mail}: no verdict of this mail is known")))?;
    let answered = store.answered(&mail)?;
    Ok(Judged { record, answered })
}
