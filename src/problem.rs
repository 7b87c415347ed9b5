//! The only table from an error's code to status, type and title (RFC 9457, CONTRACT section 4).

use http::{HeaderValue, StatusCode};
use serde::{Serialize, Serializer, ser::SerializeMap};

/// The media type of every problem body.
pub const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/problem+json");

/// Where a version was named; decides the status of an unknown one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NamedBy {
    /// A header field.
    Header,
    /// The path.
    Path,
    /// A query parameter.
    Query,
    /// `Accept`.
    Accept,
}

/// Short code of everything the gateway itself answers; the same word in problem, log and metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the words are the documentation; CONTRACT section 4 has the table")]
pub enum Code {
    VersionMalformed,
    VersionAmbiguous,
    VersionConflict,
    VersionRequired,
    PathInvalid,
    RequestInvalid,
    VersionUnknown(NamedBy),
    AdaptationRequestFailed,
    VersionRestricted,
    ConsumerNotAdmitted,
    RouteUnknown,
    EndpointUnknown,
    RequestTimeout,
    VersionSunset,
    RateLimited,
    UpstreamUnreachable,
    UpstreamReset,
    UpstreamInvalidResponse,
    AdaptationResponseFailed,
    UpstreamUnavailable,
    UpstreamOverloaded,
    Overloaded,
    Draining,
    VersionBrownout,
    UpstreamTimeout,
    BodyTooLarge,
    TargetTooLong,
    ContentCodingUnsupported,
    HeaderTooLarge,
    Internal,
    MethodUnsupported,
    HttpVersionUnsupported,
    Unauthorized,
    Forbidden,
    ConfigInvalid,
    NotFound,
    MethodNotAllowed,
}

