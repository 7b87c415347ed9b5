//! Requests on their way to an upstream that speaks another version.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method,
    header::{ACCEPT_ENCODING, CONTENT_RANGE, CONTENT_TYPE, IF_RANGE, RANGE},
};

use super::{
    charset::Charset,
    coding::{Applied, Coding},
    error::{self, Cause, Side, TransformError},
    media::{self, Media},
    records::Format,
    validators,
};
use crate::{
    adaptation::{Adapted, Mode, OperationPlan, PatchError, Reason, Stash},
    domain::api::{BodyRules, NoTransform, Signed},
};

/// What becomes of a request body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyTreatment {
    /// It streams through, and the fields that describe it stay.
    Pass,
    /// It is read whole, the coding taken off, and given to [`body`].
    Adapt(Option<Coding>),
    /// It is adapted record by record while it passes, coding and charset taken off.
    Records(Format, Option<Coding>, Option<Charset>),
}

/// Edits the header fields of an adapted operation before they are forwarded.
///
/// Query and path are the caller's part. What asks for a certain form of the answer changes only
/// where answers of the operation are adapted.
pub fn head(op: &OperationPlan, method: &Method, headers: &mut HeaderMap) {
    op.request_headers(headers);
    if !op.adapts_responses() {
        return;
    }
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    // A range of the upstream's bytes is none of the client's (rule 8).
    headers.remove(RANGE);
    headers.remove(IF_RANGE);
    validators::restore_if_none_match(method, headers, op.fingerprint());
    validators::restore_if_match(headers);
}

/// Decides on the body by the header fields alone, before a byte of it is read.
///
/// - `rules`: the API's.
/// - `is_empty`: the message is known to have no content.
/// - Errors: it would have to be adapted and cannot be; nothing is sent to the upstream.
pub fn body_treatment(
    op: &OperationPlan,
    rules: BodyRules,
    method: &Method,
    headers: &HeaderMap,
    is_empty: bool,
) -> Result<BodyTreatment, TransformError> {
    let refused = |cause| Err(TransformError { side: Side::Request, cause });
    let Some(program) = op.request() else { return Ok(BodyTreatment::Pass) };
    let media = Media::of_message(headers, rules);
    match media {
        Media::Other | Media::ByteRanges => return Ok(BodyTreatment::Pass),
        Media::Json | Media::MergePatch | Media::JsonPatch if is_empty => {
            return empty(method, headers).map(|()| BodyTreatment::Pass);
        }
        // Nothing is no record.
        Media::Lines | Media::Events if is_empty => return Ok(BodyTreatment::Pass),
        Media::JsonPatch if !program.relocates_only() => return refused(Cause::JsonPatch),
        Media::Json | Media::MergePatch | Media::JsonPatch | Media::Lines | Media::Events => {}
    }
    if media::forbids_transform(headers) {
        match rules.no_transform {
            NoTransform::Adapt => {}
            NoTransform::Bypass => return Ok(BodyTreatment::Pass),
            NoTransform::Fail => return refused(Cause::NoTransform),
        }
    }
    let coding = match Applied::of(headers) {
        Applied::Identity => None,
        Applied::One(coding) => Some(coding),
        Applied::Other => return refused(Cause::Coded),
    };
    if headers.contains_key(CONTENT_RANGE) {
        return Err(TransformError::of_body(Side::Request, Reason::PartialContent));
    }
    if rules.signed == Signed::Fail && media::is_content_signed(headers) {
        return refused(Cause::Signed);
    }
    Ok(match media.format() {
        None => BodyTreatment::Adapt(coding),
        Some(format) => BodyTreatment::Records(format, coding, format.charset(headers, rules)),
    })
}

/// Describes a body in `headers` that is adapted record by record, and says how much each speaks of.
pub fn records(method: &Method, headers: &mut HeaderMap) -> Mode {
    media::describe_stream(headers);
    if *method == Method::PATCH { Mode::Patch } else { Mode::Whole }
}

