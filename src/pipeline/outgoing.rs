//! The request as the upstream gets it.

use std::{
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, Version, header, request::Parts};

use super::{
    downstream::body::RequestBody,
    exchange::Exchange,
    negotiation::Chosen,
    outgoing_head::{Lines, edit_fields, edit_query, target},
    passage::Passage,
    recast::{self, Fault, Recast},
    refused::Refused,
    transform::{
        self, Side, TransformError,
        charset::{self, Charset},
        coding::{Coding, DecodeError},
        records::{self, Format},
        request::BodyTreatment,
    },
    unpack::{self, UnpackError},
    upstream::{
        body::{Upload, UploadError, UploadFailure, UpstreamBody, UpstreamRequest},
        client::{Answer, Terms},
        error::UpstreamError,
        hop_by_hop,
        pace::Pace,
    },
};
use crate::{
    adaptation::{Mode, Stash, plan::OperationPlan},
    headers::{self, Present, spare},
    problem::Code,
};

/// A request ready to be sent.
pub(super) struct Prepared {
    request: UpstreamRequest,
    /// Whether the body has to be [adapted](adapt) before it is sent.
    pub(super) adapt: bool,
    /// The coding to take off first.
    coding: Option<Coding>,
    lines: Lines,
}

impl Prepared {
    /// Its head is not needed any more.
    pub(super) fn done(self) {
        spare::give_back_head(self.request.head);
    }

    /// Nothing is to be done any more before it is sent.
    fn passing(request: UpstreamRequest, lines: Lines) -> Self {
        Self { request, adapt: false, coding: None, lines }
    }
}

/// Edits the head for the upstream and gets the body ready, adapted where it has to be.
pub(super) fn prepare(
    exchange: &mut Exchange,
    passage: &Passage,
    chosen: &Chosen<'_>,
    mut parts: Box<Parts>,
    body: RequestBody,
) -> Result<Prepared, Refused> {
    let limits = &exchange.loaded.snapshot.config.limits;
    if body.length().unwrap_or(0) > limits.request_body_bytes {
        return Err(Refused::because(Code::BodyTooLarge, "The request body is larger than this gateway accepts."));
    }
    let target = target(passage, chosen, &mut parts)?;
    let lines = edit_fields(exchange, passage, &mut parts)?;
    // Only now: the host of an absolute-form target went into the fields.
    if let Some(target) = target {
        parts.uri = target;
    }
    let mut adapted = None;
    if let Some(operation) = passage.operation() {
        edit_query(operation, &mut parts.uri)?;
        let empty = body.is_end_stream();
        let treatment =
            transform::request::body_treatment(operation, passage.rules(), &exchange.method, &parts.headers, empty);
        let treatment = treatment.map_err(|error| refuse(exchange, &error))?;
        if operation.request().is_some() && transform::forbids_transform(&parts.headers) {
            exchange.no_transform("request");
        }
        transform::request::head(operation, &exchange.method, &mut parts.headers);
        match treatment {
            BodyTreatment::Adapt(coding) => return hold(exchange, parts, body, coding, lines),
            BodyTreatment::Records(format, coding, charset) => {
                let mode = transform::request::records(&exchange.method, &mut parts.headers);
                let (recast, fault) = recast(exchange, operation, (format, coding, charset), mode);
                let mut prepared = stream(exchange, passage, parts, body, lines);
                let body = std::mem::replace(&mut prepared.request.body, UpstreamBody::Empty);
                prepared.request.body = match body {
                    UpstreamBody::Stream(upload) => UpstreamBody::Stream(upload.through(recast)),
                    body => body,
                };
                exchange.fault = Some(fault);
                return Ok(prepared);
            }
            BodyTreatment::Pass => {}
        }
        adapted = operation.request().map(|_| "passed");
    }
    if let Some(outcome) = adapted {
        exchange.adapted("request", outcome);
    }
    Ok(stream(exchange, passage, parts, body, lines))
}

/// Forwards the body as it comes.
fn stream(exchange: &Exchange, passage: &Passage, head: Box<Parts>, body: RequestBody, lines: Lines) -> Prepared {
    let limits = &exchange.loaded.snapshot.config.limits;
    let deadlines = &exchange.worker.deadlines;
    if body.is_end_stream() {
        return Prepared::passing(UpstreamRequest { head, body: UpstreamBody::Empty }, lines);
    }
    let expects = expects_continue(&head.headers, head.version);
    let upload = Upload::new(body, limits.request_body_bytes, speed(exchange, passage.is_call), deadlines, expects);
    Prepared::passing(UpstreamRequest { head, body: UpstreamBody::Stream(upload) }, lines)
}

