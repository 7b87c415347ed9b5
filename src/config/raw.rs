//! The shape of `gateway.yaml`: every key, what it means, and what holds where it is left out.
//!
//! The comments here are what editors show: `vergate schema` prints them. Values are read into units and
//! names, but not yet held against each other; that is the work of [`super::checked`].

mod upstreams;

pub use upstreams::*;

use super::containers::{Entries, Filled, List, OneOrMany, ShortOrLong, Word, read_entries};
use super::finding::Finding;
use super::names::{
    AcceptPattern, DefaultName, EndpointText, FieldName, Guide, Name, PathPattern, Text, TrailerName, VersionName,
};
use super::places::{Address, Host, Network, Prefix};
use super::shape::{Anything, At, Read, shape, wrong_type};
use super::source::Source;
use super::tls::{ClientCertificates, MinVersion};
use super::tracing::Telemetry;
use super::tree::Node;
use super::units::{
    AutoCount, Count, Date, Flag, LeadTime, MemorySize, Size, SizeOrZero, Span, SpanOrZero, UnlimitedCount,
};
use super::url::ServerUrl;
use super::{LogFormat, LogRequests};
use crate::domain::{
    api::{AfterSunset, Charset, NoTransform, OnConflict, OnUnknown, Signed, Unlisted, Untyped},
    lifecycle::{Phase, Status},
};

shape! {
    /// Configuration of the Vergate API gateway.
    pub struct Gateway {
        /// Where callers connect: one address or a list. HTTP/1.1 and prior-knowledge HTTP/2. Port 0 asks for a free one.
        optional listen: OneOrMany<ShortOrLong<Address, Listener>> = "0.0.0.0:8080",
        /// Worker threads: `auto` is one per core.
        optional workers: AutoCount = "auto",
        /// The operator's port: health, metrics, versions, reload.
        optional admin: Admin,
        /// The access log on stdout.
        optional log: Log,
        /// What the gateway tells other systems by itself.
        optional telemetry: Telemetry,
        /// Networks of proxies in front of this gateway; their Forwarded and X-Forwarded-* are kept and appended to, those of others replaced.
        optional trusted_proxies: List<Network>,
        /// How the requested version is found; an API's own `versioning` overrides it key by key.
        optional versioning: Versioning,
        /// How deprecated versions are announced and retired; a version's own `deprecation` overrides it key by key.
        optional deprecation: Deprecation,
        /// Sizes and counts beyond which a request is refused.
        optional limits: Limits,
        /// How long things may take.
        optional timeouts: Timeouts,
        /// The services behind the gateway: by name, a URL or more.
        optional upstreams: Entries<Name, ShortOrLong<ServerUrl, Upstream>>,
        /// The products with versions, by name.
        required apis: Apis,
        /// Callers with names and keys.
        later consumers: Anything,
        /// Feature flags.
        later flags: Anything,
    }
}

shape! {
    /// A listener with more than an address.
    pub struct Listener {
        /// Address and port.
        required address: Address,
        /// Certificates; HTTP/1.1 and HTTP/2 are chosen by ALPN.
        filled tls: ListenerTls,
        /// Who puts a PROXY protocol header (version 1 or 2) before everything else: a list of networks, or `true` for those of `trusted_proxies`. Others are served without one.
        optional proxy_protocol: ProxyProtocol = false,
    }
}

shape! {
    /// TLS 1.2 and 1.3. Files are PEM, relative to this file's folder; new ones are used without a restart.
    pub struct ListenerTls {
        /// The server's certificate and the chain behind it; for clients that ask for no name or an unknown one.
        optional cert: Text,
        /// Its private key: RSA, ECDSA (P-256, P-384) or Ed25519, without a passphrase.
        optional key: Text,
        /// Further certificates, picked by the name a client asks for (SNI).
        optional certificates: List<CertificateFiles>,
        /// Certificates of the authorities that sign clients' certificates; upstreams learn the one shown from Client-Cert (RFC 9440). Absent: clients are not asked.
        optional client_ca: Text,
        /// With `client_ca`: `required`, or `optional` (clients without one are let in, bad ones are refused).
        optional client_certificates: Word<ClientCertificates> = "required",
        /// The oldest version accepted: `1.2` or `1.3`.
        optional min_version: Word<MinVersion> = "1.2",
    }
}

shape! {
    /// A certificate and its key, in PEM files.
    pub struct CertificateFiles {
        /// The certificate and the chain behind it.
        required cert: Text,
        /// Its private key.
        required key: Text,
    }
}

