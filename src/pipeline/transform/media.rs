//! What the `Content-*` fields say about a body.

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, TRAILER, TRANSFER_ENCODING},
};

use super::{charset, records::Format};
use crate::domain::api::{BodyRules, Untyped};

/// What an adaptation needs to know of a media type (ADAPTATION section 6, rule 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Media {
    /// `application/json` or a type that ends in `+json`.
    Json,
    /// `application/merge-patch+json`: a partial document (RFC 7396).
    MergePatch,
    /// `application/json-patch+json`: operations, not a document (RFC 6902).
    JsonPatch,
    /// A JSON text on each line: NDJSON, JSON lines.
    Lines,
    /// `text/event-stream`: events whose data may be JSON.
    Events,
    /// `multipart/byteranges`: parts of a body of any type.
    ByteRanges,
    /// Passes untouched; a missing type too.
    Other,
}

/// What senders call JSON texts on lines; none of them is registered.
const LINES: [&str; 8] = [
    "application/x-ndjson",
    "application/ndjson",
    "application/jsonl",
    "application/x-jsonl",
    "application/jsonlines",
    "application/x-jsonlines",
    "application/json-lines",
    "application/stream+json",
];

impl Media {
    /// How a body of records is split; none for a body that is one document, or is not adapted.
    pub(super) fn format(self) -> Option<Format> {
        match self {
            Self::Lines => Some(Format::Lines),
            Self::Events => Some(Format::Events),
            Self::Json | Self::MergePatch | Self::JsonPatch | Self::ByteRanges | Self::Other => None,
        }
    }

    /// Reads `Content-Type` as [`Media::of`]; a body without one may be JSON by the API's rules.
    pub(super) fn of_message(headers: &HeaderMap, rules: BodyRules) -> Self {
        let is_untyped = rules.untyped == Untyped::Json && !headers.contains_key(CONTENT_TYPE);
        if is_untyped { Self::Json } else { Self::of(headers) }
    }

    /// Reads `Content-Type`. Of several lines the first with a JSON type counts, so that no second
    /// line leads a body past its adaptation.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut lines = headers.get_all(CONTENT_TYPE).iter().map(Self::of_value);
        lines.find(|media| *media != Self::Other).unwrap_or(Self::Other)
    }

    fn of_value(value: &HeaderValue) -> Self {
        let essence = essence(value.as_bytes());
        let is = |name: &str| essence.eq_ignore_ascii_case(name.as_bytes());
        if is("application/json") {
            Self::Json
        } else if is("application/merge-patch+json") {
            Self::MergePatch
        } else if is("application/json-patch+json") {
            Self::JsonPatch
        } else if LINES.into_iter().any(is) {
            Self::Lines
        } else if is("text/event-stream") {
            Self::Events
        } else if ends_in_json(essence) {
            Self::Json
        } else if is("multipart/byteranges") {
            Self::ByteRanges
        } else {
            Self::Other
        }
    }
}

/// Digests of the bytes that are sent (RFC 9530; RFC 1864).
static DIGESTS: [HeaderName; 4] = [
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-md5"),
];

/// What a signature covers (RFC 9421).
static SIGNATURE_INPUT: HeaderName = HeaderName::from_static("signature-input");

/// Whether the message forbids proxies to change its content (RFC 9111 sections 5.2.1.6 and 5.2.2.6).
pub fn forbids_transform(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(CACHE_CONTROL).iter();
    let mut directives = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    directives.any(|directive| directive.trim_ascii().eq_ignore_ascii_case(b"no-transform"))
}

/// Whether an RFC 9421 signature covers the digest of the content, which an adaptation breaks.
pub(super) fn is_content_signed(headers: &HeaderMap) -> bool {
    let covers = |line: &HeaderValue| {
        [&b"\"content-digest\""[..], b"\"repr-digest\"", b"\"digest\"", b"\"content-md5\""]
            .iter()
            .any(|name| line.as_bytes().windows(name.len()).any(|part| part == *name))
    };
    headers.get_all(&SIGNATURE_INPUT).iter().any(covers)
}

/// Removes what described the bytes before they were adapted, from a header section or trailers.
pub fn remove_digests(fields: &mut HeaderMap) {
    for name in &DIGESTS {
        fields.remove(name);
    }
}

/// Describes an adapted body: exact length if it is known, no coding, no digest of other bytes, no
/// charset the text is not in.
pub(super) fn describe(headers: &mut HeaderMap, length: Option<usize>) {
    match length {
        Some(length) => drop(headers.insert(CONTENT_LENGTH, HeaderValue::from(length))),
        None => drop(headers.remove(CONTENT_LENGTH)),
    }
    // Never both a length and chunks (RFC 9112 section 6.2); trailers need chunks.
    headers.remove(TRANSFER_ENCODING);
    headers.remove(TRAILER);
    headers.remove(CONTENT_ENCODING);
    remove_digests(headers);
    charset::remove_foreign(headers);
}

/// Describes a body that is adapted while it passes: trailers may follow it, but for digests of other bytes.
pub(super) fn describe_stream(headers: &mut HeaderMap) {
    let announced = trailers_left(headers);
    describe(headers, None);
    if let Some(names) = announced {
        headers.insert(TRAILER, names);
    }
}

