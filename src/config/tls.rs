//! `tls:` of a listener: from files to certificates that work.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::RootCertStore;

use super::containers::Word;
use super::file::read_regular;
use super::finding::{Finding, Place};
use super::names::Text;
use super::raw;
use super::shape::{At, Field, quoted};
use crate::domain::time::UtcTime;
use crate::tls::{
    certificate::{self, Certificate, KeyError},
    provider,
    server::{Clients, ServerTls, Settings},
    sni::Certificates,
};

/// Largest PEM file that is read.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// The name of certificates that stand in the file itself.
const INLINE: &str = "inline";
/// How every PEM section begins; no path does.
const BEGIN: &str = "-----BEGIN ";

/// `client_certificates:`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ClientCertificates {
    /// Clients without one are let in.
    Optional,
    /// Clients without one are refused.
    #[default]
    Required,
}

/// `min_version:`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum MinVersion {
    /// TLS 1.2 and 1.3.
    #[default]
    Tls12,
    /// TLS 1.3 alone.
    Tls13,
}

/// Reads PEM texts, and remembers what they were read from.
pub struct Pems<'p> {
    /// The folder that paths are relative to.
    pub folder: &'p Path,
    /// Gains every file, also those that are missing: they are watched, and may come.
    pub files: &'p mut Vec<PathBuf>,
    /// Everything that was read for the listener at hand.
    origin: Vec<u8>,
    /// The day that certificates are checked for.
    now: UtcTime,
    /// Gains the end of every certificate: by its file, as configured.
    pub ends: BTreeMap<String, UtcTime>,
}

impl<'p> Pems<'p> {
    /// Reads relative to `folder`, and warns of what has ended by `now`.
    pub fn new(folder: &'p Path, files: &'p mut Vec<PathBuf>, now: UtcTime) -> Self {
        Self { folder, files, origin: Vec::new(), now, ends: BTreeMap::new() }
    }

    /// Remembers when a certificate ends, and warns if it has.
    fn note_end(&mut self, at: &At<Text>, end: UtcTime, findings: &mut Vec<Finding>) {
        let name = if at.value.0.trim_start().starts_with(BEGIN) { INLINE } else { at.value.0.as_str() };
        let earliest = self.ends.entry(name.to_owned()).or_insert(end);
        *earliest = (*earliest).min(end);
        if end < self.now {
            let message = format!("the certificate was good until {end}");
            findings.push(Finding::warning(&at.place, "certificate", message, "renew it: clients refuse it"));
        }
    }

    /// The text of the file that `at` names, or `at` itself where it is PEM.
    fn read(&mut self, at: &At<Text>, findings: &mut Vec<Finding>) -> Option<Vec<u8>> {
        let text = at.value.0.as_str();
        let bytes = if text.trim_start().starts_with(BEGIN) {
            text.as_bytes().to_vec()
        } else {
            let file = self.folder.join(text);
            self.files.push(file.clone());
            match read_regular(&file, FILE_BYTES_MAX) {
                Ok(bytes) => bytes,
                Err(error) => {
                    let message = format!("cannot read {}: {error}", quoted(&file.display().to_string()));
                    let help = "write a path relative to the folder of the configuration, readable by the gateway";
                    findings.push(Finding::error(&at.place, "file", message, help));
                    return None;
                }
            }
        };
        // Lengths keep two different lists of texts from looking the same.
        self.origin.extend_from_slice(&bytes.len().to_le_bytes());
        self.origin.extend_from_slice(&bytes);
        Some(bytes)
    }
}