/// Adapts a whole body that [`body_treatment`] asked for, and describes the result in `headers`.
///
/// None where there is nothing to adapt: body and fields go on as they came.
///
/// - `stash`: gains what the response gets back.
pub fn body(
    op: &OperationPlan,
    method: &Method,
    headers: &mut HeaderMap,
    body: &Bytes,
    stash: &mut Stash,
) -> Result<Option<Adapted>, TransformError> {
    let Some(program) = op.request() else { return Ok(None) };
    if body.is_empty() {
        return empty(method, headers).map(|()| None);
    }
    let media = Media::of(headers);
    if media == Media::JsonPatch {
        let body = program.apply_to_patch(body).map_err(|error| match error {
            PatchError::Unsupported => TransformError { side: Side::Request, cause: Cause::JsonPatch },
            PatchError::Body(error) => error::blame(Side::Request, error, headers, body),
        })?;
        media::describe(headers, Some(body.len()));
        return Ok(Some(Adapted { body, narrowed: false }));
    }
    let is_patch = method == Method::PATCH || media == Media::MergePatch;
    let mode = if is_patch { Mode::Patch } else { Mode::Whole };
    let blame = |error| error::blame(Side::Request, program.for_sender_of(error, body, mode), headers, body);
    let adapted = program.apply_with(body, mode, stash).map_err(blame)?;
    media::describe(headers, Some(adapted.body.len()));
    Ok(Some(adapted))
}

