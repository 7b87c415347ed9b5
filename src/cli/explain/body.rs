//! What becomes of the bodies: the request's on its way up, the answer's on its way back.

use bytes::Bytes;
use http::{HeaderMap, Method, header};
use serde::Serialize;

use super::request::{Answer, Request};
use crate::{
    adaptation::{Mode, OperationPlan, Program, Stash},
    domain::api::BodyRules,
    pipeline::transform::{
        Cause, Side, TransformError,
        charset::{self, Charset},
        coding::{self, Coding},
        records::{Chosen, Format, Records, Terms},
        request as upwards,
        request::BodyTreatment,
        response as downwards,
        response::Treatment,
    },
};

/// A body on its way.
#[derive(Debug)]
pub(super) struct BodyAccount {
    /// As it came in.
    pub(super) before: String,
    /// As it is sent on; none where an op refused it.
    pub(super) text: Option<String>,
    /// Whether it was adapted; else it goes on byte for byte.
    pub(super) adapted: bool,
    /// Each op and the body after it, if asked for, or where a later one refused it.
    pub(super) steps: Vec<BodyStep>,
}

/// One op and the body after it.
#[derive(Debug, Serialize)]
pub(super) struct BodyStep {
    /// `rename a to b at /items/[] (qp-2.0)`.
    pub(super) step: String,
    pub(super) body: String,
}

/// A body that cannot be adapted.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) error: TransformError,
    /// How far it got.
    pub(super) body: BodyAccount,
    /// The place complained of as the op met it, where the caller's version has it elsewhere.
    pub(super) op_pointer: Option<String>,
}

impl BodyAccount {
    fn untouched(body: &Bytes) -> Self {
        Self { before: text(body), text: Some(text(body)), adapted: false, steps: Vec::new() }
    }
}

/// Adapts the request's body as the data path does; none without one.
///
/// - `headers`: as forwarded; what describes the body is edited.
/// - `verbose`: every step is kept.
/// - `stash`: gains what comes back in the answer.
pub(super) fn request(
    request: &Request,
    (operation, rules): (Option<&OperationPlan>, BodyRules),
    headers: &mut HeaderMap,
    verbose: bool,
    stash: &mut Stash,
) -> Result<Option<BodyAccount>, Box<Refused>> {
    let method = &request.method;
    // Without -d nothing is known of the body, so nothing can be wrong with it.
    let Some(body) = &request.body else {
        if let Some(operation) = operation {
            upwards::head(operation, method, headers);
        }
        return Ok(None);
    };
    let Some(operation) = operation else { return Ok(Some(BodyAccount::untouched(body))) };
    let treatment = upwards::body_treatment(operation, rules, method, headers, body.is_empty());
    let treatment = treatment.map_err(|error| refused(error, body, Vec::new()))?;
    upwards::head(operation, method, headers);
    let program = operation.request();
    let body = &match treatment {
        BodyTreatment::Pass => return Ok(Some(BodyAccount::untouched(body))),
        BodyTreatment::Adapt(coding) => {
            let body = decoded(Side::Request, coding, body)?;
            transcoded(Side::Request, rules, headers, body)?
        }
        BodyTreatment::Records(format, coding, charset) => {
            let mode = upwards::records(method, headers);
            let body = decoded(Side::Request, coding, body)?;
            return recast(
                Side::Request,
                (format, charset),
                (Chosen::Request(operation), mode),
                &body,
                &Stash::default(),
            )
            .map(Some);
        }
    };
    let kind = headers.get(header::CONTENT_TYPE);
    let patch_type = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/merge-patch+json"));
    let mode = if *method == Method::PATCH || patch_type { Mode::Patch } else { Mode::Whole };
    match upwards::body(operation, method, headers, body, stash) {
        Ok(None) => Ok(Some(BodyAccount::untouched(body))),
        Ok(Some(adapted)) => Ok(Some(BodyAccount {
            before: text(body),
            text: Some(text(&adapted.body)),
            adapted: true,
            steps: program
                .filter(|_| verbose)
                .map(|program| steps(program, body, mode, &Stash::default()))
                .unwrap_or_default(),
        })),
        Err(error) => {
            let steps = program.map(|program| steps(program, body, mode, &Stash::default())).unwrap_or_default();
            Err(refused(error, body, if verbose { steps } else { Vec::new() }))
        }
    }
}