/// Adapts the records of a request body while they pass.
fn recast(
    exchange: &Exchange,
    operation: &Arc<OperationPlan>,
    (format, coding, charset): (Format, Option<Coding>, Option<Charset>),
    mode: Mode,
) -> (Box<Recast>, Fault) {
    let limits = &exchange.loaded.snapshot.config.limits;
    let terms = records::Terms {
        side: Side::Request,
        format,
        coding,
        charset,
        mode,
        record_bytes_max: limits.adapted_body_bytes,
        bytes_max: limits.request_body_bytes,
    };
    let fault = Fault::default();
    let counting = (Rc::clone(&exchange.loaded), exchange.counted);
    (
        Recast::new(
            terms,
            recast::Chosen::Request(Arc::clone(operation)),
            Stash::default(),
            counting,
            Rc::clone(&fault),
        ),
        fault,
    )
}

/// Longest pause and least speed of a request body; the messages of a gRPC call come when they come.
fn speed(exchange: &Exchange, is_call: bool) -> (Duration, Pace) {
    let config = &exchange.loaded.snapshot.config;
    if is_call {
        return (config.timeouts.tunnel_idle, Pace::new(0, Duration::ZERO));
    }
    let pace = Pace::new(config.limits.request_body_rate, config.timeouts.request_body_grace);
    (config.timeouts.request_body, pace)
}

/// Gets a body ready to be read whole.
fn hold(
    exchange: &Exchange,
    head: Box<Parts>,
    body: RequestBody,
    coding: Option<Coding>,
    lines: Lines,
) -> Result<Prepared, Refused> {
    let config = &exchange.loaded.snapshot.config;
    let cap = config.limits.adapted_body_bytes as u64;
    if body.length().unwrap_or(0) > cap {
        return Err(refuse(exchange, &TransformError::too_large(Side::Request)));
    }
    let deadlines = &exchange.worker.deadlines;
    let upload = Upload::new(body, cap, speed(exchange, false), deadlines, false);
    let request = UpstreamRequest { head, body: UpstreamBody::Stream(upload) };
    Ok(Prepared { adapt: true, coding, ..Prepared::passing(request, lines) })
}

/// Why a body was not read whole.
enum Unread {
    Upload(UploadFailure),
    Coding(DecodeError),
}

impl From<UnpackError<UploadError>> for Unread {
    fn from(error: UnpackError<UploadError>) -> Self {
        match error {
            UnpackError::Body(UploadError(failure)) => Self::Upload(failure),
            UnpackError::Decode(error) => Self::Coding(error),
        }
    }
}

