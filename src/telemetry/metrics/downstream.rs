//! What is counted of the connections of clients.

use std::sync::Arc;

use super::{
    super::{
        cells::{Counter, Gauge},
        families::Families,
        series::Series,
    },
    Metrics, NONE,
};

/// Families of this file.
#[derive(Debug)]
pub(super) struct DownstreamFamilies {
    connections_accepted: Arc<Series<Counter, 0>>,
    connections_open: Arc<Series<Gauge, 1>>,
    pub(super) connections_refused: Arc<Series<Counter, 0>>,
    pub(super) tls_handshakes: Arc<Series<Counter, 2>>,
    pub(super) proxy_headers: Arc<Series<Counter, 1>>,
    pub(super) http2_floods: Arc<Series<Counter, 1>>,
    pub(super) http2_resets: Arc<Series<Counter, 1>>,
    pub(super) http2_streams: Arc<Series<Gauge, 0>>,
}

/// What one worker counts of connections of clients.
#[derive(Clone, Debug)]
pub struct ConnectionCells {
    /// Connections that were accepted.
    pub accepted: Counter,
    /// Open ones on which no protocol is known yet: PROXY header, TLS handshake, first bytes.
    pub unknown: Gauge,
    /// Open ones that speak HTTP/1.
    pub http1: Gauge,
    /// Open ones that speak HTTP/2.
    pub http2: Gauge,
}

/// What one worker counts of HTTP/2 connections of clients.
#[derive(Clone, Debug)]
pub struct Http2Cells {
    /// Streams that are open.
    pub streams: Gauge,
    /// Streams the client reset.
    pub client_resets: Counter,
    /// Streams the gateway reset.
    pub own_resets: Counter,
}

impl DownstreamFamilies {
    pub(super) fn new(families: &Families) -> Self {
        Self {
            connections_accepted: families.add(
                "vergate_connections_total",
                "Connections of clients that were accepted.",
                [],
            ),
            connections_open: families.add(
                "vergate_connections",
                "Connections of clients that are open, by protocol; none while it is not known.",
                ["protocol"],
            ),
            connections_refused: families.add(
                "vergate_connections_refused_total",
                "Connections beyond the limit that were closed without an answer.",
                [],
            ),
            tls_handshakes: families.add(
                "vergate_tls_handshakes_total",
                "TLS handshakes with clients, by what became of them and the version agreed on.",
                ["outcome", "version"],
            ),
            proxy_headers: families.add(
                "vergate_proxy_protocol_headers_total",
                "PROXY protocol headers of load balancers, by what became of them.",
                ["outcome"],
            ),
            http2_floods: families.add(
                "vergate_http2_floods_total",
                "HTTP/2 connections that were ended because of what the client sent.",
                ["kind"],
            ),
            http2_resets: families.add(
                "vergate_http2_resets_total",
                "HTTP/2 streams of clients that were reset, by the side that did it.",
                ["side"],
            ),
            http2_streams: families.add("vergate_http2_streams", "HTTP/2 streams of clients that are open.", []),
        }
    }
}

impl Metrics {
    /// `vergate_connections_total` and `vergate_connections`: one worker's part of them.
    pub fn connections(&self) -> ConnectionCells {
        ConnectionCells {
            accepted: self.downstream.connections_accepted.handle([]),
            unknown: self.downstream.connections_open.handle([NONE]),
            http1: self.downstream.connections_open.handle(["http/1"]),
            http2: self.downstream.connections_open.handle(["h2"]),
        }
    }

    /// `vergate_connections_refused_total`.
    pub fn connections_refused(&self) -> Counter {
        self.downstream.connections_refused.shared([])
    }

    /// `vergate_tls_handshakes_total`.
    ///
    /// - `outcome`: `full`, `resumed`, or why it failed.
    /// - `version`: `1.2`, `1.3`, or [`NONE`] where none was agreed on.
    pub fn tls_handshakes(&self, outcome: &str, version: &str) -> Counter {
        self.downstream.tls_handshakes.handle([outcome, version])
    }

    /// `vergate_proxy_protocol_headers_total`.
    ///
    /// - `outcome`: `address`, `local` (none was given), `malformed`, `timeout` or `client_left`.
    pub fn proxy_headers(&self, outcome: &str) -> Counter {
        self.downstream.proxy_headers.handle([outcome])
    }

    /// `vergate_http2_floods_total`.
    ///
    /// - `kind`: `client_resets`, `own_resets`, `continuation`, `control` or `protocol`.
    pub fn http2_floods(&self, kind: &str) -> Counter {
        self.downstream.http2_floods.shared([kind])
    }

    /// `vergate_http2_resets_total` and `vergate_http2_streams`: one worker's part of them.
    pub fn http2(&self) -> Http2Cells {
        Http2Cells {
            streams: self.downstream.http2_streams.handle([]),
            client_resets: self.downstream.http2_resets.handle(["client"]),
            own_resets: self.downstream.http2_resets.handle(["gateway"]),
        }
    }
}
