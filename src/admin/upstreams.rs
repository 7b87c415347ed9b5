//! `GET /api/v1/upstreams`, and `POST /api/v1/upstreams/{upstream}/servers/{server}/drain` or `undrain`.
//!
//! ```json
//! {"upstreams": [{"name": "query-parser-2.0", "balance": "least_requests", "servers": [
//!   {"server": "127.0.0.1:9020", "name": null, "weight": 1, "state": "available",
//!    "requests": 1200, "requests_in_flight": 3, "connections": 8, "connections_idle": 5,
//!    "waiting": 0,
//!    "connect_errors_in_a_row": 0, "breaker": "closed", "drained": false, "ejected": false, "ejections": 0,
//!    "last_check": null}]}]}
//! ```
//!
//! - `name`: the server as the file has it, where its host is a name with several addresses: each is a server.
//! - `state`: `available`, or why nothing is sent to it: `drained`, `unhealthy`, `breaker_open` or `ejected`.
//! - `requests`: tries since the server was first named, by all workers.
//! - `waiting`: requests that wait because the server has all connections it may have.
//! - `last_check`: `{at, healthy, error, duration_ms}` of the last health check; null before the first one and
//!   where there are none.
//!
//! Draining sends nothing new to a server; requests under way end, idle connections are closed. It holds
//! until it is undone or the server is not named any more; a reload does not undo it. A name drains all its addresses,
//! those that it will have included. Both answer with the server as it is then, with an array of them for a name with
//! several addresses; doing it twice changes nothing.

use percent_encoding::percent_decode_str;
use serde::Serialize;

use super::{gateway::Gateway, reply::Reply};
use crate::{
    domain::upstream::{Balance, Server, Upstream},
    pipeline::upstream::{
        fleet::Fleet,
        roster::{Endpoint, Roster},
    },
    problem::Code,
};

#[derive(Serialize)]
struct Upstreams<'a> {
    upstreams: Vec<Row<'a>>,
}

#[derive(Serialize)]
struct Row<'a> {
    name: &'a str,
    balance: &'static str,
    servers: Vec<ServerRow>,
}

#[derive(Serialize)]
struct ServerRow {
    server: String,
    name: Option<String>,
    weight: u32,
    state: &'static str,
    requests: u64,
    requests_in_flight: u64,
    connections: u64,
    connections_idle: u64,
    waiting: usize,
    connect_errors_in_a_row: u32,
    breaker: &'static str,
    drained: bool,
    ejected: bool,
    ejections: u64,
    last_check: Option<CheckRow>,
}

#[derive(Serialize)]
struct CheckRow {
    at: String,
    healthy: bool,
    error: Option<String>,
    duration_ms: u64,
}

/// What is asked of one server; names as sent, percent-encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Order {
    upstream: String,
    server: String,
    drain: bool,
}

impl Order {
    /// Reads what follows `/api/v1/upstreams/`.
    pub(super) fn parse(rest: &str) -> Option<Self> {
        let mut parts = rest.split('/');
        let (upstream, servers, server, verb) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let drain = match verb {
            "drain" => true,
            "undrain" => false,
            _ => return None,
        };
        let whole = parts.next().is_none() && servers == "servers" && !upstream.is_empty() && !server.is_empty();
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        whole.then(|| Self { upstream: decoded(upstream), server: decoded(server), drain })
    }
}

/// All upstreams in file order.
pub(super) fn list(gateway: &impl Gateway) -> Reply {
    let config = gateway.view().config;
    let fleet = gateway.fleet();
    Reply::ok(&Upstreams { upstreams: config.upstreams.iter().map(|upstream| row(upstream, fleet)).collect() })
}

/// Drains a server, or takes that back.
pub(super) fn carry_out(gateway: &impl Gateway, order: &Order) -> Reply {
    let config = gateway.view().config;
    let Some(upstream) = config.upstreams.iter().find(|upstream| upstream.name == order.upstream) else {
        return Reply::problem(Code::NotFound, "no upstream has this name; GET /api/v1/upstreams lists them");
    };
    let roster = gateway.fleet().roster(&upstream.name);
    if !roster.drain(&order.server, order.drain) {
        let detail = "no server of the upstream has this address; GET /api/v1/upstreams lists them as host:port";
        return Reply::problem(Code::NotFound, detail);
    }
    let verb = if order.drain { "drained" } else { "not drained any more" };
    tracing::info!(upstream = upstream.name, server = order.server, "server is {verb}");
    let mut rows = rows(upstream, &roster);
    rows.retain(|row| row.server == order.server || row.name.as_ref() == Some(&order.server));
    match &rows[..] {
        [row] => Reply::ok(row),
        rows => Reply::ok(&rows),
    }
}

fn row<'a>(upstream: &'a Upstream, fleet: &Fleet) -> Row<'a> {
    let roster = fleet.roster(&upstream.name);
    Row { name: &upstream.name, balance: balance(&upstream.balance), servers: rows(upstream, &roster) }
}

/// Each server, or each address of its name.
fn rows(upstream: &Upstream, roster: &Roster) -> Vec<ServerRow> {
    let of_server = |server: &Server| {
        let endpoints = roster.endpoints(server).into_iter();
        endpoints.map(|endpoint| server_row(server, &endpoint)).collect::<Vec<_>>()
    };
    upstream.servers.iter().flat_map(of_server).collect()
}

fn server_row(server: &Server, endpoint: &Endpoint) -> ServerRow {
    let Endpoint { address, condition, .. } = endpoint;
    let totals = condition.totals();
    let check = condition.last_check().map(|check| CheckRow {
        at: check.at.to_string(),
        healthy: check.error.is_none(),
        error: check.error,
        duration_ms: check.millis,
    });
    ServerRow {
        server: address.map_or_else(|| server.label(), |address| address.to_string()),
        name: address.map(|_| server.label()),
        weight: server.weight,
        state: condition.state(),
        requests: totals.requests,
        requests_in_flight: totals.active,
        connections: totals.connections,
        connections_idle: totals.idle,
        waiting: condition.queue().0,
        connect_errors_in_a_row: condition.refusals(),
        breaker: if condition.is_open() { "open" } else { "closed" },
        drained: condition.is_drained(),
        ejected: condition.is_ejected(),
        ejections: condition.ejections(),
        last_check: check,
    }
}

fn balance(balance: &Balance) -> &'static str {
    match balance {
        Balance::LeastRequests => "least_requests",
        Balance::RoundRobin => "round_robin",
        Balance::Hash { .. } => "hash",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_names_upstream_server_and_verb() {
        let order = |upstream: &str, server: &str, drain| {
            Some(Order { upstream: upstream.into(), server: server.into(), drain })
        };
        assert_eq!(Order::parse("u/servers/127.0.0.1:80/drain"), order("u", "127.0.0.1:80", true));
        assert_eq!(Order::parse("u/servers/%5B%3A%3A1%5D%3A80/undrain"), order("u", "[::1]:80", false));
        for text in [
            "",
            "u",
            "u/servers/s",
            "u/servers/s/stop",
            "u/servers//drain",
            "/servers/s/drain",
            "u/x/s/drain",
            "u/servers/s/drain/",
        ] {
            assert_eq!(Order::parse(text), None, "{text}");
        }
    }
}
