//! Mails that keep a worker busy for long, so that a test can act while one is scanned.

use super::{Setup, clean, eventually};
use anyhow::Result;

/// Rules that count to a number that takes seconds, or minutes, whenever a mail says so.
const RULES: &str = r#"
rule takes_its_time {
    meta:
        description = "Keeps a worker busy"
        score = 0
        category = "suspicious"
    strings:
        $wish = "X-Wish: take your time"
    condition:
        $wish and for all i in (0..40000) : ( for all j in (0..100000) : ( i + j >= 0 ) )
}

rule takes_forever {
    meta:
        description = "Keeps a worker busy for far too long"
        score = 0
        category = "suspicious"
    strings:
        $wish = "X-Wish: take forever"
    condition:
        $wish and for all i in (0..4000000) : ( for all j in (0..4000000) : ( i + j >= 0 ) )
}
"#;

/// A daemon with the rules.
pub(crate) fn setup() -> Setup {
    // Far above what the first rule needs, so that nothing but the test ends its scan.
    Setup::default()
        .rule("raw/slow.yar", RULES)
        .set("workers.scan_timeout", "\"50s\"")
}

/// A clean mail that takes seconds.
pub(crate) fn mail(subject: &str) -> Vec<u8> {
    [b"X-Wish: take your time\r\n".as_slice(), &clean(subject)].concat()
}

/// A clean mail that takes longer than any timeout.
pub(crate) fn very_slow_mail(subject: &str) -> Vec<u8> {
    [b"X-Wish: take forever\r\n".as_slice(), &clean(subject)].concat()
}

/// Clock ticks (of 10 ms) that a worker has used when it certainly works on a mail: far more than
/// the housekeeping of an idle one, far less than the slow rule takes.
const BUSY_TICKS: u64 = 20;

/// Waits until one of these workers, which were idle, works on a mail; its process id.
pub(crate) fn wait_until_busy(workers: &[u32]) -> Result<u32> {
    let before: Vec<u64> = workers.iter().map(|&pid| ticks(pid)).collect();
    eventually("a worker is busy", || {
        let mut both = workers.iter().zip(&before);
        both.find(|&(&pid, &before)| ticks(pid) >= before + BUSY_TICKS)
            .map(|(&pid, _)| pid)
    })
}

/// Processor time of a process in clock ticks.
fn ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name is in parentheses and may contain anything; utime and stime are fields 14 and 15.
    let fields = stat
        .rsplit_once(") ")
        .map(|(_, rest)| rest)
        .unwrap_or_default();
    let mut fields = fields
        .split(' ')
        .skip(11)
        .map(|field| field.parse().unwrap_or(0));
    fields.next().unwrap_or(0) + fields.next().unwrap_or(0)
}
