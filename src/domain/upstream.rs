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
    /// When nothing more is sent to a server that cannot be connected to.
    pub breaker: Breaker,
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

impl Server {
    /// `host:port`, an IPv6 literal in brackets: what logs, metrics and the admin port call it.
    pub fn label(&self) -> String {
        let Self { host, port, .. } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }
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

/// When nothing more is sent to a server that cannot be connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Breaker {
    /// Connections in a row that could not be opened.
    pub open_after: u32,
    /// Pause between two tries to connect while it is open.
    pub probe: Duration,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { open_after: 5, probe: Duration::from_secs(1) }
    }
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

#[cfg(test)]
pub(crate) mod testing {
    //! An upstream for tests.

    use super::*;

    /// Servers `10.0.0.1` on these ports; everything else as the defaults have it.
    pub(crate) fn upstream(name: &str, ports: &[u16]) -> Upstream {
        let server = |port: &u16| Server { host: "10.0.0.1".into(), port: *port, base_path: String::new(), weight: 1 };
        let seconds = Duration::from_secs;
        Upstream {
            name: name.into(),
            servers: ports.iter().map(server).collect(),
            balance: Balance::LeastRequests,
            retry_attempts: 1,
            retry_budget_percent: 20,
            timeouts: UpstreamTimeouts { connect: seconds(2), response: seconds(30), pool_idle: seconds(30) },
            breaker: Breaker::default(),
        }
    }
}
