//! Why a message is not adapted, in the caller's terms.

use http::{HeaderMap, HeaderValue};

use super::{
    charset,
    coding::{self, DecodeError},
};
use crate::{
    adaptation::{AdaptationError, Program, Reason},
    problem::{Code, Problem},
};

/// Which message of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The client's.
    Request,
    /// The upstream's.
    Response,
}

/// A message that has to be adapted and cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {} body cannot be adapted", .side.as_str())]
pub struct TransformError {
    /// Whose message it is.
    pub side: Side,
    /// What stands in the way.
    #[source]
    pub cause: Cause,
}

/// What stands in the way of an adaptation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// The body itself.
    #[error(transparent)]
    Body(#[from] AdaptationError),
    /// It has several content codings, or one the gateway does not know.
    #[error("the body has a content coding that is not read")]
    Coded,
    /// Its content coding is broken, or ends too early.
    #[error("the content coding of the body is broken")]
    Undecodable,
    /// It is a JSON Patch (RFC 6902): operations on paths instead of a document.
    #[error("the body is a JSON Patch")]
    JsonPatch,
    /// It forbids proxies to change it, and the API's rules follow that.
    #[error("the message says no-transform")]
    NoTransform,
    /// A signature covers its digest (RFC 9421), which would no longer hold.
    #[error("a signature covers the digest of the body")]
    Signed,
}

impl Side {
    /// `request` or `response`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Response => "response",
        }
    }
}

impl TransformError {
    /// The message is longer than what may be held for adapting: 413 or 502.
    pub fn too_large(side: Side) -> Self {
        Self::of_body(side, Reason::TooLarge)
    }

    /// The message cannot be decoded.
    pub fn undecodable(side: Side, error: DecodeError) -> Self {
        match error {
            DecodeError::Broken => Self { side, cause: Cause::Undecodable },
            DecodeError::TooLarge => Self::too_large(side),
        }
    }

    pub(super) fn of_body(side: Side, reason: Reason) -> Self {
        Self { side, cause: Cause::Body(AdaptationError::of_body(reason)) }
    }

    /// The code it is answered with. A response is never the client's fault: always 502.
    pub fn code(&self) -> Code {
        match (self.side, &self.cause) {
            (Side::Response, _) => Code::AdaptationResponseFailed,
            (Side::Request, Cause::Coded | Cause::JsonPatch) => Code::ContentCodingUnsupported,
            (Side::Request, Cause::Signed | Cause::Undecodable | Cause::NoTransform) => Code::AdaptationRequestFailed,
            (Side::Request, Cause::Body(error)) => match error.reason {
                Reason::TooLarge => Code::BodyTooLarge,
                Reason::Charset => Code::ContentCodingUnsupported,
                _ => Code::AdaptationRequestFailed,
            },
        }
    }

    /// `Accept-Encoding` of a 415 for a coding (RFC 9110 section 15.5.16).
    pub fn accept_encoding(&self) -> Option<HeaderValue> {
        let is_coding = self.side == Side::Request && self.cause == Cause::Coded;
        is_coding.then_some(coding::READ)
    }

    /// The change and the op at fault; none where no op is to blame.
    pub fn culprit(&self) -> Option<(&str, &'static str)> {
        match &self.cause {
            Cause::Body(error) => error.change.as_deref().zip(error.op),
            Cause::Coded | Cause::Undecodable | Cause::JsonPatch | Cause::NoTransform | Cause::Signed => None,
        }
    }

    /// `reason` of the problem, also for the log.
    pub fn reason(&self) -> &'static str {
        match &self.cause {
            Cause::Body(error) => error.reason.as_str(),
            Cause::Coded => "content_coding",
            Cause::Undecodable => Reason::Malformed.as_str(),
            Cause::JsonPatch => "json_patch",
            Cause::Signed => "signature",
            Cause::NoTransform => "no_transform",
        }
    }

    /// The answer, with `change`, `op` and `pointer` where an op is to blame, and `reason`.
    pub fn problem(&self) -> Problem {
        let side = self.side.as_str();
        let detail = match &self.cause {
            Cause::Body(error) => format!("The {side} body cannot be adapted to the other version: {error}."),
            Cause::Coded if self.side == Side::Request => {
                "The request body has a content coding that cannot be read. Send it with one of those in Accept-Encoding, or without."
                    .to_owned()
            }
            Cause::Coded => "The upstream's answer has a content coding that cannot be read.".to_owned(),
            Cause::Undecodable => format!("The content coding of the {side} body is broken, or ends too early."),
            Cause::JsonPatch => {
                format!("The {side} body is a JSON Patch, which cannot be adapted. Send a merge patch or the document.")
            }
            Cause::NoTransform => format!("The {side} says no-transform, and such bodies are not adapted here."),
            Cause::Signed => format!("A signature covers the digest of the {side} body, so it cannot be adapted."),
        };
        let problem = Problem::new(self.code(), detail);
        let problem = match &self.cause {
            Cause::Body(error) => {
                let AdaptationError { change, op, .. } = error;
                let members = [("change", change.as_deref()), ("op", *op), ("pointer", error.told_pointer())];
                let known = members.into_iter().filter_map(|(name, value)| Some((name, value?)));
                known.fold(problem, |problem, (name, value)| problem.with(name, value))
            }
            Cause::Coded | Cause::Undecodable | Cause::JsonPatch | Cause::Signed | Cause::NoTransform => problem,
        };
        problem.with("reason", self.reason())
    }
}

