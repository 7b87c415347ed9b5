//! Answers on their way back to a client of another version.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, StatusCode,
    header::{ACCEPT_ENCODING, ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE},
};

use super::{
    charset::Charset,
    coding::{Accepted, Applied, Coding},
    error::{self, Cause, Side, TransformError},
    media::{self, Media},
    records::Format,
    validators,
};
use crate::{
    adaptation::{Adapted, Mode, OperationPlan, Program, Reason, Stash},
    domain::api::{BodyRules, NoTransform, Signed},
    headers::{self, VaryNames},
};

/// What becomes of a response body.
#[derive(Clone, Copy, Debug)]
pub enum Treatment<'p> {
    /// It streams through.
    Pass,
    /// There is none; the fields describe what a GET would bring.
    HeadOnly,
    /// It is read whole, the coding taken off, and given to [`body`] with this program.
    Adapt(&'p Program, Option<Coding>),
    /// It is adapted record by record while it passes, coding and charset taken off; `headers`
    /// describe the result already.
    Records(Format, Option<Coding>, Option<Charset>),
}

/// Edits the header fields of an upstream's answer and decides on its body.
///
/// Every answer that is JSON, and every 304, shows an entity tag of its own, whatever its status:
/// a tag that comes back in `If-None-Match` can then be told from the upstream's. Other media
/// types pass with all their fields.
///
/// - `rules`: the API's.
/// - `request_method`: the client's.
/// - `status`: the upstream's; what the client gets instead is [`OperationPlan::status`].
/// - Errors: the body would have to be adapted and cannot be: 502, whatever the status was.
pub fn treatment<'p>(
    op: &'p OperationPlan,
    rules: BodyRules,
    request_method: &Method,
    status: StatusCode,
    headers: &mut HeaderMap,
) -> Result<Treatment<'p>, TransformError> {
    op.response_headers(headers);
    if status.is_informational() || !op.adapts_responses() {
        return Ok(Treatment::Pass);
    }
    let media = Media::of_message(headers, rules);
    let is_json = matches!(media, Media::Json | Media::MergePatch | Media::Lines | Media::Events);
    let program = op.response(status.as_u16());
    let is_adapted = if media == Media::Events { op.adapts_events(status.as_u16()) } else { program.is_some() };
    if matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED) {
        if is_json || !headers.contains_key(CONTENT_TYPE) {
            disown(op, headers);
            if status == StatusCode::NOT_MODIFIED {
                media::describe(headers, None);
            }
        }
        return Ok(Treatment::HeadOnly);
    }
    let is_partial = status == StatusCode::PARTIAL_CONTENT && (is_json || media == Media::ByteRanges);
    if is_partial && is_adapted {
        return Err(TransformError::of_body(Side::Response, Reason::PartialContent));
    }
    if !is_json {
        return Ok(Treatment::Pass);
    }
    let forbids = is_adapted && media::forbids_transform(headers);
    if forbids && rules.no_transform == NoTransform::Fail {
        return Err(TransformError { side: Side::Response, cause: Cause::NoTransform });
    }
    // Also where it is bypassed: only a tag of this gateway's comes through to the upstream again.
    disown(op, headers);
    if forbids && rules.no_transform == NoTransform::Bypass {
        return Ok(Treatment::Pass);
    }
    if !is_adapted {
        return Ok(Treatment::Pass);
    }
    if request_method == Method::HEAD {
        media::describe(headers, None);
        return Ok(Treatment::HeadOnly);
    }
    let refused = |cause| Err(TransformError { side: Side::Response, cause });
    let coding = match Applied::of(headers) {
        Applied::Identity => None,
        Applied::One(coding) => Some(coding),
        Applied::Other => return refused(Cause::Coded),
    };
    if rules.signed == Signed::Fail && media::is_content_signed(headers) {
        return refused(Cause::Signed);
    }
    match (media.format(), program) {
        (Some(format), _) => {
            let charset = format.charset(headers, rules);
            media::describe_stream(headers);
            Ok(Treatment::Records(format, coding, charset))
        }
        (None, Some(program)) => Ok(Treatment::Adapt(program, coding)),
        (None, None) => Ok(Treatment::Pass),
    }
}

/// Adapts a whole body with the program that [`treatment`] named, and describes the result in `headers`.
///
/// None where there is nothing to adapt: the body is empty.
///
/// - `stash`: what the request of the exchange left.
pub fn body(
    program: &Program,
    headers: &mut HeaderMap,
    body: &Bytes,
    stash: &mut Stash,
) -> Result<Option<Adapted>, TransformError> {
    if body.is_empty() {
        return Ok(None);
    }
    let blame = |error| error::blame(Side::Response, program.for_receiver(error), headers, body);
    let adapted = program.apply_with(body, Mode::Whole, stash).map_err(blame)?;
    media::describe(headers, Some(adapted.body.len()));
    Ok(Some(adapted))
}

