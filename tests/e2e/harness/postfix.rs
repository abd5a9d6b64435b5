//! A private Postfix: own configuration, queue and ports, independent of the system's.
//!
//! Traps met in practice: `-c` needs absolute directories, a relative one silently leaves settings
//! unchanged; every `-o` stands on a continuation line; `postfix start` sleeps for seconds, the
//! master itself does not.

use super::{PATIENCE, eventually};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// After this a master whose test was killed ends by itself.
const ORPHAN_SECONDS: &str = "1800";

/// The services that receiving and relaying need; nothing is chrooted.
const SERVICES: &str = "\
pickup    unix  n  -  n  60   1  pickup
cleanup   unix  n  -  n  -    0  cleanup
qmgr      unix  n  -  n  300  1  qmgr
rewrite   unix  -  -  n  -    -  trivial-rewrite
bounce    unix  -  -  n  -    0  bounce
defer     unix  -  -  n  -    0  bounce
trace     unix  -  -  n  -    0  bounce
proxymap  unix  -  -  n  -    -  proxymap
smtp      unix  -  -  n  -    -  smtp
relay     unix  -  -  n  -    -  smtp
showq     unix  n  -  n  -    -  showq
error     unix  -  -  n  -    -  error
retry     unix  -  -  n  -    -  error
anvil     unix  -  -  n  -    1  anvil
postlog   unix-dgram n - n -  1  postlogd
";

/// A Postfix with one smtpd or several, and a next hop that everything goes to.
#[derive(Debug)]
pub(crate) struct Postfix {
    dir: TempDir,
    port: u16,
    daemons: PathBuf,
}

/// What a test sets on top of what every Postfix here has.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    /// Lines of main.cf, each with its line end. They must not set again what is set already.
    pub(crate) main: String,
    /// Entries of master.cf: further smtpd services with their options.
    pub(crate) master: String,
}

impl Postfix {
    /// Starts one that takes mail at `port`. `milter` is as in main.cf: `inet:127.0.0.1:8891` or `unix:/path`.
    pub(crate) fn start(port: u16, milter: &str, next_hop: u16) -> Result<Postfix> {
        let timeout = PATIENCE.as_secs();
        let main = format!(
            "smtpd_milters = {{ {milter}, default_action=tempfail, connect_timeout=10s, \
             command_timeout={timeout}s, content_timeout=300s }}\n\
             milter_default_action = tempfail\n\
             milter_protocol = 6\n"
        );
        let settings = Settings {
            main,
            ..Settings::default()
        };
        Postfix::start_with(port, next_hop, &settings)
    }

