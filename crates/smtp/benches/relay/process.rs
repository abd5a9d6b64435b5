//! The processes that are measured, and what they cost.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

/// How long a process may take to listen.
const START: Duration = Duration::from_secs(10);

/// Clock ticks of /proc per second: a constant of Linux's interface to programs.
const TICKS: f64 = 100.0;

/// A server in a process of its own, ended with this value.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// This program again, in another role. It says where it listens.
    pub(crate) fn role(role: &str, argument: &str) -> Self {
        let program = env::current_exe().expect("this program has a path");
        let mut child = command(&program)
            .args([role, argument])
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program starts");
        let output = child.stdout.take().expect("a pipe");
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line).expect("a line");
        let address = line.trim().parse().expect("an address");
        Self { child, address }
    }

    /// Postfix's `smtp-sink`, if it is installed.
    pub(crate) fn smtp_sink() -> Option<Self> {
        let program = ["/usr/sbin/smtp-sink", "/usr/bin/smtp-sink"];
        let program = program
            .iter()
            .find(|path| fs::exists(path).unwrap_or(false))?;
        let free = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
        let address = free.expect("a free port");
        let mut command = command(program.as_ref());
        if rustix::process::geteuid().is_root() {
            command.args(["-u", "nobody"]);
        }
        command.args([&address.to_string(), "1024"]);
        let child = command.spawn().expect("smtp-sink starts");
        let server = Self { child, address };
        let end = Instant::now() + START;
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < end, "smtp-sink does not listen");
            thread::sleep(Duration::from_millis(10));
        }
        Some(server)
    }

    /// The time it has run on a processor so far, in seconds.
    pub(crate) fn cpu(&self) -> f64 {
        let path = format!("/proc/{}/stat", self.child.id());
        let stat = fs::read_to_string(path).expect("the process runs");
        // Behind the name, which may contain anything: state, ten other fields, user time, system time.
        let (_, fields) = stat.rsplit_once(')').expect("a name");
        let ticks = fields.split_whitespace().skip(11).take(2);
        ticks
            .map(|ticks| ticks.parse::<f64>().expect("a number") / TICKS)
            .sum()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "no mail is near; what is measured needs a process of its own"
)]
fn command(program: &std::path::Path) -> Command {
    Command::new(program)
}
