//! A named set of servers that speak one API.

use std::{
    fmt,
    hash::{Hash, Hasher},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use rustls::{ClientConfig, pki_types::ServerName};

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
    /// How servers are asked whether they are well; none asks nothing.
    pub health: Option<Health>,
    /// When a server that answers badly is kept out; none never does.
    pub ejection: Option<EjectionRules>,
    /// Connections each server may have, of all workers together; none means any number.
    pub max_connections: Option<usize>,
    /// How requests wait for a server whose connections are all busy.
    pub queue: Queue,
    /// How long the addresses of a name are used before it is looked up again.
    pub dns_refresh: Duration,
    /// What its servers speak.
    pub protocol: Protocol,
}

/// What the servers of an upstream speak, under its name for ALPN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Protocol {
    /// `http/1.1`.
    #[default]
    Http1,
    /// `h2`: HTTP/2 over TLS.
    Http2,
    /// `h2c`: HTTP/2 over cleartext, with prior knowledge.
    Http2Cleartext,
}

/// One address of an upstream.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Server {
    /// Host name or address literal, without brackets.
    pub host: String,
    /// TCP port, 80 or 443 unless the URL names one.
    pub port: u16,
    /// Path put before every forwarded path, without a trailing slash; empty for none.
    pub base_path: String,
    /// Share of the requests relative to its neighbours, at least 1.
    pub weight: u32,
    /// How its TLS is spoken; none for cleartext.
    pub tls: Option<Tls>,
    /// Whether it may be at a [link-local address](is_link_local).
    pub link_local: bool,
}

/// Whether a listener on `own` answers at `address`, as far as can be told without asking for the machine's addresses.
pub fn is_own(own: SocketAddr, address: SocketAddr) -> bool {
    let (listens, ip) = (own.ip().to_canonical(), address.ip().to_canonical());
    own.port() != 0
        && own.port() == address.port()
        && (listens == ip || ip.is_unspecified() || (listens.is_unspecified() && ip.is_loopback()))
}

/// Whether credentials of the machine may be served at `ip`: link-local networks (RFC 3927, RFC 4291), and the
/// addresses outside of them that clouds use for metadata.
pub fn is_link_local(ip: IpAddr) -> bool {
    const METADATA_V4: Ipv4Addr = Ipv4Addr::new(100, 100, 100, 200);
    const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.is_link_local() || ip == METADATA_V4,
        IpAddr::V6(ip) => ip.is_unicast_link_local() || ip == METADATA_V6,
    }
}

/// How TLS to a server is spoken: whom it has to be, and who says so.
#[derive(Clone)]
pub struct Tls {
    /// Trusted authorities, the gateway's own certificate, protocols offered.
    pub client: Arc<ClientConfig>,
    /// The name the server's certificate has to carry.
    pub server_name: ServerName<'static>,
    /// Of everything `client` was made from: connections live on over a reload that changes nothing of it.
    pub fingerprint: u64,
}

impl PartialEq for Tls {
    fn eq(&self, other: &Self) -> bool {
        (self.fingerprint, &self.server_name) == (other.fingerprint, &other.server_name)
    }
}

impl Eq for Tls {}

impl Hash for Tls {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.fingerprint.hash(state);
        self.server_name.hash(state);
    }
}

/// Without the configuration, which holds a private key.
impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("server_name", &self.server_name).finish_non_exhaustive()
    }
}

impl Server {
    /// Whether its host is an address.
    pub fn is_literal(&self) -> bool {
        self.host.parse::<IpAddr>().is_ok()
    }

    /// How its URL names it: [`Server::label`], without the port that its scheme stands for.
    pub fn authority(&self) -> String {
        let mut authority = self.label();
        if self.port == if self.tls.is_some() { 443 } else { 80 } {
            authority.truncate(authority.rfind(':').unwrap_or(authority.len()));
        }
        authority
    }

    /// `host:port`, an IPv6 literal in brackets: what logs, metrics and the admin port call it.
    pub fn label(&self) -> String {
        let Self { host, port, .. } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }
}

/// How a server is picked among an upstream's.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Balance {
    /// The less busy of two chosen at random ("power of two choices").
    #[default]
    LeastRequests,
    /// One after the other.
    RoundRobin,
    /// The same for all requests with the same key; the less busy of two for those without.
    Hash {
        /// What these requests have in common.
        key: HashKey,
        /// Most requests a server carries at once, in percent of its share of all, at least 100: those beyond go to the
        /// next. None for any number.
        load_max_percent: Option<u32>,
    },
}

/// What requests have in common that go to the same server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HashKey {
    /// The value of a header field, by its lower-case name.
    Header(String),
    /// The value of a cookie.
    Cookie(String),
    /// The client's address.
    ClientAddress,
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

/// How servers are asked whether they are well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// What is asked for, as it stands, without a server's base path; none only connects.
    pub path: Option<String>,
    /// Pause between two checks.
    pub interval: Duration,
    /// How long one check may take.
    pub timeout: Duration,
    /// Successes in a row that make an unhealthy server healthy.
    pub healthy_after: u32,
    /// Failures in a row that make a healthy server unhealthy.
    pub unhealthy_after: u32,
    /// Statuses that are a success, each range with both ends.
    pub expected: Vec<(u16, u16)>,
}

/// When a server that answers badly is kept out for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EjectionRules {
    /// Failures in a row: answers of 500 and above, answers that did not come, connections that did not open.
    pub after: u32,
    /// How long the first time; each further time takes as much longer.
    pub time: Duration,
    /// How long at most.
    pub time_max: Duration,
    /// Share of the servers that may be kept out at once, in percent; one of several always may.
    pub share_percent: u32,
    /// Share of the servers below which ejections are ignored, in percent.
    pub panic_percent: u32,
}

/// How requests wait for a server whose connections are all busy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queue {
    /// How many may wait for one server.
    pub size: usize,
    /// How long each may wait.
    pub timeout: Duration,
}

impl Default for Queue {
    fn default() -> Self {
        Self { size: 128, timeout: Duration::from_secs(1) }
    }
}

/// How long an upstream may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpstreamTimeouts {
    /// Until the connection stands, its TLS handshake included.
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
        let server = |port: &u16| Server {
            host: "10.0.0.1".into(),
            port: *port,
            base_path: String::new(),
            weight: 1,
            tls: None,
            link_local: false,
        };
        let seconds = Duration::from_secs;
        Upstream {
            name: name.into(),
            servers: ports.iter().map(server).collect(),
            balance: Balance::LeastRequests,
            retry_attempts: 1,
            retry_budget_percent: 20,
            protocol: Protocol::Http1,
            timeouts: UpstreamTimeouts { connect: seconds(2), response: seconds(30), pool_idle: seconds(30) },
            breaker: Breaker::default(),
            health: None,
            ejection: None,
            max_connections: None,
            queue: Queue::default(),
            dns_refresh: seconds(30),
        }
    }
}
