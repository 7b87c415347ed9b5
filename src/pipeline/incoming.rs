//! The upstream's answer as the client gets it.

use std::{rc::Rc, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header, response::Parts};
use hyper::ext::ReasonPhrase;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    exchange::Exchange,
    filter::Filtered,
    passage::Passage,
    recast::{self, Fault, Recast},
    refused::Refused,
    reply::Source,
    transform::{
        self, Side, TransformError,
        charset::{self, Charset},
        coding::{self, Accepted, Coding},
        records::{self, Format},
        response::Treatment,
    },
    tunnel,
    unpack::{self, UnpackError},
    upgrade::Upgrade,
    upstream::{
        client::{Answer, Arrival},
        download::{Download, DownloadError},
        error::UpstreamError,
        hop_by_hop,
        wire::{body::Decoder, response::Head},
    },
};
use crate::{
    adaptation::{Mode, plan::OperationPlan},
    headers::{self, Present},
    problem::Code,
};

/// Larger bodies are coded on another thread: a hundredth of a second is long for a worker.
const LARGE_BYTES: usize = 128 * 1024;

/// An answer once its head is edited.
pub(super) enum Edited {
    /// As the client gets it.
    Ready(Response<Source>),
    /// The body has to be read whole and adapted.
    Held(Box<Held>),
}

/// An answer whose body is to be adapted.
pub(super) struct Held {
    head: Parts,
    body: Download,
    /// The upstream's, which chose the program.
    status: StatusCode,
    /// The coding to take off first.
    coding: Option<Coding>,
}

/// Edits the head, and begins a tunnel where there is to be one. None of it waits.
pub(super) fn respond(exchange: &mut Exchange, passage: &Passage, answer: Answer) -> Result<Edited, Refused> {
    let Answer { head, arrival } = answer;
    let (mut head, decoder) = parts(head);
    let asked_for_tunnel = passage.upgrade.as_ref().is_some_and(|upgrade| upgrade.key.is_some());
    if asked_for_tunnel && head.status.is_success() && !matches!(arrival, Arrival::Tunnel(_)) {
        // Over HTTP/2 it would say that the tunnel stands.
        return Err(invalid(exchange, passage));
    }
    // Before its fields are looked through: this one is removed on the way.
    let switched = match (head.status, &arrival, passage.upgrade.as_deref()) {
        (StatusCode::SWITCHING_PROTOCOLS, Arrival::Http1(_, rest), Some(upgrade)) => {
            // What is left of a body would be taken for the other protocol (RFC 9110 section 7.8).
            let chosen = upgrade.chosen(&head.headers).filter(|_| rest.is_none());
            Some((upgrade, chosen.ok_or_else(|| invalid(exchange, passage))?))
        }
        (_, Arrival::Tunnel(_), Some(upgrade)) => Some((upgrade, HeaderValue::from_static("websocket"))),
        _ => None,
    };
    let present = Present::of(&head.headers);
    hop_by_hop::remove_from_response(&mut head.headers, present);
    if present.has(Present::API) {
        headers::remove_gateway_only(&mut head.headers);
    }
    if present.has(Present::CONTENT_TYPE) {
        content_type(exchange, passage, &mut head.headers);
    }
    let arrival = match (arrival, switched) {
        (Arrival::Http1(lease, _), Some((upgrade, chosen))) => {
            if upgrade.key.as_ref().is_some_and(|key| !key.accepts(&mut head.headers)) {
                return Err(invalid(exchange, passage));
            }
            let (server, early, held) = lease.into_socket();
            switch(exchange, (server, early), held);
            return Ok(Edited::Ready(switched_head(upgrade, chosen, head)));
        }
        (Arrival::Tunnel(server), Some((upgrade, chosen))) => {
            // The handshake that the server has not done, towards a client that has begun one.
            head.headers.remove(header::SEC_WEBSOCKET_ACCEPT);
            head.headers.extend(upgrade.proof().map(|proof| (header::SEC_WEBSOCKET_ACCEPT, proof)));
            switch(exchange, (server, Bytes::new()), ());
            return Ok(Edited::Ready(switched_head(upgrade, chosen, head)));
        }
        (arrival, _) => arrival,
    };
    let (deadlines, patience) = (Rc::clone(&exchange.worker.deadlines), Rc::clone(&passage.patience));
    let body = Download::new(decoder, arrival, deadlines, patience);
    if let Some(references) = &passage.references {
        references.rewrite(passage.snapshot(), (passage.api, passage.version), &mut head.headers);
    }
    let Some(operation) = passage.operation() else {
        return Ok(Edited::Ready(stream(head, body)));
    };
    let status = head.status;
    let has_program = operation.response(status.as_u16()).is_some() || operation.adapts_events(status.as_u16());
    if has_program && transform::forbids_transform(&head.headers) {
        exchange.no_transform("response");
    }
    let treatment =
        transform::response::treatment(operation, passage.rules(), &exchange.method, status, &mut head.headers);
    let treatment = treatment.map_err(|error| fail(exchange, &error))?;
    if let Some(mapped) = operation.status(status) {
        head.status = mapped;
        // The upstream's words are about its own status.
        head.extensions.remove::<ReasonPhrase>();
    }
    match treatment {
        Treatment::Adapt(_, coding) => Ok(Edited::Held(Box::new(Held { head, body, status, coding }))),
        Treatment::Records(format, coding, charset) => {
            let filter = recast(exchange, operation, status, (format, coding, charset));
            let source = Source::Rewritten(Box::new((Filtered::new(filter), body)));
            Ok(Edited::Ready(Response::from_parts(head, source)))
        }
        Treatment::Pass | Treatment::HeadOnly => {
            if has_program {
                exchange.adapted("response", "passed");
            }
            Ok(Edited::Ready(stream(head, body)))
        }
    }
}