/// `proxy_protocol:`.
#[derive(Clone, Debug)]
pub enum ProxyProtocol {
    /// From the networks of `trusted_proxies`, or from nobody.
    Flag(bool),
    /// From these networks.
    From(Vec<At<Network>>),
}

shape! {
    /// The operator's port.
    pub struct Admin {
        /// Address and port; off loopback it needs a token.
        optional listen: Address = "127.0.0.1:9901",
        /// Bearer token for /api/* and /metrics, at least 32 characters. Take it from the environment or a file: `${VERGATE_ADMIN_TOKEN:-}`, `${file:token}`.
        optional token: Text,
        /// Path of a Unix socket, relative to this file, where `vergate run --takeover` asks for the listening sockets. Who may write to it may take this gateway's place.
        optional takeover: Text,
        /// Further Host values that /api/* accepts, beside the listen address and loopback names.
        optional hosts: List<Text>,
        /// Requests to /api/* from one source; 429 beyond.
        optional requests_per_second: Count = 20,
        /// Wrong tokens from one source, after which it is not listened to for a while; 429.
        optional failed_logins_per_minute: Count = 5,
    }
}

shape! {
    /// The access log on stdout.
    pub struct Log {
        /// `json` (one object a line) or `text` (for human readers).
        optional format: Word<LogFormat> = "json",
        /// `all`, `errors` (status 400 and above, aborted exchanges) or `off`.
        optional requests: Word<LogRequests> = "all",
    }
}

shape! {
    /// How the requested version is found.
    pub struct Versioning {
        /// Places to look at, in order; the first that is present decides. Default: header X-API-Version, the path /v{version}/, query parameter version.
        optional resolve: List<Source>,
        /// What a request without a version means: `latest-stable`, `required` (400) or a quoted version.
        optional default: DefaultName = "latest-stable",
        /// When a later place names another version: `precedence` (the order decides) or `reject` (400).
        optional on_conflict: Word<OnConflict> = "precedence",
        /// When the named version does not exist: `reject` (400, 404 or 406) or `default` (the default answers and says so).
        optional on_unknown: Word<OnUnknown> = "reject",
    }
}

shape! {
    /// One place where a caller may name a version: exactly one of header, path, query and accept.
    pub struct SourceKeys {
        /// A header field of this name.
        optional header: FieldName,
        /// An expression on the path; its first group captures the version.
        optional path: PathPattern,
        /// A query parameter of this name.
        optional query: Text,
        /// An expression on a whole media range of Accept, whatever its case; its first group captures the version.
        optional accept: AcceptPattern,
        /// Whether the version is taken off before forwarding; for path and query.
        optional strip: Flag = true,
    }
}

shape! {
    /// How deprecated versions are announced and retired.
    pub struct Deprecation {
        /// When phases begin, counted back from the sunset.
        optional phases: Phases,
        /// What callers of a sunset version get: `gone` (410), `redirect` (308 to the successor) or `fall_forward` (the successor answers).
        optional after_sunset: Word<AfterSunset> = "gone",
        /// Which headers announce it.
        optional headers: AnnounceHeaders,
        /// Limit per consumer in the enforcement phase.
        later rate_limit: Anything,
        /// Whether consumers not seen before are admitted in the enforcement phase: `reject` or `allow`.
        later new_consumers: Anything,
        /// Planned short outages before the sunset.
        later brownouts: Anything,
    }
}

shape! {
    /// When phases begin, counted back from the sunset.
    pub struct Phases {
        /// Start of the warning phase: `6 months` by the calendar, or an exact `90 days`.
        optional warning: LeadTime = "6 months",
        /// Start of the enforcement phase.
        optional enforcement: LeadTime = "3 months",
    }
}

shape! {
    /// Which headers announce a deprecation, beside Deprecation and Sunset.
    pub struct AnnounceHeaders {
        /// Whether Warning: 299 is sent from the warning phase on.
        optional warning: Flag = true,
        /// Whether X-API-Deprecated, X-API-Sunset-Date and X-API-Migration-Guide are sent.
        optional seed: Flag = true,
        /// Link relations that are sent, of deprecation, sunset and successor-version.
        optional links: List<Word<LinkRelation>>,
    }
}

