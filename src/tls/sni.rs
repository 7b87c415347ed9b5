//! Which certificate a client gets: by the server name it asks for, and by the signatures it knows.

use std::{collections::HashMap, sync::Arc};

use rustls::{
    SignatureScheme,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use super::certificate::Certificate;

/// The certificates of one listener.
#[derive(Debug)]
pub struct Certificates {
    /// In file order; never empty. The first is for clients that name no server, or an unknown one.
    all: Vec<Certificate>,
    /// Indices by name as a certificate writes it. Several where one name has an RSA and an ECDSA key.
    by_name: HashMap<String, Vec<usize>>,
}

impl Certificates {
    /// `first`: for clients that name no server, or an unknown one.
    pub fn new(first: Certificate, others: Vec<Certificate>) -> Self {
        let mut all = vec![first];
        all.extend(others);
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, certificate) in all.iter().enumerate() {
            for name in &certificate.names {
                by_name.entry(name.clone()).or_default().push(index);
            }
        }
        Self { all, by_name }
    }

    /// The certificate for `name` that a client with these `schemes` can verify.
    ///
    /// An exact name goes before a wildcard, that before the first certificate; among several the first with a
    /// usable signature.
    fn pick(&self, name: Option<&str>, schemes: &[SignatureScheme]) -> Option<&Certificate> {
        let usable = |certificate: &&Certificate| certificate.signer.key.choose_scheme(schemes).is_some();
        let named = |name: &str| self.by_name.get(name)?.iter().map(|index| &self.all[*index]).find(usable);
        let of_name = name.and_then(|name| {
            let name = name.to_ascii_lowercase();
            // RFC 9525 section 6.3: a wildcard stands for exactly one label.
            named(&name).or_else(|| named(&format!("*.{}", name.split_once('.')?.1)))
        });
        of_name.or_else(|| self.all.iter().find(usable))
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.pick(hello.server_name(), hello.signature_schemes()).map(|certificate| Arc::clone(&certificate.signer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::fixture;

    const ECDSA: &[SignatureScheme] = &[SignatureScheme::ECDSA_NISTP256_SHA256];
    const ED25519: &[SignatureScheme] = &[SignatureScheme::ED25519];

    #[test]
    fn the_exact_name_goes_before_the_wildcard_and_that_before_the_first() {
        let certificates = Certificates::new(
            fixture::certificate(&["first.example"]),
            vec![
                fixture::certificate(&["*.example.org"]),
                fixture::certificate(&["api.example.org", "www.example.org"]),
            ],
        );
        for (asked, expected) in [
            (None, "first.example"),
            (Some("first.example"), "first.example"),
            (Some("API.example.org"), "api.example.org"),
            (Some("www.example.org"), "api.example.org"),
            (Some("other.example.org"), "*.example.org"),
            (Some("a.b.example.org"), "first.example"),
            (Some("example.org"), "first.example"),
            (Some("unknown"), "first.example"),
        ] {
            let picked = certificates.pick(asked, ECDSA).expect("a certificate");
            assert_eq!(picked.names[0], expected, "{asked:?}");
        }
    }

    #[test]
    fn of_two_keys_for_one_name_the_client_gets_the_one_it_can_verify() {
        let certificates = Certificates::new(
            fixture::certificate(&["a.example"]),
            vec![fixture::ed25519(&["a.example"]), fixture::certificate(&["b.example"])],
        );
        let picked = |name, schemes| certificates.pick(Some(name), schemes).map(|found| found.signer.key.algorithm());
        assert_eq!(picked("a.example", ECDSA), Some(rustls::SignatureAlgorithm::ECDSA));
        assert_eq!(picked("a.example", ED25519), Some(rustls::SignatureAlgorithm::ED25519));
        // Better a certificate for another name, which the client will say, than none.
        assert_eq!(picked("b.example", ED25519), Some(rustls::SignatureAlgorithm::ED25519));
        assert!(certificates.pick(Some("a.example"), &[SignatureScheme::RSA_PSS_SHA256]).is_none());
    }
}
