//! From path and method to an answer.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use http::{HeaderValue, Method, Request, header, request::Parts};
use hyper::body::Incoming;
use percent_encoding::percent_decode_str;

use super::{
    apis, gateway::Gateway, guard, health, reload, reply::Reply, server::Ends, status, throttle::Throttle, upstreams,
};
use crate::{problem::Code, telemetry::metrics};

/// What a path names.
#[derive(Debug, PartialEq, Eq)]
enum Resource {
    Healthz,
    Readyz,
    Metrics,
    Status,
    Apis,
    /// The name as sent, percent-encoded.
    Versions(String),
    Reload,
    Upstreams,
    /// Drains a server or takes that back.
    Server(upstreams::Order),
}

/// Answers one request.
///
/// - `bound`: the port's own address.
pub(super) async fn answer<G: Gateway>(
    gateway: Arc<G>,
    throttle: &Throttle,
    bound: SocketAddr,
    ends: Ends,
    request: Request<Incoming>,
) -> Reply {
    let (parts, body) = request.into_parts();
    match admit(gateway.as_ref(), throttle, ends, &parts) {
        Err(refusal) => refusal,
        Ok(Resource::Reload) => reload::reload(gateway, body).await,
        Ok(Resource::Server(order)) => match reload::discard(body).await {
            Ok(()) => upstreams::carry_out(gateway.as_ref(), &order),
            Err(refusal) => refusal,
        },
        Ok(resource) => read(gateway.as_ref(), bound, &resource),
    }
}

/// Who asks comes before what is asked for: a stranger learns nothing of what exists under `/api/`.
fn admit(gateway: &impl Gateway, throttle: &Throttle, ends: Ends, parts: &Parts) -> Result<Resource, Reply> {
    let authority = guard::authority(parts)?;
    let path = parts.uri.path();
    let admin = &gateway.view().config.admin;
    let api = path == "/api" || path.starts_with("/api/");
    let source = guard::Source { address: ends.peer.ip(), throttle, now: Instant::now() };
    if api {
        source.may_ask(admin)?;
        guard::web_page(&parts.headers, authority.as_ref(), admin, ends.local)?;
    }
    if api || path == "/metrics" {
        guard::token(&parts.headers, admin, &source)?;
    }
    let resource = resource(path).ok_or_else(|| Reply::problem(Code::NotFound, "the admin port has no such path"))?;
    let (allowed, allow) = match resource {
        Resource::Reload | Resource::Server(_) => (parts.method == Method::POST, "POST"),
        _ => (matches!(parts.method, Method::GET | Method::HEAD), "GET, HEAD"),
    };
    if allowed {
        return Ok(resource);
    }
    let reply = Reply::problem(Code::MethodNotAllowed, format!("this path supports {allow}"));
    Err(reply.with(header::ALLOW, HeaderValue::from_static(allow)))
}

fn resource(path: &str) -> Option<Resource> {
    Some(match path {
        "/healthz" => Resource::Healthz,
        "/readyz" => Resource::Readyz,
        "/metrics" => Resource::Metrics,
        "/api/v1/status" => Resource::Status,
        "/api/v1/apis" => Resource::Apis,
        "/api/v1/reload" => Resource::Reload,
        "/api/v1/upstreams" => Resource::Upstreams,
        _ => {
            if let Some(rest) = path.strip_prefix("/api/v1/upstreams/") {
                return upstreams::Order::parse(rest).map(Resource::Server);
            }
            let name = path.strip_prefix("/api/v1/apis/")?.strip_suffix("/versions")?;
            let whole = !name.is_empty() && !name.contains('/');
            return whole.then(|| Resource::Versions(name.to_owned()));
        }
    })
}

fn read(gateway: &impl Gateway, bound: SocketAddr, resource: &Resource) -> Reply {
    let config = || gateway.view().config;
    match resource {
        Resource::Healthz => health::healthz(),
        Resource::Readyz => health::readyz(&gateway.readiness(), config().admin.token.is_none()),
        Resource::Metrics => Reply::Text(metrics::CONTENT_TYPE, gateway.metrics().render(Instant::now())),
        Resource::Status => Reply::ok(&status::status(gateway, bound)),
        Resource::Apis => Reply::ok(&apis::list(&config(), gateway.now())),
        Resource::Versions(name) => {
            let name = percent_decode_str(name).decode_utf8_lossy();
            match apis::versions(&config(), &name, gateway.now()) {
                Some(versions) => Reply::ok(&versions),
                None => Reply::problem(Code::NotFound, "no API has this name; GET /api/v1/apis lists them"),
            }
        }
        Resource::Upstreams => upstreams::list(gateway),
        Resource::Reload | Resource::Server(_) => Reply::problem(Code::Internal, "an order is not read"),
    }
}
