//! The data path. Its folders sort in the order a request meets them.
//!
//! [`handle`] is the whole journey. Stages are plain functions that know nothing of each other; what
//! they need of the configuration was compiled into the [`snapshot`].

pub mod downstream;
pub mod negotiation;
pub mod policy;
pub mod transform;
pub mod upstream;

pub mod chunked;
pub mod connection;
pub mod deadline;
pub mod exchange;
pub mod filter;
pub(crate) mod flat_write;
pub mod handles;
mod incoming;
mod outgoing;
mod outgoing_head;
mod passage;
pub mod pressure;
mod rare;
mod recast;
pub mod references;
mod refused;
pub mod reply;
pub(crate) mod scratch;
pub mod snapshot;
pub mod socket;
pub(crate) mod stall;
pub mod timings;
mod tunnel;
mod unpack;
mod upgrade;
mod websocket;
pub mod worker;

use std::rc::Rc;

use http::{Method, Response, StatusCode, header, request::Parts};

use self::{
    connection::http2::hpack::encoder,
    downstream::{admission, body::RequestBody, link::Link},
    exchange::Exchange,
    incoming::Edited,
    negotiation::{Chosen, Head, PathCapture},
    outgoing::Prepared,
    passage::Passage,
    policy::{Captured, Verdict},
    rare::rare,
    refused::Refused,
    reply::{Handled, Reply, Source},
    worker::Worker,
};
use crate::{
    headers::{
        self, Fields,
        lines::{Lines, Write},
    },
    problem::Code,
    telemetry::Counter,
};

/// Answers one request.
///
/// Success, refusal and failure take the same way out: every answer names the version, its
/// lifecycle and the request, and is counted and logged when its body ends.
pub async fn handle(worker: Rc<Worker>, link: Rc<Link>, head: Box<Parts>, body: RequestBody) -> Handled {
    let mut exchange = Exchange::begin(worker, link, &head);
    let answer = match journey(&mut exchange, head, body).await {
        Ok(answer) => answer,
        Err(refused) => refused.into_answer(&mut exchange),
    };
    Ok(announce(exchange, answer))
}

/// The request's way down and the answer's way up.
async fn journey(exchange: &mut Exchange, head: Box<Parts>, body: RequestBody) -> Result<Response<Source>, Refused> {
    let (passage, mut request) = match descend(exchange, head, body)? {
        Way::Answered(answer) => return Ok(answer),
        Way::Upstream(passage, request) => (passage, request),
    };
    if request.adapt {
        rare(|| outgoing::adapt(exchange, &passage, &mut request)).await?;
    }
    let answer = outgoing::send(exchange, &passage, &mut request).await?;
    request.done();
    let held = match incoming::respond(exchange, &passage, answer)? {
        Edited::Ready(answer) => return Ok(answer),
        Edited::Held(held) => held,
    };
    rare(|| incoming::adapt(exchange, &passage, held)).await
}

/// Where a request goes once every stage has seen it.
enum Way {
    /// Nowhere: the gateway answers.
    Answered(Response<Source>),
    /// To its upstream.
    Upstream(Passage, Prepared),
}

/// All stages down to the upstream. None of them waits: what they look at is gone when the upstream is
/// waited for, and an idle connection keeps no room for it.
fn descend(exchange: &mut Exchange, head: Box<Parts>, body: RequestBody) -> Result<Way, Refused> {
    admit(exchange)?;
    // A copy of shared slices, so that the path can be read while the fields are edited.
    let uri = head.uri.clone();
    let chosen = negotiate(exchange, &uri, &head)?;
    if let Some(redirect) = permit(exchange, &chosen, &uri)? {
        return Ok(Way::Answered(redirect));
    }
    if exchange.method == Method::OPTIONS && outgoing_head::hops_left(&head.headers) == Some(0) {
        return Ok(Way::Answered(last_hop()));
    }
    let passage = Passage::find(exchange, &chosen, &head)?;
    let request = outgoing::prepare(exchange, &passage, &chosen, head, body)?;
    Ok(Way::Upstream(passage, request))
}

