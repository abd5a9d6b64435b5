//! Bounds on what is remembered, so that no sender decides how much the store must keep.
//!
//! Whoever makes events keeps to these bounds already; here they hold whoever makes them. What is cut
//! from a record is noted in it as a defect, `record-cut`.

use crate::{DefectRecord, Event, HeldEntry, VerdictRecord};

/// Octets of a subject.
const SUBJECT: usize = 1 << 10;
/// Octets of a URL.
const URL: usize = 2 << 10;
/// Octets of any other text: an address, a file name, a reply.
const TEXT: usize = 1 << 10;
/// Items of a list: artifacts, links, defects, addresses of the From field.
const LIST: usize = 4096;

impl Event {
    /// The event with every text and list within bounds.
    pub(crate) fn bounded(mut self) -> Event {
        match &mut self {
            Event::Verdict(record) => record.bound(),
            Event::Held(held) => held.bound(),
            Event::Started { version, recovery } => {
                cut(version, TEXT);
                recovery.truncate(LIST);
            }
            Event::Answered {
                reply, next_hop, ..
            } => {
                cut(reply, TEXT);
                if let Some(hop) = next_hop {
                    cut(&mut hop.address, TEXT);
                    cut_option(&mut hop.reply);
                    cut_option(&mut hop.queue_id);
                }
            }
            Event::ReleaseFailed { reply, .. } => {
                cut(reply, TEXT);
            }
            Event::Released {
                reply, queue_id, ..
            } => {
                cut(reply, TEXT);
                cut_option(queue_id);
            }
            Event::ReleaseStarted { by, why, to, .. } => {
                cut(by, TEXT);
                cut_option(why);
                cut(to, TEXT);
            }
            Event::Deleted { by, why, .. } => {
                cut(by, TEXT);
                cut_option(why);
            }
            Event::ContentViewed { by, .. } => {
                cut(by, TEXT);
            }
            Event::PolicyLoaded { .. } | Event::RulesLoaded { .. } => {}
        }
        self
    }
}

impl HeldEntry {
    pub(crate) fn bound(&mut self) {
        if let Some(record) = &mut self.record {
            record.bound();
        }
    }
}

impl VerdictRecord {
    /// Cuts what is too long. What a verdict rests on, and whom it is about, is never cut.
    fn bound(&mut self) {
        let mut notes = Vec::new();
        let mut note = |what: &str, had: usize, kept: usize| {
            notes.push(DefectRecord {
                code: "record-cut".to_owned(),
                path: String::new(),
                detail: format!("{what}: {had} cut to {kept}"),
            });
        };
        let mut text = |what: &str, text: &mut String, most: usize| {
            if let Some(had) = cut(text, most) {
                note(what, had, text.len());
            }
        };
        text("subject", &mut self.subject, SUBJECT);
        if let Some(id) = &mut self.message_id {
            text("message-id", id, TEXT);
        }
        let client = &mut self.client;
        for field in [
            &mut client.addr,
            &mut client.name,
            &mut client.helo,
            &mut client.user,
        ]
        .into_iter()
        .flatten()
        {
            text("client", field, TEXT);
        }
        for artifact in &mut self.artifacts {
            text("artifact path", &mut artifact.path, TEXT);
            for field in [
                &mut artifact.name,
                &mut artifact.declared,
                &mut artifact.detail,
            ]
            .into_iter()
            .flatten()
            {
                text("artifact", field, TEXT);
            }
        }
        for link in &mut self.links {
            text("link", &mut link.url, URL);
            text("link host", &mut link.host, TEXT);
        }
        for defect in &mut self.defects {
            text("defect", &mut defect.detail, TEXT);
        }
        for (what, had) in [
            ("artifacts", shorten(&mut self.artifacts)),
            ("links", shorten(&mut self.links)),
            ("defects", shorten(&mut self.defects)),
        ] {
            if let Some(had) = had {
                note(what, had, LIST);
            }
        }
        // One note of each kind is enough.
        notes.dedup_by(|a, b| a.detail.split(':').next() == b.detail.split(':').next());
        notes.truncate(16);
        self.defects.append(&mut notes);
    }
}

/// Cuts a text at a character; returns its octets before if it was too long.
fn cut(text: &mut String, most: usize) -> Option<usize> {
    let had = text.len();
    if had <= most {
        return None;
    }
    text.truncate(text.floor_char_boundary(most));
    Some(had)
}

fn cut_option(text: &mut Option<String>) {
    if let Some(text) = text {
        cut(text, TEXT);
    }
}

/// Shortens a list; returns its length before if it was too long.
fn shorten<T>(list: &mut Vec<T>) -> Option<usize> {
    let had = list.len();
    list.truncate(LIST);
    (had > LIST).then_some(had)
}
