//! The upstream's answer as the client gets it.

use std::rc::Rc;

use http::{HeaderMap, HeaderValue, Response, StatusCode, header, response::Parts};
use hyper::ext::ReasonPhrase;

use super::{
    exchange::Exchange,
    outgoing::Passage,
    refused::Refused,
    reply::Source,
    transform::{self, TransformError, response::Treatment},
    tunnel,
    upstream::{
        client::{Answer, Arrival},
        download::{Download, DownloadError},
        error::UpstreamError,
        hop_by_hop,
        lease::Lease,
        wire::{body::Decoder, response::Head},
    },
};
use crate::{
    adaptation::program::Program,
    headers::{self, Present},
    problem::Code,
};

/// Edits the head, adapts the body where it has to be, or begins a tunnel.
pub(super) async fn respond(
    exchange: &mut Exchange,
    passage: &Passage,
    answer: Answer,
) -> Result<Response<Source>, Refused> {
    let Answer { head, arrival } = answer;
    let (mut head, decoder) = parts(head);
    let present = Present::of(&head.headers);
    hop_by_hop::remove_from_response(&mut head.headers, present);
    if present.has(Present::API) {
        headers::remove_gateway_only(&mut head.headers);
    }
    if present.has(Present::CONTENT_TYPE) {
        content_type(exchange, passage, &mut head.headers);
    }
    let arrival = match arrival {
        Arrival::Http1(lease, _) if head.status == StatusCode::SWITCHING_PROTOCOLS => {
            return Ok(switch(exchange, passage, head, lease));
        }
        arrival => arrival,
    };
    let (deadlines, patience) = (Rc::clone(&exchange.worker.deadlines), Rc::clone(&passage.patience));
    let body = Download::new(decoder, arrival, deadlines, patience);
    let Some(operation) = passage.operation() else {
        return Ok(stream(head, body));
    };
    let status = head.status;
    let treatment = transform::response::treatment(operation, &exchange.method, status, &mut head.headers);
    let treatment = treatment.map_err(|error| fail(exchange, &error))?;
    if let Some(mapped) = operation.status(status) {
        head.status = mapped;
        // The upstream's words are about its own status.
        head.extensions.remove::<ReasonPhrase>();
    }
    match treatment {
        Treatment::Adapt(program) => adapt(exchange, passage, program, head, body).await,
        Treatment::Pass | Treatment::HeadOnly => {
            if operation.response(status.as_u16()).is_some() {
                exchange.adapted("response", "passed");
            }
            Ok(stream(head, body))
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

async fn adapt(
    exchange: &mut Exchange,
    passage: &Passage,
    program: &Program,
    mut head: Parts,
    mut body: Download,
) -> Result<Response<Source>, Refused> {
    let cap = exchange.loaded.snapshot.config.limits.adapted_body_bytes;
    let too_large = || TransformError::too_large(transform::Side::Response);
    if body.size_hint().lower() > cap as u64 {
        return Err(fail(exchange, &too_large()));
    }
    let whole = match exchange.waiting(body.collect(cap)).await {
        Ok(Some(whole)) => whole,
        Ok(None) => return Err(fail(exchange, &too_large())),
        Err(error) => return Err(truncated(exchange, passage, error)),
    };
    head.headers.remove(header::TRAILER);
    let mut stash = std::mem::take(&mut exchange.stash);
    let adapted = transform::response::body(program, &mut head.headers, &whole, &mut stash);
    match adapted.map_err(|error| fail(exchange, &error))? {
        Some(adapted) => {
            exchange.adapted("response", if adapted.narrowed { "narrowed" } else { "adapted" });
            Ok(Response::from_parts(head, Source::Full(adapted.body)))
        }
        None => {
            exchange.adapted("response", "passed");
            Ok(Response::from_parts(head, Source::Full(whole)))
        }
    }
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
    };
    exchange.code = Some(error.code());
    exchange.note(&error);
    Refused::upstream(&error, &passage.group.name)
}

fn fail(exchange: &mut Exchange, error: &TransformError) -> Refused {
    exchange.adapted("response", "failed");
    exchange.code = Some(Code::AdaptationResponseFailed);
    exchange.note(error);
    Refused::adaptation(error)
}

/// A vendor media type names the version the client asked for, in the client's spelling. An event
/// stream may take as long as it likes.
fn content_type(exchange: &Exchange, passage: &Passage, headers: &mut HeaderMap) {
    let Some(value) = headers.get_mut(header::CONTENT_TYPE) else { return };
    let snapshot = &exchange.loaded.snapshot;
    let text = match &passage.media_type {
        Some(text) => text.as_str(),
        None => snapshot.config.apis[passage.api].versions[passage.version].name.as_str(),
    };
    snapshot.negotiator.content_type_back(passage.api, text, value);
    if is_event_stream(value.as_bytes()) {
        passage.patience.release();
    }
}

fn is_event_stream(content_type: &[u8]) -> bool {
    const NAME: &[u8] = b"text/event-stream";
    content_type.get(..NAME.len()).is_some_and(|start| start.eq_ignore_ascii_case(NAME))
}

/// 101: from here on bytes pass in both directions, once the client's connection has sent the head.
fn switch(exchange: &Exchange, passage: &Passage, mut head: Parts, lease: Lease) -> Response<Source> {
    head.headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    if let Some(protocol) = &passage.upgrade {
        head.headers.entry(header::UPGRADE).or_insert_with(|| protocol.clone());
    }
    let (server, early, held) = lease.into_socket();
    let idle = exchange.loaded.snapshot.config.timeouts.tunnel_idle;
    let deadlines = Rc::clone(&exchange.worker.deadlines);
    exchange.link.switch(Box::new(move |client| {
        Box::pin(async move {
            tunnel::run(client, (server, early), deadlines, idle).await;
            drop(held);
        })
    }));
    Response::from_parts(head, Source::Empty)
}
