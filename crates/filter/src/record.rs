//! From what is known of a mail to what is remembered of it.

use crate::disposition::Disposition;
use crate::examine::Examined;
use crate::journey::Mail;
use policy::{Evidence, Verdict};
use sha2::{Digest, Sha256};
use store::{
    ArtifactRecord, ClientRecord, DefectRecord, GroupRecord, HeldEntry, LinkRecord, MailId,
    VerdictRecord,
};

/// Octets of a subject that are remembered.
const MAX_SUBJECT: usize = 1024;
/// Octets of a URL that are remembered.
const MAX_URL: usize = 2048;
/// Defects that are remembered; a hostile mail can have one for every line.
const MAX_DEFECTS: usize = 200;
/// Hits that are remembered.
const MAX_HITS: usize = 500;
/// Hits whose places are remembered, each with a few kilobytes at most.
const MAX_HITS_WITH_PLACES: usize = 200;

/// When and as what a mail was received.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) id: MailId,
    /// Milliseconds since 1970-01-01 UTC.
    pub(crate) time: i64,
}

impl Received {
    pub(crate) fn now(id: MailId) -> Received {
        Received {
            id,
            time: jiff::Timestamp::now().as_millisecond(),
        }
    }
}

/// Makes the record of a judged mail.
pub(crate) fn record(
    received: &Received,
    mail: &Mail,
    examined: Examined,
    mut evidence: Evidence,
    verdicts: &[(Vec<String>, Verdict)],
    disposition: &Disposition,
    policy: &str,
) -> VerdictRecord {
    let inspection = examined.inspection;
    bound_hits(&mut evidence);
    let client = &mail.envelope.client;
    VerdictRecord {
        id: received.id.clone(),
        received: received.time,
        door: mail.door.name.to_owned(),
        queue_id: mail.queue_id.clone(),
        client: ClientRecord {
            addr: client.addr.map(|addr| addr.to_string()),
            name: client.name.clone(),
            helo: client.helo.clone(),
            user: client.authenticated.clone(),
        },
        mail_from: mail.envelope.mail_from.clone(),
        rcpts: mail.envelope.rcpts.clone(),
        from: inspection.from,
        subject: cut(inspection.subject, MAX_SUBJECT),
        message_id: inspection.message_id.map(|id| cut(id, MAX_SUBJECT)),
        size: mail.raw.len() as u64,
        sha256: if inspection.sha256.is_empty() {
            hex_hash(&mail.raw)
        } else {
            inspection.sha256
        },
        groups: groups(&received.id, verdicts, disposition),
        held_by_mta: disposition.mta_hold,
        evidence,
        artifacts: inspection.artifacts.into_iter().map(artifact).collect(),
        links: inspection.links.into_iter().map(link).collect(),
        defects: inspection
            .defects
            .into_iter()
            .take(MAX_DEFECTS)
            .map(defect)
            .collect(),
        rules: examined.rules,
        policy: policy.to_owned(),
        ms: u64::try_from(examined.spent.as_millis()).unwrap_or(u64::MAX),
    }
}

/// The sidecar of a group's copy, if one is held.
pub(crate) fn held_entry(record: &VerdictRecord, group: &GroupRecord) -> Option<HeldEntry> {
    Some(HeldEntry {
        entry: group.entry.clone()?,
        received: record.received,
        mail_from: record.mail_from.clone(),
        rcpts: group.rcpts.clone(),
        size: record.size,
        sha256: record.sha256.clone(),
        recovered: false,
        record: Some(Box::new(record.clone())),
    })
}

/// Keeps the first hit of every rule before further hits of the same rules: a decision counts each
/// rule once, so that a replay comes to the same verdict.
fn bound_hits(evidence: &mut Evidence) {
    for hit in evidence.hits.iter_mut().skip(MAX_HITS_WITH_PLACES) {
        hit.matches.clear();
    }
    if evidence.hits.len() <= MAX_HITS {
        return;
    }
    let mut seen = std::collections::HashSet::new();
    let hits = std::mem::take(&mut evidence.hits);
    let (first, further): (Vec<_>, Vec<_>) = hits
        .into_iter()
        .partition(|hit| seen.insert(hit.rule.clone()));
    let room = MAX_HITS.saturating_sub(first.len());
    evidence.hits = first;
    evidence.hits.extend(further.into_iter().take(room));
}

fn groups(
    id: &MailId,
    verdicts: &[(Vec<String>, Verdict)],
    disposition: &Disposition,
) -> Vec<GroupRecord> {
    let numbered = verdicts.iter().enumerate();
    numbered
        .map(|(index, (rcpts, verdict))| GroupRecord {
            entry: disposition
                .hold
                .contains(&index)
                .then(|| id.entry(u16::try_from(index + 1).unwrap_or(u16::MAX))),
            rcpts: rcpts.clone(),
            verdict: verdict.clone(),
        })
        .collect()
}

fn artifact(artifact: unpack::Artifact) -> ArtifactRecord {
    ArtifactRecord {
        path: artifact.path,
        name: artifact.name,
        file_type: artifact.file_type.name().to_owned(),
        declared: artifact.declared_type,
        size: artifact.size,
        sha256: artifact.sha256,
        coverage: crate::examine::coverage(artifact.coverage),
        detail: artifact.detail,
    }
}

fn link(link: inspect::Link) -> LinkRecord {
    LinkRecord {
        url: cut(link.url, MAX_URL),
        host: link.host,
        flags: link.flags,
    }
}

fn defect(defect: inspect::Defect) -> DefectRecord {
    DefectRecord {
        code: defect.code,
        path: defect.path,
        detail: defect.detail,
    }
}

/// Cuts at a character boundary at or below `max` octets.
fn cut(mut text: String, max: usize) -> String {
    text.truncate(text.floor_char_boundary(max));
    text
}

fn hex_hash(message: &[u8]) -> String {
    Sha256::digest(message)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
