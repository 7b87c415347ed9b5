//! Certificates and keys from files.

use std::path::{Path, PathBuf};

use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};

use super::file::read_regular;
use super::finding::Finding;
use super::names::Text;
use super::shape::At;

/// Largest file that is read.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Where the files of a configuration lie, and which were asked for.
pub struct Files<'f> {
    /// The folder paths are relative to.
    pub folder: &'f Path,
    /// Gains every file that was read, and those that should have been: a renewed certificate reloads.
    pub seen: &'f mut Vec<PathBuf>,
}

impl Files<'_> {
    /// The certificates of a PEM file; at least one, or a finding.
    pub fn certificates(
        &mut self,
        path: &At<Text>,
        findings: &mut Vec<Finding>,
    ) -> Option<Vec<CertificateDer<'static>>> {
        let text = self.read(path, findings)?;
        let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
        match read {
            Ok(certificates) if !certificates.is_empty() => Some(certificates),
            Ok(_) => self.refuse(path, "holds no certificate", findings),
            Err(error) => self.refuse(path, &format!("is not PEM: {error}"), findings),
        }
    }

    /// The private key of a PEM file, or a finding.
    pub fn key(&mut self, path: &At<Text>, findings: &mut Vec<Finding>) -> Option<PrivateKeyDer<'static>> {
        let text = self.read(path, findings)?;
        // Why it is none is not said: nothing of a key gets into a message.
        let Ok(key) = PrivateKeyDer::from_pem_slice(&text) else {
            return self.refuse(path, "holds no private key", findings);
        };
        Some(key)
    }

    fn read(&mut self, path: &At<Text>, findings: &mut Vec<Finding>) -> Option<Vec<u8>> {
        let file = self.folder.join(&path.value.0);
        // Also a file that is missing is watched: it may come.
        self.seen.push(file.clone());
        match read_regular(&file, FILE_BYTES_MAX) {
            Ok(bytes) => Some(bytes),
            Err(error) => {
                let message = format!("cannot read {}: {error}", file.display());
                let help = "paths are relative to the folder of the configuration";
                findings.push(Finding::error(&path.place, "file", message, help));
                None
            }
        }
    }

    fn refuse<T>(&self, path: &At<Text>, what: &str, findings: &mut Vec<Finding>) -> Option<T> {
        let message = format!("{} {what}", self.folder.join(&path.value.0).display());
        let help = "PEM begins with -----BEGIN CERTIFICATE----- or -----BEGIN PRIVATE KEY-----";
        findings.push(Finding::error(&path.place, "pem", message, help));
        None
    }
}
