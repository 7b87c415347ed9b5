//! TLS without sockets: certificates, which one a client gets, and what a listener agrees to.
//!
//! Here and not beside the sockets, because `config` has to read certificates to check them. Everything is decided by
//! rustls with the cryptography of ring; see `docs/decisions/tls.md`.

pub mod certificate;
#[cfg(test)]
pub(crate) mod fixture;
pub mod server;
pub mod sni;
pub mod validity;

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

/// The one set of algorithms in use.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
