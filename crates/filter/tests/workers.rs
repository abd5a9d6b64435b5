//! The worker pool with real worker processes. The worker is this test binary itself, asked to run the one
//! ignored test below.

use filter::worker::{AskError, Pool, PoolOptions};
use filter::{Examined, examine};
use mail::Envelope;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

const MARKER: &str = "a-marker-that-a-rule-looks-for";
const RULE: &str = r#"
rule marker {
  meta:
    description = "The marker of these tests"
    score = 50
    category = "suspicious"
  strings:
    $marker = "a-marker-that-a-rule-looks-for"
  condition:
    $marker
}
"#;

#[test]
#[ignore = "is the worker process of the other tests"]
fn worker_process() {
    filter::worker::run().expect("the daemon side ends the worker in good order");
}

struct Rules {
    dir: tempfile::TempDir,
}

impl Rules {
    fn new(rule: &str) -> Rules {
        let dir = tempfile::tempdir().expect("temporary directory");
        fs::create_dir(dir.path().join("file")).expect("directory");
        let rules = Rules { dir };
        rules.write(rule);
        rules
    }

    fn write(&self, rule: &str) {
        fs::write(self.dir.path().join("file/test.yar"), rule).expect("file");
    }

    fn path(&self) -> PathBuf {
        self.dir.path().to_owned()
    }
}

fn options(workers: usize) -> PoolOptions {
    let program = std::env::current_exe()
        .expect("own path")
        .to_string_lossy()
        .into_owned();
    let arguments = [
        "worker_process",
        "--exact",
        "--ignored",
        "--nocapture",
        "--test-threads=1",
    ];
    PoolOptions {
        program: [program]
            .into_iter()
            .chain(arguments.map(String::from))
            .collect(),
        workers,
        queue: 8,
        max_wait: Duration::from_secs(30),
        deadline: Duration::from_secs(30),
        load: rules::LoadOptions::default(),
        limits: unpack::Limits::default(),
        memory: 1 << 30,
        scan_timeout: Duration::from_secs(10),
    }
}

async fn look_at(pool: &Pool, message: &str) -> Result<Examined, AskError> {
    let raw = Arc::from(message.as_bytes());
    examine(pool, raw, &Envelope::default(), vec!["default".to_owned()]).await
}

fn mail(text: &str) -> String {
    format!("From: a@example.org\r\nSubject: test\r\n\r\n{text}\r\n")
}

fn rules_hit(examined: &Examined) -> Vec<&str> {
    examined.hits.iter().map(|hit| hit.rule.as_str()).collect()
}

fn pid(pool: &Pool) -> Pid {
    let pid = pool.status().workers.first().and_then(|worker| worker.pid);
    Pid::from_raw(pid.expect("a running worker").cast_signed()).expect("a process id")
}

#[tokio::test]
async fn a_worker_finds_what_a_rule_looks_for_and_says_how_it_is_confined() {
    let rules = Rules::new(RULE);
    let pool = Pool::start(options(2), &rules.path())
        .await
        .expect("starts");
    let hit = look_at(&pool, &mail(MARKER)).await.expect("is answered");
    assert_eq!(rules_hit(&hit), ["marker"]);
    let clean = look_at(&pool, &mail("nothing")).await.expect("is answered");
    assert!(clean.hits.is_empty() && clean.failures.is_empty());

    let status = pool.status();
    assert_eq!(status.workers.len(), 2);
    assert_eq!(status.workers.iter().map(|w| w.mails).sum::<u64>(), 2);
    let confinement = status.ready.confinement;
    assert!(confinement.no_new_privileges);
    assert_eq!(confinement.memory_limit, 1 << 30);
    // Landlock and seccomp depend on the kernel; what must not be is silence about them.
    assert!(!confinement.landlock.is_empty() && !confinement.seccomp.is_empty());
}

#[tokio::test]
async fn a_worker_that_is_killed_costs_its_mail_a_failure_and_nothing_else() {
    let rules = Rules::new(RULE);
    let pool = Pool::start(options(1), &rules.path())
        .await
        .expect("starts");
    let first = pid(&pool);
    // A stopped worker has certainly not answered when it is killed.
    kill_process(first, Signal::STOP).expect("stops it");
    let message = mail(MARKER);
    let (examined, ()) = tokio::join!(look_at(&pool, &message), async {
        while pool.status().waiting > 0 {
            tokio::task::yield_now().await;
        }
        kill_process(first, Signal::KILL).expect("kills it");
    });
    let examined = examined.expect("is answered");
    if examined.failures.is_empty() {
        // The kill came before the mail did: then a fresh worker had it.
        assert_eq!(rules_hit(&examined), ["marker"]);
    } else {
        assert!(examined.killed, "{:?}", examined.failures);
        assert!(examined.hits.is_empty());
    }
    let next = look_at(&pool, &mail(MARKER)).await.expect("is answered");
    assert_eq!(rules_hit(&next), ["marker"]);
    assert_ne!(pid(&pool), first);
    assert_eq!(pool.status().replaced, 1);
}