/// A head as the client's side knows it, in the gateway's own version (RFC 9110 section 6.2).
fn parts(head: Head) -> (Parts, Decoder) {
    let (mut parts, ()) = Response::new(()).into_parts();
    parts.status = head.status;
    parts.headers = head.headers;
    if let Some(reason) = head.reason.and_then(|reason| ReasonPhrase::try_from(reason).ok()) {
        parts.extensions.insert(reason);
    }
    (parts, head.decoder)
}

fn stream(head: Parts, body: Download) -> Response<Source> {
    let source = if body.is_end_stream() { Source::Empty } else { Source::Stream(Box::new(body)) };
    Response::from_parts(head, source)
}

/// Reads the body whole and puts the adapted one in its place.
pub(super) async fn adapt(
    exchange: &mut Exchange,
    passage: &Passage,
    held: Box<Held>,
) -> Result<Response<Source>, Refused> {
    let Held { mut head, mut body, status, coding } = *held;
    let adapting = passage.operation().and_then(|operation| Some((operation, operation.response(status.as_u16())?)));
    let Some((operation, program)) = adapting else { return Ok(stream(head, body)) };
    let cap = exchange.loaded.snapshot.config.limits.adapted_body_bytes;
    let too_large = || TransformError::too_large(Side::Response);
    if body.size_hint().lower() > cap as u64 {
        return Err(fail(exchange, &too_large()));
    }
    let whole = match coding {
        None => exchange.waiting(body.collect(cap)).await,
        Some(coding) => {
            let unpacked = unpack::unpack(coding, cap, |cx| body.poll_frame(cx));
            match exchange.waiting(unpacked).await {
                Ok(whole) => Ok(Some(whole)),
                Err(UnpackError::Body(error)) => Err(error),
                Err(UnpackError::Decode(error)) => {
                    return Err(fail(exchange, &TransformError::undecodable(Side::Response, error)));
                }
            }
        }
    };
    let whole = match whole {
        Ok(Some(whole)) => whole,
        Ok(None) => return Err(fail(exchange, &too_large())),
        Err(error) => return Err(truncated(exchange, passage, error)),
    };
    // Done with: its connection may serve others while the answer is coded.
    drop(body);
    head.headers.remove(header::TRAILER);
    let whole = charset::transcode(Side::Response, passage.rules(), &mut head.headers, whole, cap);
    let whole = whole.map_err(|error| fail(exchange, &error))?;
    let mut stash = std::mem::take(&mut exchange.stash);
    let adapted = match program.is_opaque() {
        false => transform::response::body(program, &mut head.headers, &whole, &mut stash),
        true => {
            let (plan, body, mut fields) = (Arc::clone(operation), whole.clone(), std::mem::take(&mut head.headers));
            let work = move || {
                // The upstream's status chose the program before.
                let program = plan.response(status.as_u16());
                let adapted = program.map(|program| transform::response::body(program, &mut fields, &body, &mut stash));
                (adapted.unwrap_or(Ok(None)), fields)
            };
            let done = transform::opaque::aside(program, Side::Response, work).await;
            done.and_then(|(adapted, fields)| {
                head.headers = fields;
                adapted
            })
        }
    };
    match adapted.map_err(|error| fail(exchange, &error))? {
        Some(adapted) => {
            exchange.adapted("response", if adapted.narrowed { "narrowed" } else { "adapted" });
            let body = match transform::response::coding(passage.accepted, &mut head.headers, adapted.body.len()) {
                None => adapted.body,
                Some(coding) => coded(passage.accepted, coding, &mut head.headers, adapted.body).await,
            };
            Ok(Response::from_parts(head, Source::Full(body)))
        }
        None => {
            exchange.adapted("response", "passed");
            Ok(Response::from_parts(head, Source::Full(whole)))
        }
    }
}