impl Code {
    /// `version_sunset`.
    pub fn as_str(self) -> &'static str {
        self.row().0
    }

    /// The status it is answered with.
    pub fn status(self) -> StatusCode {
        self.row().1
    }

    /// `title` of the problem body.
    pub fn title(self) -> &'static str {
        self.row().2
    }

    /// `type` of the problem body: `/problems/version-sunset`.
    pub fn type_uri(self) -> String {
        format!("/problems/{}", self.as_str().replace('_', "-"))
    }

    fn row(self) -> (&'static str, StatusCode, &'static str) {
        use StatusCode as S;
        match self {
            Self::VersionMalformed => ("version_malformed", S::BAD_REQUEST, "The requested version is malformed"),
            Self::VersionAmbiguous => ("version_ambiguous", S::BAD_REQUEST, "The request names several versions"),
            Self::VersionConflict => {
                ("version_conflict", S::BAD_REQUEST, "The request names different versions in different places")
            }
            Self::VersionRequired => ("version_required", S::BAD_REQUEST, "The request has to name a version"),
            Self::PathInvalid => ("path_invalid", S::BAD_REQUEST, "The path can be read in more than one way"),
            Self::RequestInvalid => ("request_invalid", S::BAD_REQUEST, "The request is not valid HTTP"),
            Self::VersionUnknown(NamedBy::Header | NamedBy::Query) => {
                ("version_unknown", S::BAD_REQUEST, "The requested version does not exist")
            }
            Self::VersionUnknown(NamedBy::Path) => {
                ("version_unknown", S::NOT_FOUND, "The requested version does not exist")
            }
            Self::VersionUnknown(NamedBy::Accept) => {
                ("version_unknown", S::NOT_ACCEPTABLE, "The requested version does not exist")
            }
            Self::AdaptationRequestFailed => {
                ("adaptation_request_failed", S::BAD_REQUEST, "The request body could not be adapted")
            }
            Self::VersionRestricted => ("version_restricted", S::FORBIDDEN, "The version is not open to callers"),
            Self::ConsumerNotAdmitted => {
                ("consumer_not_admitted", S::FORBIDDEN, "The consumer is not admitted to this version")
            }
            Self::RouteUnknown => ("route_unknown", S::NOT_FOUND, "No API answers to this host and path"),
            Self::EndpointUnknown => ("endpoint_unknown", S::NOT_FOUND, "The version has no such endpoint"),
            Self::RequestTimeout => ("request_timeout", S::REQUEST_TIMEOUT, "The request took too long to arrive"),
            Self::VersionSunset => ("version_sunset", S::GONE, "The version is no longer served"),
            Self::RateLimited => ("rate_limited", S::TOO_MANY_REQUESTS, "Too many requests"),
            Self::UpstreamUnreachable => ("upstream_unreachable", S::BAD_GATEWAY, "The upstream cannot be reached"),
            Self::UpstreamReset => {
                ("upstream_reset", S::BAD_GATEWAY, "The upstream closed the connection before it answered")
            }
            Self::UpstreamInvalidResponse => {
                ("upstream_invalid_response", S::BAD_GATEWAY, "The upstream's answer is not valid HTTP")
            }
            Self::AdaptationResponseFailed => {
                ("adaptation_response_failed", S::BAD_GATEWAY, "The response body could not be adapted")
            }
            Self::UpstreamUnavailable => {
                ("upstream_unavailable", S::SERVICE_UNAVAILABLE, "No server of the upstream is available")
            }
            Self::UpstreamOverloaded => ("upstream_overloaded", S::SERVICE_UNAVAILABLE, "The upstream's queue is full"),
            Self::Overloaded => ("overloaded", S::SERVICE_UNAVAILABLE, "The gateway is at its limit"),
            Self::Draining => ("draining", S::SERVICE_UNAVAILABLE, "The gateway is shutting down"),
            Self::VersionBrownout => (
                "version_brownout",
                S::SERVICE_UNAVAILABLE,
                "The version is switched off for a while before its sunset",
            ),
            Self::UpstreamTimeout => ("upstream_timeout", S::GATEWAY_TIMEOUT, "The upstream did not answer in time"),
            Self::BodyTooLarge => ("body_too_large", S::PAYLOAD_TOO_LARGE, "The request body is too large"),
            Self::TargetTooLong => ("target_too_long", S::URI_TOO_LONG, "The request target is too long"),
            Self::ContentCodingUnsupported => {
                ("content_coding_unsupported", S::UNSUPPORTED_MEDIA_TYPE, "The form of the body is not supported")
            }
            Self::HeaderTooLarge => {
                ("header_too_large", S::REQUEST_HEADER_FIELDS_TOO_LARGE, "The header section is too large")
            }
            Self::Internal => ("internal", S::INTERNAL_SERVER_ERROR, "The gateway failed"),
            Self::MethodUnsupported => ("method_unsupported", S::NOT_IMPLEMENTED, "The method is not supported"),
            Self::HttpVersionUnsupported => {
                ("http_version_unsupported", S::HTTP_VERSION_NOT_SUPPORTED, "The HTTP version is not supported")
            }
            Self::Unauthorized => ("unauthorized", S::UNAUTHORIZED, "A bearer token is required"),
            Self::Forbidden => ("forbidden", S::FORBIDDEN, "The request is not allowed here"),
            Self::ConfigInvalid => ("config_invalid", S::UNPROCESSABLE_ENTITY, "The configuration has errors"),
            Self::NotFound => ("not_found", S::NOT_FOUND, "No such resource"),
            Self::MethodNotAllowed => {
                ("method_not_allowed", S::METHOD_NOT_ALLOWED, "The resource does not support this method")
            }
        }
    }
}

/// A problem details object (RFC 9457) before it is written.
#[derive(Clone, Debug)]
pub struct Problem {
    /// Decides status, type and title.
    pub code: Code,
    /// A safe sentence for the caller: what is wrong, where, what to do.
    pub detail: String,
    /// Further members, in order: `supported_versions`, `sunset`, `migrate_to`, `migration_guide`, `retry_after`, ….
    pub extensions: Vec<(&'static str, serde_json::Value)>,
}

impl Problem {
    /// A problem without further members.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), extensions: Vec::new() }
    }

    /// Adds a member that helps the caller.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<serde_json::Value>) -> Self {
        self.extensions.push((name, value.into()));
        self
    }

    /// The `application/problem+json` body.
    ///
    /// - `instance`: the client's path without query.
    /// - `request_id`: as in `X-Request-Id`.
    pub fn body(&self, instance: &str, request_id: &str) -> Vec<u8> {
        let written = Written { problem: self, instance, request_id };
        serde_json::to_vec(&written).expect("strings, numbers and JSON values can always be written")
    }
}