#[tokio::test]
async fn a_worker_that_dies_while_it_is_idle_costs_no_mail_a_failure() {
    let rules = Rules::new(RULE);
    let pool = Pool::start(options(1), &rules.path())
        .await
        .expect("starts");
    let idle = pid(&pool);
    kill_process(idle, Signal::KILL).expect("kills it");
    while rustix::process::test_kill_process(idle).is_ok() && !is_zombie(idle) {
        tokio::task::yield_now().await;
    }
    let examined = look_at(&pool, &mail(MARKER)).await.expect("is answered");
    assert!(examined.failures.is_empty(), "{:?}", examined.failures);
    assert_eq!(rules_hit(&examined), ["marker"]);
}

/// A killed process stays visible until its parent, the pool, has looked after it; it is dead when its last
/// other thread is gone.
fn is_zombie(pid: Pid) -> bool {
    let proc = PathBuf::from(format!("/proc/{}", pid.as_raw_nonzero()));
    let threads = fs::read_dir(proc.join("task")).map_or(0, Iterator::count);
    let stat = fs::read_to_string(proc.join("stat")).unwrap_or_default();
    let state = stat
        .rsplit_once(')')
        .map(|(_, rest)| rest.trim_start().to_owned());
    threads <= 1 && state.is_some_and(|state| state.starts_with('Z'))
}

#[tokio::test]
async fn a_worker_that_takes_too_long_is_killed_and_the_failure_names_the_limit() {
    let rules = Rules::new(RULE);
    let mut options = options(1);
    options.deadline = Duration::from_secs(1);
    let pool = Pool::start(options, &rules.path()).await.expect("starts");
    kill_process(pid(&pool), Signal::STOP).expect("stops it");
    let examined = look_at(&pool, &mail(MARKER)).await.expect("is answered");
    let cause = &examined.failures.first().expect("a failure").cause;
    assert!(cause.contains("1 s"), "{cause}");
    assert!(examined.killed);
    let next = look_at(&pool, &mail(MARKER)).await.expect("is answered");
    assert_eq!(rules_hit(&next), ["marker"]);
}

#[tokio::test]
async fn memory_is_limited_for_real() {
    let rules = Rules::new(RULE);
    let mut options = options(1);
    // The worker itself, its rules and a small mail fit in; a message of 256 MiB does not.
    options.memory = 128 << 20;
    let pool = Pool::start(options, &rules.path()).await.expect("starts");
    let small = look_at(&pool, &mail(MARKER)).await.expect("is answered");
    assert_eq!(rules_hit(&small), ["marker"]);
    let huge = look_at(&pool, &mail(&"x".repeat(256 << 20)))
        .await
        .expect("is answered");
    assert!(huge.killed, "{:?}", huge.failures);
    let next = look_at(&pool, &mail(MARKER)).await.expect("is answered");
    assert_eq!(rules_hit(&next), ["marker"]);
}

#[tokio::test]
async fn broken_rules_say_where_and_leave_the_old_ones_serving() {
    let rules = Rules::new(RULE);
    let pool = Pool::start(options(1), &rules.path())
        .await
        .expect("starts");
    let before = pool.digest();
    let broken = Rules::new("rule broken {\n  condition:\n    nonsense\n}\n");
    let error = pool
        .reload(&broken.path(), None)
        .await
        .expect_err("does not compile")
        .to_string();
    assert!(
        error.contains("file/test.yar") && error.contains('3'),
        "{error}"
    );
    assert_eq!(pool.digest(), before);
    let examined = look_at(&pool, &mail(MARKER)).await.expect("is answered");
    assert_eq!(rules_hit(&examined), ["marker"]);

    let renamed = Rules::new(&RULE.replace("rule marker", "rule renamed"));
    pool.reload(&renamed.path(), None)
        .await
        .expect("comes into force");
    let examined = look_at(&pool, &mail(MARKER)).await.expect("is answered");
    assert_eq!(rules_hit(&examined), ["renamed"]);
    assert_eq!(pool.status().generation, 1);
}

#[tokio::test]
async fn a_reload_under_load_costs_no_mail_an_answer() {
    let rules = Rules::new(RULE);
    let pool = Pool::start(options(2), &rules.path())
        .await
        .expect("starts");
    let load = {
        let pool = pool.clone();
        tokio::spawn(async move {
            let mut answered = 0;
            for _ in 0..200 {
                let examined = look_at(&pool, &mail(MARKER)).await.expect("is answered");
                assert_eq!(rules_hit(&examined), ["marker"]);
                assert!(examined.failures.is_empty());
                answered += 1;
            }
            answered
        })
    };
    for _ in 0..3 {
        pool.reload(&rules.path(), None)
            .await
            .expect("comes into force");
    }
    assert_eq!(load.await.expect("ends"), 200);
}

#[tokio::test]
async fn a_mail_that_nobody_can_take_is_told_so_and_not_blamed() {
    let rules = Rules::new(RULE);
    let mut options = options(1);
    options.max_wait = Duration::from_secs(2);
    let pool = Pool::start(options, &rules.path()).await.expect("starts");
    let worker = pid(&pool);
    kill_process(worker, Signal::STOP).expect("stops it");
    let (busy, other) = (mail("first"), mail("second"));
    let first = look_at(&pool, &busy);
    tokio::pin!(first);
    // The first mail occupies the worker; the second one waits in vain.
    let second = tokio::select! {
        biased;
        _ = &mut first => panic!("a stopped worker answers nothing"),
        second = look_at(&pool, &other) => second,
    };
    assert!(matches!(second, Err(AskError::Busy(_))), "{second:?}");
    kill_process(worker, Signal::CONT).expect("goes on");
}