/// Refused heads and the gateway's own limits.
fn admit(exchange: &mut Exchange) -> Result<(), Refused> {
    if let Some(refused) = exchange.link.take_refused() {
        exchange.method = admission::method(&refused);
        exchange.target = admission::target(&refused);
        return Err(refused.error.into());
    }
    if let Some(limit) = overload(exchange) {
        limit.inc();
        return Err(Refused::because(
            Code::Overloaded,
            "The gateway is serving as many callers as it may. Try again later.",
        ));
    }
    if matches!(exchange.method, Method::TRACE | Method::CONNECT) {
        return Err(Refused::because(Code::MethodUnsupported, "The gateway does not serve TRACE and CONNECT."));
    }
    Ok(())
}

/// Counts for the limit of the gateway's own that this request meets, if it does.
fn overload(exchange: &Exchange) -> Option<&Counter> {
    let (worker, loaded) = (&exchange.worker, &exchange.loaded);
    let crowded = || worker.shared.metrics.in_flight_total() > loaded.requests_max;
    if exchange.link.over_limit {
        Some(&worker.shed.connections)
    } else if worker.shedding.get() {
        Some(&worker.shed.memory)
    } else if worker.in_flight.value() > loaded.own_requests_max && crowded() {
        Some(&worker.shed.requests_in_flight)
    } else {
        None
    }
}

/// Finds API, version and endpoint, and notes them in the exchange.
fn negotiate<'u>(exchange: &mut Exchange, uri: &'u http::Uri, parts: &Parts) -> Result<Chosen<'u>, Refused> {
    // An absolute-form target beats Host (RFC 9112 section 3.2.2).
    let host = match uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => parts.headers.get(header::HOST).and_then(|host| host.to_str().ok()),
    };
    let head = Head { method: &parts.method, host, path: uri.path(), query: uri.query(), headers: &parts.headers };
    let negotiator = &exchange.loaded.snapshot.negotiator;
    match negotiator.negotiate(&head) {
        Ok(chosen) => {
            exchange.counted.api = Some(chosen.api);
            exchange.counted.version = Some(chosen.version);
            exchange.counted.endpoint = chosen.endpoint;
            exchange.served = Some(chosen.version);
            exchange.source = Some(chosen.source);
            exchange.fallback = chosen.fallback;
            if chosen.conflict {
                let loaded = &exchange.loaded;
                loaded.handles.conflict(chosen.api, &loaded.snapshot.config.apis[chosen.api].name);
            }
            Ok(chosen)
        }
        Err(refusal) => {
            let refused = Refused::negotiation(&refusal, negotiator);
            exchange.counted.api = refusal.api;
            exchange.counted.version = refusal.version;
            exchange.served = refusal.version;
            exchange.source = refusal.source;
            exchange.fallback = refusal.fallback;
            if let (Some(api), Some(version)) = (refusal.api, refusal.version) {
                exchange.successor_path = successor_path(exchange, (api, version), refusal.path_capture.as_ref(), uri);
            }
            Err(refused)
        }
    }
}

/// Where the newest stable version has the same resource, for the `Link` every answer of a version carries.
fn successor_path(
    exchange: &Exchange,
    (api, version): (usize, usize),
    capture: Option<&PathCapture>,
    uri: &http::Uri,
) -> Option<String> {
    let entry = exchange.loaded.snapshot.version(api, version);
    let method = exchange.method.as_str();
    let moved = |path: &str| entry.to_successor.as_ref().and_then(|plan| plan.path(method, path));
    entry.policy.link_target(uri.path(), capture.map(captured).as_ref(), &moved)
}

/// The capture as the policy takes it: stages do not know each other.
fn captured(capture: &PathCapture) -> Captured {
    Captured { source: capture.source, range: capture.range.clone() }
}

