//! Names and values of the header fields the gateway itself writes.
//!
//! One module, so that a name a dashboard or a client depends on is spelled in one place
//! (CONTRACT sections 3 to 5). The names HTTP itself knows come from [`http::header`].

pub mod disguise;
pub mod lines;
pub mod present;
pub mod spare;
pub mod spelling;

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{Entry, VARY},
};

pub use self::{lines::Fields, present::Present};

use crate::domain::time::UtcTime;

/// RFC 9745 section 2: since when, or from when on, the version is deprecated.
pub const DEPRECATION: HeaderName = HeaderName::from_static("deprecation");
/// RFC 8594 section 3: when the version stops answering.
pub const SUNSET: HeaderName = HeaderName::from_static("sunset");
/// The version a caller asks for, and the one an upstream is told it speaks.
pub const X_API_VERSION: HeaderName = HeaderName::from_static("x-api-version");
/// The version that served the call.
pub const X_API_VERSION_USED: HeaderName = HeaderName::from_static("x-api-version-used");
/// `true` where another version than the one asked for served the call.
pub const X_API_VERSION_FALLBACK: HeaderName = HeaderName::from_static("x-api-version-fallback");
/// `true` from the deprecation date on.
pub const X_API_DEPRECATED: HeaderName = HeaderName::from_static("x-api-deprecated");
/// The UTC day of the sunset.
pub const X_API_SUNSET_DATE: HeaderName = HeaderName::from_static("x-api-sunset-date");
/// Where the migration guide is.
pub const X_API_MIGRATION_GUIDE: HeaderName = HeaderName::from_static("x-api-migration-guide");
/// Names one exchange in answers and logs.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Fields that only the gateway may say; what a client sends under these names is removed
/// (CONTRACT section 3, rule 10).
pub const GATEWAY_ONLY: [HeaderName; 5] =
    [X_API_VERSION_USED, X_API_VERSION_FALLBACK, X_API_DEPRECATED, X_API_SUNSET_DATE, X_API_MIGRATION_GUIDE];

/// Removes what only the gateway may say.
pub fn remove_gateway_only(fields: &mut HeaderMap) {
    for name in GATEWAY_ONLY {
        fields.remove(name);
    }
}

/// Whether `fields` have the field `name`. A head has few names: comparing them is cheaper than the
/// hash that the map would look one up with.
pub fn has(fields: &HeaderMap, name: &HeaderName) -> bool {
    fields.keys().any(|known| known == name)
}

/// `true`, for [`X_API_DEPRECATED`] and [`X_API_VERSION_FALLBACK`].
pub const TRUE: HeaderValue = HeaderValue::from_static("true");

/// Renders the `Deprecation` field value: `@` and Unix seconds (RFC 9745 section 2.1).
pub fn deprecation(at: UtcTime) -> HeaderValue {
    ascii(&format!("@{}", at.unix()))
}

/// Renders the `Sunset` field value: IMF-fixdate, 29 bytes (RFC 8594 section 3).
pub fn sunset(at: UtcTime) -> HeaderValue {
    ascii(&at.imf_fixdate())
}

/// Renders the UTC day, `2026-06-01`, for [`X_API_SUNSET_DATE`].
pub fn day(at: UtcTime) -> HeaderValue {
    ascii(&at.date())
}

/// How people write a header name: `x-api-version` as `X-API-Version`.
///
/// The type of the `http` crate keeps lower case only, but a `Vary` value is read by people too.
pub fn spelled(name: &HeaderName) -> String {
    let words = name.as_str().split('-').map(|word| match word {
        "api" | "id" => word.to_ascii_uppercase(),
        _ => {
            let head = word.get(..1).unwrap_or_default().to_ascii_uppercase();
            head + word.get(1..).unwrap_or_default()
        }
    });
    words.collect::<Vec<_>>().join("-")
}

/// The names an API adds to `Vary`, rendered once.
#[derive(Clone, Debug, Default)]
pub struct VaryNames {
    names: Vec<String>,
    /// All of them joined, for the common answer without a `Vary` of its own.
    joined: Option<HeaderValue>,
}

impl VaryNames {
    /// Takes the names in order; a repeated one counts once.
    pub fn new(names: impl IntoIterator<Item = HeaderName>) -> Self {
        let mut spellings: Vec<String> = Vec::new();
        for name in names {
            let spelling = spelled(&name);
            if !spellings.contains(&spelling) {
                spellings.push(spelling);
            }
        }
        let joined = (!spellings.is_empty()).then(|| ascii(&spellings.join(", ")));
        Self { names: spellings, joined }
    }
}

