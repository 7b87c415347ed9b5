//! The only table from an error's code to status, type and title (RFC 9457, CONTRACT section 4).

use http::StatusCode;

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
                ("content_coding_unsupported", S::UNSUPPORTED_MEDIA_TYPE, "The content coding is not supported")
            }
            Self::HeaderTooLarge => {
                ("header_too_large", S::REQUEST_HEADER_FIELDS_TOO_LARGE, "The header section is too large")
            }
            Self::Internal => ("internal", S::INTERNAL_SERVER_ERROR, "The gateway failed"),
            Self::MethodUnsupported => ("method_unsupported", S::NOT_IMPLEMENTED, "The method is not supported"),
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
        let mut members = serde_json::Map::new();
        members.insert("type".into(), self.code.type_uri().into());
        members.insert("title".into(), self.code.title().into());
        members.insert("status".into(), self.code.status().as_u16().into());
        members.insert("detail".into(), self.detail.as_str().into());
        members.insert("instance".into(), instance.into());
        members.insert("code".into(), self.code.as_str().into());
        members.insert("request_id".into(), request_id.into());
        for (name, value) in &self.extensions {
            members.insert((*name).into(), value.clone());
        }
        serde_json::to_vec(&members).expect("a map of JSON values can always be written")
    }
}
