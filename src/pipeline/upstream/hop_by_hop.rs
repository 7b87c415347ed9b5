//! Fields that belong to one connection and are not passed on (RFC 9110 section 7.6.1).

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::headers::{self, Present};

/// A `Connection` line names a field that the exchange itself depends on: somebody tries to have the
/// gateway remove it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the Connection header names {0}, which must not be removed on the way")]
pub struct Protected(pub HeaderName);

/// Removes hop-by-hop fields and everything any `Connection` line names.
///
/// - `present`: what may be among `fields`.
/// - `is_version`: whether a field may name a version; the gateway alone says which one it is.
/// - `trailers`: fields that may follow the body; `Trailer` keeps only these.
/// - Errors when a `Connection` line names a field that decides routing, framing or identity, or tells the
///   upstream who called; the headers are then left half-edited and the request has to be refused.
pub fn remove(
    fields: &mut HeaderMap,
    present: Present,
    is_version: impl Fn(&HeaderName) -> bool,
    trailers: &[HeaderName],
) -> Result<(), Protected> {
    if present.has(Present::CONNECTION) {
        let named = named(fields);
        if let Some(name) = named.iter().find(|name| is_protected(name) || is_version(name)) {
            return Err(Protected(name.clone()));
        }
        remove_all(fields, &named);
    }
    remove_known(fields, present);
    if present.has(Present::TRAILER) {
        announce(fields, trailers);
    }
    Ok(())
}

/// The same for a response, where naming a protected field does nothing: the field stays.
pub fn remove_from_response(fields: &mut HeaderMap, present: Present) {
    if present.has(Present::CONNECTION) {
        let mut named = named(fields);
        named.retain(|name| !is_protected(name));
        remove_all(fields, &named);
    }
    remove_known(fields, present);
}