/// Reads everything a listener needs to speak TLS.
///
/// - Returns nothing where a finding was added.
pub fn server(raw: &At<raw::ListenerTls>, pems: &mut Pems<'_>, findings: &mut Vec<Finding>) -> Option<ServerTls> {
    let At { place, value: keys } = raw;
    pems.origin.clear();
    let own = pair(place, &keys.cert, &keys.key, pems, findings);
    let more = keys.certificates.value().map_or(&[][..], |list| &list.0);
    let others: Vec<Option<Certificate>> =
        more.iter().map(|at| further(&at.place, &at.value, pems, findings)).collect();
    let clients = clients(keys, pems, findings);
    let min_version = keys.min_version.copied_or(Word(MinVersion::default())).0;
    // Everything is read before anything is given up, so that all findings come at once.
    let unset = keys.cert.is_absent() && keys.key.is_absent();
    let mut all = Vec::new();
    if !unset {
        all.push(own?);
    }
    for other in others {
        all.push(other?);
    }
    let mut all = all.into_iter();
    let Some(first) = all.next() else {
        if keys.certificates.is_absent() || keys.certificates.set().is_some() {
            let help = "add `cert: server.crt` and `key: server.key`";
            findings.push(Finding::error(place, "missing-key", "`tls` names no certificate", help));
        }
        return None;
    };
    let clients = clients?;
    let asked = match &clients {
        Clients::Unasked => 0,
        Clients::Optional(_) => 1,
        Clients::Required(_) => 2,
    };
    pems.origin.extend_from_slice(&[asked, u8::from(min_version == MinVersion::Tls13)]);
    let settings = Settings {
        certificates: Certificates::new(first, all.collect()),
        clients,
        only_tls13: min_version == MinVersion::Tls13,
        origin: std::mem::take(&mut pems.origin),
    };
    match ServerTls::new(settings) {
        Ok(tls) => Some(tls),
        Err(error) => {
            findings.push(Finding::error(place, "tls", error.to_string(), "see the certificates it names"));
            None
        }
    }
}

/// A certificate beside the first one. Nobody asks for it by name if it has none.
fn further(
    place: &Place,
    raw: &raw::CertificateFiles,
    pems: &mut Pems<'_>,
    findings: &mut Vec<Finding>,
) -> Option<Certificate> {
    let certificate = pair(place, &raw.cert, &raw.key, pems, findings)?;
    if certificate.names.is_empty() {
        let message = "this certificate is for no DNS name, so no client will ask for it";
        let help = "make one with subject alternative names, or put it under `cert` and `key`";
        findings.push(Finding::warning(place, "certificate", message, help));
    }
    Some(certificate)
}

fn pair(
    place: &Place,
    cert: &Field<Text>,
    key: &Field<Text>,
    pems: &mut Pems<'_>,
    findings: &mut Vec<Finding>,
) -> Option<Certificate> {
    for (missing, name, there) in [(cert, "cert", key), (key, "key", cert)] {
        if missing.is_absent() && !there.is_absent() {
            let message = format!("`{name}` is missing");
            let help = "a certificate and its key come together";
            findings.push(Finding::error(place, "missing-key", message, help));
        }
    }
    let cert_pem = cert.set().and_then(|at| pems.read(at, findings));
    let key_pem = key.set().and_then(|at| pems.read(at, findings));
    let (cert, key) = (cert.set()?, key.set()?);
    let chain = certificate::chain(&cert_pem?).map_err(|error| {
        let help = "give a chain in PEM form, the server's own certificate first";
        findings.push(Finding::error(&cert.place, "certificate", error.to_string(), help));
    });
    let made = Certificate::new(chain.ok()?, &key_pem?, &provider());
    if let Ok(Certificate { not_after: Some(end), .. }) = &made {
        pems.note_end(cert, *end, findings);
    }
    made.map_err(|error| {
        let help = match error {
            KeyError::Encrypted => "take the passphrase off: openssl pkey -in old.key -out new.key",
            KeyError::Mismatch => "give the key that the certificate was made with",
            KeyError::Empty | KeyError::Pem(_) | KeyError::Unsupported(_) => {
                "give an RSA, ECDSA (P-256, P-384) or Ed25519 key in PEM form"
            }
        };
        findings.push(Finding::error(&key.place, "private-key", error.to_string(), help));
    })
    .ok()
}