    /// Starts one that takes mail at `port`, with settings of the test's own and no milter but those.
    pub(crate) fn start_with(port: u16, next_hop: u16, settings: &Settings) -> Result<Postfix> {
        let daemons = setting("daemon_directory").context(
            "install postfix and run as root: tests/run does that. Without it nothing is known \
             about the behaviour in front of a mail server",
        )?;
        if !rustix::process::geteuid().is_root() {
            bail!("a Postfix can only be started by root: run tests/run as root");
        }
        let dir = TempDir::with_prefix("postern-postfix-")?;
        // Postfix works in there as its own user.
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755))?;
        let postfix = Postfix {
            dir,
            port,
            daemons: daemons.into(),
        };
        postfix.configure(next_hop, settings)?;
        // Makes the directories of the queue, with the owners and rights that they need.
        postfix.run(
            Command::new("postfix")
                .arg("-c")
                .arg(postfix.conf())
                .arg("check"),
        )?;
        postfix.resume()?;
        Ok(postfix)
    }

    /// The port where mail comes in.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Stops it; the queue stays.
    pub(crate) fn stop(&self) -> Result<()> {
        self.run(
            Command::new("postfix")
                .arg("-c")
                .arg(self.conf())
                .arg("stop"),
        )
    }

    /// Starts it again after [`Postfix::stop`].
    pub(crate) fn resume(&self) -> Result<()> {
        let mut master = Command::new(self.daemons.join("master"));
        master
            .arg("-c")
            .arg(self.conf())
            .args(["-w", "-e", ORPHAN_SECONDS]);
        master
            .env("MAIL_CONFIG", self.conf())
            .current_dir(self.path("spool"));
        self.run(&mut master)?;
        eventually("Postfix listens", || {
            TcpStream::connect(("127.0.0.1", self.port)).ok()
        })?;
        Ok(())
    }

    /// What is in the queue: one object per mail, as `postqueue -j` gives it.
    pub(crate) fn queue(&self) -> Result<Vec<Value>> {
        let output = Command::new("postqueue")
            .arg("-c")
            .arg(self.conf())
            .arg("-j")
            .output()?;
        let text = String::from_utf8(output.stdout)?;
        Ok(text
            .lines()
            .map(serde_json::from_str)
            .collect::<Result<_, _>>()?)
    }

    /// Waits until all mail is delivered.
    pub(crate) fn wait_until_empty(&self) -> Result<()> {
        eventually("Postfix has delivered all its mail", || {
            self.queue().ok().filter(Vec::is_empty)
        })?;
        Ok(())
    }

    /// The content of a mail in the queue, without its envelope.
    pub(crate) fn content(&self, queue_id: &str) -> Result<Vec<u8>> {
        let mut postcat = Command::new("postcat");
        postcat
            .arg("-c")
            .arg(self.conf())
            .args(["-bh", "-q", queue_id]);
        let output = postcat.output().with_context(|| format!("{postcat:?}"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("{postcat:?}: {}: {said}", output.status);
        }
        Ok(output.stdout)
    }

    /// The files of mails that Postfix has found damaged and set aside; no queue lists them.
    pub(crate) fn corrupt(&self) -> Result<Vec<Vec<u8>>> {
        let files = fs::read_dir(self.path("spool/corrupt"))?;
        files.map(|file| Ok(fs::read(file?.path())?)).collect()
    }

    /// Lets a mail go that waits in the hold queue.
    pub(crate) fn release(&self, queue_id: &str) -> Result<()> {
        let mut postsuper = Command::new("postsuper");
        postsuper.arg("-c").arg(self.conf()).args(["-H", queue_id]);
        self.run(&mut postsuper)
    }

    /// The mail log.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("maillog")).unwrap_or_default()
    }

    fn configure(&self, next_hop: u16, settings: &Settings) -> Result<()> {
        let data = self.path("data");
        for made in [self.conf(), self.path("spool"), data.clone()] {
            fs::create_dir(made)?;
        }
        let owner = fs::read_to_string("/etc/passwd")?
            .lines()
            .find_map(|line| {
                line.strip_prefix("postfix:")?
                    .split(':')
                    .nth(1)?
                    .parse()
                    .ok()
            })
            .context("/etc/passwd: there is no user postfix")?;
        chown(&data, Some(owner), None)?;
        let root = self.dir.path().display();
        let commands = setting("command_directory")?;
        let main = format!(
            "compatibility_level = 3.7\n\
             queue_directory = {root}/spool\n\
             data_directory = {root}/data\n\
             command_directory = {commands}\n\
             daemon_directory = {daemons}\n\
             mail_owner = postfix\n\
             setgid_group = postdrop\n\
             maillog_file = {root}/maillog\n\
             maillog_file_prefixes = {root}\n\
             myhostname = mx.test.example\n\
             mydestination =\n\
             alias_maps =\n\
             inet_interfaces = loopback-only\n\
             inet_protocols = ipv4\n\
             mynetworks = 127.0.0.0/8\n\
             smtpd_relay_restrictions = permit_mynetworks, reject\n\
             default_transport = smtp:[127.0.0.1]:{next_hop}\n\
             relay_transport = smtp:[127.0.0.1]:{next_hop}\n\
             message_size_limit = 104857600\n\
             mailbox_size_limit = 0\n\
             smtpd_client_connection_rate_limit = 0\n\
             smtpd_peername_lookup = no\n\
             minimal_backoff_time = 1s\n\
             maximal_backoff_time = 5s\n\
             queue_run_delay = 1s\n",
            daemons = self.daemons.display(),
        );
        fs::write(self.path("conf/main.cf"), main + &settings.main)?;
        let door = format!("127.0.0.1:{} inet n - n - - smtpd\n", self.port);
        fs::write(
            self.path("conf/master.cf"),
            door + &settings.master + SERVICES,
        )?;
        Ok(())
    }

    fn conf(&self) -> PathBuf {
        self.path("conf")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn run(&self, command: &mut Command) -> Result<()> {
        let output = command.output().with_context(|| format!("{command:?}"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("{command:?}: {}: {said}\n{}", output.status, self.log());
        }
        Ok(())
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        let _ = self.stop();
        if std::thread::panicking() {
            self.show(&self.path("maillog"));
        }
    }
}

impl Postfix {
    /// A failed test shows what Postfix has said.
    #[expect(
        clippy::print_stderr,
        reason = "the test framework shows it with the failure"
    )]
    fn show(&self, log: &Path) {
        eprintln!("--- {}\n{}", log.display(), self.log());
    }
}

/// A setting of the system's Postfix.
fn setting(name: &str) -> Result<String> {
    let output = Command::new("postconf")
        .args(["-h", name])
        .output()
        .context("postconf")?;
    let value = String::from_utf8(output.stdout)?.trim().to_owned();
    if value.is_empty() {
        bail!("postconf does not know {name}");
    }
    Ok(value)
}
