//! The checked configuration: domain types whose constructors make bad states impossible.

use std::{collections::BTreeMap, fmt, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use http::HeaderName;
use ipnet::IpNet;

use super::listeners::{Listener, ListenerId};
pub use super::load::{LoadError, Loaded, Outcome, load, read, read_file};
use crate::adaptation::change::Change;
use crate::domain::{api::Api, time::UtcTime, upstream::Upstream};
use crate::telemetry::Exporting;

/// Everything `gateway.yaml` says, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// The data listeners; never empty.
    pub listeners: Vec<Arc<Listener>>,
    /// When the listeners' certificates end, by their files as configured.
    pub certificate_ends: BTreeMap<String, UtcTime>,
    /// Worker threads, at least 1; `auto` was resolved to the number of cores.
    pub workers: usize,
    /// The admin port.
    pub admin: Admin,
    /// Access log.
    pub log: Log,
    /// Where traces are sent, if anywhere.
    pub otlp: Option<Exporting>,
    /// Peers whose `Forwarded` and `X-Forwarded-*` are kept and appended to.
    pub trusted_proxies: Vec<IpNet>,
    /// Sizes and counts.
    pub limits: Limits,
    /// Fields that may follow a request body.
    pub request_trailers: Vec<HeaderName>,
    /// Durations of the data path.
    pub timeouts: Timeouts,
    /// In file order; [`crate::domain::api::Service::upstream`] is an index into it.
    pub upstreams: Vec<Upstream>,
    /// In file order; never empty.
    pub apis: Vec<Api>,
    /// The changes of each API, by the API's index; [`crate::domain::api::Service::chain`] points into the inner list.
    pub changes: Vec<Vec<Change>>,
    /// Every file that was read, for the watcher.
    pub files: Vec<PathBuf>,
}

impl Config {
    /// The listener that goes by `id`, if it is still there.
    pub fn listener(&self, id: ListenerId) -> Option<&Arc<Listener>> {
        self.listeners.iter().find(|listener| listener.id == id)
    }

    /// Takes over the TLS sessions of listeners that have not changed since `before`, so that their clients'
    /// tickets stay good.
    pub fn keep_sessions(&mut self, before: &Self) {
        for listener in &mut self.listeners {
            let known = before.listener(listener.id).and_then(|old| old.tls.as_ref());
            if let (Some(new), Some(old)) = (&listener.tls, known)
                && new.is_same(old)
            {
                Arc::make_mut(listener).tls = Some(old.clone());
            }
        }
    }
}

/// `admin:`.
#[derive(Clone, Debug)]
pub struct Admin {
    /// Default 127.0.0.1:9901.
    pub listen: SocketAddr,
    /// Required off loopback.
    pub token: Option<Secret>,
    /// The Unix socket where another gateway asks for the listening sockets.
    pub takeover: Option<PathBuf>,
    /// Further accepted `Host` values, lower case.
    pub hosts: Vec<String>,
    /// Requests to `/api/*` from one source; 429 beyond. At least 1, default 20.
    pub requests_per_second: u32,
    /// Wrong tokens from one source; 429 beyond. At least 1, default 5.
    pub failed_logins_per_minute: u32,
}

/// The longest token that can be compared.
pub const TOKEN_BYTES_MAX: usize = 1024;

/// A text that is never printed: neither `Debug` nor `Display` shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes the text.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The bytes, for comparison only.
    pub fn expose(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// `log:`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log {
    /// One JSON object or one human line per request.
    pub format: LogFormat,
    /// Which requests are logged.
    pub requests: LogRequests,
}

/// How an access-log line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// One JSON object a line.
    #[default]
    Json,
    /// For human readers.
    Text,
}

/// Which requests are logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum LogRequests {
    /// Every request.
    #[default]
    All,
    /// Answers of 400 and above, and aborted exchanges.
    Errors,
    /// None.
    Off,
}

