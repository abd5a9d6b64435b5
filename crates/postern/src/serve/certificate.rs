//! The certificate that SMTP clients are shown: read at the start, and again at SIGHUP.

use crate::config::{RelayTls, RelayTlsLevel};
use arc_swap::ArcSwapOption;
use smtp::tls::TlsServer;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes of a PEM file: a chain of certificates has some ten thousand.
const MAX_PEM: u64 = 1 << 20;

/// A certificate in use, and where it comes from.
#[derive(Debug)]
pub(super) struct Certificate {
    tls: TlsServer,
    certificate: PathBuf,
    key: PathBuf,
    /// Why the one on disk is not in use, since the last SIGHUP.
    problem: ArcSwapOption<String>,
}

impl Certificate {
    /// Reads it, if the configuration asks for TLS with clients.
    pub(super) fn read(config: &RelayTls) -> anyhow::Result<Option<Certificate>> {
        if config.level == RelayTlsLevel::None {
            return Ok(None);
        }
        let (certificate, key) = (config.certificate.clone(), config.key.clone());
        let pem = (pem(&certificate)?, pem(&key)?);
        let tls = TlsServer::from_pem(&pem.0, &pem.1);
        let tls = tls.map_err(|error| anyhow::anyhow!(named(&certificate, &key, &error)))?;
        Ok(Some(Certificate {
            tls,
            certificate,
            key,
            problem: ArcSwapOption::empty(),
        }))
    }

    /// What shows it.
    pub(super) fn tls(&self) -> &TlsServer {
        &self.tls
    }

    /// Reads it again. What cannot be used leaves the old one.
    pub(super) fn reload(&self) {
        let problem = self.replace().err().map(|error| error.to_string());
        match &problem {
            None => tracing::info!(certificate = %self.certificate.display(), "certificate in use"),
            Some(error) => tracing::error!(error, "the old certificate stays in use"),
        }
        self.problem.store(problem.map(Arc::new));
    }

    /// What an operator has to look at.
    pub(super) fn problem(&self) -> Option<String> {
        let problem = self.problem.load();
        let problem = problem.as_ref()?;
        Some(format!("the certificate on disk is not in use: {problem}"))
    }

    fn replace(&self) -> anyhow::Result<()> {
        let (certificate, key) = (pem(&self.certificate)?, pem(&self.key)?);
        self.tls
            .reload(&certificate, &key)
            .map_err(|error| anyhow::anyhow!(named(&self.certificate, &self.key, &error)))
    }
}

/// Reads a PEM file.
pub(super) fn pem(file: &Path) -> anyhow::Result<Vec<u8>> {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        std::fs::File::open(file)?
            .take(MAX_PEM)
            .read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map_err(|error| anyhow::anyhow!("{}: {error}", file.display()))
}

fn named(certificate: &Path, key: &Path, error: &dyn std::error::Error) -> String {
    format!("{}, {}: {error}", certificate.display(), key.display())
}
