use super::*;
use crate::{AllowList, Failure, Unseen};
use proptest::prelude::*;

fn hit(rule: &str, score: i64, category: Category) -> Hit {
    Hit {
        rule: rule.into(),
        score,
        category,
        action: None,
        stage: Stage::Live,
        artifact: "1".into(),
        description: String::new(),
        attack: None,
        matches: Vec::new(),
    }
}

fn mail(hits: Vec<Hit>) -> Evidence {
    Evidence {
        hits,
        mail_from: "a@sender.example".into(),
        from: vec!["a@sender.example".into()],
        ..Evidence::default()
    }
}

fn action(evidence: &Evidence) -> Action {
    decide(evidence, &Tenant::default()).action
}

fn failure(check: Check) -> Failure {
    Failure {
        check,
        cause: "worker died".into(),
    }
}

#[test]
fn thresholds_are_reached_by_the_sum_of_points() {
    let with = |score| action(&mail(vec![hit("a", score, Category::Spam)]));
    assert_eq!(with(39), Action::Accept);
    assert_eq!(with(40), Action::Tag);
    assert_eq!(with(79), Action::Tag);
    assert_eq!(with(80), Action::Quarantine);
    assert_eq!(
        with(100_000),
        Action::Quarantine,
        "reject is off by default"
    );
    let two = mail(vec![
        hit("a", 40, Category::Spam),
        hit("b", 40, Category::Phishing),
    ]);
    assert_eq!(action(&two), Action::Quarantine);
}

#[test]
fn a_rule_counts_once_however_often_it_hits() {
    let verdict = decide(
        &mail(vec![
            hit("a", 50, Category::Spam),
            hit("a", 50, Category::Spam),
        ]),
        &Tenant::default(),
    );
    assert_eq!((verdict.score, verdict.action), (50, Action::Tag));
}

#[test]
fn a_shadow_rule_is_never_counted() {
    let mut shadow = hit("a", 500, Category::Malware);
    shadow.stage = Stage::Shadow;
    shadow.action = Some(Action::Reject);
    let verdict = decide(&mail(vec![shadow]), &Tenant::default());
    assert_eq!((verdict.score, verdict.action), (0, Action::Accept));
    assert!(verdict.reasons.is_empty());
}

#[test]
fn floors_of_rules_and_categories_apply_without_points() {
    assert_eq!(
        action(&mail(vec![hit("a", 1, Category::Malware)])),
        Action::Quarantine
    );
    let mut asks = hit("a", 0, Category::Policy);
    asks.action = Some(Action::Reject);
    assert_eq!(action(&mail(vec![asks])), Action::Reject);
}

#[test]
fn a_threshold_of_zero_does_not_act_on_a_mail_that_no_rule_hit() {
    let mut tenant = Tenant::default();
    tenant.thresholds.tag = 0;
    assert_eq!(decide(&mail(vec![]), &tenant).action, Action::Accept);
    assert_eq!(
        decide(&mail(vec![hit("a", 0, Category::Spam)]), &tenant).action,
        Action::Tag
    );
}

#[test]
fn a_trusted_sender_passes_spam_but_never_malware() {
    let tenant = Tenant {
        allow: AllowList {
            domains: vec!["sender.example".into()],
            ..AllowList::default()
        },
        ..Tenant::default()
    };
    let spam = decide(&mail(vec![hit("a", 90, Category::Spam)]), &tenant);
    assert_eq!(spam.action, Action::Accept);
    assert!(spam.reasons.iter().any(|r| matches!(
        r,
        Reason::Allowed {
            lifted: Action::Quarantine,
            ..
        }
    )));
    let malware = mail(vec![
        hit("a", 90, Category::Spam),
        hit("b", 1, Category::Malware),
    ]);
    assert_eq!(decide(&malware, &tenant).action, Action::Quarantine);
}

#[test]
fn a_trusted_sender_does_not_make_the_unseen_clean() {
    let tenant = Tenant {
        allow: AllowList {
            domains: vec!["sender.example".into()],
            ..AllowList::default()
        },
        ..Tenant::default()
    };
    let mut evidence = mail(vec![]);
    evidence.unseen = vec![unseen_artifact(Coverage::OverLimit)];
    assert_eq!(decide(&evidence, &tenant).action, Action::Quarantine);
    evidence.unseen.clear();
    evidence.failures = vec![failure(Check::Scan)];
    assert_eq!(decide(&evidence, &tenant).action, Action::Tempfail);
}

fn unseen_artifact(coverage: Coverage) -> Unseen {
    Unseen {
        artifact: "1.2".into(),
        coverage,
        detail: None,
    }
}

#[test]
fn what_was_not_seen_is_not_clean() {
    let table = [
        (Coverage::Full, Action::Accept),
        (Coverage::Unsupported, Action::Accept),
        (Coverage::Encrypted, Action::Tag),
        (Coverage::Damaged, Action::Tag),
        (Coverage::OverLimit, Action::Quarantine),
    ];
    for (coverage, expected) in table {
        let mut evidence = mail(vec![]);
        evidence.unseen = vec![unseen_artifact(coverage)];
        assert_eq!(action(&evidence), expected, "{coverage}");
    }
}

#[test]
fn a_failed_inspection_defers_and_is_held_at_the_third_try() {
    let mut evidence = mail(vec![]);
    evidence.failures = vec![failure(Check::Inspection)];
    for (tries, expected) in [
        (1, Action::Tempfail),
        (2, Action::Tempfail),
        (3, Action::Quarantine),
    ] {
        evidence.failed_tries = tries;
        assert_eq!(action(&evidence), expected, "try {tries}");
    }
}

#[test]
fn a_failure_does_not_undo_what_was_found() {
    let mut evidence = mail(vec![hit("a", 100, Category::Malware)]);
    evidence.failures = vec![failure(Check::Scan)];
    evidence.failed_tries = 1;
    assert_eq!(action(&evidence), Action::Quarantine);
    let mut tagged = mail(vec![hit("a", 50, Category::Spam)]);
    tagged.failures = vec![failure(Check::Scan)];
    assert_eq!(action(&tagged), Action::Tempfail);
}

#[test]
fn the_heaviest_category_names_the_verdict() {
    let verdict = decide(
        &mail(vec![
            hit("a", 30, Category::Spam),
            hit("b", 20, Category::Phishing),
            hit("c", 20, Category::Phishing),
        ]),
        &Tenant::default(),
    );
    assert_eq!(verdict.category, Some(Category::Phishing));
    let tie = decide(
        &mail(vec![
            hit("a", 20, Category::Spam),
            hit("b", 20, Category::Malware),
        ]),
        &Tenant::default(),
    );
    assert_eq!(tie.category, Some(Category::Malware));
}

proptest! {
    #[test]
    fn more_live_hits_never_make_a_verdict_milder(
        scores in proptest::collection::vec(0i64..200, 0..6), extra in 0i64..200, tries in 0u32..5,
        fails in any::<bool>(),
    ) {
        let hits: Vec<Hit> = scores
            .iter()
            .enumerate()
            .map(|(i, s)| hit(&format!("r{i}"), *s, Category::Spam))
            .collect();
        let mut fewer = mail(hits);
        fewer.failed_tries = tries;
        if fails {
            fewer.failures = vec![failure(Check::Scan)];
        }
        let mut more = fewer.clone();
        more.hits.push(hit("extra", extra, Category::Phishing));
        let (a, b) = (action(&fewer), action(&more));
        prop_assert!(a == b || b == stronger(a, b));
    }
}
