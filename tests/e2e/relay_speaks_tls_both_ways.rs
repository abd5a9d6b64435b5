//! STARTTLS with clients and with the next hop.

use crate::harness::relay::{RelaySite, below_ours, send, start_relay};
use crate::harness::{
    PATIENCE, Postfix, Settings, Setup, Sink, Smtp, clean, eventually, free_port,
};
use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// A certificate that has signed itself, for a name, and its key.
struct Certificate {
    dir: TempDir,
}

impl Certificate {
    fn new(name: &str) -> Result<Certificate> {
        let dir = TempDir::with_prefix("postern-tls-")?;
        let certificate = Certificate { dir };
        certificate.renew(name)?;
        Ok(certificate)
    }

    fn renew(&self, name: &str) -> Result<()> {
        let made = Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
            ])
            .args(["-nodes", "-days", "2", "-subj", &format!("/CN={name}")])
            .args(["-addext", &format!("subjectAltName=DNS:{name}")])
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .arg("-keyout")
            .arg(self.key())
            .arg("-out")
            .arg(self.certificate())
            .stderr(Stdio::null())
            .status()
            .context("openssl")?;
        ensure!(made.success(), "openssl: {made}");
        Ok(())
    }

    fn key(&self) -> PathBuf {
        self.dir.path().join("key.pem")
    }

    fn certificate(&self) -> PathBuf {
        self.dir.path().join("certificate.pem")
    }

    fn setup(&self, level: &str) -> Setup {
        let text = |path: &Path| format!("{:?}", path.display().to_string());
        Setup::default()
            .set("relay.tls.level", &format!("{level:?}"))
            .set("relay.tls.certificate", &text(&self.certificate()))
            .set("relay.tls.key", &text(&self.key()))
    }
}

/// openssl(1) as a client that has said STARTTLS. It ends with the test.
struct Secured {
    child: Child,
    reader: BufReader<std::process::ChildStdout>,
}

