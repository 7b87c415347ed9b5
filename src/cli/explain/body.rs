//! What becomes of the request's body.

use http::{HeaderMap, Method, header};

use super::request::Request;
use crate::{
    adaptation::{Mode, OperationPlan},
    pipeline::transform::{TransformError, request as transform, request::BodyTreatment},
};

/// A body on its way to the upstream.
#[derive(Debug)]
pub(super) struct BodyAccount {
    /// As it is sent on.
    pub(super) text: String,
    /// Whether it was adapted; else it goes on byte for byte.
    pub(super) adapted: bool,
    /// Each operation and the body after it, if asked for.
    pub(super) steps: Vec<(String, String)>,
}

/// Adapts the body as the data path does; none without one.
///
/// - `headers`: as forwarded; what describes the body is edited.
pub(super) fn adapt(
    request: &Request,
    method: &Method,
    operation: Option<&OperationPlan>,
    headers: &mut HeaderMap,
    verbose: bool,
) -> Result<Option<BodyAccount>, TransformError> {
    let body = request.body.clone().unwrap_or_default();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let untouched =
        || request.body.as_ref().map(|body| BodyAccount { text: text(body), adapted: false, steps: Vec::new() });
    let Some(operation) = operation else { return Ok(untouched()) };
    // Without -d nothing is known of the body, so nothing can be wrong with it.
    if request.body.is_none() {
        return Ok(None);
    }
    let treatment = transform::body_treatment(operation, method, headers, body.is_empty())?;
    transform::head(operation, method, headers);
    if treatment == BodyTreatment::Pass {
        return Ok(untouched());
    }
    let is_patch = *method == Method::PATCH
        || headers
            .get(header::CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().starts_with(b"application/merge-patch+json"));
    let Some(adapted) = transform::body(operation, method, headers, &body)? else { return Ok(untouched()) };
    let mode = if is_patch { Mode::Patch } else { Mode::Whole };
    let steps = match operation.request().filter(|_| verbose).map(|program| program.trace(&body, mode)) {
        Some(Ok(steps)) => steps.into_iter().map(|(step, body)| (step, text(&body))).collect(),
        // The whole program ran: its steps do as well.
        Some(Err(_)) | None => Vec::new(),
    };
    Ok(Some(BodyAccount { text: text(&adapted.body), adapted: true, steps }))
}
