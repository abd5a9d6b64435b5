//! The journey of one mail.

use crate::disposition::{Answer, Decided, Disposition, Door, QuarantineMode, dispose};
use crate::examine::{Examined, examine};
use crate::record::{Received, held_entry, record};
use crate::snapshot::{RulesDir, SnapshotError};
use crate::tries::{FailedMails, Tries};
use crate::worker::{AskError, Pool, PoolOptions, Ready, StartError};
use arc_swap::ArcSwap;
use mail::Envelope;
use policy::{Policy, Verdict, decide};
use rules::LoadOptions;
use sha2::{Digest, Sha256};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use store::{Event, HeldEntry, MailId, NextHop, Store, VerdictRecord};
use tracing::{error, info, warn};

/// A mail at the door.
#[derive(Debug, Clone)]
pub struct Mail {
    /// Which door it came through.
    pub door: Door,
    /// The MTA's id.
    pub queue_id: Option<String>,
    /// Who sends it to whom.
    pub envelope: Envelope,
    /// The message, with CRLF line ends.
    pub raw: Arc<[u8]>,
}

/// What became of a mail.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Its id.
    pub id: MailId,
    /// What the door is to do.
    pub disposition: Disposition,
    /// The verdicts by group; empty if none could be given.
    pub groups: Vec<(Vec<String>, Verdict)>,
    /// What the sender may be told beside the code. It says nothing of rules.
    pub text: String,
}

/// How the daemon's side is run.
#[derive(Debug)]
pub struct FilterOptions {
    /// The workers.
    pub pool: PoolOptions,
    /// The rules.
    pub rules: RulesDir,
    /// The policy.
    pub policy: Policy,
    /// Where mail is held.
    pub quarantine: QuarantineMode,
}

/// Why new rules did not come into force.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// They could not be copied.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// They could not be loaded.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The change could not be journalled.
    #[error("journal: {0}")]
    Journal(#[from] store::AppendError),
}

/// The daemon's side of Postern.
pub struct Filter {
    store: Store,
    pool: Pool,
    rules: RulesDir,
    policy: ArcSwap<InForce>,
    quarantine: QuarantineMode,
    failed: FailedMails,
    rules_error: ArcSwap<Option<String>>,
    reloading: tokio::sync::Mutex<()>,
    /// Milliseconds since 1970-01-01 UTC.
    rules_loaded: AtomicI64,
    failures: AtomicU64,
    poison: AtomicU64,
}

#[derive(Debug)]
struct InForce {
    policy: Policy,
    digest: String,
}

impl Filter {
    /// Starts the workers and journals what is in force. If the rules are broken and an earlier
    /// set worked, that one serves, and [`Filter::rules_error`] says why.
    ///
    /// # Errors
    /// If no set of rules can be loaded, or the journal does not take the events.
    pub async fn start(store: Store, options: FilterOptions) -> Result<Filter, ReloadError> {
        let FilterOptions {
            pool,
            rules,
            policy,
            quarantine,
        } = options;
        let (pool, snapshot, broken) = start_pool(pool, &rules).await?;
        if let Err(error) = rules.keep(&snapshot) {
            warn!(%error, "the rules in force cannot be noted for the next start");
        }
        let digest = policy.digest();
        let event = Event::PolicyLoaded {
            digest: digest.clone(),
            policy: Box::new(policy.clone()),
        };
        store.append(event).await?;
        let filter = Filter {
            store,
            pool,
            rules,
            policy: ArcSwap::from_pointee(InForce { policy, digest }),
            quarantine,
            failed: FailedMails::default(),
            rules_error: ArcSwap::from_pointee(broken),
            reloading: tokio::sync::Mutex::default(),
            rules_loaded: AtomicI64::default(),
            failures: AtomicU64::default(),
            poison: AtomicU64::default(),
        };
        filter.journal_rules(&filter.pool.status().ready).await?;
        Ok(filter)
    }

