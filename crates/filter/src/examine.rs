//! Steps 1 to 6 of the journey: what a mail contains, and what the rules say of it.

use crate::worker::{Answer, AskError, Pool, Request};
use inspect::{Inspection, LocatedHit};
use mail::Envelope;
use policy::{Check, Coverage, Evidence, Failure, Hit, PatternMatch, Unseen};
use std::sync::Arc;
use std::time::Duration;

/// What is known of a mail when it is decided about.
#[derive(Debug, Clone, Default)]
pub struct Examined {
    /// What was found inside; empty if the inspection failed.
    pub inspection: Inspection,
    /// All hits, of raw, file and mail rules.
    pub hits: Vec<Hit>,
    /// Checks that could not tell.
    pub failures: Vec<Failure>,
    /// Digest of the rules that were asked.
    pub rules: String,
    /// Time that workers spent on it.
    pub spent: Duration,
    /// Whether it cost a worker its life.
    pub killed: bool,
}

impl Examined {
    /// A mail that is not given to a worker.
    pub fn unexamined(cause: &str) -> Examined {
        let failure = Failure {
            check: Check::Inspection,
            cause: cause.to_owned(),
        };
        Examined {
            failures: vec![failure],
            ..Examined::default()
        }
    }

    /// What a decision depends on. `failed_tries` counts the times that this mail failed, this
    /// time included.
    pub fn evidence(&self, mail_from: &str, failed_tries: u32) -> Evidence {
        let unseen = self.inspection.artifacts.iter().filter_map(|artifact| {
            let coverage = coverage(artifact.coverage);
            (coverage != Coverage::Full).then(|| Unseen {
                artifact: artifact.path.clone(),
                coverage,
                detail: artifact.detail.clone(),
            })
        });
        Evidence {
            hits: self.hits.clone(),
            unseen: unseen.collect(),
            failures: self.failures.clone(),
            failed_tries,
            mail_from: mail_from.to_owned(),
            from: self.inspection.from.clone(),
        }
    }
}

/// Has a mail taken apart and judged by the rules.
///
/// # Errors
/// Only if no worker was free: then nothing is known, and nothing is wrong with the mail. Every other
/// failure is part of the result.
pub async fn examine(
    pool: &Pool,
    raw: Arc<[u8]>,
    envelope: &Envelope,
    tenants: Vec<String>,
) -> Result<Examined, AskError> {
    let mut examined = Examined {
        rules: pool.digest(),
        ..Examined::default()
    };
    let request = Request::Inspect {
        envelope: envelope.clone(),
    };
    let inspected = pool.ask(request, vec![raw], &mut examined.spent).await;
    match inspected {
        Ok((Answer::Inspected(inspection), blobs)) => {
            let mut blobs = blobs.into_iter();
            let facts = Arc::from(blobs.next().unwrap_or_default());
            let text = Arc::from(blobs.next().unwrap_or_default());
            examined.hits.extend(inspection.hits.iter().map(hit));
            examined
                .failures
                .extend(inspection.failures.iter().map(failure));
            let failures = inspection.failures.clone();
            examined.inspection = *inspection;
            // Judged last: mail rules see what the other rules hit, and what failed before.
            judge(pool, &mut examined, vec![facts, text], tenants, failures).await?;
        }
        Ok(_) => examined.fail(Check::Inspection, "the worker gave the wrong answer", false),
        Err(AskError::Failed { cause, killed }) => {
            examined.fail(Check::Inspection, &cause, killed);
        }
        Err(busy) => return Err(busy),
    }
    Ok(examined)
}

async fn judge(
    pool: &Pool,
    examined: &mut Examined,
    blobs: Vec<Arc<[u8]>>,
    tenants: Vec<String>,
    failures: Vec<inspect::Failure>,
) -> Result<(), AskError> {
    let request = Request::Judge { tenants, failures };
    match pool.ask(request, blobs, &mut examined.spent).await {
        Ok((Answer::Judged(judgement), _)) => {
            examined.hits.extend(judgement.hits.iter().map(hit));
            examined
                .failures
                .extend(judgement.failures.iter().map(failure));
        }
        Ok(_) => examined.fail(Check::Judgement, "the worker gave the wrong answer", false),
        Err(AskError::Failed { cause, killed }) => {
            examined.fail(Check::Judgement, &cause, killed);
        }
        Err(busy) => return Err(busy),
    }
    Ok(())
}

impl Examined {
    fn fail(&mut self, check: Check, cause: &str, killed: bool) {
        self.failures.push(Failure {
            check,
            cause: cause.to_owned(),
        });
        self.killed |= killed;
    }
}

fn hit(located: &LocatedHit) -> Hit {
    let hit = &located.hit;
    // The words of rules and policy are the same; each crate owns its own so that policy does not
    // depend on YARA. A word that only one of them knew would be caught by the test below.
    Hit {
        rule: hit.full_name(),
        score: i64::from(hit.score),
        category: hit
            .category
            .as_str()
            .parse()
            .unwrap_or(policy::Category::Suspicious),
        action: hit.action.and_then(|action| action.as_str().parse().ok()),
        stage: hit.stage.as_str().parse().unwrap_or(policy::Stage::Live),
        artifact: located.artifact.clone(),
        description: hit.description.clone(),
        attack: hit.attack.clone(),
        matches: hit
            .matches
            .iter()
            .map(|found| PatternMatch {
                pattern: found.pattern.clone(),
                offset: found.offset,
                length: found.length,
                text: found.text.clone(),
            })
            .collect(),
    }
}

fn failure(failure: &inspect::Failure) -> Failure {
    let check = match failure.check.as_str() {
        "scan" => Check::Scan,
        "judgement" => Check::Judgement,
        _ => Check::Inspection,
    };
    Failure {
        check,
        cause: failure.cause.clone(),
    }
}

/// The coverage of an artifact, in the words of policy.
pub fn coverage(coverage: unpack::Coverage) -> Coverage {
    match coverage {
        unpack::Coverage::Full => Coverage::Full,
        unpack::Coverage::Encrypted => Coverage::Encrypted,
        unpack::Coverage::Unsupported => Coverage::Unsupported,
        unpack::Coverage::Damaged => Coverage::Damaged,
        unpack::Coverage::OverLimit => Coverage::OverLimit,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn rules_and_policy_speak_the_same_words() {
        let words = |all: Vec<&'static str>| all;
        let categories = words(rules::Category::ALL.iter().map(|c| c.as_str()).collect());
        assert!(
            categories
                .iter()
                .all(|word| word.parse::<policy::Category>().is_ok())
        );
        assert_eq!(categories.len(), policy::Category::ALL.len());
        let actions = words(rules::FloorAction::ALL.iter().map(|a| a.as_str()).collect());
        assert!(
            actions
                .iter()
                .all(|word| word.parse::<policy::Action>().is_ok())
        );
        let stages = words(rules::Stage::ALL.iter().map(|s| s.as_str()).collect());
        assert!(
            stages
                .iter()
                .all(|word| word.parse::<policy::Stage>().is_ok())
        );
    }
}
