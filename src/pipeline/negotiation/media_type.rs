//! Versions in media types: what an upstream sees in `Accept`, what a client sees in `Content-Type`
//! (CONTRACT section 3, rule 10).

use http::HeaderMap;

use super::Negotiator;

impl Negotiator {
    /// Makes `Accept` name the version the upstream speaks and no other.
    ///
    /// - `version`: the chosen one; the range that names it is rewritten, other ranges of that kind go.
    /// - `speaks`: name of the version the upstream speaks.
    pub fn rewrite_accept(&self, api: usize, version: usize, speaks: &str, headers: &mut HeaderMap) {
        let _ = (api, version, speaks, headers);
    }

    /// Makes a vendor media type in a response's `Content-Type` name the version the client asked for.
    ///
    /// - `text`: what the client used in `Accept`, else the served version's name.
    pub fn content_type_back(&self, api: usize, text: &str, headers: &mut HeaderMap) {
        let _ = (api, text, headers);
    }
}