shape! {
    /// Sizes (64KiB, 10MiB, a bare integer is bytes) and counts.
    pub struct Limits {
        /// Length of the request target; 414 beyond.
        optional request_target: Size = "8KiB",
        /// Length of a request's header section; 431 beyond.
        optional request_header: Size = "32KiB",
        /// Fields of a request's header section; 431 beyond.
        optional request_header_fields: Count = 100,
        /// Length of a request body; 413 beyond.
        optional request_body: SizeOrZero = "1GiB",
        /// Length of a body that is adapted; 413 (request) or 502 (response) beyond.
        optional adapted_body: SizeOrZero = "8MiB",
        /// Fields that may follow a request body as trailers; others are dropped. None by default.
        optional request_trailers: List<TrailerName>,
        /// Length of the trailers of a body; 400 (request) or a broken answer beyond.
        optional trailer: Size = "8KiB",
        /// Fields in the trailers of a body; 400 (request) or a broken answer beyond.
        optional trailer_fields: Count = 16,
        /// Chunk extensions of a body, all together; 400 (request) or a broken answer beyond.
        optional chunk_extensions: SizeOrZero = "16KiB",
        /// Bytes a second at which a request body has to arrive, give or take `timeouts.request_body_grace`; 408 below. 0 for any.
        optional request_body_rate: SizeOrZero = 500,
        /// Requests on one client connection; the last one's answer closes it.
        optional requests_per_connection: Count = 10000,
        /// Length of a response's header section; 502 beyond.
        optional response_header: Size = "64KiB",
        /// Fields of a response's header section; 502 beyond.
        optional response_header_fields: Count = 200,
        /// Interim responses (1xx) before an answer; 502 beyond.
        optional interim_responses: Count = 32,
        /// Client connections: `auto` is the descriptor limit less what upstreams may use and a reserve of 64.
        optional connections: AutoCount = "auto",
        /// Client connections from one address, or `unlimited`.
        optional connections_per_client: UnlimitedCount = "unlimited",
        /// Requests served at once; 503 beyond.
        optional requests_in_flight: AutoCount = "auto",
        /// Streams of one HTTP/2 connection at once; more are refused.
        optional http2_streams: Count = 100,
        /// Bytes of a request body on their way in one HTTP/2 stream.
        optional http2_stream_window: Size = "64KiB",
        /// Bytes of request bodies on their way in one HTTP/2 connection.
        optional http2_connection_window: Size = "1MiB",
        /// CONTINUATION frames of one header block; the connection ends beyond.
        optional http2_continuations: Count = 16,
        /// HTTP/2 streams reset within 10 s, counted for each side; the connection ends beyond.
        optional http2_resets: Count = 200,
        /// The same on a connection that was never answered.
        optional http2_resets_unanswered: Count = 100,
        /// SETTINGS, PING, PRIORITY, empty DATA and unknown frames within 10 s together; the connection ends beyond.
        optional http2_control_frames: Count = 1000,
        /// Memory of the process: at 85 % connections end with their next answer, at 92 % requests are answered 503, at 95 % no connections are accepted. `auto` is the limit of the control group, if it has one.
        optional memory: MemorySize = "auto",
    }
}

shape! {
    /// Durations: 250ms, 5s, 1m, 24h, 7 days.
    pub struct Timeouts {
        /// From the first byte of a request head to its last; 408 beyond.
        optional request_header: Span = "10s",
        /// Longest pause within a request body; 408 beyond.
        optional request_body: Span = "15s",
        /// How far a request body may be behind `limits.request_body_rate`; 408 beyond.
        optional request_body_grace: SpanOrZero = "10s",
        /// Longest stall while a client does not take its answer, or a server its request.
        optional write: Span = "15s",
        /// How long a client connection may idle.
        optional keep_alive: Span = "75s",
        /// Until a connection to an upstream stands; 504 beyond. An upstream may have its own.
        optional connect: Span = "2s",
        /// From the last request byte to the first response byte; 504 beyond. An upstream may have its own.
        optional response: Span = "30s",
        /// Longest pause within a response body.
        optional response_idle: Span = "30s",
        /// Whole exchange, to the last response byte; tunnels and event streams are free of it.
        optional request: Span = "300s",
        /// Longest silence of a tunnel such as a WebSocket.
        optional tunnel_idle: Span = "1h",
        /// How long requests in flight may take when the gateway shuts down; 0s cuts them off.
        optional drain: SpanOrZero = "30s",
        /// How long an idle client connection stays open when the gateway shuts down, so that its next answer can say `Connection: close`; 0s closes it at once. At most `drain`.
        optional drain_idle: SpanOrZero = "5s",
    }
}

