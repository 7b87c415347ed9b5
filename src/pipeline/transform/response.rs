//! Answers on their way back to a client of another version.

use bytes::Bytes;
use http::{
    HeaderMap, Method, StatusCode,
    header::{ACCEPT_RANGES, CONTENT_TYPE},
};

use super::{
    error::{self, Cause, Side, TransformError},
    media::{self, Media},
    validators,
};
use crate::adaptation::{Adapted, Mode, OperationPlan, Program, Reason};

/// What becomes of a response body.
#[derive(Clone, Copy, Debug)]
pub enum Treatment<'p> {
    /// It streams through.
    Pass,
    /// There is none; the fields describe what a GET would bring.
    HeadOnly,
    /// It is read whole and given to [`body`] with this program.
    Adapt(&'p Program),
}

/// Edits the header fields of an upstream's answer and decides on its body.
///
/// Every answer that is JSON, and every 304, shows an entity tag of its own, whatever its status:
/// a tag that comes back in `If-None-Match` can then be told from the upstream's. Other media
/// types pass with all their fields.
///
/// - `request_method`: the client's.
/// - `status`: the upstream's.
/// - Errors: the body would have to be adapted and cannot be: 502, whatever the status was.
pub fn treatment<'p>(
    op: &'p OperationPlan,
    request_method: &Method,
    status: StatusCode,
    headers: &mut HeaderMap,
) -> Result<Treatment<'p>, TransformError> {
    op.response_headers(headers);
    if status.is_informational() || !op.adapts_responses() {
        return Ok(Treatment::Pass);
    }
    let media = Media::of(headers);
    let is_json = matches!(media, Media::Json | Media::MergePatch);
    let program = op.response(status.as_u16());
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
    if is_partial && program.is_some() {
        return Err(TransformError::of_body(Side::Response, Reason::PartialContent));
    }
    if !is_json {
        return Ok(Treatment::Pass);
    }
    disown(op, headers);
    let Some(program) = program else { return Ok(Treatment::Pass) };
    if request_method == Method::HEAD {
        media::describe(headers, None);
        return Ok(Treatment::HeadOnly);
    }
    let refused = |cause| Err(TransformError { side: Side::Response, cause });
    if media::is_coded(headers) {
        return refused(Cause::Coded);
    }
    if media::is_content_signed(headers) {
        return refused(Cause::Signed);
    }
    Ok(Treatment::Adapt(program))
}

/// Adapts a whole body with the program that [`treatment`] named, and describes the result in `headers`.
///
/// None where there is nothing to adapt: the body is empty.
pub fn body(program: &Program, headers: &mut HeaderMap, body: &Bytes) -> Result<Option<Adapted>, TransformError> {
    if body.is_empty() {
        return Ok(None);
    }
    let adapted =
        program.apply(body, Mode::Whole).map_err(|error| error::blame(Side::Response, error, headers, body))?;
    media::describe(headers, Some(adapted.body.len()));
    Ok(Some(adapted))
}

/// The fields by which a client would come back for the upstream's own bytes.
fn disown(op: &OperationPlan, headers: &mut HeaderMap) {
    validators::suffix_etag(headers, op.fingerprint());
    headers.remove(ACCEPT_RANGES);
}
