//! The daemon, as an operator runs it: the real binary, a configuration file, a directory of rules.

use super::{PATIENCE, Run, eventually, free_port, is_alive, postern, signal, workspace};
use anyhow::{Context, Result, bail, ensure};
use rustix::process::Signal;
use serde_json::Value;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How a daemon is set up, beside what every test needs.
#[derive(Debug, Default)]
pub(crate) struct Setup {
    settings: BTreeMap<String, String>,
    tenants: String,
    rules: Vec<(String, String)>,
    environment: Vec<(String, OsString)>,
    state: Option<PathBuf>,
    milter_socket: bool,
}

impl Setup {
    /// A setting: a dotted key, and its value in TOML.
    #[must_use]
    pub(crate) fn set(mut self, key: &str, value: &str) -> Setup {
        self.settings.insert(key.to_owned(), value.to_owned());
        self
    }

    /// A setting, unless the test has made it already.
    #[must_use]
    pub(crate) fn or_set(mut self, key: &str, value: &str) -> Setup {
        self.settings
            .entry(key.to_owned())
            .or_insert_with(|| value.to_owned());
        self
    }

    /// Configuration at the end of the file: `[[tenant]]`.
    #[must_use]
    pub(crate) fn tenants(mut self, toml: &str) -> Setup {
        self.tenants.push_str(toml);
        self
    }

    /// One more file of rules, by its path below the rules directory.
    #[must_use]
    pub(crate) fn rule(mut self, path: &str, source: &str) -> Setup {
        self.rules.push((path.to_owned(), source.to_owned()));
        self
    }

    /// An environment variable.
    #[must_use]
    pub(crate) fn env(mut self, name: &str, value: impl Into<OsString>) -> Setup {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    /// Keeps the state in an existing directory instead of one of its own.
    #[must_use]
    pub(crate) fn state(mut self, dir: &Path) -> Setup {
        self.state = Some(dir.to_owned());
        self
    }

    /// The milter listens on a unix socket instead of a port.
    #[must_use]
    pub(crate) fn milter_socket(mut self) -> Setup {
        self.milter_socket = true;
        self
    }
}

/// A daemon with a state of its own. It ends with the test, and what it has logged is shown if the
/// test fails.
#[derive(Debug)]
pub(crate) struct Daemon {
    dir: TempDir,
    state: PathBuf,
    milter: String,
    environment: Vec<(String, OsString)>,
    child: Option<Child>,
}

impl Daemon {
    /// Writes the configuration and copies the project's rules; starts nothing. Held mail is released
    /// to a port of this machine.
    pub(crate) fn prepare(setup: Setup, release_to: u16) -> Result<Daemon> {
        let address = format!("\"127.0.0.1:{release_to}\"");
        Daemon::prepare_without_release(setup.or_set("release.address", &address))
    }

    /// The same, and held mail is released to wherever that is without a setting.
    pub(crate) fn prepare_without_release(setup: Setup) -> Result<Daemon> {
        let dir = TempDir::with_prefix("postern-e2e-")?;
        let root = dir.path();
        // Postfix must be able to reach the milter's socket in here, as its own user.
        fs::set_permissions(root, fs::Permissions::from_mode(0o755))?;
        let (listen, milter) = if setup.milter_socket {
            let path = root.join("milter.sock");
            (
                format!("unix:{}", path.display()),
                format!("unix:{}", path.display()),
            )
        } else {
            let port = free_port()?;
            (
                format!("127.0.0.1:{port}"),
                format!("inet:127.0.0.1:{port}"),
            )
        };
        copy_dir(&workspace().join("rules"), &root.join("rules"))?;
        for (path, source) in &setup.rules {
            write_new(&root.join("rules").join(path), source)?;
        }
        let state = setup.state.unwrap_or_else(|| root.join("var"));
        let text = |value: String| format!("{value:?}");
        let mut settings = BTreeMap::from([
            ("state_dir".to_owned(), text(state.display().to_string())),
            (
                "rules_dir".to_owned(),
                text(root.join("rules").display().to_string()),
            ),
            ("milter.listen".to_owned(), format!("[{listen:?}]")),
            ("milter.socket_mode".to_owned(), "\"0666\"".to_owned()),
            ("workers.count".to_owned(), "2".to_owned()),
            // The machine of a test may have less room than a mail server should have.
            ("store.min_free".to_owned(), "\"1 MiB\"".to_owned()),
            ("log.format".to_owned(), "\"json\"".to_owned()),
        ]);
        settings.extend(setup.settings);
        let lines = settings
            .iter()
            .map(|(key, value)| format!("{key} = {value}\n"));
        fs::write(
            root.join("postern.toml"),
            lines.collect::<String>() + &setup.tenants,
        )?;
        Ok(Daemon {
            dir,
            state,
            milter,
            environment: setup.environment,
            child: None,
        })
    }

    /// Starts the daemon and waits until it serves.
    pub(crate) fn start(&mut self) -> Result<()> {
        self.spawn()?;
        self.wait_until_it_serves()
    }

    /// Waits until the daemon answers its operator.
    pub(crate) fn wait_until_it_serves(&self) -> Result<()> {
        eventually("the daemon answers on its control socket", || {
            if self.has_ended() {
                return Some(Err(anyhow::anyhow!(
                    "the daemon ended at once:\n{}",
                    self.log()
                )));
            }
            // Status 1: it serves, and something is not as it should be; tests look at that by themselves.
            let answered = |run: &Run| matches!(run.status, Some(0 | 1));
            self.cli(["status", "--json"]).ok().filter(answered).map(Ok)
        })??;
        Ok(())
    }

