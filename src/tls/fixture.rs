//! Certificates for tests, made when the test runs.

use rcgen::{CertificateParams, KeyPair, PKCS_ED25519, SignatureAlgorithm};
use rustls::pki_types::CertificateDer;

use super::{
    certificate::{Certificate, chain},
    provider,
};

/// PEM of a self-signed certificate for these names, and of its key.
pub(crate) fn pem(names: &[&str]) -> (String, String) {
    signed(names, &rcgen::PKCS_ECDSA_P256_SHA256)
}

/// A self-signed certificate with an ECDSA key.
pub(crate) fn certificate(names: &[&str]) -> Certificate {
    read(&pem(names))
}

/// A self-signed certificate with an Ed25519 key.
pub(crate) fn ed25519(names: &[&str]) -> Certificate {
    read(&signed(names, &PKCS_ED25519))
}

/// A certificate that ends at the beginning of this day.
pub(crate) fn until(year: i32, month: u8, day: u8) -> CertificateDer<'static> {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(vec!["until.example".to_owned()]).expect("a name");
    params.not_after = rcgen::date_time_ymd(year, month, day);
    params.self_signed(&key).expect("signed").der().clone()
}

fn signed(names: &[&str], algorithm: &'static SignatureAlgorithm) -> (String, String) {
    let key = KeyPair::generate_for(algorithm).expect("a key");
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let certificate = CertificateParams::new(names).expect("names").self_signed(&key).expect("signed");
    (certificate.pem(), key.serialize_pem())
}

fn read((certificate, key): &(String, String)) -> Certificate {
    let chain = chain(certificate.as_bytes()).expect("a chain");
    Certificate::new(chain, key.as_bytes(), &provider()).expect("a pair")
}
