//! An answer the gateway makes itself because a stage refused the request or failed.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, header};

use super::{
    downstream::head::HeadError,
    exchange::Exchange,
    negotiation,
    policy::reference,
    reply::Source,
    transform::TransformError,
    upstream::{error::UpstreamError, hop_by_hop::Protected},
};
use crate::problem::{Code, Problem};

/// A problem, and fields that go with it.
#[derive(Debug)]
pub(super) struct Refused {
    problem: Problem,
    fields: Vec<(HeaderName, HeaderValue)>,
}

/// Seconds after which a caller that met a limit may try again.
const RETRY_AFTER: u64 = 1;

impl Refused {
    /// A refusal without fields of its own.
    pub(super) fn new(mut problem: Problem) -> Self {
        problem.detail = sentence(&problem.detail);
        let retry = match problem.code {
            Code::Overloaded | Code::Draining | Code::UpstreamOverloaded | Code::UpstreamUnavailable => {
                Some(RETRY_AFTER)
            }
            _ => None,
        };
        match retry {
            None => Self { problem, fields: Vec::new() },
            Some(seconds) => Self {
                problem: problem.with("retry_after", seconds),
                fields: vec![(header::RETRY_AFTER, HeaderValue::from(seconds))],
            },
        }
    }

    /// A refusal of one sentence.
    pub(super) fn because(code: Code, detail: impl Into<String>) -> Self {
        Self::new(Problem::new(code, detail))
    }

    /// Says how an adaptation failed, with the fields that help.
    pub(super) fn adaptation(error: &TransformError) -> Self {
        let mut refused = Self::new(error.problem());
        refused.fields.extend(error.accept_encoding().map(|value| (header::ACCEPT_ENCODING, value)));
        refused
    }

    /// Says how the upstream failed, without its address.
    pub(super) fn upstream(error: &UpstreamError, upstream: &str) -> Self {
        let code = error.code();
        let detail = match code {
            Code::UpstreamUnavailable => {
                format!("No server of the upstream {upstream} can take requests now. Try again later.")
            }
            Code::UpstreamOverloaded => {
                format!("The upstream {upstream} is as busy as it may be. Try again later.")
            }
            Code::UpstreamUnreachable => format!("The upstream {upstream} cannot be reached. Try again later."),
            Code::UpstreamTimeout => format!("The upstream {upstream} did not answer in time. Try again later."),
            Code::UpstreamReset => format!("The upstream {upstream} closed the connection before it answered."),
            Code::UpstreamInvalidResponse => {
                format!("The upstream {upstream} answered with something that is not valid HTTP.")
            }
            Code::BodyTooLarge => "The request body is larger than this gateway accepts.".to_owned(),
            Code::RequestTimeout => {
                "The request body stopped arriving before its end, or arrived too slowly.".to_owned()
            }
            _ => "The request body did not arrive as its head announced.".to_owned(),
        };
        Self::because(code, detail)
    }

    /// The answer, and the code noted in the exchange.
    pub(super) fn into_answer(self, exchange: &mut Exchange) -> Response<Source> {
        exchange.code = Some(self.problem.code);
        // A URI reference (RFC 9457 section 3.1.5), which a path as browsers send it need not be.
        let instance = reference::path(exchange.target.as_ref().map_or("/", |target| target.path()));
        let body = self.problem.body(&instance, exchange.request_id.to_str().unwrap_or_default());
        let mut answer = Response::new(Source::Full(Bytes::from(body)));
        *answer.status_mut() = self.problem.code.status();
        let headers = answer.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.extend(self.fields);
        answer
    }
}

impl From<HeadError> for Refused {
    fn from(error: HeadError) -> Self {
        Self::because(error.code(), error.to_string())
    }
}

impl From<Protected> for Refused {
    fn from(error: Protected) -> Self {
        Self::because(Code::RequestInvalid, error.to_string())
    }
}

impl Refused {
    /// Says what is wrong with the version, the path or the endpoint.
    pub(super) fn negotiation(refusal: &negotiation::Refusal, negotiator: &negotiation::Negotiator) -> Self {
        Self::new(refusal.problem(negotiator))
    }
}

/// An error's words as a sentence for callers.
fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let Some(first) = chars.next() else { return String::new() };
    let stop = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{}{}{stop}", first.to_uppercase(), chars.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_read_sentences() {
        assert_eq!(sentence("the path names version 3"), "The path names version 3.");
        assert_eq!(sentence("Try again later."), "Try again later.");
        assert_eq!(sentence(""), "");
    }
}