/// Bodies up to this size are not worth a coding.
const SMALL_BYTES_MAX: usize = 1024;

/// The coding an adapted body of `length` bytes is sent in. Says in `Vary` what that depends on.
pub fn coding(accepted: Accepted, headers: &mut HeaderMap, length: usize) -> Option<Coding> {
    let is_small = length <= SMALL_BYTES_MAX;
    if is_small && !accepted.refuses_identity {
        return None;
    }
    headers::merge_vary(headers, &VaryNames::new([ACCEPT_ENCODING]));
    accepted.coding
}

/// Describes a body that was coded for the client.
pub fn describe_coded(headers: &mut HeaderMap, coding: Coding, length: usize) {
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.as_str()));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    // Other bytes than without the coding, so not the same strong tag (RFC 9110 section 8.8.3.3).
    validators::weaken_etag(headers);
}

/// The fields by which a client would come back for the upstream's own bytes.
fn disown(op: &OperationPlan, headers: &mut HeaderMap) {
    validators::suffix_etag(headers, op.fingerprint());
    headers.remove(ACCEPT_RANGES);
}

#[cfg(test)]
mod tests {
    use http::header::{ETAG, HeaderName, VARY};

    use super::*;
    use crate::{pipeline::transform::fixture::Fixture, problem::Code};

    const ALL: &str = "{match: GET /p, response: {default: [{rename: {a: b}}]}}";
    const GOOD_ONLY: &str = "{match: GET /p, response: {2xx: [{rename: {a: b}}]}}";
    const REQUEST_ONLY: &str = "{match: GET /p, request: [{rename: {a: b}}]}";
    const EVENTS: &str = "{match: GET /p, response: {events: {x: [{rename: {a: b}}]}}}";
    const NO_EVENTS: &str = "{match: GET /p, response: {4xx: [{rename: {a: b}}], events: {x: []}}}";
    const FIELDS: &str = "{match: GET /p, headers: {response: [{rename: {X-Cost: X-Credits}}]}}";

