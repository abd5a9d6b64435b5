//! What a worker gives up before it touches the first hostile byte.
//!
//! In order: the rules are loaded (that needs files); Landlock takes away files, network and
//! signals; the scanners are made, whose helper thread inherits that; seccomp then leaves all
//! threads the few system calls that computing and talking on the open socket need. What the kernel
//! does not offer is reported, never pretended.

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetStatus,
    Scope,
};
use rustix::process::{DumpableBehavior, Resource, Rlimit, Signal};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What of the confinement holds; shown by `postern status`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confinement {
    /// Files, network and signals are out of reach: `full`, `partial`, or why not.
    pub landlock: String,
    /// System calls are restricted: `on`, or why not.
    pub seccomp: String,
    /// The process can gain no privileges.
    pub no_new_privileges: bool,
    /// Octets of private writable memory that it may have; 0 if there is no limit.
    pub memory_limit: u64,
}

/// Takes away privileges and sets the limits that can be set before the rules are loaded.
pub(super) fn limit(memory: u64, confinement: &mut Confinement) {
    // The worker must not outlive its daemon, and leaves no core file with mail in it.
    let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
    let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let _ = set_limit(Resource::Core, 0);
    let _ = set_limit(Resource::Fsize, 0);
    confinement.no_new_privileges = rustix::thread::set_no_new_privs(true).is_ok();
    // RLIMIT_DATA counts private writable memory. RLIMIT_AS would also count the address space that
    // wasmtime reserves without using it.
    if set_limit(Resource::Data, memory).is_ok() {
        confinement.memory_limit = memory;
    }
}

/// Gives up files, network and signals for this thread and all that it starts.
pub(super) fn give_up_files_and_network(confinement: &mut Confinement) {
    confinement.landlock = match landlock() {
        Ok(RulesetStatus::FullyEnforced) => "full".to_owned(),
        Ok(RulesetStatus::PartiallyEnforced) => "partial".to_owned(),
        Ok(RulesetStatus::NotEnforced) => "not offered by this kernel".to_owned(),
        Err(error) => error.to_string(),
    };
}

/// Leaves all threads of the process only the system calls of computing.
pub(super) fn give_up_system_calls(confinement: &mut Confinement) {
    confinement.seccomp = match seccomp() {
        Ok(()) => "on".to_owned(),
        Err(error) => error.to_string(),
    };
}

fn set_limit(resource: Resource, value: u64) -> rustix::io::Result<()> {
    rustix::process::setrlimit(
        resource,
        Rlimit {
            current: Some(value),
            maximum: Some(value),
        },
    )
}

fn landlock() -> Result<RulesetStatus, landlock::RulesetError> {
    // All that is handled and not allowed again is denied, and nothing is allowed again.
    let abi = ABI::V6;
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(abi))?
        .handle_access(AccessNet::from_all(abi))?
        .scope(Scope::from_all(abi))?
        .create()?
        .restrict_self()?;
    Ok(status.ruleset)
}

fn seccomp() -> Result<(), seccompiler::Error> {
    let arch = std::env::consts::ARCH
        .try_into()
        .map_err(seccompiler::Error::Backend)?;
    // Other calls fail with EPERM instead of killing the process: some library may try one and go
    // on without it, and what is refused is refused either way.
    let refuse = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let filter = SeccompFilter::new(allowed()?, refuse, SeccompAction::Allow, arch)
        .map_err(seccompiler::Error::Backend)?;
    let program: BpfProgram = filter.try_into().map_err(seccompiler::Error::Backend)?;
    seccompiler::apply_filter_all_threads(&program)
}

fn allowed() -> Result<BTreeMap<i64, Vec<SeccompRule>>, seccompiler::Error> {
    let always = [
        libc::SYS_brk,
        libc::SYS_clock_gettime,
        libc::SYS_clock_nanosleep,
        libc::SYS_close,
        libc::SYS_exit,
        libc::SYS_exit_group,
        libc::SYS_futex,
        libc::SYS_getpid,
        libc::SYS_getrandom,
        libc::SYS_gettid,
        libc::SYS_gettimeofday,
        libc::SYS_madvise,
        libc::SYS_mremap,
        libc::SYS_munmap,
        libc::SYS_nanosleep,
        libc::SYS_ppoll,
        libc::SYS_read,
        libc::SYS_readv,
        libc::SYS_recvfrom,
        libc::SYS_recvmsg,
        libc::SYS_restart_syscall,
        // Like set_robust_list below: the C library's first steps in a new thread. The scanners'
        // helper thread may still be at them, and glibc aborts if rseq is refused.
        libc::SYS_rseq,
        libc::SYS_rt_sigaction,
        libc::SYS_rt_sigprocmask,
        libc::SYS_rt_sigreturn,
        libc::SYS_sched_getaffinity,
        libc::SYS_sched_yield,
        libc::SYS_sendmsg,
        libc::SYS_sendto,
        libc::SYS_set_robust_list,
        libc::SYS_sigaltstack,
        libc::SYS_tgkill,
        libc::SYS_write,
        libc::SYS_writev,
    ];
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        always.into_iter().map(|call| (call, Vec::new())).collect();
    // Memory may be had, but none that can be executed: the rules are compiled by now.
    for call in [libc::SYS_mmap, libc::SYS_mprotect] {
        let executable = u64::from(libc::PROT_EXEC.unsigned_abs());
        let condition = SeccompCondition::new(
            2,
            SeccompCmpArgLen::Dword,
            SeccompCmpOp::MaskedEq(executable),
            0,
        )
        .map_err(seccompiler::Error::Backend)?;
        let rule = SeccompRule::new(vec![condition]).map_err(seccompiler::Error::Backend)?;
        rules.insert(call, vec![rule]);
    }
    Ok(rules)
}
