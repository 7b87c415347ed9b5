//! Requests on their way to an upstream that speaks another version.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method,
    header::{ACCEPT_ENCODING, CONTENT_RANGE, IF_RANGE, RANGE},
};

use super::{
    error::{self, Cause, Side, TransformError},
    media::{self, Media},
    validators,
};
use crate::adaptation::{Adapted, Mode, OperationPlan, Reason};

/// What becomes of a request body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyTreatment {
    /// It streams through, and the fields that describe it stay.
    Pass,
    /// It is read whole and given to [`body`].
    Adapt,
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
/// - `is_empty`: the message is known to have no content.
/// - Errors: it would have to be adapted and cannot be; nothing is sent to the upstream.
pub fn body_treatment(
    op: &OperationPlan,
    method: &Method,
    headers: &HeaderMap,
    is_empty: bool,
) -> Result<BodyTreatment, TransformError> {
    let refused = |cause| Err(TransformError { side: Side::Request, cause });
    if op.request().is_none() {
        return Ok(BodyTreatment::Pass);
    }
    match Media::of(headers) {
        Media::Other | Media::ByteRanges => return Ok(BodyTreatment::Pass),
        Media::Json | Media::MergePatch | Media::JsonPatch if is_empty => {
            return empty(method).map(|()| BodyTreatment::Pass);
        }
        Media::JsonPatch => return refused(Cause::JsonPatch),
        Media::Json | Media::MergePatch => {}
    }
    if media::is_coded(headers) {
        return refused(Cause::Coded);
    }
    if headers.contains_key(CONTENT_RANGE) {
        return Err(TransformError::of_body(Side::Request, Reason::PartialContent));
    }
    if media::is_content_signed(headers) {
        return refused(Cause::Signed);
    }
    Ok(BodyTreatment::Adapt)
}

/// Adapts a whole body that [`body_treatment`] asked for, and describes the result in `headers`.
///
/// None where there is nothing to adapt: body and fields go on as they came.
pub fn body(
    op: &OperationPlan,
    method: &Method,
    headers: &mut HeaderMap,
    body: &Bytes,
) -> Result<Option<Adapted>, TransformError> {
    let Some(program) = op.request() else { return Ok(None) };
    if body.is_empty() {
        return empty(method).map(|()| None);
    }
    let is_patch = method == Method::PATCH || Media::of(headers) == Media::MergePatch;
    let mode = if is_patch { Mode::Patch } else { Mode::Whole };
    let adapted = program.apply(body, mode).map_err(|error| error::blame(Side::Request, error, headers, body))?;
    media::describe(headers, Some(adapted.body.len()));
    Ok(Some(adapted))
}

/// A message without content passes, unless its method promises the JSON it names.
fn empty(method: &Method) -> Result<(), TransformError> {
    match *method {
        Method::POST | Method::PUT | Method::PATCH => Err(TransformError::of_body(Side::Request, Reason::Malformed)),
        _ => Ok(()),
    }
}