/// `limits:`, in bytes and counts (CONTRACT section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Length of the request target; 414 beyond. Default 8 KiB.
    pub request_target_bytes: usize,
    /// Length of the request's header section; 431 beyond. Default 32 KiB.
    pub request_header_bytes: usize,
    /// Fields of the request's header section; 431 beyond. Default 100.
    pub request_header_fields: usize,
    /// Length of a request body; 413 beyond. Default 1 GiB.
    pub request_body_bytes: u64,
    /// Length of a body that is adapted; 413 or 502 beyond. Default 8 MiB.
    pub adapted_body_bytes: usize,
    /// What stands around the chunks of a body, in either direction.
    pub chunked: ChunkLimits,
    /// Bytes a second at which a request body has to arrive, give or take [`Timeouts::request_body_grace`]; 408
    /// below; 0 means any. Default 500.
    pub request_body_rate: u64,
    /// Requests on one client connection; it is closed behind the last one's answer. Default 10,000.
    pub requests_per_connection: usize,
    /// Length of the response's header section; 502 beyond. Default 64 KiB.
    pub response_header_bytes: usize,
    /// Fields of the response's header section; 502 beyond. Default 200.
    pub response_header_fields: usize,
    /// Interim responses before an answer; 502 beyond. Default 32.
    pub interim_responses: usize,
    /// Client connections; none means as many as descriptors allow.
    pub connections: Option<usize>,
    /// Client connections from one address; none means unlimited.
    pub connections_per_client: Option<usize>,
    /// Requests being served; 503 beyond; none means automatic.
    pub requests_in_flight: Option<usize>,
    /// Streams of one HTTP/2 connection at once; refused beyond. Default 100.
    pub http2_streams: usize,
    /// Bytes of a request body on their way in one HTTP/2 stream. Default 64 KiB.
    pub http2_stream_window_bytes: usize,
    /// Bytes of request bodies on their way in one HTTP/2 connection. Default 1 MiB.
    pub http2_connection_window_bytes: usize,
    /// CONTINUATION frames of one header block. Default 16.
    pub http2_continuations: usize,
    /// Streams reset in 10 s, by each side. Default 200.
    pub http2_resets: usize,
    /// The same on a connection that was never answered. Default 100.
    pub http2_resets_unanswered: usize,
    /// Frames without content in 10 s. Default 1,000.
    pub http2_control_frames: usize,
    /// Memory of the process, guarded in degrees.
    pub memory: MemoryLimit,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_target_bytes: 8 << 10,
            request_header_bytes: 32 << 10,
            request_header_fields: 100,
            request_body_bytes: 1 << 30,
            adapted_body_bytes: 8 << 20,
            chunked: ChunkLimits::default(),
            request_body_rate: 500,
            requests_per_connection: 10_000,
            response_header_bytes: 64 << 10,
            response_header_fields: 200,
            interim_responses: 32,
            connections: None,
            connections_per_client: None,
            requests_in_flight: None,
            http2_streams: 100,
            http2_stream_window_bytes: 64 << 10,
            http2_connection_window_bytes: 1 << 20,
            http2_continuations: 16,
            http2_resets: 200,
            http2_resets_unanswered: 100,
            http2_control_frames: 1_000,
            memory: MemoryLimit::Auto,
        }
    }
}

/// What a chunked body may hold beside its content. Small, because every connection carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkLimits {
    /// Bytes of all its chunk extensions together. Default 16 KiB.
    pub extension_bytes: u32,
    /// Bytes of its trailers. Default 8 KiB.
    pub trailer_bytes: u32,
    /// Fields in its trailers. Default 16.
    pub trailer_fields: u32,
}

impl Default for ChunkLimits {
    fn default() -> Self {
        Self { extension_bytes: 16 << 10, trailer_bytes: 8 << 10, trailer_fields: 16 }
    }
}

/// How much memory the process may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryLimit {
    /// What its control group allows.
    Auto,
    /// Nothing is guarded.
    Unlimited,
    /// So many bytes.
    Bytes(u64),
}

/// `timeouts:` of the data path (CONTRACT section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Total time for a request head; 408. Default 10 s.
    pub request_header: Duration,
    /// Longest pause within a request body; 408. Default 15 s.
    pub request_body: Duration,
    /// How far a request body may be behind [`Limits::request_body_rate`]. Default 10 s.
    pub request_body_grace: Duration,
    /// Longest stall while a client does not take its answer, or a server its request. Default 15 s.
    pub write: Duration,
    /// Idle client connection. Default 75 s.
    pub keep_alive: Duration,
    /// Default of the upstreams' own. Default 2 s.
    pub connect: Duration,
    /// Default of the upstreams' own. Default 30 s.
    pub response: Duration,
    /// Longest pause within a response body. Default 30 s.
    pub response_idle: Duration,
    /// Whole exchange, to the last response byte; does not bind tunnels and event streams. Default 300 s.
    pub request: Duration,
    /// Longest silence of an upgraded connection. Default 1 h.
    pub tunnel_idle: Duration,
    /// How long requests in flight may take to finish on shutdown. Default 30 s.
    pub drain: Duration,
    /// How long idle client connections stay open on shutdown. Default 5 s.
    pub drain_idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            request_header: seconds(10),
            request_body: seconds(15),
            request_body_grace: seconds(10),
            write: seconds(15),
            keep_alive: seconds(75),
            connect: seconds(2),
            response: seconds(30),
            response_idle: seconds(30),
            request: seconds(300),
            tunnel_idle: seconds(3600),
            drain: seconds(30),
            drain_idle: seconds(5),
        }
    }
}
