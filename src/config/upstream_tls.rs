//! `tls:` of an upstream: from files to what a handshake needs.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::Arc,
};

use rustls::{
    ClientConfig, ConfigBuilder, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        WantsClientCert,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime},
};

use super::finding::{Finding, Place};
use super::pem::Files;
use super::raw;
use super::shape::{At, quoted};
use crate::domain::upstream::{Protocol, Tls};

/// The terms of one upstream's https:// servers.
#[derive(Clone, Debug)]
pub struct Terms {
    client: Arc<ClientConfig>,
    server_name: Option<ServerName<'static>>,
    fingerprint: u64,
}

impl Terms {
    /// Reads the files that `raw` names.
    ///
    /// - `raw`: `tls:`, if there is one, and what is spoken; `place`: the upstream's.
    /// - None after a finding.
    pub fn build(
        (raw, protocol): (Option<&raw::UpstreamTls>, Protocol),
        place: &Place,
        files: &mut Files<'_>,
        findings: &mut Vec<Finding>,
    ) -> Option<Self> {
        let nothing = raw::UpstreamTls::default();
        let raw = raw.unwrap_or(&nothing);
        let mut material = DefaultHasher::new();
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_safe_default_protocol_versions().ok()?;
        let builder = match verifies(raw, findings) {
            true => builder.with_root_certificates(roots(raw, place, files, &mut material, findings)?),
            false => {
                let verifier = Arc::new(Anyone(provider));
                builder.dangerous().with_custom_certificate_verifier(verifier)
            }
        };
        let mut client = identified(builder, raw, files, &mut material, findings)?;
        let offered: &[u8] = if protocol == Protocol::Http1 { b"http/1.1" } else { b"h2" };
        client.alpn_protocols = vec![offered.to_vec()];
        client.alpn_protocols.hash(&mut material);
        let server_name = match raw.server_name.set() {
            Some(at) => Some(name(&at.value.0, &at.place, findings)?),
            None => None,
        };
        Some(Self { client: Arc::new(client), server_name, fingerprint: material.finish() })
    }

    /// The terms for the server at `host`.
    pub fn server(&self, host: &str, place: &Place, findings: &mut Vec<Finding>) -> Option<Tls> {
        let server_name = match &self.server_name {
            Some(name) => name.clone(),
            None => name(host, place, findings)?,
        };
        Some(Tls { client: Arc::clone(&self.client), server_name, fingerprint: self.fingerprint })
    }
}

fn name(text: &str, place: &Place, findings: &mut Vec<Finding>) -> Option<ServerName<'static>> {
    let Ok(name) = ServerName::try_from(text.to_owned()) else {
        let message = format!("{} is no name a certificate can carry", quoted(text));
        findings.push(Finding::error(
            place,
            "server-name",
            message,
            "write a host name or an address in `server_name`",
        ));
        return None;
    };
    Some(name)
}

fn verifies(raw: &raw::UpstreamTls, findings: &mut Vec<Finding>) -> bool {
    let Some(at) = raw.verify.set().filter(|at| !at.value.0) else { return true };
    let message = "`verify: false` trusts whoever answers: servers are not checked";
    let help = "name the authority that signed the server's certificate in `ca`";
    findings.push(Finding::warning(&at.place, "not-verified", message, help));
    if let Some(ca) = raw.ca.set() {
        findings.push(Finding::warning(
            &ca.place,
            "no-effect",
            "`ca` has no effect with `verify: false`",
            "take one out",
        ));
    }
    false
}

/// Those of `ca`, or the system's.
fn roots(
    raw: &raw::UpstreamTls,
    place: &Place,
    files: &mut Files<'_>,
    material: &mut DefaultHasher,
    findings: &mut Vec<Finding>,
) -> Option<RootCertStore> {
    if raw.ca.is_broken() {
        return None;
    }
    let mut roots = RootCertStore::empty();
    let Some(path) = raw.ca.set() else {
        let system = rustls_native_certs::load_native_certs().certs;
        system.hash(material);
        let (added, _) = roots.add_parsable_certificates(system);
        if added == 0 {
            let message = "the system has no trust store that servers could be checked with";
            let help = "install the package ca-certificates, or name an authority in `tls: {ca: …}`";
            findings.push(Finding::error(place, "trust-store", message, help));
            return None;
        }
        return Some(roots);
    };
    for certificate in files.certificates(path, findings)? {
        certificate.hash(material);
        if let Err(error) = roots.add(certificate) {
            let message = format!("{} holds a certificate that cannot be trusted: {error}", quoted(&path.value.0));
            findings.push(Finding::error(&path.place, "pem", message, "write the certificate of an authority"));
            return None;
        }
    }
    Some(roots)
}

/// With the gateway's own certificate, if there is one.
fn identified(
    builder: ConfigBuilder<ClientConfig, WantsClientCert>,
    raw: &raw::UpstreamTls,
    files: &mut Files<'_>,
    material: &mut DefaultHasher,
    findings: &mut Vec<Finding>,
) -> Option<ClientConfig> {
    let (certificate, key) = match (raw.client_certificate.set(), raw.client_key.set()) {
        (Some(certificate), Some(key)) => (certificate, key),
        (None, None) if raw.client_certificate.is_absent() && raw.client_key.is_absent() => {
            return Some(builder.with_no_client_auth());
        }
        (Some(at), None) if raw.client_key.is_absent() => return alone(at, "client_key", findings),
        (None, Some(at)) if raw.client_certificate.is_absent() => return alone(at, "client_certificate", findings),
        _ => return None,
    };
    // Both are looked at, so that both findings come at once.
    let (chain, secret) = (files.certificates(certificate, findings), files.key(key, findings));
    let (chain, secret): (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) = (chain?, secret?);
    chain.hash(material);
    secret.secret_der().hash(material);
    builder
        .with_client_auth_cert(chain, secret)
        .map_err(|error| {
            let message = format!("{} does not fit the certificate: {error}", quoted(&key.value.0));
            let help = "write the key that belongs to `client_certificate`";
            findings.push(Finding::error(&key.place, "key", message, help));
        })
        .ok()
}