    /// Takes one mail through the journey.
    ///
    /// Nothing is promised before it is durable: the caller answers the sender after this returns,
    /// and a returned `Accept` or `Discard` means that file and journal are synced. So does a `Reject`:
    /// a copy that is kept of a refused mail is there before the sender hears of it.
    pub async fn take(&self, mail: Mail) -> Outcome {
        let received = Received::now(self.store.new_id());
        let id = received.id.clone();
        let in_force = self.policy.load_full();
        let groups = in_force.policy.groups(&mail.envelope.rcpts);
        let tenants = groups
            .iter()
            .map(|group| group.tenant.name.clone())
            .collect();

        // 1 to 6: parse, unpack, scan, extract, look up, judge. A mail that has killed workers is
        // not given to another one.
        let (examined, tries) = match self.examine(&mail, tenants).await {
            Ok(examined) => examined,
            Err(error) => return self.refuse_for_now(&id, &mail, &error.to_string()),
        };

        // 7: decide, for each group of recipients.
        let evidence = examined.evidence(&mail.envelope.mail_from, tries.failed);
        let verdicts: Vec<(Vec<String>, Verdict)> = groups
            .iter()
            .map(|group| (group.rcpts.clone(), decide(&evidence, group.tenant)))
            .collect();
        let decided = groups.iter().zip(&verdicts);
        let decided = decided.map(|(group, (_, verdict))| Decided {
            verdict,
            keep_copy: group.tenant.rejecting.keep_copy,
        });
        let disposition = dispose(&decided.collect::<Vec<_>>(), mail.door, self.quarantine);
        let record = record(
            &received,
            &mail,
            examined,
            evidence,
            &verdicts,
            &disposition,
            &in_force.digest,
        );

        // 8 and 9: hold and journal, in a task of their own: an MTA that goes away drops this future, and a
        // copy that is held but not journalled would only be found at the next start.
        let record = Arc::new(record);
        let keeping = keep(
            self.store.clone(),
            Arc::clone(&record),
            Arc::clone(&mail.raw),
        );
        match tokio::spawn(keeping).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return self.refuse_for_now(&id, &mail, &error),
            Err(error) => return self.refuse_for_now(&id, &mail, &error.to_string()),
        }
        log_verdict(&record, &disposition);
        // 10: answer. The door does that, and then reports what it really said.
        let text = sender_text(&id, &disposition);
        Outcome {
            id,
            disposition,
            groups: verdicts,
            text,
        }
    }

    /// Journals what a door really said to the sender, or that it could say nothing; and what the next
    /// hop had said before, if the door has asked it.
    pub fn answered(&self, id: &MailId, queue_id: &str, reply: String, next_hop: Option<NextHop>) {
        let event = Event::Answered {
            id: id.clone(),
            reply,
            next_hop,
        };
        if let Err(error) = self.store.append_soon(event) {
            error!(%id, queue_id, %error, "the answer was given but cannot be journalled");
        }
    }

    /// Puts new rules into force, or says why not; then the old ones stay. `load` says what public
    /// rule sets are worth, if that has changed.
    ///
    /// # Errors
    /// If the rules cannot be copied or loaded, or the change cannot be journalled.
    pub async fn reload_rules(&self, load: Option<LoadOptions>) -> Result<Ready, ReloadError> {
        // One at a time: the end of one reload removes the snapshots that are not in force.
        let _alone = self.reloading.lock().await;
        let before = self.pool.digest();
        let rules = self.rules.clone();
        let snapshot = blocking(move || rules.take()).await;
        let outcome = match snapshot {
            Ok(snapshot) => match self.pool.reload(&snapshot, load).await {
                Ok(ready) => Ok((ready, snapshot)),
                Err(error) => {
                    self.rules.drop_snapshot(&snapshot);
                    Err(ReloadError::from(error))
                }
            },
            Err(error) => Err(error.into()),
        };
        let broken = outcome.as_ref().err().map(ToString::to_string);
        self.rules_error.store(Arc::new(broken));
        let (ready, snapshot) = outcome?;
        if let Err(error) = self.rules.keep(&snapshot) {
            warn!(%error, "the rules in force cannot be noted for the next start");
        }
        self.journal_rules(&ready).await?;
        let changed = ready.digest != before;
        info!(
            digest = ready.digest,
            rules = ready.rules.len(),
            changed,
            "rules are in force"
        );
        Ok(ready)
    }

    /// Puts a new policy into force.
    ///
    /// # Errors
    /// If it cannot be journalled; then the old one stays.
    pub async fn set_policy(&self, policy: Policy) -> Result<(), store::AppendError> {
        let digest = policy.digest();
        let event = Event::PolicyLoaded {
            digest: digest.clone(),
            policy: Box::new(policy.clone()),
        };
        self.store.append(event).await?;
        self.policy.store(Arc::new(InForce { policy, digest }));
        Ok(())
    }

    /// Why the rules in the rules directory are not those in force, if they are not.
    pub fn rules_error(&self) -> Option<String> {
        self.rules_error.load().as_ref().clone()
    }

    /// The workers.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// When the rules in force were loaded, milliseconds since 1970-01-01 UTC.
    pub fn rules_loaded(&self) -> i64 {
        self.rules_loaded.load(Ordering::Relaxed)
    }

    /// Mails since the start in which a check could not tell.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// Mails since the start that were not opened because they had killed workers.
    pub fn poison(&self) -> u64 {
        self.poison.load(Ordering::Relaxed)
    }

    /// Names of the tenants of the policy in force.
    pub fn tenants(&self) -> Vec<String> {
        self.policy
            .load()
            .policy
            .tenants
            .iter()
            .map(|tenant| tenant.name.clone())
            .collect()
    }

    /// The digest of the policy in force.
    pub fn policy_digest(&self) -> String {
        self.policy.load().digest.clone()
    }

    async fn examine(
        &self,
        mail: &Mail,
        tenants: Vec<String>,
    ) -> Result<(Examined, Tries), AskError> {
        let message = (!self.failed.is_empty()).then(|| hash(&mail.raw));
        let before = message
            .as_ref()
            .map(|m| self.failed.of(m))
            .unwrap_or_default();
        if before.is_poison() {
            self.poison.fetch_add(1, Ordering::Relaxed);
            let cause = format!(
                "poison: it has killed {} workers, and is not opened",
                before.killed
            );
            let examined = Examined::unexamined(&cause);
            // Held from now on, whatever number of tries the tenant allows.
            return Ok((
                examined,
                Tries {
                    failed: u32::MAX,
                    ..before
                },
            ));
        }
        let raw = Arc::clone(&mail.raw);
        let examined = examine(&self.pool, raw, &mail.envelope, tenants).await?;
        let tries = if examined.failures.is_empty() {
            if let Some(message) = &message {
                self.failed.forget(message);
            }
            Tries::default()
        } else {
            self.failures.fetch_add(1, Ordering::Relaxed);
            self.failed
                .failed(message.unwrap_or_else(|| hash(&mail.raw)), examined.killed)
        };
        Ok((examined, tries))
    }

    async fn journal_rules(&self, ready: &Ready) -> Result<(), store::AppendError> {
        let event = Event::RulesLoaded {
            digest: ready.digest.clone(),
            rules: ready.rules.len() as u64,
        };
        self.store.append(event).await?;
        self.rules_loaded
            .store(jiff::Timestamp::now().as_millisecond(), Ordering::Relaxed);
        Ok(())
    }

    fn refuse_for_now(&self, id: &MailId, mail: &Mail, cause: &str) -> Outcome {
        let queue_id = mail.queue_id.as_deref().unwrap_or("-");
        error!(%id, queue_id, cause, "mail deferred");
        let disposition = Disposition {
            answer: Answer::Tempfail,
            hold: vec![],
            remove: vec![],
            mta_hold: false,
            shown: None,
        };
        let text = sender_text(id, &disposition);
        Outcome {
            id: id.clone(),
            disposition,
            groups: Vec::new(),
            text,
        }
    }
}

