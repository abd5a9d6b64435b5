//! TLS towards a server.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_rustls::TlsConnector;

use crate::client::Stream;
use crate::service::Tls;

/// When a session uses TLS; the words are Postfix's (`smtp_tls_security_level`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsLevel {
    /// Never.
    #[default]
    None,
    /// If the server offers it, without looking at its certificate. It keeps out who only listens. If it does not
    /// come about the session goes without.
    May,
    /// Always, without looking at the certificate.
    Encrypt,
    /// Always, and the certificate must be made out to the server's name by an authority that was given.
    Verify,
}

impl std::str::FromStr for TlsLevel {
    type Err = TlsError;

    fn from_str(text: &str) -> Result<Self, TlsError> {
        match text {
            "none" => Ok(Self::None),
            "may" => Ok(Self::May),
            "encrypt" => Ok(Self::Encrypt),
            "verify" => Ok(Self::Verify),
            _ => Err(TlsError::Level),
        }
    }
}

/// How a session uses TLS. Cheap to clone; clones resume each other's TLS sessions.
#[derive(Clone, Default)]
pub struct TlsClient {
    level: TlsLevel,
    /// Present unless the level is none.
    config: Option<Arc<ClientConfig>>,
}

/// Why there is no such TLS. For whoever reads the configuration.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Something between the lines of the PEM file.
    #[error("certificate authorities: {0}")]
    Authorities(String),
    /// A word that is not a level.
    #[error("not a level of TLS (expected none, may, encrypt or verify)")]
    Level,
    /// [`TlsLevel::Verify`] with nothing to verify by.
    #[error("verify needs certificate authorities")]
    NoAuthorities,
    /// The cryptography cannot do what it should.
    #[error("TLS: {0}")]
    Unsupported(#[from] rustls::Error),
}

impl TlsClient {
    /// No TLS.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// TLS 1.2 and 1.3 at `level`. `authorities` are the certificates of those who are trusted to say who a server
    /// is, in PEM; they are needed with [`TlsLevel::Verify`], and not looked at otherwise.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn new(level: TlsLevel, authorities: Option<&[u8]>) -> Result<Self, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let verifier: Arc<dyn ServerCertVerifier> = match level {
            TlsLevel::None => return Ok(Self::none()),
            TlsLevel::May | TlsLevel::Encrypt => Arc::new(AnyCertificate(provider.clone())),
            TlsLevel::Verify => {
                let roots = roots(authorities.ok_or(TlsError::NoAuthorities)?)?;
                WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
                    .build()
                    .map_err(|error| TlsError::Authorities(error.to_string()))?
            }
        };
        // Resumption is what rustls does by itself.
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        Ok(Self {
            level,
            config: Some(Arc::new(config)),
        })
    }

    /// When TLS is used.
    #[must_use]
    pub fn level(&self) -> TlsLevel {
        self.level
    }

    /// Begins TLS on a stream whose server has agreed to it. `host` is the name or address that was asked for.
    pub(crate) async fn handshake(
        &self,
        stream: Box<dyn Stream>,
        host: Option<&str>,
        limit: Duration,
    ) -> io::Result<(Box<dyn Stream>, Tls)> {
        let Some(config) = &self.config else {
            return Err(io::Error::other("no TLS was configured"));
        };
        let name = self.server_name(host)?;
        let handshake = TlsConnector::from(config.clone()).connect(name, stream);
        let stream = tokio::time::timeout(limit, handshake)
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        let (_, connection) = stream.get_ref();
        let tls = Tls {
            version: connection
                .protocol_version()
                .map_or_else(String::new, version),
            cipher: connection
                .negotiated_cipher_suite()
                .and_then(|suite| suite.suite().as_str())
                .unwrap_or_default()
                .to_owned(),
        };
        Ok((Box::new(stream), tls))
    }

    fn server_name(&self, host: Option<&str>) -> io::Result<ServerName<'static>> {
        let name = host.and_then(|host| ServerName::try_from(host.to_owned()).ok());
        match (name, self.level) {
            (Some(name), _) => Ok(name),
            // Nobody looks at it, and a name that cannot be one is not sent.
            (None, TlsLevel::None | TlsLevel::May | TlsLevel::Encrypt) => {
                Ok(ServerName::IpAddress(UNNAMED.into()))
            }
            (None, TlsLevel::Verify) => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the server has no name that a certificate could prove",
            )),
        }
    }
}

impl PartialEq for TlsClient {
    /// Whether both are the same configuration, not only an equal one.
    fn eq(&self, other: &Self) -> bool {
        self.level == other.level
            && match (&self.config, &other.config) {
                (Some(a), Some(b)) => Arc::ptr_eq(a, b),
                (a, b) => a.is_none() && b.is_none(),
            }
    }
}

impl Eq for TlsClient {}

impl fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsClient")
            .field("level", &self.level)
            .finish_non_exhaustive()
    }
}

/// Stands for a server without a name; it is never sent.
const UNNAMED: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);

fn roots(pem: &[u8]) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| TlsError::Authorities(error.to_string()))?;
        roots
            .add(certificate)
            .map_err(|error| TlsError::Authorities(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(TlsError::NoAuthorities);
    }
    Ok(roots)
}

/// rustls writes `TLSv1_3` where the world writes `TLSv1.3`.
fn version(version: rustls::ProtocolVersion) -> String {
    version.as_str().unwrap_or_default().replace('_', ".")
}

/// Takes every certificate, as long as its holder proves to have its key: else what is signed in the handshake would
/// mean nothing at all.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
