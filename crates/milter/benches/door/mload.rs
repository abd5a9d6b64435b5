//! A load client and an accept-all milter of another make, if there is one: the program that the
//! variable `MLOAD` names.

use std::ffi::OsString;
use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::BODY_BYTES;

/// Mails in the directory that the client reads; it starts over at the end.
const MAILS: usize = 100;

/// The client, and mails for it.
pub(crate) struct Mload {
    program: OsString,
    mails: TempDir,
}

/// The other milter; it ends with this.
pub(crate) struct Accepting {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Mload {
    pub(crate) fn from_environment() -> Option<Self> {
        let program = std::env::var_os("MLOAD")?;
        let mails = TempDir::new().expect("a temporary directory");
        for number in 0..MAILS {
            let path = mails.path().join(format!("{number}.eml"));
            fs::write(path, mail(number)).expect("room for some mails");
        }
        Some(Self { program, mails })
    }

    pub(crate) fn accepting(&self) -> Accepting {
        let free = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let address = free.local_addr().expect("a TCP address");
        drop(free);
        let child = Command::new(&self.program)
            .args(["accept", "--quickack", "--address", &address.to_string()])
            .spawn()
            .expect("MLOAD is a program");
        while TcpStream::connect(address).is_err() {
            thread::sleep(Duration::from_millis(5));
        }
        Accepting { child, address }
    }

    /// Messages per second.
    pub(crate) fn measure(&self, address: SocketAddr, connections: usize, mails: usize) -> f64 {
        let (address, connections, mails) = (
            address.to_string(),
            connections.to_string(),
            mails.to_string(),
        );
        let output = Command::new(&self.program)
            .args(["milter", "--address", &address])
            .args(["--connections", &connections, "--count", &mails])
            .arg(self.mails.path())
            .stderr(Stdio::inherit())
            .output()
            .expect("MLOAD is a program");
        let report = String::from_utf8_lossy(&output.stdout);
        let number = |key: &str| -> Option<f64> {
            let (_, rest) = report.split_once(&format!("\"{key}\":"))?;
            rest.split([',', '}']).next()?.trim().parse().ok()
        };
        assert_eq!(number("accept"), mails.parse().ok(), "{report}");
        number("msgs_per_s").expect("a report")
    }
}

impl Drop for Accepting {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn mail(number: usize) -> String {
    let mut mail = format!("Message-Id: <{number}@example.org>\r\n");
    for field in 0..15 {
        mail += &format!("X-Field-{field}: a value of the usual length, more or less\r\n");
    }
    mail += "\r\n";
    let line = "a line of the usual length, as in most mails that people write\r\n";
    mail += &line.repeat(BODY_BYTES.div_ceil(line.len()));
    mail
}
