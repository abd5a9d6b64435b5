//! The daemon itself: status, rules, index, audit.

use super::{ApiError, ApiResult, Daemon};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use control::version::{CURRENT, VersionInfo};
use control::{
    AuditReport, DiskStatus, DoorStatus, PolicyStatus, Protection, RebuildStatus, ReloadResult,
    RuleInfo, RuleList, RulesStatus, Status, StoreStatus, WorkerStatus,
};
use filter::worker::{Confinement, Ready};
use std::sync::{Arc, PoisonError};
use std::time::Instant;

pub(super) async fn version() -> Json<VersionInfo> {
    Json(VersionInfo {
        api: CURRENT,
        program: crate::VERSION.to_owned(),
    })
}

pub(super) async fn status(State(daemon): State<Arc<Daemon>>) -> Json<Status> {
    let pool = daemon.filter.pool().status();
    let store = daemon.store.status();
    let (live, shadow) = by_stage(&pool.ready);
    let problems = problems(&daemon, &store, &pool.ready.confinement);
    Json(Status {
        program: crate::VERSION.to_owned(),
        pid: std::process::id(),
        started: daemon.started,
        accepting: !store.low && store.failed.is_none(),
        problems,
        doors: daemon
            .doors
            .iter()
            .map(|(door, address)| DoorStatus {
                door: (*door).to_owned(),
                address: address.clone(),
            })
            .collect(),
        workers: pool
            .workers
            .iter()
            .map(|worker| WorkerStatus {
                pid: worker.pid.unwrap_or(0),
                state: if worker.pid.is_some() {
                    "ready"
                } else {
                    "being replaced"
                }
                .to_owned(),
                mails: worker.mails,
                memory: worker.pid.map(resident).unwrap_or_default(),
                rules: pool.ready.digest.clone(),
            })
            .collect(),
        confinement: protections(&pool.ready.confinement),
        rules: RulesStatus {
            digest: pool.ready.digest.clone(),
            dir: daemon.rules_dir.display().to_string(),
            live,
            shadow,
            loaded: daemon.filter.rules_loaded(),
            last_error: daemon.filter.rules_error(),
        },
        policy: PolicyStatus {
            digest: daemon.filter.policy_digest(),
            tenants: daemon.filter.tenants(),
        },
        answered: daemon.counters.by_answer(),
        failures: daemon.filter.failures(),
        poison: daemon.filter.poison(),
        store: StoreStatus {
            held: store.held,
            journal_seq: store.seq,
            applied_seq: store.applied,
            recovery: store.recovery.sentences(),
        },
        disk: DiskStatus {
            dir: daemon.state_dir.display().to_string(),
            free: store.free_bytes,
            min_free: daemon.min_free,
        },
    })
}

/// What an operator has to look at.
fn problems(daemon: &Daemon, store: &store::Status, confinement: &Confinement) -> Vec<String> {
    let mut problems = Vec::new();
    if let Some(failed) = &store.failed {
        problems.push(format!(
            "journal: {failed}; all mail is deferred until a restart"
        ));
    }
    if store.low {
        let dir = daemon.state_dir.display();
        problems.push(format!("{dir}: disk nearly full; all mail is deferred"));
    }
    if let Some(index) = &store.index {
        problems.push(format!("index: {index}"));
    }
    if let Some(error) = daemon.filter.rules_error() {
        problems.push(format!("the rules on disk are not in force: {error}"));
    }
    if let Some(error) = daemon.config_error.load().as_ref() {
        problems.push(format!(
            "the configuration on disk is not in force: {error}"
        ));
    }
    problems.extend(daemon.mta.problem());
    problems.extend(daemon.certificate.as_ref().and_then(|c| c.problem()));
    let open: Vec<&str> = [
        (confinement.landlock != "full", "files and network"),
        (confinement.seccomp != "on", "system calls"),
        (confinement.memory_limit == 0, "memory"),
        (!confinement.no_new_privileges, "privileges"),
    ]
    .into_iter()
    .filter_map(|(missing, what)| missing.then_some(what))
    .collect();
    if !open.is_empty() {
        problems.push(format!("workers are not confined in: {}", open.join(", ")));
    }
    problems
}

