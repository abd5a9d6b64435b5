//! The inspection itself.

use crate::facts;
use crate::inspection::{Defect, Failure, Inspection, Judgement, Link, LocatedHit};
use mail::{Envelope, Message};
use rules::{Externals, Scan, Scanners, proto};
use sha2::{Digest, Sha256};
use std::collections::{HashMap, HashSet};
use unpack::{Artifact, Limits, Sink, Unpacked};

/// Links of a mail that are kept.
const MAX_LINKS: usize = 1000;
/// Scan failures of a mail that are kept: one is enough to know that the mail was not seen whole.
const MAX_FAILURES: usize = 50;
/// Hits of one rule that are kept: a mail with two thousand artifacts and a rule that hits each of them
/// must not make a record of megabytes, and a decision counts a rule once.
const MAX_HITS_PER_RULE: usize = 50;
/// Octets of visible text that stand in the place of a link.
const MAX_LINK_TEXT: usize = 256;

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
        found.raw(raw);
        let Found {
            mut facts,
            parts,
            kept,
            ..
        } = found;

        let links = links(&unpacked);
        let defects = defects(&message, &unpacked);
        facts::add_findings(&mut facts, &message, &unpacked, &links, &defects);
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
            links,
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

/// The links of a mail, each canonical URL once: those of the HTML first, since they know the text
/// in whose place they stand.
fn links(unpacked: &Unpacked) -> Vec<Link> {
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    for reference in &unpacked.references {
        let artifact = unpacked.artifacts.get(reference.artifact);
        let artifact = artifact.map(|a| a.path.as_str()).unwrap_or_default();
        let text = reference.text.as_deref().unwrap_or_default();
        let context = reference.context.name();
        push_link(
            &reference.raw,
            text,
            context,
            artifact,
            &mut seen,
            &mut found,
        );
    }
    let in_text = links::find_in_text(&unpacked.text, MAX_LINKS);
    for reference in &in_text.found {
        push_link(&reference.raw, "", "text", "", &mut seen, &mut found);
    }
    found
}

fn push_link(
    raw: &str,
    text: &str,
    context: &str,
    artifact: &str,
    seen: &mut HashSet<String>,
    found: &mut Vec<Link>,
) {
    if found.len() >= MAX_LINKS {
        return;
    }
    let Some(canonical) = links::canonicalise(raw) else {
        return;
    };
    if !seen.insert(canonical.url.clone()) {
        return;
    }
    let mut flags: Vec<String> = canonical
        .flags
        .iter()
        .map(|f| f.name().to_owned())
        .collect();
    if links::text_differs(text, &canonical) {
        flags.push(links::Flag::TextDiffers.name().to_owned());
    }
    let text = text
        .get(..text.floor_char_boundary(MAX_LINK_TEXT))
        .unwrap_or_default();
    found.push(Link {
        host: canonical.host.clone(),
        registrable: canonical.registrable.clone().unwrap_or_default(),
        path: canonical.path.clone(),
        text: text.to_owned(),
        context: context.to_owned(),
        artifact: artifact.to_owned(),
        flags,
        url: canonical.url,
    });
}

fn defects(message: &Message<'_>, unpacked: &Unpacked) -> Vec<Defect> {
    let of_message = message.defects.iter().map(|defect| Defect {
        code: defect.code().to_owned(),
        path: String::new(),
        detail: defect.to_string(),
    });
    let of_parts = unpacked.defects.iter().map(|defect| Defect {
        code: defect.code.clone(),
        path: defect.path.clone(),
        detail: defect.detail.clone(),
    });
    of_message.chain(of_parts).collect()
}