    /// What describes the upstream's own bytes, with this content type.
    fn described(content_type: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("content-type", content_type),
            ("content-length", "7"),
            ("etag", "\"v1\""),
            ("accept-ranges", "bytes"),
            ("repr-digest", "sha-256=:y:"),
            ("last-modified", "Mon, 01 Jun 2026 00:00:00 GMT"),
        ] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        headers
    }

    /// The treatment by its first letter (Pass, HeadOnly, Adapt, Coded, Records, Error) and which fields are left:
    /// content-Length, Accept-ranges, Digest, Modified; and the entity tag's suffix as `~`.
    fn treated(operation: &str, method: Method, status: u16, headers: &mut HeaderMap) -> String {
        let fixture = Fixture::new(operation);
        let status = StatusCode::from_u16(status).expect("a status");
        let letter = match treatment(fixture.operation(), BodyRules::default(), &method, status, headers) {
            Ok(Treatment::Pass) => 'P',
            Ok(Treatment::HeadOnly) => 'H',
            Ok(Treatment::Adapt(_, coding)) => ['A', 'C'][usize::from(coding.is_some())],
            Ok(Treatment::Records(..)) => 'R',
            Err(error) => {
                assert_eq!(error.code(), Code::AdaptationResponseFailed);
                return format!("E {}", error.reason());
            }
        };
        let fields = [("content-length", 'L'), ("accept-ranges", 'A'), ("repr-digest", 'D'), ("last-modified", 'M')];
        let left: String = fields.iter().filter(|(name, _)| headers.contains_key(*name)).map(|(_, l)| l).collect();
        let suffixed = headers.get(ETAG).is_some_and(|etag| etag.as_bytes().contains(&b'~'));
        format!("{letter} {left}{}", if suffixed { "~" } else { "" })
    }

    #[test]
    fn status_method_and_media_type_decide() {
        let (json, html) = ("application/json", "text/html");
        for (operation, method, status, content_type, expected) in [
            (ALL, Method::GET, 200, json, "A LDM~"),
            (ALL, Method::GET, 200, "application/problem+json", "A LDM~"),
            (ALL, Method::GET, 500, json, "A LDM~"),
            (ALL, Method::GET, 200, html, "P LADM"),
            (ALL, Method::GET, 502, html, "P LADM"),
            (ALL, Method::GET, 200, "application/x-ndjson", "R M~"),
            (ALL, Method::GET, 200, "text/event-stream", "R M~"),
            (ALL, Method::HEAD, 200, "text/event-stream", "H M~"),
            (ALL, Method::GET, 206, "application/x-ndjson", "E partial_content"),
            (GOOD_ONLY, Method::GET, 404, "application/x-ndjson", "P LDM~"),
            (EVENTS, Method::GET, 200, "text/event-stream", "R M~"),
            (EVENTS, Method::GET, 404, "text/event-stream", "R M~"),
            (EVENTS, Method::HEAD, 200, "text/event-stream", "H M~"),
            (EVENTS, Method::GET, 206, "text/event-stream", "E partial_content"),
            (EVENTS, Method::GET, 200, json, "P LDM~"),
            (EVENTS, Method::GET, 200, "application/x-ndjson", "P LDM~"),
            (NO_EVENTS, Method::GET, 200, "text/event-stream", "P LDM~"),
            (ALL, Method::HEAD, 200, json, "H M~"),
            (ALL, Method::HEAD, 200, html, "P LADM"),
            (ALL, Method::GET, 304, json, "H M~"),
            (ALL, Method::GET, 304, html, "H LADM"),
            (ALL, Method::PUT, 204, json, "H LDM~"),
            (ALL, Method::POST, 205, json, "H LDM~"),
            (ALL, Method::GET, 101, json, "P LADM"),
            (ALL, Method::GET, 206, json, "E partial_content"),
            (ALL, Method::GET, 206, "multipart/byteranges; boundary=x", "E partial_content"),
            (ALL, Method::GET, 206, html, "P LADM"),
            // A status without a list passes, but its tag has to come back with a suffix too.
            (GOOD_ONLY, Method::GET, 404, json, "P LDM~"),
            (GOOD_ONLY, Method::HEAD, 404, json, "P LDM~"),
            (REQUEST_ONLY, Method::GET, 200, json, "P LADM"),
            (REQUEST_ONLY, Method::GET, 206, json, "P LADM"),
            (REQUEST_ONLY, Method::GET, 304, json, "P LADM"),
        ] {
            let mut headers = described(content_type);
            let outcome = treated(operation, method.clone(), status, &mut headers);
            assert_eq!(outcome, expected, "{operation} {method} {status} {content_type}");
        }
    }

    #[test]
    fn a_304_without_a_type_has_a_tag_of_its_own() {
        let mut headers = HeaderMap::from_iter([(ETAG, HeaderValue::from_static("\"v1\""))]);
        assert_eq!(treated(ALL, Method::GET, 304, &mut headers), "H ~");
    }

    #[test]
    fn head_and_304_show_the_tag_that_get_shows() {
        let tag = |method, status| {
            let mut headers = described("application/json");
            treated(ALL, method, status, &mut headers);
            headers.remove(ETAG)
        };
        let get = tag(Method::GET, 200);
        assert!(get.is_some());
        assert_eq!(tag(Method::HEAD, 200), get);
        assert_eq!(tag(Method::GET, 304), get);
        assert_eq!(tag(Method::GET, 404), get);
    }

    #[test]
    fn a_coded_or_signed_answer_that_has_to_be_adapted_is_a_502_and_others_pass() {
        for (name, value, reason) in [
            ("content-encoding", "gzip, br", "E content_coding"),
            ("content-encoding", "gzip", "C LDM~"),
            ("signature-input", "s=(\"content-digest\")", "E signature"),
        ] {
            let coded = |content_type| {
                let mut headers = described(content_type);
                headers.insert(name, HeaderValue::from_static(value));
                headers
            };
            assert_eq!(treated(ALL, Method::GET, 200, &mut coded("application/json")), reason);
            assert_eq!(treated(ALL, Method::GET, 200, &mut coded("text/html")), "P LADM");
            assert_eq!(treated(GOOD_ONLY, Method::GET, 404, &mut coded("application/json")), "P LDM~");
            assert_eq!(treated(REQUEST_ONLY, Method::GET, 200, &mut coded("application/json")), "P LADM");
        }
    }

    #[test]
    fn the_api_decides_on_what_http_leaves_open() {
        let fixture = Fixture::new(ALL);
        let treated = |rules, name: &'static str, value: &'static str| {
            let mut headers = described("application/json");
            headers.insert(name, HeaderValue::from_static(value));
            let treatment = treatment(fixture.operation(), rules, &Method::GET, StatusCode::OK, &mut headers);
            let letter = match treatment {
                Ok(Treatment::Pass) => "pass",
                Ok(Treatment::Adapt(..)) => "adapt",
                Ok(_) => "other",
                Err(error) => error.reason(),
            };
            (letter, headers[ETAG].to_str().expect("text").contains('~'))
        };
        let rules = BodyRules::default();
        let bypass = BodyRules { no_transform: NoTransform::Bypass, ..rules };
        let fail = BodyRules { no_transform: NoTransform::Fail, ..rules };
        assert_eq!(treated(rules, "cache-control", "no-transform"), ("adapt", true));
        assert_eq!(treated(bypass, "cache-control", "no-transform"), ("pass", true));
        assert_eq!(treated(fail, "cache-control", "no-transform").0, "no_transform");
        assert_eq!(treated(fail, "cache-control", "no-cache"), ("adapt", true));
        let covers = "s=(\"content-digest\")";
        assert_eq!(treated(rules, "signature-input", covers).0, "signature");
        assert_eq!(treated(BodyRules { signed: Signed::Adapt, ..rules }, "signature-input", covers).0, "adapt");
    }

    #[test]
    fn header_ops_work_on_every_status_and_type() {
        for (status, content_type) in [(200, "application/json"), (304, "text/html"), (502, "text/html")] {
            let mut headers = described(content_type);
            headers.insert("x-credits", HeaderValue::from_static("5"));
            treated(FIELDS, Method::GET, status, &mut headers);
            assert_eq!(headers.get("x-cost"), Some(&HeaderValue::from_static("5")), "{status}");
            assert!(!headers.contains_key("x-credits"));
        }
    }

    fn adapted(content_type: &'static str, text: &'static [u8]) -> (HeaderMap, Result<Option<Bytes>, &'static str>) {
        let fixture = Fixture::new(ALL);
        let mut headers = described(content_type);
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("identity"));
        let Ok(Treatment::Adapt(program, None)) =
            treatment(fixture.operation(), BodyRules::default(), &Method::GET, StatusCode::OK, &mut headers)
        else {
            panic!("to be adapted")
        };
        let outcome = body(program, &mut headers, &Bytes::from_static(text), &mut Stash::default());
        (headers, outcome.map(|adapted| adapted.map(|adapted| adapted.body)).map_err(|error| error.reason()))
    }

    #[test]
    fn an_adapted_body_is_described_anew() {
        let (headers, outcome) = adapted("application/json; charset=latin1", br#"{"b":"x"}"#);
        assert_eq!(outcome, Ok(Some(Bytes::from_static(br#"{"a":"x"}"#))));
        assert_eq!(headers[CONTENT_LENGTH], "9");
        assert_eq!(headers[CONTENT_TYPE], "application/json");
        for gone in ["content-encoding", "repr-digest", "accept-ranges"] {
            assert!(!headers.contains_key(gone), "{gone}");
        }
        assert!(headers.contains_key("last-modified"));
    }

    #[test]
    fn an_empty_body_passes_and_a_broken_one_is_the_upstreams_fault() {
        let (headers, outcome) = adapted("application/json", b"");
        assert_eq!((outcome, &headers[CONTENT_LENGTH]), (Ok(None), &HeaderValue::from_static("7")));
        assert_eq!(adapted("application/json", br#"{"b":"#).1, Err("malformed"));
        assert_eq!(adapted("application/json; charset=latin1", b"\"\xe9\"").1, Err("charset"));
    }

    #[test]
    fn an_answer_is_coded_where_it_is_large_enough_and_the_client_asked() {
        let accepted = |coding, refuses_identity| Accepted { coding, refuses_identity };
        for (accepted, length, chosen, varies) in [
            (accepted(Some(Coding::Gzip), false), 1024, None, false),
            (accepted(Some(Coding::Gzip), false), 1025, Some(Coding::Gzip), true),
            (accepted(None, false), 1025, None, true),
            (accepted(Some(Coding::Zstd), true), 2, Some(Coding::Zstd), true),
            (accepted(None, true), 2, None, true),
        ] {
            let mut headers = HeaderMap::from_iter([(VARY, HeaderValue::from_static("Accept"))]);
            assert_eq!(coding(accepted, &mut headers, length), chosen, "{accepted:?} {length}");
            let vary = if varies { "Accept, accept-encoding" } else { "Accept" };
            assert!(headers[VARY].as_bytes().eq_ignore_ascii_case(vary.as_bytes()), "{headers:?}");
        }
    }

    #[test]
    fn a_coded_answer_says_so_and_has_a_weak_tag() {
        let mut headers = described("application/json");
        describe_coded(&mut headers, Coding::Brotli, 3);
        assert_eq!(headers[CONTENT_ENCODING], "br");
        assert_eq!(headers[CONTENT_LENGTH], "3");
        assert_eq!(headers[ETAG], "W/\"v1\"");
        describe_coded(&mut headers, Coding::Gzip, 3);
        assert_eq!(headers[ETAG], "W/\"v1\"");
    }
}