/// Adds `names` to `Vary`, each once and whatever its case; `*` is left alone (RFC 9110 section 12.5.5).
///
/// Several `Vary` lines become one where something is added; else nothing changes.
pub fn merge_vary(headers: &mut HeaderMap, names: &VaryNames) {
    let Some(joined) = &names.joined else { return };
    let mut entry = match headers.entry(VARY) {
        Entry::Occupied(entry) => entry,
        Entry::Vacant(absent) => {
            absent.insert(joined.clone());
            return;
        }
    };
    let listed = |name: &str| entry.iter().any(|line| members(line).any(|m| m.eq_ignore_ascii_case(name.as_bytes())));
    if listed("*") {
        return;
    }
    let missing: Vec<&str> = names.names.iter().map(String::as_str).filter(|name| !listed(name)).collect();
    if missing.is_empty() {
        return;
    }
    let present = entry.iter().flat_map(members);
    let all: Vec<&[u8]> = present.chain(missing.into_iter().map(str::as_bytes)).collect();
    // Parts of valid values joined by visible text are a valid value.
    if let Ok(value) = HeaderValue::from_bytes(&all.join(&b", "[..])) {
        entry.insert(value);
    }
}

/// The members of one line of a comma-separated field without quoted strings.
fn members(line: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    line.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|member| !member.is_empty())
}

fn ascii(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("dates and header names are visible ASCII")
}

/// Whether a field may follow a body: what decides framing, routing, identity, caching or the version has to come
/// before it, and so has what the gateway itself says (RFC 9110 section 6.5.1).
pub fn may_trail(name: &HeaderName) -> bool {
    const TAKEN: [&str; 36] = [
        "accept",
        "accept-encoding",
        "age",
        "authorization",
        "cache-control",
        "connection",
        "content-encoding",
        "content-length",
        "content-range",
        "content-type",
        "cookie",
        "date",
        "deprecation",
        "expect",
        "expires",
        "forwarded",
        "host",
        "keep-alive",
        "location",
        "max-forwards",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "range",
        "retry-after",
        "set-cookie",
        "sunset",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "vary",
        "via",
        "warning",
        "www-authenticate",
        "x-request-id",
    ];
    let starts = |prefix| name.as_str().starts_with(prefix);
    !(TAKEN.contains(&name.as_str()) || starts("x-api-") || starts("x-forwarded-") || starts("if-"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn merged(before: &[&'static str], names: &[&'static str]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for line in before {
            headers.append(VARY, HeaderValue::from_static(line));
        }
        merge_vary(&mut headers, &VaryNames::new(names.iter().map(|name| HeaderName::from_static(name))));
        headers.get_all(VARY).iter().map(|line| line.to_str().expect("visible ASCII").to_owned()).collect()
    }

    #[test]
    fn vary_gains_each_name_once_whatever_its_case() {
        let names = &["x-api-version", "accept"];
        for (before, after) in [
            (&[][..], &["X-API-Version, Accept"][..]),
            (&["Origin"], &["Origin, X-API-Version, Accept"]),
            (&["ACCEPT"], &["ACCEPT, X-API-Version"]),
            (&["accept , x-api-VERSION"], &["accept , x-api-VERSION"]),
            (&["Accept", "Origin"], &["Accept, Origin, X-API-Version"]),
            (&["Accept-Encoding"], &["Accept-Encoding, X-API-Version, Accept"]),
            (&[""], &["X-API-Version, Accept"]),
            (&[" ,, Origin,"], &["Origin, X-API-Version, Accept"]),
            (&["*"], &["*"]),
            (&["Origin", "*"], &["Origin", "*"]),
            (&["Origin, *"], &["Origin, *"]),
        ] {
            assert_eq!(merged(before, names), after, "{before:?}");
        }
    }

    #[test]
    fn an_api_without_header_and_accept_sources_leaves_vary_alone() {
        assert_eq!(merged(&["Origin"], &[]), ["Origin"]);
        assert!(merged(&[], &[]).is_empty());
    }

    #[test]
    fn names_are_spelled_as_people_write_them() {
        assert_eq!(spelled(&X_API_VERSION), "X-API-Version");
        assert_eq!(spelled(&X_REQUEST_ID), "X-Request-ID");
        assert_eq!(spelled(&http::header::ACCEPT), "Accept");
        assert_eq!(spelled(&HeaderName::from_static("a--b-")), "A--B-");
    }

    proptest! {
        #[test]
        fn merging_never_duplicates_and_is_done_once(
            before in proptest::collection::vec("[a-cA-C*, ]{0,8}", 0..4),
            names in proptest::collection::vec("[a-c]{1,2}", 0..4),
        ) {
            let names = VaryNames::new(names.iter().map(|name| HeaderName::from_bytes(name.as_bytes()).expect("visible ASCII")));
            let mut headers = HeaderMap::new();
            for line in &before {
                headers.append(VARY, HeaderValue::from_str(line).expect("visible ASCII"));
            }
            let count = |headers: &HeaderMap, name: &str| {
                let lines = headers.get_all(VARY).iter();
                lines.flat_map(members).filter(|m| m.eq_ignore_ascii_case(name.as_bytes())).count()
            };
            let starred = count(&headers, "*") > 0;
            let counts: Vec<_> = names.names.iter().map(|name| count(&headers, name)).collect();
            merge_vary(&mut headers, &names);
            for (name, before) in names.names.iter().zip(counts) {
                prop_assert_eq!(count(&headers, name), if starred { before } else { before.max(1) });
            }
            let once = headers.clone();
            merge_vary(&mut headers, &names);
            prop_assert_eq!(once, headers);
        }
    }
}
