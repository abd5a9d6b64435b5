//! STARTTLS (RFC 3207), on rustls with ring.

mod client;
mod server;

pub use client::{TlsClient, TlsError, TlsLevel};
pub use server::{CertificateError, TlsServer};