shape! {
    /// A product with versions.
    pub struct Api {
        /// Host names it answers to; `*.example.com` stands for one label. Default: any host.
        optional hosts: List<Host>,
        /// The path prefix it owns, after the version was taken off; the longest prefix wins.
        optional path: Prefix = "/",
        /// Whether the prefix is taken off too before forwarding.
        optional strip_path: Flag = false,
        /// Its operations, such as `GET /models/{id}`: metric labels, and what `unlisted` speaks of.
        optional endpoints: List<EndpointText>,
        /// What becomes of a request that fits no endpoint: `forward` or `reject` (404).
        optional unlisted: Word<Unlisted> = "forward",
        /// What HTTP leaves open about bodies that are adapted.
        optional adaptation: Adaptation,
        /// How its versions are found; overrides the global `versioning` key by key.
        optional versioning: Versioning,
        /// Its versions; names are quoted.
        required versions: Entries<VersionName, Version>,
        /// How its versions differ: changes, or paths of files that hold one.
        optional changes: Changes,
        /// Shares of the traffic by version.
        later rollout: Anything,
    }
}

shape! {
    /// What HTTP leaves open about bodies that are adapted.
    pub struct Adaptation {
        /// Bodies without a media type: `pass`, or `json` where they are nothing else.
        optional untyped: Word<Untyped> = "pass",
        /// Messages with `Cache-Control: no-transform`: `adapt` and count them, `bypass` (they pass in the shape of their sender's version) or `fail`.
        optional no_transform: Word<NoTransform> = "adapt",
        /// Messages with a signature that covers the digest of their body: `fail`, or `adapt` (the signature no longer holds).
        optional signed: Word<Signed> = "fail",
        /// Bodies that are not in UTF-8 and whose media type names another charset: `refuse` (415, or 502 for an answer), or `transcode` (they go on in UTF-8).
        optional charset: Word<Charset> = "refuse",
    }
}

shape! {
    /// One version of an API.
    pub struct Version {
        /// `development`, `alpha`, `beta`, `stable`, `deprecated` or `sunset`. Absent: stable, and the dates decide the rest.
        optional status: Word<Status>,
        /// When its callers are told to leave (Deprecation, RFC 9745).
        optional deprecated: Date,
        /// When it ends (Sunset, RFC 8594).
        optional sunset: Date,
        /// Overrides the dates: `announcement`, `warning`, `enforcement` or `sunset`.
        optional current_phase: Word<Phase>,
        /// Where callers read how to move on; a path or a URL.
        optional migration_guide: Guide,
        /// What breaks against the version before; shown on the admin port.
        optional breaking_changes: List<Text>,
        /// Its own operations, where they differ from the API's.
        optional endpoints: List<EndpointText>,
        /// Name of the upstream that serves it. Absent: the nearest newer version's, through `changes`.
        optional upstream: Name,
        /// The version that upstream speaks, where it is another one.
        optional speaks: VersionName,
        /// How it is announced and retired; overrides the global `deprecation` key by key.
        optional deprecation: Deprecation,
        /// Path of its OpenAPI document (3.0 or 3.1, JSON or YAML), against which `check` proves the changes. The running gateway does not read it.
        optional openapi: Text,
        /// Share of the traffic.
        later rollout: Anything,
    }
}

/// `apis:`. Findings about an API carry its name.
#[derive(Clone, Debug)]
pub struct Apis(pub Entries<Name, Api>);

/// `changes:`, read by [`super::changes`].
#[derive(Clone, Debug)]
pub struct Changes(pub Node);

/// `links:` entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the words are the documentation")]
pub enum LinkRelation {
    Deprecation,
    Sunset,
    SuccessorVersion,
}

impl Read for Apis {
    fn expected() -> String {
        "at least one API".to_owned()
    }

    fn read(node: &Node, findings: &mut Vec<Finding>) -> Option<Self> {
        let entries: Entries<Name, Api> = read_entries(node, findings, |name: &Name, found| {
            for finding in found {
                finding.api = Some(name.0.clone());
            }
        })?;
        if entries.entries.is_empty() && !entries.incomplete {
            let help = "add one: a name, and `versions:` below it";
            findings.push(Finding::error(&node.place, "missing-key", "`apis` has no API", help));
            return None;
        }
        Some(Self(entries))
    }
}

impl Read for ProxyProtocol {
    fn expected() -> String {
        "true, false or a list of networks".to_owned()
    }

    fn read(node: &Node, findings: &mut Vec<Finding>) -> Option<Self> {
        match node.list() {
            Some(_) => Filled::read(node, findings).map(|list| Self::From(list.0)),
            None => Flag::read(node, findings).map(|flag| Self::Flag(flag.0)),
        }
    }
}

impl Read for Changes {
    fn expected() -> String {
        "a list of changes".to_owned()
    }

    fn read(node: &Node, findings: &mut Vec<Finding>) -> Option<Self> {
        if node.list().is_none() {
            findings.push(wrong_type(node, "a list of changes or paths of files"));
            return None;
        }
        Some(Self(node.clone()))
    }
}