/// Adapts an answer's body as the data path does.
///
/// - `answer`: as the upstream sends it; its head is edited.
/// - `verbose`: every step is kept.
pub(super) fn response(
    answer: &mut Answer,
    method: &Method,
    (operation, rules): (Option<&OperationPlan>, BodyRules),
    verbose: bool,
    stash: &mut Stash,
) -> Result<BodyAccount, Box<Refused>> {
    let body = answer.body.clone();
    let Some(operation) = operation else { return Ok(BodyAccount::untouched(&body)) };
    let treatment = downwards::treatment(operation, rules, method, answer.status, &mut answer.headers);
    let treatment = treatment.map_err(|error| refused(error, &body, Vec::new()))?;
    let (program, body) = match treatment {
        Treatment::Pass | Treatment::HeadOnly => return Ok(BodyAccount::untouched(&body)),
        Treatment::Adapt(program, coding) => {
            let body = decoded(Side::Response, coding, &body)?;
            (program, transcoded(Side::Response, rules, &mut answer.headers, body)?)
        }
        Treatment::Records(format, coding, charset) => {
            let body = decoded(Side::Response, coding, &body)?;
            let programs = Chosen::Response(operation, answer.status.as_u16());
            return recast(Side::Response, (format, charset), (programs, Mode::Whole), &body, stash);
        }
    };
    match downwards::body(program, &mut answer.headers, &body, stash) {
        Ok(None) => Ok(BodyAccount::untouched(&body)),
        Ok(Some(adapted)) => Ok(BodyAccount {
            before: text(&body),
            text: Some(text(&adapted.body)),
            adapted: true,
            steps: if verbose { steps(program, &body, Mode::Whole, stash) } else { Vec::new() },
        }),
        Err(error) => {
            let steps = steps(program, &body, Mode::Whole, stash);
            Err(refused(error, &body, if verbose { steps } else { Vec::new() }))
        }
    }
}

/// Most bytes of a body that is explained.
const BODY_BYTES_MAX: usize = 8 << 20;

fn decoded(side: Side, coding: Option<Coding>, body: &Bytes) -> Result<Bytes, Box<Refused>> {
    let Some(coding) = coding else { return Ok(body.clone()) };
    let decoded = coding::decode(coding, body.clone(), BODY_BYTES_MAX);
    decoded.map_err(|error| refused(TransformError::undecodable(side, error), body, Vec::new()))
}

fn transcoded(side: Side, rules: BodyRules, headers: &mut HeaderMap, body: Bytes) -> Result<Bytes, Box<Refused>> {
    let transcoded = charset::transcode(side, rules, headers, body.clone(), BODY_BYTES_MAX);
    transcoded.map_err(|error| refused(error, &body, Vec::new()))
}

/// Adapts a body record by record; the ops of one record are those of each.
fn recast(
    side: Side,
    (format, charset): (Format, Option<Charset>),
    (programs, mode): (Chosen<&OperationPlan>, Mode),
    body: &Bytes,
    stash: &Stash,
) -> Result<BodyAccount, Box<Refused>> {
    let (record_bytes_max, bytes_max) = (BODY_BYTES_MAX, BODY_BYTES_MAX as u64);
    let terms = Terms { side, format, coding: None, charset, mode, record_bytes_max, bytes_max };
    match Records::whole(terms, programs, stash.clone(), body.clone()) {
        Ok(adapted) => {
            Ok(BodyAccount { before: text(body), text: Some(text(&adapted)), adapted: true, steps: Vec::new() })
        }
        Err(error) => Err(refused(error, body, Vec::new())),
    }
}

fn steps(program: &Program, body: &Bytes, mode: Mode, stash: &Stash) -> Vec<BodyStep> {
    let mut steps = Vec::new();
    // Where it fails is told by the error of the whole program.
    let _ = program
        .watch(body, mode, &mut stash.clone(), &mut |step, body| steps.push(BodyStep { step, body: text(&body) }));
    steps
}

fn refused(error: TransformError, body: &Bytes, steps: Vec<BodyStep>) -> Box<Refused> {
    let body = BodyAccount { before: text(body), text: None, adapted: false, steps };
    Box::new(Refused { op_pointer: op_pointer(&error), error, body })
}

fn op_pointer(error: &TransformError) -> Option<String> {
    match &error.cause {
        Cause::Body(error) => error.pointer.clone().filter(|_| error.caller_pointer.is_some()),
        _ => None,
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