/// A message without content passes, unless its method promises the JSON it names.
fn empty(method: &Method, headers: &HeaderMap) -> Result<(), TransformError> {
    match *method {
        Method::POST | Method::PUT | Method::PATCH if headers.contains_key(CONTENT_TYPE) => {
            Err(TransformError::of_body(Side::Request, Reason::Malformed))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use http::header::{
        CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, HeaderName, IF_MATCH, IF_NONE_MATCH, TRANSFER_ENCODING,
    };

    use super::*;
    use crate::{domain::api::Untyped, pipeline::transform::fixture::Fixture, problem::Code};

    const BOTH: &str = "{match: POST /p, request: [{rename: {a: bb}}], response: {2xx: [{rename: {a: b}}]}}";
    const REQUEST_ONLY: &str = "{match: POST /p, request: [{rename: {a: bb}}]}";
    const RESPONSE_ONLY: &str = "{match: POST /p, response: {2xx: [{rename: {a: b}}]}}";
    const DEFAULTS: &str = "{match: PUT /p, request: [{add: {path: /c, value: d}}]}";

    fn headers(fields: &[(HeaderName, &'static str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    fn json() -> HeaderMap {
        headers(&[(CONTENT_TYPE, "application/json")])
    }

    fn refusal<T: std::fmt::Debug>(outcome: Result<T, TransformError>) -> (Code, &'static str) {
        let error = outcome.expect_err("a refusal");
        (error.code(), error.reason())
    }

    #[test]
    fn what_shapes_the_answer_changes_only_where_answers_are_adapted() {
        let sent = headers(&[
            (ACCEPT_ENCODING, "gzip, br"),
            (RANGE, "bytes=0-3"),
            (IF_RANGE, "\"v1\""),
            (IF_NONE_MATCH, "\"v1\""),
            (IF_MATCH, "\"v1~00000000\""),
        ]);
        let mut untouched = sent.clone();
        head(Fixture::new(REQUEST_ONLY).operation(), &Method::POST, &mut untouched);
        assert_eq!(untouched, sent);

        let mut edited = sent;
        head(Fixture::new(RESPONSE_ONLY).operation(), &Method::GET, &mut edited);
        assert_eq!(edited, headers(&[(ACCEPT_ENCODING, "identity"), (IF_MATCH, "\"v1\"")]));
    }

    #[test]
    fn an_adapted_answer_is_asked_for_without_coding_even_if_the_client_named_none() {
        let mut sent = HeaderMap::new();
        head(Fixture::new(RESPONSE_ONLY).operation(), &Method::GET, &mut sent);
        assert_eq!(sent, headers(&[(ACCEPT_ENCODING, "identity")]));
    }

    #[test]
    fn only_json_with_a_program_is_read() {
        let both = Fixture::new(BOTH);
        let answers = Fixture::new(RESPONSE_ONLY);
        for (fixture, content_type, expected) in [
            (&both, "application/json", BodyTreatment::Adapt(None)),
            (&both, "application/merge-patch+json", BodyTreatment::Adapt(None)),
            (&both, "application/x-ndjson", BodyTreatment::Records(Format::Lines, None, None)),
            (&both, "text/event-stream", BodyTreatment::Records(Format::Events, None, None)),
            (&both, "multipart/form-data; boundary=x", BodyTreatment::Pass),
            (&answers, "application/json", BodyTreatment::Pass),
        ] {
            let sent = headers(&[(CONTENT_TYPE, content_type), (CONTENT_ENCODING, "identity")]);
            assert_eq!(
                body_treatment(fixture.operation(), BodyRules::default(), &Method::POST, &sent, false),
                Ok(expected),
                "{content_type}"
            );
        }
        assert_eq!(
            body_treatment(both.operation(), BodyRules::default(), &Method::POST, &HeaderMap::new(), false),
            Ok(BodyTreatment::Pass)
        );
    }

    #[test]
    fn what_cannot_be_adapted_is_refused_before_it_is_read() {
        let fixture = Fixture::new(BOTH);
        let refused = |name: &'static str, value| {
            let mut sent = json();
            sent.insert(name, HeaderValue::from_static(value));
            refusal(body_treatment(fixture.operation(), BodyRules::default(), &Method::POST, &sent, false))
        };
        assert_eq!(refused("content-encoding", "compress"), (Code::ContentCodingUnsupported, "content_coding"));
        assert_eq!(refused("content-encoding", "gzip, br"), (Code::ContentCodingUnsupported, "content_coding"));
        assert_eq!(refused("content-range", "bytes 0-3/9"), (Code::AdaptationRequestFailed, "partial_content"));
        let signature = "sig1=(\"content-digest\");keyid=\"k\"";
        assert_eq!(refused("signature-input", signature), (Code::AdaptationRequestFailed, "signature"));
    }

    #[test]
    fn one_coding_is_taken_off() {
        let fixture = Fixture::new(BOTH);
        for (content_type, expected) in [
            ("application/json", BodyTreatment::Adapt(Some(Coding::Gzip))),
            ("application/jsonl", BodyTreatment::Records(Format::Lines, Some(Coding::Gzip), None)),
            ("text/plain", BodyTreatment::Pass),
        ] {
            let sent = headers(&[(CONTENT_TYPE, content_type), (CONTENT_ENCODING, "gzip")]);
            let treatment = body_treatment(fixture.operation(), BodyRules::default(), &Method::POST, &sent, false);
            assert_eq!(treatment, Ok(expected), "{content_type}");
        }
    }

    #[test]
    fn a_body_of_records_is_described_without_a_length() {
        let mut sent = headers(&[
            (CONTENT_TYPE, "application/x-ndjson"),
            (CONTENT_LENGTH, "8"),
            (CONTENT_ENCODING, "gzip"),
            (HeaderName::from_static("content-digest"), "sha-256=:x:"),
        ]);
        assert_eq!(records(&Method::POST, &mut sent), Mode::Whole);
        assert_eq!(sent, headers(&[(CONTENT_TYPE, "application/x-ndjson")]));
        assert_eq!(records(&Method::PATCH, &mut sent), Mode::Patch);
    }

    #[test]
    fn the_api_decides_on_what_http_leaves_open() {
        let fixture = Fixture::new(BOTH);
        let treated = |rules, sent: &HeaderMap| {
            let treatment = body_treatment(fixture.operation(), rules, &Method::POST, sent, false);
            treatment.map_err(|error| (error.code(), error.reason()))
        };
        let adapts = Ok(BodyTreatment::Adapt(None));
        let rules = BodyRules::default();
        let forbidden = headers(&[(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-transform")]);
        assert_eq!(treated(rules, &forbidden), adapts);
        assert_eq!(
            treated(BodyRules { no_transform: NoTransform::Bypass, ..rules }, &forbidden),
            Ok(BodyTreatment::Pass)
        );
        let refused = Err((Code::AdaptationRequestFailed, "no_transform"));
        assert_eq!(treated(BodyRules { no_transform: NoTransform::Fail, ..rules }, &forbidden), refused);
        assert_eq!(treated(BodyRules { no_transform: NoTransform::Fail, ..rules }, &json()), adapts);

        let mut signed = json();
        signed.insert("signature-input", HeaderValue::from_static("sig1=(\"content-digest\")"));
        assert_eq!(treated(rules, &signed), Err((Code::AdaptationRequestFailed, "signature")));
        assert_eq!(treated(BodyRules { signed: Signed::Adapt, ..rules }, &signed), adapts);

        let untyped = BodyRules { untyped: Untyped::Json, ..rules };
        assert_eq!(treated(untyped, &HeaderMap::new()), adapts);
        // Nothing was promised, so nothing is missing.
        let empty = body_treatment(fixture.operation(), untyped, &Method::POST, &HeaderMap::new(), true);
        assert_eq!(empty, Ok(BodyTreatment::Pass));
        assert_eq!(
            body(fixture.operation(), &Method::POST, &mut HeaderMap::new(), &Bytes::new(), &mut Stash::default()),
            Ok(None)
        );
    }

    #[test]
    fn a_json_patch_is_adapted_where_values_only_move() {
        let moves = Fixture::new("{match: PATCH /p, request: [{rename: {a: b}}]}");
        let mut sent = headers(&[(CONTENT_TYPE, "application/json-patch+json")]);
        let treatment = body_treatment(moves.operation(), BodyRules::default(), &Method::PATCH, &sent, false);
        assert_eq!(treatment, Ok(BodyTreatment::Adapt(None)));
        let patch = Bytes::from_static(br#"[{"op":"remove","path":"/a"}]"#);
        let adapted = body(moves.operation(), &Method::PATCH, &mut sent, &patch, &mut Stash::default());
        assert_eq!(adapted.expect("adapted").expect("a body").body, &br#"[{"op":"remove","path":"/b"}]"#[..]);
        assert_eq!(sent[CONTENT_LENGTH], "29");
        // A whole document as a value would have to be adapted too.
        let patch = Bytes::from_static(br#"[{"op":"replace","path":"","value":{}}]"#);
        let adapted = body(moves.operation(), &Method::PATCH, &mut sent, &patch, &mut Stash::default());
        assert_eq!(refusal(adapted), (Code::ContentCodingUnsupported, "json_patch"));
        let mut sent = headers(&[(CONTENT_TYPE, "application/json-patch+json")]);
        let adapted =
            body(moves.operation(), &Method::PATCH, &mut sent, &Bytes::from_static(b"{}"), &mut Stash::default());
        assert_eq!(refusal(adapted), (Code::AdaptationRequestFailed, "malformed"));
        // Other ops look at values.
        let adds = Fixture::new(DEFAULTS);
        let treatment = body_treatment(adds.operation(), BodyRules::default(), &Method::PUT, &sent, false);
        assert_eq!(refusal(treatment), (Code::ContentCodingUnsupported, "json_patch"));
    }

    #[test]
    fn what_has_no_program_is_never_refused() {
        let fixture = Fixture::new(RESPONSE_ONLY);
        let sent = headers(&[(CONTENT_TYPE, "application/json"), (CONTENT_ENCODING, "gzip")]);
        assert_eq!(
            body_treatment(fixture.operation(), BodyRules::default(), &Method::POST, &sent, false),
            Ok(BodyTreatment::Pass)
        );
    }

    #[test]
    fn a_message_without_content_passes_unless_its_method_promises_some() {
        let fixture = Fixture::new(BOTH);
        for method in [Method::POST, Method::PUT, Method::PATCH] {
            let malformed = (Code::AdaptationRequestFailed, "malformed");
            assert_eq!(
                refusal(body_treatment(fixture.operation(), BodyRules::default(), &method, &json(), true)),
                malformed
            );
            assert_eq!(
                refusal(body(fixture.operation(), &method, &mut json(), &Bytes::new(), &mut Stash::default())),
                malformed
            );
            // Without a JSON type nothing was promised.
            let passed = body_treatment(fixture.operation(), BodyRules::default(), &method, &HeaderMap::new(), true);
            assert_eq!(passed, Ok(BodyTreatment::Pass));
        }
        for method in [Method::GET, Method::DELETE] {
            assert_eq!(
                body_treatment(fixture.operation(), BodyRules::default(), &method, &json(), true),
                Ok(BodyTreatment::Pass)
            );
            let mut sent = json();
            assert_eq!(body(fixture.operation(), &method, &mut sent, &Bytes::new(), &mut Stash::default()), Ok(None));
            assert_eq!(sent, json());
        }
    }

    #[test]
    fn an_adapted_body_is_described_anew() {
        let fixture = Fixture::new(BOTH);
        let mut sent = headers(&[
            (CONTENT_TYPE, "application/json; charset=us-ascii"),
            (TRANSFER_ENCODING, "chunked"),
            (HeaderName::from_static("content-digest"), "sha-256=:x:"),
        ]);
        let adapted = body(
            fixture.operation(),
            &Method::POST,
            &mut sent,
            &Bytes::from_static(br#"{"a":1}"#),
            &mut Stash::default(),
        );
        assert_eq!(adapted.expect("adapted").expect("a body").body, &br#"{"bb":1}"#[..]);
        assert_eq!(sent, headers(&[(CONTENT_TYPE, "application/json"), (CONTENT_LENGTH, "8")]));
    }

    #[test]
    fn a_refused_body_leaves_no_trace() {
        let fixture = Fixture::new(BOTH);
        let mut sent = json();
        let outcome = body(
            fixture.operation(),
            &Method::POST,
            &mut sent,
            &Bytes::from_static(br#"{"a":1"#),
            &mut Stash::default(),
        );
        assert_eq!(refusal(outcome), (Code::AdaptationRequestFailed, "malformed"));
        assert_eq!(sent, json());
    }

    #[test]
    fn bytes_that_are_no_utf8_are_a_charset_only_where_the_type_names_another() {
        let fixture = Fixture::new(BOTH);
        let latin = Bytes::from_static(b"{\"a\":\"\xe9\"}");
        for (content_type, expected) in [
            ("application/json; charset=iso-8859-1", (Code::ContentCodingUnsupported, "charset")),
            ("application/json; charset=utf-8", (Code::AdaptationRequestFailed, "malformed")),
            ("application/json", (Code::AdaptationRequestFailed, "malformed")),
        ] {
            let mut sent = headers(&[(CONTENT_TYPE, content_type)]);
            assert_eq!(
                refusal(body(fixture.operation(), &Method::POST, &mut sent, &latin, &mut Stash::default())),
                expected,
                "{content_type}"
            );
        }
    }

    #[test]
    fn a_patch_gets_no_defaults() {
        let fixture = Fixture::new(DEFAULTS);
        let adapt = |method: Method, content_type| {
            let mut sent = headers(&[(CONTENT_TYPE, content_type)]);
            let adapted =
                body(fixture.operation(), &method, &mut sent, &Bytes::from_static(b"{}"), &mut Stash::default());
            adapted.expect("adapted").expect("a body").body
        };
        assert_eq!(adapt(Method::PUT, "application/json"), &br#"{"c":"d"}"#[..]);
        assert_eq!(adapt(Method::PATCH, "application/json"), &b"{}"[..]);
        assert_eq!(adapt(Method::PUT, "application/merge-patch+json"), &b"{}"[..]);
    }
}
