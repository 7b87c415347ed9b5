//! A named set of servers that speak one API.

use std::time::Duration;

/// A named set of interchangeable servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// The key under `upstreams:`.
    pub name: String,
    /// At least one.
    pub servers: Vec<Server>,
    /// How a server is picked.
    pub balance: Balance,
    /// Tries after the first; 0 means none.
    pub retry_attempts: u32,
    /// Share of recent requests that may be retried, in percent; three a second are always allowed.
    pub retry_budget_percent: u32,
    /// The three waits of one exchange with a server.
    pub timeouts: UpstreamTimeouts,
}

/// One address of an upstream.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Server {
    /// Host name or address literal, without brackets.
    pub host: String,
    /// TCP port, 80 unless the URL names one.
    pub port: u16,
    /// Path put before every forwarded path, without a trailing slash; empty for none.
    pub base_path: String,
    /// Share of the requests relative to its neighbours, at least 1.
    pub weight: u32,
}

/// How a server is picked among an upstream's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Balance {
    /// The less busy of two chosen at random ("power of two choices").
    #[default]
    LeastRequests,
    /// One after the other.
    RoundRobin,
}

/// How long an upstream may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpstreamTimeouts {
    /// Until the TCP connection stands.
    pub connect: Duration,
    /// From the last request byte written to the first response byte; interim responses do not reset it.
    pub response: Duration,
    /// How long an unused connection is kept.
    pub pool_idle: Duration,
}