/// Tells the caller, whose version the body has before it is adapted (a request) or after (an answer).
pub(super) fn for_caller(side: Side, program: &Program, error: AdaptationError) -> AdaptationError {
    match side {
        Side::Request => program.for_sender(error),
        Side::Response => program.for_receiver(error),
    }
}

/// Bytes that are no UTF-8 under a name that promises none are foreign, not broken
/// (ADAPTATION section 6, rule 11).
pub(super) fn blame(side: Side, error: AdaptationError, headers: &HeaderMap, body: &[u8]) -> TransformError {
    let is_foreign = error.reason == Reason::Malformed && charset::names_foreign(headers) && !charset::is_utf8(body);
    if is_foreign {
        TransformError::of_body(side, Reason::Charset)
    } else {
        TransformError { side, cause: error.into() }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn of(side: Side, reason: Reason) -> TransformError {
        TransformError::of_body(side, reason)
    }

    #[test]
    fn a_request_is_refused_by_its_fault_and_a_response_is_always_the_upstreams() {
        use Reason::*;
        for (reason, code) in [
            (Malformed, Code::AdaptationRequestFailed),
            (Depth, Code::AdaptationRequestFailed),
            (Conflict, Code::AdaptationRequestFailed),
            (Shape, Code::AdaptationRequestFailed),
            (Rest, Code::AdaptationRequestFailed),
            (Value, Code::AdaptationRequestFailed),
            (Many, Code::AdaptationRequestFailed),
            (DuplicateMember, Code::AdaptationRequestFailed),
            (PartialContent, Code::AdaptationRequestFailed),
            (Charset, Code::ContentCodingUnsupported),
            (TooLarge, Code::BodyTooLarge),
        ] {
            assert_eq!(of(Side::Request, reason).code(), code, "{reason}");
            // Over the cap is 502 as well, never 413: the client sent nothing too large.
            assert_eq!(of(Side::Response, reason).code(), Code::AdaptationResponseFailed, "{reason}");
        }
        for (cause, code) in [
            (Cause::Coded, Code::ContentCodingUnsupported),
            (Cause::JsonPatch, Code::ContentCodingUnsupported),
            (Cause::Signed, Code::AdaptationRequestFailed),
            (Cause::Undecodable, Code::AdaptationRequestFailed),
            (Cause::NoTransform, Code::AdaptationRequestFailed),
        ] {
            assert_eq!(TransformError { side: Side::Request, cause: cause.clone() }.code(), code);
            let answer = TransformError { side: Side::Response, cause };
            assert_eq!((answer.code(), answer.accept_encoding()), (Code::AdaptationResponseFailed, None));
        }
    }

    #[test]
    fn only_a_415_for_a_coding_names_the_codings_that_are_read() {
        let refused = |cause| TransformError { side: Side::Request, cause }.accept_encoding();
        assert_eq!(refused(Cause::Coded), Some(HeaderValue::from_static("br, gzip, zstd, deflate")));
        assert_eq!(refused(Cause::Undecodable), None);
        assert_eq!(refused(Cause::JsonPatch), None);
        assert_eq!(of(Side::Request, Reason::Charset).accept_encoding(), None);
    }

    #[test]
    fn a_problem_names_change_op_and_pointer_where_an_op_is_to_blame() {
        let cause = AdaptationError {
            change: Some(Arc::from("qp-2.0")),
            op: Some("convert"),
            pointer: Some("/m/n".to_owned()),
            caller_pointer: Some("/n".to_owned()),
            step: Some(1),
            reason: Reason::Value,
        };
        let problem = TransformError { side: Side::Request, cause: cause.into() }.problem();
        let expected: Vec<(&str, serde_json::Value)> = vec![
            ("change", "qp-2.0".into()),
            ("op", "convert".into()),
            ("pointer", "/n".into()),
            ("reason", "value".into()),
        ];
        assert_eq!(problem.extensions, expected);
        let problem = of(Side::Response, Reason::Malformed).problem();
        assert_eq!(problem.extensions, [("reason", "malformed".into())]);
        assert_eq!(
            problem.detail,
            "The response body cannot be adapted to the other version: the body is not valid JSON."
        );
    }
}
