//! Header fields as people read them.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName};

use crate::headers;

/// The fields that are new in `after`, or say something else there.
pub(super) fn changed(before: &HeaderMap, after: &HeaderMap) -> HeaderMap {
    let is_new = |name: &HeaderName| !before.get_all(name).iter().eq(after.get_all(name).iter());
    after.iter().filter(|(name, _)| is_new(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
}

pub(super) fn gone_from(before: &HeaderMap, after: &HeaderMap) -> Vec<String> {
    before.keys().filter(|name| !after.contains_key(*name)).map(headers::spelled).collect()
}

/// Fields whose values nobody wants on a screen or in a ticket.
fn is_secret(name: &HeaderName) -> bool {
    let words = ["authorization", "cookie", "api-key", "apikey", "token", "secret", "password", "credential"];
    words.iter().any(|word| name.as_str().contains(word))
}

/// Several lines of one name joined, as RFC 9110 section 5.3 allows; secrets are not shown.
pub(super) fn spelled(fields: &HeaderMap) -> BTreeMap<String, String> {
    let join = |name: &HeaderName| {
        if is_secret(name) {
            return "(not shown)".to_owned();
        }
        let lines: Vec<_> =
            fields.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        lines.join(", ")
    };
    fields.keys().map(|name| (headers::spelled(name), join(name))).collect()
}