/// Besides `Connection` itself: what is [`Present::HOP_BY_HOP`].
const OTHERS: [HeaderName; 8] = [
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    // Of the obsolete upgrade to HTTP/2 (RFC 9113 section 3.1); harmless where none is asked for.
    HeaderName::from_static("http2-settings"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

fn remove_known(fields: &mut HeaderMap, present: Present) {
    if present.has(Present::CONNECTION) {
        fields.remove(header::CONNECTION);
    }
    if present.has(Present::HOP_BY_HOP) {
        remove_all(fields, &OTHERS);
    }
}

fn remove_all(fields: &mut HeaderMap, names: &[HeaderName]) {
    for name in names {
        fields.remove(name);
    }
}

/// The fields that `Connection` lines name.
fn named(fields: &HeaderMap) -> Vec<HeaderName> {
    let lines = fields.get_all(header::CONNECTION);
    let options = lines.iter().flat_map(|line| line.as_bytes().split(|b| *b == b',')).map(<[u8]>::trim_ascii);
    let options = options.filter(|o| !o.eq_ignore_ascii_case(b"close") && !o.eq_ignore_ascii_case(b"keep-alive"));
    // What is no field name names no field.
    options.filter_map(|option| HeaderName::from_bytes(option).ok()).collect()
}

/// `Trailer` says what will follow, not what the client sent and is dropped (RFC 9110 section 6.6.2).
fn announce(fields: &mut HeaderMap, trailers: &[HeaderName]) {
    let lines = fields.get_all(header::TRAILER);
    let declared: Vec<_> = lines.iter().flat_map(|line| line.as_bytes().split(|b| *b == b',')).collect();
    let is_declared =
        |name: &&HeaderName| declared.iter().any(|d| d.trim_ascii().eq_ignore_ascii_case(name.as_str().as_bytes()));
    let kept: Vec<&str> = trailers.iter().filter(is_declared).map(HeaderName::as_str).collect();
    match HeaderValue::from_str(&kept.join(", ")) {
        Ok(value) if !kept.is_empty() => drop(fields.insert(header::TRAILER, value)),
        _ => drop(fields.remove(header::TRAILER)),
    }
}

/// Removing these would change who is asking, for what, through whom, or where the body ends.
fn is_protected(name: &HeaderName) -> bool {
    const NAMES: [HeaderName; 10] = [
        header::HOST,
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
        header::COOKIE,
        header::AUTHORIZATION,
        header::FORWARDED,
        header::VIA,
        headers::X_REQUEST_ID,
        headers::X_API_VERSION,
        HeaderName::from_static("x-api-key"),
    ];
    // The parts of W3C Trace Context are one.
    NAMES.contains(name)
        || matches!(name.as_str(), "traceparent" | "tracestate")
        || name.as_str().starts_with("x-forwarded-")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fields(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in lines {
            map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        map
    }

    /// `X-Own-Version` may name a version.
    fn request(map: &mut HeaderMap) -> Result<(), Protected> {
        {
            let present = Present::of(map);
            remove(map, present, |name| name.as_str() == "x-own-version", &[])
        }
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
            ("http2-settings", "AAMAAABk"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("proxy-connection", "keep-alive"),
            ("proxy-authorization", "Basic x"),
        ]);
        assert_eq!(request(&mut map), Ok(()));
        assert_eq!(map, fields(&[("x-three", "3")]));
    }

    #[test]
    fn fields_that_decide_something_cannot_be_named_whether_they_are_there_or_not() {
        for name in [
            "host",
            "content-length",
            "transfer-encoding",
            "cookie",
            "authorization",
            "forwarded",
            "via",
            "traceparent",
            "tracestate",
            "x-request-id",
            "x-api-version",
            "x-api-key",
            "x-forwarded-for",
            "x-forwarded-anything",
            "x-own-version",
        ] {
            let protected = Err(Protected(HeaderName::from_static(name)));
            assert_eq!(request(&mut fields(&[("connection", name), (name, "1")])), protected);
            assert_eq!(request(&mut fields(&[("connection", "close"), ("connection", name)])), protected);
        }
    }

    #[test]
    fn naming_another_field_that_is_not_there_does_no_harm() {
        let mut map = fields(&[("connection", "x-none, not a name, x-forwarded")]);
        assert_eq!(request(&mut map), Ok(()));
        assert!(map.is_empty());
    }

    #[test]
    fn of_a_response_everything_is_removed_that_is_named_and_not_protected() {
        let mut map = fields(&[
            ("connection", "close, x-one, content-length, via"),
            ("x-one", "1"),
            ("content-length", "3"),
            ("via", "1.1 origin"),
            ("trailer", "x-sum"),
            ("transfer-encoding", "chunked"),
        ]);
        let present = Present::of(&map);
        remove_from_response(&mut map, present);
        assert_eq!(map, fields(&[("content-length", "3"), ("via", "1.1 origin"), ("trailer", "x-sum")]));
    }

    #[test]
    fn only_trailers_that_are_sent_on_are_announced() {
        for (declared, announced) in [
            (&["X-Sum"][..], Some("x-sum")),
            (&["x-other, X-Sum", "x-more"], Some("x-sum")),
            (&["x-more,x-sum"], Some("x-sum, x-more")),
            (&["x-other"], None),
            (&[""], None),
        ] {
            let mut map = HeaderMap::new();
            for line in declared {
                map.append(header::TRAILER, HeaderValue::from_static(line));
            }
            let allowed = if declared.len() == 2 { &["x-sum"][..] } else { &["x-sum", "x-more"] };
            let allowed: Vec<_> = allowed.iter().map(|name| HeaderName::from_static(name)).collect();
            assert_eq!(remove(&mut map, Present::TRAILER, |_| false, &allowed), Ok(()));
            assert_eq!(map.get(header::TRAILER).map(|v| v.to_str().expect("ASCII")), announced, "{declared:?}");
        }
    }

    proptest! {
        /// Laws: what no `Connection` line names and is not hop-by-hop stays, in order; nothing named is left.
        #[test]
        fn what_is_removed_is_what_is_named(
            names in prop::collection::vec("x-[ab]{1,2}|te|upgrade|keep-alive|connection|accept", 0..8),
            options in prop::collection::vec("(x-[ab]{1,2}|close|te|accept| |,|Upgrade){0,4}", 0..3),
        ) {
            let mut map = HeaderMap::new();
            for (index, name) in names.iter().filter(|name| *name != "connection").enumerate() {
                map.append(HeaderName::from_bytes(name.as_bytes()).expect("a name"), HeaderValue::from(index));
            }
            for line in &options {
                map.append(header::CONNECTION, HeaderValue::from_str(line).expect("visible"));
            }
            let before = map.clone();
            let named: Vec<String> =
                options.iter().flat_map(|line| line.split(',')).map(|o| o.trim().to_ascii_lowercase()).collect();
            let goes = |name: &HeaderName| {
                let hop = ["connection", "te", "upgrade", "keep-alive"].contains(&name.as_str());
                hop || named.iter().any(|other| other == name.as_str())
            };
            prop_assert_eq!(request(&mut map), Ok(()));
            for name in before.keys() {
                let lines: Vec<_> = before.get_all(name).iter().filter(|_| !goes(name)).collect();
                prop_assert_eq!(map.get_all(name).iter().collect::<Vec<_>>(), lines, "{}", name);
            }
            prop_assert!(map.keys().all(|name| before.contains_key(name)));
        }
    }
}