/// Reads the body whole and puts the adapted one in its place. Reading it answers `Expect` locally.
pub(super) async fn adapt(exchange: &mut Exchange, passage: &Passage, prepared: &mut Prepared) -> Result<(), Refused> {
    let Some(operation) = passage.operation() else { return Ok(()) };
    let body = std::mem::replace(&mut prepared.request.body, UpstreamBody::Empty);
    let UpstreamBody::Stream(mut upload) = body else { return Ok(()) };
    let cap = exchange.loaded.snapshot.config.limits.adapted_body_bytes;
    let whole = match prepared.coding {
        None => {
            let collected = passage.patience.bound(upload.collect());
            exchange.waiting(collected).await.map(|whole| whole.map_err(Unread::Upload))
        }
        Some(coding) => {
            let unpacked = unpack::unpack(coding, cap, |cx| upload.poll_frame(cx));
            exchange.waiting(passage.patience.bound(unpacked)).await.map(|whole| whole.map_err(Unread::from))
        }
    };
    let whole = whole.unwrap_or(Err(Unread::Upload(UploadFailure::Stalled)));
    let whole = whole.map_err(|unread| match unread {
        Unread::Upload(UploadFailure::TooLarge) => refuse(exchange, &TransformError::too_large(Side::Request)),
        Unread::Upload(other) => Refused::upstream(&UpstreamError::Upload(other), &passage.group.name),
        Unread::Coding(error) => refuse(exchange, &TransformError::undecodable(Side::Request, error)),
    })?;
    let headers = &mut prepared.request.head.headers;
    headers.remove(header::EXPECT);
    headers.remove(header::TRAILER);
    let whole = charset::transcode(Side::Request, passage.rules(), headers, whole, cap);
    let whole = whole.map_err(|error| refuse(exchange, &error))?;
    let adapted = match operation.request().filter(|program| program.is_opaque()) {
        None => transform::request::body(operation, &exchange.method, headers, &whole, &mut exchange.stash),
        Some(program) => {
            let (plan, method, body) = (Arc::clone(operation), exchange.method.clone(), whole.clone());
            let (mut fields, mut stash) = (std::mem::take(headers), std::mem::take(&mut exchange.stash));
            let work = move || {
                let adapted = transform::request::body(&plan, &method, &mut fields, &body, &mut stash);
                (adapted, fields, stash)
            };
            let done = transform::opaque::aside(program, Side::Request, work).await;
            done.and_then(|(adapted, fields, stash)| {
                (*headers, exchange.stash) = (fields, stash);
                adapted
            })
        }
    };
    let adapted = adapted.map_err(|error| refuse(exchange, &error))?;
    let outcome = match &adapted {
        None => "passed",
        Some(adapted) if adapted.narrowed => "narrowed",
        Some(_) => "adapted",
    };
    exchange.adapted("request", outcome);
    prepared.request.body = full(adapted.map_or(whole, |adapted| adapted.body));
    Ok(())
}

fn full(body: Bytes) -> UpstreamBody {
    if body.is_empty() { UpstreamBody::Empty } else { UpstreamBody::Full(body) }
}

fn refuse(exchange: &Exchange, error: &TransformError) -> Refused {
    exchange.unadapted(error);
    Refused::adaptation(error)
}

/// Sends the request and waits for the head of the answer.
pub(super) async fn send(
    exchange: &mut Exchange,
    passage: &Passage,
    prepared: &mut Prepared,
) -> Result<Answer, Refused> {
    // Nothing was waited for unless the body was read: only who wants to know the gateway's own time looks again.
    let since = if prepared.adapt || exchange.is_timed() { Instant::now() } else { exchange.started };
    let Lines { forwarded, via, request_id, hostless } = &prepared.lines;
    let (name, id): (&[u8], &[u8]) = match request_id {
        true => (b"x-request-id: ", exchange.request_id.as_bytes()),
        false => (b"", b""),
    };
    let end: &[u8] = if *request_id { b"\r\n" } else { b"" };
    let version = &passage.snapshot().version(passage.api, passage.version).speaks_line;
    let lines = [version, &forwarded[..], via, name, id, end];
    let terms = Terms {
        lines: &lines,
        deadlines: &exchange.worker.deadlines,
        patience: &passage.patience,
        client: exchange.client,
        waits: &exchange.timings.waits,
        trace: &exchange.trace,
        upgrade: passage.upgrade.is_some(),
        websocket: passage.upgrade.as_ref().is_some_and(|upgrade| upgrade.is_websocket()),
        hostless: *hostless,
        interim: &|status, mut fields| {
            let present = Present::of(&fields);
            hop_by_hop::remove_from_response(&mut fields, present);
            headers::remove_gateway_only(&mut fields);
            exchange.link.interim(status, &fields);
        },
    };
    // Boxed: with it, the state of a connection would not fit into what the allocator keeps at hand.
    match Box::pin(passage.group.send(&mut prepared.request, &terms)).await {
        Ok(answer) => {
            exchange.upstream_answered(since);
            Ok(answer)
        }
        Err(error) => {
            exchange.timings.waited(since.elapsed());
            exchange.code = Some(error.code());
            exchange.note(&error);
            // Refused while it passed: the client is told as if it had been read first.
            let fault = exchange.fault.take().and_then(|fault| fault.take());
            Err(match fault {
                Some(fault) => Refused::adaptation(&fault),
                None => Refused::upstream(&error, &passage.group.name),
            })
        }
    }
}

/// Whether the client waits to be told to send its body (RFC 9110 section 10.1.1).
fn expects_continue(fields: &HeaderMap, version: Version) -> bool {
    let expects =
        fields.get(header::EXPECT).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    expects && version >= Version::HTTP_11
}
