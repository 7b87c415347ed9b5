//! Fields that belong to one connection and are not passed on (RFC 9110 section 7.6.1).

use http::{HeaderMap, HeaderName, header};

use crate::headers;

/// A `Connection` line names a field that the exchange itself depends on: somebody tries to have the
/// gateway remove it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the Connection header names {0}, which must not be removed on the way")]
pub struct Protected(pub HeaderName);

/// Removes hop-by-hop fields and everything any `Connection` line names.
///
/// - Errors when a `Connection` line names a field that decides routing, framing or identity; the
///   headers are then left half-edited and the request has to be refused.
pub fn remove(fields: &mut HeaderMap) -> Result<(), Protected> {
    strip(fields, true)
}

/// The same for a response, where naming such a field does nothing: the field stays.
pub fn remove_from_response(fields: &mut HeaderMap) {
    // Without refusals there is no error.
    let _ = strip(fields, false);
}

fn strip(fields: &mut HeaderMap, refuse: bool) -> Result<(), Protected> {
    let mut found = Found::default();
    for name in fields.keys() {
        found.see(name);
    }
    if found.connection {
        remove_named(fields, refuse)?;
        fields.remove(header::CONNECTION);
    }
    if found.others {
        for name in OTHERS {
            fields.remove(name);
        }
    }
    Ok(())
}

/// Besides `Connection` itself.
const OTHERS: [HeaderName; 7] = [
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Most requests have none of these: one pass over the names is cheaper than eight lookups.
#[derive(Default)]
struct Found {
    connection: bool,
    others: bool,
}

impl Found {
    fn see(&mut self, name: &HeaderName) {
        // Lengths first: hardly any other name has one of these.
        match name.as_str().len() {
            10 if name == header::CONNECTION => self.connection = true,
            2 | 7 | 10 | 16..=19 => self.others |= OTHERS.contains(name),
            _ => {}
        }
    }
}

fn remove_named(fields: &mut HeaderMap, refuse: bool) -> Result<(), Protected> {
    let mut named: Vec<HeaderName> = Vec::new();
    for line in fields.get_all(header::CONNECTION) {
        for option in line.as_bytes().split(|b| *b == b',') {
            let option = option.trim_ascii();
            if option.eq_ignore_ascii_case(b"close") || option.eq_ignore_ascii_case(b"keep-alive") {
                continue;
            }
            // What is no field name names no field.
            if let Ok(name) = HeaderName::from_bytes(option) {
                named.push(name);
            }
        }
    }
    for name in named {
        match is_protected(&name) {
            true if refuse && fields.contains_key(&name) => return Err(Protected(name)),
            true => {}
            false => drop(fields.remove(name)),
        }
    }
    Ok(())
}

/// Removing these would change who is asking, for what, or where the body ends.
fn is_protected(name: &HeaderName) -> bool {
    const NAMES: [HeaderName; 5] =
        [header::HOST, header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::COOKIE, header::AUTHORIZATION];
    NAMES.contains(name)
        || name == headers::X_API_VERSION
        || name.as_str() == "x-api-key"
        || name.as_str().starts_with("x-forwarded-")
        || name == header::FORWARDED
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn fields(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in lines {
            map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        map
    }

    #[test]
    fn every_connection_line_names_fields_to_drop() {
        let mut map = fields(&[
            ("connection", "close, X-One"),
            ("connection", "x-two,, upgrade"),
            ("x-one", "1"),
            ("x-two", "2"),
            ("x-three", "3"),
            ("upgrade", "h2c"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("proxy-connection", "keep-alive"),
            ("proxy-authorization", "Basic x"),
        ]);
        assert_eq!(remove(&mut map), Ok(()));
        assert_eq!(map, fields(&[("x-three", "3")]));
    }

    #[test]
    fn fields_that_decide_routing_or_identity_cannot_be_named() {
        for name in
            ["host", "content-length", "cookie", "authorization", "x-api-version", "x-api-key", "x-forwarded-for"]
        {
            let mut map = fields(&[("connection", name), (name, "1")]);
            assert_eq!(remove(&mut map), Err(Protected(HeaderName::from_static(name))));
        }
    }

    #[test]
    fn naming_a_field_that_is_not_there_does_no_harm() {
        let mut map = fields(&[("connection", "x-none, not a name, authorization")]);
        assert_eq!(remove(&mut map), Ok(()));
        assert!(map.is_empty());
    }
}
