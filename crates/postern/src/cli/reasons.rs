//! Reasons in plain sentences.

use policy::{Action, Check, Coverage, Reason, Verdict};

/// Why a verdict is what it is, one sentence each, in the order in which it was found.
pub(super) fn sentences(verdict: &Verdict) -> Vec<String> {
    if verdict.reasons.is_empty() {
        return vec!["Nothing was found that asks for anything.".to_owned()];
    }
    verdict.reasons.iter().map(sentence).collect()
}

fn sentence(reason: &Reason) -> String {
    match reason {
        Reason::Rule {
            rule,
            score,
            category,
            artifact,
        } => {
            let place = place(artifact);
            let points = if score.abs() == 1 { "point" } else { "points" };
            format!("The rule {rule} ({category}) hit {place} and gave {score} {points}.")
        }
        Reason::Score {
            score,
            threshold,
            action,
        } => format!(
            "The score of {score} reaches the threshold of {threshold}, which asks to {}.",
            verb(*action)
        ),
        Reason::RuleFloor { rule, action } => {
            format!("The rule {rule} itself asks at least to {}.", verb(*action))
        }
        Reason::CategoryFloor { category, action } => format!(
            "The policy asks at least to {} when a rule of the category {category} hit.",
            verb(*action)
        ),
        Reason::Coverage {
            artifact,
            coverage,
            action,
        } => format!(
            "{} {}, so not all of it was seen, which asks to {}.",
            capital(&place(artifact)),
            seen(*coverage),
            verb(*action)
        ),
        Reason::Failure {
            check,
            cause,
            action,
        } => {
            format!(
                "{} failed ({cause}), which asks to {}.",
                failed(*check),
                verb(*action)
            )
        }
        Reason::Allowed { entry, lifted } => format!(
            "The sender is on the allow list ({entry}), so that points and \
             categories no longer ask to {}.",
            verb(*lifted)
        ),
    }
}

/// Where a rule hit, as the reader of a sentence expects it.
pub(super) fn place(artifact: &str) -> String {
    match artifact {
        "mail" => "the mail as a whole".to_owned(),
        "raw" => "the message as transmitted".to_owned(),
        path => format!("the artifact {path}"),
    }
}

fn verb(action: Action) -> &'static str {
    match action {
        Action::Accept => "deliver it",
        Action::Tag => "deliver it with a mark",
        Action::Quarantine => "hold it",
        Action::Reject => "refuse it",
        Action::Discard => "destroy it",
        Action::Tempfail => "defer it",
    }
}

fn seen(coverage: Coverage) -> &'static str {
    match coverage {
        Coverage::Full => "was seen",
        Coverage::Unsupported => "is of a kind that is not opened",
        Coverage::Encrypted => "is encrypted",
        Coverage::Damaged => "is damaged",
        Coverage::OverLimit => "goes beyond a limit",
    }
}

fn failed(check: Check) -> &'static str {
    match check {
        Check::Inspection => "Taking the mail apart",
        Check::Scan => "A scan",
        Check::Judgement => "Judging the mail",
    }
}

fn capital(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(characters.clone()).collect()
}
