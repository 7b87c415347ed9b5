//! The request as the upstream gets it.

use std::{
    borrow::Cow,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, Version, header, request::Parts, uri::PathAndQuery};

use super::{
    downstream::{body::RequestBody, forwarded},
    exchange::Exchange,
    negotiation::Chosen,
    passage::Passage,
    recast::{self, Fault, Recast},
    references::without_prefix,
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
    domain::upstream::Protocol,
    headers::{self, Present, disguise, spare},
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

/// What goes into the head as it is, without a place among the fields.
struct Lines {
    forwarded: Bytes,
    via: &'static [u8],
    /// Whether the request id is one of them: the client sent none.
    request_id: bool,
    /// Whether the client named no host, as HTTP/1.0 permits.
    hostless: bool,
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

/// The path to forward, without a server's base path; none where it is the one that was sent.
fn target(passage: &Passage, chosen: &Chosen<'_>, parts: &mut Parts) -> Result<Option<Uri>, Refused> {
    let moved = passage.operation().and_then(|operation| operation.target(chosen.sent_path()));
    let path = match &moved {
        None => chosen.path.as_ref(),
        Some((to_method, path)) => {
            if let Some(to) = to_method {
                parts.method = (*to).clone();
            }
            without_prefix(&passage.snapshot().config.apis[passage.api], path)
        }
    };
    let query = chosen.query.as_deref();
    if is_as_sent(&parts.uri, path, query) {
        return Ok(None);
    }
    let joined = query.map_or_else(|| path.to_owned(), |query| [path, "?", query].concat());
    rebuilt(joined).map(Some)
}

/// Most targets go on byte for byte: they need not be put together and checked again.
fn is_as_sent(uri: &Uri, path: &str, query: Option<&str>) -> bool {
    let sent = uri.path_and_query().map_or("", PathAndQuery::as_str);
    match query {
        None => sent == path,
        Some(query) => sent.strip_prefix(path).and_then(|rest| rest.strip_prefix('?')) == Some(query),
    }
}

fn edit_query(operation: &OperationPlan, uri: &mut Uri) -> Result<(), Refused> {
    let edited = match operation.query(uri.query().unwrap_or_default()) {
        Cow::Owned(query) => query,
        Cow::Borrowed(_) => return Ok(()),
    };
    let path = uri.path();
    *uri = rebuilt(if edited.is_empty() { path.to_owned() } else { [path, "?", &edited].concat() })?;
    Ok(())
}

fn rebuilt(target: String) -> Result<Uri, Refused> {
    let target = PathAndQuery::try_from(target).map(Uri::from);
    target.map_err(|_| Refused::because(Code::RequestInvalid, "The request target is not a valid path."))
}

/// Removes what belongs to the client's connection, adds what the upstream has to know.
fn edit_fields(exchange: &Exchange, passage: &Passage, parts: &mut Parts) -> Result<Lines, Refused> {
    let snapshot = passage.snapshot();
    let present = exchange.present;
    let fields = &mut parts.headers;
    let is_version = |name: &HeaderName| snapshot.negotiator.is_version_field(passage.api, name);
    let takes_trailers = passage.group.protocol != Protocol::Http1 && takes_trailers(fields);
    hop_by_hop::remove(fields, present, is_version, &snapshot.config.request_trailers)?;
    if present.has(Present::DISGUISE) {
        disguise::remove(fields);
    }
    if takes_trailers {
        fields.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    if let Some(upgrade) = &passage.upgrade {
        fields.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        fields.insert(header::UPGRADE, upgrade.protocols.clone());
        if let Some(key) = &upgrade.key {
            key.put(fields);
        }
    }
    if parts.method == Method::OPTIONS {
        count_down(fields);
    }
    exchange.trace.edit(fields);
    let entry = snapshot.version(passage.api, passage.version);
    snapshot.negotiator.remove_version_fields(passage.api, fields);
    if present.has(Present::ACCEPT) {
        let speaks = entry.speaks.to_str().unwrap_or_default();
        // The range to rewrite names the version asked for, also where another one answers.
        let asked = exchange.counted.version.unwrap_or(passage.version);
        snapshot.negotiator.rewrite_accept(passage.api, asked, speaks, fields);
    }
    // An absolute-form target or HTTP/2 names the host in the URI.
    if let Some(authority) = parts.uri.authority().and_then(|host| HeaderValue::from_str(host.as_str()).ok()) {
        fields.insert(header::HOST, authority);
    }
    if parts.version == Version::HTTP_2 {
        join_cookies(fields);
    }
    let host = fields.get(header::HOST).cloned();
    let trusted = forwarded::is_trusted(exchange.link.peer.ip(), &snapshot.config.trusted_proxies);
    let forwarded = forwarded::set(fields, present, &exchange.link, trusted, host.as_ref());
    let via = forwarded::via(fields, present, parts.version);
    let request_id = !present.has(Present::REQUEST_ID);
    if !request_id {
        fields.insert(headers::X_REQUEST_ID, exchange.request_id.clone());
    }
    Ok(Lines { forwarded, via, request_id, hostless: host.is_none() })
}

/// Whether the client reads trailers; gRPC servers ask for this word (RFC 9110 section 10.1.4).
fn takes_trailers(fields: &HeaderMap) -> bool {
    let lines = fields.get_all(header::TE);
    let mut options = lines.iter().flat_map(|line| line.as_bytes().split(|b| *b == b','));
    options.any(|option| option.trim_ascii().eq_ignore_ascii_case(b"trailers"))
}

/// Takes one hop off `Max-Forwards` (RFC 9110 section 7.6.2).
fn count_down(fields: &mut HeaderMap) {
    if let Some(left) = hops_left(fields) {
        fields.insert(header::MAX_FORWARDS, HeaderValue::from(left.saturating_sub(1)));
    }
}

/// How many more hops a request may take; none where it does not say.
pub(super) fn hops_left(fields: &HeaderMap) -> Option<u64> {
    fields.get(header::MAX_FORWARDS)?.to_str().ok()?.trim().parse().ok()
}

/// HTTP/2 clients may send cookies in several lines, HTTP/1.1 knows one (RFC 9113 section 8.2.3).
fn join_cookies(fields: &mut HeaderMap) {
    let lines: Vec<&[u8]> = fields.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    // Valid values joined by visible text are a valid value.
    if let (2.., Ok(joined)) = (lines.len(), HeaderValue::from_bytes(&lines.join(&b"; "[..]))) {
        fields.insert(header::COOKIE, joined);
    }
}

/// Whether the client waits to be told to send its body (RFC 9110 section 10.1.1).
fn expects_continue(fields: &HeaderMap, version: Version) -> bool {
    let expects =
        fields.get(header::EXPECT).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    expects && version >= Version::HTTP_11
}
