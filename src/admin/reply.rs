//! What a route answers, and how it is put on the wire.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use serde::Serialize;

use crate::problem::{Code, Problem};

/// What a route answers.
#[derive(Debug)]
pub(super) enum Reply {
    /// A JSON document, written.
    Json(StatusCode, Vec<u8>),
    /// A text of this media type.
    Text(&'static str, String),
    /// A problem, and one field that belongs to it.
    Problem(Box<Problem>, Option<(HeaderName, HeaderValue)>),
}

impl Reply {
    /// 200 with a JSON document.
    pub(super) fn ok(document: &impl Serialize) -> Self {
        Self::json(StatusCode::OK, document)
    }

    /// A JSON document; members are written in the order they are declared.
    pub(super) fn json(status: StatusCode, document: &impl Serialize) -> Self {
        let body = serde_json::to_vec(document).expect("documents have text keys and derived serialisation only");
        Self::Json(status, body)
    }

    /// A problem without a field of its own.
    pub(super) fn problem(code: Code, detail: impl Into<String>) -> Self {
        Problem::new(code, detail).into()
    }

    /// Adds a field to a problem.
    #[must_use]
    pub(super) fn with(self, name: HeaderName, value: HeaderValue) -> Self {
        match self {
            Self::Problem(problem, _) => Self::Problem(problem, Some((name, value))),
            other => other,
        }
    }

    /// The response.
    ///
    /// - `instance`: the client's path without query.
    /// - `request_id`: as in `X-Request-Id`.
    pub(super) fn response(self, instance: &str, request_id: &HeaderValue) -> Response<Full<Bytes>> {
        let (status, media_type, field, body) = match self {
            Self::Json(status, value) => (status, "application/json", None, Bytes::from(value)),
            Self::Text(media_type, text) => (StatusCode::OK, media_type, None, Bytes::from(text)),
            Self::Problem(problem, field) => {
                let body = problem.body(instance, request_id.to_str().unwrap_or_default());
                (problem.code.status(), "application/problem+json", field, Bytes::from(body))
            }
        };
        let mut response = Response::new(Full::new(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(X_REQUEST_ID, request_id.clone());
        headers.extend(field);
        response
    }
}

impl From<Problem> for Reply {
    fn from(problem: Problem) -> Self {
        Self::Problem(Box::new(problem), None)
    }
}

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The client's own request id if it is at most 128 visible ASCII characters, else a new one.
pub(super) fn request_id(headers: &HeaderMap) -> HeaderValue {
    let fits =
        |value: &&HeaderValue| (1..=128).contains(&value.len()) && value.as_bytes().iter().all(u8::is_ascii_graphic);
    headers.get(X_REQUEST_ID).filter(fits).cloned().unwrap_or_else(|| {
        let id = format!("{:032x}", fastrand::u128(..));
        HeaderValue::from_str(&id).expect("hexadecimal digits are a field value")
    })
}
