//! The inspection itself.

use crate::facts;
use crate::found_links::{Links, MAX_LINKS};
use crate::inspection::{Defect, Failure, Inspection, Judgement, LocatedHit};
use mail::{Envelope, Message};
use rules::{Externals, Scan, Scanners, proto};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use unpack::{Artifact, Limits, Sink, Unpacked};

/// Scan failures of a mail that are kept: one is enough to know that the mail was not seen whole.
const MAX_FAILURES: usize = 50;
/// Hits of one rule that are kept: a mail with two thousand artifacts and a rule that hits each of them
/// must not make a record of megabytes, and a decision counts a rule once.
const MAX_HITS_PER_RULE: usize = 50;

/// Inspects and judges one mail after the other, with scanners that are made once.
#[derive(Debug)]
pub struct Inspector<'r> {
    scanners: Scanners<'r>,
    limits: Limits,
}

impl<'r> Inspector<'r> {
    /// An inspector for one thread.
    pub fn new(scanners: Scanners<'r>, limits: Limits) -> Inspector<'r> {
        Inspector { scanners, limits }
    }

    /// Takes a mail apart, and runs file and raw rules over what is in it. Total: whatever the
    /// bytes are, there is an inspection, with defects and coverage that say what could not be seen.
    pub fn inspect(&mut self, raw: &[u8], envelope: &Envelope) -> Inspection {
        let message = Message::parse(raw, &self.limits.mail);
        let mut found = Found {
            facts: facts::of_message(&message, envelope),
            parts: Vec::new(),
            kept: Kept::default(),
            scanners: &mut self.scanners,
        };
        let unpacked = unpack::unpack(&message, &self.limits, &mut found);
        facts::add_headers(&mut found.facts, &message);
        found.raw(raw);
        let Found {
            mut facts,
            parts,
            kept,
            ..
        } = found;

        let links = Links::of(&unpacked);
        let defects = defects(&unpacked, &links);
        facts::add_findings(&mut facts, &message, &unpacked, &links.found, &defects);
        facts.parts = parts;
        Inspection {
            subject: facts.subject.clone(),
            message_id: message.message_id(),
            from: facts
                .from_all
                .iter()
                .map(|mailbox| mailbox.address.clone())
                .collect(),
            sha256: Sha256::digest(raw)
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
            facts: proto::encode(&facts),
            text: format!("{}\n{}", facts.subject, unpacked.text),
            artifacts: unpacked.artifacts,
            links: links.found,
            defects,
            hits: kept.hits,
            failures: kept.failures,
        }
    }

    /// Runs the mail rules over the facts and the visible text of an inspection.
    pub fn judge(
        &mut self,
        facts: &[u8],
        text: &[u8],
        tenants: &[String],
        failures: &[Failure],
    ) -> Judgement {
        let Some(mut facts) = proto::decode(facts) else {
            return Judgement {
                failures: vec![Failure {
                    check: "judgement".to_owned(),
                    cause: "the facts of the inspection cannot be read".to_owned(),
                }],
                ..Judgement::default()
            };
        };
        facts.tenants = tenants.to_vec();
        facts.failures = failures.iter().map(facts::failure).collect();
        let text = String::from_utf8_lossy(text);
        let mut kept = Kept::default();
        kept.add(self.scanners.scan_mail(&text, &facts), "mail", "judgement");
        Judgement {
            hits: kept.hits,
            failures: kept.failures,
        }
    }
}

/// What is found while the mail is unpacked.
struct Found<'s, 'r> {
    /// What the mail says of itself, and the artifact that is being scanned.
    facts: proto::Mail,
    parts: Vec<proto::Part>,
    kept: Kept,
    scanners: &'s mut Scanners<'r>,
}

impl Sink for Found<'_, '_> {
    fn artifact(&mut self, artifact: &Artifact, bytes: &[u8]) {
        let mut part = facts::part(artifact);
        let externals = Externals {
            filename: &part.name,
            filepath: &part.path,
            extension: &part.extension,
            filetype: &part.file_type,
        };
        self.facts.part = Some(part.clone()).into();
        let scan = self
            .scanners
            .scan_file(bytes, &part.group, &self.facts, &externals);
        part.hits = scan.hits.iter().map(rules::Hit::full_name).collect();
        self.kept.add(scan, &artifact.path, "scan");
        self.parts.push(part);
    }
}

impl Found<'_, '_> {
    fn raw(&mut self, raw: &[u8]) {
        self.facts.part = None.into();
        let scan = self.scanners.scan_raw(raw, &self.facts);
        self.kept.add(scan, "raw", "scan");
    }
}

/// What is kept of the scans of a mail.
#[derive(Default)]
struct Kept {
    hits: Vec<LocatedHit>,
    failures: Vec<Failure>,
    of_rule: HashMap<String, usize>,
}

impl Kept {
    fn add(&mut self, scan: Scan, artifact: &str, check: &str) {
        for hit in scan.hits {
            let count = self.of_rule.entry(hit.full_name()).or_default();
            *count += 1;
            if *count <= MAX_HITS_PER_RULE {
                self.hits.push(LocatedHit {
                    artifact: artifact.to_owned(),
                    hit,
                });
            }
        }
        let room = MAX_FAILURES.saturating_sub(self.failures.len());
        self.failures
            .extend(scan.failures.into_iter().take(room).map(|failure| Failure {
                check: check.to_owned(),
                cause: format!("{artifact}: {failure}"),
            }));
    }
}

fn defects(unpacked: &Unpacked, links: &Links) -> Vec<Defect> {
    let found = unpacked.defects.iter().map(|defect| Defect {
        code: defect.code.clone(),
        path: defect.path.clone(),
        detail: defect.detail.clone(),
    });
    // Links beyond the bound were not looked at: that is a defect like every other limit.
    let cut = links.truncated.then(|| Defect {
        code: "link-limit".to_owned(),
        path: String::new(),
        detail: format!("link-limit ({MAX_LINKS})"),
    });
    found.chain(cut).collect()
}
