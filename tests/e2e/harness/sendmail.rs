//! A private sendmail: own configuration, queue and port, from a package that is unpacked and not installed.

use super::{eventually, workspace};
use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// After this one whose test was killed ends by itself.
const ORPHAN_SECONDS: &str = "1800";

/// Its own name. Without a dot in it sendmail sleeps for a minute at its start.
const NAME: &str = "mx.test.example";

/// A sendmail that asks a milter, and gives all mail to a next hop.
#[derive(Debug)]
pub(crate) struct Sendmail {
    dir: TempDir,
    port: u16,
    child: Child,
}

impl Sendmail {
    /// Starts one that takes mail at `port`. `milter` is as in main.cf: `inet:127.0.0.1:8891`.
    pub(crate) fn start(port: u16, milter: &str, next_hop: u16) -> Result<Sendmail> {
        let unpacked = workspace().join("target/sendmail");
        let program = unpacked.join("sendmail");
        ensure!(
            program.is_file() && rustix::process::geteuid().is_root(),
            "{}: missing, or not run by root: run tests/run as root, it fetches sendmail. Without it nothing is known \
             about the behaviour in front of that mail server",
            program.display()
        );
        let dir = TempDir::with_prefix("postern-sendmail-")?;
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755))?;
        fs::DirBuilder::new()
            .mode(0o700)
            .create(dir.path().join("queue"))?;
        // No name is looked up in a network that a test machine may not have.
        fs::write(dir.path().join("switch"), "hosts files\naliases files\n")?;
        let config = dir.path().join("sendmail.cf");
        fs::write(&config, configuration(&dir, port, milter, next_hop)?)?;
        let mut command = Command::new("timeout");
        command.arg(ORPHAN_SECONDS);
        if may_have_a_name()? {
            command.args([
                "unshare",
                "--uts",
                "sh",
                "-c",
                "hostname \"$0\" && exec \"$@\"",
                NAME,
            ]);
        }
        command.arg(&program).arg("-bD").arg("-C").arg(&config);
        command.arg("-X").arg(dir.path().join("traffic"));
        command.env("LD_LIBRARY_PATH", unpacked.join("lib"));
        let output = fs::File::create(dir.path().join("output"))?;
        command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        let child = command.spawn().with_context(|| format!("{command:?}"))?;
        let sendmail = Sendmail { dir, port, child };
        let listens = || {
            eventually("sendmail listens", || {
                TcpStream::connect(("127.0.0.1", port)).ok()
            })
        };
        // Twice as long as usual, since it may sleep over its name.
        listens()
            .or_else(|_| listens())
            .with_context(|| sendmail.said())?;
        Ok(sendmail)
    }

    /// The port where mail comes in.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// What it has written: every line of every session.
    fn said(&self) -> String {
        let read = |name| fs::read_to_string(self.path(name)).unwrap_or_default();
        format!("{}\n{}", read("output"), read("traffic"))
    }
}

impl Drop for Sendmail {
    #[expect(
        clippy::print_stderr,
        reason = "the test framework shows it with the failure"
    )]
    fn drop(&mut self) {
        let _ = super::signal(self.child.id(), Signal::TERM);
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- sendmail\n{}", self.said());
        }
    }
}

/// Whether a process can be given a host name of its own.
fn may_have_a_name() -> Result<bool> {
    let mut command = Command::new("unshare");
    command.args(["--uts", "true"]).stderr(Stdio::null());
    Ok(command.status().context("unshare")?.success())
}

/// A sendmail.cf with the least that takes mail and relays it: what has a domain goes to the next hop. Columns of
/// rules are separated by tabs.
fn configuration(dir: &TempDir, port: u16, milter: &str, next_hop: u16) -> Result<String> {
    let root = dir.path().display();
    let (host, milter_port) = milter
        .strip_prefix("inet:")
        .and_then(|address| address.rsplit_once(':'))
        .with_context(|| format!("{milter}: not inet:HOST:PORT"))?;
    let mailer = format!("P=[IPC], F=mDFMuXk8, E=\\r\\n, A=TCP [127.0.0.1] {next_hop}");
    Ok(format!(
        "V10/Berkeley\n\
         Cwlocalhost\n\
         Dj{NAME}\n\
         DnMAILER-DAEMON\n\
         O QueueDirectory={root}/queue\n\
         O PidFile={root}/pid\n\
         O ServiceSwitchFile={root}/switch\n\
         O DaemonPortOptions=Name=MTA, Port={port}, Addr=127.0.0.1, Family=inet\n\
         O DeliveryMode=interactive\n\
         O AliasFile=\n\
         O HelpFile=\n\
         O ForwardPath=\n\
         O EightBitMode=pass8\n\
         O Timeout.ident=0\n\
         O QueueLA=1000\n\
         O RefuseLA=1000\n\
         O SmtpGreetingMessage=$j\n\
         O InputMailFilters=postern\n\
         O Milter.macros.connect=j, _, {{daemon_name}}, {{if_name}}, {{if_addr}}\n\
         O Milter.macros.envfrom=i, {{auth_type}}, {{auth_authen}}\n\
         Xpostern, S=inet:{milter_port}@{host}, F=T, T=C:30s;S:30s;R:60s;E:5m\n\
         HReceived: from $s by $j id $i; $b\n\
         H?D?Date: $a\n\
         H?M?Message-Id: <$t.$i@$j>\n\
         Scanonify=3\n\
         R$*<$*>$*\t$2\n\
         R$+@$+\t$:$1<@$2>\n\
         Sparse=0\n\
         R$*<@$*>$*\t$#relay $@[127.0.0.1] $:$1@$2\n\
         R$*\t$#error $@5.1.1 $:\"550 no such user\"\n\
         Sfinal=4\n\
         R$*<@$*>$*\t$1@$2\n\
         Mlocal,\t{mailer}\n\
         Mrelay,\t{mailer}\n"
    ))
}