fn alone<T>(at: &At<super::names::Text>, missing: &str, findings: &mut Vec<Finding>) -> Option<T> {
    let message = format!("a certificate needs its key, and a key its certificate: `{missing}` is missing");
    findings.push(Finding::error(&at.place, "missing-key", message, format!("add `{missing}:` with a path")));
    None
}

/// Takes any certificate; only that the server holds its key is still checked.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use rcgen::{CertificateParams, KeyPair};

    use crate::config::checked::{Outcome, read};
    use crate::config::testing::expect;
    use crate::domain::time::UtcTime;

    /// A folder with a certificate, its key, another key, and something else.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("vergate-tls-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&folder).expect("a folder");
            let key = KeyPair::generate().expect("a key");
            let params = CertificateParams::new(vec!["h.example".to_owned()]).expect("a name");
            let certificate = params.self_signed(&key).expect("a certificate").pem();
            let other = KeyPair::generate().expect("a key").serialize_pem();
            for (name, text) in [
                ("own.pem", &certificate),
                ("own.key", &key.serialize_pem()),
                ("other.key", &other),
                ("no.pem", &"x".to_owned()),
            ] {
                std::fs::write(folder.join(name), text).expect("written");
            }
            Self(folder)
        }

        fn read(&self, servers: &str, tls: &str) -> Outcome {
            let text = format!(
                "upstreams: {{u: {{servers: {servers}, tls: {tls}}}}}\napis: {{a: {{versions: {{\"1\": {{upstream: u}}}}}}}}\n"
            );
            read(&text, &self.0.join("g.yaml"), &|_| None, UtcTime::parse("2026-01-01").expect("a day"))
        }

        #[track_caller]
        fn expect(&self, tls: &str, expected: &[&str]) {
            let findings = self.read("[https://h]", tls).findings;
            let found: Vec<String> =
                findings.iter().map(|f| format!("{}: {} ({})", f.col, f.message, f.help)).collect();
            let same = found.len() == expected.len() && found.iter().zip(expected).all(|(f, e)| f.contains(e));
            assert!(same, "{tls}\nfound {found:#?}\nexpected {expected:#?}");
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn what_cannot_be_used_is_named_with_its_place() {
        let folder = Folder::new("findings");
        folder.expect("{ca: own.pem}", &[]);
        folder.expect("{ca: own.pem, client_certificate: own.pem, client_key: own.key}", &[]);
        folder.expect("{ca: missing.pem}", &["49: cannot read"]);
        folder.expect("{ca: no.pem}", &["holds no certificate"]);
        folder.expect("{ca: own.key}", &["holds no certificate"]);
        folder.expect("{ca: own.pem, client_certificate: own.pem}", &["`client_key` is missing"]);
        folder.expect("{ca: own.pem, client_key: own.key}", &["`client_certificate` is missing"]);
        folder.expect(
            "{ca: own.pem, client_certificate: no.pem, client_key: own.pem}",
            &["holds no certificate", "holds no private key"],
        );
        folder.expect(
            "{ca: own.pem, client_certificate: own.pem, client_key: other.key}",
            &["does not fit the certificate"],
        );
        folder.expect("{ca: own.pem, server_name: 'a b'}", &["is no name a certificate can carry"]);
        folder.expect("{verify: false}", &["trusts whoever answers"]);
        folder
            .expect("{ca: own.pem, verify: false}", &["has no effect with `verify: false`", "trusts whoever answers"]);
        folder.expect("{cert: own.pem}", &["unknown key `cert`"]);
    }

    #[test]
    fn tls_without_an_https_server_is_an_error() {
        let text =
            "upstreams: {u: {servers: [http://h], tls: {ca: x.pem}}}\napis: {a: {versions: {\"1\": {upstream: u}}}}\n";
        expect(text, &["g.yaml:1:43: error: `tls` is for https:// servers, and there is none"]);
    }

    #[test]
    fn every_file_is_watched_and_the_key_is_not_printable() {
        let folder = Folder::new("files");
        let tls = "{ca: own.pem, client_certificate: own.pem, client_key: own.key, server_name: x.example}";
        let config = folder.read("[https://h, http://h:1]", tls).config.expect("sound");
        let names: Vec<&Path> = config.files.iter().filter_map(|file| file.strip_prefix(&folder.0).ok()).collect();
        assert_eq!(names, [Path::new("g.yaml"), Path::new("own.key"), Path::new("own.pem")]);
        let [secure, plain] = &config.upstreams[0].servers[..] else { panic!("two servers") };
        assert_eq!((secure.port, plain.tls.is_none()), (443, true));
        assert_eq!(
            format!("{:?}", secure.tls.as_ref().expect("TLS")),
            "Tls { server_name: DnsName(\"x.example\"), .. }"
        );
    }

    #[test]
    fn what_was_made_from_the_same_files_is_the_same() {
        let folder = Folder::new("same");
        let server =
            |tls: &str| folder.read("[https://h]", tls).config.expect("sound").upstreams.remove(0).servers.remove(0);
        assert_eq!(server("{ca: own.pem}"), server("{ca: own.pem, verify: true}"));
        let own = "{ca: own.pem, client_certificate: own.pem, client_key: own.key}";
        for other in [own, "{ca: own.pem, server_name: i}", "{verify: false}"] {
            assert_ne!(server("{ca: own.pem}"), server(other), "{other}");
        }
    }
}