/// A problem with what only the exchange knows. Members keep their order, for human readers.
struct Written<'a> {
    problem: &'a Problem,
    instance: &'a str,
    request_id: &'a str,
}

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Problem { code, detail, extensions } = self.problem;
        let mut members = serializer.serialize_map(None)?;
        members.serialize_entry("type", &code.type_uri())?;
        members.serialize_entry("title", code.title())?;
        members.serialize_entry("status", &code.status().as_u16())?;
        members.serialize_entry("detail", detail)?;
        members.serialize_entry("instance", self.instance)?;
        members.serialize_entry("code", code.as_str())?;
        members.serialize_entry("request_id", self.request_id)?;
        for (name, value) in extensions {
            members.serialize_entry(name, value)?;
        }
        members.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_the_status_of_the_contract() {
        use Code::*;
        let table: [(u16, &[(Code, &str)]); 20] = [
            (
                400,
                &[
                    (VersionMalformed, "version_malformed"),
                    (VersionAmbiguous, "version_ambiguous"),
                    (VersionConflict, "version_conflict"),
                    (VersionRequired, "version_required"),
                    (PathInvalid, "path_invalid"),
                    (RequestInvalid, "request_invalid"),
                    (AdaptationRequestFailed, "adaptation_request_failed"),
                    (VersionUnknown(NamedBy::Header), "version_unknown"),
                    (VersionUnknown(NamedBy::Query), "version_unknown"),
                ],
            ),
            (401, &[(Unauthorized, "unauthorized")]),
            (
                403,
                &[
                    (VersionRestricted, "version_restricted"),
                    (ConsumerNotAdmitted, "consumer_not_admitted"),
                    (Forbidden, "forbidden"),
                ],
            ),
            (
                404,
                &[
                    (VersionUnknown(NamedBy::Path), "version_unknown"),
                    (RouteUnknown, "route_unknown"),
                    (EndpointUnknown, "endpoint_unknown"),
                    (NotFound, "not_found"),
                ],
            ),
            (405, &[(MethodNotAllowed, "method_not_allowed")]),
            (406, &[(VersionUnknown(NamedBy::Accept), "version_unknown")]),
            (408, &[(RequestTimeout, "request_timeout")]),
            (410, &[(VersionSunset, "version_sunset")]),
            (413, &[(BodyTooLarge, "body_too_large")]),
            (414, &[(TargetTooLong, "target_too_long")]),
            (415, &[(ContentCodingUnsupported, "content_coding_unsupported")]),
            (422, &[(ConfigInvalid, "config_invalid")]),
            (429, &[(RateLimited, "rate_limited")]),
            (431, &[(HeaderTooLarge, "header_too_large")]),
            (500, &[(Internal, "internal")]),
            (501, &[(MethodUnsupported, "method_unsupported")]),
            (
                502,
                &[
                    (UpstreamUnreachable, "upstream_unreachable"),
                    (UpstreamReset, "upstream_reset"),
                    (UpstreamInvalidResponse, "upstream_invalid_response"),
                    (AdaptationResponseFailed, "adaptation_response_failed"),
                ],
            ),
            (
                503,
                &[
                    (UpstreamUnavailable, "upstream_unavailable"),
                    (UpstreamOverloaded, "upstream_overloaded"),
                    (Overloaded, "overloaded"),
                    (Draining, "draining"),
                    (VersionBrownout, "version_brownout"),
                ],
            ),
            (504, &[(UpstreamTimeout, "upstream_timeout")]),
            (505, &[(HttpVersionUnsupported, "http_version_unsupported")]),
        ];
        for (status, codes) in table {
            for (code, word) in codes {
                assert_eq!((code.status().as_u16(), code.as_str()), (status, *word));
            }
        }
    }

    #[test]
    fn the_body_has_the_members_of_the_contract_in_order() {
        let problem = Problem::new(Code::VersionUnknown(NamedBy::Path), "There is no version 9.")
            .with("supported_versions", vec!["1.0", "2.0"])
            .with("retry_after", 3);
        let body = String::from_utf8(problem.body("/v9/a\"b", "id-1")).expect("UTF-8");
        let expected = concat!(
            r#"{"type":"/problems/version-unknown","title":"The requested version does not exist","status":404,"#,
            r#""detail":"There is no version 9.","instance":"/v9/a\"b","code":"version_unknown","request_id":"id-1","#,
            r#""supported_versions":["1.0","2.0"],"retry_after":3}"#,
        );
        assert_eq!(body, expected);
    }
}