/// Holds the copies that are to be held, then journals the verdict. In this order, since the journal must
/// not promise a file that is not there, and nothing is answered before both are synced.
async fn keep(store: Store, record: Arc<VerdictRecord>, raw: Arc<[u8]>) -> Result<(), String> {
    let held: Vec<HeldEntry> = record
        .groups
        .iter()
        .filter_map(|group| held_entry(&record, group))
        .collect();
    for entry in held.clone() {
        let (store, raw) = (store.clone(), Arc::clone(&raw));
        blocking(move || store.hold(&entry, &raw))
            .await
            .map_err(|error| error.to_string())?;
    }
    let verdict = Event::Verdict(Box::new(VerdictRecord::clone(&record)));
    store
        .append(verdict)
        .await
        .map_err(|error| error.to_string())?;
    for mut entry in held {
        entry.record = None;
        store
            .append(Event::Held(entry))
            .await
            .map_err(|error| error.to_string())?;
    }
    Ok(())
}

async fn start_pool(
    options: PoolOptions,
    rules: &RulesDir,
) -> Result<(Pool, PathBuf, Option<String>), ReloadError> {
    let taken = {
        let rules = rules.clone();
        blocking(move || rules.take()).await
    };
    let error = match taken {
        Ok(snapshot) => match Pool::start(options.clone(), &snapshot).await {
            Ok(pool) => return Ok((pool, snapshot, None)),
            Err(error) => {
                rules.drop_snapshot(&snapshot);
                ReloadError::from(error)
            }
        },
        Err(error) => error.into(),
    };
    let Some(last_good) = rules.last_good() else {
        return Err(error);
    };
    error!(%error, "the rules are broken; serving with the last ones that worked");
    let pool = Pool::start(options, &last_good).await?;
    Ok((pool, last_good, Some(error.to_string())))
}

/// What the sender hears; it must help an honest sender and tell a dishonest one nothing.
fn sender_text(id: &MailId, disposition: &Disposition) -> String {
    match disposition.answer {
        Answer::Reject => format!("Message refused by content policy; reference {id}"),
        Answer::Tempfail => {
            format!("Message cannot be checked now, try again later; reference {id}")
        }
        Answer::Accept | Answer::Discard => format!("Message accepted; reference {id}"),
    }
}

fn log_verdict(record: &VerdictRecord, disposition: &Disposition) {
    let strongest = record
        .groups
        .iter()
        .map(|g| &g.verdict)
        .max_by_key(|v| v.action);
    let entries = record.groups.iter().flat_map(|g| &g.entry);
    let mut held: Vec<String> = entries.map(ToString::to_string).collect();
    held.extend(record.held_by_mta.then(|| "MTA".to_owned()));
    info!(
        id = %record.id,
        queue_id = record.queue_id.as_deref().unwrap_or("-"),
        answer = disposition.answer.as_str(),
        action = strongest.map_or("-", |v| v.action.as_str()),
        score = strongest.map_or(0, |v| v.score),
        held = held.join(","),
        rcpts = record.rcpts.len(),
        size = record.size,
        artifacts = record.artifacts.len(),
        failures = record.evidence.failures.len(),
        ms = record.ms,
        "verdict"
    );
}

fn hash(message: &[u8]) -> [u8; 32] {
    Sha256::digest(message).into()
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        // The work panicked; the panic goes on where the mail's own task is caught.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
