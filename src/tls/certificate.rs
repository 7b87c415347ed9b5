//! A certificate chain and its private key, from PEM to something that signs.

use std::{fmt, sync::Arc};

use rustls::{
    crypto::CryptoProvider,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject as _},
    },
    sign::CertifiedKey,
};

use super::validity;
use crate::domain::time::UtcTime;

/// A certificate that can be shown to clients.
#[derive(Clone)]
pub struct Certificate {
    /// The chain, the server's own first, and what signs for it.
    pub signer: Arc<CertifiedKey>,
    /// The DNS names it is for, in lower case; `*.` stands for any one label.
    pub names: Vec<String>,
    /// Until when it is good, if that can be read.
    pub not_after: Option<UtcTime>,
}

/// Why a text is no certificate chain.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// There is none in it.
    #[error("it holds no certificate in PEM form")]
    Empty,
    /// Not PEM.
    #[error("it is not valid PEM: {0}")]
    Pem(pem::Error),
    /// Not X.509.
    #[error("the certificate in place {0} cannot be read: {1}")]
    Malformed(usize, webpki::Error),
}

/// Why a text is no private key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// There is none in it.
    #[error("it holds no private key in PEM form")]
    Empty,
    /// There is no passphrase to ask for.
    #[error("the private key is encrypted")]
    Encrypted,
    /// Not PEM.
    #[error("it is not valid PEM: {0}")]
    Pem(pem::Error),
    /// Neither RSA, ECDSA (P-256, P-384) nor Ed25519.
    #[error("the private key is of a kind that cannot be used: {0}")]
    Unsupported(rustls::Error),
    /// It belongs to another certificate.
    #[error("the private key does not belong to the certificate")]
    Mismatch,
}

/// Reads a chain, the server's own certificate first.
pub fn chain(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, ChainError> {
    let chain = CertificateDer::pem_slice_iter(text).collect::<Result<Vec<_>, _>>().map_err(ChainError::Pem)?;
    if chain.is_empty() {
        return Err(ChainError::Empty);
    }
    for (index, der) in chain.iter().enumerate() {
        webpki::EndEntityCert::try_from(der).map_err(|error| ChainError::Malformed(index + 1, error))?;
    }
    Ok(chain)
}

impl Certificate {
    /// Puts a chain and its key together.
    ///
    /// - `key`: PEM of PKCS#8, PKCS#1 or SEC1.
    pub fn new(chain: Vec<CertificateDer<'static>>, key: &[u8], provider: &CryptoProvider) -> Result<Self, KeyError> {
        let names = names(&chain);
        let not_after = chain.first().and_then(validity::not_after);
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| match error {
            pem::Error::NoItemsFound if contains(key, b"ENCRYPTED") => KeyError::Encrypted,
            pem::Error::NoItemsFound => KeyError::Empty,
            error => KeyError::Pem(error),
        })?;
        let signer = CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => KeyError::Mismatch,
            error => KeyError::Unsupported(error),
        })?;
        Ok(Self { signer: Arc::new(signer), names, not_after })
    }
}

/// The DNS names of the first certificate.
fn names(chain: &[CertificateDer<'_>]) -> Vec<String> {
    let first = chain.first().and_then(|der| webpki::EndEntityCert::try_from(der).ok());
    first.iter().flat_map(|certificate| certificate.valid_dns_names()).map(str::to_ascii_lowercase).collect()
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    memchr::memmem::find(text, word).is_some()
}

/// Shows names, never the key.
impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("names", &self.names).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::{fixture, provider};

    #[test]
    fn names_are_those_of_the_certificate_in_lower_case() {
        let (chain_pem, key_pem) = fixture::pem(&["Api.Example", "*.example.org"]);
        let chain = chain(chain_pem.as_bytes()).expect("a chain");
        let certificate = Certificate::new(chain, key_pem.as_bytes(), &provider()).expect("a pair");
        assert_eq!(certificate.names, ["api.example", "*.example.org"]);
        assert!(!format!("{certificate:?}").contains("PRIVATE"));
    }

    #[test]
    fn what_is_wrong_with_a_file_is_told_apart() {
        let (chain_pem, key_pem) = fixture::pem(&["a.example"]);
        let (_, other_key) = fixture::pem(&["b.example"]);
        let good = || chain(chain_pem.as_bytes()).expect("a chain");
        let provider = provider();
        let refused = |key: &str| Certificate::new(good(), key.as_bytes(), &provider).expect_err("refused").to_string();
        assert!(matches!(chain(b""), Err(ChainError::Empty)));
        assert!(matches!(chain(key_pem.as_bytes()), Err(ChainError::Empty)));
        assert!(matches!(chain(&chain_pem.as_bytes()[..80]), Err(ChainError::Pem(_))));
        let junk = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(matches!(chain(junk.as_bytes()), Err(ChainError::Malformed(1, _))));
        assert!(matches!(chain(format!("{chain_pem}{junk}").as_bytes()), Err(ChainError::Malformed(2, _))));
        assert_eq!(refused(""), "it holds no private key in PEM form");
        assert_eq!(refused(&chain_pem), "it holds no private key in PEM form");
        assert_eq!(refused(&other_key), "the private key does not belong to the certificate");
        let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
        assert_eq!(refused(encrypted), "the private key is encrypted");
        let unknown = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        assert!(refused(unknown).starts_with("the private key is of a kind that cannot be used"));
    }
}