/// Serves, refuses or redirects, as the version's lifecycle says.
///
/// Consumers, rate limits and brownouts will decide here too.
fn permit(exchange: &mut Exchange, chosen: &Chosen<'_>, uri: &http::Uri) -> Result<Option<Response<Source>>, Refused> {
    let loaded = Rc::clone(&exchange.loaded);
    let entry = loaded.snapshot.version(chosen.api, chosen.version);
    let policy = &entry.policy;
    let capture = chosen.path_capture.as_ref();
    exchange.successor_path = successor_path(exchange, (chosen.api, chosen.version), capture, uri);
    let gone = || {
        let problem = policy.refusal().cloned();
        Refused::new(
            problem.unwrap_or_else(|| crate::problem::Problem::new(Code::Internal, "The version has no policy.")),
        )
    };
    match policy.verdict {
        Verdict::Serve => Ok(None),
        Verdict::Restricted | Verdict::Gone => Err(gone()),
        Verdict::FallForward { successor } => {
            exchange.served = Some(successor);
            exchange.fallback = true;
            let listed = &loaded.snapshot.negotiator;
            let listed = listed.endpoint(chosen.api, successor, &exchange.method, &chosen.unversioned_path);
            listed.map_err(|error| Refused::because(error.code(), error.to_string()))?;
            Ok(None)
        }
        Verdict::Redirect => {
            let capture = capture.filter(|_| chosen.named_by_path_alone).map(captured);
            let method = exchange.method.as_str();
            let moved = |path: &str| entry.to_successor.as_ref().and_then(|plan| plan.path(method, path));
            let place = capture.and_then(|capture| policy.location(uri.path(), uri.query(), &capture, &moved));
            let place = place.ok_or_else(gone)?;
            let mut redirect = Response::new(Source::Empty);
            *redirect.status_mut() = StatusCode::PERMANENT_REDIRECT;
            let fields = redirect.headers_mut();
            fields.insert(header::LOCATION, place);
            // A 308 may be kept for ever; a later sunset date has to be able to undo it.
            fields.insert(header::CACHE_CONTROL, http::HeaderValue::from_static("no-store"));
            Ok(Some(redirect))
        }
    }
}

/// The gateway is the last to be asked (RFC 9110 section 7.6.2).
fn last_hop() -> Response<Source> {
    let mut answer = Response::new(Source::Empty);
    *answer.status_mut() = StatusCode::NO_CONTENT;
    answer
}

/// Puts the gateway's own fields on an answer and hands its accounting to the body.
fn announce(mut exchange: Box<Exchange>, answer: Response<Source>) -> Response<Reply> {
    let (mut head, source) = answer.into_parts();
    let write = exchange.is_http2().then_some(encoder::field as Write);
    let mut lines = Lines::beside(&mut head.headers, write);
    say(&exchange, head.status, &mut lines);
    let lines = lines.into_text();
    exchange.answered(head.status.as_u16());
    Response::from_parts(head, Reply::new(source, lines, exchange))
}

/// What the gateway itself has to say in an answer.
fn say(exchange: &Exchange, status: StatusCode, fields: &mut impl Fields) {
    let snapshot = &exchange.loaded.snapshot;
    if let Some(version) = exchange.counted_version() {
        let announcement = &version.policy.announcement;
        let successor = exchange.successor_path.as_deref();
        if status == StatusCode::PERMANENT_REDIRECT && version.policy.verdict == Verdict::Redirect {
            announcement.apply_brief(fields, successor);
        } else if !announcement.is_empty() {
            announcement.apply(fields, successor);
        }
    }
    if let Some(api) = exchange.counted.api {
        fields.vary(snapshot.negotiator.vary(api));
        if let Some(served) = exchange.served {
            fields.set(&headers::X_API_VERSION_USED, &snapshot.version(api, served).used);
        }
    }
    if exchange.fallback {
        fields.set(&headers::X_API_VERSION_FALLBACK, &headers::TRUE);
    }
    fields.set(&headers::X_REQUEST_ID, &exchange.request_id);
}