/// Whose certificates are asked for.
fn clients(raw: &raw::ListenerTls, pems: &mut Pems<'_>, findings: &mut Vec<Finding>) -> Option<Clients> {
    let at = match &raw.client_ca {
        Field::Set(at) => at,
        Field::Broken => return None,
        Field::Absent => {
            if let Some(at) = raw.client_certificates.set() {
                let message = "`client_certificates` without `client_ca`: there is nothing to verify them with";
                let help = "add `client_ca: clients.pem`, or take it out";
                findings.push(Finding::error(&at.place, "client-ca", message, help));
                return None;
            }
            return Some(Clients::Unasked);
        }
    };
    let text = pems.read(at, findings)?;
    let mut roots = RootCertStore::empty();
    let added = certificate::chain(&text).map_err(|error| error.to_string()).and_then(|anchors| {
        anchors.into_iter().try_for_each(|anchor| roots.add(anchor)).map_err(|error| error.to_string())
    });
    if let Err(message) = added {
        let help = "give the certificates of the authorities that sign your clients', in PEM form";
        findings.push(Finding::error(&at.place, "client-ca", message, help));
        return None;
    }
    let roots = Arc::new(roots);
    Some(match raw.client_certificates.copied_or(Word(ClientCertificates::default())).0 {
        ClientCertificates::Optional => Clients::Optional(roots),
        ClientCertificates::Required => Clients::Required(roots),
    })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use crate::config::testing::{expect, outcome};
    use crate::tls::fixture;

    /// A folder with `a.crt`, `a.key`, `b.crt` and `b.key`; removed at the end.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("vergate-tls-{}-{name}", std::process::id()));
            std::fs::create_dir_all(&folder).expect("a folder");
            for name in ["a", "b"] {
                let (cert, key) = fixture::pem(&[&format!("{name}.example")]);
                std::fs::write(folder.join(format!("{name}.crt")), cert).expect("written");
                std::fs::write(folder.join(format!("{name}.key")), key).expect("written");
            }
            Self(folder)
        }

        /// A configuration with these keys under `tls`; `@` stands for the folder. The keys begin at 2:3.
        fn with(&self, keys: &str) -> String {
            let keys = keys.replace('@', &self.0.display().to_string());
            format!(
                "listen: {{address: '127.0.0.1:1', tls: {{\n  {keys}}}}}\nupstreams: {{u: http://h}}\n\
                 apis: {{a: {{versions: {{\"1\": {{upstream: u}}}}}}}}\n"
            )
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn certificates_are_read_and_their_files_watched() {
        let folder = Folder::new("good");
        let text = folder.with(
            "cert: @/a.crt, key: @/a.key, certificates: [{cert: @/b.crt, key: @/b.key}], client_ca: @/a.crt, min_version: 1.3",
        );
        let outcome = outcome(&text);
        assert!(outcome.findings.is_empty(), "{:?}", outcome.findings);
        let config = outcome.config.expect("sound");
        for file in ["a.crt", "a.key", "b.crt", "b.key"] {
            assert!(config.files.contains(&folder.0.join(file)), "{file}");
        }
        let tls = config.listeners[0].tls.as_ref().expect("TLS");
        assert!(tls.asks_clients);
        assert_eq!(tls.config.alpn_protocols, [b"h2".to_vec(), b"http/1.1".to_vec()]);
        assert_eq!(tls.config.max_early_data_size, 0);
        assert!(!format!("{config:?}").contains("PRIVATE"));
    }

    #[test]
    fn a_certificate_may_stand_in_the_file_itself_or_in_a_variable() {
        let folder = Folder::new("inline");
        let text = folder.with("cert: '${file:@/a.crt}', key: '${file:@/a.key}'");
        assert!(outcome(&text).config.expect("sound").listeners[0].tls.is_some());
    }

    #[test]
    fn what_cannot_be_used_is_told_with_its_place() {
        let folder = Folder::new("bad");
        for (keys, findings) in [
            ("cert: @/none.crt, key: @/a.key", &["g.yaml:2:9: error: cannot read \"/"][..]),
            ("cert: @/a.key, key: @/a.key", &["g.yaml:2:9: error: it holds no certificate in PEM form"]),
            ("key: @/b.key, cert: @/a.crt", &["g.yaml:2:8: error: the private key does not belong to the certificate"]),
            ("key: @/a.crt, cert: @/a.crt", &["g.yaml:2:8: error: it holds no private key in PEM form"]),
            ("cert: @/a.crt", &["g.yaml:1:39: error: `key` is missing"]),
            ("key: @/a.key", &["g.yaml:1:39: error: `cert` is missing"]),
            ("", &["g.yaml:1:39: error: `tls` names no certificate"]),
            ("certificates: []", &["g.yaml:1:39: error: `tls` names no certificate"]),
            ("certificates: [{cert: @/a.crt}]", &["g.yaml:2:18: error: `key` is missing"]),
            ("client_ca: @/none, cert: @/a.crt, key: @/a.key", &["g.yaml:2:14: error: cannot read \"/"]),
            ("client_ca: @/a.key, cert: @/a.crt, key: @/a.key", &["g.yaml:2:14: error: it holds no certificate"]),
            (
                "client_certificates: optional, cert: @/a.crt, key: @/a.key",
                &["g.yaml:2:24: error: `client_certificates` without `client_ca`"],
            ),
            (
                "min_version: 1.1, cert: @/a.crt, key: @/a.key",
                &["g.yaml:2:16: error: expected 1.2 or 1.3, found \"1.1\""],
            ),
        ] {
            expect(&folder.with(keys), findings);
        }
    }

    #[test]
    fn ends_of_certificates_are_known_and_told_when_they_have_come() {
        let folder = Folder::new("ends");
        let key = rcgen::KeyPair::generate().expect("a key");
        let mut params = rcgen::CertificateParams::new(vec!["a.example".to_owned()]).expect("a name");
        // The tests of this folder take place on 2026-01-01.
        for (year, warned) in [(2025, true), (2027, false)] {
            params.not_after = rcgen::date_time_ymd(year, 6, 1);
            std::fs::write(folder.0.join("c.crt"), params.self_signed(&key).expect("signed").pem()).expect("written");
            std::fs::write(folder.0.join("c.key"), key.serialize_pem()).expect("written");
            let outcome = outcome(&folder.with("cert: @/c.crt, key: @/c.key"));
            let warnings: Vec<String> = outcome.findings.iter().map(ToString::to_string).collect();
            let start = "g.yaml:2:9: warning: the certificate was good until 2025-06-01T00:00:00Z";
            assert_eq!(warnings.len(), usize::from(warned), "{warnings:?}");
            assert!(warnings.iter().all(|warning| warning.starts_with(start)), "{warnings:?}");
            let ends = outcome.config.expect("sound").certificate_ends;
            let file = folder.0.join("c.crt").display().to_string();
            assert_eq!(ends.get(&file).map(|end| end.date()), Some(format!("{year}-06-01")));
        }
    }

    #[test]
    fn sessions_are_kept_where_nothing_has_changed() {
        let folder = Folder::new("sessions");
        let read = |keys: &str| outcome(&folder.with(keys)).config.expect("sound");
        let before = read("cert: @/a.crt, key: @/a.key");
        let kept = |keys: &str| {
            let mut config = read(keys);
            config.keep_sessions(&before);
            let tls = |config: &crate::config::Config| config.listeners[0].tls.clone().expect("TLS").config;
            std::sync::Arc::ptr_eq(&tls(&config), &tls(&before))
        };
        assert!(kept("cert: @/a.crt, key: @/a.key"));
        for other in [
            "cert: @/b.crt, key: @/b.key",
            "cert: @/a.crt, key: @/a.key, client_ca: @/b.crt",
            "cert: @/a.crt, key: @/a.key, min_version: 1.3",
            "cert: @/a.crt, key: @/a.key, certificates: [{cert: @/b.crt, key: @/b.key}]",
        ] {
            assert!(!kept(other), "{other}");
        }
    }
}