impl Secured {
    fn connect(port: u16) -> Result<Secured> {
        let mut child = Command::new("openssl")
            .args(["s_client", "-starttls", "smtp", "-quiet", "-ign_eof"])
            .args(["-connect", &format!("127.0.0.1:{port}")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("openssl")?;
        let reader = BufReader::new(child.stdout.take().context("its output")?);
        Ok(Secured { child, reader })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let input = self.child.stdin.as_mut().context("its input")?;
        input.write_all(bytes)?;
        Ok(input.flush()?)
    }

    /// The last line of a reply.
    fn reply(&mut self) -> Result<String> {
        loop {
            let mut line = String::new();
            ensure!(self.reader.read_line(&mut line)? > 0, "the server closed");
            if line.as_bytes().get(3) == Some(&b' ') {
                return Ok(line.trim_end().to_owned());
            }
        }
    }

    fn command(&mut self, line: &str) -> Result<String> {
        self.write(format!("{line}\r\n").as_bytes())?;
        self.reply()
    }
}

impl Drop for Secured {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn with_clients() -> Result<()> {
    let certificate = Certificate::new("filter.example")?;
    let site = RelaySite::start(certificate.setup("encrypt"))?;
    let mut plain = Smtp::connect(site.port)?;
    let said = plain.command("MAIL FROM:<a@b.example>")?;
    assert_eq!(said.code, 530, "{said:?}");

    let mut secured = Secured::connect(site.port)?;
    // openssl leaves the reply to its own EHLO before STARTTLS in the output.
    let said = secured.command("EHLO secured.example")?;
    assert!(said.starts_with("250 "), "{said}");
    let mut said = secured.command("MAIL FROM:<a@b.example>")?;
    if said.starts_with("250 ") && !said.contains("2.1.0") {
        said = secured.reply()?;
    }
    assert!(said.starts_with("250 "), "{said}");
    assert!(
        secured
            .command("RCPT TO:<bob@rcpt.example>")?
            .starts_with("250 ")
    );
    assert!(secured.command("DATA")?.starts_with("354 "));
    secured.write(&[clean("secured").as_slice(), b"\r\n.\r\n"].concat())?;
    assert!(secured.reply()?.starts_with("250 "));
    let arrived = site.sink.wait_for("secured")?;
    assert!(
        arrived.header_contains(" with ESMTPS "),
        "{}",
        arrived.text()
    );
    Ok(())
}

#[test]
fn nothing_that_was_said_in_the_clear_counts_behind_starttls() -> Result<()> {
    let certificate = Certificate::new("filter.example")?;
    let site = RelaySite::start(certificate.setup("may"))?;
    let mut session = Smtp::connect(site.port)?;
    // In one segment: an injected command waits behind STARTTLS.
    session.write(b"STARTTLS\r\nMAIL FROM:<injected@b.example>\r\n")?;
    let said = session.reply()?;
    // Refused or the buffered line is thrown away: in either case no second reply in the clear.
    if said.code == 220 {
        assert!(session.reply().is_err(), "an injected command was answered");
    } else {
        assert!((500..600).contains(&said.code), "{said:?}");
    }
    Ok(())
}

#[test]
fn a_new_certificate_is_read_at_sighup_and_a_broken_one_leaves_the_old() -> Result<()> {
    let certificate = Certificate::new("old.example")?;
    let site = RelaySite::start(certificate.setup("may"))?;
    assert!(shown(site.port)?.contains("old.example"));
    certificate.renew("new.example")?;
    site.daemon.signal(Signal::HUP)?;
    eventually("the new certificate is shown", || {
        shown(site.port).ok()?.contains("new.example").then_some(())
    })?;
    fs::write(certificate.certificate(), "no certificate")?;
    site.daemon.signal(Signal::HUP)?;
    eventually("status says so", || {
        let status = site.daemon.status().ok()?;
        let problems = status["problems"].to_string();
        problems.contains("certificate.pem").then_some(())
    })?;
    assert!(
        shown(site.port)?.contains("new.example"),
        "the old one stays"
    );
    Ok(())
}

#[test]
fn a_certificate_that_cannot_be_read_keeps_the_daemon_from_starting() -> Result<()> {
    let certificate = Certificate::new("filter.example")?;
    let setup = certificate.setup("may");
    fs::remove_file(certificate.key())?;
    let said = start_relay(setup, "smtp:127.0.0.1:25").expect_err("no key");
    let said = format!("{said:#}");
    assert!(
        said.contains("key.pem") && said.contains("No such file"),
        "{said}"
    );
    Ok(())
}

#[test]
fn with_the_next_hop() -> Result<()> {
    let sink = Sink::start()?;
    let certificate = Certificate::new("localhost")?;
    let main = format!(
        "smtpd_tls_security_level = encrypt\nsmtpd_tls_cert_file = {}\nsmtpd_tls_key_file = {}\n\
         smtpd_tls_received_header = yes\n",
        certificate.certificate().display(),
        certificate.key().display()
    );
    let settings = Settings {
        main,
        master: "tlsmgr unix - - n 1000? 1 tlsmgr\n".to_owned(),
    };
    let postfix = Postfix::start_with(free_port()?, sink.port(), &settings)?;
    let ca = format!("{:?}", certificate.certificate().display().to_string());
    let other = Certificate::new("localhost")?;
    let other_ca = format!("{:?}", other.certificate().display().to_string());
    let verify = || Setup::default().set("relay.next_hop.tls", "\"verify\"");
    for (setup, host, code) in [
        (Setup::default(), "127.0.0.1", 5),
        (
            Setup::default().set("relay.next_hop.tls", "\"may\""),
            "127.0.0.1",
            2,
        ),
        (
            Setup::default().set("relay.next_hop.tls", "\"encrypt\""),
            "127.0.0.1",
            2,
        ),
        (
            verify().set("relay.next_hop.ca_file", &other_ca),
            "localhost",
            4,
        ),
        (verify().set("relay.next_hop.ca_file", &ca), "localhost", 2),
        (verify().set("relay.next_hop.ca_file", &ca), "127.0.0.1", 4),
    ] {
        let shown = format!("{setup:?} {host}");
        let (_daemon, port) = start_relay(setup, &format!("smtp:{host}:{}", postfix.port()))?;
        let reply = send(port, &clean("to the next hop"))?;
        assert_eq!(reply.code / 100, code, "{shown}: {reply:?}");
    }
    postfix.wait_until_empty()?;
    let mails = sink.with("to the next hop");
    assert_eq!(mails.len(), 3);
    for mail in mails {
        assert!(mail.header_contains("using TLSv1."), "{}", mail.text());
        assert!(!below_ours(&mail.data).is_empty());
    }
    Ok(())
}

/// The subject of the certificate that a server shows.
fn shown(port: u16) -> Result<String> {
    let mut child = Command::new("openssl")
        .args([
            "s_client",
            "-starttls",
            "smtp",
            "-connect",
            &format!("127.0.0.1:{port}"),
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("openssl")?;
    let start = std::time::Instant::now();
    while child.try_wait()?.is_none() {
        if start.elapsed() > PATIENCE {
            child.kill()?;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let mut text = String::new();
    child
        .stdout
        .context("its output")?
        .read_to_string(&mut text)?;
    Ok(text)
}