/// The body in the coding the client takes best, where that is shorter.
async fn coded(accepted: Accepted, coding: Coding, headers: &mut HeaderMap, body: Bytes) -> Bytes {
    let coded = match body.len() {
        ..=LARGE_BYTES => coding::encode(coding, &body),
        // Others on this worker must not wait for it.
        _ => {
            let body = body.clone();
            let task = tokio::task::spawn_blocking(move || coding::encode(coding, &body));
            task.await.unwrap_or_else(|error| Err(error.into()))
        }
    };
    match coded {
        Ok(coded) if coded.len() < body.len() || accepted.refuses_identity => {
            transform::response::describe_coded(headers, coding, coded.len());
            coded.into()
        }
        // Not worth it.
        _ => body,
    }
}

/// Adapts the records of an answer while they pass.
fn recast(
    exchange: &Exchange,
    operation: &Arc<OperationPlan>,
    status: StatusCode,
    (format, coding, charset): (Format, Option<Coding>, Option<Charset>),
) -> Box<Recast> {
    let terms = records::Terms {
        side: Side::Response,
        format,
        coding,
        charset,
        mode: Mode::Whole,
        record_bytes_max: exchange.loaded.snapshot.config.limits.adapted_body_bytes,
        bytes_max: u64::MAX,
    };
    let programs = recast::Chosen::Response(Arc::clone(operation), status.as_u16());
    Recast::new(
        terms,
        programs,
        exchange.stash.clone(),
        (Rc::clone(&exchange.loaded), exchange.counted),
        Fault::default(),
    )
}

/// The upstream broke off within a body that was being read whole: the client has seen nothing of it.
fn truncated(exchange: &mut Exchange, passage: &Passage, error: DownloadError) -> Refused {
    exchange.adapted("response", "failed");
    let server = passage.group.name.clone();
    let error = match error {
        DownloadError::Broken(source) => UpstreamError::Reset { server, source: Some(source) },
        DownloadError::Truncated => UpstreamError::Reset { server, source: None },
        DownloadError::Malformed(source) => UpstreamError::Invalid { server, source: Some(source) },
        DownloadError::Stalled => UpstreamError::Timeout { server },
        // Nothing rewrites a body that is read whole.
        DownloadError::Unfit(source) => UpstreamError::Reset { server, source: Some(std::io::Error::other(source)) },
    };
    exchange.code = Some(error.code());
    exchange.note(&error);
    Refused::upstream(&error, &passage.group.name)
}

fn fail(exchange: &mut Exchange, error: &TransformError) -> Refused {
    exchange.unadapted(error);
    exchange.code = Some(Code::AdaptationResponseFailed);
    exchange.note(error);
    Refused::adaptation(error)
}

/// A vendor media type names the version the client asked for, in the client's spelling. An event
/// stream may take as long as it likes.
fn content_type(exchange: &mut Exchange, passage: &Passage, headers: &mut HeaderMap) {
    let Some(value) = headers.get_mut(header::CONTENT_TYPE) else { return };
    let snapshot = passage.snapshot();
    let text = match &passage.media_type {
        Some(text) => text,
        None => snapshot.config.apis[passage.api].versions[passage.version].name.as_str(),
    };
    snapshot.negotiator.content_type_back(passage.api, text, value);
    if is_event_stream(value.as_bytes()) {
        passage.patience.release();
        exchange.endless = true;
    }
}

fn is_event_stream(content_type: &[u8]) -> bool {
    const NAME: &[u8] = b"text/event-stream";
    content_type.get(..NAME.len()).is_some_and(|start| start.eq_ignore_ascii_case(NAME))
}

/// From here on bytes pass in both directions, once the client's connection has sent the head.
///
/// - `held`: kept as long as they do.
fn switch<S, H>(exchange: &Exchange, (server, early): (S, Bytes), held: H)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
    H: 'static,
{
    let idle = exchange.loaded.snapshot.config.timeouts.tunnel_idle;
    let deadlines = Rc::clone(&exchange.worker.deadlines);
    exchange.link.switch(Box::new(move |client| {
        Box::pin(async move {
            tunnel::run(client, (server, early), deadlines, idle).await;
            drop(held);
        })
    }));
}

/// How a client is told that its connection, or stream, is a tunnel.
fn switched_head(upgrade: &Upgrade, chosen: HeaderValue, mut head: Parts) -> Response<Source> {
    if upgrade.key.is_some() {
        // What HTTP/2 calls it (RFC 8441 section 5).
        head.status = StatusCode::OK;
    } else {
        head.status = StatusCode::SWITCHING_PROTOCOLS;
        head.headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        head.headers.insert(header::UPGRADE, chosen);
    }
    // A tunnel has no body (RFC 9110 section 9.3.6).
    head.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(head, Source::Empty)
}

/// The server does not understand what it was asked for.
fn invalid(exchange: &mut Exchange, passage: &Passage) -> Refused {
    let error = UpstreamError::Invalid { server: passage.group.name.clone(), source: None };
    exchange.code = Some(error.code());
    exchange.note(&error);
    Refused::upstream(&error, &passage.group.name)
}