fn protections(confinement: &Confinement) -> Vec<Protection> {
    let protection = |name: &str, holds: bool, detail: String| Protection {
        name: name.to_owned(),
        holds,
        detail,
    };
    let Confinement {
        landlock,
        seccomp,
        no_new_privileges,
        memory_limit,
    } = confinement;
    vec![
        protection(
            "no files, no network (Landlock)",
            landlock == "full",
            landlock.clone(),
        ),
        protection("system calls (seccomp)", seccomp == "on", seccomp.clone()),
        protection("no new privileges", *no_new_privileges, String::new()),
        protection(
            "memory limit",
            *memory_limit > 0,
            format!("{memory_limit} bytes"),
        ),
    ]
}

/// Resident memory of a process in octets, as the kernel says; 0 if it does not.
fn resident(pid: u32) -> u64 {
    let statm = std::fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
    let pages: Option<u64> = statm.split_whitespace().nth(1).and_then(|n| n.parse().ok());
    pages
        .unwrap_or_default()
        .saturating_mul(rustix::param::page_size() as u64)
}

pub(super) async fn rules(State(daemon): State<Arc<Daemon>>) -> Json<RuleList> {
    let ready = daemon.filter.pool().status().ready;
    let rules = ready.rules.iter().map(|rule| RuleInfo {
        rule: rule.full_name(),
        place: rule.place.to_string(),
        file: format!("{}:{}", rule.file, rule.line),
        score: i64::from(rule.score),
        category: rule.category.as_str().to_owned(),
        stage: rule.stage.as_str().to_owned(),
        action: rule.action.map(|action| action.as_str().to_owned()),
        description: rule.description.clone(),
    });
    Json(RuleList {
        rules: rules.collect(),
        digest: ready.digest,
    })
}

pub(super) async fn reload(State(daemon): State<Arc<Daemon>>) -> ApiResult<ReloadResult> {
    let start = Instant::now();
    let before = daemon.filter.pool().digest();
    let ready = daemon.filter.reload_rules(None).await.map_err(|error| {
        let mut refused = ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, error);
        refused.body = refused.body.hint("the rules that were in force still are");
        refused
    })?;
    let (live, shadow) = by_stage(&ready);
    Ok(Json(ReloadResult {
        before,
        live,
        shadow,
        workers: daemon.filter.pool().status().workers.len() as u64,
        digest: ready.digest,
        warnings: ready.warnings,
        ms: u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX),
    }))
}

pub(super) async fn start_rebuild(State(daemon): State<Arc<Daemon>>) -> Json<RebuildStatus> {
    {
        let mut rebuild = daemon
            .rebuild
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if rebuild.running {
            return Json(rebuild.clone());
        }
        *rebuild = RebuildStatus {
            running: true,
            phase: "reading the journal".to_owned(),
            ..RebuildStatus::default()
        };
    }
    let background = Arc::clone(&daemon);
    tokio::task::spawn_blocking(move || run_rebuild(&background));
    rebuild_status(State(daemon)).await
}

pub(super) async fn rebuild_status(State(daemon): State<Arc<Daemon>>) -> Json<RebuildStatus> {
    Json(
        daemon
            .rebuild
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone(),
    )
}

fn run_rebuild(daemon: &Daemon) {
    let start = Instant::now();
    let update = |change: &dyn Fn(&mut RebuildStatus)| {
        change(
            &mut daemon
                .rebuild
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
    };
    let outcome = daemon.store.rebuild(|applied, total| {
        update(&|status| {
            status.applied = applied;
            status.total = total;
        });
    });
    let ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    update(&|status| {
        status.running = false;
        status.phase = "done".to_owned();
        status.ms = ms;
        match &outcome {
            Ok(report) => {
                status.applied = report.lines;
                status.total = report.lines;
                status.records = report.verdicts;
                status.entries = report.entries;
                status.findings = report.damaged.iter().map(crate::audit::damage).collect();
            }
            Err(error) => {
                status.phase = "failed".to_owned();
                status.error = Some(error.to_string());
            }
        }
    });
}

pub(super) async fn verify(State(daemon): State<Arc<Daemon>>) -> ApiResult<AuditReport> {
    let dir = daemon.state_dir.clone();
    let outcome = tokio::task::spawn_blocking(move || store::verify(&dir, true, |_, _| ())).await;
    let outcome = outcome.map_err(ApiError::internal)?;
    Ok(Json(crate::audit::report(outcome)))
}

fn by_stage(ready: &Ready) -> (u64, u64) {
    let live = ready
        .rules
        .iter()
        .filter(|rule| rule.stage.as_str() == "live")
        .count() as u64;
    (live, ready.rules.len() as u64 - live)
}