    /// Starts the daemon and does not wait for anything.
    pub(crate) fn spawn(&mut self) -> Result<()> {
        ensure!(self.child.is_none(), "the daemon runs");
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.path("log"))?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
        command.arg("serve").arg("--config").arg(self.config());
        command.envs(self.environment.iter().cloned());
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        self.child = Some(command.spawn().with_context(|| format!("{command:?}"))?);
        Ok(())
    }

    /// The milter's address as main.cf has it.
    pub(crate) fn milter(&self) -> &str {
        &self.milter
    }

    /// A path in the state directory: `journal`, `quarantine`.
    pub(crate) fn state(&self, name: &str) -> PathBuf {
        self.state.join(name)
    }

    /// A path in the directory of the test's own files: `rules`, `log`.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The configuration file.
    pub(crate) fn config(&self) -> PathBuf {
        self.path("postern.toml")
    }

    /// Everything it has logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// The log lines that are JSON objects.
    pub(crate) fn log_lines(&self) -> Vec<Value> {
        self.log()
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// Runs a command against this daemon.
    pub(crate) fn cli<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Result<Run> {
        let own = ["--config".into(), self.config().into_os_string()];
        postern(args.into_iter().map(OsString::from).chain(own))
    }

    /// `postern status`.
    pub(crate) fn status(&self) -> Result<Value> {
        let run = self.cli(["status", "--json"])?;
        ensure!(matches!(run.status, Some(0 | 1)), "{run:?}");
        run.object()
    }

    /// Process ids of the workers that are there now.
    pub(crate) fn worker_pids(&self) -> Result<Vec<u32>> {
        let status = self.status()?;
        let workers = status["workers"]
            .as_array()
            .context("status has no workers")?;
        let pids = workers.iter().filter_map(|worker| worker["pid"].as_u64());
        Ok(pids
            .filter(|&pid| pid > 0)
            .filter_map(|pid| u32::try_from(pid).ok())
            .collect())
    }

    /// Waits until so many workers are there; their process ids.
    pub(crate) fn wait_for_workers(&self, count: usize) -> Result<Vec<u32>> {
        eventually("all workers are there", || {
            self.worker_pids().ok().filter(|pids| pids.len() == count)
        })
    }

    /// All entries, in any state, as `quarantine list` gives them.
    pub(crate) fn entries(&self) -> Result<Vec<Value>> {
        self.cli(["quarantine", "list", "--state", "any", "--all", "--json"])?
            .ok()
            .json()
    }

    /// The only entry whose subject contains a text.
    pub(crate) fn entry(&self, subject: &str) -> Result<Value> {
        let mut found = self.entries()?;
        found.retain(|entry| {
            entry["subject"]
                .as_str()
                .is_some_and(|s| s.contains(subject))
        });
        match found.as_slice() {
            [entry] => Ok(entry.clone()),
            _ => bail!("{} entries with `{subject}`, not 1: {found:?}", found.len()),
        }
    }

    /// The id of the only entry whose subject contains a text.
    pub(crate) fn entry_id(&self, subject: &str) -> Result<String> {
        let entry = self.entry(subject)?;
        Ok(entry["id"]
            .as_str()
            .context("an entry has an id")?
            .to_owned())
    }

    /// Waits until it is on record what was answered to a mail: that is journalled after the answer, so
    /// a sender may be faster. What was answered.
    pub(crate) fn answered(&self, id: &str) -> Result<String> {
        let what = format!("the answer to {id} is on record");
        eventually(&what, || {
            let shown = self.cli(["verdict", "show", id, "--json"]).ok()?;
            let reply = shown.object().ok()?["reply"].as_str()?.to_owned();
            Some(reply)
        })
    }

    /// The stored files of held mails.
    pub(crate) fn held_files(&self) -> Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        find_files(&self.state("quarantine"), &mut found)?;
        found.retain(|path| path.extension().is_some_and(|e| e == "eml"));
        Ok(found)
    }

    /// The process id.
    pub(crate) fn pid(&self) -> Result<u32> {
        Ok(self.child.as_ref().context("the daemon does not run")?.id())
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, which: Signal) -> Result<()> {
        signal(self.pid()?, which)
    }

    /// Ends it the way a power cut does.
    pub(crate) fn kill(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// Ends it the way a service manager does, and waits for its end.
    pub(crate) fn terminate(&mut self) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        self.wait()
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> Result<ExitStatus> {
        let mut child = self.child.take().context("the daemon does not run")?;
        let start = Instant::now();
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(status);
            }
            if start.elapsed() > PATIENCE {
                child.kill()?;
                bail!("the daemon did not end:\n{}", self.log());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Whether it has ended by itself.
    fn has_ended(&self) -> bool {
        !self
            .child
            .as_ref()
            .is_some_and(|child| is_alive(child.id()))
    }
}

impl Drop for Daemon {
    #[expect(
        clippy::print_stderr,
        reason = "the test framework shows it with the failure"
    )]
    fn drop(&mut self) {
        let _ = self.kill();
        if std::thread::panicking() {
            eprintln!("--- log of the daemon\n{}", self.log());
        }
    }
}

fn write_new(path: &Path, content: &str) -> Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    Ok(fs::write(path, content)?)
}

fn copy_dir(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for found in fs::read_dir(from).with_context(|| from.display().to_string())? {
        let found = found?;
        let target = to.join(found.file_name());
        if found.file_type()?.is_dir() {
            copy_dir(&found.path(), &target)?;
        } else {
            fs::copy(found.path(), target)?;
        }
    }
    Ok(())
}

fn find_files(dir: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    let Ok(children) = fs::read_dir(dir) else {
        return Ok(());
    };
    for child in children {
        let child = child?;
        if child.file_type()?.is_dir() {
            find_files(&child.path(), found)?;
        } else {
            found.push(child.path());
        }
    }
    Ok(())
}
