//! From what the store knows to what the API shows.

use control::{EntrySummary, HistoryItem, NextHop, VerdictSummary};
use policy::{Hit, Stage, Verdict};
use serde_json::Value;
use store::{Entry, EntryState, Judged, Step, StepKind, VerdictRecord};

/// One line of a list of entries.
pub(super) fn entry_summary(entry: &Entry, record: Option<&VerdictRecord>) -> EntrySummary {
    let held = &entry.held;
    let group = record.and_then(|record| {
        record
            .groups
            .iter()
            .find(|group| group.entry.as_ref() == Some(&held.entry))
    });
    let verdict = group.map(|group| &group.verdict);
    EntrySummary {
        id: held.entry.to_string(),
        state: state_name(&entry.state).to_owned(),
        received: held.received,
        mail_from: held.mail_from.clone(),
        from: record.map(|r| r.from.clone()).unwrap_or_default(),
        rcpts: held.rcpts.clone(),
        subject: record.map(|r| r.subject.clone()).unwrap_or_default(),
        size: held.size,
        action: verdict.map(|v| v.action.to_string()).unwrap_or_default(),
        score: verdict.map(|v| v.score).unwrap_or_default(),
        category: verdict.and_then(|v| v.category).map(|c| c.to_string()),
        tenant: verdict.map(|v| v.tenant.clone()).unwrap_or_default(),
        rules: record
            .map(|r| heaviest_rules(&r.evidence.hits))
            .unwrap_or_default(),
        queue_id: record.and_then(|r| r.queue_id.clone()),
    }
}

/// One line of a list of verdicts.
pub(super) fn verdict_summary(judged: &Judged) -> VerdictSummary {
    let record = &judged.record;
    let strongest = strongest(record);
    VerdictSummary {
        id: record.id.to_string(),
        received: record.received,
        door: record.door.clone(),
        queue_id: record.queue_id.clone(),
        mail_from: record.mail_from.clone(),
        from: record.from.clone(),
        rcpts: record.rcpts.clone(),
        subject: record.subject.clone(),
        size: record.size,
        action: strongest.map(|v| v.action.to_string()).unwrap_or_default(),
        score: strongest.map(|v| v.score).unwrap_or_default(),
        category: strongest.and_then(|v| v.category).map(|c| c.to_string()),
        tenants: record
            .groups
            .iter()
            .map(|g| g.verdict.tenant.clone())
            .collect(),
        rules: heaviest_rules(&record.evidence.hits),
        entries: record
            .groups
            .iter()
            .flat_map(|g| &g.entry)
            .map(ToString::to_string)
            .collect(),
        held_by_mta: record.held_by_mta,
        ms: record.ms,
    }
}

/// What was answered: to the MTA, and by the next hop.
pub(super) fn answered(answered: Option<store::Answered>) -> (Option<String>, Option<NextHop>) {
    let Some(answered) = answered else {
        return (None, None);
    };
    let next_hop = answered.next_hop.map(|hop| NextHop {
        address: hop.address,
        reply: hop.reply,
        queue_id: hop.queue_id,
    });
    (Some(answered.reply), next_hop)
}

/// The history of an entry.
pub(super) fn history(entry: &Entry) -> Vec<HistoryItem> {
    entry.history.iter().map(history_item).collect()
}

/// A record as it is stored.
pub(super) fn value<T: serde::Serialize>(of: &T) -> Value {
    // Records are made of strings, numbers and lists, which JSON can always say.
    serde_json::to_value(of).unwrap_or_default()
}

/// The name of a state.
pub(super) fn state_name(state: &EntryState) -> &'static str {
    state.name().as_str()
}

fn strongest(record: &VerdictRecord) -> Option<&Verdict> {
    record
        .groups
        .iter()
        .map(|group| &group.verdict)
        .max_by_key(|v| (v.action, v.score))
}

/// Live rules that hit, each once, the one with the most points first.
pub(crate) fn heaviest_rules(hits: &[Hit]) -> Vec<String> {
    let mut rules: Vec<(i64, &str)> = hits
        .iter()
        .filter(|hit| hit.stage == Stage::Live)
        .map(|hit| (-hit.score, hit.rule.as_str()))
        .collect();
    rules.sort_unstable();
    rules.dedup();
    rules.into_iter().map(|(_, rule)| rule.to_owned()).collect()
}

fn history_item(step: &Step) -> HistoryItem {
    let mut item = HistoryItem {
        at: step.when,
        ..HistoryItem::default()
    };
    match &step.what {
        StepKind::Held { recovered } => {
            item.event = "held".to_owned();
            item.detail = recovered.then(|| "found at a start, without its event".to_owned());
        }
        StepKind::ReleaseStarted { by, why, to, rcpts } => {
            item.event = "release-started".to_owned();
            item.by = Some(by.clone());
            item.why = why.clone();
            item.detail = Some(format!("to {} through {to}", rcpts.join(", ")));
        }
        StepKind::ReleaseFailed { reply, unknown } => {
            let outcome = if *unknown { "unknown" } else { "failed" };
            item.event = format!("release-{outcome}");
            item.detail = Some(reply.clone());
        }
        StepKind::Released { reply, queue_id } => {
            item.event = "released".to_owned();
            item.detail = Some(match queue_id {
                Some(queue_id) => format!("{reply} (queue id {queue_id})"),
                None => reply.clone(),
            });
        }
        StepKind::Deleted { by, why } => {
            item.event = "deleted".to_owned();
            item.by = Some(by.clone());
            item.why = why.clone();
        }
        StepKind::ContentViewed { by } => {
            item.event = "content-viewed".to_owned();
            item.by = Some(by.clone());
        }
    }
    item
}
