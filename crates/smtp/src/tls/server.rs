//! TLS towards clients.

use std::fmt;
use std::io;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::service::Tls;

/// The server's certificate and key, for TLS 1.2 and 1.3. Cheap to clone; all clones change with [`Self::reload`].
#[derive(Clone)]
pub struct TlsServer {
    config: Arc<ArcSwap<ServerConfig>>,
}

/// A certificate and key that are of no use. It names no file: whoever read them knows which.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The certificate chain is not PEM.
    #[error("certificate: {0}")]
    Certificate(rustls::pki_types::pem::Error),
    /// The key is not PEM, or there is none.
    #[error("key: {0}")]
    Key(rustls::pki_types::pem::Error),
    /// There is no certificate.
    #[error("certificate: the PEM file has none")]
    NoCertificate,
    /// The key does not fit the certificate, or is of a kind that is not supported.
    #[error("certificate and key: {0}")]
    Unusable(#[from] rustls::Error),
}

impl TlsServer {
    /// A chain of certificates in PEM, the server's own first, and its key in PEM (PKCS #8, PKCS #1 or SEC 1).
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn from_pem(cert_chain: &[u8], key: &[u8]) -> Result<Self, CertificateError> {
        let config = Arc::new(ArcSwap::from_pointee(config(cert_chain, key)?));
        Ok(Self { config })
    }

    /// Takes another certificate and key for the handshakes to come. Connections that are open stay as they are.
    ///
    /// # Errors
    /// [`CertificateError`]; then nothing has changed.
    pub fn reload(&self, cert_chain: &[u8], key: &[u8]) -> Result<(), CertificateError> {
        self.config.store(Arc::new(config(cert_chain, key)?));
        Ok(())
    }

    /// The server's part of a handshake.
    pub(crate) async fn accept<T>(&self, stream: T) -> io::Result<(TlsStream<T>, Tls)>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        let stream = TlsAcceptor::from(self.config.load_full())
            .accept(stream)
            .await?;
        let (_, connection) = stream.get_ref();
        let version = connection
            .protocol_version()
            .and_then(|version| version.as_str());
        let cipher = connection.negotiated_cipher_suite();
        let tls = Tls {
            // rustls writes `TLSv1_3` where the world writes `TLSv1.3`.
            version: version.unwrap_or_default().replace('_', "."),
            cipher: cipher
                .and_then(|cipher| cipher.suite().as_str())
                .unwrap_or_default()
                .to_owned(),
        };
        Ok((stream, tls))
    }
}

impl fmt::Debug for TlsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsServer").finish_non_exhaustive()
    }
}

fn config(cert_chain: &[u8], key: &[u8]) -> Result<ServerConfig, CertificateError> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(cert_chain)
        .collect::<Result<_, _>>()
        .map_err(CertificateError::Certificate)?;
    if chain.is_empty() {
        return Err(CertificateError::NoCertificate);
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(CertificateError::Key)?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pem() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(["mx.example".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    #[test]
    fn a_certificate_without_its_key_is_refused_and_the_old_one_stays() {
        let ((cert, key), (other, _)) = (pem(), pem());
        let tls = TlsServer::from_pem(cert.as_bytes(), key.as_bytes()).unwrap();
        let before = tls.config.load_full();
        let refused = [
            tls.reload(other.as_bytes(), key.as_bytes()),
            tls.reload(b"", key.as_bytes()),
            tls.reload(cert.as_bytes(), b""),
            tls.reload(
                b"-----BEGIN CERTIFICATE-----\n?\n-----END CERTIFICATE-----\n",
                key.as_bytes(),
            ),
        ];
        let shown: Vec<String> = refused
            .into_iter()
            .map(|result| result.unwrap_err().to_string())
            .collect();
        assert!(shown[0].starts_with("certificate and key: "), "{shown:?}");
        assert_eq!(shown[1], "certificate: the PEM file has none");
        assert!(shown[2].starts_with("key: "), "{shown:?}");
        assert!(shown[3].starts_with("certificate: "), "{shown:?}");
        assert!(Arc::ptr_eq(&before, &tls.config.load_full()));
        tls.clone().reload(cert.as_bytes(), key.as_bytes()).unwrap();
        assert!(
            !Arc::ptr_eq(&before, &tls.config.load_full()),
            "clones change together"
        );
    }
}
