//! The one version an upstream sees in header fields (CONTRACT section 3, rule 10).

use http::{HeaderMap, HeaderName};

use super::{
    Negotiator,
    selector::{Place, Source},
};
use crate::headers::{GATEWAY_ONLY, X_API_VERSION, disguise::is_same};

impl Negotiator {
    /// Removes every version field the client sent. The version the upstream speaks is then named in
    /// [`Negotiator::version_header`].
    ///
    /// Names are also recognised with `_` for `-`: many backends read both as one.
    pub fn remove_version_fields(&self, api: usize, headers: &mut HeaderMap) {
        while let Some(name) = headers.keys().find(|name| self.is_version_field(api, name)).cloned() {
            headers.remove(name);
        }
    }

    /// Whether only the gateway may say what this field says to an upstream of `api`.
    pub fn is_version_field(&self, api: usize, name: &HeaderName) -> bool {
        let resolver = &self.resolvers[api];
        let name = name.as_str();
        // Hardly any other field begins with one of these letters: most are told by their first one.
        let initial = name.as_bytes().first().map_or(0, |byte| 1u32 << (byte & 31));
        resolver.version_initials & initial != 0
            && (resolver.version_fields.iter().any(|own| is_same(name, own.as_str()))
                || name.get(..PREFIX.len()).is_some_and(|head| is_same(head, PREFIX)))
    }
}

/// Paths other than the one that was routed; some backends serve them instead.
const OTHER_PATHS: [HeaderName; 2] =
    [HeaderName::from_static("x-original-url"), HeaderName::from_static("x-rewrite-url")];

/// The first letters of `fields`, one bit each.
pub(super) fn initials(fields: &[HeaderName]) -> u32 {
    fields.iter().filter_map(|name| name.as_str().bytes().next()).fold(0, |bits, byte| bits | 1 << (byte & 31))
}

const PREFIX: &str = "x-api-version-";

/// The fields under which a client may name a version or another path, or claim what only the gateway says.
pub(super) fn version_fields(sources: &[Source]) -> Vec<HeaderName> {
    let named = sources.iter().filter_map(|source| match &source.place {
        Place::Header(name) => Some(name.clone()),
        Place::Path(_) | Place::Query(_) | Place::Accept(_) => None,
    });
    named.chain([X_API_VERSION]).chain(GATEWAY_ONLY).chain(OTHER_PATHS).collect()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::pipeline::negotiation::fixture::{api, now};

    fn seen_upstream(negotiator: &Negotiator, sent: &[(&'static str, &'static str)]) -> Vec<(String, String)> {
        let mut headers = HeaderMap::new();
        for (name, value) in sent {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        negotiator.remove_version_fields(0, &mut headers);
        let text = |value: &HeaderValue| value.to_str().expect("ASCII").to_owned();
        let mut seen: Vec<_> = headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        seen.sort();
        seen
    }

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn an_upstream_sees_no_version_field_of_the_client() {
        let negotiator = Negotiator::compile(&[api("qp").usual_sources().build()], now());
        let sent = [
            ("x-api-version", "1.0"),
            ("x-api-version", "1.0.0"),
            ("x_api_version", "2.0"),
            ("x-api-version-used", "2.0"),
            ("x-api-version-fallback", "true"),
            ("x_api-version_used", "2.0"),
            ("x-api-version-hint", "2.0"),
            ("x-api-deprecated", "true"),
            ("x-api-versions", "kept"),
            ("x-original-url", "/v2.0/parse"),
            ("x_rewrite_url", "/v2.0/parse"),
            ("accept", "*/*"),
        ];
        let seen = [("accept", "*/*"), ("x-api-versions", "kept")];
        assert_eq!(seen_upstream(&negotiator, &sent), pairs(&seen));
    }

    #[test]
    fn the_field_is_the_first_header_source_and_every_source_is_removed() {
        let one = api("qp").header("x-chatdb-version").header("x-other").build();
        let negotiator = Negotiator::compile(&[one, api("none").path("/x").build()], now());
        let sent = [("x-other", "1"), ("x-api-version", "2"), ("x-chatdb-version", "1")];
        assert_eq!(seen_upstream(&negotiator, &sent), pairs(&[]));
        assert_eq!(negotiator.version_header(0), "x-chatdb-version");
        assert_eq!(negotiator.version_header(1), "x-api-version");
    }
}