/// `Trailer` without the names of digests; none where none is left.
fn trailers_left(headers: &HeaderMap) -> Option<HeaderValue> {
    let lines = headers.get_all(TRAILER).iter();
    let names = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
    let is_digest = |name: &[u8]| DIGESTS.iter().any(|digest| name.eq_ignore_ascii_case(digest.as_str().as_bytes()));
    let left: Vec<&[u8]> = names.filter(|name| !name.is_empty() && !is_digest(name)).collect();
    if left.is_empty() { None } else { HeaderValue::from_bytes(&left.join(&b", "[..])).ok() }
}

fn essence(value: &[u8]) -> &[u8] {
    value.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii()
}

/// `type/subtype+json`, both parts tokens (RFC 6839 section 3.1).
fn ends_in_json(essence: &[u8]) -> bool {
    let is_token = |part: &[u8]| {
        !part.is_empty() && part.iter().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b))
    };
    let mut parts = essence.split(|byte| *byte == b'/');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(kind), Some(subtype), None) => {
            let Some((name, suffix)) = subtype.split_at_checked(subtype.len().wrapping_sub(5)) else { return false };
            is_token(kind) && is_token(name) && suffix.eq_ignore_ascii_case(b"+json")
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(value))])
    }

    #[test]
    fn json_is_told_by_its_media_type() {
        for (value, media) in [
            ("application/json", Media::Json),
            ("Application/JSON ; charset=utf-8", Media::Json),
            ("application/problem+json", Media::Json),
            ("application/vnd.chatdb.v2+json", Media::Json),
            ("image/x+JSON", Media::Json),
            ("application/merge-patch+json", Media::MergePatch),
            ("application/json-patch+json", Media::JsonPatch),
            ("multipart/byteranges; boundary=x", Media::ByteRanges),
            ("application/x-ndjson", Media::Lines),
            ("application/jsonl; charset=utf-8", Media::Lines),
            ("application/stream+json", Media::Lines),
            ("Text/Event-Stream;charset=utf-8", Media::Events),
            ("application/json-seq", Media::Other),
            ("text/html", Media::Other),
            ("application/jsonp", Media::Other),
            ("application/+json", Media::Other),
            ("+json", Media::Other),
            ("/+json", Media::Other),
            ("a/b/c+json", Media::Other),
            ("json", Media::Other),
            ("text/plain; x=application/json", Media::Other),
            ("application/json, text/plain", Media::Other),
            ("", Media::Other),
        ] {
            assert_eq!(Media::of(&typed(value)), media, "{value}");
        }
        assert_eq!(Media::of(&HeaderMap::new()), Media::Other);
    }

    #[test]
    fn a_body_without_a_type_is_json_where_the_api_says_so() {
        let json = BodyRules { untyped: Untyped::Json, ..BodyRules::default() };
        assert_eq!(Media::of_message(&HeaderMap::new(), json), Media::Json);
        assert_eq!(Media::of_message(&HeaderMap::new(), BodyRules::default()), Media::Other);
        assert_eq!(Media::of_message(&typed("text/html"), json), Media::Other);
        assert_eq!(Media::of_message(&typed(""), json), Media::Other);
    }

    #[test]
    fn no_transform_is_one_of_several_directives() {
        for (value, forbids) in [
            ("no-transform", true),
            ("max-age=60 , No-Transform", true),
            ("no-cache, max-age=1", false),
            ("x-no-transform", false),
            ("no-transform=1", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(CACHE_CONTROL, HeaderValue::from_static(value))]);
            assert_eq!(forbids_transform(&headers), forbids, "{value}");
        }
    }

    #[test]
    fn a_second_content_type_does_not_hide_json() {
        let mut headers = typed("text/plain");
        headers.append(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        assert_eq!(Media::of(&headers), Media::Json);
    }

    #[test]
    fn a_body_is_described_by_its_length_alone() {
        let mut headers = typed("application/json");
        for name in ["content-digest", "repr-digest", "digest", "content-md5", "content-encoding", "trailer"] {
            headers.insert(name, HeaderValue::from_static("x"));
        }
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        headers.append(CONTENT_LENGTH, HeaderValue::from_static("1"));
        describe(&mut headers, Some(12));
        assert_eq!(headers[CONTENT_LENGTH], "12");
        assert_eq!(headers.len(), 2, "{headers:?}");
    }

    #[test]
    fn a_stream_keeps_the_trailers_that_say_nothing_of_its_bytes() {
        for (names, left) in [
            (&["Content-Digest, X-Sum", "Server-Timing"][..], Some("X-Sum, Server-Timing")),
            (&["content-md5"], None),
            (&[], None),
        ] {
            let mut headers: HeaderMap = names.iter().map(|line| (TRAILER, HeaderValue::from_static(line))).collect();
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("1"));
            describe_stream(&mut headers);
            assert_eq!(headers.get(TRAILER).and_then(|line| line.to_str().ok()), left);
            assert!(!headers.contains_key(CONTENT_LENGTH));
        }
    }

    #[test]
    fn a_signature_over_the_digest_is_seen() {
        for (input, signed) in
            [("sig=(\"@method\" \"content-digest\");created=1", true), ("sig=(\"@method\" \"content-type\")", false)]
        {
            let headers = HeaderMap::from_iter([(
                http::HeaderName::from_static("signature-input"),
                HeaderValue::from_static(input),
            )]);
            assert_eq!(is_content_signed(&headers), signed, "{input}");
        }
    }
}
